"""What the sandbox says of its tenants: one comes, changes its secrets or goes, or asked for what is another's (decision 0048).

Who may call is read from the manifest, which the sandbox writes after this answer: here are the entries, and what a tenant
had from the gateway itself.
"""
from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, FastAPI
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from gateway.access import rights
from gateway.access.denials import Denials
from gateway.access.deposits import Deposits
from gateway.access.rights import Keys
from gateway.journal.journal import Journal
from gateway.journal.record import JournalFull

ACTION = "tenant"
_BY = "bac-a-sable"
_NO_ROOM = "Le journal n'a plus de place : rien n'a été changé. Recommencez plus tard."

TenantName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]


class TenantNote(BaseModel):
    """What is about to become of a tenant of the sandbox."""

    model_config = ConfigDict(extra="forbid")

    act: Literal["add", "rotate", "remove"]
    name: TenantName


class Refusal(BaseModel):
    """A tenant asked the sandbox for what is not its own, or somebody showed a control key that is nobody's. ``why`` is a code.

    name   the tenant's, or the one name of all secrets that are none of ours: no tenant can have it
    count  attempts that are told together
    """

    model_config = ConfigDict(extra="forbid")

    name: TenantName
    why: Literal["d_un_autre", "administrateur", "cle_controle"]
    count: int = Field(1, ge=1, le=1_000_000_000)


@dataclass(frozen=True, slots=True)
class TenantsApi:
    """keys   for reading the journal: those of a tenant that goes are taken away, its entries stay"""

    journal: Journal
    keys: Keys
    deposits: Deposits
    denials: Denials
    admin: Callable[..., Awaitable[None]]

    def mount(self, app: FastAPI) -> None:
        hidden = APIRouter(prefix="/admin/tenants", dependencies=[Depends(self.admin)], include_in_schema=False)
        hidden.post("")(self._note)
        hidden.post("/denied")(self._denied)
        app.include_router(hidden)

    async def _note(self, note: TenantNote) -> Response:
        """One entry for the act, one for each identity or key that goes with it."""
        try:
            await self.journal.write(self.journal.admin({"action": ACTION, "by": _BY, "act": note.act, "name": note.name}))
            if note.act != "add":
                for one in [one for one in self.deposits.store if one.tenant == note.name]:
                    await self.deposits.remove(one.name, by=_BY)
            if note.act == "remove":
                for key in [key for key in self.keys.all() if key.tenant == note.name]:
                    await rights.remove(self.keys, self.journal, name=key.name, by=_BY)
        except JournalFull:
            return JSONResponse({"detail": _NO_ROOM}, 503)
        return JSONResponse({"noted": note.act})

    async def _denied(self, refusal: Refusal) -> Response:
        await self.denials.note(refusal.name, refusal.why, refusal.count)
        return JSONResponse({"noted": refusal.why})
