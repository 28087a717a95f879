"""Files in which the mocks keep their state, read again at start; one that is damaged is named, not guessed."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson


class DamagedState(Exception):
    """A file of the simulated services cannot be read; the text is French."""

    def __init__(self, path: Path, line: int | None = None) -> None:
        where = f"{path}, ligne {line}," if line is not None else str(path)
        super().__init__(
            f"L'état des services simulés est abîmé : {where} n'est pas du JSON lisible. Rétablissez ce fichier, ou effacez "
            f"{path.parent} : ce que ces services gardaient est alors perdu."
        )


def read(path: Path) -> Any:
    """The JSON of a file that is there. Raises DamagedState."""
    try:
        return orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise DamagedState(path) from error


def read_lines(path: Path) -> Iterator[Any]:
    """The JSON of each line, nothing when the file is not there. Raises DamagedState with the line at fault."""
    if not path.exists():
        return
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                yield orjson.loads(line)
            except orjson.JSONDecodeError as error:
                raise DamagedState(path, number) from error
