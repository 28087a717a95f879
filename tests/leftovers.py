"""HTTP sessions that a test leaves open: it fails for them itself, where the collector would fail a later one."""
from __future__ import annotations

import os
import weakref

import aiohttp

_opened: weakref.WeakKeyDictionary[aiohttp.ClientSession, str] = weakref.WeakKeyDictionary()
_open = aiohttp.ClientSession.__init__


def watch() -> None:
    """Remember from now on which test opens a session."""

    def opened(self: aiohttp.ClientSession, *given: object, **named: object) -> None:
        _open(self, *given, **named)  # type: ignore[arg-type]
        _opened[self] = os.environ.get("PYTEST_CURRENT_TEST", "?")

    aiohttp.ClientSession.__init__ = opened  # type: ignore[method-assign]


def check() -> None:
    """Raises AssertionError for a session that nobody can close any more, as its loop is over."""
    left = []
    for session, name in list(_opened.items()):
        connector = session.connector
        if connector is not None and not connector.closed and connector._loop.is_closed():
            connector._close()  # told once
            left.append(name)
    assert not left, f"HTTP sessions left open, opened in {', '.join(left)}"
