"""A copy made while the journal is written can be put back, by nobody but who has the passphrase, and over nothing."""
from __future__ import annotations

import asyncio
import io
import tarfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from gateway.cli.main import app
from gateway.journal import backup as module
from gateway.journal.backup import MANIFEST, SEALED, BackupError, back_up, restore
from gateway.journal.journal import FILE_NAME
from gateway.journal.query import JournalReader
from gateway.journal.record import Intent, Named
from gateway.usage.recount import recount
from tests.gateway.journal.world import feed, message, open_journal, rows

pytestmark = pytest.mark.sqlite("a server has copies of its own")

PHRASE = "une phrase de passe de test"
MATRICULE = "275126322074974"
AT = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SCRYPT_N", 2**10)


async def a_journal(folder: Path) -> list[bytes]:
    journal = open_journal(folder)
    (folder / "grappes").mkdir()
    (folder / "grappes" / "g.json").write_text("{}")
    entries = await journal.write(feed("ok", person=Named("person", MATRICULE)), message("ok", "<1@dui.test>"))
    await journal.close()
    return [entry.body for entry in entries]


def entries_of(folder: Path) -> list[bytes]:
    with JournalReader(folder) as reader:
        return [entry.body for entry in reader.walk()]


async def test_what_is_put_back_is_what_was_there_keys_included(tmp_path: Path) -> None:
    before = await a_journal(tmp_path / "a")
    copied = back_up(tmp_path / "a", tmp_path / "copie", PHRASE, AT)
    assert (copied.entries, copied.made_at) == (2, "2026-03-02T00:00:00.000000Z")
    assert restore(tmp_path / "copie", tmp_path / "b", PHRASE) == copied
    assert entries_of(tmp_path / "b") == before
    assert recount(tmp_path / "b").gap_count == 0
    for name in ("keys/K", "keys/K2", "grappes/g.json"):
        assert (tmp_path / "b" / name).read_bytes() == (tmp_path / "a" / name).read_bytes()
    assert not [path for path in (tmp_path / "b").rglob("*") if path.stat().st_mode & 0o077]
    journal = open_journal(tmp_path / "b")  # the same keys: the same names, and seals that open
    assert await journal.ref(Named("person", MATRICULE)) is not None
    [(ref, sealed)] = rows(tmp_path / "b", "SELECT ref, sealed FROM refs WHERE kind = 'message'")
    assert b"<1@dui.test>" in journal.vault.unseal(ref, sealed)
    await journal.close()


async def test_a_copy_is_made_beside_a_writer_and_is_of_one_moment(tmp_path: Path) -> None:
    journal = open_journal(tmp_path / "a")
    lost = feed()
    await journal.intend(lost, Intent(Named("submission", "x"), 30.0))

    async def write() -> None:
        for _ in range(150):
            await journal.write(feed("ok"))

    writing = asyncio.create_task(write())
    copied = []
    while not writing.done():
        copied.append(await asyncio.to_thread(back_up, tmp_path / "a", tmp_path / f"copie-{len(copied)}", PHRASE, AT))
    await writing
    await journal.close()
    assert len({one.entries for one in copied}) > 1
    for number in (0, len(copied) - 1):
        restore(tmp_path / f"copie-{number}", tmp_path / f"b{number}", PHRASE)
        again = open_journal(tmp_path / f"b{number}")  # the call under way at that moment is settled as after a crash
        assert again.recovered == 1
        await again.close()
        assert len(entries_of(tmp_path / f"b{number}")) == copied[number].entries + 1
        assert recount(tmp_path / f"b{number}").gap_count == 0


