"""Processes that a bench measures: when one is ready, and what it has used, as Linux counts it."""
from __future__ import annotations

import asyncio
import ctypes
import os
import time
from pathlib import Path

import orjson

_KIB = 1024


class BenchFailed(RuntimeError):
    """What should be measured does not work; the text is French and says where it was seen."""


async def ready(process: asyncio.subprocess.Process) -> dict[str, str]:
    """Wait for a process of ours (docs/architecture.md, « Processes »): the URL of each of its listeners."""
    urls: dict[str, str] = {}
    assert process.stdout is not None
    async for line in process.stdout:
        said = orjson.loads(line)
        if said.get("pret"):
            return urls
        urls[said["ready"]] = said["url"]
    raise BenchFailed("Un processus du banc s'est arrêté avant d'être prêt.")


def cpu_s(pid: int) -> float:
    """Seconds of processor, user and system, of all its threads, to the nanosecond: /proc/<pid>/stat counts by ten milliseconds.

    Raises ProcessLookupError when there is no such process.
    """
    clock = ctypes.c_int()
    code = ctypes.CDLL(None).clock_getcpuclockid(ctypes.c_int(pid), ctypes.byref(clock))
    if code:
        raise ProcessLookupError(code, os.strerror(code), str(pid))
    return time.clock_gettime_ns(clock.value) / 1e9


def resident_bytes(pid: int, field: str = "VmRSS") -> int:
    """Memory held now. ``RssAnon`` leaves out the files that are mapped, which the system may take back."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) * _KIB for line in status.splitlines() if line.startswith(f"{field}:"))
