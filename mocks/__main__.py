"""``python -m mocks``: ``init`` makes a sandbox, ``serve`` runs the services, ``fidelity`` and ``magic`` print their pages."""
from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Any

import orjson

from mocks.sandbox import fidelity, magic
from mocks.sandbox.build import AlreadyMade, init
from mocks.sandbox.completing import CannotComplete
from mocks.sandbox.kept import DamagedState
from mocks.sandbox.structures import InvalidStructures

_DONE, _BAD_USAGE, _UNAVAILABLE = 0, 2, 3


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0 done, 2 bad usage or input, a damaged file included, 3 a port is taken (design §9)."""
    parser = argparse.ArgumentParser(prog="python -m mocks")
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("init", help="prépare le bac à sable : certificats, population, manifeste")
    making.add_argument("--data", type=Path, required=True)
    making.add_argument("--structures", type=Path, help="liste JSON de structures")
    making.add_argument("--seed", type=int)
    making.add_argument("--persons", type=int, help="personnes par structure qui n'en dit pas le nombre")
    making.add_argument("--total", type=int, help="personnes en tout, partagées entre ces structures")
    serving = commands.add_parser("serve", help="fait tourner les services simulés")
    serving.add_argument("--data", type=Path, required=True)
    serving.add_argument("--only", default="", help="noms de services séparés par des virgules")
    commands.add_parser("fidelity", help="écrit la page docs/fidelity.md : ce qui est établi, supposé, pas encore fait")
    commands.add_parser("magic", help="écrit la page docs/magic-data.md : données magiques, codes des pannes armées")
    options = parser.parse_args(arguments)
    return {"init": _init, "serve": _serve, "fidelity": _fidelity, "magic": _magic}[options.command](options)


def _init(options: argparse.Namespace) -> int:
    try:
        structures = None if options.structures is None else _read(options.structures)
        asked = {"seed": options.seed, "persons": options.persons, "total": options.total}
        manifest = init(options.data, structures=structures, **asked)
    except (InvalidStructures, AlreadyMade) as refusal:
        return _refuse(str(refusal))
    print(orjson.dumps({"sandbox": "sandbox/sandbox.json", "structures": len(manifest["structures"])}).decode())
    return _DONE


def _read(path: Path) -> Any:
    try:
        return orjson.loads(path.read_bytes())
    except OSError as error:
        raise InvalidStructures(f"Structures : {path} ne peut être lu ({error.strerror}).") from error
    except orjson.JSONDecodeError as error:
        raise InvalidStructures(f"Structures : {path} n'est pas du JSON (ligne {error.lineno}).") from error


def _serve(options: argparse.Namespace) -> int:
    from mocks.insi.rules import InvalidSwitch
    from mocks.runtime import CannotListen, UnknownMock, serve  # here, so that ``init`` does not pay for five services

    if not (options.data / "sandbox" / "sandbox.json").exists():
        return _refuse(f"Aucun bac à sable dans {options.data} : lancez d'abord « python -m mocks init --data {options.data} ».")
    try:
        asyncio.run(serve(options.data, only=[name for name in options.only.split(",") if name]))
    except (UnknownMock, DamagedState, CannotComplete, InvalidSwitch) as refusal:
        return _refuse(str(refusal))
    except CannotListen as error:
        print(error, file=sys.stderr)
        return _UNAVAILABLE
    return _DONE


def _fidelity(_options: argparse.Namespace) -> int:
    print(fidelity.page(), end="")
    return _DONE


def _magic(_options: argparse.Namespace) -> int:
    print(magic.page(), end="")
    return _DONE


def _refuse(text: str) -> int:
    print(text, file=sys.stderr)
    return _BAD_USAGE


if __name__ == "__main__":
    raise SystemExit(main())
