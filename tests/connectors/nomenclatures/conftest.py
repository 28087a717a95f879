import csv
import os
from collections.abc import Callable
from pathlib import Path

import pytest

Vectors = Callable[[str], list[dict[str, str]]]


@pytest.fixture
def reference() -> Vectors:
    """Reads a CSV of published vectors; skips where SOCLE_REFERENCE_DATA does not say where they are."""
    folder = os.environ.get("SOCLE_REFERENCE_DATA")
    if folder is None:
        pytest.skip("SOCLE_REFERENCE_DATA does not name a folder of reference vectors")

    def read(name: str) -> list[dict[str, str]]:
        with (Path(folder) / name).open(encoding="utf-8", newline="") as lines:
            return list(csv.DictReader(lines))

    return read
