"""What the mock of the Annuaire remembers between two requests: pages to come, calls of the last second. Bounded."""
from __future__ import annotations

import uuid
from collections import OrderedDict, deque
from dataclasses import dataclass

from mocks.annuaire.behaviour import Search

CURSOR_S = 600
_MAX_CURSORS = 5_000


@dataclass(frozen=True, slots=True)
class Cursor:
    search: Search
    offset: int
    expires: float


class State:
    """Times are epoch seconds, given by the caller."""

    def __init__(self) -> None:
        self._cursors: OrderedDict[str, Cursor] = OrderedDict()
        self._calls: dict[str, deque[float]] = {}

    def open_page(self, search: Search, offset: int, now: float) -> str:
        """An opaque name for the page that starts at ``offset``."""
        name = uuid.uuid4().hex
        self._cursors[name] = Cursor(search, offset, now + CURSOR_S)
        if len(self._cursors) > _MAX_CURSORS:
            self._cursors.popitem(last=False)
        return name

    def page(self, name: str, now: float) -> Cursor | None:
        cursor = self._cursors.get(name)
        return cursor if cursor is not None and now < cursor.expires else None

    def within_quota(self, key: str, per_second: int, now: float) -> bool:
        """Count a call of this key unless its quota of the last second is used up. Keys are the registered ones only."""
        calls = self._calls.setdefault(key, deque())
        while calls and calls[0] <= now - 1:
            calls.popleft()
        if len(calls) >= per_second:
            return False
        calls.append(now)
        return True

    def reset(self) -> None:
        self._cursors.clear()
        self._calls.clear()

    def __len__(self) -> int:
        return len(self._cursors)
