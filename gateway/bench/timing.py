"""How long work took, in the two ways that a shared machine allows."""
from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

_TIMES = 5


@dataclass(frozen=True, slots=True)
class Taken:
    """Medians of a few times."""

    wall_ms: float
    cpu_ms: float


def medians(work: Callable[[], object], times: int = _TIMES) -> Taken:
    wall, cpu = [], []
    for _ in range(times):
        cpu_started = time.process_time()
        wall.append(_wall_ms(work))
        cpu.append((time.process_time() - cpu_started) * 1000)
    return Taken(round(statistics.median(wall), 2), round(statistics.median(cpu), 2))


def once_ms(work: Callable[[], object]) -> float:
    """Of work too long to be done again; of the process's own time, as other processes share the cores."""
    started = time.process_time()
    work()
    return (time.process_time() - started) * 1000


def per_s(count: int, taken_ms: float) -> float:
    return round(1000 * count / taken_ms, 1)


def p99(values: list[float]) -> float:
    """The smallest value that 99 % of them do not exceed."""
    return sorted(values)[max(0, -(-len(values) * 99 // 100) - 1)]


def _wall_ms(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000
