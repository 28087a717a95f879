"""The Pro Santé Connect clients of the sandbox: where each may come back to."""
from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter
from pydantic import Field

from mocks.sandbox.api import Asked, Refused, Told, with_body
from mocks.sandbox.viewing import ANOTHERS, NotYours, view
from mocks.sandbox.world import Mock, World


class Redirect(Asked):
    client_id: str = Field(max_length=200, description="Client déclaré dans le manifeste.", examples=["editeur-demo"])
    uri: str = Field(max_length=2000, description="Comparée à l'identique.", examples=["https://dui.example/retour"])


class Registered(Told):
    client_id: str
    uri: str


def router(world: World, _mocks: Mapping[str, Mock]) -> APIRouter:
    routes = APIRouter(tags=["Pro Santé Connect"])

    @routes.post("/psc/redirects", status_code=201, responses=with_body())
    async def redirect(wanted: Redirect) -> Registered:
        """Déclare une redirect_uri pour un client Pro Santé Connect ; elle survit à un redémarrage, pas à une remise à zéro."""
        if not view().client(wanted.client_id):
            raise NotYours(403, "« client_id » : ce client n'est pas à vous ; donnez l'un des vôtres.", ANOTHERS)
        try:
            world.register_redirect(wanted.client_id, wanted.uri)
        except ValueError as refusal:
            raise Refused(422, str(refusal)) from refusal
        return Registered(client_id=wanted.client_id, uri=wanted.uri)

    return routes
