"""The people over the control API: lists, filters, pages, one person and what for, additions all or nothing."""
from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from mocks.sandbox.build import init
from mocks.sandbox.control import Control
from mocks.sandbox.frame import KEY_HEADER
from mocks.sandbox.world import World
from tests.mocks.sandbox.folders import with_own_people

PERSON = {"birth_name": "DUPONT", "first_names": "ANNE", "sex": "F", "birth_date": "1950-02-03", "birth_place": "35238"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("data")
    init(data, persons=20)
    return data


@pytest.fixture
async def world(made: Path, tmp_path: Path) -> AsyncIterator[World]:
    world = World.load(with_own_people(made, tmp_path))
    yield world
    world.trace.close()


@pytest.fixture
async def control(world: World) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(Control(world, {}).app)  # type: ignore[arg-type]
    headers = {KEY_HEADER: world.manifest["control_key"]}
    async with httpx.AsyncClient(transport=transport, base_url="http://control", headers=headers) as client:
        yield client


async def people(control: httpx.AsyncClient, **asked: Any) -> list[dict[str, Any]]:
    """Every page, by threes."""
    found: list[dict[str, Any]] = []
    after: int | None = 0
    while after is not None:
        page = (await control.get("/people", params={**asked, "after": after, "limit": 3})).raise_for_status().json()
        assert len(page["people"]) <= 3
        found += page["people"]
        after = page["next"]
    return found


async def test_pages_give_everybody_once(control: httpx.AsyncClient, world: World) -> None:
    assert [one["matricule"] for one in await people(control)] == [one["matricule"] for one in world.population.persons()]
    listed = await people(control, kind="professionals")
    assert [one["id_nat"] for one in listed] == [one["id_nat"] for one in world.population.professionals()]


async def test_filters_are_what_they_say(control: httpx.AsyncClient, world: World) -> None:
    everybody = list(world.population.persons())
    for asked, kept in (
        ({"name": "insfamille"}, lambda one: one["birth_name"].startswith("INSFAMILLE")),
        ({"dmp": "closed"}, lambda one: one["dmp"] == "closed"),
        ({"structure": "0B0990016"}, lambda one: one["structure"] == "0B0990016"),
        ({"source": "published", "situation": "nia"}, lambda one: one["birth_name"] == "PROVISOIRE"),
        ({"situation": "insi-ambigu"}, lambda one: one["insi"] == "ambiguous"),
    ):
        wanted = [one["matricule"] for one in everybody if kept(one)]
        assert wanted and [one["matricule"] for one in await people(control, **asked)] == wanted, asked
    [director] = [one for one in await people(control, kind="professionals", structure="0B0990008") if one["role"] == "359"]
    assert director in await people(control, kind="professionals", name=director["family"][:4].lower())


@pytest.mark.parametrize("name", ["%", "_", "'", "A%"])
async def test_a_name_is_no_pattern(control: httpx.AsyncClient, name: str) -> None:
    assert await people(control, name=name) == [one for one in await people(control) if one["birth_name"].startswith(name)]


@pytest.mark.parametrize(
    "asked", [{"situation": "inconnue"}, {"kind": "professionals", "dmp": "active"}, {"dmp": "ouvert"}, {"limit": 1001}]
)
async def test_a_wrong_question_is_refused(control: httpx.AsyncClient, asked: dict[str, Any]) -> None:
    assert (await control.get("/people", params=asked)).status_code == 422


async def test_one_person_says_what_she_is_for(control: httpx.AsyncClient) -> None:
    told = (await control.get("/people/109076322088835")).json()
    assert (told["kind"], told["one"]["birth_name"]) == ("persons", "PROVISOIRE")
    assert any("NIA" in one or "identifiant d'attente" in one for one in told["sert_a"])
    assert "homologation CNDA 2.05 : réponse avec un NIA" in told["sert_a"]
    past = (await control.get("/people/209076322083439")).json()  # a past number of hers
    assert past["one"]["matricule"] == "109076322083489"
    by_rpps, by_id = [(await control.get(f"/people/{number}")).json() for number in ("99700990007", "899700990007")]
    assert by_rpps == by_id and by_rpps["kind"] == "professionals"
    assert (await control.get("/people/999")).status_code == 404


async def test_one_wrong_line_and_nothing_is_taken(control: httpx.AsyncClient, world: World) -> None:
    before = world.population.counts()
    refused = await control.post("/people", json={"persons": [PERSON, {**PERSON, "sex": "X"}], "professionals": [{"rpps": "1"}]})
    assert refused.status_code == 422
    told = [(one["sorte"], one["ligne"], one["colonne"]) for one in refused.json()["lignes"]]
    assert ("persons", 2, "sex") in told and ("professionals", 1, "rpps") in told
    assert all(one["raison"] for one in refused.json()["lignes"])
    assert world.population.counts() == before
    accepted = await control.post("/people", json={"persons": [PERSON]})  # the twin: the good line alone
    assert accepted.status_code == 201
    assert world.population.counts()["persons"] == before["persons"] + 1


async def test_the_same_person_twice_is_refused(control: httpx.AsyncClient) -> None:
    assert (await control.post("/people", json={"persons": [PERSON]})).status_code == 201
    again = await control.post("/people", json={"persons": [PERSON]})
    assert [one["colonne"] for one in again.json()["lignes"]] == ["birth_name"]


async def test_nothing_to_add_is_said(control: httpx.AsyncClient) -> None:
    assert (await control.post("/people", json={})).status_code == 422


async def test_what_was_added_can_be_forgotten_alone(control: httpx.AsyncClient, world: World) -> None:
    first = list(world.population.persons())
    past = {**PERSON, "history": "850023599000156"}
    problem = (await control.post("/people", json={"persons": [past]})).json()
    assert [one["colonne"] for one in problem["lignes"]] == ["history"]  # its key is wrong
    await control.post("/people", json={"persons": [PERSON]})
    assert (await control.delete("/people/added")).json() == {"forgotten": 1}
    assert list(world.population.persons()) == first
    assert (await control.post("/people", json={"persons": [PERSON]})).status_code == 201
