"""Who opened a mail session may be removed, or given other secrets: the session must not go on."""
from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from connectors.wire.clock import SystemClock
from mocks.sandbox.denied import Denied
from mocks.sandbox.faults import Faults
from mocks.sandbox.population import Population
from mocks.sandbox.standing import Standing
from mocks.sandbox.trace import Trace
from mocks.sandbox.who import Who
from mocks.sandbox.whose import answer_for, whose
from mocks.sandbox.world import World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    clock = SystemClock()
    manifest = {
        "tenants": [{"id": "a", "control_sha256": "1"}, {"id": "b"}],
        "psc_clients": [{"client_id": "de-a", "tenant": "a"}, {"client_id": "de-b", "tenant": "b"}],
    }
    tokens: dict[str, dict[str, Any]] = {"jeton-a": {"azp": "de-a"}, "jeton-b": {"azp": "de-b"}}
    trace = Trace(tmp_path, clock)
    yield World(tmp_path, manifest, Population.holding(), clock, {}, trace, Faults(1), tokens.get)
    answer_for(None)
    trace.close()


def opened(world: World, token: str, tenant: str | None) -> Standing:
    standing = Standing(world)
    assert standing.claims(token) is not None
    standing.opened(Who(tenant=tenant), "MSS.SESSION_SMTP")
    return standing


def changed(world: World, **of_a: Any) -> None:
    first, second = world.manifest["tenants"]
    world.manifest = {**world.manifest, "tenants": [{**first, **of_a}, second]}


async def test_a_session_is_its_tenants_from_its_opening_on(world: World) -> None:
    world.trace.received("MSS.SESSION_SMTP")
    assert Standing(world).good and whose() is None
    assert opened(world, "jeton-a", "a").good and whose() == "a"
    assert world.trace.counts("a")["received"] == world.trace.counts()["received"] == {"MSS.SESSION_SMTP": 1}


@pytest.mark.parametrize(("token", "tenant", "ends"), [
    ("jeton-a", "a", True), ("jeton-a", None, True), ("jeton-b", "a", True), ("jeton-b", "b", False), ("jeton-b", None, False),
])  # fmt: skip
async def test_it_ends_with_the_secrets_of_the_mailbox_or_of_the_client(
    world: World, token: str, tenant: str | None, ends: bool
) -> None:
    before = opened(world, token, tenant)
    changed(world, product="Autre nom")
    assert before.good, "another change is nobody's secret"
    changed(world, control_sha256="2")
    assert before.good != ends
    assert opened(world, token, tenant).good, "opened again, with the new ones"


async def test_it_ends_when_its_tenant_is_removed(world: World) -> None:
    sessions = [opened(world, token, token[-1]) for token in ("jeton-a", "jeton-b")]
    world.manifest = {**world.manifest, "tenants": world.manifest["tenants"][1:]}
    assert [session.good for session in sessions] == [False, True]


async def test_a_flood_of_refusals_is_told_in_few_words() -> None:
    told: list[tuple[str, str, int]] = []
    slept: list[float] = []

    async def tell(name: str, why: str, count: int) -> None:
        told.append((name, why, count))

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) < 3:
            for _ in range(1000):
                denied.note("inconnue", "cle_controle")
            denied.note("a", "d_un_autre")

    denied = Denied(tell, sleep=sleep)
    denied.note("inconnue", "cle_controle")
    telling = denied._telling
    assert telling is not None
    await telling
    assert len(told) == 5 and len(slept) == 3
    assert sum(count for name, _, count in told if name == "inconnue") == 2001
    assert ("a", "d_un_autre", 1) in told
    denied.note("a", "d_un_autre")
    await denied.stop()
    assert told[-1] == ("a", "d_un_autre", 1) and len(told) == 6
