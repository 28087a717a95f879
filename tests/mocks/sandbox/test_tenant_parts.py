"""A tenant's own part of a shared sandbox: emptied, filled, put aside and put back, and nobody else's moves."""
from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from loadtests.world import load
from mocks.runtime import MOCKS
from mocks.sandbox import mail_part, reset_api, snapshots
from mocks.sandbox.build import init
from mocks.sandbox.control import KEY_HEADER, Control
from mocks.sandbox.tenancy import forget
from mocks.sandbox.tenants import digest
from mocks.sandbox.trace import hashed
from mocks.sandbox.whose import answer_for
from mocks.sandbox.world import World
from tests.mocks.sandbox.consoles import Gateway
from tests.mocks.sandbox.folders import with_own_people
from tests.mocks.sandbox.test_tenants import deliver, stored

STRUCTURES = [
    {"finess_et": "0B0990008", "finess_ej": "0B0990107", "name": "LES TILLEULS", "tenant": "alpha", "persons": 2},
    {"finess_et": "0B0990016", "finess_ej": "0B0990107", "name": "LA PASSERELLE", "tenant": "beta", "persons": 2},
]
HOSPITAL = "urgences@ch-de-saint-elme.bac-a-sable.mssante.fr"
PATHS = ("/documents", "/messages", "/sessions", "/people?source=added", "/faults", "/state", "/requests", "/snapshots",
         *(f"/state/{name}" for name in MOCKS))  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("data")
    init(data, structures=STRUCTURES)
    return data


class Two:
    """The tenants alpha and beta on one sandbox, each with something of everything."""

    def __init__(self, world: World, gateway: Gateway) -> None:
        self.world, self.gateway = world, gateway
        for row in world.manifest["tenants"]:
            row["control_sha256"] = digest(f"cle-{row['id']}")
        self.mocks: dict[str, Any] = {name: make(world) for name, make in MOCKS.items()}
        self.rows = {row["tenant"]: row for row in world.manifest["structures"]}
        self.box = {name: row["mailboxes"][0]["address"] for name, row in self.rows.items()}
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(Control(world, self.mocks).app), base_url="http://control")

    async def ask(self, who: str, method: str, path: str, status: int = 200, body: Any = None) -> Any:
        key = f"cle-{who}" if who else self.world.manifest["control_key"]
        answer = await self.http.request(method, path, json=body, headers={KEY_HEADER: key})
        assert answer.status_code == status, answer.text
        return answer.json()

    async def sees(self, who: str) -> dict[str, Any]:
        """Everything that is this tenant's, but what a fault has left to touch and how long."""
        return {path: await self.ask(who, "GET", path) for path in PATHS}

    async def furnish(self, who: str) -> None:
        other = "beta" if who == "alpha" else "alpha"
        self.mocks["dmp"].documents.add([(stored(f"{who}.1", self.rows[who]["struct_id"]), b"<a/>")])
        for sender, *to in ((who, who), (who, other), (who, who, other)):
            deliver(self.mocks["mssante"], self.box[sender], *map(self.box.__getitem__, to))
        deliver(self.mocks["mssante"], HOSPITAL, self.box[who])
        client = next(row["client_id"] for row in self.world.manifest["psc_clients"] if row["tenant"] == who)
        self.world.register_redirect(client, f"https://{who}.example/retour")
        row = {"first_names": ["LOU"], "sex": "F", "birth_date": "1950-02-03", "birth_place": "63220", "birth_name": who.upper()}
        await self.ask(who, "POST", "/people", 201, {"persons": [row]})
        answer_for(who)
        self.world.trace.received("INS.RECHERCHE_TRAITS")
        self.world.trace.held("DMP.TD2.1", hashed(who))
        self.world.requests.note("insi", "INS.RECHERCHE_TRAITS", 200, f"CR-{who}")
        answer_for(None)


@pytest.fixture
async def two(made: Path, tmp_path: Path, gateway: Gateway) -> AsyncIterator[Two]:
    two = Two(World.load(with_own_people(made, tmp_path)), gateway)
    for who in ("alpha", "beta"):
        await two.furnish(who)
    two.world.ports["console"] = gateway.port
    yield two
    await two.http.aclose()
    two.world.population.close()
    two.world.trace.close()


def acts(gateway: Gateway) -> list[Any]:
    return [said for path, _, said in gateway.told if path == "/admin/sandbox"]


