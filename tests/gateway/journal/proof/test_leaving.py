"""Entries leave after their delay and the tree stays whole: same roots, same witnesses, same start; nothing else may leave."""
from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import apsw
import orjson
import pytest

from gateway.grappes.reading import RegistryError
from gateway.grappes.registry import Registry
from gateway.journal.connection import StoreError
from gateway.journal.proof import snapshot
from gateway.journal.proof.growth import verify_witness
from gateway.journal.proof.hashes import FOLDER as TREE
from gateway.journal.proof.leaves import HoleInLog, Leaves
from gateway.journal.proof.local import verify_local
from gateway.journal.proof.notary import Notary
from gateway.journal.retention import Retention
from gateway.usage import resting as resting_module
from gateway.usage.recount import recount
from tests import stores
from tests.gateway.journal.proof.exports import key_of, taken, witnessed
from tests.gateway.journal.proof.world import sign, tamper
from tests.gateway.journal.world import rows
from tests.gateway.usage.aged import LATER, SHORT, Aged, aged, traffic
from tests.gateway.usage.world import sent, utc

CALLS = 300  # of those that ``traffic`` writes, how many may leave


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Aged:
    return aged(tmp_path_factory.mktemp("aged"))


@pytest.fixture
def world(old: Aged, tmp_path: Path) -> Aged:
    """A copy, for a test to let its entries go."""
    stores.copied(old.folder, tmp_path / "gateway")
    copy = Aged.__new__(Aged)
    copy.__dict__ = old.__dict__ | {"folder": tmp_path / "gateway"}
    return copy


def acts(folder: Path) -> list[dict[str, Any]]:
    found = rows(folder, "SELECT body FROM entries WHERE operation = 'JOURNAL.RETENTION' ORDER BY pos")
    return [orjson.loads(body)["detail"] for (body,) in found]


def count(folder: Path, where: str = "true") -> int:
    [(number,)] = rows(folder, f"SELECT count(*) FROM entries WHERE {where}")
    return int(number)


def test_what_leaves_and_what_stays(world: Aged) -> None:
    folder = world.folder
    others = count(folder, "kind <> 'call'")
    done = world.retain()
    assert (done["entries"], done["waiting"]) == (CALLS, 0)
    assert count(folder, "outcome = 'in_doubt'") == count(folder, "kind = 'settlement'") == 1
    assert count(folder, "recorded_at >= '2028-05'") == 110 + (count(folder, "kind = 'admin'"))
    assert count(folder, "kind <> 'call'") == others + 2  # the act, and the summary
    [act] = acts(folder)
    assert (act["number"], act["of"], act["ranges"]) == (CALLS, 1, [[0, CALLS - 1]])
    assert (act["event_first"][:7], act["event_last"][:7]) == ("2026-11", "2027-01")
    last = snapshot.latest(folder)
    assert last is not None
    assert act["root_before"] == act["root_after"] == last.vector[0].root


def test_the_tree_is_that_of_all_that_was_written(world: Aged) -> None:
    kept = witnessed(world.folder)
    before = taken(world.folder).vector[0]
    world.retain()
    shutil.rmtree(world.folder / TREE)  # made again from entries and kept leaves
    notary = Notary.open(world.folder, world.clock)
    assert notary.forks == ()
    notary.close(sign=False)
    after = taken(world.folder).vector[0]
    assert after.size == before.size + 2
    leaves = Leaves(world.folder)
    assert len(leaves.hashes(1, 0, 10_000)) == after.size
    leaves.close()
    assert verify_local(world.folder, (key_of(world.folder),)).faults == []
    grown = verify_witness(witnessed(world.folder, kept), [key_of(world.folder)], kept)
    assert grown.faults == []


def test_several_acts_share_a_stretch(world: Aged) -> None:
    world.together = 110
    assert world.retain()["entries"] == CALLS
    assert [act["ranges"] for act in acts(world.folder)] == [[[0, 109]], [[110, 219]], [[220, 299]]]
    assert len(rows(world.folder, "SELECT 1 FROM departed WHERE chunk = 0")) == 3
    shutil.rmtree(world.folder / TREE)
    sign(world.folder)
    assert verify_local(world.folder).faults == []
    found = recount(world.folder)
    assert (found.gap_count, found.frozen > 0) == (0, True)


def test_what_a_second_pass_finds_gone_is_gone(world: Aged) -> None:
    world.retain()
    size, before = count(world.folder), acts(world.folder)
    assert world.retain()["entries"] == 0
    assert (count(world.folder), acts(world.folder)) == (size + 1, before)  # one more summary


def test_nothing_leaves_before_its_delay(world: Aged) -> None:
    first = utc("2026-11-02T08:00")
    kept = Retention({"*": 30}, {"*": 400}, {"*": 400}, {"*": 400})
    assert world.retain(first + timedelta(days=400), kept)["entries"] == 0
    five_years = Retention({"*": 30}, {"*": 400}, {"*": 400})
    assert world.retain(LATER, five_years)["entries"] == 0


def test_each_tenant_has_its_delay(world: Aged, tmp_path: Path) -> None:
    other = Aged(tmp_path / "two")
    calls = traffic()
    for record in calls[::2]:
        record.tenant = "patient"
    other.write(*calls, *(sent(f"<after{n}@dui>", "2028-05-20T10:00") for n in range(110)))
    other.close()
    other.sign()
    slow = Retention({"*": 30}, {"*": 400, "patient": 1000}, {"*": 400}, {"*": 400, "patient": 1000})
    assert other.retain(LATER, slow)["entries"] == CALLS // 2
    assert count(other.folder, "tenant = 'patient' AND kind = 'call'") == CALLS // 2 + 1
    assert verify_local(other.folder).faults == []


