"""The console: admin calls need their key, the clock moves only when nothing is in flight, each act is an entry."""
from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors.wire.clock import SystemClock
from gateway.access.denials import Denials
from gateway.doors import console as module
from gateway.doors.console import Console
from gateway.journal.connection import StoreBusy
from gateway.journal.journal import Journal
from gateway.journal.query import Filters, JournalReader
from gateway.journal.record import JournalError, JournalFull
from gateway.journal.standing import clock_of

KEY = {"X-Socle-Admin-Key": "cle"}


class World:
    def __init__(self, folder: Path) -> None:
        self.folder, self.in_flight, self.clock = folder, 0, SystemClock()
        self.journal = Journal.open(folder, environment="bac_a_sable", clock=self.clock)
        self.console = Console(self.journal, self.clock, "bac_a_sable", "cle", {}, lambda: self.in_flight)
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(self.console.app()), base_url="http://console")

    def admin_entries(self) -> list[dict[str, Any]]:
        with JournalReader(self.folder) as reader:
            return reader.entries(Filters(kind="admin")).entries


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(module, "_QUIET_TRIES", 2)
    world = World(tmp_path)
    yield world
    await world.http.aclose()
    await world.journal.close()


async def test_a_jump_is_an_entry_and_survives_a_restart(world: World) -> None:
    answer = await world.http.post("/admin/clock", json={"offset_s": 86400.5, "version": 1}, headers=KEY)
    [entry] = world.admin_entries()
    assert answer.status_code == 200
    assert (entry["detail"]["action"], entry["detail"]["offset_us"], entry["clock_version"]) == ("clock", 86_400_500_000, 1)
    restarted = clock_of(world.folder)
    assert (restarted.offset, restarted.version) == (timedelta(seconds=86400.5), 1)


async def test_a_gateway_that_never_jumped_starts_on_real_time(world: World, tmp_path: Path) -> None:
    assert clock_of(world.folder).offset == clock_of(tmp_path / "absent").offset == timedelta()


async def test_the_clock_waits_for_the_calls_in_flight(world: World) -> None:
    world.in_flight = 1
    answer = await world.http.post("/admin/clock", json={"offset_s": 60, "version": 1}, headers=KEY)
    assert (answer.status_code, world.clock.version, world.admin_entries()) == (409, 0, [])


async def test_the_clock_does_not_go_back(world: World) -> None:
    await world.http.post("/admin/clock", json={"offset_s": 60, "version": 1}, headers=KEY)
    answer = await world.http.post("/admin/clock", json={"offset_s": 59, "version": 2}, headers=KEY)
    assert (answer.status_code, world.clock.version, len(world.admin_entries())) == (409, 1, 1)


@pytest.mark.parametrize("error", [JournalFull("no room"), StoreBusy("held")], ids=["full", "held"])
async def test_what_cannot_be_journalled_does_not_happen(
    world: World, monkeypatch: pytest.MonkeyPatch, error: JournalError
) -> None:
    async def refused(*_records: Any) -> Any:
        raise error

    monkeypatch.setattr(world.journal, "write", refused)
    for path, asked in [
        ("clock", {"offset_s": 60, "version": 1}),
        ("fault", {"id": "f1", "operation": "DMP.TD2.1", "kind": "timeout", "armed": True}),
    ]:
        answer = await world.http.post(f"/admin/{path}", json=asked, headers=KEY)
        assert (answer.status_code, "Recommencez" in answer.json()["detail"]) == (503, True)
    assert (world.clock.version, world.clock.offset) == (0, timedelta())


@pytest.mark.parametrize("headers", [{}, {"X-Socle-Admin-Key": "autre"}], ids=["no key", "wrong key"])
async def test_without_its_key_nothing_moves(world: World, headers: dict[str, str]) -> None:
    answer = await world.http.post("/admin/clock", json={"offset_s": 60, "version": 1}, headers=headers)
    assert (answer.status_code, world.clock.version, world.admin_entries()) == (403, 0, [])


