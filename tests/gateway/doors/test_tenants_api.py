"""What the sandbox says of its tenants becomes entries, and what a tenant had from the gateway goes with it."""
from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors.wire.clock import SystemClock
from gateway.access import rights
from gateway.access.callers import Access
from gateway.access.denials import Denials
from gateway.access.deposits import Deposits
from gateway.access.identities import IdentityStore
from gateway.access.rights import Keys
from gateway.doors.console import Console
from gateway.doors.tenants_api import TenantsApi
from gateway.journal.journal import Journal
from gateway.journal.query import Filters, JournalReader
from gateway.journal.record import JournalFull
from tests.gateway.access.papers import candidate

ADMIN = {"X-Socle-Admin-Key": "cle"}


class World:
    def __init__(self, folder: Path) -> None:
        self.folder, self.clock = folder, SystemClock()
        self.journal = Journal.open(folder, environment="bac_a_sable", clock=self.clock)
        store = IdentityStore(folder / "identities")
        self.deposits = Deposits(store, Access(), self.journal, self.clock, lambda: {"a", "b"}, lambda: None)
        self.keys, self.denials = Keys(), Denials(self.journal, self.clock)
        console = Console(self.journal, self.clock, "bac_a_sable", "cle", {}, lambda: 0)
        app = console.app()
        TenantsApi(self.journal, self.keys, self.deposits, self.denials, console.check_admin).mount(app)
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://console", headers=ADMIN)

    def acts(self) -> list[dict[str, Any]]:
        with JournalReader(self.folder) as reader:
            return [entry["detail"] for entry in reversed(reader.entries(Filters(kind="admin")).entries)]

    async def furnish(self) -> None:
        await self.deposits.add(candidate(), "DMP", "auth", by="Camille", tenant="a")
        await self.deposits.add(candidate(number=1), "INS", "auth", by="Camille", tenant="b")
        for name, tenant in (("lit-a", "a"), ("lit-b", "b"), ("lit-tout", None)):
            await rights.add(self.keys, self.journal, name=name, rights=["metadata"], tenant=tenant, by="Camille")

    def left(self) -> tuple[list[str], list[str]]:
        return sorted(one.tenant for one in self.deposits.store), [key.name for key in self.keys.all()]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path / "gateway")
    yield world
    await world.http.aclose()
    await world.journal.close()


@pytest.mark.parametrize(
    ("act", "deposits", "keys"),
    [
        ("add", ["a", "b"], ["lit-a", "lit-b", "lit-tout"]),
        ("rotate", ["b"], ["lit-a", "lit-b", "lit-tout"]),
        ("remove", ["b"], ["lit-b", "lit-tout"]),
    ],
)
async def test_each_act_is_an_entry_and_takes_back_what_it_must(
    world: World, act: str, deposits: list[str], keys: list[str]
) -> None:
    await world.furnish()
    before = len(world.acts())
    assert (await world.http.post("/admin/tenants", json={"act": act, "name": "a"})).status_code == 200
    first, *others = world.acts()[before:]
    assert first == {"action": "tenant", "by": "bac-a-sable", "act": act, "name": "a"}
    assert [one["action"] for one in others] == {"add": [], "rotate": ["identity"], "remove": ["identity", "key"]}[act]
    assert world.left() == (deposits, keys)


async def test_a_refusal_of_the_sandbox_is_noted_with_its_reason(world: World) -> None:
    for _ in range(3):
        assert (await world.http.post("/admin/tenants/denied", json={"name": "a", "why": "d_un_autre"})).status_code == 200
    await world.denials.flush(ending=True)
    assert [(one["action"], one["by"], one["why"]) for one in world.acts()] == [
        ("access_denied", "a", {"d_un_autre": 1}), ("access_denied", "a", {"d_un_autre": 2}),
    ]  # fmt: skip


async def test_attempts_that_are_told_together_are_counted_together(world: World) -> None:
    nobodys = {"name": "inconnue", "why": "cle_controle"}
    for count in (1, 400, 3):
        assert (await world.http.post("/admin/tenants/denied", json={**nobodys, "count": count})).status_code == 200
    assert (await world.http.post("/admin/tenants/denied", json={**nobodys, "count": 0})).status_code == 422
    await world.denials.flush(ending=True)
    assert [(one["by"], one["count"], one["why"]) for one in world.acts()] == [
        ("inconnue", 1, {"cle_controle": 1}), ("inconnue", 403, {"cle_controle": 403}),
    ]  # fmt: skip


@pytest.mark.parametrize("path", ["/admin/tenants", "/admin/tenants/denied"])
async def test_without_the_admin_key_or_with_another_form_nothing_is_written(world: World, path: str) -> None:
    asked = {"/admin/tenants": {"act": "add", "name": "a"}, "/admin/tenants/denied": {"name": "a", "why": "d_un_autre"}}[path]
    assert (await world.http.post(path, json=asked, headers={"X-Socle-Admin-Key": "autre"})).status_code == 403
    for wrong in ({**asked, "name": "A B"}, {**asked, "x": 1}, {"name": "a"}):
        assert (await world.http.post(path, json=wrong)).status_code == 422
    assert world.acts() == []


async def test_without_room_for_the_entry_nothing_is_taken_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.furnish()
    held = world.left()

    async def full(*_: Any) -> Any:
        raise JournalFull("no room")

    monkeypatch.setattr(world.journal, "write", full)
    assert (await world.http.post("/admin/tenants", json={"act": "remove", "name": "a"})).status_code == 503
    assert world.left() == held