def test_nothing_leaves_that_no_checkpoint_covers(tmp_path: Path) -> None:
    world = Aged(tmp_path)
    world.write(*traffic(), *(sent(f"<after{n}@dui>", "2028-05-20T10:00") for n in range(110)))
    world.close()
    assert world.retain()["entries"] == 0
    world.sign()
    assert world.retain()["entries"] == CALLS


def test_only_what_the_last_checkpoint_covers_leaves(tmp_path: Path) -> None:
    world, calls = Aged(tmp_path), traffic()
    world.registry = Registry([])  # no measure, no closing
    world.write(*calls[:150])
    world.sign()
    world.write(*calls[150:], *(sent(f"<after{n}@dui>", "2028-05-20T10:00") for n in range(110)))
    assert world.retain()["entries"] == 150
    world.sign()
    assert world.retain()["entries"] == CALLS - 150
    assert verify_local(tmp_path).faults == []


def test_the_last_hundred_of_a_log_stay_whatever_their_age(tmp_path: Path) -> None:
    world = Aged(tmp_path)
    world.write(*traffic())
    world.registry = Registry([])  # no measure, no closing
    world.sign()
    assert world.retain()["entries"] == CALLS - 98  # of the hundred, one was in doubt, and one settles it
    assert count(tmp_path, "kind = 'call'") == 99


def test_what_an_open_window_rests_on_stays(tmp_path: Path) -> None:
    world = Aged(tmp_path)
    world.write(*traffic(), *(sent(f"<after{n}@dui>", "2028-05-20T10:00") for n in range(110)))
    world.sign()
    done = world.retain()
    assert (done["entries"], done["waiting"]) == (0, CALLS)
    world.close()
    assert world.retain()["entries"] == CALLS


def test_nothing_leaves_when_nobody_can_say_what_rests(world: Aged, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object) -> object:
        raise RegistryError("unreadable")

    monkeypatch.setattr(resting_module, "unclosed", unknown)
    assert world.retain()["entries"] == 0


def test_an_entry_that_the_tables_contradict_stays(world: Aged) -> None:
    [(log, seq)] = rows(world.folder, "SELECT log, seq FROM usage_units WHERE indicator = 'IND-DMP-01' ORDER BY seq LIMIT 1")
    tamper(world.folder, f"DELETE FROM usage_units WHERE log = {log} AND seq = {seq}")
    world.registry = Registry([])  # no measure holds it: only the table does
    done = world.retain()
    assert (done["entries"], done["waiting"]) == (CALLS - 1, 1)
    assert count(world.folder, f"pos & 1048575 = {seq}") == 1


def test_an_altered_journal_loses_nothing_more(world: Aged) -> None:
    changed = "CAST(replace(CAST(body AS TEXT), '\"ok\"', '\"KO\"') AS BLOB)"
    tamper(world.folder, f"UPDATE entries SET body = {changed} WHERE pos & 1023 = 7")
    before = count(world.folder)
    assert world.retain()["entries"] == 0
    assert count(world.folder) == before + 1


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM entries",
        "DELETE FROM entries WHERE pos & 1048575 = 5",
        "DELETE FROM entries WHERE kind = 'admin'",
        "UPDATE departed SET act = 'x'",
        "DELETE FROM departed",
    ],
)
def test_no_other_deletion_passes(world: Aged, statement: str) -> None:
    if "departed" in statement:
        world.retain()
    with pytest.raises((apsw.ConstraintError, StoreError), match="never"):
        rows(world.folder, statement)


@pytest.mark.parametrize("kept", ["kind = 'admin'", "kind = 'settlement'", "outcome = 'in_doubt'"])
def test_what_stays_for_good_stays_even_with_its_leaf_kept(world: Aged, kept: str) -> None:
    [(pos,)] = rows(world.folder, f"SELECT pos FROM entries WHERE {kept} LIMIT 1")
    seq = pos & (1 << 40) - 1
    places = "".join("1" if one == seq % 1024 else "0" for one in range(1024))
    rows(world.folder, f"INSERT INTO departed VALUES (1, {seq // 1024}, 'x', '', '', '{places}', x'{bytes(32).hex()}')")
    with pytest.raises((apsw.ConstraintError, StoreError), match="never"):
        rows(world.folder, f"DELETE FROM entries WHERE pos = {pos}")


def test_a_hole_is_still_a_hole(world: Aged) -> None:
    world.retain()
    tamper(world.folder, "DELETE FROM entries WHERE outcome = 'in_doubt'")
    shutil.rmtree(world.folder / TREE)
    with pytest.raises(HoleInLog, match="l'entrée 1/300 manque"):
        sign(world.folder)


@pytest.mark.parametrize(
    ("entries", "why"), [({"*": 399}, "« \\* » : 400 jours"), ({"*": 400, "a": 500}, "« a » : 900 jours"), ({"a": 400}, "900")]
)
def test_a_delay_shorter_than_what_the_entries_date_is_refused(entries: dict[str, int], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Retention({}, {"*": 400, "a": 900}, {}, entries)
    assert Retention({}, {"*": 400, "a": 900}, {}, {"*": 400, "a": 900}).entries_days("a") == 900
    assert Retention({}, {"*": 400, "a": 2000}).entries_days("a") == 2000
    assert SHORT.entries_days("anybody") == 400
