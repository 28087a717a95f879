"""`socle bench usage`: what a month's rates cost, and that the journal's size does not change it (design §6, §9;
docs/performance.md)."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from gateway.bench.figure import Figure, Target
from gateway.bench.loaded import TRANSPORT, Loaded, loading
from gateway.bench.timing import medians, once_ms, per_s
from gateway.bench.usage_grappe import FIRST_DAY
from gateway.bench.usage_loader import ENVIRONMENT
from gateway.exports.csv_rates import rates_csv
from gateway.exports.journal_lines import Format, lines
from gateway.grappes.finess import zone_of
from gateway.grappes.registry import Registry
from gateway.journal.canonical import text_of
from gateway.journal.connection import Connection
from gateway.journal.filters import Filters
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
_EXPORTED = 100_000  # entries; the rest of a file costs as much
_COUNTS = "les seules requêtes des numérateurs du mois, sans doute, échec, dénominateur ni objet"
_DECODED = "les mêmes entrées lues dans l'ordre et décodées, rien d'autre"
_COPIED = "les mêmes entrées lues dans l'ordre, sans les décoder"
_BUILT = "les mêmes mesures, déjà calculées, mises en CSV"


def figures(folder: Path, sizes: Sequence[int] = (ENTRIES,)) -> list[Figure]:
    """Load a journal of each size in a new folder inside ``folder``, measure it and remove it."""
    found: list[Figure] = []
    for size in sizes:
        with loading(folder, size, "usage") as loaded:
            found += figures_of(loaded)
    return [*found, *growth(found)]


def figures_of(loaded: Loaded) -> list[Figure]:
    """Rates, recount and exports, and its size."""
    return [*_rates(loaded), *_recount(loaded), *_exports(loaded), _bytes(loaded)]


def growth(found: Sequence[Figure]) -> Iterator[Figure]:
    """How a month's rates grow from the smallest journal to the largest, when there are two."""
    by_size = sorted((int(one.name.rsplit(".", 1)[1]), one.value) for one in found if one.name.startswith("usage.taux_mois_cpu."))
    if len(by_size) > 1:
        (small, least), (large, most) = by_size[0], by_size[-1]
        limit_is = f"combien de fois plus d'entrées : {small}, puis {large}"
        yield Figure("usage.taux_mois.croissance", "fois", round(most / least, 2), round(large / small, 1), limit_is,
                     Target("value", "below", 2), TRANSPORT, 0, 1)  # fmt: skip


def _rates(loaded: Loaded) -> Iterator[Figure]:
    """The last month alone, then every window, as a page asks for them; then the month's file, with the digests of its detail."""
    registry = Registry.load(loaded.folder / "grappes")
    with journal_of(loaded.folder) as journal:

        def rates(**asked: Any) -> list[Measure]:
            return answer(journal, registry, Asked(ENVIRONMENT, _NOW, FIRST_DAY, _MONTHS, **asked))

        last = add_months(FIRST_DAY, _MONTHS - 1)
        month, bare = medians(lambda: rates(month=last, digests=False)), medians(lambda: _bare_counts(journal, registry))
        yield loaded.figure("taux_mois", "ms", month.wall_ms, bare.wall_ms, _COUNTS, Target("value", "below", 100))
        yield loaded.figure("taux_mois_cpu", "ms CPU", month.cpu_ms, bare.cpu_ms, _COUNTS, Target("value", "below", 100))
        yield loaded.figure("taux_annee_cpu", "ms CPU", round(once_ms(lambda: rates(digests=False)), 2), None, None)
        found = rates(month=last)
        whole = once_ms(lambda: rates_csv(rates(month=last), _NOW))
        written = medians(lambda: rates_csv(found, _NOW)).cpu_ms
        yield loaded.figure("export_taux", "lignes/s CPU", per_s(len(found), whole), per_s(len(found), written), _BUILT)


def _bare_counts(journal: Connection, registry: Registry) -> int:
    """What counting over the indexes costs by itself."""
    window = windows(FIRST_DAY, _MONTHS)[-1]
    total = 0
    for essms in next(iter(registry.grappes.values())).essms:
        start, end = (text_of(at) for at in window.bounds(zone_of(essms.finess_et)))
        asked = {"environment": ENVIRONMENT, "finess_et": essms.finess_et, "start": start, "end": end}
        for sql in statements.NUMERATOR.values():
            total += journal.execute(sql.format(units="usage_units", inside=""), asked).get
    return total


def _recount(loaded: Loaded) -> Iterator[Figure]:
    with JournalReader(loaded.folder) as reader:
        decoded = once_ms(lambda: sum(len(orjson.loads(entry.body)) for entry in reader.walk()))
    taken = once_ms(lambda: recount(loaded.folder))
    yield loaded.figure("recompte", "entrées/s CPU", per_s(loaded.entries, taken), per_s(loaded.entries, decoded), _DECODED)


def _exports(loaded: Loaded) -> Iterator[Figure]:
    """The first entries of the journal, as `socle journal export` writes them."""
    count = min(_EXPORTED, loaded.entries)
    with JournalReader(loaded.folder) as reader:

        def export(form: Format) -> int:
            return sum(map(len, lines(islice(reader.select(Filters()), count), form, "simulé")))

        copied = once_ms(lambda: sum(len(entry.body) for entry in islice(reader.walk(), count)))
        forms: tuple[Format, ...] = ("ndjson", "csv")
        for form in forms:
            taken = once_ms(partial(export, form))
            yield loaded.figure(f"export_{form}", "lignes/s CPU", per_s(count, taken), per_s(count, copied), _COPIED)


def _bytes(loaded: Loaded) -> Figure:
    each = round(loaded.store_bytes() / loaded.entries)
    return loaded.figure("octets_par_entree", "octets", each, loaded.leaf, "le JSON canonique de l'entrée, seul")
