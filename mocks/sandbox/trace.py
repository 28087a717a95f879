"""What the mocks received and hold, for the reconciliation of design §9.

Files of JSON lines, each line written whole and at once so that a killed process leaves no half line: ``received.jsonl``,
``held.jsonl``, and ``claimed.jsonl`` for what was received before it could be known whose it is.
"""
from __future__ import annotations

import errno
import hashlib
import os
import weakref
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

import orjson

from connectors.wire.clock import Clock
from mocks.sandbox.kept import read_lines
from mocks.sandbox.whose import whose

_RECEIVED, _HELD, _CLAIMED = FILES = ("received.jsonl", "held.jsonl", "claimed.jsonl")


def hashed(*parts: str) -> str:
    """The name of a unit: SHA-256 hex of its parts. A unit is never written in clear, it may hold a matricule."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


class Trace:
    """Counts by operation id. ``received``: requests that reached a mock; ``held``: distinct side effects it keeps.

    Each is the tenant's whose request is being answered (mocks/sandbox/whose.py), when its credential names one.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._clock = clock
        self._paths = {file: folder / file for file in FILES}
        self._received: Counter[str] = Counter()
        self._own: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._units: dict[str, dict[str, str | None]] = {}
        self._read()
        self._lines = {file: _Lines(path) for file, path in self._paths.items()}

    def received(self, op: str) -> None:
        """One request of this operation was read, whatever becomes of it."""
        self._append(_RECEIVED, {"op": op})
        self._received[op] += 1
        self._credit(op, whose())

    def claimed(self, op: str) -> None:
        """A request that was counted before it was known whose it is turns out to be this tenant's."""
        if whose() is not None:
            self._append(_CLAIMED, {"op": op})
            self._credit(op, whose())

    def held(self, op: str, unit: str) -> bool:
        """One side effect is kept. ``unit`` is its ``hashed`` name; False when it was already held."""
        units = self._units.setdefault(op, {})
        if unit in units:
            return False
        self._append(_HELD, {"op": op, "unit": unit})
        units[unit] = whose()
        return True

    def counts(self, tenant: str | None = None) -> dict[str, dict[str, int]]:
        """``{"received": {op: n}, "held": {op: n}}``, of everybody or of one tenant."""
        if tenant is None:
            return {"received": dict(self._received), "held": {op: len(units) for op, units in self._units.items()}}
        held = {op: sum(owner == tenant for owner in units.values()) for op, units in self._units.items()}
        return {"received": dict(self._own.get(tenant, {})), "held": {op: count for op, count in held.items() if count}}

    def reset(self) -> None:
        """Forget everything, files included."""
        for lines in self._lines.values():
            lines.empty()
        self._received.clear()
        self._own.clear()
        self._units.clear()

    def lines(self, tenant: str | None = None) -> dict[str, bytes]:
        """What the files hold, by name: of everybody or of one tenant."""
        if tenant is None:
            return {file: path.read_bytes() for file, path in self._paths.items()}
        return {file: b"".join(_of(path, tenant, own=True)) for file, path in self._paths.items()}

    def replace(self, lines: Mapping[str, bytes], tenant: str | None = None) -> None:
        """Put these lines in the place of all others, or of this tenant's: nobody else's are touched."""
        kept = {file: b"".join(_of(path, tenant, own=False)) if tenant else b"" for file, path in self._paths.items()}
        self.reset()
        for file, mine in self._lines.items():
            mine.put(kept[file] + lines.get(file, b""))
        self._read()

    def _read(self) -> None:
        for line in read_lines(self._paths[_RECEIVED]):
            self._received[line["op"]] += 1
            self._credit(line["op"], line.get("tenant"))
        for line in read_lines(self._paths[_CLAIMED]):
            self._credit(line["op"], line["tenant"])
        for line in read_lines(self._paths[_HELD]):
            self._units.setdefault(line["op"], {}).setdefault(line["unit"], line.get("tenant"))

    def _credit(self, op: str, tenant: str | None) -> None:
        if tenant is not None:
            self._own[tenant][op] += 1

    def close(self) -> None:
        for lines in self._lines.values():
            lines.close()

    def _append(self, file: str, line: dict[str, str]) -> None:
        tenant = whose()
        self._lines[file].append({**line, "at": self._clock.real(), **({} if tenant is None else {"tenant": tenant})})


def _of(path: Path, tenant: str | None, *, own: bool) -> Iterator[bytes]:
    """The lines that are this tenant's, or those that are not."""
    for line in read_lines(path):
        if (line.get("tenant") == tenant) == own:
            yield orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


class _Lines:
    """A file that only grows, one JSON line at a time; closed with the object."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.close = weakref.finalize(self, os.close, self._descriptor)

    def append(self, line: Mapping[str, str | datetime]) -> None:
        self.put(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))

    def put(self, content: bytes) -> None:
        if os.write(self._descriptor, content) != len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def empty(self) -> None:
        os.ftruncate(self._descriptor, 0)
