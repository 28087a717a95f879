"""Who has no credential can be heard, and can neither fill the journal nor hide a known caller (decision 0024)."""
from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from connectors.wire.clock import SystemClock
from gateway.gaps import Gaps
from gateway.journal.record import Exchange, Record
from gateway.strangers import ALONE, Strangers
from tests.gateway.doors.smtp_bench import SmtpBench, smtp_bench
from tests.gateway.journal.world import HandClock
from tests.gateway.road_bench import World, post, road_bench
from tests.mocks.mssante.bench import SHARED

MORE = 7


def stranger() -> Record:
    return Record("INS.INCONNUE", outcome="unauthorised")


def test_the_first_of_a_minute_have_their_entries_and_the_others_are_counted() -> None:
    clock = HandClock()
    strangers = Strangers(clock)
    for minute in range(2):
        kept = [not strangers.grouped(stranger(), "insi", "V-IDENTITE") for _ in range(ALONE + MORE)]
        assert kept == [True] * ALONE + [False] * MORE, minute
        assert not strangers.grouped(stranger(), "console", "V-CLE-PORTE")  # another listener has its own
        assert strangers.take_refused() == {("insi", "V-IDENTITE"): MORE}
        assert strangers.take_refused() == {}
        clock.now += timedelta(seconds=60)


def test_a_clock_that_steps_back_neither_silences_nor_floods() -> None:
    clock = HandClock()
    strangers = Strangers(clock)
    for _ in range(ALONE):
        strangers.grouped(stranger(), "insi", "V-IDENTITE")
    clock.now -= timedelta(hours=2)
    kept = [not strangers.grouped(stranger(), "insi", "V-IDENTITE") for _ in range(ALONE + MORE)]
    assert kept.count(True) == ALONE


def test_a_known_caller_and_what_a_service_saw_always_have_their_entry() -> None:
    strangers = Strangers(HandClock())
    for _ in range(ALONE + MORE):
        strangers.grouped(stranger(), "insi", "V-IDENTITE")
    known, forwarded = stranger(), stranger()
    known.tenant = "editeur-a"
    forwarded.exchanges.append(Exchange("HTTP 401", 1))
    assert not strangers.grouped(known, "insi", "V-TAILLE")
    assert not strangers.grouped(forwarded, "insi", "V-CLE-API")
    assert strangers.grouped(known, "insi", "V-TLS", proved=False)  # named by what anybody may write


# --- on the road ------------------------------------------------------------------------------------------------------


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setenv("SOCLE_PORTS", "{}")
    async with road_bench(tmp_path / "gateway") as world:
        yield world


def told(entries: list[dict[str, Any]]) -> list[tuple[str, str, int]]:
    return [(one["detail"]["listener"], one["detail"]["why"], one["detail"]["count"]) for one in entries if one["kind"] == "gap"]


async def test_a_flood_on_a_native_door_is_one_gap_entry(world: World) -> None:
    for _ in range(ALONE):
        assert (await post(world, who="stranger")).status == 403
    for body in (b"document", b"x" * 2000):  # refused for who they are, then for their size
        for _ in range(MORE):
            answer = await post(world, who="stranger", body=body)
            assert answer.status == (403 if len(body) < 1000 else 413)
    assert (await post(world)).status == 200  # the twin: a known caller in the middle of it
    await Gaps(world.journal, SystemClock(), [world.road.take_refused]).flush()
    entries = world.entries()
    assert [one["outcome"] for one in entries if one["kind"] == "call"] == ["unauthorised"] * ALONE + ["ok"]
    assert sorted(told(entries)) == [("dmp", "V-IDENTITE", MORE), ("dmp", "V-TAILLE", MORE)]
    assert (world.journal.in_flight_intents, world.received) == (0, 1)


# --- on the mail door -------------------------------------------------------------------------------------------------


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[SmtpBench]:
    async with smtp_bench(tmp_path) as bench:
        yield bench


async def test_mail_without_tls_is_not_an_entry_each_whoever_it_says_it_is(bench: SmtpBench) -> None:
    async with bench.dui(login=False) as talk:
        for _ in range(ALONE + MORE):
            await talk.says(f"MAIL FROM:<{SHARED}>", "530")
        await talk.says("QUIT", "221")
    assert len(bench.entries()) == ALONE
    assert {tuple(one["flags"]) for one in bench.entries()} == {("V-TLS",)}
    assert bench.door.take_refused() == {("smtp", "V-TLS"): MORE}


async def test_sessions_that_never_reach_the_operator_are_not_an_entry_each(bench: SmtpBench) -> None:
    for _ in range(ALONE + MORE):
        async with bench.dui(login=False) as talk:
            await talk.says("GET / HTTP/1.1", "502")
    async with bench.dui(login=False) as talk:  # the twin: the operator has seen this one
        await talk.says("EHLO dui.test", "250")
        await talk.says("QUIT", "221")
    await bench.door.drain(2)
    sessions = bench.entries("MSS.SESSION_SMTP")
    assert [(one["outcome"], bool(one["exchanges"])) for one in sessions] == [("cut", False)] * ALONE + [("ok", True)]
    assert bench.door.take_refused() == {("smtp", "smtp_cut"): MORE}
    assert bench.journal.in_flight_intents == 0


def test_a_gap_entry_says_nothing_that_a_stranger_chose() -> None:
    strangers = Strangers(HandClock())
    for _ in range(ALONE + 1):
        strangers.grouped(stranger(), "console", "V-CLE-PORTE")
    assert orjson.dumps({" ".join(key): count for key, count in strangers.take_refused().items()}) == b'{"console V-CLE-PORTE":1}'
