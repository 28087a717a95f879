"""Listeners: the certificate reaches the application, alerts reach the client, refused connections are counted."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import hashlib
import ssl
from collections.abc import AsyncIterator
from typing import Any

import pytest

from connectors.wire import serving
from connectors.wire.http import Answer, Client, NoAnswer, NotSent
from connectors.wire.serving import HttpService, Running, StreamService, _Together, bind_loopback, take_refused
from connectors.wire.tls import client_context, server_context
from tests.connectors.wire.conftest import Pki


async def echo(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answers with the request: target, headers, body, and the fingerprint of the client's certificate."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    if scope["path"] == "/slow":
        await asyncio.sleep(0.5)
    der = scope["extensions"]["tls"].get("client_cert_der")
    seen = hashlib.sha256(der).hexdigest().encode() if der else b"-"
    headers = [
        (b"x-client", seen),
        (b"x-target", scope["raw_path"] + b"?" + scope["query_string"]),
        (b"set-cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
    ]
    await send(
        {
            "type": "http.response.start",
            "status": 418,
            "headers": [*headers, *[(b"x-in-" + key, value) for key, value in scope["headers"]]],
        }
    )
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(autouse=True)
def free_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOCLE_PORTS", "{}")


@pytest.fixture
async def mutual(pki: Pki) -> AsyncIterator[str]:
    tls = server_context(pki.server.cert, pki.server.key, ca=pki.ca, client="required")
    running = await Running.start([HttpService("insi", echo, tls)])
    yield running.urls["insi"]
    await running.stop(1)


async def test_the_application_sees_the_clients_certificate(mutual: str, pki: Pki) -> None:
    async with Client(client_context(pki.ca, cert=pki.client.cert, key=pki.client.key)) as client:
        answer = await client.send("POST", mutual + "/lps?a=%7C&b=é".replace("é", "%C3%A9"), body=b"abc")
    der = ssl.PEM_cert_to_DER_cert(pki.client.cert.read_text())
    assert answer.status == 418
    assert answer.header("x-client") == hashlib.sha256(der).hexdigest()
    assert answer.header("x-target") == "/lps?a=%7C&b=%C3%A9"
    assert answer.body == b"abc"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_no_client_certificate_is_answered_by_an_alert(mutual: str, pki: Pki, version: ssl.TLSVersion) -> None:
    take_refused()
    context = client_context(pki.ca)
    context.minimum_version = context.maximum_version = version
    port = int(mutual.rsplit(":", 1)[1])
    with pytest.raises(ssl.SSLError) as refused:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
        try:
            writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await reader.read(1)
        finally:
            writer.close()
    expected = "CERTIFICATE_REQUIRED" if version is ssl.TLSVersion.TLSv1_3 else "HANDSHAKE_FAILURE"
    assert expected in str(refused.value)
    assert take_refused() == {("insi", "V-CERT-ABSENT"): 1}


async def test_a_foreign_certificate_is_answered_by_an_alert(mutual: str, pki: Pki) -> None:
    async with Client(client_context(pki.ca, cert=pki.stranger.cert, key=pki.stranger.key)) as client:
        with pytest.raises((NotSent, NoAnswer)) as refused:
            await client.send("POST", mutual + "/lps", body=b"abc")
    assert refused.value.reason == "tls"
    assert "UNKNOWN_CA" in "".join(str(error) for error in _chain(refused.value))


def _chain(error: BaseException | None) -> list[BaseException]:
    chain = []
    while error is not None:
        chain.append(error)
        error = error.__cause__ or error.__context__
    return chain


async def test_dmp_profile_is_tls_1_2_only(pki: Pki) -> None:
    tls = server_context(pki.server.cert, pki.server.key, ca=pki.ca, client="required", profile="dmp")
    running = await Running.start([HttpService("dmp", echo, tls)])
    try:
        good = client_context(pki.ca, cert=pki.client.cert, key=pki.client.key, profile="standard")
        good.minimum_version = ssl.TLSVersion.TLSv1_3
        async with Client(good) as client:
            with pytest.raises(NotSent) as refused:
                await client.send("POST", running.urls["dmp"] + "/", body=b"x")
        assert refused.value.reason == "tls"
    finally:
        await running.stop(1)


async def test_oversized_headers_are_dropped_and_counted() -> None:
    take_refused()
    running = await Running.start([HttpService("console", echo)])
    try:
        async with Client() as client:
            answer = await client.send("GET", running.urls["console"] + "/", headers=[(b"X-Small", b"1")])
            assert answer.status == 418
            with pytest.raises((NotSent, NoAnswer)):
                await client.send("GET", running.urls["console"] + "/", headers=[(b"X-Large", b"x" * 70_000)])
    finally:
        await running.stop(1)
    refused = take_refused()
    assert sum(refused.values()) == 1
    assert {listener for listener, _ in refused} == {"console"}


_CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("endless", [b"X-Endless: ", _CHUNKED + b"0\r\nX-Endless: ", _CHUNKED + b"1;"])
async def test_a_field_without_end_is_not_kept_until_it_ends(endless: bytes) -> None:
    """Of the headers, behind a chunked body, beside the length of a chunk: no header is complete, none is counted."""
    take_refused()
    running = await Running.start([HttpService("console", echo)])
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(running.urls["console"].rpartition(":")[2]))
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\n" + endless)
        with pytest.raises(ConnectionError):
            for _ in range(64):  # 4 MiB; some of it waits in the buffers of the two sockets
                writer.write(b"x" * 65_536)
                await writer.drain()
                await asyncio.sleep(0)
            async with asyncio.timeout(2):
                await reader.read()
        writer.close()
    finally:
        await running.stop(1)
    assert take_refused() == {("console", "http_headers_too_large"): 1}


async def test_a_long_body_in_one_chunk_is_no_header() -> None:
    running = await Running.start([HttpService("console", echo)])
    try:
        async with Client() as client:
            answer = await client.send("POST", running.urls["console"] + "/", body=b"x" * 4_000_000)
    finally:
        await running.stop(1)
    assert len(answer.body) == 4_000_000


async def test_connections_without_a_request_are_counted_once_and_those_with_one_never() -> None:
    take_refused()
    running = await Running.start([HttpService("console", echo)])
    port = int(running.urls["console"].rsplit(":", 1)[1])
    try:
        for said in (b"", b"GET / HTTP/1.1\r\nHost: x\r\n"):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(said)
            await writer.drain()
            writer.close()
            await writer.wait_closed()
        async with Client() as client:
            assert (await client.send("GET", running.urls["console"] + "/")).status == 418
            assert (await client.send("GET", running.urls["console"] + "/")).status == 418
    finally:
        await running.stop(1)
    assert take_refused() == {("console", "http_no_request"): 2}


async def test_a_head_that_never_ends_is_dropped_on_a_kept_connection_too(monkeypatch: pytest.MonkeyPatch) -> None:
    take_refused()
    monkeypatch.setattr(serving, "_HEADER_TIMEOUT_S", 0.1)
    running = await Running.start([HttpService("console", echo)])
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(running.urls["console"].rpartition(":")[2]))
        for _ in range(2):  # the twin: a connection that is kept without a word stays
            writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            assert (await reader.readuntil(b"0\r\n\r\n")).startswith(b"HTTP/1.1 418")
            await asyncio.sleep(0.15)
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n")
        async with asyncio.timeout(2):
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
        writer.close()
    finally:
        await running.stop(1)
    assert take_refused() == {("console", "http_headers_timeout"): 1}


async def test_a_taken_port_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = bind_loopback(0)
    monkeypatch.setenv("SOCLE_PORTS", f'{{"imap": {taken.getsockname()[1]}}}')

    async def never(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        raise AssertionError

    with pytest.raises(OSError, match="in use"):
        await Running.start([StreamService("smtp", never), StreamService("imap", never)])
    taken.close()


class _Written:
    """A transport that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[bytes | str] = []

    def write(self, data: bytes) -> None:
        self.told.append(data)

    def close(self) -> None:
        self.told.append("closed")


