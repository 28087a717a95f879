"""What the registry holds: grappes, their ESSMS, the numbers as typed and as kept (programme-indicateurs §2 to §5).

The field names are the keys of the registry files (``gateway/grappes/*.json`` of the data folder). Dates are local days
of the ESSMS; an interval is [since, until), until null meaning « still ».
"""
from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import ClassVar, Literal

from pydantic import ConfigDict, NonNegativeInt, PositiveInt

#: confirme: nothing to ask; corrige_propose: kept with a human decision; a_verifier: kept as typed, flagged.
Statut = Literal["confirme", "corrige_propose", "a_verifier"]
#: provisoire: own count; declare: sent to the ANAP; arrete: frozen after 31 May of the next year.
StatutDenominateur = Literal["provisoire", "declare", "arrete"]
#: Why a person accompanied is not in an eligible population (programme-indicateurs-2 §2); autre says it in ``justificatif``.
Motif = Literal["sejour_inferieur_2_mois", "accueil_ponctuel", "mesure_judiciaire", "part_hors_L312_1", "autre"]
#: At which level the ARS and the grappe agreed that a target is reached (programme-indicateurs §5, trap 5).
Level = Literal["essms", "og", "grappe"]
#: What an ESSMS is paid for.
Projet = Literal["acquisition", "mise_en_conformite"]

_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class Decision:
    """Who kept another number than the one typed, when and why. ``by`` names a body, never a person."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    by: str
    on: date
    why: str


@dataclass(frozen=True, slots=True)
class Exclusion:
    """So many persons accompanied that one of the two socle indicators does not divide by, and why."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    service: Literal["mss", "dmp"]
    motif: Motif
    nombre: PositiveInt
    justificatif: str = ""


@dataclass(frozen=True, slots=True)
class Denominator:
    """Persons accompanied, from a day on, and who says so. The two eligible populations are equal to it unless declared.

    annee            year N whose persons these are; the ANAP value of N is due on 31 May of N+1
    exclusions       what makes an eligible population smaller than ``persons``
    motif_exclusion  the same in a word, in registry files older than ``exclusions``
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    since: date
    persons: NonNegativeInt
    source: str  # declaration_projet, declaration_essms, tableau_de_bord_anap …
    statut: StatutDenominateur = "provisoire"
    population_eligible_mss: NonNegativeInt | None = None
    population_eligible_dmp: NonNegativeInt | None = None
    motif_exclusion: str | None = None
    annee: int | None = None
    exclusions: tuple[Exclusion, ...] = ()

    def of(self, indicator: str) -> int:
        """The number of persons that divides IND-DUI-01, IND-MSS-01 or IND-DMP-01; KeyError for another."""
        declared = {
            "IND-DUI-01": self.persons, "IND-MSS-01": self.population_eligible_mss, "IND-DMP-01": self.population_eligible_dmp,
        }[indicator]  # fmt: skip
        return self.persons - self.excluded(indicator) if declared is None else declared

    def excluded(self, indicator: str) -> int:
        """Persons whom the declared exclusions take out of this indicator."""
        return sum(one.nombre for one in self.exclusions if indicator == f"IND-{one.service.upper()}-01")


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An MSSanté address from which an ESSMS sends, and since when."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    address: str
    since: date
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate by which an ESSMS is known to the services, and since when. ``fingerprint``: SHA-256 of its DER, hex."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    fingerprint: str
    use: Literal["auth", "sign"]
    since: date
    until: date | None = None


@dataclass(frozen=True, slots=True)
class ExternalCount:
    """A numerator counted elsewhere (SI-DMP, operator), kept beside ours and never in its place (programme-indicateurs-2 §1).

    since, until  the days it covers, [since, until)
    origin        who counted: si_dmp, operateur_mssante …
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    indicator: Literal["IND-MSS-01", "IND-DMP-01"]
    since: date
    until: date
    count: NonNegativeInt
    origin: str
    received: date


@dataclass(frozen=True, slots=True)
class LegalEntity:
    """An entité juridique: one number kept among those typed."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    finess_ej: str
    name: str
    statut: Statut
    regle: str
    saisi: tuple[str, ...] = ()
    justification: str = ""


@dataclass(frozen=True, slots=True)
class Essms:
    """One establishment or service: the key of a rate is its geographic number, ``finess_et``.

    saisi       the number as the source writes it; differs from ``finess_et`` only with a ``decision``
    regle       reconciliation rule R0..R9 (programme-indicateurs §4)
    sector      TRE_R02 code, category: FINESS category code
    date_demarrage  first day of use of the socle services here, when it is not the grappe's
    facture_recue   day on which the end-of-deployment invoice was received
    ahi, sons_eligible  an AHI structure that SONS does not pay has no MSSanté nor DMP target
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    finess_et: str
    finess_ej: str
    name: str
    sector: str
    category: str
    statut: Statut
    regle: str
    saisi: str
    member_from: date
    member_until: date | None = None
    ligne: int | None = None
    name_saisi: str | None = None  # when the source's spelling was corrected
    projet: Projet | None = None
    justification: str = ""
    decision: Decision | None = None
    denominators: tuple[Denominator, ...] = ()
    mailboxes: tuple[Mailbox, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    dui_product: str | None = None
    date_demarrage: date | None = None
    facture_recue: date | None = None
    ahi: bool = False
    sons_eligible: bool = False
    external_counts: tuple[ExternalCount, ...] = ()

    @property
    def persons(self) -> int | None:
        """The last declared number of persons accompanied; None when nobody gave one."""
        return max(self.denominators, key=lambda one: one.since).persons if self.denominators else None

    def denominator(self, day: date) -> Denominator | None:
        """The denominator in force on a day: the latest one declared on or before it."""
        known = [one for one in self.denominators if one.since <= day]
        return max(known, key=lambda one: one.since, default=None)

    def is_member(self, day: date) -> bool:
        return within(day, self.member_from, self.member_until)

    def out_of_scope(self, indicator: str) -> bool:
        """Whether this indicator has no target here: « hors champ » (programme-indicateurs §1, AHI)."""
        return self.ahi and not self.sons_eligible and indicator in ("IND-MSS-01", "IND-DMP-01")


@dataclass(frozen=True, slots=True)
class Grappe:
    """A grouping of ESSMS paid together, and the document that says so.

    version           form of the file
    registry_version  of what it says: one more at each change (``versions``)
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    version: Literal[1]
    id: str
    name: str
    ars: str
    source: str
    document_date: date
    porteur_ej: str
    denominator_label: str
    entites_juridiques: tuple[LegalEntity, ...]
    essms: tuple[Essms, ...]
    date_demarrage: date | None = None  # first day of use of the socle services, when the project declares it
    contractual_level: Level = "grappe"
    registry_version: PositiveInt = 1

    def start_of(self, essms: Essms) -> date | None:
        """The first day of use of the socle services by this ESSMS."""
        return essms.date_demarrage or self.date_demarrage

    def find(self, finess_et: str) -> Essms | None:
        return next((one for one in self.essms if one.finess_et == finess_et), None)


def within(day: date, since: date, until: date | None) -> bool:
    return since <= day and (until is None or day < until)
