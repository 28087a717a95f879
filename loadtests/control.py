"""The sandbox's control API, as the demonstration uses it between days: business time, armed faults (architecture)."""
from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import orjson

from connectors.wire.clock import SystemClock
from connectors.wire.http import Client, Headers

_PATIENCE_S = 10.0  # a jump waits for sessions that are still saying goodbye


class ControlRefused(RuntimeError):
    """The control API said no; its answer is in the text."""


class Control:
    """Business time as the sandbox keeps it, mirrored in ``clock`` for the DUI's own dates."""

    def __init__(self, client: Client, base: str, key: str, clock: SystemClock) -> None:
        self._client, self._base, self.clock = client, base, clock
        self._headers: Headers = [(b"x-socle-control-key", key.encode("ascii")), (b"content-type", b"application/json")]

    async def go_to(self, moment: datetime) -> None:
        """Jump forward to a moment of business time; a moment already past is left alone."""
        wait = asyncio.timeout(_PATIENCE_S)
        async with wait:
            while True:
                ahead_s = int((moment - self.clock.business()).total_seconds())
                if ahead_s <= 0:
                    return
                status, value = await self._ask("POST", "/clock", {"advance_s": ahead_s})
                if status == 200:
                    self.clock.jump(timedelta(seconds=value["offset_s"]), value["version"])
                    return
                if status != 409:  # 409: a call is still running
                    raise ControlRefused(f"POST /clock: {status} {value}")
                await asyncio.sleep(0.05)

    async def arm(self, **fault: Any) -> None:
        """Arm one fault: ``operation``, ``kind``, ``value``, ``for_next``, ``delay_s``."""
        status, value = await self._ask("POST", "/faults", fault)
        if status >= 300:
            raise ControlRefused(f"POST /faults: {status} {value}")

    async def disarm(self) -> None:
        """Disarm every fault."""
        status, value = await self._ask("DELETE", "/faults", None)
        if status >= 300:
            raise ControlRefused(f"DELETE /faults: {status} {value}")

    async def _ask(self, method: str, path: str, value: Any) -> tuple[int, Any]:
        body = b"" if value is None else orjson.dumps(value)
        answer = await self._client.send(method, self._base + path, headers=self._headers, body=body)
        return answer.status, orjson.loads(answer.body) if answer.body else None
