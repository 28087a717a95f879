"""What a caller of INSi must tell apart."""
from __future__ import annotations

from connectors.insi import codes


class InsiError(Exception):
    """INSi refused or failed. CR 01, CR 02 and KO are answers, not errors.

    InsiError
      |- InvalidTraits   siram_10: a field is missing or ill-formed; ``trait`` names it when the code is known
      |- NotAuthorised   siram_100: unknown IDAM (desir_550), certificate without the right (desir_560)
      |- Unavailable     siram_40 and every other fault: technical, never means « nobody »
      `- Unreadable      the answer is none of this operation's, or would name several people as one
    """

    code = "insi-error"

    def __init__(self, message: str, *, service_code: str | None = None, http_status: int | None = None) -> None:
        super().__init__(message)
        self.service_code = service_code  # verbatim: insi_19, desir_550 …
        self.http_status = http_status


class InvalidTraits(InsiError):
    code = "insi-invalid-traits"

    @property
    def trait(self) -> codes.Trait | None:
        known = codes.FAULTS.get(self.service_code or "")
        return None if known is None else known.trait


class NotAuthorised(InsiError):
    code = "insi-not-authorised"


class Unavailable(InsiError):
    code = "insi-unavailable"


class Unreadable(InsiError):
    code = "insi-unreadable"


_BY_FAMILY: dict[str | None, type[InsiError]] = {
    codes.SIRAM_INVALID: InvalidTraits,
    codes.SIRAM_UNAUTHORISED: NotAuthorised,
}


def error_class(family: str | None) -> type[InsiError]:
    """The error of a siram family; Unavailable for anything else, because a fault never means « nobody »."""
    return _BY_FAMILY.get(family, Unavailable)
