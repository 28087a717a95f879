"""/metrics: the journal's own counts, read when asked; no counter lives beside the journal (design §11)."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.journal.query import JournalReader


class GatewayCollector(Collector):
    """Reads counts from the journal of ``folder`` at each scrape."""

    def __init__(self, folder: Path, busy: Callable[[], int]) -> None:
        self._folder = folder
        self._busy = busy

    def describe(self) -> Iterator[Metric]:
        """Nothing beforehand: the journal is only read when asked."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        calls = CounterMetricFamily("socle_calls", "Calls in the journal", labels=("operation", "outcome"))
        doubts = GaugeMetricFamily("socle_in_doubt", "Calls in doubt and not settled", labels=("operation",))
        with JournalReader(self._folder) as reader:
            counts, intents = reader.counts(), reader.intents()
        for operation, row in counts.items():
            for outcome, number in row["outcomes"].items():
                calls.add_metric((operation, outcome), number)
            doubts.add_metric((operation,), row["in_doubt"])
        yield calls
        yield doubts
        yield GaugeMetricFamily("socle_intents", "Side effects under way", value=intents)
        yield GaugeMetricFamily("socle_in_flight", "Calls in flight", value=self._busy())
