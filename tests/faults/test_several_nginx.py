"""Two gateways behind a load balancer that knows nothing of them, one killed in the middle: everything reconciles (design §9)."""
from __future__ import annotations

import asyncio
import random
import signal
from pathlib import Path

import orjson
import pytest

from connectors.wire.clock import SystemClock
from connectors.wire.http import Client, UpstreamError
from gateway.cli import runs
from gateway.doors.own.examples import REQUESTS
from loadtests.doors import Doors
from loadtests.users.insi import InsiUser
from tests.faults import nginx
from tests.faults.killable import FEED
from tests.faults.rig import Rig
from tests.faults.several import Pair, kill, pair
from tests.stores import Server

pytestmark = pytest.mark.faults

_SEARCH = "/ins/recherche"
_EACH = 70  # calls by each door; the gateway is killed when a third has been sent


async def test_two_gateways_behind_nginx_and_one_killed(tmp_path: Path, postgres: Server) -> None:
    nginx.program()
    async with pair(tmp_path / "run", postgres) as both:
        with nginx.in_front_of((both.one.ports, both.other.ports), tmp_path / "nginx") as ports:
            rig = both.rigs[0]
            rig.doors = Doors(rig.world, {**both.one.ports, **ports}, rig.sent, asyncio.Semaphore(6))
            await _load(both, rig, ports["console"])
            await rig.doors.close()
        await both.until(lambda: both.rows("SELECT count(*) FROM intents") == [(0,)])
        rig.sent.close()
        report = runs.verify(tmp_path / "run", "bac_a_sable", killed=True)
        logs = dict(both.rows("SELECT pos >> 40, count(*) FROM entries WHERE kind = 'call' GROUP BY 1"))
    assert report["gaps"] == []
    assert set(logs) == {1, 2} and min(logs.values()) > _EACH / 10, "both served"
    assert report["journal"][FEED] > _EACH / 2


async def _load(both: Pair, rig: Rig, port: int) -> None:
    sent = 0

    async def one_more(work: object) -> None:
        nonlocal sent
        sent += 1
        if sent == _EACH:
            kill(both.pid(both.one), signal.SIGKILL)
            both.stop_listening(both.one)
            await both.lease_out(1)
        await work  # type: ignore[misc]

    structure = rig.world.structures[0]
    people = rig.world.of(structure.finess_et)
    user, draw = InsiUser(rig.world, structure, SystemClock()), random.Random(1)
    calls = [lambda n=n: rig.feed(n) for n in range(_EACH)]
    calls += [lambda: rig.doors.send(user.search(draw.choice(people)), structure) for _ in range(_EACH)]
    calls += [lambda: _searched(both, rig, port) for _ in range(_EACH)]
    draw.shuffle(calls)
    for start in range(0, len(calls), 12):
        await asyncio.gather(*(one_more(call()) for call in calls[start : start + 12]))


async def _searched(both: Pair, rig: Rig, port: int) -> None:
    """Our own door, by HTTP."""
    body = orjson.dumps(REQUESTS[_SEARCH])
    headers = [(b"authorization", f"Bearer {both.own_key}".encode()), (b"content-type", b"application/json")]
    async with Client() as client:
        with rig.sent.call("INS.RECHERCHE_TRAITS", None, len(body)) as sent:
            try:
                answer = await client.send("POST", f"http://127.0.0.1:{port}{_SEARCH}", headers=headers, body=body, timeout_s=20)
            except UpstreamError:
                rig.sent.lost("sans réponse")
                return
            if answer.status in (200, 404, 422):
                sent.read(str(answer.status), None)
