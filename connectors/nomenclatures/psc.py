"""Pro Santé Connect: paths, scopes, levels and code systems shared by whoever speaks of it (psc-annuaire §2, §4, §6, §9)."""
from __future__ import annotations

REALM_PATH = "/auth/realms/esante-wallet"
#: The realm's own name for its discovery document; the OIDC one exists beside it.
WALLET_DISCOVERY = "/.well-known/wallet-openid-configuration"
STANDARD_DISCOVERY = "/.well-known/openid-configuration"
PROTOCOL = "/protocol/openid-connect"
WALLET_PATH = "/auth"

SCOPES = ("openid", "scope_all")
ACR_REQUESTED = "eidas1"
#: Levels seen in tokens, weakest first; an answer may be stronger than what was asked, or carry none.
ACR_LEVELS = ("eidas1", "eidas2", "eidas3")
CHANNELS = ("CARD", "MOBILE")
#: The longest a relying party may keep a session, seconds.
SESSION_MAX_S = 4 * 3600

OID_SECTEUR = "1.2.250.1.71.4.2.4"
OID_SUBJECT_ROLE = "1.2.250.1.213.1.1.5.5"
PALIER = "APPPRIP3^1.2.250.1.213.1.5.1.1.1"
PSI_LOCALE = "1.2.250.1.213.1.3.1.1"
