"""One fault: what a mock does instead of answering as usual, to whom, and what of it may be shown (design §7)."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from mocks.sandbox.codes import default_step, is_session
from mocks.sandbox.latency import Latency
from mocks.sandbox.who import Who

Kind = Literal[
    "timeout", "latency", "bandwidth", "dribble", "reset", "empty", "garbage", "half_close", "slow_close",
    "tls", "status", "malformed", "business", "soap", "injection",
]  # fmt: skip

#: Header in which a mock names the injected fault that touched its reply, where there is a reply.
FAULT_HEADER = "X-Socle-Injected-Fault"

#: How a peer loses an answer under each kind that may keep it from coming whole.
_LOST: dict[str, Literal["timeout", "reset"]] = {
    **dict.fromkeys(("timeout", "latency", "bandwidth", "dribble", "slow_close"), "timeout"),
    **dict.fromkeys(("reset", "empty", "garbage", "half_close", "tls", "long_length", "truncated_literal"), "reset"),
}


@dataclass(frozen=True, slots=True)
class Injected:
    """The answer given in place of the service's own. ``acts``: the service does its work all the same, before it."""

    body: bytes = field(repr=False)
    status: int = 200
    media: str = "application/octet-stream"
    acts: bool = True


@dataclass(frozen=True, slots=True)
class Fault:
    """What a mock does instead of answering as usual. What each kind is: docs/pannes.md.

    operation      one of the operation table, or ``DMP.*`` for a whole service
    kind           network: timeout, latency, bandwidth, dribble, reset, empty, garbage, half_close, slow_close, tls ·
                   protocol: status, malformed · business (``soap`` is its older name) · injection
    value          status: HTTP status, SMTP reply, or NO, BAD, BYE · business: the service's code · malformed: what is wrong
    for_next       how many calls it touches before it disarms itself
    for_s          after how many seconds it disarms itself, None for never
    delay_s        of a call that is touched, once ``take`` has drawn it
    rate           share of calls touched, 0 < rate <= 1, drawn from a generator seeded by ``seed``, else by sandbox and id
    step           of a mail dialogue: tls, or one of codes.STEPS
    tenant, caller, person  whom it touches, everybody when None; a person is a matricule, that nothing ever shows
    """

    id: str
    operation: str
    kind: Kind
    value: str = ""
    for_next: int = 1
    delay_s: float = 0.0
    rate: float = 1.0
    for_s: float | None = None
    step: str = ""
    latency: Latency | None = None
    bytes_per_s: int | None = None
    retry_after_s: int | None = None
    seed: int | None = None
    tenant: str | None = None
    caller: str | None = field(default=None, repr=False)
    person: str | None = field(default=None, repr=False)
    answer: Injected | None = None

    @property
    def code(self) -> str | None:
        """The service's own code that it answers, for a business fault."""
        return self.value if self.kind in ("business", "soap") else None

    @property
    def lost(self) -> Literal["timeout", "reset"] | None:
        """How the answer may be lost, so that nothing names the fault; None when it always comes."""
        return _LOST.get(self.value if self.kind == "malformed" else self.kind)

    def covers(self, operation: str, step: str) -> bool:
        if self.kind == "tls":  # a handshake belongs to a service: what will be asked is not known yet
            same = operation == self.operation if is_session(operation) else operation[:4] == self.operation[:4]
            return step == "tls" and same
        if self.operation not in (operation, f"{operation[:4]}*"):
            return False
        return (self.step or default_step(operation)) == step

    def concerns(self, who: Callable[[], Who]) -> bool:
        """``who`` is asked only when somebody in particular is meant."""
        if self.tenant is None and self.caller is None and self.person is None:
            return True
        called = who()
        return (
            self.tenant in (None, called.tenant)
            and (self.caller is None or self.caller in called.names)
            and (self.person is None or self.person in called.persons)
        )

    def to_json(self) -> dict[str, Any]:
        """Everything that may be shown: no person, no key, no injected byte."""
        law = self.latency
        return {
            "id": self.id, "operation": self.operation, "kind": self.kind, "value": self.value,
            "for_next": self.for_next, "delay_s": self.delay_s, "rate": self.rate, "for_s": self.for_s, "step": self.step or None,
            "law": None if law is None else law.law, "min_s": law and law.min_s, "max_s": law and law.max_s,
            "median_s": law and law.median_s, "p95_s": law and law.p95_s, "cap_s": law and law.cap_s,
            "bytes_per_s": self.bytes_per_s, "retry_after_s": self.retry_after_s, "seed": self.seed, "tenant": self.tenant,
            "caller": None if self.caller is None else _shown(self.caller), "one_person": self.person is not None,
            "answer": None if self.answer is None else {
                "size_bytes": len(self.answer.body), "status": self.answer.status, "content_type": self.answer.media,
                "acts": self.answer.acts,
            },
        }  # fmt: skip


def _shown(caller: str) -> str:
    """A caller, unless its name is a secret or somebody's: an API key, a mailbox."""
    if "@" in caller:
        return "une boîte aux lettres"
    return "une clé d'API" if caller.count("-") == 4 else caller
