"""The reference notes, where they are: which sections exist, and which facts in them nobody saw."""
from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_HEADING = re.compile(r"#{2,4} (\d+(?:\.\d+)*)\.? ")
_ITEM = re.compile(r"(\d+)\. ")
#: A tag of provenance: [S: …], [M], [?], [Keycloak wording, M] …; never a JSON list or a Markdown link.
_TAG = re.compile(r"\[((?:S|V|M|P|RUN|LAB|\?)(?:[^\[\]]*)|[^\[\]]*[,;] (?:M|P|\?))\]")
_UNSEEN = re.compile(r"(?:M|P|\?)\b|\?|.*[,;] (?:M|P|\?)$")


def folder() -> Path | None:
    """The notes lie beside the reference data; None where SOCLE_REFERENCE_DATA does not say where that is."""
    data = os.environ.get("SOCLE_REFERENCE_DATA")
    return None if data is None else Path(data).parent


@dataclass(frozen=True, slots=True)
class Section:
    """A section with its subsections, or one numbered item of a section's list (dmp §22.2)."""

    lines: tuple[str, ...]

    @property
    def proposed(self) -> bool:
        """Its heading says that what follows is not known to be so."""
        return "proposal" in self.lines[0] or _unseen_tag(self.lines[0]) is True

    @property
    def has_unseen(self) -> bool:
        return any(_unseen(tag) for line in self.lines for tag in _TAG.findall(line))

    def holds(self, words: str) -> bool:
        return any(words in line for line in self.lines)

    def vouches(self, words: str) -> bool:
        """Whether the first line with these words gives them as seen: the first tag behind them decides, else the heading."""
        line = next(line for line in self.lines if words in line)
        unseen = _unseen_tag(line.partition(words)[2])
        return not self.proposed if unseen is None else not unseen


def read_note(path: Path) -> dict[str, Section]:
    """The sections of one note, by number."""
    lines = path.read_text("utf-8").splitlines()
    found: dict[str, list[str]] = {}
    open_sections: list[str] = []
    for line in lines:
        heading = _HEADING.match(line)
        if heading is not None:
            open_sections = [one for one in open_sections if heading[1].startswith(f"{one}.")] + [heading[1]]
        item = _ITEM.match(line)
        if item is not None and open_sections:
            found.setdefault(f"{open_sections[-1]}.{item[1]}", [line])
        for number in open_sections:
            found.setdefault(number, []).append(line)
    return {number: Section(tuple(content)) for number, content in found.items()}


def references(text: str) -> Iterator[tuple[str, str]]:
    """Each note#section cited in a sentence."""
    yield from re.findall(r"\b(insi|dmp|mssante|psc-annuaire|packages|programme-indicateurs(?:-2)?)#(\d+(?:\.\d+)*)", text)


def _unseen_tag(text: str) -> bool | None:
    tag = _TAG.search(text)
    return None if tag is None else _unseen(tag[1])


def _unseen(tag: str) -> bool:
    return _UNSEEN.match(tag) is not None
