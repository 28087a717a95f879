"""Latencies of a run against the thresholds of thresholds.toml. Pure but for reading that file."""
from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Thresholds:
    failures_pct: float
    p95_ms: Mapping[str, float]


def shipped() -> Thresholds:
    """Those of ``thresholds.toml``, beside this module."""
    read = tomllib.loads((files("loadtests") / "thresholds.toml").read_text("utf-8"))
    return Thresholds(float(read["failures_pct"]), {key: float(value) for key, value in read["p95_ms"].items()})


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that ``share`` of the values do not exceed (nearest rank). ValueError when there is none."""
    if not values:
        raise ValueError("no value")
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def latency_table(latencies_ms: Mapping[str, Sequence[float]]) -> dict[str, dict[str, float]]:
    """Per operation: how many answers, median, 95th and 99th percentiles, worst; milliseconds."""
    return {
        operation: {
            "count": len(values),
            **{name: round(percentile(values, share), 1) for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))},
            "max": round(max(values), 1),
        }
        for operation, values in sorted(latencies_ms.items())
        if values
    }


def exceeded(table: Mapping[str, Mapping[str, float]], sent: int, failed: int, limits: Thresholds) -> list[str]:
    """Thresholds that do not hold, in French; empty when all do."""
    found = [
        f"{operation} : p95 de {table[operation]['p95']:.0f} ms, seuil {limit:.0f} ms"
        for operation, limit in limits.p95_ms.items()
        if operation in table and table[operation]["p95"] > limit
    ]
    if 100 * failed > limits.failures_pct * sent:
        found.append(f"{failed} échec(s) sur {sent} appels, seuil {limits.failures_pct} %")
    return found
