"""`socle bench usage`: what a month's rates cost, and that the journal's size does not change it (design §6, §9;
docs/performance.md)."""
from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import apsw
import orjson

from gateway.bench.figure import Figure, Target
from gateway.bench.usage_grappe import FIRST_DAY
from gateway.bench.usage_loader import ENVIRONMENT, load
from gateway.exports.csv_rates import rates_csv
from gateway.exports.journal_lines import Format, lines
from gateway.grappes.finess import zone_of
from gateway.grappes.registry import Registry
from gateway.journal.canonical import text_of
from gateway.journal.filters import Filters
from gateway.journal.journal import FILE_NAME
from gateway.journal.query import JournalReader
from gateway.usage import statements
from gateway.usage.measure import Measure
from gateway.usage.periods import add_months, windows
from gateway.usage.rates import Asked, answer
from gateway.usage.recount import recount
from gateway.usage.source import journal_of

ENTRIES = 1_000_000
#: Bytes of disk for each entry: the journal with its indexes, and what a recount puts beside it. Measured, rounded up.
ROOM_PER_ENTRY = 3_000
_MONTHS = 12
_NOW = datetime(2026, 9, 20, tzinfo=UTC)  # every window is over
_TIMES = 5
_EXPORTED = 100_000  # entries; the rest of a file costs as much
_TRANSPORT = "en processus"
_COUNTS = "les seules requêtes des numérateurs du mois, sans doute, échec, dénominateur ni objet"
_DECODED = "les mêmes entrées lues dans l'ordre et décodées, rien d'autre"
_COPIED = "les mêmes entrées lues dans l'ordre, sans les décoder"
_BUILT = "les mêmes mesures, déjà calculées, mises en CSV"


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A gateway's folder that ``load`` made."""

    folder: Path
    entries: int

    def figure(
        self, name: str, unit: str, value: float, limit: float | None, limit_is: str | None, target: Target | None = None
    ) -> Figure:
        body_bytes = (self.folder / FILE_NAME).stat().st_size // self.entries
        return Figure(f"usage.{name}.{self.entries}", unit, value, limit, limit_is, target, _TRANSPORT, body_bytes, 1)


def figures(folder: Path, sizes: Sequence[int] = (ENTRIES,)) -> list[Figure]:
    """Load a journal of each size in a new folder inside ``folder``, measure it and remove it."""
    found: list[Figure] = []
    for size in sizes:
        work = Path(tempfile.mkdtemp(prefix="banc-", dir=folder))
        try:
            load(work, size)
            found += figures_of(work, size)
        finally:
            shutil.rmtree(work)
    return [*found, *growth(found)]


def figures_of(folder: Path, entries: int) -> list[Figure]:
    """Of a folder that ``load`` made."""
    loaded = _Loaded(folder, entries)
    return [*_rates(loaded), *_recount(loaded), *_exports(loaded), _bytes(loaded)]


def growth(found: Sequence[Figure]) -> Iterator[Figure]:
    """How a month's rates grow from the smallest journal to the largest, when there are two."""
    by_size = sorted((int(one.name.rsplit(".", 1)[1]), one.value) for one in found if one.name.startswith("usage.taux_mois_cpu."))
    if len(by_size) > 1:
        (small, least), (large, most) = by_size[0], by_size[-1]
        limit_is = f"combien de fois plus d'entrées : {small}, puis {large}"
        yield Figure("usage.taux_mois.croissance", "fois", round(most / least, 2), round(large / small, 1), limit_is,
                     Target("value", "below", 2), _TRANSPORT, 0, 1)  # fmt: skip


