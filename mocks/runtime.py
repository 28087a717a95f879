"""The process of the mocks: every simulated service in one event loop, on the listeners it is given."""
from __future__ import annotations

import asyncio
import logging
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import orjson

from connectors.wire.serving import Running, ports, until_stopped
from mocks.annuaire.app import Mock as AnnuaireMock
from mocks.dmp.app import DmpMock
from mocks.insi.app import InsiMock
from mocks.mssante.app import Mock as MssanteMock
from mocks.psc.app import Mock as PscMock
from mocks.sandbox.control import Control
from mocks.sandbox.publication import Publication
from mocks.sandbox.world import Mock, World

#: PSC first: it fills ``world.psc_claims``, which the others read.
_MOCKS: dict[str, Callable[[World], Mock]] = {
    "psc": PscMock,
    "insi": InsiMock,
    "dmp": DmpMock,
    "mssante": MssanteMock,
    "annuaire": AnnuaireMock,
}
_GRACE_S = 10.0


class UnknownMock(ValueError):
    """No mock has this name; the message is French."""


class CannotListen(OSError):
    """A listener could not be opened; the message is French."""


async def serve(data: Path, *, only: Sequence[str] = ()) -> None:
    """Run the mocks of the sandbox in ``data``, all or ``only`` these, until SIGTERM, SIGINT or the parent's death.

    Control and CRL always run. Prints one ready line per listener, then ``{"pret": true}``. Raises UnknownMock and
    CannotListen.
    """
    chosen = _chosen(only)
    _log_as_json()
    world = World.load(data, ports=ports())
    mocks = {name: make(world) for name, make in chosen.items()}
    services = [service for mock in mocks.values() for service in mock.services()]
    try:
        running = await Running.start([*Control(world, mocks).services(), *Publication(world).services(), *services])
    except OSError as error:
        raise CannotListen(f"Un port ne peut être ouvert : {error}. Arrêtez le programme qui l'occupe.") from error
    try:
        for name, url in running.urls.items():
            world.ports[name] = urlsplit(url).port or 0  # what was really bound, where port 0 was asked
        stopped = asyncio.create_task(until_stopped())
        await asyncio.sleep(0)  # signals are listened to before anybody is told that we are ready
        for name, url in running.urls.items():
            _say({"ready": name, "url": url})
        _say({"pret": True})
        await stopped
    finally:
        await running.stop(_GRACE_S)
        world.trace.close()


def _chosen(only: Sequence[str]) -> dict[str, Callable[[World], Mock]]:
    unknown = [name for name in only if name not in _MOCKS]
    if unknown:
        raise UnknownMock(f"Aucun service simulé ne s'appelle « {unknown[0]} ». Choisissez parmi : {', '.join(_MOCKS)}.")
    return {name: make for name, make in _MOCKS.items() if not only or name in only}


def _say(line: dict[str, object]) -> None:
    sys.stdout.write(orjson.dumps(line).decode() + "\n")
    sys.stdout.flush()


class _JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, event, and an error's type and place; never its text, it may quote data."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {"at": record.created, "level": record.levelname.lower(), "logger": record.name,
                                   "event": record.getMessage()}  # fmt: skip
        if record.exc_info and record.exc_info[0]:
            line["error"] = record.exc_info[0].__name__
            line["where"] = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(record.exc_info[2])[-5:]]
        return orjson.dumps(line).decode()


def _log_as_json() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
