"""What a network fault does to the bytes of an answer, whatever the protocol: HTTP, SMTP, IMAP. It sees a pipe, no socket.

What each kind stands for: docs/pannes.md. The service has acted before its answer meets any of these.
"""
from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Protocol

from mocks.sandbox.faults import Fault

Sleep = Callable[[float], Awaitable[object]]

#: Kinds after which bytes go out otherwise than the protocol's own server would send them.
ON_THE_PIPE = frozenset({"bandwidth", "dribble", "reset", "empty", "garbage", "half_close", "slow_close"})

_TICK_S = 0.1  # of a narrow line
_DRIBBLED = 16_384  # bytes that come one by one; what follows comes whole, an attachment would take the day
_LEAVES_S = 120.0  # how long a half-closed connection waits for its peer
_GARBAGE_BYTES = 64


class Pipe(Protocol):
    """One connection, seen from the side that answers."""

    async def write(self, data: bytes) -> None: ...

    def finish(self) -> None:
        """End what is sent (FIN); the other direction stays open."""

    def reset(self) -> None:
        """Drop the connection at once (RST)."""

    async def gone(self) -> None:
        """Return when the peer has left."""


async def play(fault: Fault, answer: bytes, pipe: Pipe, sleep: Sleep = asyncio.sleep) -> bool:
    """Send ``answer`` as the fault wants it. False: the connection is over, and its owner closes it."""
    match fault.kind:
        case "reset":
            pipe.reset()
        case "empty":
            pass
        case "garbage":
            await pipe.write(garbage(fault.id))
        case "half_close":
            await pipe.write(answer[: len(answer) // 2])
            pipe.finish()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LEAVES_S):
                    await pipe.gone()
        case "slow_close":
            await pipe.write(answer)
            await sleep(fault.delay_s)
        case "bandwidth":
            await _narrow(answer, fault.bytes_per_s or 1, pipe, sleep)
            return True
        case "dribble":
            for at in range(min(len(answer), _DRIBBLED)):
                await pipe.write(answer[at : at + 1])
                await sleep(fault.delay_s)
            if answer[_DRIBBLED:]:
                await pipe.write(answer[_DRIBBLED:])
            return True
        case _:
            await sleep(fault.delay_s)
            await pipe.write(answer)
            return True
    return False


def garbage(seed: str) -> bytes:
    """Bytes that no protocol here begins with, the same for the same seed; a line of them, so that its reader sees its end."""
    drawn = random.Random(seed).randbytes(_GARBAGE_BYTES)
    return b"\x16\x00" + drawn.translate(None, b"\r\n") + b"\r\n"


async def _narrow(answer: bytes, bytes_per_s: int, pipe: Pipe, sleep: Sleep) -> None:
    slice_bytes = max(1, int(bytes_per_s * _TICK_S))
    for at in range(0, len(answer), slice_bytes):
        await pipe.write(answer[at : at + slice_bytes])
        await sleep(len(answer[at : at + slice_bytes]) / bytes_per_s)


# --- what a pipe over asyncio does -----------------------------------------------------------------------------------------


def end_sending(transport: asyncio.BaseTransport) -> None:
    """FIN without a word of TLS: what a peer sees of a service whose half of the connection is cut."""
    sock: socket.socket | None = transport.get_extra_info("socket")
    if sock is not None:
        sock.shutdown(socket.SHUT_WR)


def drop(transport: asyncio.WriteTransport) -> None:
    """RST: nothing that was still to be sent goes out."""
    sock: socket.socket | None = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
