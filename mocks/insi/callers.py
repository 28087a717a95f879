"""Who calls, by each listener: an organisation's certificate (variant A), or an assertion (variants B and C; insi §2)."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from mocks.insi import assertion
from mocks.insi.faults import FAULTS, Faulted
from mocks.insi.operations import BY_CARD
from mocks.insi.state import Register
from mocks.insi.wire import Message
from mocks.sandbox.signatures import Trust

ALLOWED_CN = frozenset({"INSI-AUTO", "INSI-MANU"})  # compared literally (insi §2.2)


class Caller(Protocol):
    """Both raise Faulted."""

    def check_connection(self) -> None:
        """What TLS alone shows."""
        ...

    def identified(self, message: Message, register: Register, real: datetime) -> tuple[str, str]:
        """Whose lots are whose, and what Emetteur should say; real time."""
        ...


@dataclass(frozen=True, slots=True)
class ByCertificate:
    """``cn`` and ``unit`` (OU) of the client's certificate; None when it has none or cannot be read."""

    cn: str | None
    unit: str | None = None

    def check_connection(self) -> None:
        if self.cn not in ALLOWED_CN:
            raise Faulted(FAULTS["desir_560"])

    def identified(self, message: Message, register: Register, real: datetime) -> tuple[str, str]:
        """An assertion is not asked for, and not read."""
        return self.unit or "", self.unit or ""


@dataclass(frozen=True, slots=True)
class ByAssertion:
    """``claims``: of the access token that came with the call, when our Pro Santé Connect issued it."""

    trust: Trust
    claims: Mapping[str, Any] | None = field(default=None, repr=False)

    def check_connection(self) -> None:
        pass

    def identified(self, message: Message, register: Register, real: datetime) -> tuple[str, str]:
        life = assertion.CARD_LIFE if message.operation is BY_CARD else assertion.LIFE
        bearer = assertion.check(message.security, self.trust, self.claims, register.rules, real, life)
        return _structure(bearer, register) or bearer.name_id, bearer.name_id


def _structure(bearer: assertion.Bearer, register: Register) -> str | None:
    """The structure that the assertion names, when its bearer works there: an assertion alone may name any."""
    who = register.population.professional(bearer.name_id)
    places = [] if who is None else [who.get("structure"), *(place.get("structure") for place in who.get("also_in", ()))]
    return f"1{bearer.billing}" if bearer.billing and bearer.billing in places else None
