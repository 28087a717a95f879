"""A listener follows its revocation list; each refused certificate has its alert at the client and its code at the listener."""
from __future__ import annotations

import asyncio
import datetime
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from connectors.wire.serving import HttpService, Running, take_refused
from connectors.wire.tls import ClientCertificate, Profile, client_context, server_context
from tests.certificates import strict

NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
DAY = datetime.timedelta(days=1)
PEM = serialization.Encoding.PEM


@dataclass
class House:
    """An authority and its list, on disk."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    cert: x509.Certificate

    def leaf(
        self, name: str, *, start: datetime.timedelta = -DAY, end: datetime.timedelta = DAY, key: Any = None,
        use: x509.ObjectIdentifier = ExtendedKeyUsageOID.CLIENT_AUTH,
    ) -> x509.Certificate:
        key = key or ec.generate_private_key(ec.SECP256R1())
        builder = (
            x509.CertificateBuilder().subject_name(named(name)).issuer_name(self.cert.subject).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(NOW + start).not_valid_after(NOW + end)
            .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        )  # fmt: skip
        cert = strict(builder, key, self.key, ca=False).sign(self.key, hashes.SHA256())
        text = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (self.folder / f"{name}.pem").write_bytes(cert.public_bytes(PEM))
        (self.folder / f"{name}.key").write_bytes(text)
        return cert

    def publish(self, revoked: Sequence[x509.Certificate] = (), *, until: datetime.timedelta = DAY) -> None:
        """All within one second: two lists differ by what they hold, not by their dates."""
        builder = x509.CertificateRevocationListBuilder(self.cert.subject, NOW - 2 * DAY, NOW + until)
        for cert in revoked:
            builder = builder.add_revoked_certificate(x509.RevokedCertificateBuilder(cert.serial_number, NOW - DAY).build())
        new = self.folder / "crl.new"
        new.write_bytes(builder.sign(self.key, hashes.SHA256()).public_bytes(PEM))
        new.replace(self.folder / "crl.pem")

    def client(self, name: str | None, *, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
        context = client_context(self.folder / "ca.pem")
        context.minimum_version = context.maximum_version = version
        if name is not None:
            context.set_ciphers("DEFAULT:@SECLEVEL=0")  # so that the listener is who refuses a small key
            context.load_cert_chain(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        return context


def named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def house_in(folder: Path) -> House:
    folder.mkdir(exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder().subject_name(named("ca")).issuer_name(named("ca")).public_key(key.public_key())
        .serial_number(1).not_valid_before(NOW - 9 * DAY).not_valid_after(NOW + 9 * DAY)
    )  # fmt: skip
    cert = strict(builder, key, key, ca=True).sign(key, hashes.SHA256())
    (folder / "ca.pem").write_bytes(cert.public_bytes(PEM))
    house = House(folder, key, cert)
    house.leaf("server", use=ExtendedKeyUsageOID.SERVER_AUTH)
    house.publish()
    return house


@pytest.fixture
def house(tmp_path: Path) -> House:
    return house_in(tmp_path / "house")


def context_of(house: House, client: ClientCertificate = "required", profile: Profile = "standard") -> ssl.SSLContext:
    files = {name: house.folder / name for name in ("server.pem", "server.key", "ca.pem", "crl.pem")}
    return server_context(
        files["server.pem"], files["server.key"], ca=files["ca.pem"], crl=files["crl.pem"], client=client, profile=profile
    )


async def served(_scope: dict[str, Any], _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
async def port(house: House, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    monkeypatch.setenv("SOCLE_PORTS", "{}")
    take_refused()
    running = await Running.start([HttpService("insi", served, context_of(house))])
    yield int(running.urls["insi"].rsplit(":", 1)[1])
    await running.stop(1)


async def call(port: int, context: ssl.SSLContext) -> str:
    """The status line; or the alert, as the client names it."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
        try:
            writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return (await reader.readline()).decode().strip()
        finally:
            writer.close()
    except ssl.SSLError as error:
        return error.reason or "?"


ACCEPTED = "HTTP/1.1 204 No Content"


async def test_a_certificate_is_refused_from_its_revocation_on_without_a_restart(house: House, port: int) -> None:
    first, other = house.leaf("first"), house.leaf("other")
    assert await call(port, house.client("first")) == ACCEPTED
    house.publish([first])
    assert await call(port, house.client("first")) == "SSLV3_ALERT_CERTIFICATE_REVOKED"
    assert await call(port, house.client("other")) == ACCEPTED
    house.publish([first, other])
    assert await call(port, house.client("other")) == "SSLV3_ALERT_CERTIFICATE_REVOKED"
    assert take_refused() == {("insi", "V-CERT-REVOQUE"): 2}


async def test_a_session_of_tls_1_2_does_not_outlive_a_revocation(house: House, port: int) -> None:
    cert = house.leaf("first")
    context = house.client("first", version=ssl.TLSVersion.TLSv1_2)

    def resume(session: ssl.SSLSession | None) -> tuple[ssl.SSLSession | None, bool]:
        with (
            socket.create_connection(("127.0.0.1", port), 5) as plain,
            context.wrap_socket(plain, server_hostname="localhost", session=session) as secured,
        ):
            secured.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert secured.recv(100).startswith(ACCEPTED.encode())
            return secured.session, bool(secured.session_reused)

    session, reused = await asyncio.to_thread(resume, None)
    assert not reused
    _, reused = await asyncio.to_thread(resume, session)
    assert reused, "otherwise what follows proves nothing"
    house.publish([cert])
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_REVOKED"):
        await asyncio.to_thread(resume, session)


