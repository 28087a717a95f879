"""What every export of rates shares: its file name, its warning, its one environment."""
from __future__ import annotations

from collections.abc import Sequence

from gateway.usage.measure import SIMULATED, Measure


def environment_of(measures: Sequence[Measure]) -> str:
    """The environment of all these measures. ValueError when there is none, or more than one: two are never mixed."""
    found = {row.environment for row in measures}
    if len(found) != 1:
        raise ValueError(f"an export holds measures of one environment, not {len(found)}")
    return found.pop()


def warning_of(measures: Sequence[Measure]) -> str | None:
    """The first line of a file made outside production; None in production."""
    environment = environment_of(measures)
    return f"{SIMULATED} (environnement {environment})" if measures[0].simulated else None


def version_name(measures: Sequence[Measure]) -> str:
    """``v<n>``, the highest among the measures; ``provisoire`` while one of their windows is not closed."""
    closed = all(row.state == "clos" for row in measures)
    return f"v{max(row.version for row in measures)}" if closed else "provisoire"


def file_name(measures: Sequence[Measure], extension: str, what: str = "taux") -> str:
    """``<what>-<grappes>-<first month>[_<last month>]-<version>[-DONNEES-SIMULEES].<extension>``"""
    grappes = "+".join(sorted({row.grappe for row in measures}))
    first = min(row.window.start for row in measures)
    last = max(row.window.last_day for row in measures)
    months = f"{first:%Y-%m}" if (first.year, first.month) == (last.year, last.month) else f"{first:%Y-%m}_{last:%Y-%m}"
    mark = "-DONNEES-SIMULEES" if warning_of(measures) else ""
    return f"{what}-{grappes}-{months}-{version_name(measures)}{mark}.{extension}"
