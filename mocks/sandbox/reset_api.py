"""The sandbox as on its first day, as it was under a name, or with a data set: the gateway is told before anything moves.

With a tenant's key, its part of it alone.
"""
from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import Field

from mocks.sandbox import parts, snapshots
from mocks.sandbox.api import Asked, Refused, Told, refusals, with_body
from mocks.sandbox.console import tell_sandbox
from mocks.sandbox.datasets import NAMED, DataSet, apply
from mocks.sandbox.faults_api import disarm_told
from mocks.sandbox.tenancy import forget_removed
from mocks.sandbox.viewing import View, view, view_of
from mocks.sandbox.world import Mock, World

_KEPT_BY_TENANT = 20
Act = Literal["reset", "load", "snapshot", "restore", "remove"]
Name = Annotated[str, Path(pattern=snapshots.NAME, description="Minuscules, tirets, peu de chiffres.", examples=["avant-essai"])]


class WasReset(Told):
    reset: list[str] = Field(description="Services simulés remis à zéro.", examples=[["dmp", "insi"]])


class SnapshotAsked(Asked):
    name: str = Field(pattern=snapshots.NAME, description="Minuscules, tirets, peu de chiffres.", examples=["avant-essai"])


class SnapshotTold(Told):
    name: str
    made_at: str = Field(description="Temps réel, RFC 3339.")
    business: str = Field(description="Temps métier d'alors ; restaurer ne le remet pas.")
    mocks: list[str]
    received: dict[str, int]
    held: dict[str, int]


class SnapshotsTold(Told):
    snapshots: list[SnapshotTold] = Field(description="La plus ancienne d'abord.")


class SnapshotRemoved(Told):
    removed: str


class Loaded(Told):
    documents: int = Field(description="Documents mis dans le DMP simulé.")
    messages: int = Field(description="Messages remis aux boîtes.")


class DataSetsTold(Told):
    datasets: dict[str, str] = Field(description="Jeux fournis : nom, ce qu'ils mettent en place.")


def router(world: World, mocks: Mapping[str, Mock]) -> APIRouter:
    routes = APIRouter(tags=["Remise à zéro"])
    one_at_a_time = asyncio.Lock()

    @asynccontextmanager
    async def told(act: Act, name: str | None = None) -> AsyncIterator[View]:
        async with one_at_a_time:
            await _tell(world, act, name)
            if act in ("reset", "load", "restore"):
                await disarm_told(world)
            yield _still(world)

    @routes.post("/reset", responses=refusals(409, 502))
    async def reset(
        keep_people: Annotated[bool, Query(description="Garde les personnes et les professionnels ajoutés.")] = False,
    ) -> WasReset:
        """Services, population, pannes et traces comme au premier jour ; le temps métier reste : il ne recule pas.

        Avec la clé d'un éditeur : ce qui est à lui seulement."""
        async with told("reset") as seen:
            if seen.tenant is None:
                snapshots.empty(world, mocks)
            else:
                parts.empty(world, mocks, seen)
            if not keep_people:
                world.population.forget_added(seen.tenant)
        return WasReset(reset=sorted(mocks))

    @routes.get("/snapshots", responses=refusals())
    async def kept() -> SnapshotsTold:
        """Les instantanés gardés."""
        return SnapshotsTold(snapshots=[SnapshotTold(**asdict(one)) for one in _kept(world)])

    @routes.post("/snapshots", status_code=201, responses=with_body(409, 502))
    async def save(wanted: SnapshotAsked) -> SnapshotTold:
        """Garde sous un nom ce que tiennent les services simulés, et les personnes ajoutées."""
        if any(one.name == wanted.name for one in _kept(world)):
            raise Refused(409, f"Un instantané « {wanted.name} » existe déjà : retirez-le, ou prenez un autre nom.")
        if view().tenant is not None and len(_kept(world)) >= _KEPT_BY_TENANT:
            raise Refused(409, f"Un éditeur garde {_KEPT_BY_TENANT} instantanés au plus : retirez-en un.")
        async with told("snapshot", wanted.name) as seen:
            return SnapshotTold(**asdict(snapshots.save(world, mocks, wanted.name, seen)))

    @routes.post("/snapshots/{name}/restore", responses=refusals(404, 409, 502))
    async def restore(name: Name) -> SnapshotTold:
        """Remet tout comme alors, sauf le temps métier, qui ne recule pas ; sessions closes, pannes désarmées."""
        _must_exist(world, name)
        async with told("restore", name) as seen:
            restored = snapshots.restore(world, mocks, name, seen)
            forget_removed(world, mocks)
        return SnapshotTold(**asdict(restored))

    @routes.delete("/snapshots/{name}", responses=refusals(404, 409, 502))
    async def remove(name: Name) -> SnapshotRemoved:
        """Retire un instantané."""
        _must_exist(world, name)
        async with told("remove", name) as seen:
            snapshots.remove(world, name, seen.tenant)
        return SnapshotRemoved(removed=name)

    @routes.get("/datasets", responses=refusals())
    async def datasets() -> DataSetsTold:
        """Les jeux de données fournis."""
        return DataSetsTold(datasets={name: about for name, (about, _) in NAMED.items()})

    @routes.post("/datasets/{name}", responses=refusals(404, 409, 502))
    async def load_named(name: Name) -> Loaded:
        """Remet à zéro, puis met en place un jeu fourni."""
        if name not in NAMED:
            raise Refused(404, f"Aucun jeu fourni de ce nom ; possibles : {', '.join(NAMED)}.")
        async with told("load", name) as seen:
            return _loaded(world, mocks, NAMED[name][1](world, seen), seen)

    @routes.post("/datasets", responses=with_body(404, 409, 502))
    async def load(wanted: DataSet) -> Loaded:
        """Remet à zéro, puis met en place le jeu donné ; rien n'est changé s'il nomme quelqu'un d'inconnu."""
        async with told("load") as seen:
            return _loaded(world, mocks, wanted, seen)

    return routes


def _kept(world: World) -> list[snapshots.About]:
    """The snapshots of whoever asks."""
    return snapshots.snapshots(world.data, view().tenant)


def _still(world: World) -> View:
    """What is of whoever asks, now that the gateway has answered: a tenant may have gone meanwhile."""
    tenant = view().tenant
    if tenant is None:
        return view()
    if tenant not in {row["id"] for row in world.manifest["tenants"]}:
        raise Refused(409, f"L'éditeur « {tenant} » vient d'être retiré : rien n'a été changé.")
    return view_of(world, tenant)


def _loaded(world: World, mocks: Mapping[str, Mock], wanted: DataSet, seen: View) -> Loaded:
    documents, messages = apply(world, mocks, wanted, seen)
    return Loaded(documents=documents, messages=messages)


def _must_exist(world: World, name: str) -> None:
    if all(one.name != name for one in _kept(world)):
        raise Refused(404, f"Aucun instantané « {name} » : voyez GET /snapshots.")


async def _tell(world: World, act: Act, name: str | None) -> None:
    """The gateway writes the act in its journal, for the whole once no call is in flight; without a gateway nobody is."""
    said = await tell_sandbox(
        world.ports.get("console"), world.manifest["admin_key"], act=act, name=name, tenant=view().tenant
    )
    if said.result == "busy":
        raise Refused(409, said.text or "La passerelle traite des appels : rien n'a été changé. Réessayez.")
    if said.result == "unclear":
        raise Refused(502, f"La passerelle n'a pas confirmé ({said.text}) : rien n'a été changé.")
