"""Reset, data sets, snapshots: what is put aside comes back whole, time stays, the gateway is asked first."""
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from mocks.dmp.app import DmpMock
from mocks.mssante.app import MssanteMock
from mocks.psc.app import PscMock
from mocks.sandbox import snapshots
from mocks.sandbox.build import init
from mocks.sandbox.control import Control
from mocks.sandbox.frame import KEY_HEADER
from mocks.sandbox.world import World
from tests.mocks.sandbox.consoles import Gateway


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("data")
    init(data, persons=2)
    return data


@pytest.fixture
def world(made: Path) -> Iterator[World]:
    world = World.load(made, ports={})
    yield world
    for one in snapshots.snapshots(made):
        snapshots.remove(world, one.name)
    world.population.forget_added()
    world.trace.reset()
    world.trace.close()


@pytest.fixture
def mocks(world: World) -> Iterator[dict[str, Any]]:
    made = {"psc": PscMock(world), "dmp": DmpMock(world), "mssante": MssanteMock(world)}
    yield made
    for mock in made.values():
        mock.reset()


@pytest.fixture
async def api(world: World, mocks: dict[str, Any]) -> AsyncIterator[httpx.AsyncClient]:
    headers = {KEY_HEADER: world.manifest["control_key"]}
    transport = httpx.ASGITransport(Control(world, mocks).app)
    async with httpx.AsyncClient(transport=transport, base_url="http://control", headers=headers) as client:
        yield client


async def done(api: httpx.AsyncClient, method: str, path: str, status: int = 200, **body: Any) -> Any:
    answer = await api.request(method, path, json=body or None)
    assert answer.status_code == status, answer.text
    return answer.json()


async def counts(api: httpx.AsyncClient) -> tuple[int, int, Any]:
    documents, messages = await done(api, "GET", "/documents"), await done(api, "GET", "/messages")
    return documents["total"], messages["total"], (await done(api, "GET", "/state"))["held"]


async def test_what_is_put_aside_comes_back_whole(api: httpx.AsyncClient, world: World, mocks: dict[str, Any]) -> None:
    await done(api, "POST", "/datasets/dmp-garni")
    world.trace.held("DMP.TD2.1", "un")
    client = world.manifest["psc_clients"][0]["client_id"]
    world.register_redirect(client, "https://dui.example/retour")
    somebody = next(world.population.persons())
    added = {**somebody, "matricule": "155016322000142", "birth_name": "AJOUT"}
    world.population.add([added])
    content = mocks["dmp"].documents.content(mocks["dmp"].documents.all()[0].unique_id)
    before = await counts(api)
    kept = await done(api, "POST", "/snapshots", 201, name="avant-essai")
    assert (kept["name"], kept["held"]) == ("avant-essai", {"DMP.TD2.1": 1})
    await done(api, "POST", "/datasets/boites-garnies")
    assert (await counts(api))[0] == 0
    await done(api, "POST", "/clock", advance_s=60, alone=True)
    await done(api, "POST", "/faults", 201, operation="PSC.TOKEN", kind="reset")
    version = world.clock.version
    world.population.forget_added()
    await done(api, "POST", "/snapshots/avant-essai/restore")
    assert [one["birth_name"] for one in world.population.added()["persons"]] == ["AJOUT"]
    assert await counts(api) == before and before[0] > 0
    assert (world.clock.version, world.faults.to_json()) == (version, []), "time stays, faults are disarmed"
    assert mocks["dmp"].documents.content(mocks["dmp"].documents.all()[0].unique_id) == content
    assert "https://dui.example/retour" in mocks["psc"].state()["clients"][client]["redirect_uris"]
    again = {"dmp": DmpMock(world), "mssante": MssanteMock(world)}
    assert len(again["dmp"].documents.all()) == before[0], "on disk too"
    assert World.load(world.data).trace.counts()["held"] == {"DMP.TD2.1": 1}


