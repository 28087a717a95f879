"""Callers that each make the next call as soon as the last one is answered, on connections that they keep."""
from __future__ import annotations

import asyncio
import itertools
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass

from connectors.wire.http import Client
from gateway.bench.insi_rig import Call
from gateway.bench.processes import BenchFailed, cpu_s

CALLERS = 32
_WARM = 200  # calls before the clock starts, at most a tenth of those measured, but one of each caller: connections are made then
_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Run:
    """Calls answered, and what they took. ``cpu_s``: of the process under test, not of the callers."""

    calls: int
    seconds: float
    cpu_s: float
    body_bytes: int

    @property
    def per_s(self) -> float:
        return round(self.calls / self.seconds, 1)

    @property
    def per_cpu_s(self) -> float:
        return round(self.calls / self.cpu_s, 1)


async def ask(client: Client, base: str, call: Call, number: int) -> bytes:
    """Make one call; raises BenchFailed for another answer than a person found."""
    answer = await client.send(
        "POST", base + call.path, headers=call.headers, body=call.bodies[number % len(call.bodies)], timeout_s=_TIMEOUT_S
    )
    if answer.status != 200 or call.expected not in answer.body:
        raise BenchFailed(f"{base}{call.path} a répondu HTTP {answer.status} sans « {call.expected.decode()} ».")
    return answer.body


async def run(
    base: str, call: Call, tls: ssl.SSLContext | None, pid: int, count: int, seconds: float,
    *, seen: Callable[[int], None] = lambda _done: None,
) -> Run:  # fmt: skip
    """``count`` calls, fewer when ``seconds`` have gone by; what process ``pid`` used meanwhile. ``seen`` after each call."""
    async with Client(tls, connections=CALLERS) as client:
        await _calls(client, base, call, max(CALLERS, min(_WARM, count // 10)), seconds, lambda _done: None)
        started, cpu_started = time.perf_counter(), cpu_s(pid)
        answered, size = await _calls(client, base, call, count, seconds, seen)
        return Run(answered, time.perf_counter() - started, cpu_s(pid) - cpu_started, size)


async def _calls(
    client: Client, base: str, call: Call, count: int, seconds: float, seen: Callable[[int], None]
) -> tuple[int, int]:
    """How many were answered, and the mean size of a request with its answer."""
    until, numbers, done = time.perf_counter() + seconds, iter(range(count)), itertools.count(1)

    async def caller() -> tuple[int, int]:
        size = made = 0
        for number in numbers:
            size += len(call.bodies[number % len(call.bodies)]) + len(await ask(client, base, call, number))
            made += 1
            seen(next(done))
            if time.perf_counter() > until:
                break
        return made, size

    each = await asyncio.gather(*(caller() for _ in range(CALLERS)))
    made, size = (sum(column) for column in zip(*each, strict=True))
    return made, size // max(1, made)
