"""Making a call again, over HTTP on the console's listener: for reading keys with the right « settle », and for the command."""
from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any

from cryptography.exceptions import InvalidTag
from fastapi import APIRouter, Depends, Request, Response
from fastapi import Path as InPath
from pydantic import BaseModel, Field

from gateway.doors.journal_asked import Problem
from gateway.doors.reading import Gate, as_json, problem_route, responses
from gateway.grappes.registry import Registry
from gateway.journal.authors import Author
from gateway.journal.journal import Journal
from gateway.journal.query import JournalReader, KeptMessage
from gateway.journal.record import JournalFull
from gateway.rerunning import NotRerun, Reruns

_ID = r"^[0-9a-f-]{36}$"
_OTHER_KEYS = "La copie gardée a été scellée par d'autres clés."


class AskedRerun(BaseModel):
    """What the command asks."""

    entry: str = Field(pattern=_ID)
    by: Author


@dataclass(slots=True)
class RerunApi:
    """``admin`` is the console's own check of its admin key; ``registry`` says what a key of grappes sees."""

    reruns: Reruns
    journal: Journal
    gate: Gate
    registry: Registry
    admin: Callable[..., Awaitable[None]]

    def router(self) -> APIRouter:
        """One route, under /api/journal."""
        router = APIRouter(prefix="/api/journal", tags=["Journal"], route_class=problem_route({"entry_id"}.__contains__))
        router.add_api_route(
            "/entries/{entry_id}/rerun", self._rerun, methods=["POST"], operation_id="rerun", responses=responses(),
            response_class=Response, summary="Refaire un appel sans effet, gardé en entier (droit settle)",
            description=(self._rerun.__doc__ or "").strip(),
        )  # fmt: skip
        return router

    def hidden(self) -> APIRouter:
        """The same for `socle journal rerun`."""
        router = APIRouter(prefix="/admin/journal", dependencies=[Depends(self.admin)], include_in_schema=False)
        router.add_api_route("/rerun", self._asked, methods=["POST"])
        return router

    async def _rerun(self, request: Request, entry_id: Annotated[str, InPath(pattern=_ID)]) -> Response:
        """Un nouvel appel, par la route ordinaire ; son entrée nomme la première (`replays`) et ne compte rien."""
        key = await self.gate.key(request, "settle")
        entry, kept = await self._found(entry_id)
        entry = await self.gate.own(key, self.registry, entry)
        try:
            return as_json(await self.reruns.rerun(entry, kept, by=key.name))
        except NotRerun as refused:
            raise Problem("rejeu", str(refused)) from None
        except InvalidTag:
            raise Problem("illisible", _OTHER_KEYS) from None

    async def _asked(self, asked: AskedRerun) -> Response:
        entry, kept = await self._found(asked.entry)
        if entry is None:
            return as_json({"detail": "Aucune entrée de cet identifiant."}, 404)
        try:
            return as_json(await self.reruns.rerun(entry, kept, by=asked.by))
        except NotRerun as refused:
            return as_json({"detail": str(refused)}, 409)
        except InvalidTag:
            return as_json({"detail": _OTHER_KEYS}, 409)
        except JournalFull:
            return as_json({"detail": "Le journal n'a plus de place : rien n'a été rejoué."}, 503)

    async def _found(self, entry_id: str) -> tuple[dict[str, Any] | None, KeptMessage | None]:
        """The entry, and the copy of its request."""

        def read() -> tuple[dict[str, Any] | None, KeptMessage | None]:
            with JournalReader(self.journal.folder) as reader:
                entry = reader.entry(entry_id)
                kept = [] if entry is None else reader.kept_of(entry)
                return entry, next((one for one in kept if one.role == "request"), None)

        return await asyncio.to_thread(read)
