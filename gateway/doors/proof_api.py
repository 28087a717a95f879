"""The notary's acts, through the console of the gateway that holds the journal: sign now, sign with a new key."""
from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Literal

from fastapi import Depends, FastAPI
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel

from gateway.journal.authors import Author
from gateway.journal.journal import Journal
from gateway.journal.proof import acts
from gateway.journal.proof.notary import Notary
from gateway.journal.record import JournalError

_NOT_SIGNED = "Le point de contrôle n'a pas pu être écrit : vérifiez la place et les droits du dossier registry/."


class Signature(BaseModel):
    """Why a snapshot is wanted now."""

    why: Literal["export", "witness"]


class Rotation(BaseModel):
    by: Author


class ProofApi:
    """``check`` refuses whoever has not the admin key."""

    def __init__(self, journal: Journal, notary: Callable[[], Notary | None], check: Callable[..., Any]) -> None:
        self._journal, self._notary, self._check = journal, notary, check

    def mount(self, app: FastAPI) -> None:
        app.post("/admin/proof/snapshot", dependencies=[Depends(self._check)])(self._snapshot)
        app.post("/admin/proof/rotation", dependencies=[Depends(self._check)])(self._rotation)

    async def _snapshot(self, asked: Signature) -> Response:
        """A snapshot that covers every entry written so far."""
        try:
            made = await asyncio.to_thread(self._present().up_to_date, asked.why)
        except (OSError, JournalError):
            return JSONResponse({"detail": _NOT_SIGNED}, 503)
        return JSONResponse({"size": made.size, "root": made.root})

    async def _rotation(self, asked: Rotation) -> Response:
        """A new signing key, named by the old one; the act is an entry."""
        try:
            return JSONResponse(await acts.rotate(self._journal, self._present(), asked.by))
        except (OSError, JournalError):
            return JSONResponse({"detail": _NOT_SIGNED}, 503)

    def _present(self) -> Notary:
        """Of the gateway that leads."""
        notary = self._notary()
        if notary is None:
            raise JournalError("another gateway leads")
        return notary
