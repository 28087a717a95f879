"""A log shown in part: some of its lines, and hashes of subtrees in place of all the others (decision 0026).

Read in order, the items cover the log from its first entry to its last, so that its root can be computed from them alone:

    leaf <seq> <hash>            the next line of the file of lines has this hash
    node <level> <index> <hash>  a complete subtree none of whose lines is shown

A cut is a size at which no subtree lies across, so that the root of that size can be computed on the way. Standard library only.
"""
from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from gateway.journal.proof.merkle import HASH_BYTES, NodeOf, subtrees
from gateway.journal.proof.notes import NoteError, decode, encode

LONGEST_ITEM = 128
_ITEM = re.compile(rb"(?:leaf|node ([0-9]{1,2})) (0|[1-9][0-9]{0,14}) ([A-Za-z0-9+/]{43}=)")


class CoverError(ValueError):
    """A line of a proof is not an item."""


@dataclass(frozen=True, slots=True)
class Item:
    """``shown``: a line of its own goes with it; then ``level`` is 0 and ``index`` its seq."""

    level: int
    index: int
    hash: bytes
    shown: bool

    def line(self) -> bytes:
        kind = "leaf" if self.shown else f"node {self.level}"
        return f"{kind} {self.index} {encode(self.hash)}\n".encode()

    @classmethod
    def parse(cls, line: bytes) -> Item:
        """Raises CoverError."""
        found = _ITEM.fullmatch(line)
        if found is None:
            raise CoverError("not an item of a proof")
        try:
            node = decode(found[3].decode())
        except NoteError:
            raise CoverError("not the hash of an item") from None
        assert len(node) == HASH_BYTES
        return cls(int(found[1] or 0), int(found[2]), node, found[1] is None)


def cover(size: int, shown: Iterable[tuple[int, bytes]], node_of: NodeOf, cuts: Sequence[int] = ()) -> Iterator[Item]:
    """The items of a log of ``size`` entries of which ``shown`` are the seqs and hashes of the lines given, in order."""
    borders = sorted(cut for cut in set(cuts) if 0 < cut < size)
    end = 0
    for seq, leaf in shown:
        yield from _hidden(end, seq, node_of, borders)
        yield Item(0, seq, leaf, shown=True)
        end = seq + 1
    yield from _hidden(end, size, node_of, borders)


def _hidden(first: int, end: int, node_of: NodeOf, borders: Sequence[int]) -> Iterator[Item]:
    inside = borders[bisect_right(borders, first) : bisect_left(borders, end)] if first < end else []
    for start, stop in zip([first, *inside], [*inside, end], strict=True):
        for level, index in subtrees(start, stop):
            yield Item(level, index, node_of(level, index), shown=False)
