"""The process of the mocks: every simulated service in one event loop, on the listeners it is given."""
from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import orjson

from connectors.wire.logs import log_as_json
from connectors.wire.serving import Running, ports, until_stopped
from mocks.annuaire.app import AnnuaireMock
from mocks.dmp.app import DmpMock
from mocks.insi.app import InsiMock
from mocks.mssante.app import MssanteMock
from mocks.psc.app import PscMock
from mocks.sandbox.completing import complete
from mocks.sandbox.control import Control
from mocks.sandbox.publication import Publication
from mocks.sandbox.snapshots import finish
from mocks.sandbox.tenancy import forget_removed
from mocks.sandbox.world import Mock, World

#: PSC first: it fills ``world.psc_claims``, which the others read.
MOCKS: dict[str, Callable[[World], Mock]] = {
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
    log_as_json()
    complete(data)
    world = World.load(data, ports=ports())
    mocks = {name: make(world) for name, make in chosen.items()}
    publication = Publication(world)
    finish(world, mocks)
    forget_removed(world, mocks)
    services = [service for mock in mocks.values() for service in mock.services()]
    try:
        running = await Running.start([*Control(world, mocks).services(), *publication.services(), *services])
    except OSError as error:
        raise CannotListen(f"Un port ne peut être ouvert : {error}. Arrêtez le programme qui l'occupe.") from error
    publishing = asyncio.create_task(publication.keep_fresh())
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
        publishing.cancel()
        await running.stop(_GRACE_S)
        await world.denied.stop()
        world.trace.close()


def _chosen(only: Sequence[str]) -> dict[str, Callable[[World], Mock]]:
    unknown = [name for name in only if name not in MOCKS]
    if unknown:
        raise UnknownMock(f"Aucun service simulé ne s'appelle « {unknown[0]} ». Choisissez parmi : {', '.join(MOCKS)}.")
    return {name: make for name, make in MOCKS.items() if not only or name in only}


def _say(line: dict[str, object]) -> None:
    sys.stdout.write(orjson.dumps(line).decode() + "\n")
    sys.stdout.flush()
