"""One HTTP call of a DUI, before it is sent and after it was read. Pure, so that the demonstration (asyncio) and Locust
(gevent) send the same bytes and read the answers with the same eyes."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from connectors.wire.http import Answer, Headers
from loadtests import failures

#: The gateway's own refusals (design §5.3, §5.4); anything else in an answer is the service's.
FAULT_HEADER = "X-Socle-Fault"
_TOO_LATE = "G-DELAI"


@dataclass(frozen=True, slots=True)
class Reading:
    """What the DUI understood: ``code`` as the service said it, ``why`` it is not a success, ``value`` what it brought."""

    code: str
    why: str | None = None
    value: Any = field(default=None, repr=False)

    @property
    def ok(self) -> bool:
        return self.why is None


Reader = Callable[[Answer], Reading]


@dataclass(frozen=True, slots=True)
class HttpCall:
    """One request. ``door`` is a listener name; ``target`` the path and query; ``unit`` names a side effect."""

    operation: str
    door: str
    method: str
    target: str
    read: Reader = field(repr=False)
    headers: Headers = field(default_factory=list, repr=False)
    body: bytes = field(default=b"", repr=False)
    unit: str | None = field(default=None, repr=False)


def read(call: HttpCall, answer: Answer) -> Reading:
    """The answer as the DUI reads it: what the gateway says of itself first, then what the service says. Never raises."""
    fault = answer.header(FAULT_HEADER)
    if fault is not None:
        return Reading(fault, failures.UPSTREAM_TIMEOUT if fault == _TOO_LATE else failures.OTHER)
    try:
        return call.read(answer)
    except Exception as error:  # an answer that a DUI cannot read is a failure of its own kind, never a crash of the run
        return Reading(f"HTTP {answer.status}", f"{failures.OTHER} ({type(error).__name__})")
