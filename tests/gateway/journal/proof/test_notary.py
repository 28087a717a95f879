"""The notary: what it signs, what a start compares, and what a crash leaves (design §5.5)."""
from __future__ import annotations

import os
import shutil
import sqlite3
import tarfile
from pathlib import Path
from typing import Any

import pytest

from connectors.wire.clock import SystemClock
from gateway.journal.backup import back_up, restore
from gateway.journal.proof import files, leaves, merkle, register, snapshot
from gateway.journal.proof.forks import JournalForked
from gateway.journal.proof.hashes import FOLDER as TREE
from gateway.journal.proof.hashes import Hashes
from gateway.journal.proof.leaves import HoleInLog
from gateway.journal.proof.local import verify_local
from gateway.journal.proof.notary import Notary, Rhythm
from gateway.journal.proof.notes import Checkpoint, Note, PublicKey, encode
from gateway.journal.proof.signing import SigningKey
from gateway.journal.record import JournalUnsafe, utc_now
from tests.gateway.journal.proof.world import notary, root_of, rows, sign, tamper, vector, write
from tests.stores import copied, yesterday

CHANGE = "UPDATE entries SET body = CAST(replace(CAST(body AS TEXT), 'ok', 'no') AS BLOB)"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty entries, of which thirty are under a checkpoint."""
    folder = tmp_path_factory.mktemp("made") / "gateway"
    write(folder, 30)
    sign(folder)
    write(folder, 10)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return copied(made, tmp_path / "gateway")


def bodies(folder: Path) -> list[bytes]:
    return [body for (body,) in rows(folder, "SELECT body FROM entries ORDER BY pos")]


def root(leaves: list[bytes]) -> str:
    return encode(root_of(map(merkle.leaf_hash, leaves)))


def log_0(folder: Path) -> list[bytes]:
    return list(files.lines(folder / files.FOLDER / files.LOG_0))


def kinds(folder: Path) -> list[str]:
    return [register.read(raw)["kind"] for raw in log_0(folder)]


def refused(folder: Path) -> str:
    with pytest.raises(JournalForked) as caught:
        Notary.open(folder, SystemClock())
    return str(caught.value)


# --- what is signed


def test_a_snapshot_commits_to_every_entry(folder: Path) -> None:
    with notary(folder) as one:
        made = one.up_to_date("export")
        assert one.up_to_date("export") == made  # nothing new: the same snapshot, no new line
    assert made.vector == (register.Head(1, 40, root(bodies(folder))),)
    assert (made.size, made.root) == (3, root(log_0(folder)))
    assert made.leaf == log_0(folder)[-1]
    assert kinds(folder) == ["key", "checkpoint", "checkpoint"]
    key = PublicKey.parse(register.read(log_0(folder)[0])["key"])
    assert Checkpoint.parse(Note.parse(made.checkpoint).check(key)) == Checkpoint(
        made.origin, 3, root_of(map(merkle.leaf_hash, log_0(folder)))
    )
    assert (snapshot.snapshot_root(folder), vector(folder)) == (made.root, made.vector)


def test_a_checkpoint_every_so_many_entries_or_seconds(tmp_path: Path) -> None:
    write(tmp_path, 5)
    with notary(tmp_path, rhythm=Rhythm(entries=3, seconds=3600)) as one:
        assert one.due()  # nothing was ever signed
        one.up_to_date("period")
        assert (one.waiting, one.due()) == (0, False)
        write(tmp_path, 2)
        one.catch_up()
        assert (one.waiting, one.due()) == (2, False)
        write(tmp_path, 1)
        one.catch_up()
        assert (one.waiting, one.due()) == (3, True)
    with notary(tmp_path, rhythm=Rhythm(entries=1000, seconds=0.000001)) as one:
        one.catch_up()
        assert one.due()
        one.checkpoint("period")
        assert not one.due()


def test_the_tree_is_on_disk_before_log_0_speaks_of_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    for owner, name in ((Hashes, "sync"), (files.AppendOnly, "append")):
        act = getattr(owner, name)

        def noted(self: object, *given: object, act: Any = act) -> None:
            done.append(type(self).__name__)
            act(self, *given)

        monkeypatch.setattr(owner, name, noted)
    sign(folder)
    assert done == ["Hashes", "AppendOnly", "AppendOnly"]


def test_what_is_written_between_two_looks_at_a_log_is_no_hole(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with notary(folder) as one:
        size_of, coming = leaves.size_of, [3]

        def meanwhile(db: Any, log: int) -> int:
            while coming:
                write(folder, coming.pop())
            return size_of(db, log)

        monkeypatch.setattr(leaves, "size_of", meanwhile)
        assert one._leaves.hashes(1, 0, 2_000) == [merkle.leaf_hash(body) for body in bodies(folder)]
    assert len(bodies(folder)) == 43


def test_a_process_says_which_logs_it_opened_and_closed(folder: Path) -> None:
    one = Notary.open(folder, SystemClock())
    one.begin("boot-1")
    one.close()
    leaves = [register.read(raw) for raw in log_0(folder)]
    assert [leaf["kind"] for leaf in leaves] == ["key", "checkpoint", "opened", "closed", "checkpoint"]
    opened, closed, last = leaves[2:]
    assert (opened["of"], opened["size"], opened["boot"]) == (1, 40, "boot-1")
    assert (closed["of"], closed["size"], closed["root"], closed["boot"]) == (1, 40, root(bodies(folder)), "boot-1")
    assert (last["why"], register.vector_of(last)) == ("stop", vector(folder))


def test_the_snapshot_that_a_measure_may_rest_on(folder: Path) -> None:
    """The last one that knows no entry after those measured, even before the loss of a registry was accepted."""
    sign(folder)
    found = snapshot.latest(folder, {1: 39})
    assert found is not None and (found.size, found.vector[0].size) == (2, 30)
    assert snapshot.latest(folder, {1: 40}) == snapshot.latest(folder)
    assert snapshot.latest(folder, {1: 29}) is None
    (folder / files.FOLDER / files.LOG_0).unlink()
    with notary(folder, accept_fork=True) as one:
        one.accept("essai")
    assert snapshot.latest(folder, {1: 39}) is None


def test_an_empty_journal_is_signed_too(tmp_path: Path) -> None:
    write(tmp_path, 0)
    sign(tmp_path)
    assert vector(tmp_path) == (register.Head(1, 0, root([])),)
    write(tmp_path, 1)
    sign(tmp_path)
    assert vector(tmp_path) == (register.Head(1, 1, root(bodies(tmp_path))),)


def test_an_erasure_changes_no_root(folder: Path) -> None:
    sign(folder)
    before = vector(folder)
    for table in ("refs", "bodies", "blobs", "facts", "keys"):
        rows(folder, f"DELETE FROM {table}")
    shutil.rmtree(folder / TREE)
    with notary(folder) as one:
        one.catch_up()
    assert vector(folder) == before


@pytest.mark.sqlite("its copies")
def test_a_copy_put_back_whole_is_the_past_and_starts(folder: Path, tmp_path: Path) -> None:
    """Registry and key are in every copy, the tree in none."""
    sign(folder)
    before = snapshot.latest(folder)
    back_up(folder, tmp_path / "copy.tar", "une phrase de passe", utc_now())
    with tarfile.open(tmp_path / "copy.tar") as tar:
        assert tar.getnames() == ["manifest.json", "files.sealed", "journal.sqlite3"]
    write(folder, 3)
    restored = tmp_path / "elsewhere" / "gateway"
    restore(tmp_path / "copy.tar", restored, "une phrase de passe")
    assert (snapshot.latest(restored), (restored / TREE).exists()) == (before, False)
    with notary(restored) as one:
        assert (one.forks, one.waiting) == ((), 0)


def test_two_logs_have_two_roots(folder: Path) -> None:
    write(folder, 4, log_id=2)
    sign(folder)
    first, second = vector(folder)
    assert (first.log, first.size, second.log, second.size) == (1, 40, 2, 4)
    assert (first.root, second.root) == (root(bodies(folder)[:40]), root(bodies(folder)[40:]))


# --- what a start compares


def test_a_start_with_the_right_files_is_silent(folder: Path) -> None:
    with notary(folder) as one:
        assert one.forks == ()
    assert kinds(folder) == ["key", "checkpoint"]


def test_a_database_restored_from_yesterday(folder: Path) -> None:
    write(folder, 10)
    put_back = yesterday(folder)
    write(folder, 5)
    sign(folder)
    put_back()
    assert "le journal 1 a 50 lignes, son dernier point de contrôle" in refused(folder)
    assert "en couvre 55" in refused(folder)
    write(folder, 9)  # run again without its registry, it is long enough, and another one
    assert "le journal 1 n'a plus les 55 premières lignes" in refused(folder)


def test_a_changed_entry_at_the_end(folder: Path) -> None:
    tamper(folder, CHANGE + " WHERE pos & 1023 = 29")
    assert "n'a plus les 30 premières lignes" in refused(folder)


def test_a_removed_entry(folder: Path) -> None:
    tamper(folder, "DELETE FROM entries WHERE pos & 1023 = 7")
    shutil.rmtree(folder / TREE)
    with pytest.raises(HoleInLog, match="l'entrée 1/7 manque"):
        Notary.open(folder, SystemClock())


@pytest.mark.parametrize("damage", ["gone", "other", "cut"])
def test_a_lost_tree_is_made_again_and_checked(folder: Path, damage: str) -> None:
    leaves = folder / TREE / "1.0"
    if damage == "gone":
        shutil.rmtree(folder / TREE)
    elif damage == "other":
        leaves.write_bytes(os.urandom(leaves.stat().st_size))
    else:
        os.truncate(leaves, 100)
    with notary(folder) as one:
        one.catch_up()
    sign(folder)
    assert vector(folder) == (register.Head(1, 40, root(bodies(folder))),)


def test_hashes_that_no_checkpoint_synced_are_not_believed(folder: Path) -> None:
    """A power loss may leave anything where the last ones were going to be."""
    with notary(folder) as one:
        assert one.catch_up() == 10
    leaves = folder / TREE / "1.0"
    content = leaves.read_bytes()
    leaves.write_bytes(content[: 32 * 30] + bytes(32 * 10))
    sign(folder)
    assert vector(folder) == (register.Head(1, 40, root(bodies(folder))),)


def test_a_lost_tree_does_not_hide_a_change(folder: Path) -> None:
    shutil.rmtree(folder / TREE)
    tamper(folder, CHANGE + " WHERE pos & 1023 = 0")
    assert "n'a plus les 30 premières lignes" in refused(folder)


def test_log_0_that_lost_its_end(folder: Path) -> None:
    path = folder / files.FOLDER / files.LOG_0
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    assert "le registre (journal 0) a 1 lignes" in refused(folder)


def test_log_0_rewritten(folder: Path) -> None:
    path = folder / files.FOLDER / files.LOG_0
    path.write_bytes(path.read_bytes().replace(b'"why":"period"', b'"why":"export"'))
    assert "le registre (journal 0) n'a plus les 2 premières lignes" in refused(folder)


@pytest.mark.parametrize("lost", [(files.LOG_0,), (files.LOG_0, files.CHECKPOINTS)])
def test_a_lost_registry(folder: Path, lost: tuple[str, ...]) -> None:
    for name in lost:
        (folder / files.FOLDER / name).unlink()
    assert "le registre (registry/log-0.ndjson) manque" in refused(folder)


def test_a_lost_or_foreign_key(folder: Path) -> None:
    (folder / "keys" / "signing").write_bytes(os.urandom(32))
    assert "la clé de signature (keys/signing)" in refused(folder)
    (folder / "keys" / "signing").unlink()
    assert "la clé de signature (keys/signing)" in refused(folder)


@pytest.mark.parametrize("content", [b'{"v":1}\n', b"[]\n", b'{"v":1,"log":0,"seq":7,"kind":"key","at":""}\n'])
def test_a_registry_that_is_not_one(folder: Path, content: bytes) -> None:
    path = folder / files.FOLDER / files.LOG_0
    path.write_bytes(path.read_bytes() + content)
    with pytest.raises(JournalUnsafe, match="le registre du journal"):
        Notary.open(folder, SystemClock())


@pytest.mark.parametrize("harm", ["shorter", "other", "lost", "lost, signatures too", "key"])
def test_an_accepted_fork_is_said_and_lasts(folder: Path, harm: str) -> None:
    put_back = yesterday(folder)
    before = snapshot.public_key(folder)
    assert before is not None
    write(folder, 5)
    for _ in range(4):
        sign(folder, "witness")
    if harm in ("shorter", "other"):
        put_back()
    if harm == "other":
        write(folder, 20)
    if harm == "lost":
        (folder / files.FOLDER / files.LOG_0).unlink()
    if harm == "lost, signatures too":
        shutil.rmtree(folder / files.FOLDER)
    if harm == "key":
        (folder / "keys" / "signing").unlink()
    refused(folder)
    with notary(folder, accept_fork=True) as one:
        [fork] = one.forks
        reason = harm.partition(",")[0]
        assert (fork.reason, fork.detail()["reason"]) == (reason, reason)
        one.accept("essai")
        assert one.forks == ()
    [leaf] = [register.read(raw) for raw in log_0(folder) if b'"fork"' in raw and b'"of"' in raw]
    assert (leaf["reason"], leaf["by"], leaf["of"]) == (reason, "essai", 1 if harm in ("shorter", "other") else 0)
    assert vector(folder) == (register.Head(1, len(bodies(folder)), root(bodies(folder))),)
    with notary(folder) as one:
        assert one.forks == ()
    assert verify_local(folder).faults == []  # neither what was signed before, nor by whom
    vouched = harm in ("shorter", "other")  # a new key, which nobody vouches for, is not the one that was given
    assert {fault.code for fault in verify_local(folder, (before,)).faults} == (set() if vouched else {"other-key"})


def test_a_fork_accepted_and_a_crash_before_its_checkpoint(folder: Path) -> None:
    tamper(folder, CHANGE + " WHERE pos & 1023 = 29")
    with notary(folder, accept_fork=True) as one, pytest.MonkeyPatch.context() as patch:

        def cut(why: str) -> None:
            raise OSError("killed")

        patch.setattr(one, "checkpoint", cut)
        with pytest.raises(OSError, match="killed"):
            one.accept("essai")
    sign(folder)  # it was accepted: nothing is refused
    assert vector(folder) == (register.Head(1, 40, root(bodies(folder))),)


# --- keys


def test_a_rotation_is_a_line_that_the_old_key_signed(folder: Path) -> None:
    with notary(folder) as one:
        old, new = one.rotate()
    assert old != new and old.name == new.name
    assert kinds(folder) == ["key", "checkpoint", "checkpoint", "key", "checkpoint"]
    assert register.key_of(register.read(log_0(folder)[3])) == (new, old)
    last = snapshot.latest(folder)
    assert last is not None
    Note.parse(last.checkpoint).check(new)
    sign(folder)
    assert not (folder / "keys" / "signing.next").exists()


@pytest.mark.parametrize("named", [True, False])
def test_a_rotation_cut_before_or_after_log_0_names_the_key(folder: Path, named: bool) -> None:
    with notary(folder) as one, pytest.MonkeyPatch.context() as patch:
        if named:  # killed between the line and the file
            patch.setattr(one._keys, "promote", lambda: (_ for _ in ()).throw(OSError("killed")))
        else:
            patch.setattr(one._log0, "add", lambda *_a, **_k: (_ for _ in ()).throw(OSError("killed")))
        one.catch_up()
        with pytest.raises(OSError, match="killed"):
            one.rotate()
    sign(folder)
    last = snapshot.latest(folder)
    assert last is not None
    keys = [register.key_of(register.read(raw))[0] for raw in log_0(folder) if b'"kind":"key"' in raw]
    assert len(keys) == 1 + named
    Note.parse(last.checkpoint).check(keys[-1])
    assert not (folder / "keys" / "signing.next").exists()


# --- crashes and full disks


def test_a_crash_between_log_0_and_its_signature(folder: Path) -> None:
    with notary(folder) as one, pytest.MonkeyPatch.context() as patch:
        one.catch_up()
        patch.setattr(one._log0, "sign", lambda _signer: (_ for _ in ()).throw(OSError("killed")))
        with pytest.raises(OSError, match="killed"):
            one.checkpoint("period")
    assert len(log_0(folder)) == 3
    before = snapshot.latest(folder)
    assert before is not None and before.size == 2  # what was never signed is not shown
    with notary(folder) as one:
        assert one.due()
        assert one.up_to_date("export").size == 4
    sign(folder)


def test_a_disk_that_refuses_costs_one_checkpoint_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with notary(folder) as one:
        one.catch_up()
        write_ = os.write
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", lambda fd, content: write_(fd, content[:20]))
            with pytest.raises(OSError, match="written to"):
                one.checkpoint("period")
        made = one.checkpoint("period")
    assert made.root == root(log_0(folder))
    sign(folder)


def test_a_line_whose_hash_finds_no_room_is_not_written_twice(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_ = Hashes._write

    def refused(tree: Hashes, level: int, index: int, content: bytes) -> None:
        if tree._log == register.REGISTRY:
            raise OSError(28, "No space left")
        write_(tree, level, index, content)

    with notary(folder) as one:
        with monkeypatch.context() as patch:
            patch.setattr(Hashes, "_write", refused)
            with pytest.raises(OSError, match="No space left"):
                one.up_to_date("witness")
        one.up_to_date("witness")
    sign(folder)  # the registry is read again whole
    assert verify_local(folder).faults == []


def test_a_first_key_that_finds_no_room_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, 1)
    monkeypatch.setattr(SigningKey, "prepare", lambda _self, _name: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(JournalUnsafe, match=r"le registre du journal .* ne peut pas être écrit : disque plein"):
        Notary.open(tmp_path, SystemClock())
    monkeypatch.undo()
    sign(tmp_path)


def test_the_last_word_never_fails(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Notary.open(folder, SystemClock())
    one.begin("boot-1")
    monkeypatch.setattr(one, "checkpoint", lambda why: (_ for _ in ()).throw(OSError("full")))
    one.close()
    monkeypatch.undo()
    sign(folder)


def test_the_journal_file_is_not_touched(folder: Path) -> None:
    with sqlite3.connect(folder / "journal.sqlite3") as db:
        version = db.execute("PRAGMA data_version").fetchone()
        sign(folder)
        assert db.execute("PRAGMA data_version").fetchone() == version
    db.close()
