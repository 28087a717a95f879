"""Handshakes that an armed ``tls`` fault refuses, with the alert that a peer reads (RFC 8446 §6.2)."""
from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mocks.sandbox.world import World

ALERT = ssl.AlertDescription.ALERT_DESCRIPTION_HANDSHAKE_FAILURE


def refusable(world: World, context: ssl.SSLContext, service: str) -> ssl.SSLContext:
    """A listener's TLS, each of whose handshakes may be touched. ``service``: a prefix of the operation table, ``DMP``.

    A handshake cannot wait for the gateway to be told: it is told meanwhile, and knows by the arming that a word will come.
    """
    told: set[asyncio.Task[Any]] = set()
    before = context.sni_callback

    def hello(connection: Any, name: str, of: ssl.SSLContext) -> ssl.AlertDescription | None:
        fault = world.faults.take(f"{service}.*", step="tls")
        if fault is None:
            return None if before is None else before(connection, name, of)  # type: ignore[return-value]
        task = asyncio.get_running_loop().create_task(world.touched(fault, fault.operation))
        told.add(task)
        task.add_done_callback(told.discard)
        return ALERT

    context.sni_callback = hello
    return context


def refusing(context: ssl.SSLContext) -> ssl.SSLContext:
    """The same, all of whose handshakes are refused: for a protocol that knows before TLS whom it refuses."""
    context.sni_callback = lambda *_: ALERT
    return context
