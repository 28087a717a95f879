"""What the mocks hold and received, for a vendor's own tests to assert on. Fictitious people only; never in the journal."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import Field

from mocks.sandbox.api import Refused, Told, refusals
from mocks.sandbox.parts import state_of
from mocks.sandbox.viewing import view
from mocks.sandbox.world import Mock, World

MockName = Annotated[str, Path(max_length=40, description="insi, dmp, mssante, psc ou annuaire.", examples=["dmp"])]


class Overview(Told):
    mocks: list[str] = Field(description="Services simulés qui tournent ici.")
    received: dict[str, int] = Field(description="Requêtes reçues, par opération.", examples=[{"INS.RECHERCHE_TRAITS": 3}])
    held: dict[str, int] = Field(description="Effets distincts gardés, par opération.", examples=[{"DMP.TD2.1": 1}])


class MockState(Told):
    mock: str = Field(examples=["dmp"])
    state: dict[str, Any] = Field(description="Propre à chaque service.", examples=[{"documents": 1, "submission_sets": 1}])


def router(world: World, mocks: Mapping[str, Mock]) -> APIRouter:
    routes = APIRouter(tags=["État"])

    @routes.get("/state", responses=refusals())
    async def overview() -> Overview:
        """Ce que les services simulés ont reçu et gardent, en nombres ; d'un éditeur, avec sa clé."""
        return Overview(mocks=sorted(mocks), **world.trace.counts(view().tenant))

    @routes.get("/state/{mock}", responses=refusals(404))
    async def state(mock: MockName) -> MockState:
        """L'état d'un service simulé."""
        if mock not in mocks:
            raise Refused(404, f"Aucun service simulé « {mock} » ici. Services : {', '.join(sorted(mocks)) or 'aucun'}.")
        seen = view()
        return MockState(mock=mock, state=mocks[mock].state() if seen.tenant is None else state_of(world, mocks[mock], seen))

    return routes
