"""What the mocks hold, put aside under a name and put back: their folders, the trace, the people added by hand.

Business time is not part of it, it never goes back (design §7); neither are open sessions nor armed faults, which end.
"""
from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from mocks.sandbox.kept import read
from mocks.sandbox.population import own_boxes
from mocks.sandbox.world import Mock, World

#: What names a snapshot: it goes into a journal entry in clear, so it can hold nobody's number (design §5.6).
NAME = r"^[a-z]([a-z-]|[0-9]{1,6}([a-z-]|$)){0,39}$"

_ABOUT, _ADDED = "snapshot.json", "added.json"
_TRACE = ("received.jsonl", "held.jsonl")
_RESTORING = "restoring"  # names the snapshot that is being put back: a process that dies there finishes at its next start
_NOT_KEPT = shutil.ignore_patterns("*.pem", "*.key", "*.partial", "*.new")  # the realm's keys stay its own


class NoSnapshot(LookupError):
    """No snapshot has this name."""


class SnapshotExists(ValueError):
    """A snapshot has this name already."""


@dataclass(frozen=True, slots=True)
class About:
    """made_at: real time · business: business time then · received, held: counts by operation"""

    name: str
    made_at: str
    business: str
    mocks: list[str]
    received: dict[str, int]
    held: dict[str, int]


def snapshots(data: Path) -> list[About]:
    """Every snapshot, oldest first."""
    found = (About(**read(path)) for path in (data / "snapshots").glob(f"*/{_ABOUT}"))
    return sorted(found, key=lambda about: (about.made_at, about.name))


def save(world: World, mocks: Mapping[str, Mock], name: str) -> About:
    """Whole or not at all: it has its name once everything is written. Raises SnapshotExists."""
    folder = _folder(world, name)
    if folder.exists():
        raise SnapshotExists(name)
    partial = folder.with_name(f".{name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for mock in mocks:
        shutil.copytree(world.state_folder(mock), partial / mock, ignore=_NOT_KEPT)
    for file in _TRACE:
        shutil.copyfile(world.data / "mocks" / file, partial / file)
    (partial / _ADDED).write_bytes(orjson.dumps(world.population.added()))
    real, business = (moment.isoformat(timespec="milliseconds") for moment in (world.clock.real(), world.clock.business()))
    about = About(name, real, business, sorted(mocks), **world.trace.counts())
    (partial / _ABOUT).write_bytes(orjson.dumps(asdict(about)))
    partial.replace(folder)
    return about


def restore(world: World, mocks: Mapping[str, Mock], name: str) -> About:
    """Put everything back, for the mocks that run here. Raises NoSnapshot."""
    folder = _folder(world, name)
    if not (folder / _ABOUT).exists():
        raise NoSnapshot(name)
    marker = world.data / "mocks" / _RESTORING
    marker.write_text(name)
    empty(world, mocks)
    for mock in mocks.values():
        if (folder / mock.name).exists():
            shutil.copytree(folder / mock.name, world.state_folder(mock.name), dirs_exist_ok=True)
        mock.reload()
    world.trace.replace(*((folder / file).read_bytes() for file in _TRACE))
    world.population.forget_added()
    world.population.add(**_fitting(world, read(folder / _ADDED)))
    marker.unlink()
    return About(**read(folder / _ABOUT))


def finish(world: World, mocks: Mapping[str, Mock]) -> None:
    """What a process that died was putting back is put back; to be called before anybody is served."""
    marker = world.data / "mocks" / _RESTORING
    if marker.exists():
        restore(world, mocks, marker.read_text())


def remove(world: World, name: str) -> None:
    """Raises NoSnapshot."""
    folder = _folder(world, name)
    if not folder.exists():
        raise NoSnapshot(name)
    gone = folder.with_name(f".{name}.gone")
    folder.replace(gone)
    shutil.rmtree(gone)


def empty(world: World, mocks: Mapping[str, Mock]) -> None:
    """Mocks, faults and traces as on the first day; business time stays."""
    for mock in mocks.values():
        mock.reset()
    world.faults.disarm()
    world.trace.reset()
    world.requests.reset()


def _fitting(world: World, added: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """Without whose number or mailbox somebody of a tenant that came since has, and whose tenant has gone."""
    people, tenants = world.population, {None, *(row["id"] for row in world.manifest["tenants"])}
    persons = [one for one in added["persons"] if people.person(one["matricule"]) is None]
    staff = [
        one for one in added["professionals"]
        if people.professional(one["id_nat"]) is None and not any(map(people.holds_box, own_boxes(one)))
    ]  # fmt: skip
    kept = {"persons": persons, "professionals": staff}
    return {kind: [one for one in rows if one.get("owner") in tenants] for kind, rows in kept.items()}


def _folder(world: World, name: str) -> Path:
    return world.data / "snapshots" / name
