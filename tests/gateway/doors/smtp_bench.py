"""The SMTP door between a dialogue and the simulated operator, with a real journal; every side on real sockets."""
from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import orjson
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509 import load_pem_x509_certificate

from connectors.wire.tls import client_context, server_context
from gateway.access.callers import Access, Caller, Identity
from gateway.doors.mail.smtp import SmtpDoor
from gateway.grappes.model import Mailbox
from gateway.grappes.reading import example
from gateway.grappes.registry import Registry
from gateway.journal.journal import Journal
from gateway.journal.query import JournalReader
from gateway.journal.record import Dui
from mocks.mssante.app import MssanteMock
from mocks.sandbox.world import World
from tests.mocks.mssante.bench import APPLICATION, PERSONAL, SHARED, Connected, Dialogue, dialogue, make_world, pki, serving

LES_CARMES, MARSEILLE = "130790199", "130804289"


def registry() -> Registry:
    """The example grappe, one of whose ESSMS sends from the shared mailbox and from an applicative one."""
    grappe = example("marseille-hyeres")
    mailboxes = tuple(Mailbox(address, date(2020, 1, 1)) for address in (SHARED, APPLICATION))
    essms = tuple(replace(one, mailboxes=mailboxes) if one.finess_et == LES_CARMES else one for one in grappe.essms)
    return Registry([replace(grappe, essms=essms)])


@dataclass
class SmtpBench:
    folder: Path
    world: World
    mock: MssanteMock
    journal: Journal
    door: SmtpDoor
    port: int

    def entries(self, operation: str | None = "MSS.SOUMISSION") -> list[dict[str, Any]]:
        """Entries in order; every operation when None."""
        with JournalReader(self.folder / "gateway") as reader:
            bodies = [orjson.loads(entry.body) for entry in reader.walk()]
        return [body for body in bodies if operation in (None, body["operation"])]

    def units(self) -> int:
        with JournalReader(self.folder / "gateway") as reader:
            return len(list(reader.units()))

    def intents(self) -> int:
        with JournalReader(self.folder / "gateway") as reader:
            return reader.intents()

    def received(self, operation: str = "MSS.SOUMISSION") -> int:
        return self.world.trace.counts()["received"].get(operation, 0)

    def held(self) -> int:
        return self.world.trace.counts()["held"].get("MSS.SOUMISSION", 0)

    @contextlib.asynccontextmanager
    async def dui(self, *, login: bool = True) -> AsyncIterator[Dialogue]:
        async with dialogue(self.port) as talk:
            if login:
                await talk.login()
            yield talk


@contextlib.asynccontextmanager
async def smtp_bench(
    folder: Path, *, operator: Connected | None = None, deadline_s: float = 5.0, idle_s: float = 20.0
) -> AsyncIterator[SmtpBench]:
    """``operator`` stands for the simulated one where a test needs another behaviour."""
    world = make_world(folder)
    mock = MssanteMock(world)
    journal = Journal.open(folder / "gateway", environment="bac_a_sable", clock=world.clock)
    caller = Caller("editeur-a", "1" + LES_CARMES, LES_CARMES, frozenset({MARSEILLE}), Dui("TEST0001", "DUI Test", "1.0"))
    files = pki()
    certified = replace(caller, identity=Identity(files["client"], files["client_key"]))
    fingerprint = load_pem_x509_certificate(files["client"].read_bytes()).fingerprint(SHA256()).hex()
    access = Access({fingerprint: certified}, dict.fromkeys((SHARED, PERSONAL, APPLICATION), caller))
    async with serving(operator or mock.connected) as upstream:
        door = SmtpDoor(
            journal, access, registry(), world.clock, ("localhost", upstream),
            server_context(files["cert"], files["key"], ca=files["ca"], crl=files["crl"], client="optional"),
            client_context(files["ca"]), "bac_a_sable", deadline_s, idle_s,
            tls_for=lambda identity: client_context(files["ca"], cert=identity.cert, key=identity.key),
        )  # fmt: skip
        async with serving(door.connected) as port:
            yield SmtpBench(folder, world, mock, journal, door, port)
            await door.drain(5)
    await journal.close()
    world.trace.close()
