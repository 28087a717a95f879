"""Idempotency-Key: one effect for one key, whatever happens between the calls (design §5.3, « Own doors »)."""
from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from connectors.nomenclatures.identifiers import parse_matricule
from connectors.wire.http import Answer
from gateway.doors.own.examples import REQUESTS
from gateway.doors.own.once import replay
from gateway.doors.own.problem import Refused
from gateway.journal.erasure import erase
from gateway.journal.record import KeyUse, Record
from gateway.journal.recovery import SettlementWorker
from gateway.journal.retention import Retention, retain
from tests.gateway.doors.own.bench import STRUCTURES, Bench, said
from tests.gateway.doors.own.test_own_calls import changed

FEED, LETTER = "/dmp/documents", "/mss/messages"
OPERATIONS = {FEED: "DMP.TD2.1", LETTER: "MSS.SOUMISSION"}
both = pytest.mark.parametrize("path", OPERATIONS)


def kinds(bench: Bench, path: str) -> list[tuple[str, str, bool]]:
    """Kind, outcome, and whether it is a replay, of each entry of the operation."""
    return [(entry["kind"], entry["outcome"], entry["replays"] is not None) for entry in bench.entries(OPERATIONS[path])]


async def lost(bench: Bench, path: str, once: str = "k1") -> Answer:
    """A call whose answer never comes, although the service acted."""
    bench.arm(OPERATIONS[path], "reset")
    return await bench.post(path, REQUESTS[path], once=once)


@both
async def test_a_call_with_an_effect_needs_a_key(bench: Bench, path: str) -> None:
    for once in (None, "", "deux mots", "x" * 256, '"jamais fermée'):
        answer = await bench.post(path, REQUESTS[path], once=once)
        assert (answer.status, said(answer)["type"]) == (400, "docs/errors.md#probleme-cle-idempotence"), once
    twice = await bench.post(path, REQUESTS[path], once="k1", headers=[(b"idempotency-key", b"k2")])
    assert twice.status == 400
    assert {(entry["outcome"], *entry["flags"]) for entry in bench.entries()} == {("invalid", "V-IDEMPOTENCE")}
    assert bench.world.trace.counts()["received"] == {}


@both
async def test_the_same_key_gets_the_same_answer_and_no_second_effect(bench: Bench, path: str) -> None:
    first = await bench.post(path, REQUESTS[path], once="k1")
    again = await bench.post(path, dict(reversed(REQUESTS[path].items())), once='"k1"')  # the draft's own form of the key
    assert (again.status, again.body) == (first.status, first.body)
    assert (first.header("x-socle-rejoue"), again.header("x-socle-rejoue")) == (None, said(first)["entree"])
    assert kinds(bench, path) == [("call", "ok", False), ("call", "ok", True)]
    call, replay = bench.entries(OPERATIONS[path])
    assert (replay["replays"], replay["exchanges"], replay["counts_for"]) == (call["id"], [], [])
    assert (bench.received(OPERATIONS[path]), bench.held(OPERATIONS[path]), len(bench.units())) == (1, 1, 1)
    bench.reconciles()


@both
async def test_a_refusal_of_the_service_is_the_same_again(bench: Bench, path: str) -> None:
    if path == FEED:
        closed = next(row for row in bench.world.population.persons() if row["dmp"] == "closed")
        body = changed(REQUESTS[path], patient__matricule=closed["matricule"])
    else:
        body = changed(REQUESTS[path], destinataires=["contact@messagerie-ordinaire.example"])
    first, again = [await bench.post(path, body, once="k1") for _ in range(2)]
    assert (first.status, again.status, again.body) == (422, 422, first.body)
    assert again.header("content-type") == "application/problem+json"
    assert kinds(bench, path) == [("call", "refused", False), ("call", "refused", True)]
    assert bench.received(OPERATIONS[path]) == 1 and bench.units() == []


