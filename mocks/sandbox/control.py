"""The control API of the sandbox (docs/architecture.md, docs/bac-a-sable.md): its parts, put together.

A part is a module ``mocks/sandbox/<part>_api.py`` with ``router(world, mocks) -> APIRouter``, named once in ``_PARTS``:

- the key, the length of a body, the form of errors and ``X-Socle-Mock`` are the frame's (mocks/sandbox/frame.py): a part
  does nothing for them; a body longer than ``MAX_BODY`` is allowed by path in ``_LARGE``;
- what is asked is a ``mocks.sandbox.api.Asked`` (unknown fields and loose types are refused), what is answered a ``Told``;
  each field has a French ``description`` and, where it helps, ``examples``; the docstring of a route is its French summary;
- a refusal is ``raise Refused(status, "phrase")``; each route says which it may make: ``responses=refusals(404)``, or
  ``with_body(409)`` when it reads a body;
- routes are ``async def``: the state of the mocks is not made for threads. Work that lasts goes to ``asyncio.to_thread``.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping

from fastapi import APIRouter, FastAPI

from connectors.wire.serving import HttpService, Service
from mocks.sandbox import (
    clients_api,
    clock_api,
    documents_api,
    faults_api,
    messages_api,
    people_api,
    pki_api,
    requests_api,
    reset_api,
    sessions_api,
    state_api,
    tenants_api,
)
from mocks.sandbox.frame import DOCUMENT, KEY_HEADER, Guard, described, framed
from mocks.sandbox.world import Mock, World

__all__ = ["KEY_HEADER", "Control"]

Part = Callable[[World, Mapping[str, Mock]], APIRouter]

_PARTS: tuple[Part, ...] = (
    state_api.router, requests_api.router, messages_api.router, documents_api.router, sessions_api.router,
    clock_api.router, faults_api.router, clients_api.router, people_api.router, pki_api.router, reset_api.router,
    tenants_api.router,
)  # fmt: skip

#: Bytes that the body of a path may have, where the frame's limit is not enough.
_LARGE: dict[str, int] = {
    "/datasets": 4 * 1024 * 1024, "/people": people_api.MAX_BODY, faults_api.INJECTIONS: faults_api.MAX_INJECTION_BODY,
}  # fmt: skip

_DESCRIPTION = (
    "Pilote le bac à sable de Socle : état, horloge, pannes, remise à zéro. Sur la boucle locale, avec sa propre clé. "
    "Guide : docs/bac-a-sable.md."
)


class Control:
    """One per process of mocks. ``mocks`` are those that run in it, by name."""

    def __init__(self, world: World, mocks: Mapping[str, Mock]) -> None:
        self.app = Guard(application(world, mocks), world, _LARGE)

    def services(self) -> list[Service]:
        return [HttpService("mock-control", self.app)]


def application(world: World, mocks: Mapping[str, Mock]) -> FastAPI:
    """The parts in their frame, without the guard."""
    app = FastAPI(
        title="Bac à sable Socle : contrôle", version="1", description=_DESCRIPTION,
        openapi_url=DOCUMENT, docs_url=None, redoc_url=None, redirect_slashes=False, strict_content_type=False,
    )  # fmt: skip
    for part in _PARTS:
        app.include_router(part(world, mocks))
    framed(app, world)
    app.openapi = lambda: described(app)  # type: ignore[method-assign]
    return app
