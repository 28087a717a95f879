"""An injected fault is named in every entry that it touched, even when nothing came back to name it (design §7)."""
from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from connectors.wire.http import Client
from gateway.doors.own.examples import REQUESTS
from gateway.touches import MAX_AGE_S, Touches
from mocks.sandbox.faults import Fault
from tests.gateway.doors.own.bench import Bench, open_bench


class Clock:
    at = 0.0

    def __call__(self) -> float:
        return self.at


def test_a_call_claims_the_touch_of_its_operation_once_and_of_its_kind_first() -> None:
    touches = Touches()
    touches.note("r", "DMP.TD2.1", "reset")
    touches.note("t", "DMP.TD2.1", "timeout")
    touches.note("i", "INS.RECHERCHE_TRAITS", "timeout")
    assert touches.claim("DMP.TD2.1", timed_out=True) == "t"
    assert touches.claim("DMP.TD2.1", timed_out=True) == "r"  # a silence that ends in a cut connection
    assert touches.claim("DMP.TD2.1", timed_out=True) is None
    assert touches.claim("INS.RECHERCHE_TRAITS", timed_out=False) == "i"


def test_a_touch_whose_answer_came_is_nobodys() -> None:
    touches = Touches()
    touches.note("t", "DMP.TD2.1", "timeout")
    touches.note("t", "DMP.TD2.1", "timeout")
    touches.answered("DMP.TD2.1", "t")
    touches.answered("DMP.TD2.1", None)
    touches.answered("DMP.TD0.2", "t")
    assert [touches.claim("DMP.TD2.1", timed_out=True) for _ in range(2)] == ["t", None]


def test_an_old_touch_is_forgotten() -> None:
    clock = Clock()
    touches = Touches(clock)
    touches.note("t", "DMP.TD2.1", "timeout")
    clock.at = MAX_AGE_S + 1
    assert touches.claim("DMP.TD2.1", timed_out=True) is None


# --- through the doors, the mocks and the console


@pytest.fixture
async def bench(own_sandbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    async with open_bench(own_sandbox, tmp_path / "data", monkeypatch) as bench:
        assert bench.gateway is not None
        bench.world.ports["console"] = int(bench.urls["console"].rsplit(":", 1)[1])
        bench.gateway.road.deadline_s = bench.gateway.smtp.deadline_s = 2.0  # a first call shakes hands, on a busy machine
        yield bench


CALLS = {"INS.RECHERCHE_TRAITS": "/ins/recherche", "DMP.TD2.1": "/dmp/documents", "MSS.SOUMISSION": "/mss/messages",
         "MSS.SESSION_SMTP": "/mss/messages"}  # fmt: skip
SILENT = {"MSS.SOUMISSION": 0.0, "MSS.SESSION_SMTP": 5.0}  # seconds; nothing at all after a message


async def call(bench: Bench, operation: str, once: str) -> None:
    await bench.post(CALLS[operation], REQUESTS[CALLS[operation]], once=once)


@pytest.mark.parametrize("kind", ["timeout", "reset"])
@pytest.mark.parametrize("operation", CALLS)
async def test_a_call_without_an_answer_names_the_fault_and_the_next_does_not(bench: Bench, operation: str, kind: str) -> None:
    delay_s = SILENT.get(operation, 5.0) if kind == "timeout" else 0.0
    bench.world.faults.arm(Fault("panne-7", operation, kind, delay_s=delay_s))  # type: ignore[arg-type]
    await call(bench, operation, "k1")
    await call(bench, operation, "k2")
    named = [(entry["fault"], entry["flags"][-1:]) for entry in bench.entries(operation)]
    assert named == [("panne-7", ["F-INJECTION"]), (None, [])]


@pytest.mark.parametrize("operation", ["INS.RECHERCHE_TRAITS", "DMP.TD2.1", "MSS.SOUMISSION"])
async def test_a_slow_answer_names_it_and_leaves_nothing_to_claim(bench: Bench, operation: str) -> None:
    bench.world.faults.arm(Fault("lent", operation, "timeout", delay_s=0.05))
    await call(bench, operation, "k1")
    [entry] = bench.entries(operation)
    assert (entry["outcome"], entry["fault"], entry["flags"]) == ("ok", "lent", ["F-INJECTION"])
    assert bench.gateway is not None
    assert bench.gateway.road.touches.claim(operation, timed_out=True) is None


async def test_a_session_that_a_lost_message_ends_names_its_fault(bench: Bench) -> None:
    bench.world.faults.arm(Fault("panne-7", "MSS.SOUMISSION", "reset"))
    await call(bench, "MSS.SOUMISSION", "k1")
    assert [entry["fault"] for entry in bench.entries("MSS.SESSION_SMTP")] == ["panne-7"]


async def test_a_loss_that_no_fault_made_names_none(bench: Bench) -> None:
    bench.world.faults.arm(Fault("ailleurs", "DMP.TD0.2", "reset"))
    bench.world.ports.pop("console")  # the mock has nobody to tell
    bench.world.faults.arm(Fault("tue", "DMP.TD2.1", "reset"))
    await call(bench, "DMP.TD2.1", "k1")
    [entry] = bench.entries("DMP.TD2.1")
    assert (entry["outcome"], entry["fault"]) == ("in_doubt", None)


async def test_only_the_sandbox_may_say_it_and_codes_only(bench: Bench) -> None:
    async def told(touch: dict[str, Any], key: str) -> int:
        headers = [(b"content-type", b"application/json"), (b"x-socle-admin-key", key.encode())]
        async with Client() as client:
            url = bench.urls["console"] + "/admin/fault/touched"
            return (await client.send("POST", url, headers=headers, body=orjson.dumps(touch), timeout_s=5)).status

    touch, key = {"id": "f", "operation": "DMP.TD2.1", "kind": "reset"}, bench.world.manifest["admin_key"]
    assert [await told(touch, key), await told(touch, "x")] == [200, 403]
    assert [await told(touch | wrong, key) for wrong in ({"id": "a b"}, {"kind": "status"}, {"operation": "x"})] == [422] * 3
    assert not [one for one in bench.entries() if one["detail"]["action"] == "fault"]  # the call's own entry says it
