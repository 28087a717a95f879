"""Client: what leaves is what was given, and « not sent » is true."""
from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from connectors.wire.http import Client, NoAnswer, NotSent

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
_OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
_LARGE = b"x" * 8_000_000  # more than the buffers between two processes hold


@asynccontextmanager
async def served(handler: Handler) -> AsyncIterator[str]:
    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(one, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("target", ["/a/../b//c", "/p;v=1?x=%2f%20&y=a+b", "/?", "/%C3%A9?", "//double/"])
async def test_the_target_leaves_as_it_was_given(target: str) -> None:
    lines: list[bytes] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines.extend((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n"))
        writer.write(_OK)

    async with served(handler) as url, Client() as client:
        await client.send("GET", url + target, headers=[(b"X-Twice", b"1"), (b"X-Twice", b"2")])
    assert lines[0] == f"GET {target.rstrip('?')} HTTP/1.1".encode()
    sent = [line.partition(b":")[0].lower() for line in lines[1:] if line]
    assert sorted(sent) == [b"host", b"x-twice", b"x-twice"], "nothing is added but the name of the host"


async def test_what_was_not_sent_never_arrives_whole() -> None:
    told, arrived = asyncio.Event(), 0
    read = asyncio.Event()

    async def handler(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        nonlocal arrived
        await reader.readuntil(b"\r\n\r\n")
        await told.wait()
        try:
            while chunk := await reader.read(1 << 20):
                arrived += len(chunk)
        except ConnectionError:
            pass
        read.set()

    async with served(handler) as url, Client() as client:
        with pytest.raises(NotSent, match="timeout"):
            await client.send("POST", url, body=_LARGE, timeout_s=0.3)
        told.set()
        await asyncio.wait_for(read.wait(), 10)
    assert arrived < len(_LARGE)


@pytest.mark.parametrize("body", [b"", b"x", _LARGE], ids=["empty", "small", "large"])
@pytest.mark.parametrize("answer", [b"", b"perdu\r\n\r\n", _OK[:-1], None], ids=["none", "unreadable", "cut", "reset"])
async def test_after_the_last_byte_nobody_knows(body: bytes, answer: bytes | None) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(len(body))
        if answer is None:
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            writer.write(answer)

    async with served(handler) as url, Client() as client:
        with pytest.raises(NoAnswer) as lost:
            await client.send("POST", url, body=body)
    assert lost.value.reason == ("reset" if answer is None else "garbage")


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_connection_is_kept_and_a_closed_client_opens_none(method: str) -> None:
    connections = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        for _ in range(2):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(_OK)

    async with served(handler) as url:
        async with Client() as client:
            assert [(await client.send(method, url)).body for _ in range(2)] == [b"ok", b"ok"]
        with pytest.raises(NotSent, match="connect"):
            await client.send(method, url)
    assert (connections, client._session) == (1, None)


async def test_an_early_answer_is_the_answer_and_its_connection_the_last() -> None:
    connections = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Trop\r\ncontent-length: 0\r\n\r\n")
        await asyncio.wait_for(left.wait(), 10)

    left = asyncio.Event()
    async with served(handler) as url, Client() as client:
        assert (await client.send("POST", url, body=_LARGE, timeout_s=5)).status == 413
        assert (await client.send("GET", url, timeout_s=5)).status == 413
        left.set()
    assert connections == 2


async def test_an_answer_that_stalls_ends_its_connection() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(_OK[:-1])
        assert await asyncio.wait_for(reader.read(), 10) == b""
        ended.set()

    ended = asyncio.Event()
    async with served(handler) as url, Client() as client:
        with pytest.raises(NoAnswer, match="timeout"):
            await client.send("GET", url, timeout_s=0.2)
        await asyncio.wait_for(ended.wait(), 10)
