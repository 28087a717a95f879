"""A small file is there whole, or as it was."""
from __future__ import annotations

import resource
from pathlib import Path

import pytest

from gateway.journal.durable import write_durably


def test_a_disk_that_takes_a_part_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "registry.json"
    write_durably(path, b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_durably(path, b"n" * 100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == b"old"
    write_durably(path, b"n" * 100)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"n" * 100, 0o600)
