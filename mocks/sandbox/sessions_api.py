"""The sessions of the simulated Pro Santé Connect: who is connected to which client. No code, no token."""
from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import Field

from mocks.psc.app import PscMock
from mocks.psc.state import Session
from mocks.sandbox.api import Refused, Told, refusals
from mocks.sandbox.viewing import ANOTHERS, NotYours, view
from mocks.sandbox.watching import running
from mocks.sandbox.world import Mock, World

SessionId = Annotated[str, Path(max_length=60, description="Identifiant de session : « sid » des jetons, « session_state ».")]


class SessionTold(Told):
    id: str = Field(description="« sid » des jetons, « session_state » du retour.")
    client_id: str
    id_nat: str = Field(description="Professionnel, fictif : idNat_PS.")
    channel: str = Field(description="CARD ou MOBILE.")
    scope: str
    opened_at: str = Field(description="À l'heure du client, RFC 3339.")
    last_used_at: str = Field(description="À l'heure du client, RFC 3339.")
    alive: bool = Field(description="Ni échue ni trop longtemps inutilisée.")
    refreshable: bool = Field(description="Un jeton de rafraîchissement a été rendu.")


class SessionsTold(Told):
    sessions: list[SessionTold] = Field(description="La plus ancienne d'abord.")


class SessionEnded(Told):
    ended: str = Field(description="Identifiant de la session close.")


_NONE = "Aucune session ouverte de cet identifiant : voyez GET /sessions."


def router(_world: World, mocks: Mapping[str, Mock]) -> APIRouter:
    routes = APIRouter(tags=["Pro Santé Connect"])

    @routes.get("/sessions", responses=refusals(404))
    async def sessions() -> SessionsTold:
        """Les sessions ouvertes ; ni code ni jeton n'est montré."""
        found = running(mocks, PscMock, "psc").sessions()
        return SessionsTold(sessions=[_told(*one) for one in found if view().client(one[0].client_id)])

    @routes.delete("/sessions/{session_id}", responses=refusals(404))
    async def end(session_id: SessionId) -> SessionEnded:
        """Ferme une session, comme si le professionnel s'était déconnecté ailleurs : ses jetons ne servent plus."""
        psc = running(mocks, PscMock, "psc")
        if any(one.id == session_id and not view().client(one.client_id) for one, _ in psc.sessions()):
            raise NotYours(404, _NONE, ANOTHERS)
        if not psc.end_session(session_id):
            raise Refused(404, _NONE)
        return SessionEnded(ended=session_id)

    return routes


def _told(session: Session, alive: bool) -> SessionTold:
    return SessionTold(
        id=session.id, client_id=session.client_id, id_nat=session.id_nat, channel=session.channel, scope=session.scope,
        opened_at=_moment(session.auth_time), last_used_at=_moment(session.last_used), alive=alive,
        refreshable=bool(session.refresh_jti),
    )  # fmt: skip


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
