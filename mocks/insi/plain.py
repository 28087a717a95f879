"""``python -m mocks.insi.plain``: the INSi mock without TLS, to measure what TLS costs beside it (docs/performance.md).

Every request comes as the first structure of the sandbox, as if something in front had ended its TLS. Never part of ``serve``.
"""
from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Any

import orjson
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from connectors.wire.serving import HttpService, Running, until_stopped
from mocks.insi.app import InsiMock
from mocks.sandbox.web import Receive, Scope, Send
from mocks.sandbox.world import World

_LISTENER = "mock-insi"


def plain(world: World) -> HttpService:
    """The mock's application, given the certificate that nobody showed."""
    mock = InsiMock(world)
    shown = x509.load_pem_x509_certificate(world.path(world.manifest["structures"][0]["auth_cli"]["cert"]).read_bytes())
    tls: dict[str, Any] = {"client_cert_der": shown.public_bytes(Encoding.DER)}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["extensions"]["tls"] = tls
        await mock.app(scope, receive, send)

    return HttpService(_LISTENER, app)


async def serve(data: Path) -> None:
    """Until SIGTERM or SIGINT. Prints its address on one line, as the other processes do."""
    world = World.load(data, ports={_LISTENER: 0})
    running = await Running.start([plain(world)])
    try:
        stopped = asyncio.create_task(until_stopped())
        await asyncio.sleep(0)
        url = running.urls[_LISTENER].replace("https://localhost", "http://127.0.0.1")
        for line in ({"ready": _LISTENER, "url": url}, {"pret": True}):
            sys.stdout.write(orjson.dumps(line).decode() + "\n")
        sys.stdout.flush()
        await stopped
    finally:
        await running.stop()
        world.trace.close()


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--data", type=Path, required=True)
    asyncio.run(serve(options.parse_args().data))
