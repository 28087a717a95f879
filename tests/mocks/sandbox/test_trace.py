from pathlib import Path

import orjson
import pytest

from connectors.wire.clock import SystemClock
from mocks.sandbox.trace import Trace, hashed


@pytest.fixture
def trace(tmp_path: Path):
    trace = Trace(tmp_path, SystemClock())
    yield trace
    trace.close()


def lines(path: Path) -> list[dict[str, str]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def test_each_request_received_is_one_line_at_once(trace: Trace, tmp_path: Path) -> None:
    trace.received("DMP.TD2.1")
    trace.received("DMP.TD2.1")
    trace.received("INS.RECHERCHE_TRAITS")
    assert [line["op"] for line in lines(tmp_path / "received.jsonl")] == ["DMP.TD2.1", "DMP.TD2.1", "INS.RECHERCHE_TRAITS"]
    assert trace.counts()["received"] == {"DMP.TD2.1": 2, "INS.RECHERCHE_TRAITS": 1}


def test_a_side_effect_is_held_once_however_often_it_is_repeated(trace: Trace, tmp_path: Path) -> None:
    assert trace.held("DMP.TD2.1", hashed("269054958815780", "1.2.3"))
    assert not trace.held("DMP.TD2.1", hashed("269054958815780", "1.2.3"))
    assert trace.held("DMP.TD2.1", hashed("269054958815780", "1.2.4"))
    assert trace.counts()["held"] == {"DMP.TD2.1": 2}
    assert len(lines(tmp_path / "held.jsonl")) == 2
    assert b"269054958815780" not in (tmp_path / "held.jsonl").read_bytes()


def test_counts_survive_the_process(trace: Trace, tmp_path: Path) -> None:
    trace.received("DMP.TD2.1")
    trace.held("DMP.TD2.1", hashed("a"))
    again = Trace(tmp_path, SystemClock())
    assert again.counts() == trace.counts()
    assert not again.held("DMP.TD2.1", hashed("a"))
    again.close()


def test_reset_empties_files_and_counts_then_goes_on(trace: Trace, tmp_path: Path) -> None:
    trace.received("DMP.TD2.1")
    trace.held("DMP.TD2.1", hashed("a"))
    trace.reset()
    assert trace.counts() == {"received": {}, "held": {}}
    trace.received("PSC.TOKEN")
    assert [line["op"] for line in lines(tmp_path / "received.jsonl")] == ["PSC.TOKEN"]
    assert (tmp_path / "held.jsonl").read_bytes() == b""
