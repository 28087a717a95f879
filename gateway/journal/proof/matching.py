"""Comparing the lines of one log with the proof beside them, and naming what was done to them (design §5.5).

Both are read once, with one line and one item of advance. Standard library only.
"""
from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from gateway.journal.proof.cover import CoverError, Item
from gateway.journal.proof.merkle import Frontier, NotContiguous, leaf_hash
from gateway.journal.proof.removals import STRETCH

T = TypeVar("T")

_MOST_NAMED = 20  # faults of one log told one by one


@dataclass(frozen=True, slots=True)
class Fault:
    """``code`` is stable; ``says`` is French, for whoever asked; ``place`` names a log, or an entry as log/seq."""

    code: str
    says: str
    place: str | None = None


@dataclass(slots=True)
class Read:
    """What the items of a log give: size and root, and the roots at the sizes asked; ``lines`` were looked at.

    shown  places that have a line, as bits by stretch (``removals.masks``)
    """

    frontier: Frontier = field(default_factory=Frontier)
    roots: dict[int, bytes] = field(default_factory=dict)
    lines: int = 0
    shown: dict[int, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


class Matcher:
    """One log. ``asked``: sizes whose roots are wanted on the way; ``told`` is given every line that is in its place."""

    def __init__(self, log: int, asked: set[int], told: Callable[[bytes], None] = lambda _line: None) -> None:
        self.read = Read()
        self._log, self._asked, self._told = log, asked, told
        self._displaced: dict[int, int] = {}  # seq of the place, seq of the line found there
        self._unnamed = 0

    def match(self, lines: Iterator[bytes], proof: Iterator[bytes]) -> Read:
        """Raises ArchiveError from reading."""
        try:
            self._compare(_Ahead(self._counted(lines)), _Ahead(self._leaves(proof)))
        except (CoverError, NotContiguous):
            self._fault("bad-proof", f"la preuve du journal {self._log} n'est pas une suite de lignes et de nœuds", None)
        for place, found in self._displaced.items():
            self._fault("changed-line", f"à la place de l'entrée {self._log}/{place} se trouve la ligne {found}", place)
        if self._unnamed:
            self.read.faults.append(Fault("more", f"et {self._unnamed} autres défauts dans le journal {self._log}"))
        return self.read

    # --- reading

    def _counted(self, lines: Iterator[bytes]) -> Iterator[bytes]:
        for line in lines:
            self.read.lines += 1
            yield line

    def _leaves(self, proof: Iterator[bytes]) -> Iterator[Item]:
        """The items that have a line; all of them make the tree."""
        frontier = self.read.frontier
        self._note_root()
        for line in proof:
            item = Item.parse(line)
            if item.index << item.level != frontier.size:
                raise NotContiguous(f"item {item.index} after {frontier.size} leaves")
            frontier.add(item.hash, item.level)
            self._note_root()
            if item.shown:
                stretch, bit = divmod(item.index, STRETCH)
                self.read.shown[stretch] = self.read.shown.get(stretch, 0) | 1 << bit
                yield item

    def _note_root(self) -> None:
        if self.read.frontier.size in self._asked:
            self.read.roots[self.read.frontier.size] = self.read.frontier.root()

    # --- naming

    def _compare(self, lines: _Ahead[bytes], items: _Ahead[Item]) -> None:
        while (item := items.first) is not None:
            line = lines.first
            if line is None:
                self._cut_tail(items)
                return
            if leaf_hash(line) == item.hash:
                self._told(line)
                lines.step()
                items.step()
            else:
                self._differs(line, item, lines, items)
        while (line := lines.first) is not None:
            self._strange(line, "après la dernière entrée de l'export")
            lines.step()

    def _differs(self, line: bytes, item: Item, lines: _Ahead[bytes], items: _Ahead[Item]) -> None:
        """The line is not the item's. What comes next tells a swap from a removal, and both from a change."""
        following, after = lines.second, items.second
        comes_next = after is not None and leaf_hash(line) == after.hash
        is_next_line = following is not None and leaf_hash(following) == item.hash
        place = _place(line)
        if comes_next and is_next_line:
            assert after is not None
            self._swapped(item.index, after.index)
            for one in (lines, items):
                one.step()
                one.step()
        elif comes_next:
            self._removed(item.index, item.index)
            items.step()
        elif is_next_line:
            self._strange(line, f"avant l'entrée {self._log}/{item.index}")
            lines.step()
        elif place is not None and place[0] != self._log:
            self._strange(line, f"à la place de l'entrée {self._log}/{item.index}")
            lines.step()
            items.step()
        elif place is None or place[1] == item.index:
            self._fault("changed-line", f"l'entrée {self._log}/{item.index} a été modifiée", item.index)
            lines.step()
            items.step()
        elif self._resumes(following, after) or place[1] < item.index:
            self._out_of_place(item.index, place[1])
            lines.step()
            items.step()
        else:
            last = item.index
            while items.first is not None and items.first.index < place[1]:
                last = items.first.index
                items.step()
            self._removed(item.index, last)

    def _resumes(self, following: bytes | None, after: Item | None) -> bool:
        """Whether the next line is in its place: then this one only was exchanged with a line further on."""
        if following is None or after is None:
            return following is None and after is None
        return leaf_hash(following) == after.hash

    def _out_of_place(self, place: int, found: int) -> None:
        if self._displaced.get(found) == place:
            del self._displaced[found]
            self._swapped(found, place)
        elif len(self._displaced) < _MOST_NAMED:
            self._displaced[place] = found
        else:
            self._unnamed += 1

    def _swapped(self, one: int, other: int) -> None:
        self._fault("swapped-lines", f"les entrées {self._log}/{one} et {self._log}/{other} ont été échangées", one)

    def _removed(self, first: int, last: int) -> None:
        self._fault("removed-line", removed(self._log, first, last), first)

    def _cut_tail(self, items: _Ahead[Item]) -> None:
        assert items.first is not None
        first, last, number = items.first.index, items.first.index, 0
        while items.first is not None:
            last, number = items.first.index, number + 1
            items.step()
        what = f"la fin est coupée : {number} entrées manquent, de {self._log}/{first} à {self._log}/{last}"
        self._fault("cut-tail", what, first)

    def _strange(self, line: bytes, where: str) -> None:
        place = _place(line)
        if place is not None and place[0] != self._log:
            self._fault("other-log", f"une ligne du journal {place[0]} se trouve {where}", None)
        else:
            name = "illisible" if place is None else f"{place[0]}/{place[1]}"
            self._fault("added-line", f"une ligne de trop ({name}) se trouve {where}", None)

    def _fault(self, code: str, says: str, seq: int | None) -> None:
        if len(self.read.faults) >= _MOST_NAMED:
            self._unnamed += 1
            return
        self.read.faults.append(Fault(code, says, f"{self._log}" if seq is None else f"{self._log}/{seq}"))


class _Ahead(Generic[T]):
    """An iterator with its next two values in sight; None after the end."""

    def __init__(self, values: Iterator[T]) -> None:
        self._values = values
        self.first: T | None = next(values, None)
        self.second: T | None = next(values, None)

    def step(self) -> None:
        self.first, self.second = self.second, next(self._values, None)


def removed(log: int, first: int, last: int) -> str:
    """French, for a run of entries."""
    if first == last:
        return f"l'entrée {log}/{first} a été retirée"
    return f"les entrées {log}/{first} à {log}/{last} ont été retirées"


def _place(line: bytes) -> tuple[int, int] | None:
    """The log and seq that a line gives itself."""
    try:
        entry: Any = json.loads(line)
        place = entry["log"], entry["seq"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return place if all(type(part) is int and 0 <= part < 1 << 40 for part in place) else None
