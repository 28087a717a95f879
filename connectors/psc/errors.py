"""What a relying party of Pro Santé Connect must tell apart."""
from __future__ import annotations


class PscError(Exception):
    """Nobody is logged in.

    PscError
      |- Refused      PSC said no: an OAuth error, or a page without one; do not retry as it is
      |- Untrusted    an answer came that does not belong to this login: state, issuer, signature, nonce, audience, expiry
      |- Unavailable  no answer, or a 5xx: start the login again later
      `- Unreadable   neither the expected answer nor an OAuth error
    """

    code = "psc-error"


class Refused(PscError):
    code = "psc-refused"

    def __init__(self, error: str, description: str = "", *, http_status: int | None = None) -> None:
        super().__init__(f"{error}: {description}" if description else error)
        self.error = error  # the OAuth code, verbatim; "page" when an HTML page came instead
        self.description = description
        self.http_status = http_status


class Untrusted(PscError):
    code = "psc-untrusted"


class Unavailable(PscError):
    code = "psc-unavailable"


class Unreadable(PscError):
    code = "psc-unreadable"
