"""Promise 1 under what HTTP/1.1 allows: kept connections, pipelines, other methods, odd targets, clients that leave.

One entry per request whose answer can be read, and that entry is on disk before the answer.
"""
from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway.road_bench import World, road_bench

LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setenv("SOCLE_PORTS", "{}")
    async with road_bench(tmp_path / "gateway") as world:
        yield world


class Wire:
    """A raw HTTP/1.1 client on one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def to(cls, world: World) -> Wire:
        return cls(*await asyncio.open_connection("127.0.0.1", int(world.url.rsplit(":", 1)[1])))

    def write(self, method: str, target: str = "/feed", body: bytes = b"", extra: str = "") -> None:
        head = f"{method} {target} HTTP/1.1\r\nHost: door\r\n{extra}Content-Length: {len(body)}\r\n\r\n"
        self.writer.write(head.encode("latin-1") + body)

    async def answer(self, *, bodiless: bool = False) -> tuple[int, bytes, bytes]:
        """Status, head, body: as many bytes as the head announces, none for HEAD."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 5)
        length = LENGTH.search(head)
        body = b"" if bodiless or length is None else await asyncio.wait_for(self.reader.readexactly(int(length[1])), 5)
        return int(head.split(b" ", 2)[1]), head, body

    async def close(self) -> None:
        self.writer.close()
        await asyncio.gather(self.writer.wait_closed(), return_exceptions=True)


async def settled(world: World, entries: int) -> list[str]:
    for _ in range(300):
        if len(world.entries()) >= entries and not world.road.in_flight:
            break
        await asyncio.sleep(0.01)
    return [entry["outcome"] for entry in world.entries()]


async def test_each_request_of_a_kept_connection_has_its_entry_before_its_answer(world: World) -> None:
    wire = await Wire.to(world)
    for number in range(1, 4):
        wire.write("POST", body=b"document")
        assert (await wire.answer())[2] == b"Success"
        assert len(world.entries()) == number
    await wire.close()


async def test_pipelined_requests_are_answered_in_order_each_with_its_entry(world: World) -> None:
    wire = await Wire.to(world)
    answers = iter([asyncio.sleep(0.15, "Success"), "XDSRegistryError", "Success"])
    world.behave = lambda: next(answers)
    for body in (b"one", b"two", b"three"):
        wire.write("POST", body=body)
    said = []
    for number in range(1, 4):
        said.append((await wire.answer())[2])
        assert len(world.entries()) >= number
    assert said == [b"Success", b"XDSRegistryError", b"Success"]
    assert [(entry["outcome"], entry["service_code"]) for entry in world.entries()] == [
        ("ok", "Success"), ("refused", "XDSRegistryError"), ("ok", "Success"),
    ]  # fmt: skip
    await wire.close()


async def test_a_pipeline_whose_client_leaves_has_entries_for_what_was_forwarded_only(world: World) -> None:
    wire = await Wire.to(world)
    world.behave = lambda: asyncio.sleep(0.15, "Success")
    for _ in range(3):
        wire.write("POST", body=b"document")
    await wire.writer.drain()
    await asyncio.sleep(0.05)
    await wire.close()
    await settled(world, 1)
    assert len(world.entries()) == world.received >= 1
    assert world.intents() == 0


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "DELETE", "PROPFIND"])
async def test_another_method_is_a_call_and_leaves_the_connection_usable(world: World, method: str) -> None:
    wire = await Wire.to(world)
    wire.write(method, "/ask")
    status, head, body = await wire.answer(bodiless=method == "HEAD")
    assert (status, len(world.entries()), world.received) == (200, 1, 1)
    if method == "HEAD":
        assert LENGTH.search(head) is None, "a length of our own would speak of a body that nobody measured"
    else:
        assert body == b"Success"
    wire.write("POST", body=b"document")
    assert (await wire.answer())[2] == b"Success"
    assert len(world.entries()) == 2
    await wire.close()


@pytest.mark.parametrize("target", ["*", "http://elsewhere.test/ask", "/ask%zz", "/a\x7fsk", "//elsewhere.test/ask"])
async def test_an_odd_target_is_answered_with_one_entry_or_never_was_a_request(world: World, target: str) -> None:
    wire = await Wire.to(world)
    wire.write("OPTIONS" if target == "*" else "GET", target)
    status, head, _ = await wire.answer()
    by_the_server = status == 400 and b"x-socle-fault" not in head.lower()  # a gap entry, not a call (design §5.1)
    assert len(world.entries()) == (0 if by_the_server else 1)
    await wire.close()


@pytest.mark.parametrize("extra", ["Expect: 100-continue\r\n", "Connection: Upgrade\r\nUpgrade: h2c\r\n"])
async def test_what_a_client_offers_to_negotiate_costs_no_entry(world: World, extra: str) -> None:
    wire = await Wire.to(world)
    wire.write("GET", "/ask", extra=extra)
    status, _, _ = await wire.answer()
    if status == 100:
        status, _, _ = await wire.answer()
    assert (status, len(world.entries())) == (200, 1)
    await wire.close()


async def test_a_chunked_upload_that_stops_is_cut_and_not_forwarded(world: World) -> None:
    wire = await Wire.to(world)
    wire.writer.write(b"POST /feed HTTP/1.1\r\nHost: door\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ndocu\r\n")
    await wire.writer.drain()
    await asyncio.sleep(0.05)
    await wire.close()
    assert await settled(world, 1) == ["cut"]
    assert (world.received, world.intents()) == (0, 0)


async def test_a_chunked_upload_that_ends_is_forwarded_once(world: World) -> None:
    wire = await Wire.to(world)
    wire.writer.write(b"POST /feed HTTP/1.1\r\nHost: door\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ndocu\r\n")
    wire.writer.write(b"4\r\nment\r\n0\r\n\r\n")
    assert (await wire.answer())[2] == b"Success"
    assert (world.received, [entry["outcome"] for entry in world.entries()]) == (1, ["ok"])
    await wire.close()