async def test_each_sees_its_own_counts_and_numbers(two: Two) -> None:
    for who in ("alpha", "beta"):
        seen = await two.sees(who)
        assert seen["/state"]["received"] == {"INS.RECHERCHE_TRAITS": 1} and seen["/state"]["held"] == {"DMP.TD2.1": 1}
        assert [(one["number"], one["code"]) for one in seen["/requests"]["requests"]] == [(1, f"CR-{who}")]
        assert seen["/state/dmp"]["state"]["documents"] == 1 and seen["/state/insi"]["state"]["answered"] == {f"CR-{who}": 1}
        assert all(name.startswith(who) for name in seen["/state/psc"]["state"]["clients"])
        assert seen["/state/mssante"]["state"]["messages"] == seen["/messages"]["total"] == 6
    assert (await two.ask("", "GET", "/state"))["received"] == {"INS.RECHERCHE_TRAITS": 2}
    assert (await two.ask("", "GET", "/requests"))["requests"][0]["tenant"] == "beta"
    people = {who: (await two.ask(who, "GET", "/people"))["counts"]["persons"] for who in ("alpha", "beta", "")}
    assert people["alpha"] < people[""] and people["beta"] < people[""]


async def test_a_reset_takes_everything_of_ones_own_and_nothing_else(two: Two, gateway: Gateway) -> None:
    await two.ask("alpha", "POST", "/faults", 201, {"operation": "PSC.TOKEN", "kind": "reset", "id": "a"})
    await two.ask("beta", "POST", "/faults", 201, {"operation": "PSC.TOKEN", "kind": "reset", "id": "b"})
    before, version = await two.sees("beta"), two.world.clock.version
    inbox = two.mocks["mssante"].store.inbox(two.box["beta"])
    gateway.told.clear()
    await two.ask("alpha", "POST", "/reset")
    assert acts(gateway) == [{"act": "reset", "name": None, "tenant": "alpha"}]
    seen = await two.sees("alpha")
    totals = [seen[path]["total"] for path in ("/documents", "/messages", "/requests")]
    assert totals == [0, 0, 0] and seen["/state"]["received"] == seen["/state"]["held"] == {}
    assert seen["/faults"] == {"faults": []} and seen["/people?source=added"]["people"] == []
    uris = [uri for one in seen["/state/psc"]["state"]["clients"].values() for uri in one["redirect_uris"]]
    assert uris and "https://alpha.example/retour" not in uris
    now = await two.sees("beta")
    told = ("/documents", "/messages", "/people?source=added", "/requests", "/state", "/state/dmp", "/state/psc", "/state/insi")
    assert {path: now[path] for path in told} == {path: before[path] for path in told}
    assert [one["id"] for one in now["/faults"]["faults"]] == ["b"]
    assert two.mocks["mssante"].store.inbox(two.box["beta"]) == inbox and two.world.clock.version == version
    two.mocks["mssante"].reload()
    assert (await two.ask("alpha", "GET", "/messages"))["total"] == 0, "on disk too"


async def test_what_was_put_aside_comes_back_and_others_keep_what_they_did_since(two: Two, gateway: Gateway) -> None:
    before = await two.sees("alpha")
    copy = two.mocks["mssante"].store.inbox(two.box["alpha"])
    await two.ask("alpha", "POST", "/snapshots", 201, {"name": "avant"})
    await two.ask("beta", "POST", "/datasets/boites-garnies")
    theirs = await two.sees("beta")
    await two.ask("alpha", "POST", "/datasets/dmp-garni")
    await two.ask("alpha", "DELETE", "/people/added")
    assert (await two.ask("beta", "GET", "/messages"))["total"] == theirs["/messages"]["total"], "alpha's act is not beta's"
    restored = await two.ask("alpha", "POST", "/snapshots/avant/restore")
    assert restored["received"] == {"INS.RECHERCHE_TRAITS": 1} and acts(gateway)[-1]["tenant"] == "alpha"

    async def as_before() -> None:
        now = await two.sees("alpha")
        for path in ("/documents", "/state", "/people?source=added", "/state/psc", "/state/dmp"):
            assert now[path] == before[path], path
        ours = [one for one in before["/messages"]["messages"] if two.box["alpha"] in one["recipients"]]
        found = {one["message_id"] for one in now["/messages"]["messages"]}
        assert {one["message_id"] for one in ours} <= found and two.mocks["mssante"].store.inbox(two.box["alpha"]) == copy
        for path in ("/documents", "/messages", "/state", "/people?source=added", "/state/psc", "/state/dmp"):
            assert (await two.ask("beta", "GET", path)) == theirs[path], path

    await as_before()
    content = two.mocks["dmp"].documents.content("alpha.1")
    two.mocks["mssante"].reload()
    two.mocks["dmp"].reload()
    await as_before()
    assert two.mocks["dmp"].documents.content("alpha.1") == content == b"<a/>"
    assert World.load(two.world.data).trace.counts("alpha") == two.world.trace.counts("alpha")


