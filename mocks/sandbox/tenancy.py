"""A tenant comes, changes its secrets or goes while everything runs (decision 0048).

Certificates and people first, the manifest last and whole: it is what lets a tenant in, at the mocks as at the gateway. An
act that was cut leaves nobody who may call, and may be asked again.
"""
from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mocks.sandbox import parts, snapshots
from mocks.sandbox.build import structure_row
from mocks.sandbox.office import Office
from mocks.sandbox.orders import Order
from mocks.sandbox.persons import Crowd, Person
from mocks.sandbox.pki import IDENTITIES, Subject
from mocks.sandbox.population import FILE_NAME, Population
from mocks.sandbox.professionals import Professional, Staff
from mocks.sandbox.rare_cases import make_rare
from mocks.sandbox.register import Issued
from mocks.sandbox.seeding import read_names
from mocks.sandbox.structures import Structure
from mocks.sandbox.tenants import (
    Secrets,
    TenantRefused,
    check_name,
    domains_of,
    new_secrets,
    numbers_in,
    rows_of,
    structures_of,
    with_secrets,
    without,
)
from mocks.sandbox.viewing import View
from mocks.sandbox.world import Mock, World

Row = dict[str, Any]


class Tenancy:
    """One act at a time: the caller sees to it."""

    def __init__(self, world: World, mocks: Mapping[str, Mock]) -> None:
        self._world, self._mocks, self._office = world, mocks, Office(world.path("."))

    def check(self, name: str) -> None:
        """Whether ``add`` may be asked for. Raises TenantRefused."""
        check_name(name, self._world.manifest)

    async def add(self, name: str, *, structures: int, persons: int, product: str | None = None) -> Secrets:
        """A tenant with its own structures, each of ``persons`` persons. Raises TenantRefused."""
        self.check(name)
        world, taken = self._world, numbers_in(self._world.manifest) | {
            row.struct_id[1:] for row in self._office.rows() if row.struct_id is not None
        }
        made = structures_of(name, structures, persons, taken)
        people = await asyncio.to_thread(_people, world.path(FILE_NAME), made, world.manifest["seed"])
        rows = [await self._with_identities(structure_row(one)) for one in made]
        world.population.remove_owned(name)  # of an act that was cut
        world.population.settle(*people)
        manifest = {
            **world.manifest,
            "tenants": [
                *world.manifest["tenants"],
                {"id": name, "product": product or f"DUI {name}", "version": "1.0.0", "added": True},
            ],
            "structures": [*world.manifest["structures"], *rows],
            "white_list": sorted({*world.manifest["white_list"], *domains_of(rows)}),
        }
        secrets = new_secrets(name, (row["finess_et"] for row in rows))
        world.use(with_secrets(manifest, name, secrets))
        return secrets

    async def rotate(self, name: str) -> Secrets:
        """Other secrets and certificates for the same structures; the former ones open nothing any more."""
        world = self._world
        mine = {row["finess_et"]: await self._with_identities(row) for row in rows_of(world.manifest["structures"], name)}
        new = {row[part]["fingerprint"] for row in mine.values() for part, _, _ in IDENTITIES}
        secrets = new_secrets(name, mine)
        structures = [mine.get(row["finess_et"], row) for row in world.manifest["structures"]]
        world.use(with_secrets({**world.manifest, "structures": structures}, name, secrets))
        await self._revoke(name, {row["struct_id"] for row in mine.values()}, "superseded", but=new)
        return secrets

    async def remove(self, name: str) -> None:
        """Nobody calls in its name from now on, and the mocks forget what was its. Raises TenantRefused."""
        world = self._world
        check_removable(world.manifest, name)
        owned = {row["struct_id"] for row in rows_of(world.manifest["structures"], name)}
        world.use(without(world.manifest, name))
        await self._revoke(name, owned, "cessation_of_operation")
        forget(world, self._mocks, name)

    async def _with_identities(self, row: Row) -> Row:
        subject = Subject(row["finess_et"], row["struct_id"], row["name"])
        made: dict[str, dict[str, str]] = {}
        for part, profile, cn in IDENTITIES:
            order = Order(profile, subject.finess_et, subject.named(cn), cn, tenant=row["tenant"])
            issued, password = await asyncio.to_thread(self._office.issue, order)
            files = {kind: issued.files[kind] for kind in ("cert", "key", "p12")}
            made[part] = {"cn": cn, **files, "password": password, "fingerprint": issued.fingerprint}
        return {**row, **made}

    async def _revoke(self, name: str, owned: set[str], reason: str, but: Iterable[str] = ()) -> None:
        kept = set(but)

        def wanted(row: Issued) -> bool:
            return (row.tenant == name or row.struct_id in owned) and row.refused is None and row.fingerprint not in kept

        await asyncio.to_thread(self._office.revoke_all, wanted, reason)


def check_removable(manifest: Mapping[str, Any], name: str) -> None:
    """Raises TenantRefused for a tenant that the sandbox was made with: its structures are what ``init`` compares."""
    if not next(row for row in manifest["tenants"] if row["id"] == name).get("added"):
        raise TenantRefused(
            f"L'éditeur « {name} » a été fait avec le bac à sable : il ne se retire pas. Changez ses secrets (rotate), ou "
            "refaites un bac à sable dans un autre dossier."
        )


def forget_removed(world: World, mocks: Mapping[str, Mock]) -> None:
    """What was a removed tenant's and came back, by a snapshot or by a process that died, goes again."""
    for row in world.manifest.get("removed_tenants", ()):
        forget(world, mocks, row["id"])


def forget(world: World, mocks: Mapping[str, Mock], name: str) -> None:
    """Take from the mocks what was of a tenant that was removed, and its snapshots."""
    left = next(row["structures"] for row in world.manifest["removed_tenants"] if row["id"] == name)
    world.population.remove_owned(name)
    gone = View(name, struct_ids=frozenset(row["struct_id"] for row in left), domains=frozenset(domains_of(left)))
    parts.forget(mocks, gone)
    world.requests.forget(name)
    shutil.rmtree(snapshots.root(world.data, name).parent, ignore_errors=True)


def _people(path: Path, structures: Sequence[Structure], seed: int) -> tuple[list[Person], list[Professional]]:
    """Whom these structures accompany and who works there: nobody who is here already, hence by a connection of its own."""
    held = Population.open(path)
    try:
        names = read_names()
        crowd = Crowd(seed, held.persons(), names)
        staff = Staff(seed, names, lambda rpps: held.professional(f"8{rpps}") is not None)
        persons = [one for structure in structures for one in crowd.of(structure, make_rare)]
        professionals = [one for structure in structures for one in staff.of(structure)]
    except ValueError:
        raise TenantRefused("Le bac à sable n'a plus de numéros RPPS fictifs : demandez moins de structures.") from None
    finally:
        held.close()
    owner = structures[0].tenant
    return [{**one, "owner": owner} for one in persons], [{**one, "owner": owner} for one in professionals]
