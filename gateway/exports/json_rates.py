"""Rates as a JSON file: the items of design §9 in an envelope that says what they are. Same input, same bytes."""
from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson

from gateway.exports.cells import local_and_utc
from gateway.exports.definitions import POPULATION_NOTE
from gateway.exports.naming import environment_of, warning_of
from gateway.usage.measure import DEFINITION_VERSION, Measure


def rates_json(measures: Sequence[Measure], generated_at: datetime) -> bytes:
    """UTF-8, indented. ValueError: mixed environments."""
    local, utc = local_and_utc(generated_at)
    return to_bytes(envelope(measures) | {"generated_at": utc, "generated_at_local": local})


def envelope(measures: Sequence[Measure]) -> dict[str, Any]:
    """What is true of all the items, then the items. ``coverage``: ESSMS inside the sums of each grappe and window."""
    return {
        "avertissement": warning_of(measures),
        "simulated": measures[0].simulated,
        "environment": environment_of(measures),
        "note": POPULATION_NOTE,
        "definition_version": DEFINITION_VERSION,
        "coverage": [
            {
                "grappe": row.grappe, "indicator": row.indicator, "period_start": row.window.start.isoformat(),
                "calculable": row.calculable, "total": row.members,
            }
            for row in measures
            if row.finess_et is None and row.finess_ej is None
        ],
        "rates": [row.item() for row in measures],
    }


def to_bytes(content: dict[str, Any]) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
