"""Why a call did not succeed, as the DUI reads it in the answer. French: these words are shown to vendors."""
from __future__ import annotations

CR_01 = "CR 01 : aucune identité"
CR_02 = "CR 02 : plusieurs identités"
INSI_FAULT = "faute INSi"
DMP_CLOSED = "DMP fermé"
VIHF_REFUSED = "VIHF refusé"
DUPLICATE_UNIQUE_ID = "uniqueId en double"
UNKNOWN_MAILBOX = "boîte inconnue"
FOREIGN_DOMAIN = "domaine hors liste blanche"
EXPIRED_TOKEN = "jeton expiré"  # noqa: S105 — a reason, not a token
UPSTREAM_TIMEOUT = "délai du service dépassé"
MALFORMED_SOAP = "SOAP mal formé"

#: Each happens at least once in a demonstration, on purpose.
PROVOKED = (
    CR_01, CR_02, INSI_FAULT, DMP_CLOSED, VIHF_REFUSED, DUPLICATE_UNIQUE_ID,
    UNKNOWN_MAILBOX, FOREIGN_DOMAIN, EXPIRED_TOKEN, UPSTREAM_TIMEOUT, MALFORMED_SOAP,
)  # fmt: skip

#: Never provoked: seen only when something is wrong, or when the gateway was killed.
NO_ANSWER = "sans réponse"
NO_CONNECTION = "connexion impossible"  # nothing was sent: no count of calls has it
OTHER = "autre refus"
