"""`socle bench insi`: what an INSi call costs the mock and the gateway, beside nginx on this machine (docs/performance.md).

The process that calls is this one and is not counted; what is measured runs in processes of its own. The slope of memory is that
of the second half of the calls: SQLite's cache of the journal, of a fixed size, fills during the first.
"""
from __future__ import annotations

import asyncio
import ssl
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from connectors.wire.http import Client
from gateway.bench.figure import Figure, Target
from gateway.bench.insi_load import CALLERS, Run, ask, run
from gateway.bench.insi_nginx import Nginx, nginx
from gateway.bench.insi_rig import Call, Rig, rig
from gateway.bench.processes import resident_bytes

#: Calls over which the slope of memory is taken.
CALLS = 100_000
#: Bytes of disk for each call: its entry, what the mocks trace, measured and rounded up.
ROOM_PER_CALL = 4_000
_MEASURED, _ROUNDS = 5_000, 5  # calls of a speed, at most, and in how many rounds: the median one is told
_SECONDS, _SLOPE_SECONDS = 45.0, 900.0  # at most
_SAMPLES = 50
_FILLED = 50_000  # calls; the slope of fewer is that of the journal's cache, and says nothing of the target
_PEOPLE = 400
_RELAYED = "nginx, même TLS des deux côtés, même service simulé"
_ANSWERED = "nginx, même TLS, qui rend la même réponse sans la calculer"
_ABSENT = "nginx n'est pas installé (Debian : nginx-light)"


@dataclass(frozen=True, slots=True)
class _Speed:
    """Calls at ``base`` cost process ``pid``; ``limit`` is where nginx does the same work, None for nothing comparable."""

    name: str
    base: str
    call: Call
    tls: ssl.SSLContext | None
    pid: int
    limit: str | None = None
    limit_is: str | None = None
    target: float | None = None
    share: float | None = None  # of the limit


def figures(folder: Path, sizes: Sequence[int] = (CALLS,)) -> list[Figure]:
    """In a new sandbox inside ``folder``, removed at the end. ``sizes``: calls of each slope of memory.

    Raises ChildFailed, PortTaken; BenchFailed for a call that is not answered as it should be.
    """
    return asyncio.run(_figures(folder.resolve(), sizes))


async def _figures(folder: Path, sizes: Sequence[int]) -> list[Figure]:
    async with rig(folder) as bench:
        search = bench.search(_PEOPLE)
        async with Client(bench.mutual()) as client:
            answer = await ask(client, bench.supervisor.url("mock-insi"), search, 0)
        found: list[Figure] = []
        async with nginx(bench, answer) as best:
            for speed in _speeds(bench, search, best):
                found += await _measured(speed, best, min(_MEASURED, *sizes))
        for size in sizes:
            found += await _slopes(bench, search, size)
        return found


def _speeds(bench: Rig, search: Call, best: Nginx | None) -> list[_Speed]:
    url, mutual, mocks, gateway = bench.supervisor.url, bench.mutual(), bench.pid("mocks"), bench.pid("gateway")
    relay, answered, plain = (None, None, None) if best is None else (best.relay, best.mutual, best.plain)
    return [
        _Speed("simulateur_tls_mutuel", url("mock-insi"), search, mutual, mocks, answered, _ANSWERED, 1500),
        _Speed("simulateur_sans_tls", bench.plain_url, search, None, bench.plain.pid, plain, _ANSWERED, 2500),
        _Speed("relais", url("insi"), search, mutual, gateway, relay, _RELAYED, 600, 0.15),
        _Speed("porte_json", url("annuaire"), bench.own_search(_PEOPLE), bench.one_way(), gateway),
    ]


async def _measured(speed: _Speed, best: Nginx | None, count: int) -> list[Figure]:
    """In rounds, ours and nginx's in turn: what else the machine does meanwhile falls on both."""
    mine, limits = list[Run](), list[Run]()
    for _ in range(_ROUNDS):
        each, seconds = max(1, count // _ROUNDS), _SECONDS / _ROUNDS
        mine.append(await run(speed.base, speed.call, speed.tls, speed.pid, each, seconds))
        if best is not None and speed.limit is not None:
            limits.append(await run(speed.limit, speed.call, speed.tls, best.pid, each, seconds))
    return list(_told(speed, _median(mine), _median(limits) if limits else None))


def _median(runs: list[Run]) -> Run:
    return sorted(runs, key=lambda one: one.per_cpu_s)[len(runs) // 2]


def _told(speed: _Speed, mine: Run, limit: Run | None) -> Iterator[Figure]:
    said = speed.limit_is if limit is not None or speed.limit_is is None else _ABSENT
    transport = "HTTP" if speed.tls is None else "TLS"

    def figure(name: str, unit: str, value: float, best: float | None, target: Target | None) -> Figure:
        return Figure(f"insi.{name}.{CALLERS}", unit, value, best, said, target, transport, mine.body_bytes, CALLERS)

    best = None if limit is None else limit.per_cpu_s
    wanted = None if speed.target is None else Target("value", "at least", speed.target)
    yield figure(f"{speed.name}_cpu", "appels/s CPU", mine.per_cpu_s, best, wanted)
    if speed.share is not None:
        yield figure(f"{speed.name}_part", "appels/s CPU", mine.per_cpu_s, best, Target("ratio", "at least", speed.share))
    yield figure(speed.name, "appels/s", mine.per_s, None if limit is None else limit.per_s, None)


async def _slopes(bench: Rig, search: Call, count: int) -> list[Figure]:
    """How much memory each thousand calls leaves behind, in the gateway and in the mocks, and what they hold at last."""
    pids = {"passerelle": bench.pid("gateway"), "simulateur": bench.pid("mocks")}
    taken: dict[str, list[tuple[int, int]]] = {name: [] for name in pids}
    every = max(1, count // _SAMPLES)

    def seen(done: int) -> None:
        if done % every == 0:
            for name, pid in pids.items():
                taken[name].append((done, resident_bytes(pid, "RssAnon")))

    made = await run(
        bench.supervisor.url("insi"), search, bench.mutual(), pids["passerelle"], count, _SLOPE_SECONDS, seen=seen
    )

    def figure(name: str, unit: str, value: float, target: Target | None) -> Figure:
        return Figure(f"insi.{name}.{made.calls}", unit, value, None, None, target, "TLS", made.body_bytes, CALLERS)

    found: list[Figure] = []
    for name, samples in taken.items():
        slope = slope_kb(samples[len(samples) // 2 :])
        found.append(figure(f"memoire_{name}", "ko/1000 appels", slope, slope_target(made.calls)))
        found.append(figure(f"tenue_{name}", "Mio", round(samples[-1][1] / (1 << 20), 1), None))
    return found


def slope_target(calls: int) -> Target | None:
    return Target("value", "below", 1) if calls >= _FILLED else None


def slope_kb(samples: list[tuple[int, int]]) -> float:
    """Kilobytes a thousand calls, from (calls made, bytes held), by least squares."""
    calls, held = zip(*samples, strict=True)
    return round(statistics.linear_regression(calls, held).slope, 2)
