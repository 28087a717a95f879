"""The journal's statements as PostgreSQL numbers their parameters: ``?`` and ``:name`` become ``$1``, ``$2`` …"""
from __future__ import annotations

import re
from functools import lru_cache

_TOKENS = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|--[^\n]*|::|(?P<place>\?)|:(?P<name>[a-z_]\w*)")


@lru_cache(maxsize=2_000)
def numbered(sql: str) -> tuple[str, tuple[str, ...] | None]:
    """The statement, and the names of its parameters in their order; None when they are given by their places.

    A name used twice is one parameter. What stands in quotes or in a comment is left alone.
    """
    names: list[str] = []
    places = 0

    def number(found: re.Match[str]) -> str:
        nonlocal places
        if found["place"]:
            places += 1
            return f"${places}"
        name = found["name"]
        if name is None:
            return found[0]
        if name not in names:
            names.append(name)
        return f"${names.index(name) + 1}"

    text = _TOKENS.sub(number, sql)
    if names and places:
        raise ValueError("parameters by name and by place in one statement")
    return text, tuple(names) if names else None
