"""One matricule in every place that a client controls; no file of the gateway ever holds it (design §5.6).

The gateway keeps messages at the highest level here, so that what is sealed is tried as well. Files are read while the
gateway runs, with its WAL, and once it has stopped. The mocks' own state is another matter: they play the services.
"""
from __future__ import annotations

import asyncio
import base64
import os
import random
import re
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import orjson
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from connectors.insi.authentication import Professional, ProSanteConnect
from connectors.insi.contexts import Header
from connectors.wire.clock import SystemClock
from connectors.wire.http import Answer, Client
from connectors.wire.saml import load_signer
from gateway.doors.own.examples import REQUESTS
from gateway.journal.bodies import text_of
from gateway.journal.query import JournalReader
from gateway.journal.vault import Vault
from gateway.usage.recount import recount
from loadtests import world as worlds
from loadtests.calls import HttpCall
from loadtests.users.annuaire import AnnuaireUser
from loadtests.users.dmp import DmpUser, Numbers
from loadtests.users.insi import InsiUser
from loadtests.users.mail import MailUser
from loadtests.users.psc import PscUser
from tests.e2e.test_up import ROOT, SOCLE, read_json
from tests.gateway.doors import insi_messages
from tests.gateway.journal.world import rows

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CANARY = "275126322074974"  # of a fictitious person whose DMP is open
KEPT = {
    "INS.RECHERCHE_TRAITS": "full", "INS.VERIFICATION": "full", "INS.INCONNUE": "full",
    "DMP.TD2.1": "full", "DMP.TD0.2": "full", "DMP.INCONNUE": "full",
    "ANN.RECHERCHE": "full", "ANN.INCONNUE": "full", "PSC.TOKEN": "headers", "PSC.AUTHORIZE": "headers",
}  # fmt: skip
_TEXT = re.compile(rb'>([^<>\s][^<>]*)<|="([^"<>]*)"')
_WAIT_S = 20.0
_UNFINISHED = b"Content-Length: 99\r\n"


# --- what is looked for -------------------------------------------------------------------------------------------------


def forms_of(text: str) -> dict[str, bytes]:
    """Clear (two encodings), hexadecimal, base64 at its three alignments: the characters that its neighbours cannot change."""
    raw = text.encode()
    forms = {"clear": raw, "utf-16": text.encode("utf-16-le"), "hex": raw.hex().encode()}
    for shift in range(3):
        coded = base64.b64encode(b"\0" * shift + raw)
        first, last = (0, 2, 3)[shift], (0, 3, 2)[(shift + len(raw)) % 3]
        forms[f"base64+{shift}"] = coded[first : len(coded) - last]
    return forms


def leaks(paths: list[Path], text: str = CANARY) -> list[str]:
    forms = forms_of(text)
    found = []
    for path in paths:
        content = path.read_bytes()
        found += [f"{path.name} : {name}" for name, form in forms.items() if form in content]
    return found


@pytest.mark.parametrize("around", [b"", b"a", b"ab", b"abc"])
@pytest.mark.parametrize("written", ["clear", "utf-16", "hex", "base64", "urlsafe"])
def test_the_search_finds_what_it_looks_for(tmp_path: Path, around: bytes, written: str) -> None:
    raw = around + CANARY.encode() + around
    content = {
        "clear": raw, "utf-16": (around.decode() + CANARY).encode("utf-16-le"), "hex": raw.hex().encode(),
        "base64": base64.b64encode(raw), "urlsafe": base64.urlsafe_b64encode(raw),
    }[written]  # fmt: skip
    (tmp_path / "file").write_bytes(b"\x00\x01" + content + b"\xff")
    assert len(leaks([tmp_path / "file"])) == 1
    (tmp_path / "file").write_bytes(content.replace(b"7", b"8").replace(b"3", b"4").replace(b"M", b"N").replace(b"z", b"y"))
    assert leaks([tmp_path / "file"]) == []


