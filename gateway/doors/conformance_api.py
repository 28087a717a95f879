"""Deviations as they happen, over HTTP on the console's listener, with the value at fault: for its own vendor only (design §4).

The value is the DUI's: a key that is bound to no vendor, or to a grappe, sees entries and reports, never this.
"""
from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated

import orjson
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from connectors.wire.clock import Clock
from gateway.conformance.direct import Direct
from gateway.doors.journal_asked import Problem
from gateway.doors.reading import Gate, problem_route, responses
from gateway.journal.journal import Journal

_BEAT_S = 15.0  # an empty line, so that who reads knows that it still listens
_LINES = "application/x-ndjson"


class AskedDirect(BaseModel):
    """What is wanted of the flow."""

    model_config = ConfigDict(extra="forbid")

    after: int = Field(0, ge=0, description="Après ce « n » ; 0 : tout ce qui est encore en mémoire.")
    follow: bool = Field(True, description="Rester à l'écoute ; sinon, finir avec ce qui est en mémoire.")


@dataclass(slots=True)
class DirectApi:
    """What this route needs of the gateway. Each reading is an entry, as that of contents is."""

    gate: Gate
    direct: Direct
    journal: Journal
    clock: Clock
    beat_s: float = _BEAT_S

    def router(self) -> APIRouter:
        """One route, under /api/conformite."""
        router = APIRouter(
            prefix="/api/conformite", tags=["Conformité"], route_class=problem_route(AskedDirect.model_fields.__contains__)
        )
        router.add_api_route(
            "/direct", self._direct, methods=["GET"], operation_id="direct", responses=responses(_LINES), response_class=Response,
            summary="Les écarts de vos appels, valeur comprise (droit body, clé liée à un éditeur)",
            description=(self._direct.__doc__ or "").strip(),
        )  # fmt: skip
        return router

    async def _direct(self, request: Request, asked: Annotated[AskedDirect, Query()]) -> Response:
        """Une ligne JSON par écart, tenue en mémoire dix minutes au plus et jamais écrite. Une ligne vide : toujours là."""
        key = await self.gate.key(request, "body")
        if key.tenant is None:
            told = "Une valeur n'est montrée qu'à l'éditeur qui l'a envoyée : prenez une clé liée à un éditeur (--tenant)."
            raise await self.gate.refusal(key, "editeur", Problem("droit", told))
        await self.journal.write(self.journal.admin({"action": "live_read", "by": key.name}))
        headers = {"Cache-Control": "no-store"}
        return StreamingResponse(self._lines(key.tenant, asked), media_type=_LINES, headers=headers)

    async def _lines(self, tenant: str, asked: AskedDirect) -> AsyncIterator[bytes]:
        last = asked.after
        while True:
            seen = self.direct.number
            for one in self.direct.after(tenant, last):
                last = one.number
                yield orjson.dumps(one.item()) + b"\n"
            if not asked.follow or self.direct.closed:
                return
            await self.direct.more(seen, self.beat_s)
            if self.direct.number == seen and not self.direct.closed:
                yield b"\n"
