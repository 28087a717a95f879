"""The year of calls that the bench loads: what a journal would have written, and what a recount agrees on."""
from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.bench.calls import intent_of
from gateway.bench.usage_calls import MIX, calls
from gateway.bench.usage_grappe import FIRST_DAY, bench_grappe
from gateway.bench.usage_loader import ENVIRONMENT, append, load
from gateway.grappes.registry import Registry
from gateway.journal.journal import FILE_NAME
from gateway.journal.record import JournalLocked
from gateway.journal.vault import Vault
from gateway.usage.recount import recount
from tests.gateway.journal.world import HandClock, open_journal, rows

_RANDOM = {"recorded_at", "boot_id"}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("loaded")
    load(folder, 4_000)
    return folder


def comparable(folder: Path) -> dict[str, Any]:
    """Every table, refs replaced by the keyed digests that they stand for; what is drawn or dated is only counted."""
    names = {ref: lookup.hex() for ref, lookup in rows(folder, "SELECT ref, lookup FROM refs")}

    def without_refs(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: without_refs(item) for key, item in value.items() if key not in _RANDOM}
        if isinstance(value, list):
            return [without_refs(item) for item in value]
        return names.get(value, value)

    entries = [orjson.loads(body) for (body,) in rows(folder, "SELECT body FROM entries ORDER BY pos")]
    for entry in entries:
        for body in entry["bodies"]:
            body["commitment"] = "salted"
    tables = [name for (name,) in rows(folder, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    return {
        "entries": [without_refs(entry) for entry in entries],
        "columns": rows(folder, "SELECT pos, id, kind, service, operation, outcome, tenant, finess_et, settles FROM entries"),
        "units": sorted(without_refs(list(row)) for row in rows(folder, "SELECT * FROM usage_units")),
        "keys": sorted(without_refs(list(row)) for row in rows(folder, "SELECT * FROM keys")),
        "doubts": sorted(without_refs(list(row)) for row in rows(folder, "SELECT entry_id, key_ref, commitment FROM doubts")),
        "refs": sorted(rows(folder, "SELECT kind, lookup, sealed IS NULL FROM refs")),
        "sizes": {table: rows(folder, f"SELECT COUNT(*) FROM {table}")[0][0] for table in tables},
    }


async def test_the_loader_writes_what_the_journal_writes(tmp_path: Path) -> None:
    records = list(islice(calls(bench_grappe(), 1_000_000), 5_000))  # the first days of a busy year
    records = records[: 1 + max(n for n, record in enumerate(records) if record.outcome == "in_doubt")]  # one is left open
    assert {record.kind for record in records} == {"call", "settlement"}
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    journal = open_journal(theirs, environment=ENVIRONMENT, clock=HandClock())
    for first in range(0, len(records), 100):
        some = records[first : first + 100]
        await asyncio.gather(*(journal.intend(one, intent) for one in some if (intent := intent_of(one)) is not None))
        await journal.write(*some)
    await journal.close()
    ours.mkdir()
    shutil.copytree(theirs / "keys", ours / "keys")
    append(ours / FILE_NAME, Vault.open(ours / "keys", ENVIRONMENT, create=False), iter(records))
    loaded, written = comparable(ours), comparable(theirs)
    assert loaded.keys() == written.keys()
    for what in written:
        assert loaded[what] == written[what], what
    assert written["units"] and written["keys"] and written["doubts"]


def test_a_recount_agrees(loaded: Path) -> None:
    found = recount(loaded)
    assert (found.entries, found.gap_count, found.environments) == (4_000, 0, [ENVIRONMENT])
    assert found.units == found.stored > 700


def test_it_is_a_year_of_the_whole_grappe(loaded: Path) -> None:
    registry = Registry.load(loaded / "grappes")
    [grappe] = registry.grappes.values()
    numbers = {one.finess_et for one in grappe.essms}
    assert (len(numbers), FIRST_DAY.isoformat()) == (24, "2025-09-01")
    entries = [orjson.loads(body) for (body,) in rows(loaded, "SELECT body FROM entries ORDER BY pos")]
    assert {entry["operation"] for entry in entries} == set(MIX)
    assert {entry["finess_et"] for entry in entries} == {*numbers, None}
    assert {entry["kind"] for entry in entries} == {"call", "settlement"}
    assert {"ok", "refused", "failed", "in_doubt", "succeeded"} <= {entry["outcome"] for entry in entries}
    months = Counter(entry["event_time"][:7] for entry in entries)
    assert len(months) == 12
    assert max(months.values()) < 2 * min(months.values())
    assert [entry["event_time"] for entry in entries] == sorted(entry["event_time"] for entry in entries)


def test_a_folder_with_a_journal_is_left_alone(loaded: Path, tmp_path: Path) -> None:
    before = rows(loaded, "SELECT COUNT(*) FROM entries")
    with pytest.raises(FileExistsError):
        load(loaded, 10)
    assert rows(loaded, "SELECT COUNT(*) FROM entries") == before


def test_the_same_seed_gives_the_same_calls() -> None:
    def told(seed: int) -> list[tuple[Any, ...]]:
        made = calls(bench_grappe(), 500, seed)
        return [(one.operation, one.outcome, one.event_time, one.finess_et, one.person, one.message) for one in made]

    assert told(1) == told(1) != told(2)
    assert len(told(1)) == 500


async def test_a_folder_that_a_gateway_has_is_refused(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    (tmp_path / FILE_NAME).rename(tmp_path / "elsewhere")
    try:
        with pytest.raises(JournalLocked):
            load(tmp_path, 10)
    finally:
        await journal.close()
