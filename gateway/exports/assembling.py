"""An edition from its measures, with what a COPIL asks beside them: the same for a command and for a key."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib import metadata

from gateway.exports.edition import Edition
from gateway.grappes.model import Grappe
from gateway.journal.connection import Connection
from gateway.usage import money
from gateway.usage.alerts import alerts
from gateway.usage.alerts import lines as alert_lines
from gateway.usage.counting import Counting
from gateway.usage.measure import Measure

SOFTWARE = f"Socle {metadata.version('socle')}"


def assembled(journal: Connection, grappe: Grappe, rows: Sequence[Measure]) -> Edition:
    """``rows``: measures of one grappe, in the order of ``rates.answer``; ``grappe`` in their version of the registry.

    Everything is at the vector of the measures.
    """
    plain = Edition(tuple(rows), grappe, SOFTWARE)
    with journal:
        seen = alerts(Counting(journal, plain.environment, rows[-1].vector), grappe, rows, plain.known_until)
    return replace(plain, stakes=tuple(money.lines(grappe, money.stakes(grappe, rows))), alerts=tuple(alert_lines(seen)))
