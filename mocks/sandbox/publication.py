"""The listener of the authorities, plain HTTP: lists, authorities and OCSP at the paths that certificates name."""
from __future__ import annotations

import asyncio
import base64
import binascii
import logging
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import unquote_to_bytes

from cryptography.hazmat.primitives.serialization import Encoding
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connectors.wire.serving import HttpService, Service
from connectors.wire.tls import Stamp, stamp
from mocks.sandbox import ocsp
from mocks.sandbox.authority import now
from mocks.sandbox.lists import read_lists
from mocks.sandbox.marking import Send, marked
from mocks.sandbox.office import Office
from mocks.sandbox.papers import read_cert
from mocks.sandbox.profiles import OCSP_PATH, Branch
from mocks.sandbox.published import BRANCHES, LISTS, exists
from mocks.sandbox.world import World

_LIST, _CERTIFICATE, _OCSP = "application/pkix-crl", "application/pkix-cert", "application/ocsp-response"
_OCSP_REQUEST = "application/ocsp-request"
_HOURLY_S = 3600.0

log = logging.getLogger(__name__)


class Publication:
    """Serves what the sandbox's PKI wrote, in DER, read at each request: a new list is published at once."""

    def __init__(self, world: World) -> None:
        self._folder = world.path("pki")
        self._office = Office(world.path("."))
        self._responders: list[ocsp.Responder] = []
        self._as_of: Stamp | None = None
        self._published: dict[str, tuple[str, Callable[[], bytes | None]]] = {}
        for branch in BRANCHES:
            self._published[branch.issuer_path] = (_CERTIFICATE, partial(self._certificate, branch))
        for file, branches in LISTS.items():
            for index, branch in enumerate(branches):
                self._published[branch.crl_path] = (_LIST, partial(self._list, file, index))
        paths = [Route(path, self._serve, methods=["GET"]) for path in self._published]
        posted, asked = Route(OCSP_PATH, self._posted, methods=["POST"]), Route(OCSP_PATH + "/{asked:path}", self._asked)
        self.app = Starlette(routes=[*paths, posted, asked])

    def services(self) -> list[Service]:
        return [HttpService("mock-crl", self._marked)]

    async def _marked(self, scope: dict[str, Any], receive: Any, send: Send) -> None:
        await self.app(scope, receive, marked(send, "pki"))  # type: ignore[arg-type]

    async def keep_fresh(self, every_s: float = _HOURLY_S) -> None:
        """Until cancelled: a list is published again well before it ends."""
        while True:
            try:
                await asyncio.to_thread(self._office.freshen)
            except OSError as error:  # no room: the list that is there still holds, and the next hour may do better
                log.error("lists_not_published", extra={"error": type(error).__name__})
            await asyncio.sleep(every_s)

    async def _serve(self, request: Request) -> Response:
        media_type, read = self._published[request.url.path]
        found = read()
        return _answer(b"", "text/plain", 404) if found is None else _answer(found, media_type)

    async def _posted(self, request: Request) -> Response:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk[: ocsp.MAX_REQUEST + 1 - len(body)]
        asked = request.headers.get("content-type", "").partition(";")[0].strip().lower() == _OCSP_REQUEST
        return self._answered(bytes(body) if asked else b"")

    async def _asked(self, request: Request) -> Response:
        """The request in base64, in the path (RFC 6960 appendix A.1.1): percent-encoded or not."""
        path: bytes = request.scope["raw_path"]
        try:
            asked = base64.b64decode(unquote_to_bytes(path.removeprefix(OCSP_PATH.encode() + b"/")), validate=True)
        except binascii.Error:
            asked = b""
        return self._answered(asked)

    def _answered(self, asked: bytes) -> Response:
        as_of = stamp(self._office.register_file)
        if as_of != self._as_of:
            self._responders, self._as_of = self._office.responders(), as_of
        return _answer(ocsp.answer(asked, self._responders, now()), _OCSP)

    def _list(self, file: str, index: int) -> bytes | None:
        path = self._folder / file
        lists = read_lists(path.read_bytes()) if path.exists() else []
        return lists[index].public_bytes(Encoding.DER) if index < len(lists) else None

    def _certificate(self, branch: Branch) -> bytes | None:
        known = exists(self._folder, branch)
        return read_cert(self._folder / f"{branch.stem}.pem").public_bytes(Encoding.DER) if known else None


def _answer(content: bytes, media_type: str, status: int = 200) -> Response:
    """Never kept by a cache: a revocation is to be seen at once."""
    headers = {"X-Socle-Mock": "crl", "Cache-Control": "no-store"}
    return Response(content, status, headers, media_type)
