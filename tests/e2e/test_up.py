"""`socle up`: one ready line per listener, then « prêt »; a first call works; nothing is left behind."""
from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import orjson
import pytest

ROOT = Path(__file__).parents[2]
SOCLE = [sys.executable, "-c", "from gateway.cli.main import main; main()"]


@dataclass
class Up:
    process: subprocess.Popen[bytes]
    said: dict[str, Any]
    data: Path


def start(data: Path, *options: str) -> subprocess.Popen[bytes]:
    command = [*SOCLE, "up", "--free-ports", "--data", str(data), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, start_new_session=True)


def read_json(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    assert process.stdout is not None
    text = b""
    while not text.rstrip().endswith(b"\n}"):
        line = process.stdout.readline()
        assert line, process.stderr.read() if process.stderr else ""
        text += line
    said: dict[str, Any] = orjson.loads(text)
    return said


def stop(process: subprocess.Popen[bytes]) -> int:
    process.send_signal(signal.SIGINT)
    code = process.wait(60)
    for stream in (process.stdout, process.stderr):
        assert stream is not None
        stream.close()
    return code


def children_of(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in tasks.read_text().split()] if tasks.exists() else []


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    data = tmp_path_factory.mktemp("up")
    process = start(data, "--json")
    yield Up(process, read_json(process), data)
    if process.poll() is None:
        stop(process)


def test_what_is_printed_suffices_for_a_first_call(up: Up) -> None:
    said = up.said
    context = ssl.create_default_context(cafile=said["confiance"]["ca_pem"])
    certificate = said["certificats"]["auth_cli"]
    context.load_cert_chain(certificate["cert"], certificate["key"])
    body = (ROOT / "docs" / "exemples" / "insi-recherche.xml").read_bytes()
    assert said["idam"].encode() in body
    request = Request(said["bases"]["insi"], data=body, headers={"Content-Type": "application/soap+xml; charset=utf-8"})
    with urlopen(request, context=context, timeout=20) as answer:
        assert b"<CodeCR>00</CodeCR>" in answer.read()
    listed = subprocess.run(
        [*SOCLE, "journal", "list", "--json", "--data", str(up.data)], capture_output=True, cwd=ROOT, check=True, timeout=60
    )
    entries = orjson.loads(listed.stdout)
    entries = entries["entries"] if isinstance(entries, dict) else entries
    [call] = [entry for entry in entries if entry["kind"] == "call"]
    assert (call["operation"], call["outcome"]) == ("INS.RECHERCHE_TRAITS", "ok")
    assert b"275126322074974" not in listed.stdout


def test_everything_a_vendor_sets_is_there(up: Up) -> None:
    said = up.said
    assert said["simulated"] is True
    assert len(said["personnes"]) == 5
    assert len(said["professionnels"]) == 3
    assert said["bal"] and said["nil"] and said["annuaire_key"]
    request = Request(said["bases"]["console"] + "/ins/recherche", data=b"{}")
    request.add_header("Authorization", f"Bearer {said['cle_portes_simples']}")
    with pytest.raises(HTTPError) as refused:  # the key is good: the body is what is refused
        urlopen(request, timeout=10)
    assert refused.value.code == 422
    refused.value.close()
    assert said["certificats"]["auth_cli"]["cn"] == "INSI-AUTO"
    for kind in ("auth_cli", "sign"):
        assert all(Path(said["certificats"][kind][name]).exists() for name in ("cert", "key", "p12"))
    assert Path(said["confiance"]["truststore_p12"]).exists()
    assert {"client_id", "client_secret", "redirect_uris", "declarer_redirect_uri"} <= set(said["psc"])


def test_health_readiness_and_metrics(up: Up) -> None:
    base = up.said["bases"]["console"]
    assert urlopen(base + "/healthz", timeout=10).read() == b"ok\n"
    assert orjson.loads(urlopen(base + "/readyz", timeout=10).read()) == {"ready": True, "reasons": []}
    assert b"socle_intents 0.0" in urlopen(base + "/metrics", timeout=10).read()


def test_a_second_up_on_the_same_data_is_refused(up: Up) -> None:
    second = start(up.data)
    out, error = second.communicate(timeout=60)
    assert (second.returncode, out) == (4, b""), "nothing of it started"
    assert (up.data / "run.json").exists(), "the first one's commands must still find it"
    assert error.decode().startswith(f"Socle tourne déjà dans {up.data} (processus {up.process.pid}) : arrêtez-le"), error
    assert error.count(b"\n") == 1


def test_ctrl_c_leaves_no_process_and_no_port(up: Up) -> None:
    pids = children_of(up.process.pid)
    assert len(pids) == 2
    assert up.process.stderr is not None
    up.process.stderr.close()  # as in « socle up |& tee », whose Ctrl-C ends both
    assert stop(up.process) == 0
    assert not [pid for pid in pids if alive(pid)]
    for name, base in up.said["bases"].items():
        port = urlsplit(base).port
        assert port is not None
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0, name
    assert not (up.data / "run.json").exists()


def test_human_lines_end_with_pret_and_a_killed_supervisor_leaves_no_child(tmp_path: Path) -> None:
    process = start(tmp_path)
    assert process.stdout is not None and process.stderr is not None
    lines = []
    for line in process.stdout:
        lines.append(line.decode().rstrip())
        if lines[-1] == "prêt":
            break
    assert any(line.startswith("insi ") and "https://localhost:" in line for line in lines), lines
    pids = children_of(process.pid)
    process.kill()
    process.wait(10)
    process.stdout.close()
    process.stderr.close()
    deadline = time.monotonic() + 30
    while any(alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [pid for pid in pids if alive(pid)]
