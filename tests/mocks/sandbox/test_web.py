"""The HTTP face that the mocks share, called in process."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.wire.clock import SystemClock
from mocks.sandbox.faults import Fault, Faults
from mocks.sandbox.ledger import not_checked
from mocks.sandbox.population import Population
from mocks.sandbox.trace import Trace
from mocks.sandbox.web import MAX_BODY_BYTES, Exchange, Reply, Routed, WebMock, routed_mock
from mocks.sandbox.world import World

OP = "ANN.RECHERCHE"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    clock = SystemClock()
    made = World(tmp_path, {}, Population.holding(), clock, {}, Trace(tmp_path / "mocks", clock), Faults(1))
    yield made
    made.trace.close()


class Service:
    """Answers « fait » and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Exchange] = []

    def answer(self, exchange: Exchange) -> Reply:
        self.asked.append(exchange)
        return Reply(200, b"fait", "text/plain", {"X-Own": "1"})

    def refused(self, _call: Routed, code: str) -> Reply:
        return Reply(400, code.encode(), "text/plain")


class Transport:
    """A connection that remembers what was done to it."""

    def __init__(self) -> None:
        self.written, self.done = b"", list[str]()

    def write(self, data: bytes) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return "close" in self.done or "abort" in self.done

    def close(self) -> None:
        self.done.append("close")

    def abort(self) -> None:
        self.done.append("abort")

    def get_extra_info(self, _name: str) -> None:
        return None


@pytest.fixture
def service() -> Service:
    return Service()


async def call(
    app: Any, body: bytes = b"", *, leaves: bool = False, der: bytes | None = None, transport: Transport | None = None
) -> list[dict[str, Any]]:
    """What the mock sends for one POST, body in two chunks; ``leaves``: the client goes away between them."""
    half = len(body) // 2
    first = {"type": "http.request", "body": body[:half], "more_body": True}
    gone = {"type": "http.disconnect"}
    incoming = [first, gone if leaves else {"type": "http.request", "body": body[half:]}, gone]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return incoming.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    headers = [(b"Content-Type", b"Text/Plain; charset=utf-8"), (b"X-Twice", b"one"), (b"x-twice", b"two")]
    scope = {"type": "http", "method": "POST", "path": "/a b", "raw_path": b"/a%20b", "query_string": b"q=%41"}
    extensions = {"tls": {"client_cert_der": der}, "transport": transport}
    await app({**scope, "headers": headers, "extensions": extensions}, receive, send)
    return sent


def headers_of(sent: list[dict[str, Any]]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in sent[0]["headers"]}


async def test_a_reply_names_the_mock_and_what_it_does_not_check(world: World, service: Service) -> None:
    sent = await call(routed_mock(world, "annuaire", lambda _: OP, service.answer, service.refused))

    assert sent[0]["status"] == 200 and sent[1]["body"] == b"fait"
    assert headers_of(sent) == {
        "x-socle-mock": "annuaire", "x-socle-not-checked": ", ".join(not_checked("annuaire")), "x-own": "1",
        "content-type": "text/plain", "content-length": "4",
    }  # fmt: skip


async def test_a_request_is_read_as_sent(world: World, service: Service) -> None:
    await call(routed_mock(world, "annuaire", lambda _: OP, service.answer, service.refused), b"corps", der=b"DER")

    [read] = service.asked
    assert (read.method, read.path, read.decoded_path, read.query) == ("POST", "/a%20b", "/a b", "q=%41")
    assert (read.body, read.media_type, read.headers["x-twice"], read.client_der) == (b"corps", "text/plain", "one", b"DER")


async def test_a_client_that_leaves_is_not_counted(world: World, service: Service) -> None:
    app = routed_mock(world, "annuaire", lambda _: OP, service.answer, service.refused)

    assert await call(app, b"corps", leaves=True) == []
    assert (service.asked, world.trace.counts()["received"]) == ([], {})
    await call(app, b"corps")
    assert world.trace.counts()["received"] == {OP: 1}


