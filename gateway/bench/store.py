"""`socle bench store`: what a large journal costs to keep and to read, on each store (design §5.7, §10; docs/performance.md)."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from connectors.wire.clock import SystemClock
from gateway.bench import usage
from gateway.bench.figure import Figure, Target
from gateway.bench.loaded import Loaded, loading
from gateway.bench.timing import medians, once_ms, per_s
from gateway.journal.filters import Filters, Period
from gateway.journal.journal import FILE_NAME
from gateway.journal.proof import export
from gateway.journal.proof.notary import Notary
from gateway.journal.proof.signing import SigningKey
from gateway.journal.proof.snapshot import Snapshot
from gateway.journal.proof.verdict import Verdict
from gateway.journal.proof.verify import verify
from gateway.journal.query import JournalReader
from gateway.journal.search import FILE_NAME as INDEX_NAME
from gateway.journal.search import Follower

ENTRIES = 10_000_000
#: Bytes of disk for each entry: the journal, its search index, its tree, and an export with its proof.
ROOM_PER_ENTRY = 4_000
_PAGE, _DEEP = 50, 10_000  # entries of a page; which page is « deep »
_STRIDE = 500  # entries of the pages that lead there: the largest that a page may have
_FIRST_PAGE = "la première page, dans la même exécution"
_READ = "les mêmes entrées lues dans l'ordre, sans les décoder"
_NOBODY = "0" * 32  # a ref that no entry has


def figures(folder: Path, sizes: list[int], address: str | None = None) -> list[Figure]:
    """Load a journal of each size in a new folder inside ``folder``, measure it and remove it.

    address  of an empty PostgreSQL database, for one size only: the journal is made there, and stays there
    Raises FileExistsError, WrongStore, StoreError.
    """
    area = "store.sqlite" if address is None else "store.postgresql"
    found: list[Figure] = []
    for size in sizes:
        with loading(folder, size, area, address) as loaded:
            found += figures_of(loaded)
    return found


def figures_of(loaded: Loaded) -> list[Figure]:
    """Its search index, its tree and its registry are made on the way."""
    return [*_index(loaded), *_pages(loaded), *_searches(loaded), *usage.figures_of(loaded), *_proof(loaded), *_beside(loaded)]


def _index(loaded: Loaded) -> Iterator[Figure]:
    follower = Follower(loaded.folder / FILE_NAME)
    try:
        taken = once_ms(lambda: _until_done(follower.catch_up))
    finally:
        follower.close()
    yield loaded.figure("index", "entrées/s CPU", per_s(loaded.entries, taken), _read_per_s(loaded), _READ)


def _pages(loaded: Loaded) -> Iterator[Figure]:
    """The first page and a deep one, reached as a reader does: by the cursors of the pages before it."""
    with JournalReader(loaded.folder) as reader:
        number, cursor, deep_enough = 1, None, min(_DEEP, loaded.entries // _PAGE - _STRIDE // _PAGE)
        while number < deep_enough:
            cursor = reader.entries(cursor=cursor, limit=_STRIDE).cursor
            number += _STRIDE // _PAGE
        first = medians(lambda: reader.entries(limit=_PAGE))
        assert len(reader.entries(cursor=cursor, limit=_PAGE).entries) == _PAGE
        deep = medians(lambda: reader.entries(cursor=cursor, limit=_PAGE))
    yield loaded.figure("page_1", "ms", first.wall_ms)
    yield loaded.figure(f"page_{number}", "ms", deep.wall_ms, first.wall_ms, _FIRST_PAGE, Target("ratio", "below", 2))


def _searches(loaded: Loaded) -> Iterator[Figure]:
    """One page of each: what an AMOA, an operator and a person's right of access ask, and a search that finds nobody."""
    with JournalReader(loaded.folder) as reader:
        some = next(entry for entry in reader.entries(limit=_STRIDE).entries if entry["person_ref"] and entry["finess_et"])
        month = Period(f"{some['event_time'][:7]}-01T00:00:00.000000Z", some["event_time"])
        asked = {
            "essms_mois": Filters(finess_et=some["finess_et"], event=month),
            "essms_issue": Filters(finess_et=some["finess_et"], operation="DMP.TD2.1", outcome="in_doubt"),
            "personne": Filters(person_refs=(some["person_ref"],)),
            "personne_absente": Filters(person_refs=(_NOBODY,)),
        }
        for name, filters in asked.items():
            taken = medians(partial(reader.entries, filters, limit=_PAGE))
            yield loaded.figure(f"recherche_{name}", "ms", taken.wall_ms)


def _proof(loaded: Loaded) -> Iterator[Figure]:
    """The tree as a start without one makes it; then an export of every entry with its proof, and its verification."""
    notary = Notary.open(loaded.folder, SystemClock())
    try:
        hashed = once_ms(lambda: _until_done(notary.catch_up))
        made = notary.checkpoint("export")
    finally:
        notary.close(sign=False)
    read = _read_per_s(loaded)
    yield loaded.figure("arbre", "entrées/s CPU", per_s(loaded.entries, hashed), read, _READ)
    zipped = loaded.folder / "export.zip"
    written = once_ms(lambda: _export(loaded.folder, zipped, made))
    yield loaded.figure("export_preuve", "entrées/s CPU", per_s(loaded.entries, written), read, _READ)
    yield loaded.figure("export_octets_par_entree", "octets", round(zipped.stat().st_size / loaded.entries, 1))
    signer = SigningKey(loaded.folder / "keys").present(made.origin)
    assert signer is not None
    verdicts: list[Verdict] = []
    verified = once_ms(lambda: verdicts.append(verify(zipped, [signer.public])))
    assert verdicts[0].holds, verdicts[0].faults
    yield loaded.figure("verification", "entrées/s CPU", per_s(loaded.entries, verified), read, _READ)


def _beside(loaded: Loaded) -> Iterator[Figure]:
    """What can be made again at will: the search index, the tree."""
    index = sum(path.stat().st_size for path in loaded.folder.glob(f"{INDEX_NAME}*"))
    tree = sum(path.stat().st_size for path in (loaded.folder / "tree").iterdir())
    yield loaded.figure("index_octets_par_entree", "octets", round(index / loaded.entries, 1))
    yield loaded.figure("arbre_octets_par_entree", "octets", round(tree / loaded.entries, 1))


def _export(folder: Path, out: Path, made: Snapshot) -> None:
    signer = SigningKey(folder / "keys").present(made.origin)
    assert signer is not None
    with JournalReader(folder) as reader, out.open("wb") as file:
        lines = ((entry.log, entry.seq, entry.body) for entry in reader.walk())
        export.write(file, folder, made, signer, lines, export.Export({}))


def _read_per_s(loaded: Loaded) -> float:
    with JournalReader(loaded.folder) as reader:
        return per_s(loaded.entries, once_ms(lambda: sum(len(entry.body) for entry in reader.walk())))


def _until_done(step: Callable[[], int]) -> None:
    while step():
        pass
