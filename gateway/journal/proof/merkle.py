"""Merkle trees of RFC 6962 §2.1: leaves, nodes, roots, inclusion and consistency. Standard library only, no file, no clock.

A complete subtree is named by its *level* and *index*: it covers the leaves [index·2^level, (index+1)·2^level).
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()

#: The hash of a complete subtree, by level and index.
NodeOf = Callable[[int, int], bytes]


class NotContiguous(ValueError):
    """A subtree was given that does not begin where the tree ends."""


def leaf_hash(leaf: bytes) -> bytes:
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """A tree that only grows, known by its largest complete subtrees: its root at any moment, in O(log n) memory.

    told  told of every complete subtree of level 1 or more as it comes about: level, index, hash
    """

    def __init__(self, told: Callable[[int, int, bytes], None] | None = None) -> None:
        self.size = 0
        self.told = told
        self._peaks: list[tuple[int, bytes]] = []  # level and hash, from the largest to the smallest

    @classmethod
    def at(cls, size: int, node_of: NodeOf) -> Frontier:
        """The frontier of a tree that exists already."""
        frontier = cls()
        frontier.size = size
        frontier._peaks = [(level, node_of(level, index)) for level, index in subtrees(0, size)]
        return frontier

    def add(self, subtree: bytes, level: int = 0) -> None:
        """Append a leaf's hash, or a whole subtree. Raises NotContiguous when it is not aligned with the end of the tree."""
        if self.size % (1 << level) or (self._peaks and self._peaks[-1][0] < level):
            raise NotContiguous(f"a subtree of level {level} after {self.size} leaves")
        self.size += 1 << level
        while self._peaks and self._peaks[-1][0] == level:
            subtree = node_hash(self._peaks.pop()[1], subtree)
            level += 1
            if self.told is not None:
                self.told(level, (self.size >> level) - 1, subtree)
        self._peaks.append((level, subtree))

    def root(self) -> bytes:
        if not self._peaks:
            return EMPTY_ROOT
        root = self._peaks[-1][1]
        for _, left in reversed(self._peaks[:-1]):
            root = node_hash(left, root)
        return root


def root_at(size: int, node_of: NodeOf) -> bytes:
    """The root of the first ``size`` leaves."""
    return Frontier.at(size, node_of).root()


def subtrees(first: int, end: int) -> Iterator[tuple[int, int]]:
    """The fewest complete subtrees that cover [first, end), from left to right: level and index of each."""
    while first < end:
        level = (end - first).bit_length() - 1
        if first:
            level = min(level, (first & -first).bit_length() - 1)
        yield level, first >> level
        first += 1 << level


def inclusion_proof(index: int, size: int, node_of: NodeOf) -> list[bytes]:
    """PATH(index, D[size]) of §2.1.1, from the leaf up. Raises ValueError outside the tree."""
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} of {size}")
    return [_range_hash(first, end, node_of) for first, end in _siblings(index, size)]


def consistency_proof(first: int, second: int, node_of: NodeOf) -> list[bytes]:
    """PROOF(first, D[second]) of §2.1.2; empty when the sizes are equal or ``first`` is 0. Raises ValueError."""
    if not 0 <= first <= second:
        raise ValueError(f"from {first} to {second} leaves")
    if first in (0, second):
        return []
    ranges = _grown(first, 0, second, whole=True)
    return [_range_hash(start, end, node_of) for start, end in ranges]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether ``proof`` shows that the leaf of this hash is at ``index`` in the tree of this size and root."""
    if not 0 <= index < size or len(proof) != _path_length(index, size):
        return False
    last, node = size - 1, leaf
    for sibling in proof:
        if index % 2 or index == last:
            node = node_hash(sibling, node)
            while not index % 2 and index:  # a last node without sibling goes up unchanged
                index, last = index >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        index, last = index >> 1, last >> 1
    return node == root


def verify_consistency(first: int, second: int, first_root: bytes, second_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether ``proof`` shows that the tree of ``second`` leaves begins with that of ``first``."""
    if not 0 <= first <= second:
        return False
    if first == second or first == 0:
        return not proof and (first_root == second_root if first == second else first_root == EMPTY_ROOT)
    ends = [first_root, *proof] if not first & (first - 1) else list(proof)  # a complete first tree is its own beginning
    if not ends:
        return False
    at, last = first - 1, second - 1
    while at % 2:
        at, last = at >> 1, last >> 1
    old = new = ends[0]
    for one in ends[1:]:
        if last == 0:
            return False
        if at % 2 or at == last:
            old, new = node_hash(one, old), node_hash(one, new)
            while not at % 2 and at:
                at, last = at >> 1, last >> 1
        else:
            new = node_hash(new, one)
        at, last = at >> 1, last >> 1
    return last == 0 and (old, new) == (first_root, second_root)


# --- the ranges behind the proofs ---------------------------------------------------------------------------------------------


def _range_hash(first: int, end: int, node_of: NodeOf) -> bytes:
    """MTH(D[first:end]) of a range that is a node of the tree."""
    hashes = [node_of(level, index) for level, index in subtrees(first, end)]
    node = hashes.pop()
    while hashes:
        node = node_hash(hashes.pop(), node)
    return node


def _split(first: int, end: int) -> int:
    """Where the left child of [first, end) stops: the largest power of two smaller than its length."""
    return first + (1 << ((end - first - 1).bit_length() - 1))


def _siblings(index: int, size: int) -> list[tuple[int, int]]:
    first, end, found = 0, size, []
    while end - first > 1:
        middle = _split(first, end)
        if index < middle:
            found.append((middle, end))
            end = middle
        else:
            found.append((first, middle))
            first = middle
    return found[::-1]


def _path_length(index: int, size: int) -> int:
    return len(_siblings(index, size))


def _grown(size: int, first: int, end: int, *, whole: bool) -> list[tuple[int, int]]:
    """SUBPROOF of §2.1.2 as ranges; ``whole``: the range so far is one that the first tree's owner knows the hash of."""
    if size == end:
        return [] if whole else [(first, end)]
    middle = _split(first, end)
    if size <= middle:
        return [*_grown(size, first, middle, whole=whole), (middle, end)]
    return [*_grown(size, middle, end, whole=False), (first, middle)]
