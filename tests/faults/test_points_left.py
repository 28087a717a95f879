"""A DUI that hangs up at each point of its call (design §5.1, §5.3): cut before the last byte, complete after it."""
from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from mocks.sandbox.faults import Fault
from tests.gateway.doors.smtp_bench import SmtpBench, smtp_bench
from tests.gateway.road_bench import World, road_bench
from tests.mocks.mssante.bench import COLLEAGUE, SHARED, Dialogue, message

pytestmark = pytest.mark.faults

HEAD = b"POST /feed HTTP/1.1\r\nHost: door\r\nContent-Length: 8\r\n"
WHOLE = HEAD + b"\r\ndocument"


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setenv("SOCLE_PORTS", "{}")
    async with road_bench(tmp_path / "gateway") as world:
        yield world


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[SmtpBench]:
    async with smtp_bench(tmp_path) as bench:
        yield bench


async def says_and_leaves(world: World, said: bytes, *, stays_s: float = 0.05) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", int(world.url.rsplit(":", 1)[1]))
    writer.write(said)
    await writer.drain()
    await asyncio.sleep(stays_s)
    writer.transport.abort()


async def quiet(world: World) -> list[dict[str, Any]]:
    await asyncio.sleep(0.1)
    await world.road.drain(2)
    return world.entries()


@pytest.mark.parametrize("said", [b"", b"POST /feed HT", HEAD], ids=["nothing", "half a line", "no end of headers"])
async def test_http_what_never_was_a_request_has_no_entry(world: World, said: bytes) -> None:
    await says_and_leaves(world, said)
    assert (await quiet(world), world.received, world.intents()) == ([], 0, 0)


@pytest.mark.parametrize("missing", [8, 4, 1])
async def test_http_before_the_last_byte_the_call_is_cut(world: World, missing: int) -> None:
    await says_and_leaves(world, WHOLE[:-missing])
    [entry] = await quiet(world)
    assert (entry["outcome"], entry["flags"], entry["exchanges"]) == ("cut", ["V-COUPURE"], [])
    assert (world.received, world.intents()) == (0, 0)


async def test_http_after_the_last_byte_the_entry_is_complete(world: World) -> None:
    world.behave = lambda: asyncio.sleep(0.2, "Success")
    await says_and_leaves(world, WHOLE)
    [entry] = await quiet(world)
    assert (entry["outcome"], entry["service_code"], world.received, world.intents()) == ("ok", "Success", 1, 0)


async def test_http_at_the_very_last_byte_it_is_one_or_the_other(world: World) -> None:
    for _ in range(5):
        await says_and_leaves(world, WHOLE, stays_s=0)
    entries = await quiet(world)
    assert {entry["outcome"] for entry in entries} <= {"ok", "cut"}
    assert world.received == sum(entry["outcome"] == "ok" for entry in entries)
    assert world.intents() == 0


async def test_http_while_the_answer_is_on_its_way(world: World) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(world.url.rsplit(":", 1)[1]))
    writer.write(WHOLE)
    await reader.readexactly(9)
    writer.transport.abort()
    assert [entry["outcome"] for entry in await quiet(world)] == ["ok"]


# --- SMTP -------------------------------------------------------------------------------------------------------------

MAIL = (f"MAIL FROM:<{SHARED}>", "250")
RCPT = (f"RCPT TO:<{COLLEAGUE}>", "250")
DATA = ("DATA", "354")
TEXT = message()
#: How far the DUI goes, then what the journal has of the message and whether the operator holds it.
UNSENT: dict[str, tuple[list[tuple[str, str]], str, str | None]] = {
    "logged in": ([], "", None),
    "after MAIL": ([MAIL], "", "cut"),
    "after RCPT": ([MAIL, RCPT], "", "cut"),
    "after DATA": ([MAIL, RCPT, DATA], "", "cut"),
    "in the headers": ([MAIL, RCPT, DATA], TEXT[:40], "cut"),
    "before the dot": ([MAIL, RCPT, DATA], TEXT, "cut"),
    "in the dot": ([MAIL, RCPT, DATA], TEXT + ".\r", "cut"),
}


async def leave(talk: Dialogue) -> None:
    await asyncio.sleep(0.05)
    talk.writer.transport.abort()


async def ended(bench: SmtpBench) -> list[dict[str, Any]]:
    for _ in range(300):
        if bench.entries("MSS.SESSION_SMTP") and not bench.door.in_flight:
            break
        await asyncio.sleep(0.01)
    return bench.entries()


@pytest.mark.parametrize("point", UNSENT)
async def test_smtp_before_the_final_dot_the_message_is_cut(bench: SmtpBench, point: str) -> None:
    steps, text, outcome = UNSENT[point]
    async with bench.dui() as smtp:
        for line, heard in steps:
            await smtp.says(line, heard)
        await smtp.raw(text)
        await leave(smtp)
    assert [entry["outcome"] for entry in await ended(bench)] == ([outcome] if outcome else [])
    [session] = bench.entries("MSS.SESSION_SMTP")
    assert (session["outcome"], bench.held(), bench.units(), bench.intents()) == ("cut", 0, 0, 0)


@pytest.mark.parametrize("thinks_s", [0.0, 0.4], ids=["at once", "while the operator thinks"])
async def test_smtp_after_the_final_dot_the_entry_is_complete(bench: SmtpBench, thinks_s: float) -> None:
    if thinks_s:
        bench.world.faults.arm(Fault("lent", "MSS.SOUMISSION", "timeout", delay_s=thinks_s))
    async with bench.dui() as smtp:
        for line, heard in (MAIL, RCPT, DATA):
            await smtp.says(line, heard)
        await smtp.raw(TEXT + ".\r\n")
        await leave(smtp)
    [entry] = await ended(bench)
    assert (entry["outcome"], bench.held(), bench.units(), bench.intents()) == ("ok", 1, 1, 0)
