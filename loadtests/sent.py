"""The generator's own count (design §9): a line is written before the bytes of its call leave, never read elsewhere.

Two files, one line of JSON per call, append only:
``sent.jsonl`` ``{"n": call number, "op": operation id, "unit": name of a side effect or null, "at": real time}``
``answered.jsonl`` ``{"n", "op", "code": what was read, "why": failure reason or null, "ms": latency}``, written once the
whole final answer was read. A call that is in the first file only was left without a readable answer.
"""
from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson


@dataclass(slots=True)
class Sent:
    """One call on its way. ``read`` is called once, when its whole final answer is in hand."""

    number: int
    operation: str
    began: float
    code: str | None = None
    why: str | None = None
    answered: bool = False

    def read(self, code: str, why: str | None = None) -> None:
        """``code`` as the service said it; ``why`` one of loadtests.failures when it is not a success."""
        self.code, self.why, self.answered = code, why, True


class SentFile:
    """Counts by operation id, on disk before in memory: a generator that dies has not sent more than it wrote."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.sent: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.latencies_ms: dict[str, list[float]] = {}
        self._bytes: Counter[str] = Counter()
        # unbuffered: one line is one write, in the hands of the system when the call starts
        self._sent = (folder / "sent.jsonl").open("ab", buffering=0)
        self._answered = (folder / "answered.jsonl").open("ab", buffering=0)
        self._next = 0

    @contextmanager
    def call(self, operation: str, unit: str | None = None, body_bytes: int = 0) -> Iterator[Sent]:
        """Count one call, let the body send it, then note its answer if ``read`` was called.

        The body must send at most one request. An exception passes through: the call stays sent and unanswered.
        """
        self._next += 1
        sent = Sent(self._next, operation, time.perf_counter())
        _line(self._sent, {"n": sent.number, "op": operation, "unit": unit, "at": datetime.now(UTC).isoformat()})
        self.sent[operation] += 1
        self._bytes[operation] += body_bytes
        try:
            yield sent
        finally:
            if sent.answered:
                self._close(sent)

    def mean_body_bytes(self) -> dict[str, int]:
        """Mean size of what was sent, per operation that carries something."""
        return {operation: total // self.sent[operation] for operation, total in sorted(self._bytes.items()) if total}

    def lost(self, why: str) -> None:
        """A call ended without a readable answer, or could not begin, for a known reason."""
        self.failures[why] += 1

    def close(self) -> None:
        self._sent.close()
        self._answered.close()

    def _close(self, sent: Sent) -> None:
        took_ms = round((time.perf_counter() - sent.began) * 1000, 3)
        line = {"n": sent.number, "op": sent.operation, "code": sent.code, "why": sent.why, "ms": took_ms}
        _line(self._answered, line)
        self.latencies_ms.setdefault(sent.operation, []).append(took_ms)
        if sent.why is not None:
            self.failures[sent.why] += 1


def _line(file: Any, value: dict[str, Any]) -> None:
    file.write(orjson.dumps(value) + b"\n")
