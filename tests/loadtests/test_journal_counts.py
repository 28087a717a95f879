"""The gateway's side of the reconciliation: what is counted, what is in doubt, and which doubts a mock holds."""
from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import orjson
import pytest

from connectors.wire.clock import SystemClock
from gateway.cli.reconciliation import write_counts
from gateway.journal.journal import Journal
from gateway.journal.record import Count, Exchange, Intent, Named, Outcome, Record

FEED, MAIL = "DMP.TD2.1", "MSS.SOUMISSION"
ENVIRONMENT = "charge"


def feed(number: int, outcome: Outcome) -> tuple[Record, Intent]:
    record = Record(FEED, finess_et="130784507", attribution="metadonnee", outcome=outcome)
    record.exchanges = [Exchange("Success", 1)]
    record.person = Named("person", "279035121518989")
    record.documents = [Named("document", f"1.2.{number}.1")]
    record.counts_for = [Count("IND-DMP-01", record.person)]
    return record, Intent(Named("submission", f"1.2.{number}\n1.2.{number}.1"), 30.0)


def mail(number: int, outcome: Outcome) -> tuple[Record, Intent]:
    record = Record(MAIL, finess_et="130784507", attribution="bal", outcome=outcome)
    record.exchanges = [Exchange("250", 1)]
    record.message = Named("message", f"cadre@ehpad.mssante.test\n<{number}@ehpad.mssante.test>")
    record.counts_for = [Count("IND-MSS-01", record.message)]
    return record, Intent(record.message, 60.0)


def held(run: Path, *names: tuple[str, str]) -> None:
    folder = run / "data" / "mocks"
    folder.mkdir(parents=True, exist_ok=True)
    lines = [orjson.dumps({"op": op, "unit": hashlib.sha256(name.encode()).hexdigest(), "at": "x"}) for op, name in names]
    (folder / "held.jsonl").write_bytes(b"\n".join(lines) + b"\n")


async def journal(run: Path, *calls: tuple[Record, Intent]) -> Journal:
    opened = Journal.open(run / "data" / "gateway", environment=ENVIRONMENT, clock=SystemClock())
    for record, intent in calls:
        await opened.intend(record, intent)
        await opened.write(record)
    return opened


async def counted(run: Path, *calls: tuple[Record, Intent]) -> dict[str, Any]:
    await (await journal(run, *calls)).close()
    return write_counts(run, ENVIRONMENT)


async def test_accepted_effects_are_counted_whatever_their_person(tmp_path: Path) -> None:
    counts = await counted(tmp_path, feed(1, "ok"), feed(2, "ok"), feed(3, "refused"), mail(1, "ok"))
    assert counts["counted"] == {FEED: 2, MAIL: 1}
    assert counts["journal"] == counts["forwarded"] == {FEED: 3, MAIL: 1}
    assert (counts["in_doubt"], counts["in_doubt_held"], counts["intents"]) == ({}, {}, 0)


@pytest.mark.parametrize(
    ("call", "operation", "name"),
    [
        (feed(1, "in_doubt"), FEED, "1.2.1"),
        (mail(1, "in_doubt"), MAIL, "cadre@ehpad.mssante.test\n<1@ehpad.mssante.test>"),
    ],
)
async def test_a_doubt_is_held_when_a_mock_knows_its_key(
    tmp_path: Path, call: tuple[Record, Intent], operation: str, name: str
) -> None:
    held(tmp_path, (operation, name))
    counts = await counted(tmp_path, call)
    assert (counts["in_doubt"], counts["in_doubt_held"]) == ({operation: 1}, {operation: 1})
    held(tmp_path, (operation, "another"))
    assert write_counts(tmp_path, ENVIRONMENT)["in_doubt_held"] == {operation: 0}


async def test_a_message_sent_again_is_one_effect_and_no_doubt(tmp_path: Path) -> None:
    first, again = mail(1, "in_doubt"), mail(1, "ok")
    opened = await journal(tmp_path, first, again)
    await opened.write(Record(MAIL, kind="settlement", outcome="succeeded", settles=first[0].id, detail={"how": "superseded"}))
    await opened.close()
    counts = write_counts(tmp_path, ENVIRONMENT)
    assert (counts["counted"], counts["in_doubt"], counts["in_doubt_held"]) == ({MAIL: 1}, {}, {})


async def test_an_accepted_effect_of_no_essms_counts_too(tmp_path: Path) -> None:
    record, intent = mail(1, "ok")
    record.finess_et, record.attribution = None, "non_attribue:bal_inconnue"
    assert (await counted(tmp_path, (record, intent)))["counted"] == {MAIL: 1}
