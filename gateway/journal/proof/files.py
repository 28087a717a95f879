"""The two append-only files of the registry: log 0 and the signed checkpoints (decision 0026).

Every line is on disk before ``append`` returns. What a crash leaves of a line that nobody was told of is cut at the next
opening. They are evidence: nothing here ever shortens a whole line.
"""
from __future__ import annotations

import errno
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from shutil import copyfile

from gateway.journal.durable import sync_folder

log = logging.getLogger(__name__)

FOLDER = "registry"
LOG_0, CHECKPOINTS = "log-0.ndjson", "checkpoints.ndjson"
_CHUNK = 1 << 16


class AppendOnly:
    """One file of lines, open for appending; mode 0600."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = path
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._cut_torn_line()
        for folder in (path.parent, path.parent.parent):
            sync_folder(folder)

    def append(self, raw: bytes) -> None:
        """Durable when it returns. Raises OSError; then nothing of the line stays, or the next opening cuts it."""
        end = os.fstat(self._fd).st_size
        content = raw + b"\n"
        try:
            written = os.write(self._fd, content)
            if written != len(content):
                raise OSError(f"{written} of {len(content)} bytes written to {self.path.name}")
            os.fsync(self._fd)
            if self.path.stat().st_ino != os.fstat(self._fd).st_ino:
                raise OSError(errno.ESTALE, f"another process took {self.path.name}")
        except OSError:
            os.ftruncate(self._fd, end)
            raise

    def close(self) -> None:
        os.close(self._fd)

    def _cut_torn_line(self) -> None:
        """After a power loss the end may be part of a line, or zeros where the line was going to be: of one, the one before was
        on disk. What more is damaged stays as it is, for whoever reads it."""
        size = os.fstat(self._fd).st_size
        last = _last_line(self.path, size)
        if last and not _whole(last):
            log.warning("registry_line_cut", extra={"file": self.path.name, "bytes": len(last)})
            os.ftruncate(self._fd, size - len(last))
            os.fsync(self._fd)


def make_own(folder: Path) -> None:
    """Put copies in the place of both files: a process that has them open, and goes on some day, then writes where nobody reads,
    and finds out.

    The signatures first: one that is lost leaves lines unsigned, a lost line would leave a signature of nothing.
    """
    for path in (folder / FOLDER / CHECKPOINTS, folder / FOLDER / LOG_0):
        if path.exists():
            draft = path.with_suffix(".new")
            copyfile(path, draft)
            draft.chmod(0o600)
            with draft.open("rb") as file:
                os.fsync(file.fileno())
            draft.replace(path)
            sync_folder(path.parent)


def lines(path: Path) -> Iterator[bytes]:
    """Every whole line, without its newline, in order; none when there is no file."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for raw in file:
            if raw.endswith(b"\n"):
                yield raw[:-1]


def last_lines(path: Path) -> Iterator[bytes]:
    """Every whole line, the last one first."""
    if not path.exists():
        return
    with path.open("rb") as file:
        end, rest, torn = file.seek(0, os.SEEK_END), b"", True
        while end:
            start = max(0, end - _CHUNK)
            file.seek(start)
            rest, *whole = (file.read(end - start) + rest).split(b"\n")
            end = start
            if whole and torn:
                whole.pop()  # what follows the last newline: nothing, or a torn line
                torn = False
            yield from reversed(whole)
        if not torn:
            yield rest


def note_line(note: str) -> bytes:
    return json.dumps({"checkpoint": note}, ensure_ascii=False).encode()


def note_of(raw: bytes) -> str:
    """Raises ValueError."""
    note = json.loads(raw)["checkpoint"]
    if not isinstance(note, str):
        raise ValueError("no checkpoint in this line")
    return note


def _last_line(path: Path, end: int) -> bytes:
    """The bytes of the line that ends the first ``end`` bytes, newline included if it has one."""
    with path.open("rb") as file:
        start, content = end, b""
        while start:
            step = min(_CHUNK, start)
            start -= step
            file.seek(start)
            content = file.read(step) + content
            cut = content.rfind(b"\n", 0, len(content) - 1)
            if cut >= 0:
                return content[cut + 1 :]
        return content


def _whole(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return line.endswith(b"\n")