@both
async def test_the_same_key_for_another_body_is_refused(bench: Bench, path: str) -> None:
    await bench.post(path, REQUESTS[path], once="k1")
    other = changed(REQUESTS[path], **({"document__titre": "Autre"} if path == FEED else {"objet": "Autre"}))
    answer = await bench.post(path, other, once="k1")
    assert (answer.status, said(answer)["type"]) == (422, "docs/errors.md#probleme-cle-reutilisee")
    assert bench.entries(OPERATIONS[path])[-1]["flags"] == ["V-IDEMPOTENCE-CORPS"]
    assert (await bench.post(path, other, once="k2")).status == 201
    assert (bench.held(OPERATIONS[path]), bench.received(OPERATIONS[path])) == (2, 2)


@both
async def test_an_expired_key_names_the_same_thing_and_counts_nothing_more(bench: Bench, path: str) -> None:
    """docs/portes-simples.md, « Une clé expire »: the DMP refuses the duplicate, a message leaves again under its Message-ID."""
    await bench.post(path, REQUESTS[path], once="k1")
    assert bench.gateway is not None
    journal, clock = bench.gateway.journal, bench.gateway.clock
    assert (await retain(journal, Retention(), clock.real() + timedelta(days=399), by="test")).keys == 0
    assert (await retain(journal, Retention(), clock.real() + timedelta(days=401), by="test")).keys == 1
    again = await bench.post(path, REQUESTS[path], once="k1")
    [first, second] = bench.entries(OPERATIONS[path])
    assert again.header("x-socle-rejoue") is None and second["replays"] is None
    assert bench.received(OPERATIONS[path]) == 2
    if path == FEED:
        assert (again.status, said(again)["code_service"]) == (422, "XDSDuplicateUniqueIdInRegistry")
        assert (bench.held(OPERATIONS[path]), second["flags"]) == (1, ["V-DOUBLON"])
    else:
        assert (again.status, second["message_ref"]) == (201, first["message_ref"])
    assert len(set(bench.unit_refs())) == 1
    bench.reconciles()


@both
async def test_two_at_once_have_one_effect(bench: Bench, path: str) -> None:
    answers = await asyncio.gather(*(bench.post(path, REQUESTS[path], once="k1") for _ in range(6)))
    statuses = sorted(answer.status for answer in answers)
    assert statuses[0] == 201 and set(statuses) <= {201, 409}
    for answer in answers:
        if answer.status == 409:
            assert (answer.header("retry-after"), said(answer)["type"]) == ("2", "docs/errors.md#probleme-en-cours")
    assert (bench.received(OPERATIONS[path]), bench.held(OPERATIONS[path]), len(bench.units())) == (1, 1, 1)
    assert len(bench.entries(OPERATIONS[path])) == 6  # each call has its entry
    bench.reconciles()


@both
async def test_a_call_under_way_upstream_is_seen_by_its_intent(bench: Bench, path: str) -> None:
    bench.arm(OPERATIONS[path], "timeout", delay_s=1)
    slow = asyncio.create_task(bench.post(path, REQUESTS[path], once="k1"))
    for _ in range(200):
        await asyncio.sleep(0.01)
        if bench.gateway is not None and bench.received(OPERATIONS[path]):
            break
    meanwhile = await bench.post(path, REQUESTS[path], once="k1")
    assert (meanwhile.status, (await slow).status) == (409, 201)
    assert bench.held(OPERATIONS[path]) == 1


def test_a_call_that_has_an_intent_only_is_not_finished() -> None:
    """As another gateway of the same journal sees it."""
    with pytest.raises(Refused) as refused:
        replay(KeyUse("a call", same_body=True, answer=None, outcome=None, settlement=None), Record("DMP.TD2.1"), {})
    assert (refused.value.kind.slug, refused.value.kind.retry_after_s) == ("en-cours", 2)


@both
async def test_a_key_outlives_a_restart(bench: Bench, path: str) -> None:
    first = await bench.post(path, REQUESTS[path], once="k1")
    await bench.stop()
    await bench.start()
    again = await bench.post(path, REQUESTS[path], once="k1")
    assert (again.status, again.body) == (201, first.body)
    assert (bench.received(OPERATIONS[path]), len(bench.units())) == (1, 1)