def _rates(loaded: _Loaded) -> Iterator[Figure]:
    """The last month alone, then every window, as a page asks for them; then the month's file, with the digests of its detail."""
    registry = Registry.load(loaded.folder / "grappes")
    with journal_of(loaded.folder) as journal:

        def rates(**asked: Any) -> list[Measure]:
            return answer(journal, registry, Asked(ENVIRONMENT, _NOW, FIRST_DAY, _MONTHS, **asked))

        last = add_months(FIRST_DAY, _MONTHS - 1)
        month, bare = _medians(lambda: rates(month=last, digests=False)), _medians(lambda: _bare_counts(journal, registry))
        yield loaded.figure("taux_mois", "ms", month.wall_ms, bare.wall_ms, _COUNTS, Target("value", "below", 100))
        yield loaded.figure("taux_mois_cpu", "ms CPU", month.cpu_ms, bare.cpu_ms, _COUNTS, Target("value", "below", 100))
        yield loaded.figure("taux_annee_cpu", "ms CPU", round(_once_ms(lambda: rates(digests=False)), 2), None, None)
        found = rates(month=last)
        whole = _once_ms(lambda: rates_csv(rates(month=last), _NOW))
        written = _medians(lambda: rates_csv(found, _NOW)).cpu_ms
        yield loaded.figure("export_taux", "lignes/s CPU", _per_s(len(found), whole), _per_s(len(found), written), _BUILT)


def _bare_counts(journal: apsw.Connection, registry: Registry) -> int:
    """What counting over the indexes costs by itself."""
    window = windows(FIRST_DAY, _MONTHS)[-1]
    total = 0
    for essms in next(iter(registry.grappes.values())).essms:
        start, end = (text_of(at) for at in window.bounds(zone_of(essms.finess_et)))
        asked = {"environment": ENVIRONMENT, "finess_et": essms.finess_et, "start": start, "end": end}
        for sql in statements.NUMERATOR.values():
            total += journal.execute(sql.format(units="usage_units", inside=""), asked).get
    return total


def _recount(loaded: _Loaded) -> Iterator[Figure]:
    with JournalReader(loaded.folder) as reader:
        decoded = _once_ms(lambda: sum(len(orjson.loads(entry.body)) for entry in reader.walk()))
    taken = _once_ms(lambda: recount(loaded.folder))
    yield loaded.figure("recompte", "entrées/s CPU", _per_s(loaded.entries, taken), _per_s(loaded.entries, decoded), _DECODED)


def _exports(loaded: _Loaded) -> Iterator[Figure]:
    """The first entries of the journal, as `socle journal export` writes them."""
    count = min(_EXPORTED, loaded.entries)
    with JournalReader(loaded.folder) as reader:

        def export(form: Format) -> int:
            return sum(map(len, lines(islice(reader.select(Filters()), count), form, "simulé")))

        copied = _once_ms(lambda: sum(len(entry.body) for entry in islice(reader.walk(), count)))
        forms: tuple[Format, ...] = ("ndjson", "csv")
        for form in forms:
            taken = _once_ms(partial(export, form))
            yield loaded.figure(f"export_{form}", "lignes/s CPU", _per_s(count, taken), _per_s(count, copied), _COPIED)


def _bytes(loaded: _Loaded) -> Figure:
    with JournalReader(loaded.folder) as reader:
        some = [len(entry.body) for entry in islice(reader.walk(), _EXPORTED)]
    size = (loaded.folder / FILE_NAME).stat().st_size
    leaf = round(sum(some) / len(some))
    return loaded.figure("octets_par_entree", "octets", round(size / loaded.entries), leaf, "le JSON canonique de l'entrée, seul")


@dataclass(frozen=True, slots=True)
class _Taken:
    wall_ms: float
    cpu_ms: float


def _medians(work: Callable[[], object]) -> _Taken:
    wall, cpu = [], []
    for _ in range(_TIMES):
        cpu_started = time.process_time()
        wall.append(_wall_ms(work))
        cpu.append((time.process_time() - cpu_started) * 1000)
    return _Taken(round(statistics.median(wall), 2), round(statistics.median(cpu), 2))


def _wall_ms(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


def _once_ms(work: Callable[[], object]) -> float:
    """Of work too long to be done again; of the process's own time, as other processes share the cores."""
    started = time.process_time()
    work()
    return (time.process_time() - started) * 1000


def _per_s(count: int, taken_ms: float) -> float:
    return round(1000 * count / taken_ms, 1)
