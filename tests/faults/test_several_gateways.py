"""Several gateways as processes: what one does the other knows, and what one leaves the other settles (decision 0046)."""
from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator

import orjson
import pytest
import pytest_asyncio

from connectors.wire.http import UpstreamError
from gateway.access import rights
from gateway.doors.own.examples import REQUESTS
from gateway.journal.proof import files
from gateway.journal.proof.local import verify_local
from gateway.journal.query import JournalReader
from gateway.supervise import Supervisor
from gateway.usage.recount import recount
from tests.faults.killable import FEED, MESSAGE
from tests.faults.several import Pair, kill, pair
from tests.gateway.journal.test_resealing import opened
from tests.stores import Server

pytestmark = [pytest.mark.faults, pytest.mark.asyncio(loop_scope="module")]

_DOCUMENTS = "/dmp/documents"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateways(tmp_path_factory: pytest.TempPathFactory, postgres: Server) -> AsyncIterator[Pair]:
    async with pair(tmp_path_factory.mktemp("pair") / "run", postgres) as both:
        yield both


async def test_a_reading_key_opens_and_closes_at_both_at_once(gateways: Pair) -> None:
    """Asked of the one that does not lead: the other does it, and both know before the answer."""
    added = await gateways.ask(gateways.other, "/admin/journal/keys", {"name": "lire", "rights": ["metadata"], "by": "amoa"})
    key = orjson.loads(added.body)["key"]
    both = (gateways.one, gateways.other)
    assert [(await gateways.ask(one, "/api/journal/entries", key=key)).status for one in both] == [200, 200]
    removed = await gateways.ask(gateways.other, "/admin/journal/keys/remove", {"name": "lire", "by": "amoa"})
    assert removed.status == 200
    assert [(await gateways.ask(one, "/api/journal/entries", key=key)).status for one in both] == [401, 401]


async def test_the_clock_of_two_gateways_does_not_move(gateways: Pair) -> None:
    refused = await gateways.ask(gateways.other, "/admin/clock", {"offset_s": 60, "version": 1})
    assert refused.status == 409
    assert "une seule passerelle" in orjson.loads(refused.body)["detail"]


async def test_a_touch_of_a_fault_is_known_to_both_and_claimed_once(gateways: Pair) -> None:
    one, other = gateways.rigs
    await gateways.control.arm(operation=FEED, kind="reset", for_next=1)
    _, reading = await other.feed(0)
    assert not reading.ok
    faults = [entry["fault"] for entry in one.entries() if entry["operation"] == FEED]
    assert len(faults) == 1 and faults[0] is not None
    told = {orjson.loads(bytes(told))["action"] for (told,) in gateways.rows("SELECT told FROM acts WHERE told IS NOT NULL")}
    assert "fault_touched" in told


async def test_one_key_through_both_at_once_has_one_effect(gateways: Pair) -> None:
    held = gateways.rigs[0].held(FEED).total()
    asked = [
        gateways.ask(one, _DOCUMENTS, REQUESTS[_DOCUMENTS], key=gateways.own_key, once="une-seule-fois")
        for one in (gateways.one, gateways.other)
    ]
    answers = await asyncio.gather(*asked)
    assert {answer.status for answer in answers} <= {200, 201, 409}, [answer.body for answer in answers]
    again = [
        await gateways.ask(one, _DOCUMENTS, REQUESTS[_DOCUMENTS], key=gateways.own_key, once="une-seule-fois")
        for one in (gateways.one, gateways.other)
    ]
    assert again[0].status in (200, 201) and again[0].body == again[1].body
    assert gateways.rigs[0].held(FEED).total() == held + 1


async def test_one_message_through_both_at_once_counts_once(gateways: Pair) -> None:
    one, other = gateways.rigs
    units = gateways.rows("SELECT count(*) FROM usage_units WHERE indicator = 'IND-MSS-01'")[0][0]
    other.messages = one.messages  # the same Message-ID
    (name, first), (same, second) = await asyncio.gather(one.mail(), other.mail())
    assert name == same and first is not None and second is not None and first.ok and second.ok
    assert one.account(MESSAGE).counted[name] == 2, "both were accepted, and each is an entry"
    assert gateways.rows("SELECT count(*) FROM usage_units WHERE indicator = 'IND-MSS-01'")[0][0] == units + 1
    assert recount(gateways.data / "gateway").gap_count == 0


async def test_a_person_erased_by_one_is_unknown_to_both(gateways: Pair) -> None:
    one, other = gateways.rigs
    whose = one.world.of(one.world.structures[0].finess_et)
    person = next(person for person in whose if person.dmp == "active")
    for rig in (one, other):
        assert (await rig.feed(0))[1].ok
    before = {ref for (ref,) in gateways.rows("SELECT ref FROM refs WHERE kind = 'person'")}
    erased = await gateways.ask(gateways.other, "/admin/erasure", {"matricule": f"{person.matricule}", "by": "amoa"})
    assert erased.status == 200 and orjson.loads(erased.body)["known"], erased.body
    gone = before - {ref for (ref,) in gateways.rows("SELECT ref FROM refs WHERE kind = 'person'")}
    assert len(gone) == 1
    known = {entry["id"] for entry in one.entries()}
    for rig in (one, other):
        assert (await rig.feed(0))[1].ok
    after = {entry["person_ref"] for entry in one.entries() if entry["id"] not in known and entry["operation"] == FEED}
    assert len(after) == 1 and not after & gone, "a name that was let go is never written again, and both give the same new one"


