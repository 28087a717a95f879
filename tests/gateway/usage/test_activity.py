"""What a COPROJ follows: who sends without Pro Santé Connect, whom nothing fed, which mailbox is silent."""
from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from gateway.grappes.model import Essms, Mailbox
from gateway.grappes.reading import example
from gateway.journal.connection import Connection
from gateway.journal.query import JournalReader
from gateway.journal.record import Named, Record
from gateway.usage.activity import Activity, Opened, activity, psc_users
from gateway.usage.counting import Counting
from tests.gateway.usage.conftest import Fill
from tests.gateway.usage.world import CARMES, fed, sent, settled, utc

ANNE, LEA = Named("professional", "899700218896"), Named("professional", "899700218904")
START, END = date(2027, 1, 1), date(2027, 2, 1)


def essms(*addresses: str) -> Essms:
    one = example("marseille-hyeres").find(CARMES)
    assert one is not None
    return replace(one, mailboxes=tuple(Mailbox(address, date(2026, 1, 1)) for address in addresses))


def connected(professional: Named, environment: str = "bac_a_sable") -> Record:
    at = utc("2027-01-02T08:00")
    return Record("PSC.TOKEN", event_time=at, outcome="ok", professional=professional, environment=environment)


def look(journal: Connection, folder: Path, one: Essms, opened: Opened = lambda ref: None) -> Activity:
    counting = Counting(journal, "bac_a_sable")
    with JournalReader(folder) as reader, journal:
        return activity(journal, counting, one, START, END, psc_users(reader, counting), opened)


@pytest.fixture
def folder(journal_file: Path) -> Path:
    return journal_file.parent


def test_a_professional_whom_psc_never_saw_is_counted_apart(fill: Fill, folder: Path) -> None:
    by_anne = replace(fed("p1", "2027-01-03T10:00"), professional=ANNE)
    by_lea = replace(fed("p2", "2027-01-03T11:00"), professional=LEA)
    found = look(fill(connected(ANNE), by_anne, by_lea), folder, essms())
    assert (found.professionals, found.without_psc) == (2, 1)


def test_a_refused_connection_is_none(fill: Fill, folder: Path) -> None:
    refused = replace(connected(ANNE), outcome="refused")
    found = look(fill(refused, replace(fed("p1", "2027-01-03T10:00"), professional=ANNE)), folder, essms())
    assert (found.professionals, found.without_psc) == (1, 1)


def test_persons_fed_once_are_no_longer_to_be_fed_and_only_the_window_gives_the_stock(fill: Fill, folder: Path) -> None:
    days = {"p1": "2026-03-03T10:00", "p2": "2027-01-03T10:00"}
    old, new = (replace(fed(name, at), ins_status="qualifiee") for name, at in days.items())
    other = fed("p3", "2027-01-04T10:00")
    found = look(fill(old, new, other), folder, essms())
    assert found.qualified == 1
    assert found.never_fed == 61 - 3


def test_weeks_are_local_and_a_doubt_is_in_none(fill: Fill, folder: Path) -> None:
    doubt = fed("p9", "2027-01-04T10:00", outcome="in_doubt")
    failed = fed("p8", "2027-01-05T10:00", outcome="in_doubt")
    found = look(
        fill(fed("p1", "2027-01-03T23:30"), doubt, failed, settled(failed, "failed", "2027-01-06T10:00")), folder, essms()
    )
    assert [(week, n) for week, n in found.sent.items()] == [(("2027-S01", "dmp"), 1)]  # Monday 4 January in Paris
    assert [(week, n) for week, n in found.failed.items()] == [(("2027-S01", "dmp"), 1)]
    assert found.codes == [("dmp", "in_doubt", 1)]


def test_a_registered_mailbox_that_sent_nothing_is_named(fill: Fill, folder: Path) -> None:
    journal = fill(sent("<1@dui>", "2027-01-05T10:00"))
    opened = {ref: f"Equipe@ccas.mssante.test\n{ref}" for ref in _message_refs(journal)}
    found = look(journal, folder, essms("equipe@ccas.mssante.test", "muette@ccas.mssante.test"), opened.get)
    assert found.silent == ("muette@ccas.mssante.test",)
    assert look(journal, folder, essms("equipe@ccas.mssante.test")).silent is None  # no key: nobody can tell


def _message_refs(journal: Connection) -> list[str]:
    return [ref for (ref,) in journal.execute("SELECT ref FROM refs WHERE kind = 'message'")]
