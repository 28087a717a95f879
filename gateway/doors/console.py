"""The loopback listener of the gateway itself: health, readiness, metrics, and the clock's admin call."""
from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from fastapi import Depends, FastAPI, Header, HTTPException
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from pydantic import BaseModel, Field

from connectors.wire.clock import ClockGoesBack, SystemClock
from gateway.journal.journal import Journal
from gateway.journal.record import Record

CLOCK_ACTION = "clock"  # of the admin entry from which a restarted gateway takes its business time
_PROBE_TIMEOUT_S = 1.0
_QUIET_TRIES, _QUIET_PAUSE_S = 100, 0.05


class ClockJump(BaseModel):
    """The sandbox's new offset, in seconds, and its version."""

    offset_s: float
    version: int


class FaultNote(BaseModel):
    """A fault that the sandbox armed or disarmed: codes only, nothing that a client chose."""

    id: str = Field(pattern=r"^[A-Za-z0-9-]{1,64}$")
    operation: str = Field(pattern=r"^[A-Z]{3}\.[A-Z0-9_.]{1,40}$")
    kind: str = Field(pattern=r"^[a-z_]{1,32}$")
    armed: bool


@dataclass(slots=True)
class Console:
    """What the console needs from the gateway.

    upstreams  name → (host, port) of each service behind a door, probed by /readyz
    busy       how many calls are in flight right now
    """

    journal: Journal
    clock: SystemClock
    environment: str
    admin_key: str
    upstreams: dict[str, tuple[str, int]]
    busy: Callable[[], int]
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def app(self) -> FastAPI:
        app = FastAPI(
            title="Socle", docs_url=None, redoc_url=None, openapi_url=None,
            telemetry={"logs": False, "operation_spans": False},
        )  # fmt: skip
        app.get("/healthz")(self._healthz)
        app.get("/readyz")(self._readyz)
        app.get("/metrics")(self._metrics)
        app.post("/admin/clock", dependencies=[Depends(self._admin)])(self._clock)
        app.post("/admin/fault", dependencies=[Depends(self._admin)])(self._fault)
        return app

    async def _healthz(self) -> Response:
        return PlainTextResponse("ok\n")

    async def _readyz(self) -> Response:
        """200 when a call could be served now; else 503 with the reasons, in French."""
        reasons = [] if not self.journal.full else ["le journal n'a plus de place"]
        probes = [_reachable(host, port) for host, port in self.upstreams.values()]
        for name, reachable in zip(self.upstreams, await asyncio.gather(*probes), strict=True):
            if not reachable:
                reasons.append(f"le service « {name} » n'est pas joignable")
        return JSONResponse({"ready": not reasons, "reasons": reasons}, 200 if not reasons else 503)

    async def _metrics(self) -> Response:
        return Response(generate_latest(self.registry), media_type=CONTENT_TYPE_LATEST)

    async def _clock(self, jump: ClockJump) -> Response:
        """Move business time forward once no call is in flight, else 409; the jump is an admin entry (design §7)."""
        if not await self._quiet():
            return JSONResponse({"detail": "Des appels sont en cours : l'horloge ne bouge pas. Réessayez."}, 409)
        try:
            self.clock.jump(timedelta(seconds=jump.offset_s), jump.version)
        except ClockGoesBack:
            return JSONResponse({"detail": "L'horloge du bac à sable ne recule pas."}, 409)
        await self._note({"action": CLOCK_ACTION, "offset_us": round(jump.offset_s * 1e6)})
        return JSONResponse({"offset_s": jump.offset_s, "version": jump.version})

    async def _fault(self, fault: FaultNote) -> Response:
        """Note that a fault is armed or disarmed: what it touches can then be told from what a DUI did."""
        said = {"fault": fault.id, "operation": fault.operation, "kind": fault.kind, "armed": fault.armed}
        await self._note({"action": "fault", **said})
        return JSONResponse({"noted": fault.id})

    async def _quiet(self) -> bool:
        """Wait a little for the calls in flight to end; True when none is left."""
        for _ in range(_QUIET_TRIES):
            if not self.busy():
                return True
            await asyncio.sleep(_QUIET_PAUSE_S)
        return not self.busy()

    async def _note(self, detail: dict[str, Any]) -> None:
        note = Record(None, kind="admin", environment=self.environment, tenant="passerelle")
        note.clock_version, note.event_time = self.clock.version, self.clock.business()
        note.detail = {"by": "bac_a_sable", **detail}
        await self.journal.write(note)

    def _admin(self, x_socle_admin_key: str = Header("")) -> None:
        if not hmac.compare_digest(x_socle_admin_key.encode(), self.admin_key.encode()):
            raise HTTPException(403, "Clé d'administration absente ou fausse.")


def _reachable(host: str, port: int) -> Awaitable[bool]:
    async def probe() -> bool:
        try:
            async with asyncio.timeout(_PROBE_TIMEOUT_S):
                _, writer = await asyncio.open_connection(host, port)
        except (OSError, TimeoutError):
            return False
        writer.close()
        return True

    return probe()
