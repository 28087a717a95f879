"""The process itself: ready lines, TLS with alerts, an end that leaves nothing."""
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from connectors.wire.serving import FIXED_PORTS
from mocks.__main__ import main
from mocks.sandbox.build import init

ROOT = Path(__file__).parents[3]
FREE = json.dumps({name: 0 for name in FIXED_PORTS if name.startswith("mock-")})


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    init(folder, persons=2)
    return folder


def command(*arguments: str | Path) -> tuple[list[str], dict[str, str]]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SOCLE_PORTS": FREE}
    return [sys.executable, "-m", "mocks", *map(str, arguments)], environment


@contextmanager
def serving(data: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    line, environment = command("serve", "--data", data, *arguments)
    with (data / "mocks.log").open("w") as log:
        process = subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        yield process, _ready(process)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)
        assert process.stdout is not None
        process.stdout.close()


def _ready(process: subprocess.Popen[str]) -> dict[str, str]:
    urls: dict[str, str] = {}
    assert process.stdout is not None
    for text in process.stdout:
        said = json.loads(text)
        if said.get("pret"):
            return urls
        urls[said["ready"]] = said["url"]
    raise AssertionError(f"ended with {process.wait(10)} before it was ready")


def _refuses(url: str) -> bool:
    where = urlsplit(url)
    with socket.socket() as probe:
        probe.settimeout(5)
        return probe.connect_ex((where.hostname or "", where.port or 0)) != 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_when_it_is_ready_and_leaves_no_port_behind(data: Path, number: signal.Signals) -> None:
    with serving(data, "--only", "psc,insi") as (process, urls):
        assert {"mock-control", "mock-crl", "mock-insi", "mock-insi-oneway", "mock-psc", "mock-psc-wallet"} == set(urls)
        assert not any(_refuses(url) for url in urls.values())
        process.send_signal(number)
        assert process.wait(15) == 0
        assert all(_refuses(url) for url in urls.values())


@pytest.fixture(scope="module")
def insi(data: Path) -> Iterator[dict[str, str]]:
    with serving(data, "--only", "insi") as (_, urls):
        yield urls


def test_control_answers_over_the_wire_with_its_key_only(data: Path, insi: dict[str, str]) -> None:
    manifest = json.loads((data / "sandbox" / "sandbox.json").read_bytes())
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(insi["mock-control"] + "/state", timeout=5)
    assert refused.value.code == 401
    refused.value.close()
    key = {"X-Socle-Control-Key": manifest["control_key"]}
    with urllib.request.urlopen(urllib.request.Request(insi["mock-control"] + "/state", headers=key), timeout=5) as answer:
        assert json.load(answer)["mocks"] == ["insi"]


def _handshake(data: Path, url: str, identity: dict[str, Any] | None) -> str:
    """The TLS alert that the mutual listener sends, or "" when it lets the client in."""
    sandbox = data / "sandbox"
    context = ssl.create_default_context(cafile=str(sandbox / "pki" / "ca.pem"))
    if identity is not None:
        context.load_cert_chain(sandbox / identity["cert"], sandbox / identity["key"])
    where = urlsplit(url)
    try:
        with (
            socket.create_connection((where.hostname or "", where.port or 0), timeout=5) as raw,
            context.wrap_socket(raw, server_hostname="localhost") as tls,
        ):
            tls.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert tls.recv(12).startswith(b"HTTP/1.1")
    except ssl.SSLError as error:
        return error.reason
    return ""


def test_a_mutual_listener_refuses_each_bad_certificate_by_its_alert(data: Path, insi: dict[str, str]) -> None:
    manifest = json.loads((data / "sandbox" / "sandbox.json").read_bytes())
    refused, url = manifest["pki"]["refused"], insi["mock-insi"]
    assert _handshake(data, url, manifest["structures"][0]["auth_cli"]) == ""
    assert _handshake(data, url, refused["other_use"]) == ""  # its name is for the service to judge, not TLS
    assert "CERTIFICATE_REQUIRED" in _handshake(data, url, None)
    assert "UNKNOWN_CA" in _handshake(data, url, refused["foreign"])
    assert "CERTIFICATE_EXPIRED" in _handshake(data, url, refused["expired"])
    assert "BAD_CERTIFICATE" in _handshake(data, url, refused["not_yet_valid"])
    assert "CERTIFICATE_REVOKED" in _handshake(data, url, refused["revoked"])


@pytest.mark.parametrize(("only", "reason"), [("dmp,ldap", "« ldap »"), ("Insi", "« Insi »")])
def test_an_unknown_name_is_one_french_line(data: Path, capsys: pytest.CaptureFixture[str], only: str, reason: str) -> None:
    assert main(["serve", "--data", str(data), "--only", only]) == 2
    said = capsys.readouterr()
    assert (said.err.count("\n"), said.out) == (1, "")
    assert reason in said.err


def test_a_switch_out_of_its_form_is_one_french_line(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = data / "sandbox" / "sandbox.json"
    before = manifest.read_bytes()
    manifest.write_text(json.dumps({**json.loads(before), "insi": {"error_rate": "souvent"}}))
    try:
        assert main(["serve", "--data", str(data), "--only", "insi"]) == 2
    finally:
        manifest.write_bytes(before)
    said = capsys.readouterr()
    assert said.err == "sandbox.json, objet insi : error_rate vaut un nombre de 0 à 1.\n"


def test_serving_nothing_says_how_to_make_a_sandbox(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--data", str(tmp_path)]) == 2
    assert "python -m mocks init" in capsys.readouterr().err


def test_a_taken_port_is_said(data: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        line, environment = command("serve", "--data", data, "--only", "insi")
        environment["SOCLE_PORTS"] = json.dumps({"mock-control": taken.getsockname()[1]})
        done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 3 and "port" in done.stderr


@pytest.mark.parametrize(("name", "content", "where"), [
    ("clock.json", b'{"offset_s": 1', "clock.json n'est"),
    ("received.jsonl", b'{"op": "x", "at": "y"}\n{"op"', "received.jsonl, ligne 2,"),
    ("dmp/documents.jsonl", b"[]\nabim\xe9", "documents.jsonl, ligne 2,"), ("mssante/messages.jsonl", b"\0\0", "ligne 1,"),
    ("psc/redirects.json", b"", "redirects.json n'est"),
])  # fmt: skip
def test_a_damaged_state_is_one_french_line(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str, content: bytes,
    where: str,
) -> None:
    monkeypatch.setenv("SOCLE_PORTS", FREE)
    (tmp_path / "sandbox").symlink_to(data / "sandbox")
    file = tmp_path / "mocks" / name
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    assert main(["serve", "--data", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and where in said and "Rétablissez ce fichier" in said, said
