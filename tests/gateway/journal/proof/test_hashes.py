"""The flat files of a tree: any node, any root, at any size, and again after a crash."""
from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.journal.proof import merkle
from gateway.journal.proof.hashes import FOLDER, Hashes
from tests.gateway.journal.proof.world import root_of

LEAVES = [merkle.leaf_hash(b"%d" % n) for n in range(70_000)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tree")
    hashes = Hashes(folder, 1, writable=True)
    for first, end in ((0, 1), (1, 300), (300, 66_000), (66_000, 70_000)):
        hashes.append(LEAVES[first:end])
    hashes.close()
    return folder


def test_roots_at_every_kind_of_size(folder: Path) -> None:
    hashes = Hashes(folder, 1)
    for size in (0, 1, 2, 255, 256, 257, 4096, 65_535, 65_536, 65_537, 69_999, 70_000):
        assert hashes.root_at(size) == root_of(LEAVES[:size]), size
    assert hashes.leaves(254, 4) == LEAVES[254:258]
    assert hashes.node(3, 9) == root_of(LEAVES[72:80])
    with pytest.raises(ValueError, match="no hash at level 0, 70000"):
        hashes.leaf(70_000)
    with pytest.raises(ValueError, match="no hash"):
        hashes.root_at(70_001)
    hashes.close()


def test_a_log_without_files_is_empty(tmp_path: Path) -> None:
    hashes = Hashes(tmp_path, 3)
    assert (hashes.size, hashes.root_at(0)) == (0, merkle.EMPTY_ROOT)


@pytest.mark.parametrize("damage", [(0, 32 * 66_000 + 5), (8, 32 * 200), (16, 0), (8, 0)])
def test_what_a_crash_leaves_is_mended(folder: Path, tmp_path: Path, damage: tuple[int, int]) -> None:
    (tmp_path / FOLDER).mkdir()
    for path in (folder / FOLDER).iterdir():
        (tmp_path / FOLDER / path.name).write_bytes(path.read_bytes())
    level, kept = damage
    os.truncate(tmp_path / FOLDER / f"1.{level}", kept)
    hashes = Hashes(tmp_path, 1, writable=True)
    hashes.append(LEAVES[hashes.size :])
    assert hashes.root_at(70_000) == root_of(LEAVES)
    hashes.truncate(257)
    hashes.append(LEAVES[257:400])
    assert (hashes.size, hashes.root_at(400)) == (400, root_of(LEAVES[:400]))
    hashes.close()


def test_an_append_that_the_disk_refuses_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = Hashes(tmp_path, 1, writable=True)
    hashes.append(LEAVES[:255])
    write = os.pwrite

    def short(fd: int, content: bytes, at: int) -> int:
        return write(fd, content[:7], at)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", short)
        with pytest.raises(OSError, match="no room"):
            hashes.append(LEAVES[255:300])
    assert (hashes.size, hashes.root_at(255)) == (255, root_of(LEAVES[:255]))
    hashes.append(LEAVES[255:300])
    assert hashes.root_at(300) == root_of(LEAVES[:300])
    hashes.close()
