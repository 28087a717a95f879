"""The mock on a real socket: mutual TLS 1.2, the published suites, and a feed from end to end (reference dmp §2.1)."""
from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable

import orjson
import pytest

from connectors.dmp.client import BASE_PATH, Deposited, DmpAsker, DmpClient
from connectors.dmp.messages import Existence, RegistryAnswer
from connectors.wire.clock import SystemClock
from connectors.wire.http import Client, NoAnswer, UpstreamError
from connectors.wire.serving import Running
from connectors.wire.tls import client_context
from mocks.dmp.app import DmpMock
from mocks.sandbox.faults import Fault
from mocks.sandbox.world import World
from tests.connectors.dmp.samples import LPS, Dui

Contexts = Callable[..., ssl.SSLContext]


@pytest.fixture
async def url(world: World, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    monkeypatch.setenv("SOCLE_PORTS", '{"mock-dmp": 0}')
    running = await Running.start(DmpMock(world).services())
    yield running.urls["mock-dmp"]
    await running.stop()


@pytest.fixture
def context(world: World, dui: Dui) -> Contexts:
    """A client's context with one identity of the manifest, the structure's AUTH_CLI by default; None for none."""

    def make(identity: dict[str, str] | None = dui.structure["auth_cli"]) -> ssl.SSLContext:
        ca = world.path(world.pki["ca"])
        if identity is None:
            return client_context(ca, profile="dmp")
        return client_context(ca, cert=world.path(identity["cert"]), key=world.path(identity["key"]), profile="dmp")

    return make


async def test_a_feed_from_end_to_end(url: str, dui: Dui, context: Contexts, world: World) -> None:
    async with Client(context()) as http:
        client = DmpClient(url + BASE_PATH, http)
        assert await client.existence(dui.existence()) == Existence("open", "OK")
        assert await client.feed(dui.feed()) == RegistryAnswer(True)
        assert len((await client.lookup(dui.lookup("1.2.250.1.999.7.3.1"))).entries) == 1
    assert world.trace.counts()["held"] == {"DMP.TD2.1": 1}


async def test_mutual_tls_1_2_and_nothing_else(url: str, dui: Dui, context: Contexts, world: World) -> None:
    async with Client(context()) as http:  # the twin
        assert await DmpClient(url + BASE_PATH, http).existence(dui.existence()) == Existence("open", "OK")

    refused = world.pki["refused"]
    for identity in (None, refused["foreign"], refused["expired"], refused["revoked"]):
        async with Client(context(identity)) as http:
            with pytest.raises(UpstreamError) as raised:
                await DmpClient(url + BASE_PATH, http).existence(dui.existence())
            assert raised.value.reason == "tls"
    assert world.trace.counts()["received"] == {"DMP.TD0.2": 1}


@pytest.mark.parametrize(
    ("change", "accepted"),
    [
        (lambda one: None, True),
        (lambda one: setattr(one, "minimum_version", ssl.TLSVersion.TLSv1_3), False),
        (lambda one: one.set_ciphers("ECDHE-RSA-AES128-SHA256"), False),
        (lambda one: one.set_ciphers("DHE-RSA-AES256-GCM-SHA384"), False),
    ],
    ids=["published suites", "TLS 1.3", "another suite", "DHE"],
)
async def test_only_the_published_suites(
    url: str, context: Contexts, change: Callable[[ssl.SSLContext], None], accepted: bool
) -> None:
    mine = context()
    if not accepted:
        mine.maximum_version = ssl.TLSVersion.MAXIMUM_SUPPORTED
    change(mine)
    port = int(url.rpartition(":")[2])

    def shake() -> str | None:
        raw = socket.create_connection(("127.0.0.1", port), timeout=5)
        with raw, mine.wrap_socket(raw, server_hostname="localhost") as tls:
            return tls.version()

    if accepted:
        assert await asyncio.to_thread(shake) == "TLSv1.2"
    else:
        with pytest.raises(ssl.SSLError):
            await asyncio.to_thread(shake)


async def test_a_reset_comes_after_the_document_is_kept(url: str, dui: Dui, context: Contexts, world: World) -> None:
    world.faults.arm(Fault("panne-1", "DMP.TD2.1", "reset"))
    async with Client(context()) as http:
        client = DmpClient(url + BASE_PATH, http)
        with pytest.raises(NoAnswer) as raised:
            await client.feed(dui.feed())
        assert raised.value.reason in ("reset", "garbage")
        again = await client.feed(dui.feed())
    assert again.first_code == "XDSDuplicateUniqueIdInRegistry"
    assert world.trace.counts()["held"] == {"DMP.TD2.1": 1}


async def test_settlement_learns_what_became_of_a_lost_answer(url: str, dui: Dui, context: Contexts, world: World) -> None:
    """Asked with what the door kept of the lost call, over the structure's deposited identity."""
    world.faults.arm(Fault("panne-1", "DMP.TD2.1", "reset"))
    async with Client(context()) as http:
        with pytest.raises(NoAnswer):
            await DmpClient(url + BASE_PATH, http).feed(dui.feed())
        asker = DmpAsker(url + BASE_PATH, SystemClock(), LPS, lambda _: Deposited(http, dui.signer, "SA17"))
        question = {"matricule": dui.person["matricule"], "oid": dui.oid, "struct_id": dui.structure["struct_id"]}
        assert await asker.ask(orjson.dumps({**question, "unique_ids": ["1.2.250.1.999.7.3.1"]})) == "found"
        assert await asker.ask(orjson.dumps({**question, "unique_ids": ["1.2.250.1.999.7.3.2"]})) == "not_found"
