"""One new person and one new professional, met by the wire in every service, in the sandbox that runs and in the next one."""
from __future__ import annotations

import asyncio
import base64
import smtplib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from connectors.dmp.client import BASE_PATH
from connectors.dmp.messages import read_answer
from connectors.wire.tls import client_context
from gateway.population import People
from mocks.runtime import MOCKS
from mocks.sandbox.build import init
from mocks.sandbox.control import KEY_HEADER, Control
from mocks.sandbox.world import World
from tests.connectors.dmp.samples import Dui
from tests.mocks.insi.conftest import request as insi_request
from tests.mocks.psc.sandboxes import serving
from tests.mocks.sandbox.folders import with_own_people

NEW = {
    "birth_name": "DE LA FORET", "first_names": "ANNE-LISE ZOE", "sex": "F", "birth_date": "1941-05-06", "birth_place": "35238",
    "structure": "0B0990008",
}  # fmt: skip
STAFF = {
    "family": "SAULNIER", "given": "HODA", "profession": "60", "profession_oid": "1.2.250.1.71.1.2.7", "structure": "0B0990008",
    "also_in": "0B0990016", "may_open": "contact@ehpad-les-tilleuls-bleus.bac-a-sable.mssante.fr",
}  # fmt: skip
REDIRECT = "http://127.0.0.1:8700/retour"


