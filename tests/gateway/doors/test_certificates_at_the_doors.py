"""Each kind of certificate at each door that asks for one: the alert that its client reads, and what the journal says."""
from __future__ import annotations

import asyncio
import json
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from connectors.wire import tls
from connectors.wire.serving import FIXED_PORTS, Running, take_refused
from gateway.app import Gateway
from gateway.journal.query import Filters, JournalReader
from gateway.settings import Settings
from mocks.sandbox.build import init
from mocks.sandbox.office import Office
from mocks.sandbox.orders import Kind, Order
from mocks.sandbox.pki import Subject

SUBJECT = Subject("0B0990008", "10B0990008", "EHPAD LES TILLEULS BLEUS")
DOORS = ("insi", "dmp", "psc", "smtp")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    init(folder, persons=2)
    return folder


@dataclass
class Doors:
    """A gateway's own listeners; the services behind them are not needed to shake hands."""

    gateway: Gateway
    office: Office
    sandbox: Path
    ports: dict[str, int]

    def issue(self, refused: Kind | None = None, **wanted: Any) -> Path:
        """The PEM of a new identity in the name of a structure; its key is beside it."""
        known = {"profile": "auth_cli", "whose": SUBJECT.finess_et, "subject": SUBJECT.named("INSI-AUTO"), "cn": "INSI-AUTO"}
        row, _ = self.office.issue(Order(**{**known, **wanted, "refused": refused}))
        return self.sandbox / row.files["chain" if refused == "other_branch" else "cert"]

    def client(self, door: str, cert: Path | None) -> ssl.SSLContext:
        context = tls.client_context(self.sandbox / "pki" / "ca.pem", profile="dmp" if door == "dmp" else "standard")
        if cert is not None:
            context.set_ciphers("DEFAULT:@SECLEVEL=0")  # so that the door is who refuses a small key
            stem = cert.name.removesuffix(".pem").removesuffix(".chaine")
            context.load_cert_chain(cert, cert.with_name(f"{stem}.key"))
        return context

    async def call(self, door: str, cert: Path | None) -> str:
        """How far this client comes: « reçu », or the alert that it reads."""
        context = self.client(door, cert)
        try:
            return await (self._mail(context) if door == "smtp" else self._web(door, context))
        except ssl.SSLError as error:
            return error.reason or "?"

    async def _web(self, door: str, context: ssl.SSLContext) -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.ports[door], ssl=context, server_hostname="localhost")
        try:
            writer.write(b"GET /essai HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return "reçu" if (await reader.readline()).startswith(b"HTTP/1.1 ") else "?"
        finally:
            writer.close()

    async def _mail(self, context: ssl.SSLContext) -> str:
        """STARTTLS at once: before it, EHLO would need the operator."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.ports["smtp"])
        try:
            assert (await reader.readline()).startswith(b"220 ")
            writer.write(b"STARTTLS\r\n")
            assert (await reader.readline()).startswith(b"220 ")
            await writer.start_tls(context, server_hostname="localhost")
            writer.write(b"NOTACOMMAND\r\n")
            return "reçu" if (await reader.readline()).startswith(b"502 ") else "?"
        finally:
            writer.close()

    async def gaps(self) -> Counter[tuple[str, str]]:
        """By listener and reason; those of before are forgotten."""
        known = len(self._entries("gap"))
        await self.gateway.gaps.flush()
        found = self._entries("gap")
        new = [row["detail"] for row in found[: len(found) - known]]
        return Counter({(one["listener"], one["why"]): one["count"] for one in new})

    def _entries(self, kind: str) -> list[dict[str, Any]]:
        with JournalReader(self.gateway.settings.journal) as reader:
            return reader.entries(Filters(kind=kind), limit=500).entries

    async def session(self) -> dict[str, Any]:
        """The last SMTP session, once it is written."""
        for _ in range(200):
            if not self.gateway.smtp._running:
                break
            await asyncio.sleep(0.01)
        return next(row for row in self._entries("call") if row["operation"] == "MSS.SESSION_SMTP")


@pytest.fixture
async def doors(data: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Doors]:
    monkeypatch.setenv("SOCLE_PORTS", json.dumps({name: 9 for name in FIXED_PORTS if name.startswith("mock-")}))
    take_refused()
    gateway = Gateway.open(Settings(data=data, ballast_mio=1))
    running = await Running.start(gateway.services())
    ports = {name: int(url.rsplit(":", 1)[1]) for name, url in running.urls.items()}
    yield Doors(gateway, Office(data / "sandbox"), data / "sandbox", ports)
    await running.stop(1)
    await gateway.road.drain(1)
    await gateway.smtp.drain(1)
    await gateway.journal.close()


CASES: list[tuple[Kind, str, str]] = [
    ("foreign", "TLSV1_ALERT_UNKNOWN_CA", "V-CERT-AUTORITE"),
    ("other_branch", "TLSV1_ALERT_UNKNOWN_CA", "V-CERT-AUTORITE"),
    ("expired", "SSLV3_ALERT_CERTIFICATE_EXPIRED", "V-CERT-EXPIRE"),
    ("not_yet_valid", "SSLV3_ALERT_BAD_CERTIFICATE", "V-CERT-FUTUR"),
    ("revoked", "SSLV3_ALERT_CERTIFICATE_REVOKED", "V-CERT-REVOQUE"),
    ("wrong_usage", "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE", "V-CERT-USAGE"),
    ("weak_key", "SSLV3_ALERT_BAD_CERTIFICATE", "V-CERT-FAIBLE"),
]


@pytest.mark.parametrize(("kind", "alert", "code"), CASES, ids=[case[0] for case in CASES])
async def test_each_bad_certificate_has_its_alert_and_its_reason(doors: Doors, kind: Kind, alert: str, code: str) -> None:
    bad = doors.issue(kind)
    assert {door: await doors.call(door, bad) for door in DOORS} == dict.fromkeys(DOORS, alert)
    assert await doors.gaps() == {(door, code): 1 for door in DOORS if door != "smtp"}
    session = await doors.session()
    assert (session["outcome"], session["flags"], session["tenant"]) == ("unauthorised", [code], "inconnu")


async def test_a_good_certificate_passes_every_door_until_it_is_revoked(doors: Doors) -> None:
    good = doors.issue()
    assert {door: await doors.call(door, good) for door in DOORS} == dict.fromkeys(DOORS, "reçu")
    assert await doors.gaps() == {}
    doors.office.revoke(good.name.removesuffix(".pem"), "superseded")
    assert {door: await doors.call(door, good) for door in DOORS} == dict.fromkeys(DOORS, "SSLV3_ALERT_CERTIFICATE_REVOKED")
    assert await doors.gaps() == {(door, "V-CERT-REVOQUE"): 1 for door in DOORS if door != "smtp"}
    assert await doors.call("insi", doors.issue()) == "reçu"


async def test_another_name_passes_tls_and_is_not_lent_an_identity(doors: Doors) -> None:
    assert await doors.call("insi", doors.issue("other_use")) == "reçu"
    refused = doors._entries("call")[0]
    assert (refused["outcome"], refused["flags"]) == ("unauthorised", ["V-IDENTITE"])


async def test_none_at_all_is_refused_where_one_is_required(doors: Doors) -> None:
    assert [await doors.call(door, None) for door in DOORS] == [
        "TLSV13_ALERT_CERTIFICATE_REQUIRED", "SSLV3_ALERT_HANDSHAKE_FAILURE", "reçu", "reçu",
    ]  # fmt: skip
    assert await doors.gaps() == {("insi", "V-CERT-ABSENT"): 1, ("dmp", "V-CERT-ABSENT"): 1}


async def test_each_identity_of_a_structure_is_known_by_its_own_certificate(doors: Doors) -> None:
    manifest = doors.gateway.manifest["structures"][0]
    for part in ("auth_cli", "auth_manu"):
        der = ssl.PEM_cert_to_DER_cert((doors.sandbox / manifest[part]["cert"]).read_text())
        caller = doors.gateway.access.by_certificate(der, "INS")
        assert caller.finess_et == manifest["finess_et"]
        assert caller.identity is not None and caller.identity.cert == doors.sandbox / manifest[part]["cert"]
    assert doors.gateway.access.tls_identity(manifest["struct_id"]) is not None
