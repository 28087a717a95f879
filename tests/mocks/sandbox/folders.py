"""Data folders for tests that change the people of a sandbox."""
from __future__ import annotations

from pathlib import Path


def with_own_people(made: Path, folder: Path) -> Path:
    """``folder`` as a data folder that shares the certificates of the sandbox in ``made``, and has a copy of its files."""
    (folder / "sandbox").mkdir()
    for one in (made / "sandbox").iterdir():
        target = folder / "sandbox" / one.name
        if one.is_dir():
            target.symlink_to(one)
        else:
            target.write_bytes(one.read_bytes())
    return folder