async def test_nothing_comes_back_to_a_mailbox_of_another(two: Two) -> None:
    await two.ask("alpha", "POST", "/snapshots", 201, {"name": "avant"})
    store = two.mocks["mssante"].store
    for who in ("beta", "alpha"):
        await two.ask(who, "POST", "/reset")
    assert store.messages() == () and store.inbox(two.box["beta"]) == []
    taken = deliver(two.mocks["mssante"], HOSPITAL, two.box["beta"])
    await two.ask("", "POST", "/reset")  # queue ids begin again: the next one is that of a message put aside
    taken = deliver(two.mocks["mssante"], HOSPITAL, two.box["beta"])
    documents = two.mocks["dmp"].documents
    documents.add([(stored("alpha.1", two.rows["beta"]["struct_id"]), b"<b/>")])
    await two.ask("alpha", "POST", "/snapshots/avant/restore")
    assert documents.content("alpha.1") == b"<b/>" and (await two.ask("alpha", "GET", "/documents"))["total"] == 0
    assert [one["id"] for one in (await two.ask("beta", "GET", "/messages"))["messages"]] == [taken]
    assert len(store.inbox(two.box["beta"])) == 1 and len(store.inbox(two.box["alpha"])) == 5
    ids = [one.queue_id for one in store.messages()]
    assert len(set(ids)) == len(ids) and deliver(two.mocks["mssante"], HOSPITAL, two.box["beta"]) not in ids
    recipients = [set(one["recipients"]) for one in (await two.ask("alpha", "GET", "/messages"))["messages"]]
    assert {two.box["alpha"], two.box["beta"]} in recipients, "told as it was sent"


async def test_mailboxes_that_were_read_are_emptied_and_filled_without_a_uid_given_twice(two: Two) -> None:
    operator = two.mocks["mssante"]
    at = two.world.clock.business()
    boxes = {who: operator.room.open(two.box[who]) for who in ("alpha", "beta")}
    for box in boxes.values():
        box.put("Sent", b"Subject: x\r\n\r\n", at, frozenset())
    before = {uid: box.content(message) for box in [boxes["alpha"]] for uid, message in box.folders["INBOX"].messages.items()}
    theirs = boxes["beta"].to_json()
    await two.ask("alpha", "POST", "/snapshots", 201, {"name": "avant"})
    await two.ask("alpha", "POST", "/reset")
    assert [len(folder.messages) for folder in boxes["alpha"].folders.values()] == [0] * len(boxes["alpha"].folders)
    deliver(operator, HOSPITAL, two.box["alpha"])
    await two.ask("alpha", "POST", "/snapshots/avant/restore")
    after = {uid: boxes["alpha"].content(one) for uid, one in boxes["alpha"].folders["INBOX"].messages.items()}
    assert sorted(after.values()) == sorted(before.values()) and min(after) > max(before) + 1
    assert boxes["beta"].to_json() == theirs and len(boxes["beta"].folders["Sent"].messages) == 1


async def test_a_message_to_another_is_told_to_who_sent_it_as_long_as_that_one_has_it(two: Two) -> None:
    mine = (await two.ask("alpha", "GET", "/messages"))["messages"]
    [sent] = [one["id"] for one in mine if list(one["recipients"]) == [two.box["beta"]] and one["sender"] == two.box["alpha"]]
    await two.ask("alpha", "POST", "/snapshots", 201, {"name": "avant"})
    await two.ask("alpha", "POST", "/reset")
    await two.ask("alpha", "GET", f"/messages/{sent}", 404)
    assert (await two.ask("beta", "GET", f"/messages/{sent}"))["sender"] == two.box["alpha"]
    await two.ask("alpha", "POST", "/snapshots/avant/restore")
    assert (await two.ask("alpha", "GET", f"/messages/{sent}"))["id"] == sent
    two.mocks["mssante"].reload()
    assert (await two.ask("alpha", "GET", f"/messages/{sent}"))["id"] == sent, "on disk too"
    await two.ask("beta", "POST", "/reset")
    said = await two.ask("alpha", "GET", f"/messages/{sent}", 404)
    assert "aucune copie" in said["detail"]
    rows = (await two.ask("alpha", "GET", "/messages"))["messages"]
    assert {one["id"]: one["recipients"] for one in rows}[sent] == {two.box["beta"]: "delivered"}


