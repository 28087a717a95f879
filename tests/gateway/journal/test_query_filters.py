"""Filters against a slow reference, with any part of the journal indexed; periods as a user types them."""
from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.journal import search
from gateway.journal.filters import Filters, Period, bound, period
from gateway.journal.journal import FILE_NAME
from gateway.journal.query import JournalReader
from gateway.journal.record import Named, Record
from tests.gateway.journal.world import BORN, open_journal

TENANTS = ("editeur-a", "editeur-b", "inconnu")
OPERATIONS = ("DMP.TD2.1", "INS.RECHERCHE_TRAITS", "MSS.SOUMISSION", "PSC.TOKEN")
OUTCOMES = ("ok", "refused", "invalid", "failed", "in_doubt")
FLAGS = ("V-VIHF", "V-DOUBLON", "G-DELAI", "N-ILLISIBLE")
FINESS = ("130784507", "830100000")
COUNT = 700
OUTLIERS = {255: -255, 300: -300, 400: 5000, 620: -620}  # news of other times: those of their blocks are wide


@dataclass(frozen=True)
class Written:
    folder: Path
    entries: list[dict[str, Any]]  # the latest first


def made(number: int) -> Record:
    """A mixture without chance: each field turns at its own pace, and time does not quite follow the order of writing."""
    record = Record(OPERATIONS[number % 4], outcome=OUTCOMES[number * 7 % 5], tenant=TENANTS[number // 3 % 3])  # type: ignore[arg-type]
    record.event_time = BORN + timedelta(hours=OUTLIERS.get(number, number))
    record.finess_et = (*FINESS, None)[number // 5 % 3]
    record.flags = [flag for place, flag in enumerate(FLAGS) if number * 13 % (7 + place) == 0]
    record.person = Named("person", f"2790351215{number % 40:05}") if number % 2 else None
    record.professional = Named("professional", f"8{number % 9:011}")
    record.message = Named("message", f"a@b\n<{number // 2}@dui>") if number % 4 == 2 else None
    record.documents = [Named("document", f"1.2.{number // 3 + place}") for place in range(number % 3)]
    return record


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Written]:
    folder = tmp_path_factory.mktemp("journal")

    async def fill() -> None:
        journal = open_journal(folder)
        for start in range(0, COUNT, 100):
            await journal.write(*(made(number) for number in range(start, start + 100)))
        doubtful = [entry for entry in read() if entry["outcome"] == "in_doubt"][::9]
        for entry in doubtful:
            await journal.write(Record(entry["operation"], kind="settlement", settles=entry["id"], outcome="succeeded"))
        await journal.write(Record(None, kind="admin", tenant="passerelle", detail={"action": "clock"}))
        await journal.close()

    def read() -> list[dict[str, Any]]:
        with JournalReader(folder) as reader:
            return [orjson.loads(entry.body) for entry in reader.walk()]

    asyncio.run(fill())
    yield Written(folder, read()[::-1])


def index_some(folder: Path, number: int) -> None:
    """Index about so many entries, from the first, in three batches."""
    for path in folder.glob(search.FILE_NAME + "*"):
        path.unlink()
    if number:
        before, search._BATCH = search._BATCH, (number + 2) // 3
        follower = search.Follower(folder / FILE_NAME)
        for _ in range(3):
            follower.catch_up()
        follower.close()
        search._BATCH = before


def slow(entries: list[dict[str, Any]], wanted: dict[str, Any]) -> list[str]:
    """What the filters mean, said once more in another way."""
    kept = []
    for entry in entries:
        good = True
        for name, value in wanted.items():
            if name == "flags":
                good &= len(set(value) & set(entry["flags"])) > 0
            elif name == "person_refs":
                good &= any(entry["person_ref"] == ref for ref in value)
            elif name == "document_ref":
                good &= entry["document_refs"].count(value) > 0
            elif name == "id_prefix":
                good &= entry["id"][: len(value)] == value
            elif name == "within":
                at = entry["event_time"]
                good &= entry["finess_et"] in [place for place, during in value if during.start <= at < during.end]
            elif name in ("event", "recorded"):
                moment = entry["event_time" if name == "event" else "recorded_at"]
                good &= not (moment < (value.start or "") or moment >= (value.end or "9"))
            else:
                good &= entry[name] == value
        if good:
            kept.append(entry["id"])
    return kept


@st.composite
def questions(draw: st.DrawFn, entries: list[dict[str, Any]]) -> dict[str, Any]:
    """One to four things asked, mostly of values that some entry has."""
    model = entries[draw(st.integers(0, len(entries) - 1))]
    other = entries[draw(st.integers(0, len(entries) - 1))]
    names = ("kind", "service", "operation", "outcome", "finess_et", "tenant", "environment", "settles",
             "professional_ref", "message_ref")  # fmt: skip
    choices: dict[str, Any] = {name: model[name] for name in names if model[name] is not None}
    choices["flags"] = tuple(model["flags"][:2]) or (draw(st.sampled_from(FLAGS)), "V-JAMAIS")
    choices["person_refs"] = tuple(e["person_ref"] for e in (model, other) if e["person_ref"])
    choices["id_prefix"] = model["id"][: draw(st.integers(0, 36))]
    choices["event"] = Period(*sorted((model["event_time"], other["event_time"])))
    during = Period(*sorted((model["event_time"], other["event_time"] + "z")))
    choices["within"] = tuple((one["finess_et"], during) for one in (model, other) if one["finess_et"])
    late = model["recorded_at"]
    choices["recorded"] = draw(st.sampled_from([Period(late), Period(None, late), Period(late, late[:-1] + "9Z")]))
    if model["document_refs"]:
        choices["document_ref"] = model["document_refs"][-1]
    asked = draw(st.lists(st.sampled_from(sorted(choices)), min_size=1, max_size=4, unique=True))
    return {name: choices[name] for name in asked}


@settings(max_examples=60, derandomize=True, deadline=None)
@given(data=st.data())
def test_any_question_gets_what_the_slow_way_gets(written: Written, data: st.DataObject) -> None:
    wanted = data.draw(questions(written.entries))
    index_some(written.folder, data.draw(st.sampled_from((0, 1, 255, 300, 699, 5000))))
    limit, effort = data.draw(st.sampled_from((1, 7, 1000))), data.draw(st.sampled_from((None, 50)))
    filters, found, cursor = Filters(**wanted), [], None
    with JournalReader(written.folder) as reader:
        for _ in range(3 * COUNT):
            page = reader.entries(filters, cursor, limit, effort=effort)
            assert len(page.entries) <= limit
            found += [entry["id"] for entry in page.entries]
            cursor = page.cursor
            if cursor is None:
                break
        upwards = [entry["id"] for _, entry in reader.select(filters)]
    assert cursor is None
    assert found == slow(written.entries, wanted)
    assert upwards == found[::-1]


@pytest.mark.parametrize("name", ["event", "recorded"])
def test_any_period_is_found_whatever_the_blocks_around_it(written: Written, name: str) -> None:
    index_some(written.folder, COUNT)
    field = "event_time" if name == "event" else "recorded_at"
    moments = sorted({entry[field] for entry in written.entries})
    borders = moments[:: max(1, len(moments) // 25)]
    with JournalReader(written.folder) as reader:
        assert reader.late < 100
        for wanted in [Period(*pair) for pair in pairwise(borders)]:
            expected = slow(written.entries, {name: wanted})
            assert [entry["id"] for entry in reader.entries(Filters(**{name: wanted}), limit=1000).entries] == expected
            assert [entry["id"] for _, entry in reader.select(Filters(**{name: wanted}))] == expected[::-1]


def test_every_filter_has_been_compared() -> None:
    """A filter added later must be added to the comparison too."""
    known = {
        "kind", "service", "operation", "outcome", "finess_et", "tenant", "environment", "settles", "professional_ref",
        "message_ref", "document_ref", "id_prefix", "within", "flags", "person_refs", "event", "recorded",
    }  # fmt: skip
    assert set(Filters.__slots__) == known


@pytest.mark.parametrize(("text", "side", "moment"), [
    ("2026-03-02", "start", "2026-03-01T23:00:00.000000Z"),
    ("2026-03-02", "end", "2026-03-02T23:00:00.000000Z"),
    ("2026-03-29", "start", "2026-03-28T23:00:00.000000Z"),  # the day that has 23 hours
    ("2026-03-29", "end", "2026-03-29T22:00:00.000000Z"),
    ("2026-07-14", "start", "2026-07-13T22:00:00.000000Z"),
    ("2026-03-02T09:30", "start", "2026-03-02T08:30:00.000000Z"),
    ("2026-03-02T09:30:00Z", "end", "2026-03-02T09:30:00.000000Z"),
    ("2026-03-02T09:30:00+04:00", "end", "2026-03-02T05:30:00.000000Z"),
])  # fmt: skip
def test_a_date_is_a_local_day(text: str, side: Any, moment: str) -> None:
    assert bound(text, side) == moment


@pytest.mark.parametrize("text", ["", "hier", "2026-13-01", "2026-02-30", "20260302x", "9999-12-31"])
def test_what_is_not_a_date_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=f"^{text}$"):
        period(None, text)


async def test_nobody_named_this_person(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    await journal.write(made(1), made(2))
    await journal.close()
    with JournalReader(tmp_path) as reader:
        assert reader.entries(Filters(person_refs=())).entries == []
        assert len(reader.entries(Filters(person_refs=None)).entries) == 2
