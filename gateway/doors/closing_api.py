"""Closing usage windows through the console of the gateway that holds the journal (`socle usage close`)."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import apsw
from fastapi import Depends, FastAPI
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from connectors.wire.clock import Clock
from gateway.grappes.reading import RegistryError
from gateway.journal.authors import Author
from gateway.journal.journal import Journal
from gateway.journal.record import JournalError
from gateway.usage.closing import Closer
from gateway.usage.rates import NotReproduced


class Wanted(BaseModel):
    """Which grappe; all of them without."""

    by: Author
    grappe: str | None = Field(None, pattern=r"^[a-z0-9-]{1,64}$")


class ClosingApi:
    """``check`` refuses whoever has not the admin key."""

    def __init__(self, closer: Closer, journal: Journal, clock: Clock, check: Callable[..., Any]) -> None:
        self._closer, self._journal, self._clock, self._check = closer, journal, clock, check

    def mount(self, app: FastAPI) -> None:
        app.post("/admin/usage/close", dependencies=[Depends(self._check)])(self._close)

    async def _close(self, wanted: Wanted) -> Response:
        try:
            done = await self._closer.close(self._journal, self._clock.business(), by=wanted.by, grappe=wanted.grappe)
        except (RegistryError, NotReproduced) as error:
            return JSONResponse({"detail": str(error)}, 409)
        except (JournalError, apsw.Error) as error:
            return JSONResponse({"detail": f"le journal refuse : {error}"}, 503)
        return JSONResponse({"closed": done})
