"""Faults: armed, shown, disarmed; a gateway that runs is told, so that its journal says which may have touched its calls."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field

from mocks.sandbox.api import Asked, Refused, Told, refusals, with_body
from mocks.sandbox.console import tell_fault
from mocks.sandbox.faults import InvalidFault, Kind
from mocks.sandbox.world import Mock, World

FaultId = Annotated[str | None, Query(max_length=200, description="Une seule panne ; toutes sans lui.")]


class FaultAsked(Asked):
    operation: str = Field(max_length=60, description="Opération touchée.", examples=["DMP.TD2.1"])
    kind: Kind = Field(description="timeout, reset, status ou soap.", examples=["timeout"])
    id: str | None = Field(None, max_length=200, description="Nom de la panne ; sinon elle en reçoit un.")
    value: str | int = Field("", description="Statut HTTP de « status », code de « soap ».", examples=["503"])
    for_next: int | None = Field(None, ge=1, le=1_000_000, description="Nombre d'appels touchés ; 1 par défaut.")
    for_s: float | None = Field(None, gt=0, le=86400, description="Durée, en secondes ; sans fin par défaut.")
    delay_s: float = Field(0, ge=0, le=3600, description="Retard d'un « timeout », en secondes.")
    rate: float = Field(1, gt=0, le=1, description="Part des appels touchés.")


class FaultTold(Told):
    id: str
    operation: str
    kind: Kind
    value: str
    for_next: int
    delay_s: float
    rate: float
    for_s: float | None


class FaultArmed(FaultTold):
    left: int = Field(description="Appels qu'elle touchera encore.")


class Faults(Told):
    faults: list[FaultArmed] = Field(description="Pannes armées, la plus ancienne d'abord.")


def router(world: World, _mocks: Mapping[str, Mock]) -> APIRouter:
    routes = APIRouter(tags=["Pannes"])

    @routes.get("/faults", responses=refusals())
    async def faults() -> Faults:
        """Les pannes armées."""
        return _armed(world)

    @routes.post("/faults", status_code=201, responses=with_body())
    async def arm(wanted: FaultAsked) -> FaultTold:
        """Arme une panne."""
        try:
            fault = world.faults.arm_json(wanted.model_dump(exclude_none=True))
        except InvalidFault as refusal:
            raise Refused(422, str(refusal)) from refusal
        await _tell(world, [fault.to_json()], armed=True)
        return FaultTold(**fault.to_json())

    @routes.delete("/faults", responses=refusals())
    async def disarm(id: FaultId = None) -> Faults:
        """Désarme toutes les pannes, ou une seule ; celle qui n'est pas armée n'est pas une erreur."""
        before = world.faults.to_json()
        world.faults.disarm(id)
        left = {fault["id"] for fault in world.faults.to_json()}
        await _tell(world, [fault for fault in before if fault["id"] not in left], armed=False)
        return _armed(world)

    return routes


def _armed(world: World) -> Faults:
    return Faults(faults=[FaultArmed(**fault) for fault in world.faults.to_json()])


async def _tell(world: World, faults: list[dict[str, Any]], *, armed: bool) -> None:
    for fault in faults:
        await tell_fault(world.ports.get("console"), world.manifest["admin_key"], fault, armed=armed)
