"""Work of another thread on what its caller will close."""
from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def in_thread(work: Callable[..., T], *arguments: object) -> T:
    """``work(*arguments)`` in a thread. A caller that is cancelled waits for the thread first: SQLite refuses to close a
    connection that another thread is using, and that error would take the place of the cancellation."""
    working = asyncio.ensure_future(asyncio.to_thread(work, *arguments))
    try:
        return await asyncio.shield(working)
    finally:
        await asyncio.wait({working})
