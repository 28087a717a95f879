"""SIGKILL of a real gateway at each point of a call (design §5.1, §5.3): nothing is lost, invented or counted twice.

One sandbox for all; each test leaves a gateway that runs. What a mock holds is counted or in doubt, exactly once.
"""
from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.faults.killable import FEED, MESSAGE, POINTS, SETTLEMENT_POINTS
from tests.faults.rig import SOON_S, Rig, sandbox

pytestmark = [pytest.mark.faults, pytest.mark.asyncio(loop_scope="module")]

#: What the journal knows of the call once the gateway is back: (counted, in doubt).
_NOTHING, _DOUBT, _COUNTED = (0, 0), (0, 1), (1, 0)
_KNOWN = dict.fromkeys(POINTS, _DOUBT) | {
    "before-intent": _NOTHING, "entry-durable": _COUNTED, "answer-released": _COUNTED,
}  # fmt: skip
#: A mail's bytes stream through before its intent, less the final dot: what died then never was a message.
_KNOWN_OF = {FEED: _KNOWN, MESSAGE: _KNOWN | {"first-byte": _NOTHING}}
_NOT_HELD = {"before-intent", "intent-durable", "first-byte"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    async with sandbox(tmp_path_factory.mktemp("points") / "run") as rig:
        yield rig


def conserved(rig: Rig) -> None:
    """The promise, for every message and document so far."""
    for operation in (FEED, MESSAGE):
        held, account = rig.held(operation), rig.account(operation)
        known = account.counted + account.in_doubt
        assert {unit: known[unit] for unit in held} == dict.fromkeys(held, 1), operation
        assert set(+account.counted) <= set(held), f"{operation} counted, and held by nobody"
        assert max(known.values(), default=0) <= 1, f"{operation} known twice"
    seqs = [entry["seq"] for entry in rig.entries()]
    assert seqs == list(range(len(seqs)))


@pytest.mark.parametrize("operation", [FEED, MESSAGE])
@pytest.mark.parametrize("point", POINTS)
async def test_a_gateway_killed_at(rig: Rig, point: str, operation: str) -> None:
    if operation == MESSAGE:
        await rig.login()
    rig.arm(point, operation)
    unit, reading = await rig.act(operation)
    await rig.dies()
    rig.arm()
    await rig.revive()

    account, held = rig.account(operation), rig.held(operation)
    assert (account.counted[unit], account.in_doubt[unit]) == _KNOWN_OF[operation][point]
    assert held[unit] == (point not in _NOT_HELD)
    told = reading is not None and reading.ok
    assert told == (point == "answer-released"), "nobody hears of a success before its entry is durable"
    conserved(rig)


async def test_killed_at_any_moment_under_way(rig: Rig) -> None:
    draw = random.Random(20_261_122)
    await rig.login()
    for _ in range(6):
        calls = [asyncio.create_task(rig.feed(number)) for number in range(6)]
        calls += [asyncio.create_task(rig.mail()) for _ in range(4)]
        await asyncio.sleep(draw.uniform(0.05, 0.6))
        rig.kill()
        await rig.dies()
        reviving = asyncio.create_task(rig.start())
        done = await asyncio.wait_for(asyncio.gather(*calls), 60)
        await reviving
        conserved(rig)
        for operation in (FEED, MESSAGE):
            account = rig.account(operation)
            told = [unit for unit, reading in done if reading is not None and reading.ok and rig.held(operation)[unit]]
            assert all(account.counted[unit] == 1 for unit in told), "what the DUI was told is counted"


async def test_every_feed_in_doubt_is_settled_by_asking_whatever_kills_the_worker(rig: Rig) -> None:
    assert rig.doubts(FEED) >= 5, "the tests before this one leave doubts to settle"
    rig.kill()
    await rig.dies()
    for point in SETTLEMENT_POINTS:
        before = rig.doubts(FEED)
        rig.arm(point, FEED)
        await rig.start(SOON_S, ready=False)  # it may die before it is ready
        await rig.dies()
        assert rig.doubts(FEED) == before - (point == "settlement-durable")
        conserved(rig)
    rig.arm()
    await rig.revive(SOON_S)
    for _ in range(300):
        if not rig.doubts(FEED):
            break
        await asyncio.sleep(0.1)
    assert rig.doubts(FEED) == 0, "the structure's identity is deposited: the worker finds out"
    conserved(rig)
    counted = +rig.account(FEED).counted
    assert set(counted) == set(rig.held(FEED))
    settled = [entry["settles"] for entry in rig.entries() if entry["kind"] == "settlement"]
    assert len(settled) == len(set(settled))
    assert rig.doubts(MESSAGE) >= 4, "nobody can ask an operator: a resend, a receipt or a person settles these"