@both
async def test_the_same_key_of_two_tenants_is_two_keys(bench: Bench, path: str) -> None:
    other = bench.world.manifest["structures"][1]
    mine = await bench.post(path, REQUESTS[path], once="k1")
    body = changed(REQUESTS[path], finess_et=other["finess_et"])
    token = None
    if path == LETTER:
        colleague = next(
            row for row in bench.world.population.professionals() if row["structure"] == other["finess_et"] and row["may_open"]
        )
        body["bal"] = other["mailboxes"][0]["address"]
        token = "jeton-du-collegue"
        bench.world.psc_claims = {token: {"SubjectNameID": colleague["id_nat"]}}.get
    theirs = await bench.post(path, body, once="k1", key=bench.key("autre-editeur"), token=token)
    assert (mine.status, theirs.status) == (201, 201), said(theirs)
    name = "lot" if path == FEED else "message_id"
    assert said(mine)[name] != said(theirs)[name]
    assert bench.held(OPERATIONS[path]) == 2
    assert {finess for _, finess in bench.units()} == {row["finess_et"] for row in STRUCTURES}


@both
async def test_a_call_in_doubt_keeps_its_key_until_it_is_settled(bench: Bench, path: str) -> None:
    first = await lost(bench, path)
    assert (first.status, said(first)["type"]) == (504, "docs/errors.md#probleme-perdue")
    for _ in range(2):
        answer = await bench.post(path, REQUESTS[path], once="k1")
        assert (answer.status, answer.header("retry-after")) == (409, "60")
        assert said(answer)["type"] == "docs/errors.md#probleme-en-doute"
    assert (bench.received(OPERATIONS[path]), bench.units()) == (1, [])
    call = bench.entries(OPERATIONS[path])[0]
    assert call["outcome"] == "in_doubt"

    await settle(bench, call, "succeeded")
    answer = await bench.post(path, REQUESTS[path], once="k1")
    told = said(answer)
    assert (answer.status, told["statut"], told["entree"], told["preuve"]) == (200, "confirme", call["id"], "person")
    assert (bench.received(OPERATIONS[path]), bench.held(OPERATIONS[path]), len(bench.units())) == (1, 1, 1)
    bench.reconciles()


@both
@pytest.mark.parametrize(("outcome", "status"), [("failed", 201), ("undecidable", 409)])
async def test_a_doubt_settled_otherwise(bench: Bench, path: str, outcome: str, status: int) -> None:
    bench.arm(OPERATIONS[path], "status" if path == FEED else "reset", value="503" if path == FEED else "")
    await bench.post(path, REQUESTS[path], once="k1")
    call = bench.entries(OPERATIONS[path])[0]
    assert call["outcome"] == "in_doubt"
    await settle(bench, call, outcome)
    answer = await bench.post(path, REQUESTS[path], once="k1")
    assert answer.status == status
    if outcome == "undecidable":
        assert (said(answer)["type"], answer.header("retry-after")) == ("docs/errors.md#probleme-indecidable", None)
        assert bench.received(OPERATIONS[path]) == 1
    else:  # the key has served again, under the same identifiers
        assert (await bench.post(path, REQUESTS[path], once="k1")).body == answer.body
        assert (bench.received(OPERATIONS[path]), bench.held(OPERATIONS[path])) == (2, 1)
        assert len(bench.units()) == 1


async def test_the_settlement_worker_frees_the_key_of_a_document_that_the_dmp_holds(bench: Bench) -> None:
    await lost(bench, FEED)
    assert bench.gateway is not None
    worker: SettlementWorker = bench.gateway._settlement()
    worker._waits_s = (0.0, 0.0)
    clock = bench.gateway.clock
    real = type(clock).real
    later = lambda self: real(self) + timedelta(hours=1)  # noqa: E731 past the service deadline
    type(clock).real = later  # type: ignore[method-assign]
    try:
        await worker.settle_due()
    finally:
        type(clock).real = real  # type: ignore[method-assign]
    told = said(await bench.post(FEED, REQUESTS[FEED], once="k1"))
    assert (told["statut"], told["preuve"]) == ("confirme", "ask")
    assert len(bench.units()) == bench.held("DMP.TD2.1") == 1


