"""What retention removed is named and is no fault; what somebody removed in its manner is (docs/preuve.md)."""
from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.journal.filters import Filters
from gateway.journal.proof.local import verify_local
from gateway.journal.proof.removals import Removal, masks, ranges_of, say
from gateway.journal.proof.verdict import Verdict
from tests.gateway.journal.proof.exports import codes, exported, judged, key_of, members, told, witnessed, zipped
from tests.gateway.journal.proof.world import sign, tamper
from tests.gateway.journal.world import rows
from tests.gateway.usage.aged import Aged, aged
from tests.stores import copied

SAID = "300 entrées retirées par la conservation le 2028-06-01 (entre 1/0 et 1/299, appels du 2026-11-02 au 2027-01-"


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> Aged:
    world = aged(tmp_path_factory.mktemp("frozen") / "gateway")
    world.retain()
    sign(world.folder)
    return world


@pytest.fixture
def folder(frozen: Aged, tmp_path: Path) -> Path:
    return copied(frozen.folder, tmp_path / "gateway")


@pytest.fixture
def judge(frozen: Aged, tmp_path: Path) -> Callable[..., Verdict]:
    return lambda content, witness=None: judged(tmp_path / "x.zip", content, key_of(frozen.folder), witness)


def removed_by_hand(folder: Path, act: str = "by hand") -> int:
    """An entry deleted as retention would, its true leaf kept, and no act that says so."""
    where = "kind = 'call' AND outcome = 'ok' ORDER BY pos DESC LIMIT 1"
    [(seq, leaf)] = [(pos & (1 << 40) - 1, body) for pos, body in rows(folder, f"SELECT pos, body FROM entries WHERE {where}")]
    places = "".join("1" if n == seq else "0" for n in range(1024))
    hashed = sha256(b"\x00" + leaf).hexdigest()
    rows(folder, f"INSERT INTO departed VALUES (1, 0, '{act}', '', '', '{places}', x'{hashed}')")
    rows(folder, f"DELETE FROM entries WHERE pos = {1 << 40 | seq}")
    return int(seq)


def test_an_export_of_everything_names_what_left(folder: Path, judge: Callable[..., Verdict]) -> None:
    content = exported(folder)
    verdict = judge(content, witnessed(folder))
    assert codes(verdict) == ["younger-witness"]
    verdict = judge(content)
    assert codes(verdict) == []
    assert verdict.lines[1] == verdict.vector[0].size - 300
    line = say(verdict.removals, 1)
    assert line is not None and line.startswith(SAID) and line.endswith("leurs empreintes restent dans l'arbre")
    assert f"Journal 1 : {line}." in members(content)["LISEZMOI.txt"].decode()


def test_an_export_of_a_part_shows_the_acts_too(folder: Path, judge: Callable[..., Verdict]) -> None:
    content = exported(folder, filters=Filters(outcome="in_doubt"))
    verdict = judge(content)
    assert (codes(verdict), verdict.lines[1], len(verdict.removals)) == ([], 2, 1)
    again = judge(exported(folder, filters=Filters(kind="admin")))
    assert (codes(again), len(again.removals)) == ([], 1)  # the act once, although it is asked for too


def test_a_witness_of_before_is_still_prolonged(frozen: Aged, tmp_path: Path) -> None:
    world = aged(tmp_path / "gateway")
    kept = witnessed(world.folder)
    before = exported(world.folder)
    world.retain()
    sign(world.folder)
    key = key_of(world.folder)
    assert judged(tmp_path / "old.zip", before, key, kept).faults == []
    after = judged(tmp_path / "new.zip", exported(world.folder), key, kept)
    assert after.faults == [] and after.witness is not None
    local = verify_local(world.folder, (key,))
    assert (local.faults, local.lines[1]) == ([], local.vector[0].size - 300)


def test_an_entry_removed_without_an_act(folder: Path, judge: Callable[..., Verdict]) -> None:
    seq = removed_by_hand(folder)
    verdict = verify_local(folder)
    assert codes(verdict) == ["removed-without-act"]
    assert told(verdict) == f"l'entrée 1/{seq} a été retirée sans acte de conservation : seule l'empreinte reste"
    verdict = judge(exported(folder))
    assert codes(verdict) == ["left-out-lines"]
    assert told(verdict) == "1 entrée du journal 1 n'est ni montrée ni retirée par la conservation"