async def test_the_head_of_an_answer_leaves_with_its_body_and_never_later_than_the_next_turn() -> None:
    whole, stream, cut = _Written(), _Written(), _Written()
    answer, events, broken = (_Together(one, asyncio.get_running_loop()) for one in (whole, stream, cut))  # type: ignore[arg-type]
    for part in (b"head ", b"body ", b"rest"):
        answer.write(part)
    broken.write(b"head")
    broken.close()
    assert (whole.told, cut.told) == ([b"head body ", b"rest"], [b"head", "closed"])
    events.write(b"head")
    assert stream.told == []
    await asyncio.sleep(0)
    assert stream.told == [b"head"]
    events.write(b"event")
    assert stream.told == [b"head", b"event"]
    await asyncio.sleep(0)
    assert whole.told + cut.told == [b"head body ", b"rest", b"head", "closed"], "nothing is sent twice"


async def test_a_whole_answer_is_one_write() -> None:
    running = await Running.start([HttpService("console", echo)])
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(running.urls["console"].rpartition(":")[2]))
        writer.write(b"POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nfour")
        assert (await reader.read(1 << 16)).endswith(b"\r\n\r\n4\r\nfour\r\n0\r\n\r\n")
        writer.close()
        await writer.wait_closed()
    finally:
        await running.stop(1)


