"""The registry over HTTP: read with ETags, changed under conditions, refused in French, in force for the doors at once."""
from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from connectors.wire.clock import SystemClock
from gateway.doors.console import Console
from gateway.doors.registry_api import RegistryApi
from gateway.grappes.registrar import Registrar
from gateway.journal.journal import Journal
from gateway.journal.record import JournalFull
from tests.gateway.grappes.test_denominators import HEAD
from tests.gateway.grappes.world import GRAPPE, LES_CARMES, SAINT_TRONC, noted, put, the
from tests.gateway.journal.world import open_journal

ADMIN = {"X-Socle-Admin-Key": "cle"}
BOX = {"kind": "bal", "finess_et": LES_CARMES, "address": "carmes@ccas.mssante.test", "since": "2026-03-01"}
URL = f"/admin/grappes/{GRAPPE}"


class World:
    def __init__(self, folder: Path) -> None:
        self.folder, self.grappes = folder, put(folder)
        self.journal: Journal = open_journal(folder)
        self.registrar = Registrar.of(self.journal, SystemClock())
        console = Console(self.journal, SystemClock(), "bac_a_sable", "cle", {}, lambda: 0)
        app = console.app()
        RegistryApi(self.registrar, "bac_a_sable", console.check_admin).mount(app)
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://console", headers=ADMIN)

    async def change(self, *changes: dict[str, Any], **more: Any) -> httpx.Response:
        return await self.http.post(f"{URL}/changes", json={"by": "amoa", "changes": list(changes)} | more)

    async def replace(self, change: dict[str, Any], **headers: str) -> httpx.Response:
        grappe = (await self.http.get(URL)).json() | change
        return await self.http.put(URL, json={"by": "amoa", "grappe": grappe}, headers=headers)

    async def denominators(self, *lines: str) -> httpx.Response:
        content = base64.b64encode("\n".join((HEAD, *lines)).encode()).decode()
        return await self.http.post("/admin/grappes/denominateurs", json={"by": "amoa", "csv_base64": content})


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    yield world
    await world.http.aclose()
    await world.journal.close()


async def test_a_change_is_in_force_when_it_is_answered(world: World) -> None:
    answer = await world.change(BOX)
    assert answer.status_code == 200
    assert answer.json() == {
        "grappe": GRAPPE, "version": 2, "sha256": noted(world.folder)[0]["sha256"], "change": ["bal"],
        "touched": [{"finess_et": LES_CARMES, "from": "2026-03-01", "to": None}],
    }
    assert len(the(world.registrar.registry.grappe(GRAPPE), LES_CARMES).mailboxes) == 1
    read = await world.http.get(URL)
    assert (read.headers["etag"], read.json()["registry_version"]) == (answer.headers["etag"], 2)
    assert (await world.http.get(URL, headers={"If-None-Match": answer.headers["etag"]})).status_code == 304
    assert (await world.http.get("/admin/grappes")).json() == {
        "grappes": [{"id": GRAPPE, "name": "Marseille - Hyères", "version": 2, "essms": 12}]
    }


async def test_nothing_is_read_or_changed_without_the_admin_key(world: World) -> None:
    paths = (("GET", "/admin/grappes"), ("GET", URL), ("PUT", URL), ("POST", f"{URL}/changes"), ("GET", f"{URL}/versions"))
    for method, path in paths:
        answer = await world.http.request(method, path, headers={"X-Socle-Admin-Key": "autre"})
        assert (answer.status_code, answer.json()["detail"]) == (403, "Clé d'administration absente ou fausse.")
    assert noted(world.folder) == []


async def test_of_two_changes_from_one_version_the_second_is_told_so(world: World) -> None:
    assert (await world.change(BOX, version=1)).status_code == 200
    late = await world.change(BOX | {"address": "autre@ccas.mssante.test"}, version=1)
    assert (late.status_code, late.json()) == (409, {
        "detail": "Grappe « marseille-hyeres » : vous partez de la version 1, elle en est à la version 2. Rien n'a été changé : "
        "relisez-la, puis recommencez.", "version": 2,
    })  # fmt: skip
    assert len(noted(world.folder)) == 1


async def test_a_whole_grappe_is_replaced_only_as_it_was_read(world: World) -> None:
    tag = (await world.http.get(URL)).headers["etag"]
    refused = await world.replace({"name": "Marseille"})
    assert (refused.status_code, "If-Match" in refused.json()["detail"]) == (428, True)
    done = await world.replace({"name": "Marseille"}, **{"If-Match": tag})
    assert (done.status_code, done.json()["change"]) == (200, ["grappe_modifiee"])
    late = await world.replace({"name": "Autre"}, **{"If-Match": tag})
    assert (late.status_code, late.json()["version"]) == (412, 2)
    assert "vous partez de la version 1, elle en est à la version 2" in late.json()["detail"]
    assert (await world.replace({"name": "Autre"}, **{"If-Match": '"inconnu"'})).status_code == 412
    assert (await world.replace({"name": "Autre"}, **{"If-None-Match": "*"})).status_code == 412
    other = await world.replace({"id": "autre"}, **{"If-Match": done.headers["etag"]})
    assert (other.status_code, other.json()["detail"]) == (
        422, "Le corps parle de la grappe « autre », l'adresse de « marseille-hyeres »."
    )  # fmt: skip
    assert len(noted(world.folder)) == 1