async def test_a_process_that_dies_while_it_puts_back_finishes_at_its_next_start(
    api: httpx.AsyncClient, world: World, mocks: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    await done(api, "POST", "/datasets/dmp-garni")
    before = await counts(api)
    await done(api, "POST", "/snapshots", 201, name="a")
    with monkeypatch.context() as dying:
        dying.setattr(MssanteMock, "reload", lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            snapshots.restore(world, {"mssante": mocks["mssante"], "dmp": mocks["dmp"]}, "a")
    assert len(mocks["dmp"].documents.all()) == 0, "it died between two mocks"
    snapshots.finish(world, mocks)
    assert await counts(api) == before
    snapshots.finish(world, {})


async def test_a_snapshot_that_was_not_finished_has_no_name(
    api: httpx.AsyncClient, world: World, mocks: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as full:
        full.setattr(snapshots.shutil, "copyfile", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "plein")))
        with pytest.raises(OSError, match="plein"):
            snapshots.save(world, mocks, "demi")
    assert (await done(api, "GET", "/snapshots"))["snapshots"] == []
    await done(api, "POST", "/snapshots", 201, name="demi")


async def test_names_are_taken_once_and_must_exist(api: httpx.AsyncClient) -> None:
    await done(api, "POST", "/snapshots", 201, name="a")
    twice = await done(api, "POST", "/snapshots", 409, name="a")
    assert "existe déjà" in twice["detail"]
    for method, path in (("POST", "/snapshots/b/restore"), ("DELETE", "/snapshots/b"), ("POST", "/datasets/b")):
        assert (await done(api, method, path, 404))["title"] == "Rien de ce nom"
    for name in ("", "../a", "A", "1750875123456", "a-1234567", "a" * 41, "a\n"):
        await done(api, "POST", "/snapshots", 422, name=name)
    assert await done(api, "DELETE", "/snapshots/a") == {"removed": "a"}
    assert (await done(api, "GET", "/snapshots"))["snapshots"] == []


async def test_the_gateway_is_told_of_each_act_before_it_is_done(
    api: httpx.AsyncClient, world: World, gateway: Gateway
) -> None:
    world.ports["console"] = gateway.port
    for method, path, name in (
        ("POST", "/datasets/dmp-garni", "dmp-garni"), ("POST", "/snapshots", "a"), ("POST", "/snapshots/a/restore", "a"),
        ("POST", "/reset", None), ("DELETE", "/snapshots/a", "a"),
    ):  # fmt: skip
        answer = await api.request(method, path, json={"name": name} if path == "/snapshots" else None)
        assert answer.status_code in (200, 201), answer.text
    acts = [(path, said["act"], said["name"]) for path, _, said in gateway.told]
    assert acts == [
        ("/admin/sandbox", "load", "dmp-garni"), ("/admin/sandbox", "snapshot", "a"), ("/admin/sandbox", "restore", "a"),
        ("/admin/sandbox", "reset", None), ("/admin/sandbox", "remove", "a"),
    ]  # fmt: skip


@pytest.mark.parametrize(("answer", "status"), [(409, 409), (500, 502)])
async def test_nothing_moves_while_calls_are_in_flight_or_the_gateway_is_unclear(
    api: httpx.AsyncClient, world: World, gateway: Gateway, answer: int, status: int
) -> None:
    await done(api, "POST", "/datasets/dmp-garni")
    await done(api, "POST", "/snapshots", 201, name="a")
    before = await counts(api)
    world.ports["console"] = gateway.port
    gateway.status = answer
    for method, path in (
        ("POST", "/reset"), ("POST", "/datasets/boites-garnies"), ("POST", "/snapshots/a/restore"), ("DELETE", "/snapshots/a"),
    ):  # fmt: skip
        assert (await done(api, method, path, status))["detail"], path
    await done(api, "POST", "/snapshots", status, name="b")
    del world.ports["console"]
    assert await counts(api) == before
    assert [one["name"] for one in (await done(api, "GET", "/snapshots"))["snapshots"]] == ["a"]


async def test_a_data_set_of_one_s_own(api: httpx.AsyncClient, world: World, mocks: dict[str, Any]) -> None:
    [person, *_] = [one for one in world.population.persons() if one["dmp"] == "active"]
    box = next(box["address"] for one in world.manifest["structures"] for box in one["mailboxes"])
    document, message = {"matricule": person["matricule"], "title": "Bilan <1>"}, {"sender": box, "to": [box], "subject": "é"}
    loaded = await done(api, "POST", "/datasets", documents=[document, document], messages=[message])
    assert loaded == {"documents": 2, "messages": 1}
    first, second = (await done(api, "GET", "/documents"))["documents"]
    assert first["unique_id"] != second["unique_id"] and first["title"] == "Bilan <1>"
    [told] = (await done(api, "GET", "/messages", 200))["messages"]
    opened = await done(api, "GET", f"/messages/{told['id']}")
    assert {"name": "Subject", "value": "é"} in opened["headers"] and opened["text"].strip() == "Message simulé."
    assert (await done(api, "GET", "/state"))["received"] == {}, "no mock received it"


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        ({"documents": [{"matricule": "275126322074999"}]}, 404),
        ({"messages": [{"sender": "a@b.fr", "to": ["inconnu@ailleurs.example"]}]}, 404),
        ({"messages": [{"sender": "a@b.fr\r\nBcc: c@d.fr", "to": ["x@y.fr"]}]}, 422),
        ({"messages": [{"sender": "a@b.fr", "to": []}]}, 422),
        ({"documents": [{"matricule": "1", "title": "a\nb"}]}, 422),
        ({"patients": []}, 422),
    ],
)
async def test_a_data_set_that_names_nobody_of_here_changes_nothing(
    api: httpx.AsyncClient, wanted: dict[str, Any], status: int
) -> None:
    await done(api, "POST", "/datasets/dmp-garni")
    before = await counts(api)
    assert (await done(api, "POST", "/datasets", status, **wanted))["detail"]
    assert await counts(api) == before


async def test_each_set_of_ours_is_told_and_can_be_loaded(api: httpx.AsyncClient) -> None:
    for name, about in (await done(api, "GET", "/datasets"))["datasets"].items():
        loaded = await done(api, "POST", f"/datasets/{name}")
        assert about and sum(loaded.values()) == sum((await counts(api))[:2]), name
