"""Two gateways of one journal on a PostgreSQL server, each on ports of its own, and the mocks: real processes, one DUI."""
from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from connectors.wire.clock import SystemClock
from connectors.wire.http import Answer, Client
from gateway.cli import runs
from gateway.journal.record import JournalError
from gateway.supervise import Supervisor
from loadtests import world as loadtests_world
from loadtests.control import Control
from loadtests.doors import Doors
from loadtests.sent import SentFile
from tests.faults.rig import Rig
from tests.stores import Server, opened

_SOON_S = 20.0


@dataclass
class Pair:
    """``one`` leads: it was there first. ``rigs``: the DUI, in front of each."""

    data: Path
    one: Supervisor
    other: Supervisor
    rigs: tuple[Rig, Rig]
    control: Control
    _manifest: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self._manifest = orjson.loads((self.data / "sandbox" / "sandbox.json").read_bytes())

    def pid(self, gateway: Supervisor) -> int:
        process = gateway.children["gateway"].process
        assert process is not None
        return process.pid

    async def ask(self, gateway: Supervisor, path: str, body: Any = None, *, key: str | None = None, once: str = "") -> Answer:
        """A request of the administrator, or of whoever bears ``key``, on the console of one gateway."""
        headers = [(b"content-type", b"application/json"), (b"x-socle-admin-key", self._manifest["admin_key"].encode())]
        if key is not None:
            headers[1] = (b"authorization", f"Bearer {key}".encode())
        if once:
            headers.append((b"idempotency-key", once.encode()))
        url = f"http://127.0.0.1:{gateway.ports['console']}{path}"
        async with Client() as client:
            raw = b"" if body is None else orjson.dumps(body)
            return await client.send("GET" if body is None else "POST", url, headers=headers, body=raw, timeout_s=20)

    @property
    def own_key(self) -> str:
        return str(self._manifest["own_keys"][0]["key"])

    def rows(self, statement: str) -> list[Any]:
        db = opened(self.data / "gateway")
        try:
            return list(db.execute(statement))
        finally:
            db.close()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(_SOON_S):
            while not holds():
                await asyncio.sleep(0.05)

    async def lease_out(self, log: int) -> None:
        """As if its gateway had not written for long."""
        await asyncio.sleep(0)
        self.rows(f"UPDATE log_heads SET lease_until = clock_timestamp() - interval '1 s' WHERE log_id = {log}")

    def stop_listening(self, gateway: Supervisor) -> None:
        """Close the gateway's own listeners, which the supervisor keeps for whoever it starts again: its machine is gone."""
        for name, sock in gateway._sockets.items():
            if not name.startswith("mock-"):
                sock.close()

    async def ended(self, gateway: Supervisor) -> int:
        process = gateway.children["gateway"].process
        assert process is not None
        async with asyncio.timeout(_SOON_S):
            return await process.wait()


@contextlib.asynccontextmanager
async def pair(run: Path, server: Server, **settings: str) -> AsyncIterator[Pair]:
    await runs.prepare(run, 1)
    data = run / "data"
    server.place(data / "gateway")
    environment = {"SOCLE_SETTLE_RETRY_S": "86400", "SOCLE_DEADLINE_S": "5", **settings}
    one, sent, world = Supervisor(data, settings=environment), SentFile(run), loadtests_world.load(data)
    other = Supervisor(data, mocks=False, options=("--worker", "2"), settings=environment, ports=one.ports)
    try:
        await one.start()
        other.ports = dict(one.ports)
        await other.start()
        rigs = [Rig(run, each, world, Doors(world, each.ports, sent, asyncio.Semaphore(16)), sent) for each in (one, other)]
        rigs[1].numbers = rigs[0].numbers
        async with Client() as client:
            key = orjson.loads((data / "sandbox" / "sandbox.json").read_bytes())["control_key"]
            control = Control(client, f"http://127.0.0.1:{one.ports['mock-control']}", key, SystemClock())
            yield Pair(data, one, other, (rigs[0], rigs[1]), control)
        for rig in rigs:
            await rig.doors.close()
    finally:
        sent.close()
        await other.stop()
        await one.stop()
        with contextlib.suppress(JournalError):
            server.drop_below(run)


def kill(pid: int, number: int) -> None:
    os.kill(pid, number)
