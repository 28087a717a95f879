"""What could not be recorded one by one is said once a minute: how many, from when to when, why."""
from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.wire.clock import SystemClock
from gateway.app import Gateway
from gateway.gaps import Gaps
from gateway.journal.canonical import text_of
from gateway.journal.journal import Journal
from gateway.journal.query import Filters, JournalReader
from gateway.journal.record import JournalFull
from gateway.strangers import ALONE
from tests.gateway.doors.own.bench import open_bench
from tests.gateway.journal.world import BORN, HandClock


def counted(*rounds: dict[tuple[str, str], int]) -> Any:
    left = iter(rounds)
    return lambda: next(left, {})


async def gaps_of(folder: Path) -> list[dict[str, Any]]:
    with JournalReader(folder) as reader:
        return reader.entries(Filters(kind="gap")).entries


async def test_one_gap_entry_for_each_listener_and_reason(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, environment="bac_a_sable", clock=SystemClock())
    try:
        tls = counted({("insi", "certificate required"): 3}, {})
        full = counted({("dmp", "G-PLEIN"): 2}, {})
        gaps = Gaps(journal, SystemClock(), [tls, full])
        await gaps.flush()
        await gaps.flush()
        found = {(row["detail"]["listener"], row["detail"]["why"]): row["detail"]["count"] for row in await gaps_of(tmp_path)}
        assert found == {("insi", "certificate required"): 3, ("dmp", "G-PLEIN"): 2}
    finally:
        await journal.close()


async def test_a_gap_that_finds_no_room_is_kept_and_summed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = HandClock()
    journal = Journal.open(tmp_path, environment="bac_a_sable", clock=clock)
    try:
        gaps = Gaps(journal, clock, [counted({("insi", "eof"): 3}, {("insi", "eof"): 4})], every_s=3600)
        running = asyncio.create_task(gaps.run())
        await asyncio.sleep(0)
        running.cancel()
        write = journal.write

        async def no_room(*_records: Any) -> Any:
            raise JournalFull("no room")

        monkeypatch.setattr(journal, "write", no_room)
        clock.now += timedelta(minutes=1)
        await gaps.flush()
        monkeypatch.setattr(journal, "write", write)
        clock.now += timedelta(minutes=1)
        await gaps.flush()
        [gap] = await gaps_of(tmp_path)
        assert gap["detail"]["count"] == 7
        assert (gap["detail"]["from"], gap["detail"]["to"]) == (text_of(BORN), text_of(BORN + timedelta(minutes=2)))
    finally:
        await journal.close()


async def test_a_gateway_says_what_every_door_counted_while_it_runs_and_when_it_stops(
    own_sandbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_bench(own_sandbox, tmp_path / "data", monkeypatch) as bench:
        await bench.stop()
        gateway, urls, stop = Gateway.open(bench.settings), bench.urls, asyncio.Event()
        gateway.gaps.every_s = 0.1
        running = asyncio.create_task(gateway.run(urls.__setitem__, stop.wait))
        urls.clear()

        async def says(listener: str, words: bytes) -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(urls[listener].rpartition(":")[2].partition("/")[0]))
            if listener == "smtp":
                await reader.readline()
            writer.write(words)
            writer.close()
            await writer.wait_closed()

        async def said(listener: str) -> list[dict[str, Any]]:
            return [gap["detail"] for gap in await gaps_of(bench.settings.journal) if gap["detail"]["listener"] == listener]

        async with asyncio.timeout(20):
            while None not in urls:
                await asyncio.sleep(0.01)
            for _ in range(ALONE + 1):
                assert (await bench.post("/ins/recherche", {}, key="cle-inconnue")).status == 401
            await says("smtp", b"")
            await says("insi", b"no handshake")
            while not all([await said(listener) for listener in ("console", "smtp", "insi")]):
                await asyncio.sleep(0.05)
        gateway.gaps.every_s = 3600
        await asyncio.sleep(0.3)  # the minute under way
        before = len(await said("smtp"))
        await says("smtp", b"")
        stop.set()
        await running
        assert len(await said("smtp")) == before + 1
