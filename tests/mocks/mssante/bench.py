"""The smallest world of the messaging tests: one authority, two professionals, two persons, and a dialogue on a socket."""
from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import ipaddress
import ssl
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from connectors.wire.clock import SystemClock
from connectors.wire.tls import client_context
from mocks.sandbox.faults import Faults
from mocks.sandbox.population import Population
from mocks.sandbox.trace import Trace
from mocks.sandbox.world import World
from tests.certificates import strict

SHARED = "infirmerie@ehpad-test.mssante.fr"
APPLICATION = "application@ehpad-test.mssante.fr"
STRUCT_ID, OTHER_STRUCT_ID = "1130790199", "1130804297"
PERSONAL = "nadia.fictive@ehpad-test.mssante.fr"
COLLEAGUE = "hoda.fictif@ch-test.mssante.fr"
OPEN, CLOSED = "279035121518989", "146026322000196"  # published examples
USAGER = f"{OPEN}@patient.mssante.fr"
NADIA, HODA = "899700000011", "899700000029"


@functools.cache
def pki() -> dict[str, Path]:
    """A throw-away authority, its empty revocation list, one server certificate and two structures', made once per run."""
    folder = Path(tempfile.mkdtemp(prefix="mssante-pki-"))
    now = datetime.now(UTC)

    def name(common: str, unit: str | None = None) -> x509.Name:
        units = [] if unit is None else [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit)]
        return x509.Name([*units, x509.NameAttribute(NameOID.COMMON_NAME, common)])

    def certificate(
        common: str, key: ec.EllipticCurvePrivateKey, issuer: str, signer: ec.EllipticCurvePrivateKey, *, ca: bool,
        unit: str | None = None,
    ) -> bytes:  # fmt: skip
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        builder = x509.CertificateBuilder().subject_name(name(common, unit)).issuer_name(name(issuer))
        builder = builder.public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=2))
        builder = strict(builder, key, signer, ca=ca)
        if unit is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        elif not ca:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    (folder / "ca.pem").write_bytes(certificate("Test CA", ca_key, "Test CA", ca_key, ca=True))
    (folder / "server.pem").write_bytes(certificate("localhost", key, "Test CA", ca_key, ca=False))
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.key").write_bytes(key.private_bytes(*plain))
    crl = x509.CertificateRevocationListBuilder().issuer_name(name("Test CA")).last_update(now - timedelta(hours=1))
    listed = crl.next_update(now + timedelta(days=2)).sign(ca_key, hashes.SHA256())
    (folder / "crl.pem").write_bytes(listed.public_bytes(serialization.Encoding.PEM))
    found = {"ca": folder / "ca.pem", "cert": folder / "server.pem", "key": folder / "server.key", "crl": folder / "crl.pem"}
    for who, unit in (("client", STRUCT_ID), ("stranger", OTHER_STRUCT_ID)):
        key = ec.generate_private_key(ec.SECP256R1())
        (folder / f"{who}.pem").write_bytes(certificate("DUI-TEST", key, "Test CA", ca_key, ca=False, unit=unit))
        (folder / f"{who}.key").write_bytes(key.private_bytes(*plain))
        found |= {who: folder / f"{who}.pem", f"{who}_key": folder / f"{who}.key"}
    return found


def certified(who: str = "client") -> ssl.SSLContext:
    """A DUI's TLS that shows a structure's certificate."""
    files = pki()
    return client_context(files["ca"], cert=files[who], key=files[f"{who}_key"])


def population() -> Population:
    return Population.holding(
        persons=[
            {"matricule": OPEN, "mes": "open", "history": []},
            {"matricule": CLOSED, "mes": "closed", "history": []},
        ],
        professionals=[
            {"id_nat": NADIA, "mailbox": PERSONAL, "may_open": [SHARED]},
            {"id_nat": HODA, "mailbox": COLLEAGUE, "may_open": []},
        ],
    )


