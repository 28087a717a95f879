"""One request for a command: what it answers, and the reason when nobody does."""
from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest

from connectors.wire.asking import ask
from connectors.wire.http import NoAnswer, NotSent
from connectors.wire.serving import bind_loopback


@contextmanager
def server(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """Takes one connection, reads the head of a request and does what ``answer`` says."""

    def serve() -> None:
        with closing(listening.accept()[0]) as connection:
            while b"\r\n\r\n" not in connection.recv(65536):
                pass
            answer(connection)

    with closing(bind_loopback(0)) as listening:
        listening.listen()
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/ici"
        thread.join()


def test_an_answer_is_given_whole_whatever_its_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with server(lambda wire: wire.sendall(b"HTTP/1.1 409 Non\r\nX-Un: deux\r\nContent-Length: 3\r\n\r\noui")) as url:
        answer = ask("POST", url, headers=[(b"x", b"y")], body=b"{}", timeout_s=5)
    assert (answer.status, answer.header("x-un"), answer.body) == (409, "deux", b"oui")


def test_nobody_there_is_not_sent() -> None:
    with closing(bind_loopback(0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(NotSent, match="connect"):
        ask("GET", f"http://127.0.0.1:{port}/", headers=[], timeout_s=5)


@pytest.mark.parametrize("said", [b"", b"pas du HTTP\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"])
def test_what_is_no_whole_answer_is_garbage(said: bytes) -> None:
    with server(lambda wire: wire.sendall(said)) as url, pytest.raises(NoAnswer, match="garbage"):
        ask("GET", url, headers=[], timeout_s=5)


def test_a_connection_that_is_reset_may_have_been_heard() -> None:
    at_once = (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with server(lambda wire: wire.setsockopt(*at_once)) as url, pytest.raises(NoAnswer, match="reset"):
        ask("GET", url, headers=[], timeout_s=5)


def test_silence_is_a_timeout() -> None:
    done = threading.Event()
    with server(lambda _: done.wait(5) and None) as url:
        with pytest.raises(NoAnswer, match="timeout"):
            ask("GET", url, headers=[], timeout_s=0.05)
        done.set()
