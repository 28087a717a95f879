"""Header fields as they travel, in order; for whoever reads a message without speaking HTTP."""
from __future__ import annotations

from collections.abc import Iterable

Headers = list[tuple[bytes, bytes]]


def first_header(headers: Iterable[tuple[bytes, bytes]], name: str) -> str | None:
    """The first header of this name, decoded as latin-1, or None."""
    wanted = name.lower().encode("ascii")
    for key, value in headers:  # a loop: half of what a generator costs, several times a call
        if key.lower() == wanted:
            return value.decode("latin-1")
    return None
