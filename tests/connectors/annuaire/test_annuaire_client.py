"""The Annuaire client against the mock, over a real socket (psc-annuaire §18 to §21)."""
from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from connectors.annuaire import messages
from connectors.annuaire.client import AnnuaireClient
from connectors.annuaire.errors import NotAuthorised, Rejected, Unavailable, Unreadable
from connectors.annuaire.messages import Mailbox
from connectors.wire.http import Client
from mocks.annuaire.app import AnnuaireMock
from mocks.sandbox.world import World
from tests.mocks.psc.sandboxes import API_KEY, serving, trust


@dataclass
class Stage:
    world: World
    http: Client
    base: str

    def client(self, key: str = API_KEY, **changes: Any) -> AnnuaireClient:
        return AnnuaireClient(self.http, self.base, key, **{"backoff_s": 0.01, **changes})


@pytest.fixture
async def stage(world: World, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        urls = await stack.enter_async_context(serving(world, AnnuaireMock(world).services(), monkeypatch))
        yield Stage(world, await stack.enter_async_context(Client(trust(world))), urls["mock-annuaire"])


async def test_a_professional_by_rpps_with_the_mailbox_of_his_role(stage: Stage) -> None:
    nurse = await stage.client().professional("99700990015")
    assert nurse is not None
    assert (nurse.family, nurse.given, nurse.profession, nurse.id_nat) == ("TESTIDE", "SACHA", "60", "899700990015")
    assert nurse.active and nurse.mailboxes == (Mailbox("sacha.testide@pro.mssante.example", "PER"),)
    doctor = await stage.client().professional("99700990007")
    assert doctor is not None and [box.kind for box in doctor.mailboxes] == ["PER"]
    assert await stage.client().professional("99700990999") is None
    assert await stage.client().professional("899700990015") is None  # an idNat_PS is not an RPPS


async def test_a_mailbox_is_found_on_whoever_bears_it(stage: Stage) -> None:
    [role] = await stage.client().mailbox("sacha.testide@pro.mssante.example")
    [person] = await stage.client().mailbox("zoe.testmed@pro.mssante.example")
    [structure] = await stage.client().mailbox("dui@ehpad-ajoncs.mssante.example")
    assert [bearer.resource_type for bearer in (role, person, structure)] == ["PractitionerRole", "Practitioner", "Organization"]
    assert (structure.name, messages.finess_of(structure), structure.mailbox.kind) == ("EHPAD LES AJONCS", "0B0990016", "APP")
    assert messages.finess_of(person) is None and person.name == "ZOÉ TESTMÉD"
    assert await stage.client().mailbox("dui@ehpad-ajoncs") == []  # exact, not a prefix


async def test_every_page_is_read(stage: Stage) -> None:
    url = f"{stage.base}/fhir/v2/Practitioner?_count=1"
    found = await stage.client().search(url)
    assert len({resource["id"] for resource in found}) == 4
    assert stage.world.trace.counts()["received"] == {"ANN.RECHERCHE": 4}


async def test_the_key_does_not_follow_a_page_elsewhere(stage: Stage) -> None:
    with pytest.raises(Rejected, match="outside the API"):
        await stage.client().search("https://elsewhere.example/fhir/v2/_page?id=1")


async def test_refusals_are_told_apart(stage: Stage) -> None:
    with pytest.raises(NotAuthorised):
        await stage.client("no-such-key").professional("99700990015")
    with pytest.raises(Rejected, match="Parameter xyz not found for resource Practitioner"):
        await stage.client().search(f"{stage.base}/fhir/v2/Practitioner?xyz=1")
    with pytest.raises(Unavailable, match="connect"):
        await AnnuaireClient(stage.http, "https://localhost:1", API_KEY, backoff_s=0.0).professional("1")


async def test_a_passing_failure_is_tried_again_a_lasting_one_is_told(stage: Stage) -> None:
    stage.world.faults.arm_json({"operation": "ANN.RECHERCHE", "kind": "status", "value": "503", "for_next": 2})
    assert await stage.client().professional("99700990015") is not None
    stage.world.faults.arm_json({"operation": "ANN.RECHERCHE", "kind": "status", "value": "429", "for_next": 2})
    with pytest.raises(Unavailable):
        await stage.client(retries=1).professional("99700990015")


def test_what_is_not_a_searchset_is_unreadable() -> None:
    assert messages.read_bundle(orjson.dumps({"resourceType": "Bundle"})) == ([], None)
    for body in (b"", b"[]", b'{"resourceType":"Patient"}', b'{"resourceType":"Bundle","entry":[{}]}'):
        with pytest.raises(Unreadable):
            messages.read_bundle(body)


def test_an_ordinary_address_is_not_a_mailbox() -> None:
    resource = {"telecom": [{"system": "email", "value": "contact@ehpad.example"}, {"system": "phone", "value": "0299000000"}]}
    assert list(messages.mailboxes(resource)) == []
