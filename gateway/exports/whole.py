"""Files that a reader finds whole, or not at all."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """``write`` makes a draft beside, which then takes the place of what was there. Raises OSError, and what ``write`` does."""
    draft = path.with_name(f"{path.name}.part")
    try:
        write(draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
