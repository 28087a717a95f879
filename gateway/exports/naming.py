"""What every export of rates shares: its file name, its warning, its one environment."""
from __future__ import annotations

from collections.abc import Sequence

from gateway.usage.measure import SIMULATED, Measure

#: Until the annex of instruction 2025/40 is obtained (programme-indicateurs-2 §2).
POPULATION_NOTE = "population éligible : définition de la note 2 de l'annexe non disponible"


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


def file_name(measures: Sequence[Measure], extension: str) -> str:
    """``taux-<grappes>-<first month>_<last month>[-DONNEES-SIMULEES].<extension>``"""
    grappes = "+".join(sorted({row.grappe for row in measures}))
    first = min(row.window.start for row in measures)
    last = max(row.window.last_day for row in measures)
    mark = "-DONNEES-SIMULEES" if warning_of(measures) else ""
    return f"taux-{grappes}-{first:%Y-%m}_{last:%Y-%m}{mark}.{extension}"
