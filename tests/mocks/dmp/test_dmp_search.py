"""TD3.1b (reference dmp §12): from a uniqueId to an entryUUID."""
from __future__ import annotations

from dataclasses import replace

from connectors.dmp.messages import Found, RegistryAnswer
from mocks.dmp.app import DmpMock
from mocks.sandbox.world import World
from tests.connectors.dmp.samples import ROOT, Dui
from tests.mocks.dmp.conftest import Dmp
from tests.mocks.dmp.test_dmp_rights import search


async def test_a_reference_is_found_from_its_unique_id(dmp: Dmp, dui: Dui) -> None:
    assert await dmp.ask(dui.lookup(f"{ROOT}.3.1")) == Found(RegistryAnswer(True))
    await dmp.ask(dui.feed(1))
    await dmp.ask(dui.feed(2))
    found = await dmp.ask(dui.lookup(f"{ROOT}.3.1", f"{ROOT}.3.2", f"{ROOT}.3.9"))
    assert isinstance(found, Found)
    [first, second] = found.entries
    assert first.startswith("urn:uuid:")
    assert first != second


async def test_another_person_s_document_is_not_found(dmp: Dmp, dui: Dui, world: World) -> None:
    await dmp.ask(dui.feed(1))
    other = next(row for row in world.population.persons() if row["matricule"] != dui.person["matricule"])
    assert await dmp.ask(replace(dui, person=other).lookup(f"{ROOT}.3.1")) == Found(RegistryAnswer(True))


async def test_what_was_fed_outlives_the_process(dmp: Dmp, dui: Dui, world: World) -> None:
    await dmp.ask(dui.feed(1))
    before = await dmp.ask(dui.lookup(f"{ROOT}.3.1"))
    restarted = Dmp(DmpMock(world), [])
    assert await restarted.ask(dui.lookup(f"{ROOT}.3.1")) == before
    assert (await restarted.ask(dui.feed(1))) == RegistryAnswer(
        False, (("XDSDuplicateUniqueIdInRegistry", "un uniqueId du lot est déjà enregistré"),)
    )


async def test_what_cannot_be_searched_is_told(dmp: Dmp, dui: Dui) -> None:
    unknown = await dmp.ask(search(dui, "INDIRECTE", query="urn:uuid:nothing"))
    assert isinstance(unknown, Found)
    assert unknown.answer.first_code == "XDSUnknownStoredQuery"
    empty = await dmp.ask(dui.lookup())
    assert isinstance(empty, Found)
    assert empty.answer.first_code == "XDSStoredQueryMissingParam"