@both
async def test_a_process_that_dies_in_the_middle_leaves_the_key_in_doubt(
    bench: Bench, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The intent is on disk, the service acts, and the process never writes the entry."""
    assert bench.gateway is not None
    write = bench.gateway.journal.write

    async def never(*records: Record) -> Any:
        if any(record.operation == OPERATIONS[path] and record.kind == "call" for record in records):
            await asyncio.Event().wait()
        return await write(*records)

    monkeypatch.setattr(bench.gateway.journal, "write", never)
    dying = asyncio.create_task(bench.post(path, REQUESTS[path], once="k1"))
    for _ in range(300):
        await asyncio.sleep(0.01)
        if bench.held(OPERATIONS[path]):
            break
    await asyncio.sleep(0.2)
    assert bench.running is not None
    dying.cancel()
    dead = list(bench.gateway.road._in_flight)
    for task in dead:
        task.cancel()
    await asyncio.gather(dying, *dead, return_exceptions=True)
    await bench.stop()
    await bench.start()
    answer = await bench.post(path, REQUESTS[path], once="k1")
    assert (answer.status, said(answer)["type"]) == (409, "docs/errors.md#probleme-en-doute")
    assert "G-ARRET" in bench.entries(OPERATIONS[path])[0]["flags"]
    assert (bench.received(OPERATIONS[path]), bench.held(OPERATIONS[path]), bench.units()) == (1, 1, [])


async def test_what_failed_before_it_could_act_gives_the_key_back(bench: Bench) -> None:
    bench.arm("DMP.TD2.1", "soap", value="XDSRepositoryBusy")
    assert (await bench.post(FEED, REQUESTS[FEED], once="k1")).status == 503
    retried = await bench.post(FEED, REQUESTS[FEED], once="k1")
    assert retried.status == 201
    assert (await bench.post(FEED, REQUESTS[FEED], once="k1")).body == retried.body
    assert bench.held("DMP.TD2.1") == 1
    bench.reconciles()


async def test_a_full_journal_refuses_and_gives_the_key_back(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    assert bench.gateway is not None
    journal = type(bench.gateway.journal)
    with monkeypatch.context() as full:
        full.setattr(journal, "full", property(lambda _self: True))
        for path in REQUESTS:
            answer = await bench.post(path, REQUESTS[path], once="k1")
            assert (answer.status, answer.header("retry-after"), answer.header("x-socle-fault")) == (503, "30", "G-PLEIN")
            assert (answer.header("x-socle-entree"), said(answer).get("instance")) == (None, None), "there is no entry to name"
    assert bench.entries() == [] and bench.world.trace.counts()["received"] == {}
    assert (await bench.post(FEED, REQUESTS[FEED], once="k1")).status == 201


@both
async def test_neither_key_nor_body_is_on_disk_in_clear(bench: Bench, path: str) -> None:
    matricule = REQUESTS[FEED]["patient"]["matricule"]
    await bench.post(path, REQUESTS[path], once=matricule)
    await bench.post(path, REQUESTS[path], once=matricule)
    await bench.stop()
    wanted = [matricule.encode(), matricule.encode().hex().encode(), matricule[:13].encode()]
    for file in bench.settings.journal.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert not any(one in content for one in wanted), file.name


async def test_an_erased_person_takes_key_and_answer_along(bench: Bench) -> None:
    await bench.post(FEED, REQUESTS[FEED], once="k1")
    assert bench.gateway is not None
    await erase(bench.gateway.journal, parse_matricule(REQUESTS[FEED]["patient"]["matricule"]), by="test")
    rows = await bench.gateway.journal.change(lambda store: list(store.connection().execute("SELECT 1 FROM own_keys")))
    assert rows == []
    again = await bench.post(FEED, REQUESTS[FEED], once="k1")  # the DMP still recognises the document: no second one
    assert (again.status, said(again)["code_service"]) == (422, "XDSDuplicateUniqueIdInRegistry")
    assert bench.held("DMP.TD2.1") == 1


async def settle(bench: Bench, call: dict[str, Any], outcome: Any) -> None:
    """As a named person does."""
    assert bench.gateway is not None
    settlement = Record(call["operation"], kind="settlement", settles=call["id"], outcome=outcome, time_basis="estimated")
    settlement.detail = {"how": "person", "by": "cadre"}
    await bench.gateway.journal.write(settlement)
