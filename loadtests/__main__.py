"""``python -m loadtests play|load|reconcile``: a process of its own, started by `socle demo` and `socle load run`.

    play       plays a plan through the gateway's doors; SOCLE_PORTS names them, as for every child (architecture).
               Prints a line a month, leaves ``summary.json`` in the run folder
    load       becomes Locust, headless, for a number of users and seconds
    reconcile  compares the files of a run folder, and nothing else; exit 1 when an equation of design §9 fails
"""
from __future__ import annotations

import argparse
import asyncio
import os
import sys
from importlib.resources import files
from pathlib import Path
from typing import NoReturn

import orjson

from loadtests import reconcile


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
    load.add_argument("--killed", action="store_true", help="la passerelle sera tuée : un appel sans réponse n'est pas un échec")
    check = commands.add_parser("reconcile", help="rapprocher les fichiers d'une exécution")
    check.add_argument("run", type=Path)
    check.add_argument("--killed", action="store_true", help="la passerelle a été tuée en route (décision 0005)")
    check.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    if given.command == "reconcile":
        return _reconcile(given.run, killed=given.killed, as_json=given.json)
    if given.command == "load":
        _become_locust(given)
    from loadtests.play import play as played  # here, so that a reconciliation does not load every protocol

    summary = asyncio.run(played(given.data, given.run, given.grappe, given.months, given.seed, _say))
    (given.run / "summary.json").write_bytes(orjson.dumps(summary, option=orjson.OPT_INDENT_2))
    return 0


def _say(text: str) -> None:
    print(text, flush=True)


def _become_locust(given: argparse.Namespace) -> NoReturn:
    """Locust patches the standard library before anything else is loaded: it needs a process from its first line."""
    os.environ |= {
        "SOCLE_LOAD_DATA": str(given.data), "SOCLE_LOAD_RUN": str(given.run),
        "SOCLE_LOAD_SEED": str(given.seed), "SOCLE_LOAD_CALLS": str(given.calls),
        "SOCLE_LOAD_KILLED": "1" if given.killed else "",
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


if __name__ == "__main__":
    sys.exit(main())
