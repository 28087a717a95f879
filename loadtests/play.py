"""Plays a plan in this process, from a data folder and the ports of the doors; the summary of what was sent."""
from __future__ import annotations

import asyncio
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path

import orjson

from connectors.wire.clock import SystemClock
from connectors.wire.http import Client
from loadtests import failures, scenario, world
from loadtests.control import Control
from loadtests.doors import Doors
from loadtests.dui import Dui
from loadtests.sent import SentFile

_CONCURRENCY = 8


async def play(
    data: Path, run: Path, grappe: str, months: int, seed: int, said: Callable[[str], None]
) -> dict[str, object]:
    """``SOCLE_PORTS`` names the doors, ``SOCLE_DEADLINE_S`` says how long the gateway waits for a service.

    Returns sent {op: n}, failures {reason: n}, not_provoked [reason], requests_per_second, took_s,
    generator_cpu_s, first_month, business_end.
    """
    made = world.load(data)
    ports, deadline_s = orjson.loads(os.environ["SOCLE_PORTS"]), float(os.environ["SOCLE_DEADLINE_S"])
    plan = plan_of(made, data, grappe, months, seed)
    clock, sent = SystemClock(), SentFile(run)
    today, began = clock.business().date(), time.monotonic()
    async with Client() as control_client:
        control = Control(control_client, f"http://localhost:{ports['mock-control']}", made.control_key, clock)
        doors = Doors(made, ports, sent, asyncio.Semaphore(_CONCURRENCY))
        try:
            await Dui(made, doors, control, seed, deadline_s, said).play(plan, today)
        finally:
            await doors.close()
            sent.close()
    return {
        **_summary(sent, time.monotonic() - began),
        "first_month": scenario.calendar(plan, today)[0][0].replace(day=1).isoformat(),
        "business_end": clock.business().isoformat(),
    }


def plan_of(made: world.World, data: Path, grappe: str, months: int, seed: int) -> scenario.Plan:
    """The plan of every ESSMS of the registry file, with the denominator that it declares."""
    registry = orjson.loads((data / "gateway/grappes" / f"{grappe}.json").read_bytes())
    players = [
        scenario.Player(one["finess_et"], _last(one["denominators"]), made.of(one["finess_et"])) for one in registry["essms"]
    ]
    return scenario.plan(players, months, seed, [person for person in made.persons if person.structure is None])


def _last(denominators: list[dict[str, object]]) -> int | None:
    known = sorted(denominators, key=lambda one: str(one["since"]))
    return int(str(known[-1]["persons"])) if known else None


def _summary(sent: SentFile, took_s: float) -> dict[str, object]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "sent": dict(sorted(sent.sent.items())),
        "failures": dict(sorted(sent.failures.items())),
        "not_provoked": [why for why in failures.PROVOKED if why not in sent.failures],
        "requests_per_second": round(sum(sent.sent.values()) / took_s, 1),
        "took_s": round(took_s, 1),
        "generator_cpu_s": round(used.ru_utime + used.ru_stime, 1),
    }
