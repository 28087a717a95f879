"""The control API of the sandbox (docs/architecture.md): state, clock, faults, reset. On loopback, with the manifest's key."""
from __future__ import annotations

import asyncio
import hmac
import math
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connectors.wire.serving import HttpService, Service
from mocks.sandbox.console import tell_clock, tell_fault
from mocks.sandbox.faults import InvalidFault
from mocks.sandbox.world import Mock, World, keep_clock

KEY_HEADER = "X-Socle-Control-Key"
_MAX_BODY = 64 * 1024
_MAX_JUMP_S = 10 * 366 * 86400.0

Handler = Callable[[Request], Awaitable[Response]]


class Refused(Exception):
    """The request cannot be done; ``text`` is French and says what to do."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class Control:
    """One per process of mocks. ``mocks`` are those that run in it, by name."""

    def __init__(self, world: World, mocks: Mapping[str, Mock]) -> None:
        self._world = world
        self._mocks = mocks
        self._jumping = asyncio.Lock()
        routes = [
            Route("/state", self._guarded(self._overview), methods=["GET"]),
            Route("/state/{mock}", self._guarded(self._state), methods=["GET"]),
            Route("/clock", self._guarded(self._clock), methods=["GET"]),
            Route("/clock", self._guarded(self._jump), methods=["POST"]),
            Route("/faults", self._guarded(self._faults), methods=["GET"]),
            Route("/faults", self._guarded(self._arm), methods=["POST"]),
            Route("/faults", self._guarded(self._disarm), methods=["DELETE"]),
            Route("/psc/redirects", self._guarded(self._redirect), methods=["POST"]),
            Route("/reset", self._guarded(self._reset), methods=["POST"]),
        ]
        self.app = Starlette(routes=routes)

    def services(self) -> list[Service]:
        return [HttpService("mock-control", self.app)]

    def _guarded(self, handler: Handler) -> Handler:
        """Key first; a refusal becomes its answer."""

        async def guarded(request: Request) -> Response:
            given = request.headers.get(KEY_HEADER, "").encode("utf-8", "surrogateescape")
            if not hmac.compare_digest(given, self._world.manifest["control_key"].encode()):
                return _answer({"detail": f"Clé de contrôle absente ou fausse : donnez {KEY_HEADER} (voir le manifeste)."}, 401)
            try:
                return await handler(request)
            except Refused as refusal:
                return _answer({"detail": refusal.text}, refusal.status)

        return guarded

    async def _overview(self, _request: Request) -> Response:
        return _answer({"mocks": sorted(self._mocks), **self._world.trace.counts()})

    async def _state(self, request: Request) -> Response:
        name = request.path_params["mock"]
        if name not in self._mocks:
            raise Refused(404, f"Aucun service simulé « {name} » ici. Services : {', '.join(sorted(self._mocks)) or 'aucun'}.")
        return _answer({"mock": name, "state": self._mocks[name].state()})

    async def _clock(self, _request: Request) -> Response:
        return _answer(self._time())

    async def _jump(self, request: Request) -> Response:
        """The gateway moves first: it alone knows whether a call is in flight."""
        wanted = await _object(request, {"advance_s", "alone"})
        advance_s, alone = wanted.get("advance_s"), wanted.get("alone", False)
        if isinstance(advance_s, bool) or not isinstance(advance_s, int | float) or not _is_jump(advance_s):
            raise Refused(422, "« advance_s » est un nombre de secondes, plus grand que 0 et d'au plus dix ans.")
        if not isinstance(alone, bool):
            raise Refused(422, "« alone » vaut true ou false.")
        async with self._jumping:
            clock = self._world.clock
            offset, version = clock.offset + timedelta(seconds=advance_s), clock.version + 1
            await self._tell(offset, version, alone=alone)
            keep_clock(self._world.data, offset, version)
            clock.jump(offset, version)
        return _answer(self._time())

    async def _tell(self, offset: timedelta, version: int, *, alone: bool) -> None:
        told = await tell_clock(
            self._world.ports.get("console"), self._world.manifest["admin_key"],
            offset_s=offset.total_seconds(), version=version,
        )  # fmt: skip
        if told.result == "busy":
            raise Refused(409, told.text or "La passerelle traite des appels : l'horloge ne bouge pas. Réessayez.")
        if told.result == "absent" and not alone:
            raise Refused(503, "La passerelle ne répond pas : démarrez-la, ou demandez « alone » pour avancer sans elle.")
        if told.result == "unclear":
            raise Refused(502, f"La passerelle n'a pas confirmé le saut ({told.text}) : l'horloge des simulateurs n'a pas bougé.")

    async def _faults(self, _request: Request) -> Response:
        return _answer({"faults": self._world.faults.to_json()})

    async def _arm(self, request: Request) -> Response:
        try:
            fault = self._world.faults.arm_json(await _json(request))
        except InvalidFault as refusal:
            raise Refused(422, str(refusal)) from refusal
        await self._tell_faults([fault.to_json()], armed=True)
        return _answer(fault.to_json(), 201)

    async def _disarm(self, request: Request) -> Response:
        """All of them, or the one named by ``?id=``."""
        before = self._world.faults.to_json()
        self._world.faults.disarm(request.query_params.get("id"))
        left = {fault["id"] for fault in self._world.faults.to_json()}
        await self._tell_faults([fault for fault in before if fault["id"] not in left], armed=False)
        return _answer({"faults": self._world.faults.to_json()})

    async def _tell_faults(self, faults: list[dict[str, Any]], *, armed: bool) -> None:
        """The journal of a gateway that runs says which faults may have touched its calls; without one, nobody is lied to."""
        for fault in faults:
            await tell_fault(self._world.ports.get("console"), self._world.manifest["admin_key"], fault, armed=armed)

    async def _redirect(self, request: Request) -> Response:
        """Declare a redirect URI of a Pro Santé Connect client; compared to the letter afterwards."""
        wanted = await _object(request, {"client_id", "uri"})
        client_id, uri = wanted.get("client_id"), wanted.get("uri")
        if not isinstance(client_id, str) or not isinstance(uri, str):
            raise Refused(422, "« client_id » et « uri » sont attendus, en texte.")
        try:
            self._world.register_redirect(client_id, uri)
        except ValueError as refusal:
            raise Refused(422, str(refusal)) from refusal
        return _answer({"client_id": client_id, "uri": uri}, 201)

    async def _reset(self, _request: Request) -> Response:
        """Mocks, faults and trace as on the first day; business time stays, it never goes back."""
        for mock in self._mocks.values():
            mock.reset()
        self._world.faults.disarm()
        self._world.trace.reset()
        return _answer({"reset": sorted(self._mocks)})

    def _time(self) -> dict[str, Any]:
        clock = self._world.clock
        return {
            "offset_s": clock.offset.total_seconds(), "version": clock.version,
            "business": clock.business().isoformat(timespec="milliseconds"),
        }  # fmt: skip


def _is_jump(seconds: float) -> bool:
    return math.isfinite(seconds) and 0 < seconds <= _MAX_JUMP_S


async def _json(request: Request) -> Any:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY:
            raise Refused(413, "Requête trop longue.")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refused(400, "Requête illisible : du JSON est attendu.") from error


async def _object(request: Request, known: set[str]) -> dict[str, Any]:
    wanted = await _json(request)
    if not isinstance(wanted, dict):
        raise Refused(400, "Requête illisible : un objet JSON est attendu.")
    unknown = sorted(set(wanted) - known)
    if unknown:
        raise Refused(422, f"Champ inconnu « {unknown[0]} ».")
    return wanted


def _answer(content: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, {"X-Socle-Mock": "control"}, "application/json")
