"""A server that could lose entries is refused before anything is written to it (design §5, « Stores »)."""
from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.journal import location
from gateway.journal.backup import BackupError, back_up
from gateway.journal.postgres import PostgresConnection
from gateway.journal.record import JournalUnsafe
from gateway.journal.server import open_for_reading, open_for_writing, refusal, vacuum
from tests.gateway.journal.world import open_journal
from tests.stores import Server

SAFE = {
    "server_version_num": ("140000", "140000"), "fsync": ("on", "on"), "full_page_writes": ("on", "on"),
    "synchronous_commit": ("on", "on"), "synchronous_standby_names": ("", ""),
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, None),
        ({"synchronous_commit": ("on", "local")}, None),
        ({"synchronous_commit": ("on", "remote_apply"), "synchronous_standby_names": ("b", "")}, None),
        ({"server_version_num": ("130014", "")}, "PostgreSQL 13 est trop ancien"),
        ({"fsync": ("off", "off")}, "fsync = off"),
        ({"full_page_writes": ("off", "off")}, "full_page_writes = off"),
        ({"synchronous_commit": ("on", "off")}, "synchronous_commit = off"),
        ({"synchronous_commit": ("on", "local"), "synchronous_standby_names": ("b", "")}, "synchronous_commit = local"),
    ],
)
def test_what_would_lose_entries_is_refused(changes: dict[str, tuple[str, str]], words: str | None) -> None:
    why = refusal(SAFE | changes)
    assert why is None if words is None else words in str(why)


def test_a_database_that_does_not_wait_for_its_disk_is_refused(postgres: Server, tmp_path: Path) -> None:
    address = postgres.place(tmp_path)
    admin = PostgresConnection(address, {})
    name = admin.execute("SELECT current_database()").get
    admin.script(f"ALTER DATABASE {name} SET synchronous_commit = off")
    with pytest.raises(JournalUnsafe, match="ALTER ROLE, ALTER DATABASE"):
        open_for_writing(address)
    admin.script(f"ALTER DATABASE {name} SET synchronous_commit = local")
    writer = open_for_writing(address)
    assert writer.execute("SHOW synchronous_commit").get == "on"
    writer.close()
    admin.close()


def test_copies_are_the_server_s(tmp_path: Path) -> None:
    location.choose(tmp_path, "postgresql://socle:secret@base.test/journal")
    with pytest.raises(BackupError, match="pg_dump") as refused:
        back_up(tmp_path, tmp_path / "copie", "une phrase de passe de test", datetime(2026, 3, 2, tzinfo=UTC))
    assert "secret" not in str(refused.value)
    assert not (tmp_path / "copie").exists()


def test_a_reader_sees_one_moment_of_the_journal(postgres: Server, tmp_path: Path) -> None:
    address = postgres.place(tmp_path)
    writer, reader = open_for_writing(address), open_for_reading(address)
    with reader:
        assert reader.execute("SELECT count(*) FROM log_heads").get == 0
        writer.execute("INSERT INTO log_heads VALUES (7, 0, 'b', now())")
        assert reader.execute("SELECT count(*) FROM log_heads").get == 0
    assert reader.execute("SELECT count(*) FROM log_heads").get == 1
    writer.close()
    reader.close()


async def test_the_months_are_looked_at_together(postgres: Server, tmp_path: Path) -> None:
    """Without this a month's rates over a million entries took more than a minute; with it half a second."""
    address = postgres.place(tmp_path)
    journal = open_journal(tmp_path)
    await journal.write(*(journal.admin({"action": "essai", "by": "amoa"}) for _ in range(20)))
    await journal.close()
    looked_at = "SELECT count(*) FROM pg_stats WHERE tablename = 'entries' AND inherited AND attname IN ('pos', 'id')"
    reader = open_for_reading(address)
    assert reader.execute(looked_at).get == 0
    vacuum(address)
    assert reader.execute(looked_at).get == 2
    reader.close()
