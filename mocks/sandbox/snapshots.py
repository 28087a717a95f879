"""What the mocks hold, put aside under a name and put back: their folders, the trace, the people added by hand.

Business time is not part of it, it never goes back (design §7); neither are open sessions nor armed faults, which end. A tenant
has snapshots of its part alone (mocks/sandbox/parts.py), under names of its own.
"""
from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from mocks.sandbox import parts
from mocks.sandbox.kept import read
from mocks.sandbox.trace import FILES
from mocks.sandbox.viewing import EVERYBODY, View, view_of
from mocks.sandbox.world import Mock, World

#: What names a snapshot: it goes into a journal entry in clear, so it can hold nobody's number (design §5.6).
NAME = r"^[a-z]([a-z-]|[0-9]{1,6}([a-z-]|$)){0,39}$"

_ABOUT, _ADDED = "snapshot.json", "added.json"
_RESTORING = "restoring"  # names what is being put back, ``tenant/name`` for a tenant's: a process that dies there finishes later
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


def snapshots(data: Path, tenant: str | None = None) -> list[About]:
    """Every snapshot of the whole, or of a tenant, oldest first."""
    found = (About(**read(path)) for path in root(data, tenant).glob(f"*/{_ABOUT}"))
    return sorted(found, key=lambda about: (about.made_at, about.name))


def save(world: World, mocks: Mapping[str, Mock], name: str, seen: View = EVERYBODY) -> About:
    """Whole or not at all: it has its name once everything is written. Raises SnapshotExists."""
    folder = root(world.data, seen.tenant) / name
    if folder.exists():
        raise SnapshotExists(name)
    partial = folder.with_name(f".{name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    if seen.tenant is None:
        _put_aside(world, mocks, partial)
    else:
        parts.put_aside(world, mocks, seen, partial)
    real, business = (moment.isoformat(timespec="milliseconds") for moment in (world.clock.real(), world.clock.business()))
    about = About(name, real, business, sorted(mocks), **world.trace.counts(seen.tenant))
    (partial / _ABOUT).write_bytes(orjson.dumps(asdict(about)))
    partial.replace(folder)
    return about


def restore(world: World, mocks: Mapping[str, Mock], name: str, seen: View = EVERYBODY) -> About:
    """Put everything back, for the mocks that run here. Raises NoSnapshot."""
    folder = root(world.data, seen.tenant) / name
    if not (folder / _ABOUT).exists():
        raise NoSnapshot(name)
    marker = world.data / "mocks" / _RESTORING
    marker.write_text(name if seen.tenant is None else f"{seen.tenant}/{name}")
    if seen.tenant is None:
        _put_back(world, mocks, folder)
    else:
        parts.put_back(world, mocks, seen, folder)
    marker.unlink()
    return About(**read(folder / _ABOUT))


def finish(world: World, mocks: Mapping[str, Mock]) -> None:
    """What a process that died was putting back is put back; to be called before anybody is served."""
    marker = world.data / "mocks" / _RESTORING
    if marker.exists():
        tenant, _, name = marker.read_text().rpartition("/")
        restore(world, mocks, name, view_of(world, tenant) if tenant else EVERYBODY)


def remove(world: World, name: str, tenant: str | None = None) -> None:
    """Raises NoSnapshot."""
    folder = root(world.data, tenant) / name
    if not folder.exists():
        raise NoSnapshot(name)
    gone = folder.with_name(f".{name}.gone")
    folder.replace(gone)
    shutil.rmtree(gone)


def root(data: Path, tenant: str | None) -> Path:
    """Where snapshots are: of the whole, or of one tenant."""
    return data / "snapshots" if tenant is None else data / "tenants" / tenant / "snapshots"


def empty(world: World, mocks: Mapping[str, Mock]) -> None:
    """Mocks, faults and traces as on the first day; business time stays."""
    for mock in mocks.values():
        mock.reset()
    world.faults.disarm()
    world.trace.reset()
    world.requests.reset()


def _put_aside(world: World, mocks: Mapping[str, Mock], folder: Path) -> None:
    for mock in mocks:
        shutil.copytree(world.state_folder(mock), folder / mock, ignore=_NOT_KEPT)
    for file in FILES:
        shutil.copyfile(world.data / "mocks" / file, folder / file)
    (folder / _ADDED).write_bytes(orjson.dumps(world.population.added()))


def _put_back(world: World, mocks: Mapping[str, Mock], folder: Path) -> None:
    empty(world, mocks)
    for mock in mocks.values():
        if (folder / mock.name).exists():
            shutil.copytree(folder / mock.name, world.state_folder(mock.name), dirs_exist_ok=True)
        mock.reload()
    world.trace.replace({file: (folder / file).read_bytes() for file in FILES if (folder / file).exists()})
    world.population.forget_added()
    world.population.add(**parts.fitting(world, read(folder / _ADDED)))