def test_an_entry_removed_under_the_name_of_an_act(folder: Path) -> None:
    """The act says which places it took: nobody adds one to it."""
    [(act, leaves)] = rows(folder, "SELECT act, leaves FROM departed")
    tamper(folder, "DROP TRIGGER departed_never_change")
    where = "kind = 'call' AND outcome = 'ok' ORDER BY pos DESC LIMIT 1"
    [(seq, body)] = [(pos & (1 << 40) - 1, body) for pos, body in rows(folder, f"SELECT pos, body FROM entries WHERE {where}")]
    hashed = sha256(b"\x00" + body).hexdigest()
    change = f"places = substr(places, 1, {seq}) || '1' || substr(places, {seq + 2}), leaves = x'{leaves.hex()}{hashed}'"
    rows(folder, f"UPDATE departed SET {change} WHERE act = '{act}'")
    rows(folder, f"DELETE FROM entries WHERE pos = {1 << 40 | seq}")
    verdict = verify_local(folder)
    assert (codes(verdict), verdict.faults[0].place) == (["removed-without-act"], f"1/{seq}")


def test_an_entry_removed_with_its_leaf(folder: Path) -> None:
    tamper(folder, "DELETE FROM entries WHERE outcome = 'in_doubt'")
    assert codes(verify_local(folder)) == ["removed-line"]


def test_a_false_leaf_is_another_tree(folder: Path) -> None:
    [(leaves,)] = rows(folder, "SELECT leaves FROM departed")
    false = bytes(32) + leaves[32:]
    tamper(folder, "DROP TRIGGER departed_never_change", f"UPDATE departed SET leaves = x'{false.hex()}'")
    verdict = verify_local(folder)
    assert (codes(verdict), told(verdict)) == (["rewritten"], "l'entrée 1/0 n'est plus celle qui a été signée")


def test_an_act_left_out_of_an_export_of_everything(folder: Path, judge: Callable[..., Verdict]) -> None:
    parts = members(exported(folder))
    kept = [line for line in parts["log-1.ndjson"].splitlines(keepends=True) if b"retention_entries" not in line]
    assert "removed-line" in codes(judge(zipped(parts | {"log-1.ndjson": b"".join(kept)})))


ACT: dict[str, Any] = {
    "id": "a", "kind": "admin", "operation": "JOURNAL.RETENTION", "recorded_at": "2031-01-01T00:00:00.000000Z",
    "detail": {"action": "retention_entries", "by": "x", "of": 1, "ranges": [[1024, 1030], [1032, 1032]],
               "event_first": "2026-01-01", "event_last": "2026-01-02", "size": 2000, "root_before": "r", "root_after": "r",
               "rows": 0, "rows_sha256": ""},
}  # fmt: skip


def test_an_act_reads_back_as_it_was_written() -> None:
    one = Removal.of(ACT)
    assert one is not None
    assert (one.number, one.stretch, one.mask.bit_count(), one.mask & 1, one.mask >> 8 & 1) == (8, 1, 8, 1, 1)
    assert Removal.of(ACT | {"detail": json.loads(orjson.dumps(one.detail("x")))}) == one
    assert masks([one], 1) == {1: one.mask} and masks([one], 2) == {}
    assert ranges_of([3, 4, 7]) == ((3, 4), (7, 7))


@pytest.mark.parametrize("detail", [
    {"ranges": []}, {"ranges": [[5, 4]]}, {"ranges": [[1, 2000]]}, {"ranges": [[4, 6], [6, 8]]}, {"ranges": [[-1, 3]]},
    {"ranges": "x"}, {"ranges": [[0, 1 << 41]]}, {"of": True}, {"action": "retention"}, {"size": None},
])  # fmt: skip
def test_what_is_no_act_removes_nothing(detail: dict[str, Any]) -> None:
    assert Removal.of(ACT | {"detail": ACT["detail"] | detail}) is None
    assert Removal.of({}) is None and Removal.of(ACT | {"kind": "call"}) is None
