"""TBB/va1.01, .03, .05: the published scenario, counted from a real journal."""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date

import pytest

from gateway.journal.connection import Connection
from gateway.usage.counting import Counting
from gateway.usage.flows import flows
from gateway.usage.source import journal_of
from gateway.usage.tbb import dashboard, periods
from tests.gateway.usage.conftest import Fill
from tests.gateway.usage.tbb_world import LAST_MONTH, RPPS, write_tbb
from tests.gateway.usage.world import CARMES, EVECHE, fed, sent, settled


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    folder = tmp_path_factory.mktemp("tbb") / "gateway"
    write_tbb(folder)
    with journal_of(folder) as connection:
        yield connection


def test_the_scenario_makes_720_successes_and_3_failures(journal: Connection) -> None:
    counting = Counting(journal, "bac_a_sable")
    with journal:
        found = list(flows(journal, counting, CARMES, date(2026, 1, 1), date(2028, 1, 1)))
    assert Counter((one.channel, one.accepted) for one in found) == {
        ("dmp", True): 240, ("mss_pro", True): 240, ("mss_citoyenne", True): 240,
        ("dmp", False): 1, ("mss_pro", False): 1, ("mss_citoyenne", False): 1,
    }  # fmt: skip
    assert len({one.professional_ref for one in found}) == 1 and RPPS.value not in str(found)
    assert {one.code for one in found if not one.accepted} == {"DMPPatientIDNotFound", "550 5.1.1"}


def test_current_month_current_year_and_previous_year(journal: Connection) -> None:
    with journal:
        found = dashboard(journal, Counting(journal, "bac_a_sable"), [CARMES, EVECHE], LAST_MONTH)
    successes, failures, documents = Counter[str](), Counter[str](), Counter[str]()
    for key, count in found.events.items():
        (successes if key.accepted else failures)[key.period] += count
        documents[key.period] += found.documents[key]
    assert successes == {"mois_courant": 30, "annee_courante": 360, "annee_precedente": 360}
    assert failures == {"mois_courant": 3, "annee_courante": 3}
    assert documents == {"mois_courant": 11, "annee_courante": 121, "annee_precedente": 120}  # DMP, refused too
    assert {key.finess_et for key in found.events} == {CARMES}


def test_lines_tell_type_and_ins_status_apart(journal: Connection) -> None:
    with journal:
        found = dashboard(journal, Counting(journal, "bac_a_sable"), [CARMES], LAST_MONTH).events
    month = {(key.channel, key.document_type, key.ins_status): count for key, count in found.items()
             if key.period == "mois_courant" and key.accepted}  # fmt: skip
    assert month == {
        ("dmp", "11490-0", "qualifiee"): 5, ("dmp", "57830-2", "qualifiee"): 5,
        ("mss_pro", "absent", "absent"): 10, ("mss_citoyenne", "absent", "absent"): 10,
    }  # fmt: skip


def test_a_border_is_a_local_midnight() -> None:
    known = periods(date(2026, 1, 1))
    assert [(one.name, one.start, one.last_day) for one in known] == [
        ("mois_courant", date(2026, 1, 1), date(2026, 1, 31)),
        ("annee_courante", date(2026, 1, 1), date(2026, 1, 31)),
        ("annee_precedente", date(2025, 1, 1), date(2025, 12, 31)),
    ]


def test_a_settled_doubt_is_what_it_became_and_an_open_one_is_neither(fill: Fill) -> None:
    lost, kept, open_ = (fed(f"p{n}", "2027-12-03T10:00", outcome="in_doubt") for n in range(3))
    lost.document_type = kept.document_type = "11490-0"
    journal = fill(
        lost, kept, open_, settled(lost, "failed", "2027-12-04T10:00"), settled(kept, "succeeded", "2027-12-05T10:00"),
        sent("<late@dui>", "2027-12-31T23:30"),  # already 2028 in Paris
    )  # fmt: skip
    with journal:
        found = dashboard(journal, Counting(journal, "bac_a_sable"), [CARMES], LAST_MONTH).events
    month = {(key.channel, key.document_type, key.accepted): n for key, n in found.items() if key.period == "mois_courant"}
    assert month == {("dmp", "11490-0", True): 1, ("dmp", "11490-0", False): 1}
