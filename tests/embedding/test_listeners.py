"""Every listener of the mocks says that it is simulated, in whatever it answers: no reply may pass for the real service's."""
from __future__ import annotations

import imaplib
import smtplib
import socket
import ssl
from http.client import HTTPConnection, HTTPSConnection

import orjson
import pytest

from gateway.embedding import Sandbox
from gateway.supervise import RUN_FILE

HTTP = {"mock-control", "mock-crl"}
TLS = {"mock-insi", "mock-insi-oneway", "mock-dmp", "mock-psc", "mock-psc-wallet", "mock-annuaire"}
SAID = "X-Socle-Mock"


def ports(sandbox: Sandbox) -> dict[str, int]:
    listeners: dict[str, int] = orjson.loads((sandbox.data / RUN_FILE).read_bytes())["ports"]
    return {name: port for name, port in listeners.items() if name.startswith("mock-")}


def test_no_listener_is_left_out(socle_sandbox_processes: Sandbox) -> None:
    assert set(ports(socle_sandbox_processes)) == HTTP | TLS | {"mock-smtp", "mock-imap"}


@pytest.mark.parametrize("name", sorted(HTTP | TLS))
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("GET", "/nulle-part/%00"), ("POST", "/lps"), ("POST", "/si-dmp-server/v2/services/repository"),
     ("GET", "/fhir/v2/Practitioner"), ("GET", "/auth/realms/esante-wallet/.well-known/wallet-openid-configuration"),
     ("PROPFIND", "/state"), ("HEAD", "/")],
)  # fmt: skip
def test_every_http_reply_says_that_it_is_a_mock_s(socle_sandbox_processes: Sandbox, name: str, method: str, path: str) -> None:
    sandbox = socle_sandbox_processes
    port = ports(sandbox)[name]
    if name in HTTP:
        connection = HTTPConnection("127.0.0.1", port, timeout=20)
    else:
        context = ssl.create_default_context(cafile=sandbox.ca)
        mine = sandbox.certificate("auth_cli")
        context.load_cert_chain(mine.cert, mine.key)
        connection = HTTPSConnection("localhost", port, timeout=20, context=context)
    connection.request(method, path, body=b"<" if method == "POST" else None)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    assert answer.headers[SAID], (answer.status, answer.headers.items())


def test_smtp_says_it_in_its_greeting_and_in_its_refusals(socle_sandbox_processes: Sandbox) -> None:
    port = ports(socle_sandbox_processes)["mock-smtp"]
    with socket.create_connection(("127.0.0.1", port), timeout=20) as raw:
        greeting = raw.recv(4096).decode()
    assert greeting.startswith("220 ") and "simulation" in greeting
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as smtp:
        code, text = smtp.ehlo("dui.test")
        assert code == 250 and b"simulation" in text.lower()


def test_imap_says_it_in_its_greeting_and_names_itself(socle_sandbox_processes: Sandbox) -> None:
    with imaplib.IMAP4("127.0.0.1", ports(socle_sandbox_processes)["mock-imap"], timeout=20) as imap:
        assert b"simulation" in imap.welcome
        imap.xatom("ID", "NIL")
        assert b"simulation" in imap.response("ID")[1][0]
