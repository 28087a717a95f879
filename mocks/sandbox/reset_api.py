"""The sandbox as on its first day."""
from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter
from pydantic import Field

from mocks.sandbox.api import Told, refusals
from mocks.sandbox.world import Mock, World


class WasReset(Told):
    reset: list[str] = Field(description="Services simulés remis à zéro.", examples=[["dmp", "insi"]])


def router(world: World, mocks: Mapping[str, Mock]) -> APIRouter:
    routes = APIRouter(tags=["Remise à zéro"])

    @routes.post("/reset", responses=refusals())
    async def reset() -> WasReset:
        """Services, pannes et traces comme au premier jour ; le temps métier reste : il ne recule pas."""
        for mock in mocks.values():
            mock.reset()
        world.faults.disarm()
        world.trace.reset()
        world.requests.reset()
        return WasReset(reset=sorted(mocks))

    return routes
