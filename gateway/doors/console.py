"""The loopback listener of the gateway itself: health, readiness, metrics, and the clock's admin call."""
from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

from fastapi import FastAPI, Header, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from pydantic import BaseModel

from connectors.wire.clock import ClockGoesBack, SystemClock
from gateway.journal.journal import Journal
from gateway.journal.record import Record

_PROBE_TIMEOUT_S = 1.0


class ClockJump(BaseModel):
    """The sandbox's new offset, in seconds, and its version."""

    offset_s: float
    version: int


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
        app.post("/admin/clock")(self._clock)
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

    async def _clock(self, jump: ClockJump, request: Request, x_socle_admin_key: str = Header("")) -> Response:
        """Move business time forward. 409 while a call is in flight; the jump is an admin entry (design §7)."""
        if not hmac.compare_digest(x_socle_admin_key.encode(), self.admin_key.encode()):
            return JSONResponse({"detail": "Clé d'administration absente ou fausse."}, 403)
        if self.busy():
            return JSONResponse({"detail": "Des appels sont en cours : l'horloge ne bouge pas. Réessayez."}, 409)
        try:
            self.clock.jump(timedelta(seconds=jump.offset_s), jump.version)
        except ClockGoesBack:
            return JSONResponse({"detail": "L'horloge du bac à sable ne recule pas."}, 409)
        await self.journal.write(
            Record(
                None, kind="admin", environment=self.environment, clock_version=jump.version, event_time=self.clock.business(),
                tenant="passerelle", detail={"action": "clock", "by": "sandbox", "offset_us": round(jump.offset_s * 1e6)},
            )  # fmt: skip
        )
        return JSONResponse({"offset_s": jump.offset_s, "version": jump.version})


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
