from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from connectors.wire.clock import SystemClock
from mocks.sandbox.requests import Requests
from mocks.sandbox.trace import Trace, hashed
from mocks.sandbox.whose import answer_for


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


def test_what_is_counted_is_also_its_tenants(trace: Trace, tmp_path: Path) -> None:
    for tenant, operations in (("a", ["PSC.TOKEN", "PSC.TOKEN"]), ("b", ["PSC.TOKEN"]), (None, ["MSS.SESSION_SMTP"])):
        answer_for(tenant)
        for operation in operations:
            trace.received(operation)
        trace.held("DMP.TD2.1", hashed(str(tenant)))
    trace.claimed("MSS.SESSION_SMTP")  # nobody's still
    answer_for("a")
    trace.claimed("MSS.SESSION_SMTP")
    trace.held("DMP.TD2.1", hashed("b"))  # held already, and b's
    own = {"received": {"PSC.TOKEN": 2, "MSS.SESSION_SMTP": 1}, "held": {"DMP.TD2.1": 1}}
    assert trace.counts("a") == own and trace.counts("b") == {"received": {"PSC.TOKEN": 1}, "held": {"DMP.TD2.1": 1}}
    assert trace.counts() == {"received": {"PSC.TOKEN": 3, "MSS.SESSION_SMTP": 1}, "held": {"DMP.TD2.1": 3}}
    assert trace.counts("c") == {"received": {}, "held": {}}
    again = Trace(tmp_path, SystemClock())
    assert (again.counts(), again.counts("a")) == (trace.counts(), own)
    again.close()
    assert len(lines(tmp_path / "received.jsonl")) == 4, "one line a request, whoever it turns out to be of"


def test_one_tenants_lines_leave_and_come_back_without_anybody_elses(trace: Trace, tmp_path: Path) -> None:
    for tenant in ("a", "b", None):
        answer_for(tenant)
        trace.received("PSC.TOKEN")
        trace.held("DMP.TD2.1", hashed(str(tenant)))
    before, mine = trace.lines(), trace.lines("a")
    trace.replace({}, "a")
    assert trace.counts() == {"received": {"PSC.TOKEN": 2}, "held": {"DMP.TD2.1": 2}}
    assert trace.counts("a") == {"received": {}, "held": {}} and trace.counts("b")["held"] == {"DMP.TD2.1": 1}
    trace.replace(mine, "a")
    assert {file: sorted(content.splitlines()) for file, content in trace.lines().items()} == {
        file: sorted(content.splitlines()) for file, content in before.items()
    }
    assert trace.counts("a") == {"received": {"PSC.TOKEN": 1}, "held": {"DMP.TD2.1": 1}}


def test_a_request_is_told_by_its_tenants_own_number_and_others_do_not_drive_it_out() -> None:
    requests = Requests(SystemClock(), kept=3)
    for tenant in ("a", "b", "b", "b", "b", "a"):
        answer_for(tenant)
        requests.note("insi", "INS.RECHERCHE_TRAITS", 200, f"CR-{tenant}")
    assert [(one.number, one.code) for one in requests.of("a")] == [(1, "CR-a"), (2, "CR-a")]
    assert [one.number for one in requests.of("b")] == [2, 3, 4] and requests.codes("b", "insi") == {"CR-b": 4}
    assert [(one.number, one.tenant) for one in requests] == [(4, "b"), (5, "b"), (6, "a")]
    requests.forget("b")
    assert (requests.of("b"), requests.codes("b", "insi"), len(requests.of("a"))) == ([], {}, 2)


@pytest.fixture(autouse=True)
def nobodys() -> Iterator[None]:
    yield
    answer_for(None)
