"""OIDs that several services share. Sources: reference insi §12, psc-annuaire §14 and §16."""
from __future__ import annotations

# Matricule INS, by nature (insi §12).
INS_NIR = "1.2.250.1.213.1.4.8"  # production; also what INSi qualification answers for fictitious people
INS_NIA = "1.2.250.1.213.1.4.9"  # identifier in waiting
INS_NIR_TEST = "1.2.250.1.213.1.4.10"  # what the DMP test environment wants
INS_NIR_DEMO = "1.2.250.1.213.1.4.11"
INS_C = "1.2.250.1.213.1.4.2"  # obsolete, calculated

#: The social security number as such: a billing number, not an INS.
NSS_NIR, NSS_NIA = "1.2.250.1.213.1.4.13", "1.2.250.1.213.1.4.14"

INS_OIDS = frozenset({INS_NIR, INS_NIA, INS_NIR_TEST, INS_NIR_DEMO})
#: Refused by the production profile (design §7).
INS_SANDBOX_OIDS = frozenset({INS_NIR_TEST, INS_NIR_DEMO})

# Assigning authorities of national identifiers, and the tables of their prefixes (psc-annuaire §14).
PERSON_AUTHORITY = "1.2.250.1.71.4.2.1"  # idNat_PS
STRUCTURE_AUTHORITY = "1.2.250.1.71.4.2.2"  # idNat_struct
PERSON_ID_TYPES = "1.2.250.1.71.1.2.15"  # TRE_G08
STRUCTURE_ID_TYPES = "1.2.250.1.71.1.2.14"  # TRE_G07

# Professions, roles and sectors (psc-annuaire §16). A code means nothing without its table: keep both.
HEALTH_PROFESSIONS = "1.2.250.1.71.1.2.7"  # TRE_G15
SOCIAL_PROFESSIONS = "1.2.250.1.213.1.6.1.4"  # TRE_R94
TITLE_HOLDERS = "1.2.250.1.213.1.6.1.109"  # TRE_R95
OTHER_PROFESSIONS = "1.2.250.1.213.1.6.1.140"  # TRE_R291, code 99: known by their role only
PROFESSION_CATEGORIES = "1.2.250.1.213.1.6.1.10"  # TRE_R09
ROLES = "1.2.250.1.213.1.6.1.107"  # TRE_R85
FUNCTIONS = "1.2.250.1.213.1.6.1.17"  # TRE_R21
ACTIVITY_SECTORS = "1.2.250.1.71.4.2.4"  # TRE_R02
FACILITY_CATEGORIES = "1.2.250.1.213.1.6.1.8"  # TRE_R66
