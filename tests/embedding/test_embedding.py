"""The sandbox inside somebody else's tests: started once, at its first day for each test, gone at the end."""
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

#: What a vendor writes. The second test would fail if the first one's document were still there.
TESTS = '''
import pathlib, ssl, urllib.request
from urllib.parse import urlsplit
import pytest

SEEN = set()

def search(sandbox):
    context = ssl.create_default_context(cafile=sandbox.ca)
    mine = sandbox.certificate("auth_cli")
    context.load_cert_chain(mine.cert, mine.key)
    body = pathlib.Path(r"{example}").read_bytes()
    headers = {{"Content-Type": "application/soap+xml; charset=utf-8"}}
    request = urllib.request.Request(sandbox.urls["insi"], data=body, headers=headers)
    with urllib.request.urlopen(request, context=context, timeout=30) as answer:
        return answer.read()

@pytest.mark.parametrize("turn", [1, 2])
def test_a_search_is_seen_by_the_mock_and_by_the_journal(socle_sandbox, turn):
    assert socle_sandbox.requests(mock="insi") == [], "the test before left nothing"
    assert b"<CodeCR>00</CodeCR>" in search(socle_sandbox)
    [request] = socle_sandbox.requests(mock="insi", at_least=1, wait_s=5)
    assert (request["operation"], request["code"]) == ("INS.RECHERCHE_TRAITS", "CR00")
    assert len(socle_sandbox.entries("INS.RECHERCHE_TRAITS")) == turn
    SEEN.add(socle_sandbox.urls["insi"])
    assert len(SEEN) == 1, "one sandbox for the session"
    print("PORTS", *(urlsplit(url).port for url in socle_sandbox.urls.values()))
    print("DATA", socle_sandbox.data)

def test_a_fault_and_time_do_not_need_a_terminal(socle_sandbox):
    from gateway.embedding import ControlRefused
    socle_sandbox.control("POST", "/faults", {{"operation": "INS.RECHERCHE_TRAITS", "kind": "status", "value": "503"}})
    with pytest.raises(urllib.error.HTTPError) as refused:
        search(socle_sandbox)
    assert refused.value.code == 503
    refused.value.close()
    [entry] = socle_sandbox.entries("INS.RECHERCHE_TRAITS")[:1]
    assert "F-INJECTION" in entry["flags"]
    before = socle_sandbox.control("GET", "/clock")["offset_s"]
    socle_sandbox.advance(86400)
    assert socle_sandbox.control("GET", "/clock")["offset_s"] == before + 86400
    with pytest.raises(ControlRefused, match="advance_s") as no:
        socle_sandbox.advance(-1)
    assert no.value.status == 422

def test_what_does_not_come_is_told(socle_sandbox):
    with pytest.raises(AssertionError, match="messages : 0 au lieu de 1"):
        socle_sandbox.messages(to="b@a.mssante.fr", at_least=1, wait_s=0.01)
'''


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("vendor")
    (folder / "test_vendor.py").write_text(TESTS.format(example=ROOT / "docs" / "exemples" / "insi-recherche.xml"))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rA", "-W", "error", "-p", "no:asyncio", "."],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=110,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_vendor_s_tests_run_with_the_plugin(told: str) -> None:
    assert "4 passed" in told


def test_nothing_is_left_of_the_sandbox(told: str) -> None:
    data = Path(next(line for line in told.splitlines() if line.startswith("DATA ")).removeprefix("DATA "))
    assert not data.exists()
    ports = next(line for line in told.splitlines() if line.startswith("PORTS ")).split()[1:]
    listening = _listening()
    assert len(ports) == 9 and not listening & {int(port) for port in ports}


def _listening() -> set[int]:
    """TCP ports in state LISTEN on this machine."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == "0A"}
