"""Which own door answers at a path. A segment written ``{name}`` is whatever the client puts there: a member of the request."""
from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import TypeVar
from urllib.parse import unquote

D = TypeVar("D")

_SEGMENT = re.compile(r"\{([a-z_]+)\}")


def find(doors: Mapping[str, D], path: str) -> tuple[D | None, dict[str, str]]:
    """The door of a path, with what its segments name. None when there is no door."""
    for template, door in doors.items():
        found = _pattern(template).fullmatch(path)
        if found is not None:
            return door, {name: unquote(value) for name, value in found.groupdict().items()}
    return None, {}


def names_in(template: str) -> list[str]:
    return _SEGMENT.findall(template)


@cache
def _pattern(template: str) -> re.Pattern[str]:
    pieces = re.split(r"(\{[a-z_]+\})", template)
    return re.compile("".join(f"(?P<{one[1:-1]}>[^/]+)" if one.startswith("{") else re.escape(one) for one in pieces))
