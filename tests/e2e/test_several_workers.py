"""« socle gateway --workers »: several processes on the same listeners, or a reason why not."""
from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from connectors.wire.http import Client
from gateway.supervise import Supervisor, make_sandbox
from tests.stores import Server

_ROOT = Path(__file__).parents[2]


@pytest.mark.sqlite("a journal on a server is what several gateways want")
@pytest.mark.parametrize("command", ["up", "gateway"])
def test_several_gateways_on_a_file_are_refused_with_the_reason(tmp_path: Path, command: str) -> None:
    run = [str(Path(sys.executable).with_name("socle"))]
    environment = {name: value for name, value in os.environ.items() if name != "SOCLE_STORE"}
    ended = subprocess.run(
        [*run, command, "--data", str(tmp_path / "data"), "--workers", "2"], cwd=_ROOT, env=environment, capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout) == (2, "")
    [line] = ended.stderr.strip().splitlines()
    assert "SQLite" in line and "PostgreSQL" in line and "--workers 1" in line
    assert not (tmp_path / "data").exists()


@pytest.mark.faults
async def test_workers_share_the_listeners_and_one_that_dies_comes_back(tmp_path: Path, postgres: Server) -> None:
    data, said = tmp_path / "data", []
    await make_sandbox(data)
    postgres.place(data / "gateway")
    supervisor = Supervisor(data, workers=2, announce=lambda name, _: said.append(name))
    keeping = None
    try:
        await supervisor.start()
        keeping = asyncio.create_task(supervisor.until_child_ends())
        assert len(said) == len(set(said)) == len(supervisor.ports), "each listener is told once, whoever serves it"
        assert sorted(supervisor.children) == ["gateway", "gateway-2", "mocks"]
        key = await _key(supervisor, data)
        first = supervisor.children["gateway"].process
        assert first is not None
        os.kill(first.pid, signal.SIGKILL)
        async with asyncio.timeout(60):
            while (again := supervisor.children["gateway"].process) is first or not supervisor.children["gateway"].ready:
                assert await _entries(supervisor, key) == 200, "the other one serves meanwhile"
                await asyncio.sleep(0.2)
        assert again is not None and again.returncode is None
        assert {await _entries(supervisor, key) for _ in range(12)} == {200}, "who starts again knows the keys"
        assert len(said) == len(supervisor.ports)
    finally:
        if keeping is not None:
            keeping.cancel()
        children = [child.process for child in supervisor.children.values()]
        await supervisor.stop()
    assert [process.returncode for process in children if process is not None] == [0, 0, 0]


async def _key(supervisor: Supervisor, data: Path) -> str:
    admin = orjson.loads((data / "sandbox" / "sandbox.json").read_bytes())["admin_key"].encode()
    body = orjson.dumps({"name": "lire", "rights": ["metadata"], "by": "amoa"})
    headers = [(b"x-socle-admin-key", admin), (b"content-type", b"application/json")]
    async with Client() as client:
        answer = await client.send("POST", f"{supervisor.url('console')}/admin/journal/keys", headers=headers, body=body)
    assert answer.status == 200, answer.body
    return str(orjson.loads(answer.body)["key"])


async def _entries(supervisor: Supervisor, key: str) -> int:
    """On a connection of its own: whoever is free answers."""
    async with Client() as client:
        answer = await client.send(
            "GET", f"{supervisor.url('console')}/api/journal/entries", headers=[(b"authorization", f"Bearer {key}".encode())]
        )
    return answer.status