async def test_an_armed_fault_is_an_entry_of_codes_only(world: World) -> None:
    fault = {"id": "f-1", "operation": "DMP.TD2.1", "kind": "timeout", "armed": True}
    assert (await world.http.post("/admin/fault", json=fault, headers=KEY)).status_code == 200
    assert (await world.http.post("/admin/fault", json=fault | {"kind": "à Mme Exemple"}, headers=KEY)).status_code == 422
    [entry] = world.admin_entries()
    fault_id = fault.pop("id")
    assert entry["detail"] == {"by": "bac_a_sable", "action": "fault", "fault": fault_id, **fault}


async def test_what_becomes_of_the_sandbox_waits_for_the_calls_in_flight_and_is_an_entry(world: World) -> None:
    restored = {"act": "restore", "name": "avant-essai"}
    world.in_flight = 1
    assert (await world.http.post("/admin/sandbox", json=restored, headers=KEY)).status_code == 409
    assert world.admin_entries() == []
    world.in_flight = 0
    assert (await world.http.post("/admin/sandbox", json=restored, headers=KEY)).status_code == 200
    [entry] = world.admin_entries()
    assert entry["detail"] == {"by": "bac_a_sable", "action": "sandbox", **restored}
    for name in ("275126322074974", "a-1234567", "Mme Exemple", "a\n"):
        refused = await world.http.post("/admin/sandbox", json=restored | {"name": name}, headers=KEY)
        assert refused.status_code == 422, name


async def test_a_tenants_own_part_of_the_sandbox_waits_for_nobody_and_is_its_entry(world: World) -> None:
    world.in_flight = 1
    mine = {"act": "reset", "name": None, "tenant": "editeur-a"}
    assert (await world.http.post("/admin/sandbox", json=mine, headers=KEY)).status_code == 200
    [entry] = world.admin_entries()
    assert entry["detail"] == {"by": "bac_a_sable", "action": "sandbox", **mine}
    for tenant in ("", "A", "a b", "275126322074974@x"):
        assert (await world.http.post("/admin/sandbox", json=mine | {"tenant": tenant}, headers=KEY)).status_code == 422, tenant
    assert len(world.admin_entries()) == 1


async def test_readiness_gives_its_reason(world: World) -> None:
    assert (await world.http.get("/readyz")).json() == {"ready": True, "reasons": []}
    world.console.upstreams["mock-insi"] = ("127.0.0.1", 1)
    answer = await world.http.get("/readyz")
    assert (answer.status_code, answer.json()["reasons"]) == (503, ["le service « mock-insi » n'est pas joignable"])


async def test_attempts_without_the_admin_key_are_noted_together(world: World) -> None:
    world.console.denials = denials = Denials(world.journal, world.clock)
    for _ in range(5):
        answer = await world.http.post("/admin/retention", json={"by": "x"}, headers={"X-Socle-Admin-Key": "essai"})
        assert answer.status_code == 403
    [first] = world.admin_entries()
    await denials.flush(ending=True)
    second = world.admin_entries()[0]
    assert [(one["detail"]["action"], one["detail"]["by"], one["detail"]["why"]) for one in (first, second)] == [
        ("access_denied", "inconnue", {"cle_admin": 1}), ("access_denied", "inconnue", {"cle_admin": 4}),
    ]  # fmt: skip
    assert "essai" not in str(world.admin_entries())


async def test_an_export_of_measures_is_an_entry_and_says_nothing_else(world: World) -> None:
    said = {
        "by": "amoa.sud", "format": "usage", "grappe": "marseille-hyeres", "formats": ["csv", "ars"], "version": "v2",
        "period_start": "2027-01-01", "period_end": "2027-01-31", "manifest_sha256": "ab" * 32,
    }  # fmt: skip
    for wrong in ({"grappe": "Marseille Hyères"}, {"version": "dernière"}, {"manifest_sha256": "x"}, {"formats": ["../../x"]}):
        assert (await world.http.post("/admin/export", json=said | wrong, headers=KEY)).status_code == 422
    assert world.admin_entries() == []
    assert (await world.http.post("/admin/export", json=said | {"nom": "Martin"}, headers=KEY)).status_code == 200
    assert [entry["detail"] for entry in world.admin_entries()] == [{"action": "export", **said}]