# --- the deployment -----------------------------------------------------------------------------------------------------


@dataclass
class Deployment:
    """A running `socle up`. ``failed`` counts the sockets that the gateway closed without an answer."""

    process: subprocess.Popen[bytes]
    said: dict[str, Any]
    data: Path
    world: worlds.World = field(init=False)

    def __post_init__(self) -> None:
        self.world = worlds.load(self.data)

    def port(self, listener: str) -> int:
        return int(urlsplit(self.said["bases"][listener.replace("-", "_")]).port or 0)

    def files(self) -> list[Path]:
        """Every file that the gateway writes: its folder, its log, its temporary files."""
        paths = [*(self.data / "gateway").rglob("*"), *(self.data / "tmp").rglob("*"), self.data / "logs" / "gateway.log"]
        return [path for path in paths if path.is_file()]

    def context(self, *, certificate: bool = True) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.said["confiance"]["ca_pem"])
        context.check_hostname = False  # any name may be asked for
        if certificate:
            mine = self.said["certificats"]["auth_cli"]
            context.load_cert_chain(mine["cert"], mine["key"])
        return context

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    data = tmp_path_factory.mktemp("canary")
    (data / "tmp").mkdir()
    environment = {**os.environ, "SOCLE_BODIES": orjson.dumps(KEPT).decode(), "TMPDIR": str(data / "tmp")}
    command = [*SOCLE, "up", "--free-ports", "--json", "--data", str(data)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, start_new_session=True, env=environment
    )
    deployment = Deployment(process, read_json(process), data)
    yield deployment
    if process.poll() is None:
        deployment.stop()
    for stream in (process.stdout, process.stderr):
        assert stream is not None
        stream.close()


def exchange(
    deployment: Deployment, listener: str, raw: bytes, *, sni: str = "localhost", context: ssl.SSLContext | None = None
) -> bytes:
    """Raw bytes on a listener; what came back until the end, or nothing."""
    address = ("127.0.0.1", deployment.port(listener))
    try:
        with socket.create_connection(address, timeout=_WAIT_S) as plain:
            if listener == "console":
                return _talk(plain, raw)
            with (context or deployment.context()).wrap_socket(plain, server_hostname=sni) as secure:
                return _talk(secure, raw)
    except (OSError, ssl.SSLError):
        return b""


def _talk(connection: socket.socket, raw: bytes) -> bytes:
    connection.sendall(raw)
    if _UNFINISHED in raw:
        return b""  # and hang up in the middle of the body
    heard = b""
    while chunk := connection.recv(65536):
        heard += chunk
    return heard


