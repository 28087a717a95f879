"""The tree of one log on disk: its leaf hashes, and one node in 256, as flat files of 32-byte hashes (decision 0026).

Everything here can be made again from the log itself. ``tree/<log>.0`` holds the leaf hashes in order, ``tree/<log>.8`` the
roots of 256 leaves, ``tree/<log>.16`` those of 65 536 … Any other node is computed from at most 128 of the level below it.
"""
from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from gateway.journal.proof.merkle import HASH_BYTES, Frontier, node_hash, root_at

FOLDER = "tree"
_STEP = 8  # levels between two files
_LEVELS = range(0, 41, _STEP)  # a log has 2^40 places


def make_again(folder: Path, log: int) -> None:
    """Let go of the files of this log, also for a process that has them open and would write other hashes in the same places."""
    for path in (folder / FOLDER).glob(f"{log}.*"):
        path.unlink()


class Hashes:
    """Reading from any process while one appends; ``size`` is the number of leaves whose hashes are here."""

    def __init__(self, folder: Path, log: int, *, writable: bool = False) -> None:
        """``folder`` is the gateway's. A writer mends what a crash left of the upper levels."""
        self._folder, self._log = folder / FOLDER, log
        self._files: dict[int, int] = {}
        self._writable = writable
        if writable:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            self._mend()
        else:
            self.size = self._count(0)

    def close(self) -> None:
        for fd in self._files.values():
            os.close(fd)
        self._files.clear()

    def leaf(self, index: int) -> bytes:
        return self._read(0, index, 1)

    def leaves(self, first: int, number: int) -> list[bytes]:
        return _hashes(self._read(0, first, number))

    def node(self, level: int, index: int) -> bytes:
        """The hash of a complete subtree. Raises ValueError when it is not here."""
        base = level - level % _STEP
        width = 1 << (level - base)
        return _joined(self._read(base, index * width, width))

    def root_at(self, size: int) -> bytes:
        return root_at(size, self.node)

    def append(self, leaves: Iterable[bytes]) -> None:
        """Not durable before ``sync``. After an error the files are those of before."""
        size = self.size
        above: dict[int, list[bytes]] = {level: [] for level in _LEVELS[1:]}

        def made(level: int, _index: int, node: bytes) -> None:
            if not level % _STEP:
                above[level].append(node)

        new = list(leaves)
        try:
            self._frontier.told = made
            for one in new:
                self._frontier.add(one)
            for level, hashes in ((0, new), *above.items()):
                if hashes:
                    self._write(level, size >> level, b"".join(hashes))
        except OSError:
            self.truncate(size)
            raise
        self.size = size + len(new)

    def truncate(self, size: int) -> None:
        """Forget the leaves from ``size`` on."""
        for level in _LEVELS:
            if level == 0 or self._path(level).exists():
                os.ftruncate(self._fd(level), (size >> level) * HASH_BYTES)
        self.size = size
        self._frontier = Frontier.at(size, self.node)

    def sync(self) -> None:
        for fd in self._files.values():
            os.fsync(fd)

    # --- inside

    def _mend(self) -> None:
        """Bring the upper levels to what the leaves say: a crash may have left them longer or shorter."""
        self.size = self._count(0)
        for level in _LEVELS[1:]:
            wanted, present = self.size >> level, self._count(level)
            if wanted == 0 and not self._path(level).exists():
                break
            if present > wanted:
                os.ftruncate(self._fd(level), wanted * HASH_BYTES)
            for index in range(present, wanted):
                self._write(level, index, _joined(self._read(level - _STEP, index << _STEP, 1 << _STEP)))
        self.truncate(self.size)

    def _path(self, level: int) -> Path:
        return self._folder / f"{self._log}.{level}"

    def _count(self, level: int) -> int:
        path = self._path(level)
        return path.stat().st_size // HASH_BYTES if path.exists() else 0

    def _fd(self, level: int) -> int:
        if level not in self._files:
            flags = os.O_RDWR | os.O_CREAT if self._writable else os.O_RDONLY
            self._files[level] = os.open(self._path(level), flags, 0o600)
        return self._files[level]

    def _write(self, level: int, index: int, content: bytes) -> None:
        """Each hash in its own place: a process that was thought dead and writes it too changes nothing."""
        if os.pwrite(self._fd(level), content, index * HASH_BYTES) != len(content):
            raise OSError(f"no room for the hashes of log {self._log}")

    def _read(self, level: int, index: int, number: int) -> bytes:
        try:
            content = os.pread(self._fd(level), number * HASH_BYTES, index * HASH_BYTES)
        except FileNotFoundError:
            content = b""
        if len(content) != number * HASH_BYTES:
            raise ValueError(f"log {self._log}: no hash at level {level}, {index}")
        return content


def _hashes(content: bytes) -> list[bytes]:
    return [content[at : at + HASH_BYTES] for at in range(0, len(content), HASH_BYTES)]


def _joined(content: bytes) -> bytes:
    """The root over a power of two of hashes."""
    nodes = _hashes(content)
    while len(nodes) > 1:
        nodes = [node_hash(nodes[at], nodes[at + 1]) for at in range(0, len(nodes), 2)]
    return nodes[0]
