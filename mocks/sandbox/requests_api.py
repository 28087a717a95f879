"""The requests that the mocks answered: which operation, which code; never a body, a trait or a token."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from mocks.sandbox.api import Told, refusals
from mocks.sandbox.requests import KEPT, Answered
from mocks.sandbox.viewing import view
from mocks.sandbox.watching import Search, Word, watched
from mocks.sandbox.world import Mock, World


class RequestsAsked(Search):
    mock: Word = Field(None, max_length=40, description="Service simulé.", examples=["insi"])
    operation: Word = Field(None, max_length=60, description="Opération.", examples=["INS.RECHERCHE_TRAITS"])
    code: Word = Field(None, max_length=80, description="Code rendu par le service.", examples=["CR01"])
    after: int = Field(0, ge=0, description="Celles dont le numéro est plus grand : le « number » d'une réponse précédente.")


class RequestTold(Told):
    number: int = Field(description="Grandit d'un à chaque requête depuis le démarrage ou la remise à zéro.", examples=[12])
    at: str = Field(description="Temps réel de la réponse, RFC 3339.", examples=["2026-03-02T09:30:00.000+00:00"])
    business: str = Field(description="Temps métier de la réponse, RFC 3339.")
    mock: str = Field(examples=["insi"])
    operation: str = Field(examples=["INS.RECHERCHE_TRAITS"])
    status: int | None = Field(description="Statut HTTP ou code SMTP ; null en IMAP, ou sans réponse (panne).")
    code: str = Field(description="Code propre au service, vide sans lui ; IMAP : « APPEND OK ».", examples=["CR00"])
    fault: str | None = Field(description="Panne qui l'a touchée.")
    tenant: str | None = Field(description="Éditeur que ce qu'elle a montré désigne ; null pour personne.")


class RequestsTold(Told):
    total: int = Field(description=f"Nombre de requêtes trouvées, parmi les {KEPT} dernières.")
    reached: bool = Field(description="Il y en a au moins « at_least ».")
    requests: list[RequestTold] = Field(description="Les dernières d'abord.")


def router(world: World, _mocks: Mapping[str, Mock]) -> APIRouter:
    routes = APIRouter(tags=["État"])

    @routes.get("/requests", responses=refusals())
    async def requests(asked: Annotated[RequestsAsked, Query()]) -> RequestsTold:
        """Les requêtes auxquelles les services simulés ont répondu, avec leurs codes ; sans corps, trait ni jeton."""
        wanted = {name: value for name in ("mock", "operation", "code") if (value := getattr(asked, name)) is not None}
        tenant = view().tenant
        rows, total, reached = await watched(world.requests, asked, lambda: [
            one for one in (world.requests if tenant is None else world.requests.of(tenant))
            if one.number > asked.after and all(getattr(one, name) == value for name, value in wanted.items())
        ])  # fmt: skip
        return RequestsTold(total=total, reached=reached, requests=[_told(one) for one in rows])

    return routes


def _told(one: Answered) -> RequestTold:
    at, business = (moment.isoformat(timespec="milliseconds") for moment in (one.at, one.business))
    return RequestTold(**{**one._asdict(), "at": at, "business": business})
