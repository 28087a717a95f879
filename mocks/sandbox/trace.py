"""What the mocks received and hold, for the reconciliation of design §9.

Two files of JSON lines, each line written whole and at once so that a killed process leaves no half line.
"""
from __future__ import annotations

import errno
import hashlib
import os
import weakref
from collections import Counter
from pathlib import Path

import orjson

from connectors.wire.clock import Clock
from mocks.sandbox.kept import read_lines


def hashed(*parts: str) -> str:
    """The name of a unit: SHA-256 hex of its parts. A unit is never written in clear, it may hold a matricule."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


class Trace:
    """Counts by operation id. ``received``: requests that reached a mock; ``held``: distinct side effects it keeps."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._clock = clock
        self._received_path, self._held_path = folder / "received.jsonl", folder / "held.jsonl"
        self._received: Counter[str] = Counter()
        self._units: dict[str, set[str]] = {}
        self._read()
        self._received_file, self._held_file = _Lines(self._received_path), _Lines(self._held_path)

    def received(self, op: str) -> None:
        """One request of this operation was read, whatever becomes of it."""
        self._received_file.append({"op": op, "at": self._at()})
        self._received[op] += 1

    def held(self, op: str, unit: str) -> bool:
        """One side effect is kept. ``unit`` is its ``hashed`` name; False when it was already held."""
        units = self._units.setdefault(op, set())
        if unit in units:
            return False
        self._held_file.append({"op": op, "unit": unit, "at": self._at()})
        units.add(unit)
        return True

    def counts(self) -> dict[str, dict[str, int]]:
        """``{"received": {op: n}, "held": {op: n}}``"""
        return {"received": dict(self._received), "held": {op: len(units) for op, units in self._units.items()}}

    def reset(self) -> None:
        """Forget everything, files included."""
        self._received_file.empty()
        self._held_file.empty()
        self._received.clear()
        self._units.clear()

    def replace(self, received: bytes, held: bytes) -> None:
        """Put these lines in the place of all others."""
        self.reset()
        self._received_file.put(received)
        self._held_file.put(held)
        self._read()

    def _read(self) -> None:
        for line in read_lines(self._received_path):
            self._received[line["op"]] += 1
        for line in read_lines(self._held_path):
            self._units.setdefault(line["op"], set()).add(line["unit"])

    def close(self) -> None:
        self._received_file.close()
        self._held_file.close()

    def _at(self) -> str:
        return self._clock.real().isoformat(timespec="milliseconds")


class _Lines:
    """A file that only grows, one JSON line at a time; closed with the object."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.close = weakref.finalize(self, os.close, self._descriptor)

    def append(self, line: dict[str, str]) -> None:
        self.put(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))

    def put(self, content: bytes) -> None:
        if os.write(self._descriptor, content) != len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def empty(self) -> None:
        os.ftruncate(self._descriptor, 0)