async def test_a_body_is_kept_up_to_one_byte_over_the_limit(world: World) -> None:
    kept: list[int] = []

    def answer(call: Routed, _fault: Fault | None) -> Reply:
        kept.append(len(call.exchange.body))
        return Reply(200)

    app = WebMock(world, "annuaire", lambda exchange: Routed(OP, exchange), answer, max_body=10)
    for size in (10, 11, 30):
        await call(app, b"x" * size)
    assert kept == [10, 11, 11]


async def test_too_long_a_body_is_413_and_counted(world: World, service: Service) -> None:
    app = routed_mock(world, "annuaire", lambda _: OP, service.answer, service.refused)

    assert (await call(app, b"x" * (MAX_BODY_BYTES + 1)))[0]["status"] == 413
    assert service.asked == []
    assert (await call(app, b"x" * MAX_BODY_BYTES))[0]["status"] == 200
    assert world.trace.counts()["received"] == {OP: 2}


async def test_an_armed_status_answers_before_the_service_acts(world: World, service: Service) -> None:
    app = routed_mock(world, "annuaire", lambda _: OP, service.answer, service.refused)
    world.faults.arm(Fault("panne-1", OP, "status", "503"))

    touched, after = await call(app), await call(app)

    assert (touched[0]["status"], headers_of(touched)["x-socle-injected-fault"]) == (503, "panne-1")
    assert after[0]["status"] == 200 and "x-socle-injected-fault" not in headers_of(after)
    assert len(service.asked) == 1


async def test_an_armed_business_code_answers_before_the_service_acts(world: World, service: Service) -> None:
    app = routed_mock(world, "annuaire", lambda _: OP, service.answer, service.refused)
    world.faults.arm(Fault("panne-1", OP, "business", "410"))

    assert [(await call(app))[1]["body"] for _ in range(2)] == [b"410", b"fait"]
    assert len(service.asked) == 1


async def test_an_armed_reset_acts_then_shows_nothing_of_the_answer(world: World, service: Service) -> None:
    app, transport = routed_mock(world, "annuaire", lambda _: OP, service.answer, service.refused), Transport()
    world.faults.arm(Fault("panne-1", OP, "reset"))

    assert await call(app, transport=transport) == []
    assert (transport.done[0], transport.written, len(service.asked)) == ("abort", b"", 1)


async def test_a_raw_answer_has_its_headers_and_ends_its_connection(world: World, service: Service) -> None:
    app, transport = routed_mock(world, "annuaire", lambda _: OP, service.answer, service.refused), Transport()
    world.faults.arm(Fault("panne-1", OP, "dribble"))

    await call(app, transport=transport)
    head, _, body = transport.written.partition(b"\r\n\r\n")
    assert (head.split(b"\r\n")[0], body, transport.done) == (b"HTTP/1.1 200 OK", b"fait", ["close"])
    wanted = {b"x-socle-injected-fault: panne-1", b"x-own: 1", b"connection: close", b"content-length: 4"}
    assert wanted <= set(head.split(b"\r\n"))


async def test_a_fault_that_refuses_handshakes_ends_the_kept_connections(world: World, service: Service) -> None:
    app, kept, busy = routed_mock(world, "annuaire", lambda _: OP, service.answer, service.refused), Transport(), Transport()
    await call(app, transport=kept)
    await call(app, transport=busy)
    app._idle.discard(busy)  # type: ignore[arg-type]
    world.faults.arm(Fault("panne-1", OP, "reset"))
    assert kept.done == []
    world.faults.arm(Fault("panne-2", "ANN.*", "tls"))
    assert (kept.done, busy.done) == (["close"], [])


@pytest.mark.parametrize(
    ("armed", "waits"),
    [
        (None, [3.0]),
        (Fault("panne-1", OP, "timeout", delay_s=20.0), [20.0]),
        (Fault("panne-1", OP, "timeout"), []),
        (Fault("panne-1", OP, "soap", "X", delay_s=20.0), [3.0]),
    ],
)
async def test_a_wait_is_the_timeout_s_or_else_the_service_s(world: World, armed: Fault | None, waits: list[float]) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    if armed is not None:
        world.faults.arm(armed)
    app = WebMock(world, "annuaire", lambda exchange: Routed(OP, exchange), lambda *_: Reply(200, delay_s=3.0), sleep=sleep)
    assert (await call(app))[0]["status"] == 200
    assert waited == waits
