"""What of the simulated services is one tenant's: emptied, put aside, put back; nobody else's moves (decision 0055)."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

import orjson

from mocks.dmp.app import DmpMock
from mocks.dmp.state import Documents, Stored
from mocks.insi.app import InsiMock
from mocks.mssante.app import MssanteMock
from mocks.psc.app import PscMock
from mocks.sandbox import mail_part
from mocks.sandbox.kept import read
from mocks.sandbox.population import own_boxes
from mocks.sandbox.trace import FILES
from mocks.sandbox.viewing import View
from mocks.sandbox.world import Mock, World

_ADDED, _REDIRECTS = "added.json", "redirects.json"
_DMP, _MAIL = "dmp", "mssante"


def empty(world: World, mocks: Mapping[str, Mock], seen: View) -> None:
    """What the services hold for it, and its counts; the people it added stay, and its faults are disarmed elsewhere."""
    assert seen.tenant is not None
    forget(mocks, seen)
    world.trace.replace({}, seen.tenant)
    world.requests.forget(seen.tenant)


def state_of(world: World, mock: Mock, seen: View) -> dict[str, Any]:
    """A service's own state as a tenant may see it: what is its own, and what is set for everybody."""
    assert seen.tenant is not None
    match mock:
        case DmpMock() | PscMock():
            return mock.state(seen)
        case MssanteMock():
            return mail_part.state(mock, seen)
        case InsiMock():
            mine = world.population.counts(*seen.met())["persons"]
            lots = mock.lots.counts(lambda lot: seen.structure(lot.owner))
            return {**mock.state(), **lots, "people": mine, "answered": world.requests.codes(seen.tenant, mock.name)}
    return mock.state()


def forget(mocks: Mapping[str, Mock], seen: View) -> None:
    """Its documents, messages, lots, sessions and redirect URIs."""
    for mock in mocks.values():
        match mock:
            case DmpMock():
                mock.documents.drop(lambda one: seen.structure(one.struct_id))
            case MssanteMock():
                mail_part.empty(mock, seen)
            case PscMock():
                mock.forget(seen)
            case InsiMock():
                mock.lots.drop(lambda lot: seen.structure(lot.owner))


def put_aside(world: World, mocks: Mapping[str, Mock], seen: View, folder: Path) -> None:
    """Write it in ``folder``, which is there and empty."""
    assert seen.tenant is not None
    for mock in mocks.values():
        match mock:
            case DmpMock():
                aside = Documents(folder / _DMP)
                for stored in _sets(mock.documents, seen):
                    aside.add([(one, mock.documents.content(one.unique_id)) for one in stored])
            case MssanteMock():
                mail_part.put_aside(mock, seen, folder / _MAIL)
            case PscMock():
                (folder / _REDIRECTS).write_bytes(orjson.dumps(mock.redirects(seen)))
    for file, content in world.trace.lines(seen.tenant).items():
        (folder / file).write_bytes(content)
    added = {kind: [one for one in rows if one.get("owner") == seen.tenant] for kind, rows in world.population.added().items()}
    (folder / _ADDED).write_bytes(orjson.dumps(added))


def put_back(world: World, mocks: Mapping[str, Mock], seen: View, folder: Path) -> None:
    """As it was put aside, for the mocks that run here; without what somebody else has by the same number meanwhile."""
    assert seen.tenant is not None
    empty(world, mocks, seen)
    for mock in mocks.values():
        match mock:
            case DmpMock() if (folder / _DMP).exists():
                aside = Documents(folder / _DMP)
                for stored in _sets(aside, seen):
                    if not any(mock.documents.knows(one.unique_id) for one in stored):
                        mock.documents.add([(one, aside.content(one.unique_id)) for one in stored])
            case MssanteMock() if (folder / _MAIL).exists():
                mail_part.put_back(mock, seen, folder / _MAIL)
            case PscMock() if (folder / _REDIRECTS).exists():
                mock.put_back(read(folder / _REDIRECTS), seen)
    world.trace.replace({file: (folder / file).read_bytes() for file in FILES}, seen.tenant)
    world.population.forget_added(seen.tenant)
    world.population.add(**fitting(world, read(folder / _ADDED)))


def fitting(world: World, added: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """People who were added, without whose number or mailbox somebody has meanwhile, and whose tenant has gone."""
    people, tenants = world.population, {None, *(row["id"] for row in world.manifest["tenants"])}
    persons = [one for one in added["persons"] if people.person(one["matricule"]) is None]
    staff = [
        one for one in added["professionals"]
        if people.professional(one["id_nat"]) is None and not any(map(people.holds_box, own_boxes(one)))
    ]  # fmt: skip
    kept = {"persons": persons, "professionals": staff}
    return {kind: [one for one in rows if one.get("owner") in tenants] for kind, rows in kept.items()}


def _sets(documents: Documents, seen: View) -> Iterator[list[Stored]]:
    """The tenant's documents, by submission set."""
    mine = (one for one in documents.all() if seen.structure(one.struct_id))
    return (list(stored) for _, stored in groupby(mine, key=lambda one: one.set_id))
