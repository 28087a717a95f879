"""A client of the simulated operator's reading side that says exactly these bytes, and what it hears."""
from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from connectors.wire.tls import client_context
from mocks.mssante.app import MssanteMock
from mocks.mssante.imap_app import connected
from mocks.mssante.state import Envelope, Reading
from tests.mocks.mssante.bench import COLLEAGUE, SHARED, message, pki, serving, xoauth2

_LITERAL = re.compile(rb"\{([0-9]+)\}\r\n\Z")


@dataclass
class Imap:
    """One connection. ``says`` returns what was heard before the tagged line; the tag is its own."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int = 0

    async def hears(self) -> bytes:
        """One line, its literals in it, without its CRLF; empty when the server closed."""
        async with asyncio.timeout(10):
            line = await self.reader.readline()
            while (literal := _LITERAL.search(line)) is not None:
                line += await self.reader.readexactly(int(literal[1])) + await self.reader.readline()
        return line.removesuffix(b"\r\n")

    async def raw(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def says(self, command: str | bytes, ends: str = "OK") -> list[bytes]:
        """Say it under a new tag; the tagged line must begin with ``ends``."""
        tag = self.tag()
        await self.raw(tag + b" " + (command if isinstance(command, bytes) else command.encode()) + b"\r\n")
        return await self.until(tag, ends)

    def tag(self) -> bytes:
        self.number += 1
        return b"a%d" % self.number

    async def until(self, tag: bytes, ends: str = "OK") -> list[bytes]:
        heard = []
        while not (line := await self.hears()).startswith(tag + b" "):
            assert line, f"closed instead of {ends}: {heard}"
            heard.append(line)
        assert line[len(tag) + 1 :].startswith(ends.encode()), (ends, line)
        return [*heard, line]

    async def leaves(self, command: str, bye: str) -> None:
        """What the server ends the connection for, and how it says so."""
        await self.raw(self.tag() + b" " + command.encode() + b"\r\n")
        assert (await self.hears()).startswith(f"* BYE {bye}".encode())
        await self.gone()

    async def gone(self) -> None:
        with contextlib.suppress(ConnectionError):
            assert await self.hears() == b""

    async def starttls(self, context: ssl.SSLContext | None = None) -> None:
        await self.says("STARTTLS")
        await self.writer.start_tls(context or client_context(pki()["ca"]), server_hostname="localhost")

    async def login(self, mailbox: str = SHARED, token: str = "nadia") -> None:
        await self.starttls()
        await self.says(f"AUTHENTICATE XOAUTH2 {xoauth2(mailbox, token)}")

    async def append(self, content: bytes, folder: str = "Sent", ends: str = "OK", more: str = "") -> bytes:
        """The tagged line."""
        return (await self.says(f"APPEND {folder} {more}{{{len(content)}+}}\r\n".encode() + content, ends))[-1]


@contextlib.asynccontextmanager
async def reading(mock: MssanteMock, *, greeting: str = "* OK [CAPABILITY IMAP4rev1 ") -> AsyncIterator[Imap]:
    async with serving(lambda reader, writer: connected(mock, reader, writer)) as port, dial(port, greeting=greeting) as talk:
        yield talk


@contextlib.asynccontextmanager
async def dial(port: int, *, greeting: str = "* OK [CAPABILITY IMAP4rev1 ") -> AsyncIterator[Imap]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    talk = Imap(reader, writer)
    try:
        assert (await talk.hears()).startswith(greeting.encode())
        yield talk
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()


def deliver(mock: MssanteMock, text: str | None = None, *, to: str = SHARED, sender: str = COLLEAGUE) -> bytes:
    """A message that the submission side accepted; what its reader sees of it."""
    content = (text if text is not None else message(sender, f"<{mock.store.next_queue_id()}@ch-test.mssante.fr>")).encode()
    queue_id = mock.store.next_queue_id()
    at = datetime.fromisoformat("2026-03-02T09:30:00+01:00")
    mock.store.deliver(queue_id, Envelope(sender, {to: "delivered"}, "dui.test"), Reading.of(content), content, at)
    return mock.store.inbox(to)[-1]
