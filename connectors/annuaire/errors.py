"""What a caller of the Annuaire Santé must tell apart."""
from __future__ import annotations


class AnnuaireError(Exception):
    """The search gave no answer. An empty result is an answer, not an error.

    AnnuaireError
      |- NotAuthorised  no or unknown ESANTE-API-KEY
      |- Rejected       the search is not one the server accepts; ``diagnostics`` are its words
      |- Unavailable    no answer, 5xx, or the quota is still used up after the retries
      `- Unreadable     not the expected FHIR resource
    """

    code = "annuaire-error"

    def __init__(self, message: str, *, http_status: int | None = None) -> None:
        super().__init__(message)
        self.http_status = http_status


class NotAuthorised(AnnuaireError):
    code = "annuaire-not-authorised"


class Rejected(AnnuaireError):
    code = "annuaire-rejected"

    def __init__(self, diagnostics: str, *, http_status: int | None = None) -> None:
        super().__init__(diagnostics or f"HTTP {http_status}", http_status=http_status)
        self.diagnostics = diagnostics


class Unavailable(AnnuaireError):
    code = "annuaire-unavailable"


class Unreadable(AnnuaireError):
    code = "annuaire-unreadable"