async def test_what_dies_while_it_puts_a_part_back_finishes_at_its_next_start(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, theirs = await two.sees("alpha"), await two.sees("beta")
    await two.ask("alpha", "POST", "/snapshots", 201, {"name": "avant"})
    await two.ask("alpha", "POST", "/reset")
    with monkeypatch.context() as dying:
        dying.setattr(mail_part, "put_back", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            snapshots.restore(two.world, two.mocks, "avant", _view(two, "alpha"))
    assert (two.world.data / "mocks" / "restoring").read_text() == "alpha/avant"
    snapshots.finish(two.world, two.mocks)
    assert (await two.ask("alpha", "GET", "/documents")) == before["/documents"]
    assert len(two.mocks["mssante"].store.inbox(two.box["alpha"])) == 5
    assert (await two.ask("beta", "GET", "/documents")) == theirs["/documents"]
    assert not (two.world.data / "mocks" / "restoring").exists()


async def test_names_are_each_ones_own_and_few(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reset_api, "_KEPT_BY_TENANT", 2)
    for who in ("alpha", "beta", ""):
        await two.ask(who, "POST", "/snapshots", 201, {"name": "avant"})
    assert [one["held"] for one in (await two.ask("alpha", "GET", "/snapshots"))["snapshots"]] == [{"DMP.TD2.1": 1}]
    assert [one["held"] for one in (await two.ask("", "GET", "/snapshots"))["snapshots"]] == [{"DMP.TD2.1": 2}]
    assert await two.ask("alpha", "DELETE", "/snapshots/avant") == {"removed": "avant"}
    await two.ask("alpha", "POST", "/snapshots/avant/restore", 404)
    for who in ("beta", ""):
        await two.ask(who, "POST", "/snapshots/avant/restore")
    await two.ask("beta", "POST", "/snapshots", 201, {"name": "apres"})
    said = await two.ask("beta", "POST", "/snapshots", 409, {"name": "encore"})
    assert "2 instantanés au plus" in said["detail"]


async def test_the_same_data_set_for_each_is_each_ones_own(two: Two) -> None:
    shared = next(row for row in two.world.population.persons() if row["dmp"] == "active" and not row.get("structure"))
    wanted = {"documents": [{"matricule": shared["matricule"]}], "messages": []}
    for who in ("alpha", "beta"):
        mine = {**wanted, "messages": [{"sender": HOSPITAL, "to": [two.box[who]]}]}
        assert await two.ask(who, "POST", "/datasets", 200, mine) == {"documents": 1, "messages": 1}
    for who in ("alpha", "beta"):
        [document] = (await two.ask(who, "GET", "/documents"))["documents"]
        assert document["struct_id"] == two.rows[who]["struct_id"]
        assert [list(one["recipients"]) for one in (await two.ask(who, "GET", "/messages"))["messages"]] == [[two.box[who]]]


async def test_a_tenant_that_is_removed_while_the_gateway_is_told_changes_nothing(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell = reset_api.tell_sandbox

    async def removed_meanwhile(*given: Any, **named: Any) -> Any:
        rows = [row for row in two.world.manifest["tenants"] if row["id"] != "alpha"]
        two.world.manifest = {**two.world.manifest, "tenants": rows}
        return await tell(*given, **named)

    monkeypatch.setattr(reset_api, "tell_sandbox", removed_meanwhile)
    said = await two.ask("alpha", "POST", "/reset", 409)
    assert "vient d'être retiré" in said["detail"] and len(two.mocks["dmp"].documents.all()) == 2


async def test_the_snapshots_of_a_removed_tenant_go_with_it(two: Two) -> None:
    for who in ("alpha", "beta"):
        await two.ask(who, "POST", "/snapshots", 201, {"name": "avant"})
    two.world.manifest = {**two.world.manifest, "removed_tenants": [{"id": "alpha", "structures": [two.rows["alpha"]]}]}
    forget(two.world, two.mocks, "alpha")
    assert snapshots.snapshots(two.world.data, "alpha") == []
    assert [one.name for one in snapshots.snapshots(two.world.data, "beta")] == ["avant"]


async def test_the_dui_of_the_load_tests_logs_each_professional_in_to_the_right_client(two: Two) -> None:
    players = load(two.world.data)
    met = {(two.mocks["psc"]._known(players.psc_of(one).client_id, one.id_nat), one.structure) for one in players.professionals}
    assert met == {(True, row["finess_et"]) for row in two.rows.values()}


async def test_a_key_that_is_nobodys_is_noted_with_how_often_and_without_the_key(two: Two, gateway: Gateway) -> None:
    gateway.told.clear()
    for _ in range(20):
        await two.http.get("/state", headers={KEY_HEADER: "cle-volee"})
    await two.world.denied.stop()
    told = [said for path, _, said in gateway.told if path == "/admin/tenants/denied"]
    assert {(one["name"], one["why"]) for one in told} == {("inconnue", "cle_controle")}
    assert sum(one["count"] for one in told) == 20 and len(told) <= 2 and "volee" not in str(told)


def _view(two: Two, who: str) -> Any:
    return snapshots.view_of(two.world, who)


@pytest.fixture(autouse=True)
def nobodys() -> Iterator[None]:
    yield
    answer_for(None)