@dataclass
class Sandbox:
    """Every mock on its socket, and a vendor's clients."""

    world: World
    urls: dict[str, str]

    async def control(self, method: str, path: str, content: Any = None) -> httpx.Response:
        async with httpx.AsyncClient(headers={KEY_HEADER: self.world.manifest["control_key"]}) as client:
            return await client.request(method, self.urls["mock-control"] + path, json=content)

    async def add(self, **people: Any) -> dict[str, Any]:
        added = await self.control("POST", "/people", people)
        assert added.status_code == 201, added.text
        content: dict[str, Any] = added.json()
        return content

    def client(self, *, mutual: bool = False, profile: Any = "standard") -> httpx.AsyncClient:
        identity = self.world.manifest["structures"][0]["auth_cli"]
        files = {name: self.world.path(identity[name]) for name in ("cert", "key")} if mutual else {}
        return httpx.AsyncClient(verify=client_context(self.world.path(self.world.pki["ca"]), profile=profile, **files))

    async def insi(self, **traits: str) -> str:
        headers = {"Content-Type": "application/soap+xml; charset=utf-8"}
        known = {"NomNaissance": NEW["birth_name"], "Prenom": "ANNE-LISE", "Sexe": "F", "DateNaissance": NEW["birth_date"]}
        async with self.client(mutual=True) as client:
            answer = await client.post(self.urls["mock-insi"] + "/lps", content=insi_request(**known, **traits), headers=headers)
        return answer.text

    async def dmp(self, person: dict[str, Any]) -> Any:
        structure = self.world.manifest["structures"][0]
        call = Dui((self.world.data / "sandbox").resolve(), structure, person).existence()
        headers = [(name.decode(), value.decode()) for name, value in call.headers]
        async with self.client(mutual=True, profile="dmp") as client:
            url = self.urls["mock-dmp"] + BASE_PATH + call.endpoint
            answer = await client.post(url, content=call.body, headers=headers)
        return read_answer(answer.headers.get("content-type"), answer.content)

    async def login(self, id_nat: str) -> httpx.Response:
        """The way back of a headless login: a redirection, or the page that says no."""
        mine = self.world.manifest["psc_clients"][0]
        asked = {
            "response_type": "code", "client_id": mine["client_id"], "redirect_uri": REDIRECT, "scope": "openid scope_all",
            "acr_values": "eidas1", "state": "etat", "nonce": "nonce",
        }  # fmt: skip
        async with self.client() as client:
            return await client.get(self.urls["mock-psc-wallet"] + "/auth", params=asked, headers={"X-Socle-Login": id_nat})

    async def psc(self, id_nat: str) -> tuple[str, dict[str, Any]]:
        """An access token of this professional, and its UserInfo."""
        mine, back = self.world.manifest["psc_clients"][0], await self.login(id_nat)
        code = parse_qs(urlsplit(back.headers["Location"]).query)["code"][0]
        base = self.urls["mock-psc"] + "/auth/realms/esante-wallet/protocol/openid-connect/"
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT}
        form |= {"client_id": mine["client_id"], "client_secret": mine["client_secret"]}
        async with self.client() as client:
            token = (await client.post(base + "token", data=form)).json()["access_token"]
            told = await client.get(base + "userinfo", headers={"Authorization": f"Bearer {token}"})
        return token, told.json()

    async def annuaire(self, query: str) -> list[dict[str, Any]]:
        headers = {"ESANTE-API-KEY": self.world.manifest["annuaire_keys"][0]["key"]}
        async with self.client() as client:
            found = await client.get(f"{self.urls['mock-annuaire']}/fhir/v2/{query}", headers=headers)
        return [entry["resource"] for entry in found.json()["entry"]]

    async def mail(self, mailbox: str, token: str, *recipients: str) -> list[int]:
        return await asyncio.to_thread(self._mail, mailbox, token, recipients)

    def _mail(self, mailbox: str, token: str, recipients: tuple[str, ...]) -> list[int]:
        """Codes of AUTH, of MAIL and of each RCPT."""
        line = base64.b64encode(f"user={mailbox}\x01auth=Bearer {token}\x01\x01".encode()).decode()
        with smtplib.SMTP("127.0.0.1", urlsplit(self.urls["mock-smtp"]).port or 0, timeout=10) as smtp:
            smtp.starttls(context=client_context(self.world.path(self.world.pki["ca"])))
            smtp._host = "localhost"
            smtp.ehlo()
            codes = [smtp.docmd("AUTH", f"XOAUTH2 {line}")[0], smtp.mail(mailbox)[0]]
            return [*codes, *(smtp.rcpt(one)[0] for one in recipients)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("data")
    init(data, persons=1)
    return data


@pytest.fixture
def data(made: Path, tmp_path: Path) -> Path:
    return with_own_people(made, tmp_path)


@asynccontextmanager
async def running(data: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sandbox]:
    world = World.load(data)
    mocks = {name: make(world) for name, make in MOCKS.items()}
    services = [*Control(world, mocks).services(), *(service for mock in mocks.values() for service in mock.services())]
    async with serving(world, services, monkeypatch) as urls:
        yield Sandbox(world, urls)


async def test_a_new_person_is_one_person_everywhere(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(data, monkeypatch) as sandbox:
        gateway = People.of(data / "sandbox")
        assert "<CodeCR>01</CodeCR>" in await sandbox.insi()

        other = {**NEW, "birth_name": "AUBEPIN", "dmp": "closed", "mes": "closed"}
        person, _ = (await sandbox.add(persons=[NEW, other]))["persons"]
        matricule = person["matricule"]

        found = await sandbox.insi(LieuNaissance="35238")
        assert "<CodeCR>00</CodeCR>" in found and f"<NumIdentifiant>{matricule[:13]}</NumIdentifiant>" in found
        assert (await sandbox.dmp(person)).state == "open"
        token, _ = await sandbox.psc("899700990007")
        sender = next(one["mailbox"] for one in sandbox.world.population.professionals() if one["id_nat"] == "899700990007")
        citizen, nobody = f"{matricule}@patient.mssante.fr", "250023599928835@patient.mssante.fr"
        assert await sandbox.mail(sender, token, citizen, nobody) == [235, 250, 250, 550]
        assert gateway.knows_person(matricule)  # the gateway was not told: it reads the same file

    async with running(data, monkeypatch) as again:
        assert f"<NumIdentifiant>{matricule[:13]}" in await again.insi()
        closed = next(one for one in again.world.population.added()["persons"] if one["birth_name"] == "AUBEPIN")
        assert (await again.dmp(closed)).state == "closed"


async def test_a_new_professional_is_one_person_everywhere(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(data, monkeypatch) as sandbox:
        assert (await sandbox.login("899700990098")).status_code == 400
        [nurse] = (await sandbox.add(professionals=[STAFF]))["professionals"]
        second = nurse["also_in"][0]

        token, told = await sandbox.psc(nurse["id_nat"])
        assert (told["family_name"], told["SubjectNameID"]) == ("SAULNIER", nurse["id_nat"])
        [exercice] = told["SubjectRefPro"]["exercices"]
        assert [one["numeroFinessSite"] for one in exercice["activities"]] == ["0B0990008", "0B0990016"]
        assert told["SubjectOrganizationID"] == ""  # two activities: none stands out

        [practitioner] = await sandbox.annuaire(f"Practitioner?identifier={nurse['rpps']}")
        roles = await sandbox.annuaire(f"PractitionerRole?practitioner=Practitioner/{practitioner['id']}")
        assert {role["telecom"][0]["value"] for role in roles} == {nurse["mailbox"], second["mailbox"]}

        for mailbox in (nurse["mailbox"], second["mailbox"], STAFF["may_open"]):
            assert await sandbox.mail(mailbox, token, nurse["mailbox"]) == [235, 250, 250], mailbox
        stranger = "application@ehpad-les-tilleuls-bleus.bac-a-sable.mssante.fr"
        assert (await sandbox.mail(stranger, token))[0] == 334
        gateway = People.of(data / "sandbox")
        assert gateway.structure_of_box(second["mailbox"].upper()) == "0B0990016"
        assert gateway.knows_professional(nurse["id_nat"])

    async with running(data, monkeypatch) as again:
        assert (await again.psc(nurse["id_nat"]))[1]["given_name"] == "HODA"


async def test_a_reset_brings_back_the_first_people_unless_they_are_kept(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = list(People.of(data / "sandbox").first_persons(1000))
    async with running(data, monkeypatch) as sandbox:
        await sandbox.add(persons=[NEW], professionals=[STAFF])
        id_nat = sandbox.world.population.added()["professionals"][0]["id_nat"]
        await sandbox.psc(id_nat)

        await sandbox.control("POST", "/reset?keep_people=true")
        assert "<CodeCR>00</CodeCR>" in await sandbox.insi()

        await sandbox.control("POST", "/reset")
        assert "<CodeCR>01</CodeCR>" in await sandbox.insi()
        assert (await sandbox.login(id_nat)).status_code == 400
        assert await sandbox.annuaire(f"Practitioner?identifier={id_nat[1:]}") == []
        assert sandbox.world.population.added() == {"persons": [], "professionals": []}
        assert list(sandbox.world.population.persons()) == first
        [person] = (await sandbox.add(persons=[NEW]))["persons"]  # the place is free again
        assert person["source"] == "added"