async def test_end_to_end_headers_pass_and_hop_by_hop_ones_do_not() -> None:
    running = await Running.start([HttpService("console", echo)])
    try:
        async with Client() as client:
            hop = [(b"Connection", b"close, X-Named"), (b"X-Named", b"2"), (b"Transfer-Encoding", b"chunked")]
            answer = await client.send("POST", running.urls["console"] + "/", headers=[(b"X-Kept", b"1"), *hop], body=b"x")
    finally:
        await running.stop(1)
    assert answer.header("x-in-x-kept") == "1"
    assert answer.header("x-in-x-named") is None
    assert answer.header("x-in-transfer-encoding") is None
    assert [value for key, value in answer.headers if key.lower() == b"set-cookie"] == [b"a=1", b"b=2"]


async def test_a_late_answer_is_no_answer_and_a_closed_port_is_not_sent() -> None:
    running = await Running.start([HttpService("console", echo)])
    free = bind_loopback(0)
    port = free.getsockname()[1]
    free.close()
    try:
        async with Client() as client:
            with pytest.raises(NoAnswer) as late:
                await client.send("POST", running.urls["console"] + "/slow", body=b"x", timeout_s=0.1)
            with pytest.raises(NotSent) as closed:
                await client.send("POST", f"http://127.0.0.1:{port}/", body=b"x")
        assert (late.value.reason, closed.value.reason) == ("timeout", "connect")
    finally:
        await asyncio.sleep(0.5)
        await running.stop(1)


def test_a_compressed_answer_is_read_through_a_copy() -> None:
    packed = gzip.compress(b"<a/>", mtime=0)
    answer = Answer(200, [(b"Content-Encoding", b"gzip")], packed)
    assert (answer.readable(), answer.body) == (b"<a/>", packed)
    assert Answer(200, [], b"<a/>").readable() == b"<a/>"


@pytest.mark.parametrize("body", [b"not gzip", gzip.compress(b"x" * 1000, mtime=0), gzip.compress(b"<a/>", mtime=0)[:-3]])
def test_what_cannot_be_decoded_is_left_as_it_is(body: bytes) -> None:
    assert Answer(200, [(b"content-encoding", b"gzip")], body).readable(max_bytes=100) == body
