"""Three times (design §7): real, business, protocol.

Real time serves TLS, revocation, ``recorded_at``, checkpoints and retention. Business time is real time plus the
sandbox's offset, which only jumps forward; it dates events and submissions. Protocol time (tokens, assertions) is
real unless the client says that it follows business time.
"""
from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Where time comes from. ``version`` grows by one at each jump of business time; 0 means none happened."""

    @property
    def version(self) -> int: ...

    def real(self) -> datetime:
        """Now, UTC, timezone-aware."""
        ...

    def business(self) -> datetime:
        """Real time plus the sandbox's offset, UTC, timezone-aware."""
        ...


class ClockGoesBack(ValueError):
    """Business time only jumps forward (design §7)."""


class SystemClock:
    """Business time is real time plus an offset that starts at zero and only grows."""

    def __init__(self, offset: timedelta = timedelta(), version: int = 0) -> None:
        self._offset = offset
        self._version = version

    @property
    def version(self) -> int:
        return self._version

    @property
    def offset(self) -> timedelta:
        return self._offset

    def real(self) -> datetime:
        return datetime.now(UTC)

    def business(self) -> datetime:
        return self.real() + self._offset

    def jump(self, offset: timedelta, version: int) -> None:
        """Adopt a new offset; raises ClockGoesBack when it is smaller than the present one."""
        if offset < self._offset:
            raise ClockGoesBack(f"offset {offset} is before {self._offset}")
        self._offset, self._version = offset, version
