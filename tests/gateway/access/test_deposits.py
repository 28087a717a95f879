"""Depositing in a running gateway: the entry first, then the effect, and nothing made with an old identity is kept."""
from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from connectors.dmp.client import DmpAsker
from connectors.dmp.messages import Lps
from connectors.wire.clock import SystemClock
from gateway.access.callers import Access, Caller
from gateway.access.deposits import Deposits
from gateway.access.identities import IdentityRefused, IdentityStore
from gateway.journal.journal import Journal
from gateway.journal.query import JournalReader
from gateway.journal.record import JournalFull
from tests.gateway.access.papers import STRUCT_ID, candidate, der, expired, subject


class World:
    def __init__(self, folder: Path) -> None:
        self.folder, self.changes = folder, 0
        self.journal = Journal.open(folder, environment="bac_a_sable", clock=SystemClock())
        caller = Caller("editeur-b", "10B0990016", "0B0990016", frozenset({"0B0990008"}))
        self.access = Access(_certificates={"00": caller})
        store = IdentityStore(folder / "identities")
        known = {"editeur-a", "editeur-b"}
        self.deposits = Deposits(store, self.access, self.journal, SystemClock(), lambda: known, self._changed)

    def _changed(self) -> None:
        self.changes += 1

    def acts(self) -> list[tuple[str, str, str]]:
        with JournalReader(self.folder) as reader:
            found = [entry for entry in reversed(reader.entries().entries) if entry["kind"] == "admin"]
        return [(entry["detail"]["done"], entry["detail"]["struct_id"], entry["tenant"]) for entry in found]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path / "gateway")
    yield world
    await world.journal.close()


async def test_each_act_is_an_entry_and_changes_what_was_made_before(world: World) -> None:
    said = await world.deposits.add(candidate(), "DMP", "auth", by="Camille", tenant="editeur-a")
    assert (world.acts(), world.changes) == ([("deposited", STRUCT_ID, "editeur-a")], 1)
    assert world.access.by_certificate(der(candidate()), "DMP").tenant == "editeur-a"
    renewed = await world.deposits.add(candidate(number=1), "DMP", "auth", by="Camille", tenant="editeur-a")
    assert (renewed["replaces"], world.changes) == ([said["name"]], 2)
    await world.deposits.remove(renewed["name"], by="Camille")
    assert ([act[0] for act in world.acts()], world.changes) == (["deposited", "deposited", "removed"], 3)
    assert list(world.deposits.store) == []


async def test_without_room_for_its_entry_nothing_is_deposited_or_removed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = await world.deposits.add(candidate(), "DMP", "auth", by="Camille", tenant="editeur-a")

    async def full(*_: Any) -> Any:
        raise JournalFull("no room")

    monkeypatch.setattr(world.journal, "write", full)
    with pytest.raises(JournalFull):
        await world.deposits.add(candidate(number=1), "DMP", "auth", by="Camille", tenant="editeur-a")
    with pytest.raises(JournalFull):
        await world.deposits.remove(kept["name"], by="Camille")
    assert [one.name for one in world.deposits.store] == [kept["name"]]
    monkeypatch.undo()
    await world.deposits.add(candidate(number=1), "DMP", "auth", by="Camille", tenant="editeur-a")  # what was left half done


async def test_the_vendor_is_the_structures_own_or_a_known_one(world: World) -> None:
    own = await world.deposits.add(candidate(name=subject("10B0990016")), "DMP", "auth", by="Camille")
    assert own["tenant"] == "editeur-b"
    for tenant, reason in ((None, "--tenant"), ("editeur-z", "possibles : editeur-a, editeur-b")):
        with pytest.raises(IdentityRefused, match=reason):
            await world.deposits.add(candidate(), "DMP", "auth", by="Camille", tenant=tenant)


@pytest.mark.parametrize("service, use", [("PSC", "auth"), ("DMP", "both")])
async def test_an_unknown_service_or_use_is_refused(world: World, service: str, use: str) -> None:
    with pytest.raises(IdentityRefused, match="possibles"):
        await world.deposits.add(candidate(), service, use, by="Camille", tenant="editeur-a")


async def test_the_gateway_judges_by_itself_whatever_the_command_said(world: World) -> None:
    with pytest.raises(IdentityRefused, match="expiré"):
        await world.deposits.add(candidate(**expired()), "DMP", "auth", by="Camille", tenant="editeur-a")
    with pytest.raises(IdentityRefused, match="Aucune identité"):
        await world.deposits.remove("dmp-auth-0000000000000000", by="Camille")
    assert (world.acts(), world.changes) == ([], 0)


async def test_settlement_asks_again_who_it_may_ask_as() -> None:
    asked: list[str] = []

    def deposited(struct_id: str) -> Any:
        asked.append(struct_id)
        return object()

    asker = DmpAsker("https://localhost:1", SystemClock(), Lps("Socle", "1", "H", "1.2"), deposited)
    for _ in range(2):
        asker._identity("1X")
    asker.forget()
    asker._identity("1X")
    assert asked == ["1X", "1X"]


async def test_an_identity_for_mailboxes_is_presented_to_the_operator_only(world: World) -> None:
    await world.deposits.add(candidate(), "MSS", "auth", by="Camille", tenant="editeur-a")
    assert world.access.by_certificate(der(candidate()), "MSS").identity is not None
    assert world.access.by_certificate(der(candidate()), "DMP").identity is None
