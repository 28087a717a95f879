"""The CRL listener: revocation lists and authorities over plain HTTP, at the paths that certificates name."""
from __future__ import annotations

from collections.abc import Callable

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connectors.wire.serving import HttpService, Service
from mocks.sandbox.authority import CRL_PATH, ISSUER_PATH, ROOT_CRL_PATH, ROOT_PATH
from mocks.sandbox.world import World

_END = b"-----END X509 CRL-----\n"
_LIST, _CERTIFICATE = "application/pkix-crl", "application/pkix-cert"


class Publication:
    """Serves what the sandbox's PKI wrote, in DER, read at each request: a new list is published at once."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._published: dict[str, tuple[str, Callable[[], bytes]]] = {
            CRL_PATH: (_LIST, lambda: self._list(0)),
            ROOT_CRL_PATH: (_LIST, lambda: self._list(1)),
            ISSUER_PATH: (_CERTIFICATE, lambda: self._certificate("issuing")),
            ROOT_PATH: (_CERTIFICATE, lambda: self._certificate("root")),
        }
        self.app = Starlette(routes=[Route(path, self._serve) for path in self._published])

    def services(self) -> list[Service]:
        return [HttpService("mock-crl", self.app)]

    async def _serve(self, request: Request) -> Response:
        media_type, read = self._published[request.url.path]
        return Response(read(), media_type=media_type, headers={"X-Socle-Mock": "crl"})

    def _list(self, index: int) -> bytes:
        pem = self._world.path(self._world.pki["crl"]).read_bytes().split(_END)[index] + _END
        return x509.load_pem_x509_crl(pem).public_bytes(Encoding.DER)

    def _certificate(self, name: str) -> bytes:
        return x509.load_pem_x509_certificate(self._world.path(self._world.pki[name]).read_bytes()).public_bytes(Encoding.DER)