async def test_what_listens_to_hellos_still_does_after_a_new_list(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOCLE_PORTS", "{}")
    house.leaf("client")
    context, heard = context_of(house), []
    context.sni_callback = lambda _connection, name, _context: heard.append(name)
    running = await Running.start([HttpService("insi", served, context)])
    try:
        for _ in range(2):
            assert await call(int(running.urls["insi"].rsplit(":", 1)[1]), house.client("client")) == ACCEPTED
            house.publish([house.leaf("other")])
    finally:
        await running.stop(1)
    assert heard == ["localhost"] * 2


async def test_a_list_that_cannot_be_read_leaves_the_one_before_in_force(house: House, port: int) -> None:
    first = house.leaf("first")
    house.leaf("other")
    house.publish([first])
    assert await call(port, house.client("first")) == "SSLV3_ALERT_CERTIFICATE_REVOKED"
    (house.folder / "crl.pem").write_text("nothing\n")
    assert await call(port, house.client("first")) == "SSLV3_ALERT_CERTIFICATE_REVOKED"
    assert await call(port, house.client("other")) == ACCEPTED
    (house.folder / "crl.pem").unlink()
    assert await call(port, house.client("other")) == ACCEPTED


TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


@pytest.mark.parametrize("version", [TLS12, TLS13])
@pytest.mark.parametrize(
    ("leaf", "alert", "code"),
    [
        ({"start": -3 * DAY, "end": -DAY}, "SSLV3_ALERT_CERTIFICATE_EXPIRED", "V-CERT-EXPIRE"),
        ({"start": DAY, "end": 2 * DAY}, "SSLV3_ALERT_BAD_CERTIFICATE", "V-CERT-FUTUR"),
        ({"use": ExtendedKeyUsageOID.SERVER_AUTH}, "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE", "V-CERT-USAGE"),
        ({"key": rsa.generate_private_key(65537, 1024)}, "SSLV3_ALERT_BAD_CERTIFICATE", "V-CERT-FAIBLE"),
    ],
)
async def test_each_fault_of_a_certificate_has_its_alert_and_its_code(
    house: House, port: int, leaf: dict[str, Any], alert: str, code: str, version: ssl.TLSVersion
) -> None:
    house.leaf("good")
    house.leaf("bad", **leaf)
    assert await call(port, house.client("good", version=version)) == ACCEPTED
    assert await call(port, house.client("bad", version=version)) == alert
    assert take_refused() == {("insi", code): 1}


async def test_a_stranger_s_certificate_and_none_at_all(house: House, port: int, tmp_path: Path) -> None:
    stranger = house_in(tmp_path / "stranger")
    stranger.leaf("client")
    context = house.client(None)
    context.load_cert_chain(stranger.folder / "client.pem", stranger.folder / "client.key")
    assert await call(port, context) == "TLSV1_ALERT_UNKNOWN_CA"
    assert await call(port, house.client(None)) == "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    assert take_refused() == {("insi", "V-CERT-AUTORITE"): 1, ("insi", "V-CERT-ABSENT"): 1}


async def test_a_list_past_its_date_is_our_fault_and_a_fresh_one_ends_it(house: House, port: int) -> None:
    house.leaf("client")
    house.publish(until=-DAY)
    assert await call(port, house.client("client")) == "SSLV3_ALERT_CERTIFICATE_EXPIRED"
    assert take_refused() == {("insi", "G-LISTE"): 1}
    house.publish()
    assert await call(port, house.client("client")) == ACCEPTED


async def test_a_client_that_does_not_trust_the_listener_is_told_apart(house: House, port: int, tmp_path: Path) -> None:
    elsewhere = house_in(tmp_path / "elsewhere")
    assert await call(port, elsewhere.client(None)) == "CERTIFICATE_VERIFY_FAILED"
    for _ in range(100):  # its alert is on the way
        if counted := take_refused():
            break
        await asyncio.sleep(0.01)
    assert counted == {("insi", "V-CONFIANCE"): 1}


async def test_another_version_of_tls_is_told_apart(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOCLE_PORTS", "{}")
    take_refused()
    house.leaf("client")
    house.leaf("server", use=ExtendedKeyUsageOID.SERVER_AUTH, key=rsa.generate_private_key(65537, 2048))  # its suites are RSA's
    running = await Running.start([HttpService("dmp", served, context_of(house, profile="dmp"))])
    try:
        port = int(running.urls["dmp"].rsplit(":", 1)[1])
        assert await call(port, house.client("client", version=TLS12)) == ACCEPTED
        assert await call(port, house.client("client", version=TLS13)) == "TLSV1_ALERT_PROTOCOL_VERSION"
    finally:
        await running.stop(1)
    assert take_refused() == {("dmp", "V-TLS-PROFIL"): 1}


def test_a_listener_that_asks_for_certificates_needs_authorities(house: House) -> None:
    with pytest.raises(ValueError, match="authorities"):
        server_context(house.folder / "server.pem", house.folder / "server.key", client="required")


def test_only_the_profile_of_the_dmp_closes_tls_1_3(house: House) -> None:
    assert context_of(house, profile="dmp").maximum_version == TLS12
    assert context_of(house).maximum_version != TLS12
