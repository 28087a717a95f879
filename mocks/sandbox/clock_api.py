"""Business time of the sandbox (design §7): it jumps forward only, and the gateway jumps first."""
from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta

from fastapi import APIRouter
from pydantic import Field

from mocks.sandbox.api import Asked, Refused, Told, refusals, with_body
from mocks.sandbox.console import tell_clock
from mocks.sandbox.world import Mock, World, keep_clock

_MAX_JUMP_S = 10 * 366 * 86400.0


class Time(Told):
    offset_s: float = Field(description="Avance du temps métier sur le temps réel, en secondes.", examples=[86400.0])
    version: int = Field(description="Nombre de sauts faits.", examples=[1])
    business: str = Field(description="Temps métier, RFC 3339.", examples=["2026-03-02T09:30:00.000+00:00"])


class Jump(Asked):
    advance_s: float = Field(gt=0, le=_MAX_JUMP_S, allow_inf_nan=False, description="De combien avancer.", examples=[86400])
    alone: bool = Field(False, description="Avancer même si aucune passerelle ne tourne.")


def router(world: World, _mocks: Mapping[str, Mock]) -> APIRouter:
    routes = APIRouter(tags=["Horloge"])
    jumping = asyncio.Lock()

    @routes.get("/clock", responses=refusals())
    async def clock() -> Time:
        """Le temps métier du bac à sable."""
        return _time(world)

    @routes.post("/clock", responses=with_body(409, 502, 503))
    async def jump(wanted: Jump) -> Time:
        """Avance le temps métier ; la passerelle d'abord, qui seule sait si un appel est en cours."""
        async with jumping:
            moved = world.clock.offset + timedelta(seconds=wanted.advance_s)
            await _tell(world, moved, world.clock.version + 1, alone=wanted.alone)
            keep_clock(world.data, moved, world.clock.version + 1)
            world.clock.jump(moved, world.clock.version + 1)
        return _time(world)

    return routes


async def _tell(world: World, offset: timedelta, version: int, *, alone: bool) -> None:
    told = await tell_clock(
        world.ports.get("console"), world.manifest["admin_key"], offset_s=offset.total_seconds(), version=version
    )
    if told.result == "busy":
        raise Refused(409, told.text or "La passerelle traite des appels : l'horloge ne bouge pas. Réessayez.")
    if told.result == "absent" and not alone:
        raise Refused(503, "La passerelle ne répond pas : démarrez-la, ou demandez « alone » pour avancer sans elle.")
    if told.result == "unclear":
        raise Refused(502, f"La passerelle n'a pas confirmé le saut ({told.text}) : l'horloge des simulateurs n'a pas bougé.")


def _time(world: World) -> Time:
    clock = world.clock
    return Time(
        offset_s=clock.offset.total_seconds(), version=clock.version,
        business=clock.business().isoformat(timespec="milliseconds"),
    )  # fmt: skip
