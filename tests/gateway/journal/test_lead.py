"""The lead of several gateways goes with the log: whoever was taken over leads no more, stopped or not (decision 0056)."""
from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.journal import database, postgres
from gateway.journal.acts import Acts
from gateway.journal.connection import StoreError
from gateway.journal.journal import FILE_NAME, Journal
from tests.gateway.journal.several import Another, change, closed
from tests.gateway.journal.world import rows
from tests.stores import opened

Followed = Callable[[Journal], Acts]
_OUT = "UPDATE log_heads SET lease_until = clock_timestamp() - interval '1 s' WHERE log_id = 1"
_TRIES = 1_000  # a session ends a moment after the server was told


@pytest.fixture
def followed() -> Iterator[Followed]:
    everybody: list[Acts] = []

    def of(journal: Journal) -> Acts:
        everybody.append(Acts(journal.folder, journal.log_id, journal.boot_id))
        return everybody[-1]

    yield of
    for one in everybody:
        one.close()


def leads(acts: Acts) -> bool:
    return any(acts.lead() for _ in range(_TRIES))


async def test_who_was_taken_over_loses_the_lead(gateway: Another, followed: Followed) -> None:
    stopped, other = gateway("a"), gateway("b")
    leading, waiting = followed(stopped), followed(other)
    assert leading.lead() and not waiting.lead()
    change(stopped.folder, _OUT)
    assert waiting.depose() == 0, "nobody has its log yet: it may still write"
    assert await other.take_over() is not None
    assert waiting.depose() == 1
    assert leads(waiting)
    with pytest.raises(StoreError):
        leading.confirm()
    waiting.confirm()
    assert waiting.depose() == 0


async def test_whose_lease_holds_keeps_the_lead(gateway: Another, followed: Followed) -> None:
    one, other = gateway("a"), gateway("b")
    leading, waiting = followed(one), followed(other)
    assert leading.lead()
    assert (waiting.depose(), waiting.lead()) == (0, False)
    leading.confirm()
    await closed(other)  # left in order: its log has no lease, and nothing of it is taken
    assert leading.depose() == 0
    waiting.confirm()


async def test_its_pass_of_retention_ends_with_the_lead_and_nothing_else_does(
    gateway: Another, followed: Followed, tmp_path: Path
) -> None:
    stopped, other = gateway("a"), gateway("b")
    leading, waiting = followed(stopped), followed(other)
    assert leading.lead()
    retaining, stranger = database.open_for_reading(tmp_path / "a" / FILE_NAME, boot=stopped.boot_id), opened(tmp_path / "a")
    for number, session in enumerate((retaining, stranger)):
        assert session.execute("SELECT pg_try_advisory_lock(?)", (number,)).get
    change(stopped.folder, _OUT)
    await other.take_over()
    assert waiting.depose() == 2
    with pytest.raises(StoreError):
        retaining.execute("SELECT 1").fetchone()
    assert stranger.execute("SELECT 1").get == 1
    for session in (retaining, stranger):
        session.close()


async def test_its_questions_may_come_from_several_threads_at_once(
    gateway: Another, followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who follows and who waits for the others ask together. A transaction left open would hold the row that the writer needs."""
    journal = gateway("a")
    acts, begun = followed(journal), postgres._begun
    await journal.write(journal.admin({"action": "essai"}))

    async def slowly(link: object) -> object:
        await asyncio.sleep(0.005)
        return await begun(link)

    monkeypatch.setattr(postgres, "_begun", slowly)

    def ask() -> None:
        for _ in range(5):
            acts.coming()
            acts.behind(1)
            acts.done(1)

    async with asyncio.timeout(20):
        await asyncio.gather(*(asyncio.to_thread(ask) for _ in range(3)))
        await journal.write(journal.admin({"action": "essai"}))
    of_it = f"SELECT state FROM pg_stat_activity WHERE application_name = 'socle {journal.boot_id}'"
    assert rows(journal.folder, of_it) == [("idle",)]