async def test_a_change_of_key_holds_for_both_while_both_are_called(gateways: Pair) -> None:
    """Asked of the one that does not lead. What either sealed, before and from now on, opens with the new key alone."""
    folder = gateways.data / "gateway"
    old = (folder / "keys" / "K2").read_bytes()
    calls = [asyncio.create_task(rig.feed(number)) for number in range(3, 6) for rig in gateways.rigs]
    asked = await gateways.ask(gateways.other, "/admin/reseal", {"by": "amoa"})
    assert asked.status == 200, asked.body
    assert all(reading.ok for _, reading in await asyncio.gather(*calls))
    assert [(await rig.feed(6))[1].ok for rig in gateways.rigs] == [True, True]
    assert (folder / "keys" / "K2").read_bytes() != old
    assert not (folder / "keys" / "K2.next").exists()
    assert len(opened(folder)) > 10, "each of them by the new key: there is no other"
    again = [
        await gateways.ask(one, _DOCUMENTS, REQUESTS[_DOCUMENTS], key=gateways.own_key, once="une-seule-fois")
        for one in (gateways.one, gateways.other)
    ]
    assert again[0].status in (200, 201) and again[0].body == again[1].body, "an answer sealed under the old key is given again"


async def test_a_gateway_stopped_past_its_lease_writes_nothing_more_and_ends(gateways: Pair) -> None:
    other = gateways.rigs[1]
    await gateways.control.arm(operation=FEED, kind="timeout", for_next=1, delay_s=4)
    pid = gateways.pid(gateways.other)
    call = asyncio.create_task(other.feed(1))
    await gateways.until(lambda: gateways.rows("SELECT count(*) FROM intents") == [(1,)])
    kill(pid, signal.SIGSTOP)
    await gateways.lease_out(2)
    await gateways.until(lambda: gateways.rows("SELECT count(*) FROM intents") == [(0,)])
    entries = len(gateways.rigs[0].entries())
    kill(pid, signal.SIGCONT)
    assert await gateways.ended(gateways.other) == 4
    _, reading = await call
    assert not reading.ok, "what it could not write durably it did not answer as done"
    assert len(gateways.rigs[0].entries()) == entries
    [(owner,)] = gateways.rows("SELECT lease_owner FROM log_heads WHERE log_id = 2")
    assert f"boot {owner} took it" in gateways.other.children["gateway"].log.read_text()
    [doubt] = [entry for entry in gateways.rigs[0].entries() if "G-ARRET" in entry["flags"]]
    assert (doubt["log"], doubt["outcome"]) == (1, "in_doubt")
    await gateways.control.disarm()
    await gateways.other.launch("gateway")
    await gateways.rigs[1].doors.close()
    gateways.rigs[1].doors._clients.clear()


async def test_a_gateway_killed_with_intents_is_settled_by_the_other_which_then_leads(gateways: Pair) -> None:
    one = gateways.rigs[0]
    await gateways.control.arm(operation=FEED, kind="timeout", for_next=1, delay_s=4)
    call = asyncio.create_task(one.feed(2))
    await gateways.until(lambda: gateways.rows("SELECT count(*) FROM intents") == [(1,)])
    kill(gateways.pid(gateways.one), signal.SIGKILL)
    assert await gateways.ended(gateways.one) == -signal.SIGKILL
    assert not (await call)[1].ok
    await gateways.lease_out(1)
    await gateways.until(lambda: gateways.rows("SELECT count(*) FROM intents") == [(0,)])
    with JournalReader(gateways.data / "gateway") as reader:
        doubts = [entry for _, entry in reader.select() if "G-ARRET" in entry["flags"]]
    assert [(entry["log"], entry["outcome"]) for entry in doubts] == [(1, "in_doubt"), (2, "in_doubt")]

    async def signed() -> bool:
        return (await gateways.ask(gateways.other, "/admin/proof/snapshot", {"why": "witness"})).status == 200

    async with asyncio.timeout(20):
        while not await signed():
            await asyncio.sleep(0.1)
    assert recount(gateways.data / "gateway").gap_count == 0


async def test_a_leader_stopped_past_its_lease_leads_no_more_and_signs_nothing_when_it_wakes(gateways: Pair) -> None:
    """After the test before it: the other one leads, and the first is started again."""
    folder, evidence = gateways.data / "gateway", gateways.data / "gateway" / files.FOLDER
    await gateways.one.launch("gateway")
    pid = gateways.pid(gateways.other)
    kill(pid, signal.SIGSTOP)
    await gateways.lease_out(2)

    async def add(name: str, gateway: Supervisor) -> int:
        asked = {"name": name, "rights": ["metadata"], "by": "amoa"}
        return (await gateways.ask(gateway, "/admin/journal/keys", asked)).status

    async with asyncio.timeout(20):
        while await add("apres", gateways.one) != 200:
            await asyncio.sleep(0.1)
    await gateways.ask(gateways.one, "/admin/proof/snapshot", {"why": "witness"})
    signed = [(evidence / name).read_bytes() for name in (files.LOG_0, files.CHECKPOINTS)]
    asked = asyncio.create_task(add("zombie", gateways.other))  # waits at its door, and is the first thing that it reads
    await asyncio.sleep(0.2)
    kill(pid, signal.SIGCONT)
    assert await gateways.ended(gateways.other) == 4
    with contextlib.suppress(UpstreamError):
        assert await asked == 503
    [(owner,)] = gateways.rows("SELECT lease_owner FROM log_heads WHERE log_id = 2")
    assert f"boot {owner} took it" in gateways.other.children["gateway"].log.read_text()
    assert [(evidence / name).read_bytes() for name in (files.LOG_0, files.CHECKPOINTS)] == signed
    with JournalReader(folder) as reader:
        names = [entry["detail"]["name"] for entry in reader.acts() if entry["detail"].get("action") == rights.ACTION]
    assert "apres" in names and "zombie" not in names
    verdict = verify_local(folder)
    assert verdict.holds, verdict.faults
