"""The registry's files: whole lines stay, torn ones go, and the last snapshot is read from their ends."""
from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.journal.proof import files, merkle, register, snapshot
from gateway.journal.proof.files import AppendOnly
from gateway.journal.proof.notes import Checkpoint, Signer, encode
from tests.gateway.journal.proof.world import root_of, vector

AT = "2026-03-02T09:00:00.000000Z"
SIGNER = Signer("socle/essai", bytes(32))
HEAD = register.Head(1, 7, encode(bytes(32)))


def write(folder: Path, *leaves: bytes) -> None:
    """A registry whose last leaf is signed."""
    registry = folder / files.FOLDER
    log_0, checkpoints = AppendOnly(registry / files.LOG_0), AppendOnly(registry / files.CHECKPOINTS)
    for leaf in leaves:
        log_0.append(leaf)
    root = root_of(map(merkle.leaf_hash, leaves))
    checkpoints.append(files.note_line(SIGNER.sign(Checkpoint("socle/essai", len(leaves), root).text())))
    log_0.close()
    checkpoints.close()


def leaf(seq: int, *heads: register.Head) -> bytes:
    return register.line(seq, "checkpoint", AT, vector=register.vector_json(heads), why="period")


def test_no_snapshot_yet(tmp_path: Path) -> None:
    assert (snapshot.latest(tmp_path), snapshot.snapshot_root(tmp_path), vector(tmp_path)) == (None, None, ())


def test_the_last_snapshot(tmp_path: Path) -> None:
    leaves = [register.line(0, "key", AT, key=str(SIGNER.public), note=None), leaf(1, HEAD)]
    write(tmp_path, *leaves)
    after = AppendOnly(tmp_path / files.FOLDER / files.LOG_0)
    after.append(register.line(2, "opened", AT, of=1, size=7, boot="b"))  # not signed yet
    after.close()
    found = snapshot.latest(tmp_path)
    assert found is not None
    assert (found.origin, found.size, found.at, found.vector, found.leaf) == ("socle/essai", 2, AT, (HEAD,), leaves[1])
    assert snapshot.snapshot_root(tmp_path) == encode(root_of(map(merkle.leaf_hash, leaves)))
    assert vector(tmp_path) == (HEAD,)


def test_a_log_0_that_lost_its_end_is_said(tmp_path: Path) -> None:
    write(tmp_path, leaf(0, HEAD), leaf(1, HEAD))
    (tmp_path / files.FOLDER / files.LOG_0).write_bytes(leaf(0, HEAD) + b"\n")
    with pytest.raises(register.RegisterError, match="leaf 1 is missing"):
        snapshot.latest(tmp_path)


@pytest.mark.parametrize("torn", [b'{"half":', b"\x00" * 300, b"\x00" * 40 + b"\n", b'{"a":1}\n{"half', b"["])
def test_a_torn_line_is_cut_and_the_next_one_is_whole(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / files.FOLDER / "f"
    first = AppendOnly(path)
    first.append(b'{"n":1}')
    first.close()
    path.write_bytes(path.read_bytes() + torn)
    again = AppendOnly(path)
    again.append(b'{"n":2}')
    again.close()
    kept = [b'{"a":1}'] if torn.startswith(b'{"a":1}\n') else []
    assert list(files.lines(path)) == [b'{"n":1}', *kept, b'{"n":2}']
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_damaged_file_keeps_all_but_the_line_that_a_crash_may_have_torn(tmp_path: Path) -> None:
    path = tmp_path / files.FOLDER / "f"
    path.parent.mkdir()
    path.write_bytes(b'{"n":1}\n\xff{"n":2}\n\xff{"n":3}\n')
    AppendOnly(path).close()
    assert path.read_bytes() == b'{"n":1}\n\xff{"n":2}\n'


def test_a_line_that_the_disk_refuses_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / files.FOLDER / "f"
    file = AppendOnly(path)
    file.append(b"{}")

    def refused(_fd: int) -> None:
        raise OSError("no sync")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refused)
        with pytest.raises(OSError, match="no sync"):
            file.append(b'{"lost":1}')
    file.append(b"[]")
    file.close()
    assert list(files.lines(path)) == [b"{}", b"[]"]


@given(st.lists(st.integers(0, 200_000).map(lambda n: b"x" * n), max_size=6))
def test_lines_read_from_the_end(tmp_path_factory: pytest.TempPathFactory, content: list[bytes]) -> None:
    path = tmp_path_factory.mktemp("lines") / "f"
    path.write_bytes(b"".join(one + b"\n" for one in content) + b"torn")
    assert list(files.last_lines(path)) == [*reversed(content)]
    assert list(files.lines(path)) == content


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"v":1,"log":1,"seq":0,"kind":"key"}', b"{" * 100_000, b"\xff"])
def test_what_is_not_a_leaf(raw: bytes) -> None:
    with pytest.raises(register.RegisterError):
        register.read(raw)


@pytest.mark.parametrize("vector", [
    None, [{}], [1], [{"log": 0, "size": 1, "root": ""}], [{"log": 1, "size": -1, "root": ""}],
    [{"log": 2, "size": 1, "root": ""}, {"log": 1, "size": 1, "root": ""}], [{"log": 1, "size": True, "root": ""}],
    [{"log": 1, "size": 1, "root": 3}], [{"log": 1, "size": 1, "root": ""}] * 2,
])  # fmt: skip
def test_what_is_not_a_vector(vector: object) -> None:
    with pytest.raises(register.RegisterError):
        register.vector_of({"kind": "checkpoint", "vector": vector})


def test_a_rotation_is_signed_by_the_old_key() -> None:
    new = Signer("socle/essai", bytes(range(32)))
    note = register.rotation(SIGNER, new.public, AT)
    assert register.key_of({"key": str(new.public), "note": note}) == (new.public, SIGNER.public)
    assert register.key_of({"key": str(new.public), "note": None}) == (new.public, None)
    forged = [
        note.replace(AT, "2027-03-02T09:00:00.000000Z"),  # another text
        register.rotation(new, new.public, AT).replace(str(new.public), str(SIGNER.public), 1),  # signed by the new one
        register.rotation(SIGNER, SIGNER.public, AT),  # names another key
        "nothing",
    ]
    for one in forged:
        with pytest.raises(register.RegisterError):
            register.key_of({"key": str(new.public), "note": one})