def request(method: str, target: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    lines = {"Host": "localhost", "Connection": "close", "Content-Length": str(len(body)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body


def placed(body: bytes) -> Iterator[bytes]:
    """The same message with the canary in each of its texts and attributes in turn: instead of it, then behind it."""
    for number, found in enumerate(_TEXT.finditer(body)):
        group = 1 if found[1] is not None else 2
        kept = found[group] + b"." if number % 2 else b""
        yield body[: found.start(group)] + kept + CANARY.encode() + body[found.end(group) :]


# --- the places ---------------------------------------------------------------------------------------------------------

HEADERS = (
    "User-Agent", "Referer", "Cookie", "Authorization", "ESANTE-API-KEY", "Idempotency-Key", "X-Request-ID", "X-Correlation-ID",
    "traceparent", "Content-Type", "SOAPAction", "Accept", "Accept-Language", "Origin", "Host", "X-Forwarded-For", "From",
    "Content-Encoding", "Transfer-Encoding", "Expect", "Range", "If-None-Match", "X-Socle-Admin-Key", CANARY,
)  # fmt: skip
LISTENERS = ("console", "annuaire", "insi", "insi-oneway", "dmp", "psc", "psc-wallet")
PATHS = {
    "console": "/ins/recherche", "annuaire": "/fhir/v2/Practitioner", "insi": "/lps", "insi-oneway": "/lps",
    "dmp": "/si-dmp-server/v2/services/repository", "psc": "/auth/realms/esante-wallet/protocol/openid-connect/token",
    "psc-wallet": "/auth",
}  # fmt: skip
_FORM, _JSON, _SOAP = "application/x-www-form-urlencoded", "application/json", "application/soap+xml"
_MULTIPART = (
    f'--x\r\nContent-Type: text/plain; name="{CANARY}.txt"\r\nContent-Disposition: form-data; filename="{CANARY}.pdf"\r\n'
    f"Content-ID: <{CANARY}@dui.test>\r\n\r\n{CANARY}\r\n--x--\r\n"
).encode()


def http_places(deployment: Deployment) -> Iterator[tuple[str, bytes, str]]:
    """(listener, raw request, SNI)."""
    for listener in LISTENERS:
        path = PATHS[listener]
        for name in HEADERS:
            for value in (CANARY, f"Bearer {CANARY}", "Basic " + base64.b64encode(f"{CANARY}:x".encode()).decode()):
                if name == "Authorization" or value == CANARY:
                    yield listener, request("POST", path, {name: value}, b"x"), "localhost"
        for method, target in (
            (CANARY, path), ("GET", f"/{CANARY}"), ("GET", f"{path}/{CANARY}"), ("GET", f"{path}?identifier={CANARY}&{CANARY}=1"),
            ("GET", f"{path}?x=%32{CANARY[1:]}"), ("DELETE", path), ("GET", f"http://{CANARY}/"),
        ):  # fmt: skip
            yield listener, request(method, target, {}), "localhost"
        if listener == "console":
            for own in ("/api/journal/entries", f"/api/journal/entries/{CANARY}/contents", "/admin/erasure", "/admin/settle"):
                query = f"?person={CANARY}&flag={CANARY}&{CANARY}=1"
                for key in ({}, {"Authorization": f"Bearer {CANARY}"}, {"X-Socle-Admin-Key": CANARY}):
                    yield listener, request("GET", own + query, key), "localhost"
                    yield listener, request("POST", own, key, orjson.dumps({"matricule": CANARY, "by": CANARY})), "localhost"
        for content_type, body in (
            (_FORM, f"client_id={CANARY}&code={CANARY}&login_id={CANARY}&identifier={CANARY}".encode()),
            (_JSON, orjson.dumps({"matricule": CANARY, CANARY: [CANARY]})), (_JSON, b'{"matricule": "' + CANARY.encode()),
            (f'multipart/related; boundary=x; start="<{CANARY}@dui.test>"', _MULTIPART),
            (f"multipart/form-data; boundary={CANARY}", _MULTIPART), (_SOAP, f"<{'x' + CANARY}/>".encode()),
            (f'{_SOAP}; action="urn:{CANARY}"', b"<x/>"), (_SOAP, f"<!DOCTYPE x [<!ENTITY e '{CANARY}'>]><x>&e;</x>".encode()),
            ("text/plain", CANARY.encode()), ("text/plain; charset=" + CANARY, base64.b64encode(CANARY.encode())),
        ):  # fmt: skip
            yield listener, request("POST", path, {"Content-Type": content_type}, body), "localhost"
        yield listener, f"{CANARY} {CANARY}\r\n\r\n".encode(), "localhost"
        yield listener, request("POST", path, {"Content-Length": "99"}, CANARY.encode()), f"{CANARY}.dui.test"
        chunks = f"1;{CANARY}\r\nx\r\n0\r\n{CANARY}: 1\r\n\r\n".encode()
        yield listener, _chunked(path) + chunks, "localhost"
    login = {"Content-Type": _FORM, "Cookie": f"s={CANARY}"}
    yield "psc-wallet", request("POST", "/auth/login", login, f"login_id={CANARY}".encode()), "localhost"


def _chunked(path: str) -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n".encode()


def own_places(deployment: Deployment) -> Iterator[tuple[str, bytes, str]]:
    """Our own doors, with their key: the canary in each value of the JSON, as the key of the call, as an unknown name."""
    manifest = orjson.loads((deployment.data / "sandbox" / "sandbox.json").read_bytes())
    headers = {"Content-Type": _JSON, "Authorization": f"Bearer {manifest['own_keys'][0]['key']}"}
    for path, example in REQUESTS.items():
        whole = orjson.dumps(example)
        yield "console", request("POST", path, headers | {"Idempotency-Key": f'"{CANARY}-{path}"'}, whole), "localhost"
        for number, found in enumerate(re.finditer(rb'"([^"]*)"', whole)):
            changed = whole[: found.start(1)] + CANARY.encode() + whole[found.end(1) :]
            yield "console", request("POST", path, headers | {"Idempotency-Key": f'"cle-{number}"'}, changed), "localhost"


def soap_places(deployment: Deployment, users: Users) -> Iterator[tuple[str, bytes, str]]:
    for call in (users.insi.search(users.person), users.dmp.existence(users.person), users.dmp.feed(users.person)):
        headers = {key.decode(): value.decode() for key, value in call.headers}
        yield call.door, request(call.method, call.target, headers, call.body), "localhost"
        for body in placed(call.body):
            yield call.door, request(call.method, call.target, headers, body), "localhost"
        for name in headers:
            changed = headers | {name: headers[name] + f"; x={CANARY}"}
            yield call.door, request(call.method, call.target, changed, call.body), "localhost"
    assertion = ProSanteConnect("899999999999", "CN=X", Professional("0B0990008", "SA07"), "t")
    stamp = insi_messages.STAMP
    header = Header(insi_messages.SOFTWARE, "899999999999", stamp, assertion.security(stamp.at))
    verification = insi_messages.request("INS.VERIFICATION", header)
    for body in placed(verification):
        yield "insi-oneway", request("POST", "/lps", {"Content-Type": _SOAP}, body), "localhost"
    call = users.dmp.feed(users.person, unique_id=f"1.2.250.1.999.7.3.{CANARY}")  # an OID whose last arc is the number
    headers = {key.decode(): value.decode() for key, value in call.headers}
    yield call.door, request(call.method, call.target, headers, call.body), "localhost"


def query_places(users: Users) -> Iterator[tuple[str, bytes, str]]:
    """Valid calls of PSC and the Annuaire with the canary in each of their parameters in turn."""
    authorize, verifier = users.psc.authorize()
    token = users.psc.token("un-code", verifier)
    for call in (authorize, token, users.annuaire.professional(users.mail.author), users.annuaire.mailbox(users.mail.author)):
        headers = {key.decode(): value.decode() for key, value in call.headers}
        path, _, query = call.target.partition("?")
        fields = parse_qsl(query or call.body.decode())
        for number, (name, value) in enumerate(fields):
            for changed in ((name, CANARY), (name, f"{value}{CANARY}"), (CANARY, value)):
                text = urlencode([*fields[:number], changed, *fields[number + 1 :]])
                target, body = (f"{path}?{text}", b"") if query else (path, text.encode())
                yield call.door, request(call.method, target, headers, body), "localhost"
        yield call.door, request(call.method, f"{path}/{CANARY}", headers, call.body), "localhost"


@dataclass
class Users:
    """One professional's software, and the person whom every call is about."""

    deployment: Deployment
    person: worlds.Person
    insi: InsiUser
    dmp: DmpUser
    mail: MailUser
    psc: PscUser
    annuaire: AnnuaireUser

    @classmethod
    def of(cls, deployment: Deployment) -> Users:
        world = deployment.world
        person = next(one for one in world.persons if one.matricule == CANARY)
        assert person.can_be_fed and person.mes == "open"
        structure = world.structures[0]
        author = next(one for one in world.staff(structure.finess_et) if structure.mailboxes[0] in one.may_open)
        clock, signer = SystemClock(), load_signer(structure.sign.cert, structure.sign.key)
        return cls(
            deployment, person, InsiUser(world, structure, clock), DmpUser(world, structure, author, signer, clock, Numbers(1)),
            MailUser(world, structure, author, clock), PscUser(world, author, random.Random(1)), AnnuaireUser(world),
        )  # fmt: skip

    async def token(self) -> str:
        """A whole login: each of its calls is a call."""
        async with Client(self.deployment.context()) as client:
            authorize, verifier = self.psc.authorize()
            page = await self._send(client, authorize)
            code = await self._send(client, self.psc.login(page))
            token = await self._send(client, self.psc.token(code, verifier))
            await self._send(client, self.psc.userinfo(token))
            for call in (self.annuaire.professional(self.mail.author), self.annuaire.mailbox(self.mail.author)):
                await self._send(client, call)
        return str(token)

    async def _send(self, client: Client, call: HttpCall) -> Any:
        url = f"https://localhost:{self.deployment.port(call.door)}{call.target}"
        answer: Answer = await client.send(call.method, url, headers=call.headers, body=call.body, timeout_s=_WAIT_S)
        reading = call.read(answer)
        assert reading.ok, (call.operation, reading.code)
        return reading.value


def smtp_places(users: Users) -> Iterator[tuple[str, list[str], bytes]]:
    """(name of the place, commands of the envelope, content)."""
    mailbox, citizen = users.mail.mailbox, users.person.mailbox
    content = users.mail.message(citizen, "canari").content
    plain = [f"MAIL FROM:<{mailbox}>", f"RCPT TO:<{citizen}>"]
    yield "person's mailbox", plain, content
    local = f"<{CANARY}@{mailbox.partition('@')[2]}>"
    yield "envelope", [f"MAIL FROM:{local}", f"RCPT TO:{local}", *plain, f"RCPT TO:{local}"], content
    receipt = f"RCPT TO:<{citizen}> NOTIFY=SUCCESS ORCPT=rfc822;{citizen}"
    yield "ENVID", [f"MAIL FROM:<{mailbox}> RET=HDRS ENVID={CANARY}", receipt], content
    yield "commands", [CANARY, *(f"{word} {CANARY}" for word in ("NOOP", "VRFY", "HELP", "MAIL FROM:<")), *plain], content
    head, _, body = content.partition(b"\r\n\r\n")
    for name in (b"Message-ID", b"Subject", b"X-MSS-NIL", b"From", b"To", b"Date", b"In-Reply-To", b"Content-Type"):
        kept = b"\r\n".join(line for line in head.split(b"\r\n") if not line.lower().startswith(name.lower() + b":"))
        shaped = {b"Message-ID": f"<{CANARY}@dui.test>", b"Content-Type": f'multipart/mixed; boundary="{CANARY}"'}
        value = shaped.get(name, CANARY)
        yield name.decode(), plain, name + b": " + value.encode() + b"\r\n" + kept + b"\r\n\r\n" + body
    attached = (
        f'Message-ID: <piece-{CANARY}@dui.test>\r\nX-{CANARY}: 1\r\nX-MSS-NIL: {users.deployment.world.nil}\r\n'
        f'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: application/pdf; name="{CANARY}.pdf"\r\n'
        f'Content-Disposition: attachment; filename="{CANARY}.pdf"\r\nContent-ID: <{CANARY}>\r\n'
        f"Content-Transfer-Encoding: base64\r\n\r\n{base64.b64encode(CANARY.encode()).decode()}\r\n--b--\r\n"
    ).encode()  # fmt: skip
    yield "attachment", plain, attached
    yield "bare newline", plain, f"Subject: {CANARY}\n\r\n{CANARY}\r\n".encode()


def applicative_logins() -> Iterator[str]:
    """An applicative mailbox asked for by a name, with a password, that are the canary."""
    for mechanism, response in (
        ("PLAIN", f"\0{CANARY}@patient.mssante.fr\0{CANARY}"), ("PLAIN", f"{CANARY}\0{CANARY}\0{CANARY}"),
        ("EXTERNAL", f"{CANARY}@patient.mssante.fr"), (CANARY, CANARY),
    ):  # fmt: skip
        yield f"AUTH {mechanism} {base64.b64encode(response.encode()).decode()}"


def submit(
    deployment: Deployment, users: Users, token: str, commands: list[str], content: bytes, *, user: str | None = None,
    login: str | None = None,
) -> list[bytes]:  # fmt: skip
    """One session; the replies. The door may end it: what is left is then not said. ``login``: behind a certificate."""
    said: list[bytes] = []
    bearer = base64.b64encode(f"user={user or users.mail.mailbox}\x01auth=Bearer {token}\x01\x01".encode()).decode()
    with socket.create_connection(("127.0.0.1", deployment.port("smtp")), timeout=_WAIT_S) as plain:
        lines = plain.makefile("rb")
        said.append(_reply(lines))
        for command in (f"EHLO {CANARY}.dui.test", "STARTTLS"):
            plain.sendall(command.encode() + b"\r\n")
            said.append(_reply(lines))
        with deployment.context(certificate=login is not None).wrap_socket(plain, server_hostname=f"{CANARY}.dui.test") as secure:
            lines = secure.makefile("rb")
            try:
                for command in ("EHLO dui.test", login or f"AUTH XOAUTH2 {bearer}", *commands, "DATA"):
                    secure.sendall(command.encode() + b"\r\n")
                    said.append(_reply(lines))
                if said[-1].startswith(b"354"):
                    secure.sendall(content + (b"" if content.endswith(b"\r\n") else b"\r\n") + b".\r\n")
                    said.append(_reply(lines))
                secure.sendall(b"QUIT\r\n")
                said.append(_reply(lines))
            except OSError:
                pass
    return said


def _reply(lines: Any) -> bytes:
    while line := lines.readline():
        if line[3:4] != b"-":
            return bytes(line)
    return b""


def _stranger(folder: Path) -> ssl.SSLContext:
    """A client certificate that nobody knows, in the person's name."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, CANARY)])
    now, day = datetime.now(UTC), timedelta(days=1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), int(CANARY), now - day, now + day)
    certificate = builder.sign(key, hashes.SHA256())
    pem = folder / "stranger.pem"
    kind = serialization
    pem.write_bytes(
        certificate.public_bytes(kind.Encoding.PEM)
        + key.private_bytes(kind.Encoding.PEM, kind.PrivateFormat.PKCS8, kind.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(pem)
    return context


def test_no_file_of_the_gateway_holds_a_matricule(deployment: Deployment, tmp_path: Path) -> None:
    users = Users.of(deployment)
    token = asyncio.run(users.token())
    ours = deployment.context()
    places = [*http_places(deployment), *own_places(deployment), *soap_places(deployment, users), *query_places(users)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda one: exchange(deployment, one[0], one[1], sni=one[2], context=ours), places))
    assert sum(bool(answer) for answer in answers) > len(places) * 0.8
    own = [answer[:12] for (listener, raw, _), answer in zip(places, answers, strict=True) if b"Idempotency-Key: \"cle" in raw]
    assert {b"HTTP/1.1 201", b"HTTP/1.1 422"} <= set(own), set(own)  # our own doors did what was asked, or read and refused
    stranger = _stranger(tmp_path)
    for listener in LISTENERS[1:]:
        exchange(deployment, listener, request("GET", "/", {}), context=stranger)
    accepted = [submit(deployment, users, token, commands, content) for _, commands, content in smtp_places(users)]
    assert sum(any(reply.startswith(b"250 2.0.0") or b"250" in reply for reply in said[-2:]) for said in accepted) > 5, accepted
    submit(deployment, users, CANARY, [], b"")
    submit(deployment, users, token, [], b"", user=f"{CANARY}@patient.mssante.fr")
    for login in applicative_logins():
        submit(deployment, users, token, [], b"", login=login)

    assert leaks(deployment.files()) == []  # while it runs, its WAL included
    counts = _counts(deployment)
    assert all(counts[operation]["outcomes"].get("ok") for operation in (
        "INS.RECHERCHE_TRAITS", "DMP.TD0.2", "DMP.TD2.1", "MSS.SOUMISSION", "PSC.AUTHORIZE", "PSC.LOGIN", "PSC.TOKEN",
        "PSC.USERINFO", "ANN.RECHERCHE",
    )), counts  # fmt: skip
    assert all(counts[f"{service}.INCONNUE"]["journal"] for service in ("INS", "DMP", "PSC", "ANN")), counts
    copies = _opened(deployment)
    assert sum(copy.count(CANARY.encode()) for _, copy in copies) > 100  # it was in the messages kept, and is unreadable there
    assert {operation.partition(".")[0] for operation, _ in copies} == {"INS", "DMP", "PSC", "ANN"}
    manifest = orjson.loads((deployment.data / "sandbox" / "sandbox.json").read_bytes())
    secrets = [token, manifest["own_keys"][0]["key"], manifest["annuaire_keys"][0]["key"]]
    secrets += [client["client_secret"] for client in manifest["psc_clients"]]
    assert [(operation, copy) for operation, copy in copies for secret in secrets if secret.encode() in copy] == []

    _erase_everywhere(deployment)
    assert deployment.stop() == 0
    assert {path.name for path in deployment.files()} >= {"journal.sqlite3", "gateway.log"}
    assert leaks(deployment.files()) == []


def _erase_everywhere(deployment: Deployment) -> None:
    """By the command, through the gateway that runs: what was kept of the person goes, what was counted stays."""
    folder = deployment.data / "gateway"
    before, units = recount(folder), _units(deployment)
    command = [*SOCLE, "journal", "erase", "--by", "dpo", "--json", "--data", str(deployment.data)]
    done = subprocess.run(command, input=CANARY.encode(), capture_output=True, cwd=ROOT, timeout=120)
    assert done.returncode == 0, done.stderr
    said = orjson.loads(done.stdout)
    assert said["known"] and said["entries"] > 100 and said["messages"] > 10 and said["sealed_values"] > 5, said
    assert not [operation for operation, copy in _opened(deployment) if CANARY[:13].encode() in copy]
    vault = Vault.open(folder / "keys", "bac_a_sable", create=False)
    sealed = [vault.unseal(ref, value) for ref, value in rows(folder, "SELECT ref, sealed FROM refs WHERE sealed IS NOT NULL")]
    assert sealed and not [value for value in sealed if CANARY.encode() in value]
    assert vault.lookup("person", CANARY) not in {lookup for (lookup,) in rows(folder, "SELECT lookup FROM refs")}
    assert (recount(folder).gap_count, before.gap_count, _units(deployment)) == (0, 0, units)


def _units(deployment: Deployment) -> list[Any]:
    with JournalReader(deployment.data / "gateway") as reader:
        return list(reader.units())


def _opened(deployment: Deployment) -> list[tuple[str, bytes]]:
    """Operation and redacted copy of every message kept: only here, with the keys, are they read."""
    folder = deployment.data / "gateway"
    vault = Vault.open(folder / "keys", "bac_a_sable", create=False)
    found = rows(folder, "SELECT operation, id, n, sealed_key, sealed FROM blobs JOIN entries USING (pos)")
    return [(operation, text_of(vault.unseal_alone(f"{entry}|{n}", key, sealed))) for operation, entry, n, key, sealed in found]


def _counts(deployment: Deployment) -> dict[str, dict[str, Any]]:
    with JournalReader(deployment.data / "gateway") as reader:
        return reader.counts()
