"""``python -m loadtests play|load|reconcile``: a process of its own, started by `socle demo` and `socle load run`.

    play       plays a plan through the gateway's doors; SOCLE_PORTS names them, as for every child (architecture)
    load       becomes Locust, headless, for a number of users and seconds
    reconcile  compares the files of a run folder, and nothing else; exit 1 when an equation of design §9 fails
"""
from __future__ import annotations

import argparse
import asyncio
import os
import resource
import sys
import time
from importlib.resources import files
from pathlib import Path
from typing import NoReturn

import orjson

from connectors.wire.clock import SystemClock
from connectors.wire.http import Client
from loadtests import reconcile, scenario, world
from loadtests.control import Control
from loadtests.doors import Doors
from loadtests.dui import Dui
from loadtests.sent import SentFile

_CONCURRENCY = 8


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m loadtests")
    commands = parser.add_subparsers(dest="command", required=True)
    play = commands.add_parser("play", help="jouer les mois d'une grappe")
    play.add_argument("--data", type=Path, required=True)
    play.add_argument("--run", type=Path, required=True)
    play.add_argument("--grappe", required=True)
    play.add_argument("--months", type=int, default=4)
    play.add_argument("--seed", type=int, default=1)
    load = commands.add_parser("load", help="charger la passerelle avec Locust")
    load.add_argument("--data", type=Path, required=True)
    load.add_argument("--run", type=Path, required=True)
    load.add_argument("--users", type=int, default=20)
    load.add_argument("--duration", type=int, default=30, help="secondes")
    load.add_argument("--calls", type=int, default=100_000, help="nombre d'appels au plus")
    load.add_argument("--seed", type=int, default=1)
    check = commands.add_parser("reconcile", help="rapprocher les fichiers d'une exécution")
    check.add_argument("run", type=Path)
    check.add_argument("--killed", action="store_true", help="la passerelle a été tuée en route (décision 0005)")
    check.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    if given.command == "reconcile":
        return _reconcile(given.run, killed=given.killed, as_json=given.json)
    if given.command == "load":
        _become_locust(given)
    summary = asyncio.run(_play(given.data, given.run, given.grappe, given.months, given.seed))
    (given.run / "summary.json").write_bytes(orjson.dumps(summary, option=orjson.OPT_INDENT_2))
    print(orjson.dumps(summary).decode())
    return 0


def _become_locust(given: argparse.Namespace) -> NoReturn:
    """Locust patches the standard library before anything else is loaded: it needs a process from its first line."""
    os.environ |= {
        "SOCLE_LOAD_DATA": str(given.data), "SOCLE_LOAD_RUN": str(given.run),
        "SOCLE_LOAD_SEED": str(given.seed), "SOCLE_LOAD_CALLS": str(given.calls),
    }  # fmt: skip
    arguments = [
        "--headless", "--only-summary", "--users", str(given.users), "--spawn-rate", str(given.users),
        "--run-time", f"{given.duration}s", "--stop-timeout", "30", "--locustfile", str(files("loadtests") / "locustfile.py"),
    ]  # fmt: skip
    os.execv(sys.executable, [sys.executable, "-m", "locust", *arguments])  # noqa: S606 our own arguments, no shell


def _reconcile(folder: Path, *, killed: bool, as_json: bool) -> int:
    run = reconcile.read_run(folder)
    found = reconcile.gaps(run, killed=killed)
    if as_json:
        print(orjson.dumps(reconcile.report(run, found, killed=killed)).decode())
    else:
        for gap in found:
            print(gap)
        print(f"réconcilié : {'non' if found else 'oui'}")
    return 1 if found else 0


async def _play(data: Path, run: Path, grappe: str, months: int, seed: int) -> dict[str, object]:
    made = world.load(data)
    strangers = [person for person in made.persons if person.structure is None]
    plan = scenario.plan(_players(made, data / "gateway/grappes" / f"{grappe}.json"), months, seed, strangers)
    ports = orjson.loads(os.environ["SOCLE_PORTS"])
    clock, sent = SystemClock(), SentFile(run)
    today, began = clock.business().date(), time.monotonic()
    async with Client() as control_client:
        control = Control(control_client, f"http://localhost:{ports['mock-control']}", made.control_key, clock)
        doors = Doors(made, ports, sent, asyncio.Semaphore(_CONCURRENCY))
        try:
            await Dui(made, doors, control, seed, float(os.environ["SOCLE_DEADLINE_S"])).play(plan, today)
        finally:
            await doors.close()
            sent.close()
    return {
        **_summary(sent, time.monotonic() - began),
        "first_month": scenario.calendar(plan, today)[0][0].replace(day=1).isoformat(),
        "business_end": clock.business().isoformat(),
    }


def _players(made: world.World, registry: Path) -> list[scenario.Player]:
    """Every ESSMS of the registry file, with the denominator it declares."""
    grappe = orjson.loads(registry.read_bytes())
    return [
        scenario.Player(one["finess_et"], _last(one["denominators"]), made.of(one["finess_et"])) for one in grappe["essms"]
    ]


def _last(denominators: list[dict[str, object]]) -> int | None:
    known = sorted(denominators, key=lambda one: str(one["since"]))
    return int(str(known[-1]["persons"])) if known else None


def _summary(sent: SentFile, took_s: float) -> dict[str, object]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "sent": dict(sorted(sent.sent.items())),
        "failures": dict(sorted(sent.failures.items())),
        "requests_per_second": round(sum(sent.sent.values()) / took_s, 1),
        "took_s": round(took_s, 1),
        "generator_cpu_s": round(used.ru_utime + used.ru_stime, 1),
    }


if __name__ == "__main__":
    sys.exit(main())