async def test_the_registry_of_a_copy_is_never_ahead_of_its_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint signed while the journal is copied would cover entries that the copy has not: it would not start."""
    await a_journal(tmp_path / "a")
    registry = tmp_path / "a" / "registry" / "log-0.ndjson"
    registry.parent.mkdir()
    registry.write_text("before\n")
    copy = module._copy_database

    def slow(source: Path, target: Path) -> None:
        copy(source, target)
        registry.write_text("before\nafter\n")

    monkeypatch.setattr(module, "_copy_database", slow)
    back_up(tmp_path / "a", tmp_path / "copie", PHRASE, AT)
    restore(tmp_path / "copie", tmp_path / "b", PHRASE)
    assert (tmp_path / "b" / "registry" / "log-0.ndjson").read_text() == "before\n"


async def test_no_key_and_no_personal_value_is_readable_in_a_copy(tmp_path: Path) -> None:
    await a_journal(tmp_path / "a")
    back_up(tmp_path / "a", tmp_path / "copie", PHRASE, AT)
    content = (tmp_path / "copie").read_bytes()
    keys = [(tmp_path / "a" / "keys" / name).read_bytes() for name in ("K", "K2")]
    assert not [secret for secret in (*keys, keys[0].hex().encode(), MATRICULE.encode(), b"1@dui.test") if secret in content]
    assert (tmp_path / "copie").stat().st_mode & 0o077 == 0
    assert [path.name for path in tmp_path.iterdir() if ".part" in path.name] == []


async def test_another_passphrase_puts_nothing_back(tmp_path: Path) -> None:
    await a_journal(tmp_path / "a")
    back_up(tmp_path / "a", tmp_path / "copie", PHRASE, AT)
    with pytest.raises(BackupError, match="Phrase de passe fausse"):
        restore(tmp_path / "copie", tmp_path / "b", PHRASE + " ")
    with pytest.raises(BackupError, match="Phrase de passe fausse"):
        restore(tmp_path / "copie", tmp_path / "neuf" / "gateway", PHRASE + " ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "copie"]


async def test_a_short_passphrase_is_refused(tmp_path: Path) -> None:
    await a_journal(tmp_path / "a")
    with pytest.raises(BackupError, match="trop courte"):
        back_up(tmp_path / "a", tmp_path / "copie", "courte", AT)
    assert not (tmp_path / "copie").exists()


async def test_nothing_is_overwritten(tmp_path: Path) -> None:
    await a_journal(tmp_path / "a")
    (tmp_path / "copie").write_text("précieux")
    with pytest.raises(BackupError, match="existe déjà"):
        back_up(tmp_path / "a", tmp_path / "copie", PHRASE, AT)
    back_up(tmp_path / "a", tmp_path / "autre", PHRASE, AT)
    with pytest.raises(BackupError, match="n'écrase rien"):
        restore(tmp_path / "autre", tmp_path / "a", PHRASE)
    assert (tmp_path / "copie").read_text() == "précieux"
    (tmp_path / "vide").mkdir()
    assert restore(tmp_path / "autre", tmp_path / "vide", PHRASE).entries == 2  # the twin: an empty folder is no journal


def _members(file: Path) -> dict[str, bytes]:
    with tarfile.open(file) as tar:
        return {name: tar.extractfile(name).read() for name in tar.getnames()}  # type: ignore[union-attr]


def _rebuilt(file: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(file, "w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def _flip(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def _other_date(members: dict[str, bytes]) -> dict[str, bytes]:
    return members | {MANIFEST: members[MANIFEST].replace(b"2026-03-02", b"2027-03-02")}


def _other_journal(members: dict[str, bytes]) -> dict[str, bytes]:
    """A changed journal, its digest made right: the manifest is then not the one that the keys were sealed with."""
    changed = _flip(members[FILE_NAME], len(members[FILE_NAME]) - 1)
    said = orjson.loads(members[MANIFEST]) | {"journal_sha256": module._sha256(changed)}
    return members | {FILE_NAME: changed, MANIFEST: orjson.dumps(said)}


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda m: m | {FILE_NAME: _flip(m[FILE_NAME], len(m[FILE_NAME]) - 1)}, "n'a pas l'empreinte"),
        (lambda m: m | {FILE_NAME: m[FILE_NAME][:-4096]}, "n'a pas l'empreinte"),
        (_other_date, "copie modifiée"),
        (_other_journal, "copie modifiée"),
        (lambda m: {name: content for name, content in m.items() if name != SEALED}, "il y manque une partie"),
        (lambda m: m | {"../evade": b"x"}, "il y manque une partie"),
        (lambda m: m | {SEALED: b"{}"}, "abîmée"),
        (lambda m: m | {SEALED: b"pas du JSON"}, "abîmée"),
    ],
    ids=["flipped", "cut", "date", "forged", "no keys", "stranger", "no box", "no json"],
)
async def test_a_damaged_copy_is_refused_and_leaves_nothing(tmp_path: Path, damage: Any, reason: str) -> None:
    await a_journal(tmp_path / "a")
    back_up(tmp_path / "a", tmp_path / "copie", PHRASE, AT)
    members = _members(tmp_path / "copie")
    _rebuilt(tmp_path / "twin", members)
    restore(tmp_path / "twin", tmp_path / "c", PHRASE)
    _rebuilt(tmp_path / "damaged", damage(members))
    with pytest.raises(BackupError, match=reason):
        restore(tmp_path / "damaged", tmp_path / "b", PHRASE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "c", "copie", "damaged", "twin"]


def lose_an_index(folder: Path) -> None:
    """Every page can still be read and copied; the rows of one index are no longer there."""
    file = folder / FILE_NAME
    [(page,)], [(size,)] = (rows(folder, sql) for sql in (_ROOT, "PRAGMA page_size"))
    content = bytearray(file.read_bytes())
    content[(page - 1) * size + 3 : (page - 1) * size + 5] = bytes(2)  # no cell on this page
    file.write_bytes(content)


_ROOT = "SELECT rootpage FROM sqlite_schema WHERE name = 'sqlite_autoindex_entries_1'"


async def test_a_damaged_journal_is_not_copied(tmp_path: Path) -> None:
    await a_journal(tmp_path / "a")
    lose_an_index(tmp_path / "a")
    with pytest.raises(BackupError, match="Le journal lui-même est abîmé"):
        back_up(tmp_path / "a", tmp_path / "copie", PHRASE, AT)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("wrong", ["index", "count"])
async def test_a_copy_of_a_damaged_journal_is_not_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    """Whoever made it did not look: it is whole and sealed, and still no journal."""
    await a_journal(tmp_path / "a")
    counts = module._counts
    with monkeypatch.context() as careless:
        if wrong == "index":
            lose_an_index(tmp_path / "a")
            careless.setattr(module, "_copy_database", lambda source, copy: copy.write_bytes(source.read_bytes()))
        else:
            careless.setattr(module, "_counts", lambda path: counts(path) | {"entries": 3})
        back_up(tmp_path / "a", tmp_path / "copie", PHRASE, AT)
    with pytest.raises(BackupError, match="abîmé ou n'est pas celui du manifeste"):
        restore(tmp_path / "copie", tmp_path / "b", PHRASE)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("b")]


async def test_the_commands_say_what_a_copy_does_not_hold(tmp_path: Path) -> None:
    await a_journal(tmp_path / "data" / "gateway")
    run, copy = CliRunner(), str(tmp_path / "copie")
    make = ["journal", "backup", "-o", copy, "--data", str(tmp_path / "data")]
    said = await asyncio.to_thread(run.invoke, app, make, PHRASE + "\n")
    assert (said.exit_code, "2 entrées" in said.stdout) == (0, True), said.output
    back = ["journal", "restore", copy, "--data", str(tmp_path / "autre")]
    said = await asyncio.to_thread(run.invoke, app, back, PHRASE)
    assert said.exit_code == 0, said.output
    assert "n'y est pas" in said.stdout and "effacez-la encore" in said.stdout
    note = orjson.loads(entries_of(tmp_path / "autre" / "gateway")[-1])
    assert (note["kind"], note["detail"]["action"]) == ("admin", "restore")
    said = await asyncio.to_thread(run.invoke, app, back, PHRASE)
    assert (said.exit_code, "n'écrase rien" in said.output) == (2, True)
