"""SMTP replies of an operator and what they mean for a vendor. Source: reference mssante §5.3, §11.4, §16; RFC 3463."""
from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

#: Steps of a submission; the same code does not mean the same thing at each.
Stage = Literal["session", "auth", "mail", "rcpt", "data", "end"]

_ENHANCED = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?:\s|$)")

#: Basic codes answered for a command that is badly written or out of order: the software's own mistake.
SYNTAX_CODES = frozenset({500, 501, 502, 503, 504, 555})
AUTH_CODES = frozenset({530, 534, 535, 538})


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply. ``lines`` are the texts after the code, enhanced status included, as received."""

    code: int
    lines: tuple[str, ...] = field(default=("",), repr=False)

    @property
    def enhanced(self) -> str | None:
        """The enhanced status (RFC 3463) of the first line, such as ``5.1.1``."""
        match = _ENHANCED.match(self.lines[0])
        return match.group(1) if match else None

    @property
    def service_code(self) -> str:
        """``550 5.1.1``; the basic code alone when the server gave no enhanced status."""
        return f"{self.code} {self.enhanced}" if self.enhanced else str(self.code)

    @property
    def positive(self) -> bool:
        return 200 <= self.code < 300

    @property
    def transient(self) -> bool:
        return 400 <= self.code < 500


#: Flag of a refusal by (stage, enhanced status), then by (stage, basic code). V: the vendor's software or its data.
_FLAGS: dict[tuple[str, str], str] = {
    ("mail", "5.7.1"): "V-EXPEDITEUR",
    ("mail", "553"): "V-EXPEDITEUR",
    ("rcpt", "5.1.1"): "V-BAL-INCONNUE",
    ("rcpt", "5.1.3"): "V-BAL-INCONNUE",
    ("rcpt", "5.7.1"): "V-DOMAINE",
    ("rcpt", "550"): "V-BAL-INCONNUE",
    ("rcpt", "554"): "V-DOMAINE",
    ("end", "5.7.1"): "V-EXPEDITEUR",
}


def flag_of(stage: Stage, reply: Reply) -> str | None:
    """Who is at fault for a refusal at this stage; None for a positive or intermediate reply."""
    if reply.code < 400:
        return None
    if reply.transient:
        return "N-TEMPORAIRE"
    if reply.code in AUTH_CODES:
        return "V-JETON"
    if reply.code in SYNTAX_CODES:
        return "V-SYNTAXE"
    if reply.code == 552:
        return "V-TAILLE"
    return _FLAGS.get((stage, reply.enhanced or "")) or _FLAGS.get((stage, str(reply.code))) or "V-REFUS"