def make_world(data: Path) -> World:
    """A world whose PSC issued the tokens « nadia » and « hoda » and nothing else."""
    files = pki()
    manifest = {
        "seed": 1,
        "pki": {
            "ca": str(files["ca"]), "crl": str(files["crl"]), "server": {"cert": str(files["cert"]), "key": str(files["key"])},
        },
        "structures": [{
            "struct_id": STRUCT_ID,
            "mailboxes": [{"address": SHARED, "type": "ORG"}, {"address": APPLICATION, "type": "APP"}],
        }],
        "white_list": ["ehpad-test.mssante.fr", "ch-test.mssante.fr", "patient.mssante.fr", "ailleurs.mssante.fr"],
    }
    clock = SystemClock()
    tokens = {"nadia": {"SubjectNameID": NADIA}, "hoda": {"SubjectNameID": HODA}}
    return World(data, manifest, population(), clock, {}, Trace(data / "mocks", clock), Faults(1), tokens.get)


def xoauth2(mailbox: str, token: str) -> str:
    return base64.b64encode(f"user={mailbox}\x01auth=Bearer {token}\x01\x01".encode()).decode()


def plain(login: str, password: str = "") -> str:
    return base64.b64encode(f"\0{login}\0{password}".encode()).decode()


NIL = "X-MSS-NIL: TEST0001\r\n"


def message(sender: str = SHARED, message_id: str = "<m1@ehpad-test.mssante.fr>", *, extra: str = NIL) -> str:
    head = f"From: EHPAD Test <{sender}>\r\nTo: <{COLLEAGUE}>\r\nMessage-ID: {message_id}\r\nSubject: Bonjour\r\n{extra}"
    return f"{head}\r\nTexte.\r\n"


@dataclass
class Dialogue:
    """A client that says exactly these bytes, and what it hears."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def hears(self, expected: str | int) -> list[str]:
        """Read one reply, of one or several lines; every line must begin with the code, the last with ``expected``."""
        lines: list[str] = []
        while True:
            raw = await asyncio.wait_for(self.reader.readline(), 10)
            assert raw.endswith(b"\r\n"), f"closed instead of {expected}"
            lines.append(raw[:-2].decode("ascii"))
            if lines[-1][3:4] != "-":
                break
        assert lines[-1].startswith(str(expected)), (expected, lines)
        assert all(line[:3] == lines[-1][:3] for line in lines)
        return lines

    async def raw(self, data: bytes | str) -> None:
        self.writer.write(data.encode() if isinstance(data, str) else data)
        await self.writer.drain()

    async def says(self, line: str, hears: str | int) -> list[str]:
        await self.raw(line + "\r\n")
        return await self.hears(hears)

    async def gone(self) -> None:
        """The server closed without another word."""
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(self.reader.read(), 10) == b""

    async def tls(self, context: ssl.SSLContext | None = None) -> None:
        await self.writer.start_tls(context or client_context(pki()["ca"]), server_hostname="localhost")

    async def starttls(self, context: ssl.SSLContext | None = None) -> list[str]:
        """EHLO, STARTTLS, EHLO; returns the second list."""
        await self.says("EHLO dui.test", 250)
        await self.says("STARTTLS", 220)
        await self.tls(context)
        return await self.says("EHLO dui.test", 250)

    async def login(self, mailbox: str = SHARED, token: str = "nadia") -> None:
        await self.starttls()
        await self.says(f"AUTH XOAUTH2 {xoauth2(mailbox, token)}", "235 2.7.0")

    async def send(self, text: str, hears: str | int, *recipients: str, sender: str = SHARED) -> list[str]:
        await self.says(f"MAIL FROM:<{sender}>", "250 2.1.0")
        for recipient in recipients or (COLLEAGUE,):
            await self.says(f"RCPT TO:<{recipient}>", "250 2.1.5")
        await self.says("DATA", 354)
        return await self.says(text + ".", hears)


Connected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def serving(connected: Connected) -> AsyncIterator[int]:
    """Serve a byte protocol on a free port of the loopback; ends once its connections have."""
    running: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        await connected(reader, writer)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        if running:
            _, late = await asyncio.wait(running, timeout=5)
            for task in late:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)


@contextlib.asynccontextmanager
async def dialogue(port: int, *, greeting: str | int | None = 220) -> AsyncIterator[Dialogue]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    talk = Dialogue(reader, writer)
    try:
        if greeting is not None:
            await talk.hears(greeting)
        yield talk
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()
