"""The connector against the strict simulation, by real TLS: every operation by each of the three ways of saying who calls."""
from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from connectors.insi.authentication import Authentication, Card, Organisation, Professional, ProSanteConnect, subject_name
from connectors.insi.client import InsiClient
from connectors.insi.contexts import Software
from connectors.insi.errors import NotAuthorised
from connectors.insi.messages import Person
from connectors.wire import tls
from connectors.wire.clock import SystemClock
from connectors.wire.http import Client
from connectors.wire.saml import Signer, load_signer
from connectors.wire.serving import Running
from mocks.insi.app import InsiMock
from mocks.sandbox.authority import new_key, person_marks, person_name
from mocks.sandbox.office import Office
from mocks.sandbox.orders import Order
from mocks.sandbox.world import World
from tests.gateway.doors.insi_messages import ASKED, CARD

TOKEN = "jeton-valide"
UNLIKE = replace(ASKED, person=replace(ASKED.person, sex="F"))


@dataclass
class Insi:
    """Both listeners, a structure with its certificate, and a professional of it with a card and a token."""

    world: World
    urls: dict[str, str]
    card: Card
    psc: ProSanteConnect

    @property
    def row(self) -> dict[str, Any]:
        return dict(self.world.manifest["structures"][0])

    def client(self, transport: Client, authentication: Authentication, listener: str) -> InsiClient:
        software = Software(str(self.world.manifest["idam"]), "DUI", "1.0", "0f6c9b7e-2c53-4e0a-b6f0-3d5a3c1d9a10")
        url = f"{self.urls[listener]}/lps"
        return InsiClient(transport, url, software=software, authentication=authentication, clock=SystemClock(), timeout_s=20)

    def way(self, name: str) -> tuple[Client, Authentication, str]:
        ca, own = self.world.path(self.world.pki["ca"]), self.row["auth_cli"]
        if name == "organisation":
            identity = tls.client_context(ca, cert=self.world.path(own["cert"]), key=self.world.path(own["key"]))
            return Client(identity), Organisation(self.row["struct_id"]), "mock-insi"
        return Client(tls.client_context(ca)), self.card if name == "card" else self.psc, "mock-insi-oneway"


@pytest.fixture
async def insi(own_sandbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Insi]:
    monkeypatch.setenv("SOCLE_PORTS", "{}")
    shutil.copytree(own_sandbox / "sandbox", tmp_path / "sandbox")
    world = World.load(tmp_path, clock=SystemClock())
    world.manifest["insi"] = {"strict": True}
    place = world.manifest["structures"][0]["finess_et"]
    person = next(one for one in world.population.professionals() if one["structure"] == place)
    number, said = str(person["id_nat"]), Professional(person["structure"], "SA17")
    subject = person_name(profession="Infirmier", family="EXEMPLE", given="CAMILLE", id_nat=number)
    issued, _ = Office(world.path(".")).issue(Order("ps_sign", number, subject, number, marks=person_marks("60")))
    card = Card(load_signer(world.path(issued.files["cert"]), world.path(issued.files["key"])), said)
    world.psc_claims = {TOKEN: {"SubjectNameID": number}}.get
    running = await Running.start(InsiMock(world).services())
    psc = ProSanteConnect(number, subject_name(card.signer.certificate), said, TOKEN)
    yield Insi(world, dict(running.urls), card, psc)
    await running.stop(1)
    world.trace.close()


@pytest.mark.parametrize("way", ["organisation", "card", "psc"])
async def test_every_operation_is_understood_by_each_way(insi: Insi, way: str) -> None:
    transport, authentication, listener = insi.way(way)
    async with transport:
        client = insi.client(transport, authentication, listener)
        search = await client.search_person(Person("TCHITCHI", ("OLA", "CATARINA"), "F", "1936-06-21"))
        by_card = (await client.search_card(CARD)).answered()
        verified = [(await client.verify(one)).answered().holds for one in (ASKED, UNLIKE)]
        lot = (await client.deposit([("b", UNLIKE), ("a", ASKED)])).answered()
        done = (await client.retrieve(lot.lot_id or "")).answered()
        unknown = (await client.retrieve("lot-de-personne")).answered()

    assert [one.service_code for one in search.attempts] == ["CR01", "CR00"]
    assert [one.trait for one in search.differences] == ["first_names"]
    assert by_card.identity is not None and by_card.identity.active.number == CARD.person.number
    assert (verified, done.state, done.results) == ([True, False], "TERMINE", (("b", False), ("a", True)))
    assert (unknown.code, unknown.state) == ("01", None)
    assert insi.world.trace.counts()["received"] == {
        "INS.RECHERCHE_TRAITS": 2, "INS.RECHERCHE_VITALE": 1, "INS.VERIFICATION": 2, "INS.LOT_DEPOT": 1, "INS.LOT_RETRAIT": 2,
    }  # fmt: skip


async def test_who_cannot_prove_it_is_told_by_a_fault_of_rights(insi: Insi) -> None:
    """The twins are above: the same callers, with what they lack here."""
    transport, _, listener = insi.way("card")
    certificate = insi.card.signer.certificate
    async with transport:
        for nobody in (
            Organisation(insi.row["struct_id"]), Card(Signer(certificate, new_key()), insi.card.professional),
            replace(insi.psc, token="perime"), replace(insi.psc, national_id="899900000000"),
        ):
            with pytest.raises(NotAuthorised):
                (await insi.client(transport, nobody, listener).verify(ASKED)).answered()