async def test_a_new_grappe_is_created_once(world: World) -> None:
    grappe = (await world.http.get(URL)).json() | {"id": "autre", "registry_version": 7}
    grappe["essms"] = [grappe["essms"][0] | {"finess_et": "130000011", "saisi": "130000011"}]
    sent = {"by": "amoa", "why": "nouvelle convention", "grappe": grappe}
    created = await world.http.put("/admin/grappes/autre", json=sent, headers={"If-None-Match": "*"})
    assert (created.status_code, created.json()["version"]) == (200, 1)
    assert (await world.http.put("/admin/grappes/autre", json=sent, headers={"If-None-Match": "*"})).status_code == 412
    assert (await world.http.put("/admin/grappes/autre", json=sent, headers={"If-Match": '"7"'})).status_code == 412


@pytest.mark.parametrize("body, why", [
    (b"{", "Demande refusée"),
    (b'{"by": "amoa", "changes": []}', "changes : trop peu d'éléments"),
    (b'{"changes": [{"kind": "projet"}]}', "by : absent"),
    (b'{"by": "Marie Dupont", "changes": [{"kind": "projet", "name": "x"}]}', "by : forme refusée"),
    (b'{"by": "amoa", "changes": [{"kind": "autre"}]}', "Demande refusée"),
    (b'{"by": "amoa", "changes": [{"kind": "projet", "niveau": "og"}]}', "inconnu"),
    (b'{"by": "amoa", "changes": [{"kind": "essms", "finess_et": "000000000"}]}', "aucun ESSMS 000000000"),
])
async def test_a_request_that_says_nothing_usable_changes_nothing(world: World, body: bytes, why: str) -> None:
    answer = await world.http.post(f"{URL}/changes", content=body)
    assert answer.status_code == 422
    assert why in answer.json()["detail"]
    assert noted(world.folder) == []


async def test_versions_are_listed_with_their_entries_and_each_can_be_read_again(world: World) -> None:
    await world.change(BOX)
    listed = (await world.http.get(f"{URL}/versions")).json()["versions"]
    assert [(one["version"], one["by"], one["change"], one["intact"]) for one in listed] == [
        (1, None, [], None), (2, "amoa", ["bal"], True),
    ]  # fmt: skip
    first = (await world.http.get(f"{URL}/versions/1")).json()
    assert (first["registry_version"], first["essms"][4]["mailboxes"]) == (1, [])
    gone = await world.http.get(f"{URL}/versions/3")
    assert (gone.status_code, "version 3 : inconnue. Versions gardées : 1, 2." in gone.json()["detail"]) == (404, True)
    assert (await world.http.get("/admin/grappes/inconnue")).status_code == 404
    altered = world.grappes / "versions" / GRAPPE / "2.json"
    altered.write_bytes(altered.read_bytes().replace(b"carmes@", b"autres@"))
    assert (await world.http.get(f"{URL}/versions")).json()["versions"][1]["intact"] is False


async def test_a_file_of_denominators_is_taken_whole_or_not_at_all(world: World) -> None:
    good = f"{LES_CARMES};;2026-01-01;64;declaration_essms;declare;2025;;;"
    bad = await world.denominators(good, f"{SAINT_TRONC};;2026-01-01;-2;declaration_essms;declare;;;;")
    assert (bad.status_code, bad.json()["problemes"]) == (
        422, [{"ligne": 3, "colonne": "personnes", "raison": "nombre négatif."}]
    )  # fmt: skip
    assert noted(world.folder) == []
    done = await world.denominators(good)
    assert (done.status_code, [one["change"] for one in done.json()["grappes"]]) == (200, [["denominateur"]])
    assert the(world.registrar.registry.grappe(GRAPPE), LES_CARMES).persons == 64
    assert (await world.denominators(good)).json()["grappes"][0]["change"] == []  # the same again: no new version
    unreadable = await world.http.post("/admin/grappes/denominateurs", json={"by": "amoa", "csv_base64": "*"})
    assert (unreadable.status_code, "base64 illisible" in unreadable.json()["detail"]) == (422, True)


async def test_without_room_for_the_entry_the_answer_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: object) -> None:
        raise JournalFull("no room")

    monkeypatch.setattr(Journal, "write", full)
    answer = await world.change(BOX)
    assert (answer.status_code, "rien n'a été changé" in answer.json()["detail"]) == (503, True)
    assert orjson.loads((world.grappes / f"{GRAPPE}.json").read_bytes())["registry_version"] == 1
