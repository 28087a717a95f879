"""What stands beside the five rates: alerts, signs of self-mailing, money, INS lines, where an open window is going."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from gateway.grappes.model import Denominator, ExternalCount, Grappe, Mailbox
from gateway.grappes.reading import example
from gateway.grappes.registry import Registry
from gateway.journal.connection import Connection
from gateway.journal.record import Named, Recipients, Record
from gateway.usage import money
from gateway.usage.alerts import Alert, alerts, lines
from gateway.usage.counting import Counting, Slot
from gateway.usage.ins import ins_lines
from gateway.usage.measure import Measure
from gateway.usage.parts import External, Past
from gateway.usage.periods import Window
from gateway.usage.rates import measures
from gateway.usage.signs import signs
from tests.gateway.usage.conftest import Fill
from tests.gateway.usage.world import CARMES, EVECHE, fed, sent, utc

LATER = datetime(2027, 2, 2, tzinfo=UTC)
FIRST = Window("premiere", date(2026, 11, 1), date(2027, 2, 1))


def small(**changes: object) -> Grappe:
    """Marseille-Hyères reduced to one ESSMS of 61 persons, with a recent number."""
    grappe = example("marseille-hyeres")
    [carmes] = [one for one in grappe.essms if one.finess_et == CARMES]
    recent = (Denominator(date(2026, 12, 31), 61, "declaration"),)
    return replace(grappe, essms=(replace(carmes, denominators=recent, **changes),))  # type: ignore[arg-type]


def read(journal: Connection, grappe: Grappe, now: datetime = LATER) -> list[Measure]:
    return measures(journal, Registry([grappe]), "bac_a_sable", FIRST.start, 3, now=now)


def found(journal: Connection, grappe: Grappe, now: datetime = LATER) -> list[Alert]:
    rows = read(journal, grappe, now)
    with journal:
        return alerts(Counting(journal, "bac_a_sable"), grappe, rows, now)


def codes(journal: Connection, grappe: Grappe | None = None, now: datetime = LATER) -> list[str]:
    return [one.code for one in found(journal, grappe or small(), now)]


def letters(count: int, *, by: Sequence[str | None] = ("a", "b", "c"), interne: int = 0) -> list[Record]:
    """Messages of the last days of the window, sent in turn by these professionals; the first ones to their own domain."""
    return [
        replace(
            sent(f"<{n}@dui>", "2027-01-30T10:00"),
            professional=None if (who := by[n % len(by)]) is None else Named("professional", who),
            recipients=Recipients(interne=1) if n < interne else Recipients(pro=1),
        )
        for n in range(count)
    ]  # fmt: skip


def test_ordinary_use_alerts_nobody(fill: Fill) -> None:
    assert codes(fill(*letters(9), fed("p1", "2027-01-30T10:00"))) == []


@pytest.mark.parametrize("records, code", [
    (letters(9, by=("a",)), "un-seul-utilisateur"),
    (letters(10, interne=2), "messages-internes"),
    ([*letters(9), *(replace(one, counts_for=[]) for one in letters(5))], "reponses-automatiques"),
    ([], "aucun-evenement"),
    ([fed("p1", "2027-01-30T10:00", None), *letters(9)], "non-attribues"),
])
def test_each_sign_has_its_alert(fill: Fill, records: list[Record], code: str) -> None:
    assert codes(fill(*records)) == [code]


@pytest.mark.parametrize("records", [letters(4, by=("a",)), letters(9, by=(None,)), letters(11, interne=2)])
def test_what_says_too_little_alerts_nobody(fill: Fill, records: list[Record]) -> None:
    assert codes(fill(*records)) == []


def test_a_mailbox_that_falls_silent_is_told_after_seven_days(fill: Fill) -> None:
    journal = fill(*letters(9))
    assert codes(journal, now=utc("2027-02-06T09:59")) == []
    assert codes(journal, now=utc("2027-02-06T10:00")) == ["silence"]


def test_more_persons_fed_than_accompanied_is_a_wrong_denominator(fill: Fill) -> None:
    few = small()
    few = replace(few, essms=(replace(few.essms[0], denominators=(Denominator(date(2026, 12, 31), 1, "declaration"),)),))
    journal = fill(*letters(9), fed("p1", "2027-01-30T10:00"), fed("p2", "2027-01-30T10:00"))
    [alert] = found(journal, few)
    assert (alert.code, alert.text) == ("plus-de-100", "2 personnes alimentées pour 1 : dénominateur faux")


def test_an_old_number_of_persons_is_told(fill: Fill) -> None:
    old = replace(small(), essms=(replace(small().essms[0], denominators=(Denominator(date(2025, 12, 30), 61, "declaration"),)),))
    assert codes(fill(*letters(9)), old) == ["denominateur-ancien"]
    limit = replace(old, essms=(replace(old.essms[0], denominators=(Denominator(date(2026, 12, 31), 61, "declaration"),)),))
    assert codes(fill(), limit) == []


def test_a_mailbox_of_two_essms_is_told_while_they_share_it(fill: Fill) -> None:
    grappe = example("marseille-hyeres")
    box = Mailbox("equipe@ccas.mssante.test", date(2026, 11, 1))
    pair = [replace(one, mailboxes=(box,)) for one in grappe.essms if one.finess_et in (CARMES, EVECHE)]
    journal = fill(*letters(9))
    assert "bal-partagee" in codes(journal, replace(grappe, essms=tuple(pair)))
    ended = replace(pair[0], mailboxes=(replace(box, until=date(2026, 11, 1)),))
    assert "bal-partagee" not in codes(journal, replace(grappe, essms=(ended, pair[1])))


def test_what_most_essms_have_in_common_is_one_line() -> None:
    many = [Alert("aucun-evenement", f"{n:09d}", f"ESSMS {n}", "aucun envoi compté depuis le début") for n in range(5)]
    other = Alert("silence", "130790199", "LES CARMES", "aucun message depuis le 03/02/2026")
    assert lines([*many, other]) == [
        "LES CARMES : aucun message depuis le 03/02/2026", "5 ESSMS : aucun envoi compté depuis le début",
    ]  # fmt: skip


def test_signs_are_counted_without_opening_an_address(fill: Fill) -> None:
    both = replace(letters(1)[0], recipients=Recipients(interne=1, pro=1), message=Named("message", "equipe@ccas\n<x@dui>"))
    journal = fill(*letters(6, by=("a", "a", None), interne=2), both)
    with journal:
        seen = signs(Counting(journal, "bac_a_sable"), Slot("IND-MSS-01", CARMES, FIRST))
    assert seen.item() == {"messages": 6, "internal": 2, "automatic": 0, "first_sender": 4, "unsigned": 2}


def test_money_is_ceilings_and_says_so(fill: Fill) -> None:
    grappe = small(projet="acquisition")
    [stake] = money.stakes(grappe, read(fill(*letters(9)), grappe))
    assert (stake.usage_eur, stake.ceiling_eur, stake.balance_eur, stake.payable_since) == (7_000, 31_000, 15_500, None)
    assert "IND-MSS-01 : manque 34" in stake.missing and "IND-DUI-01 non calculable" in stake.missing
    assert stake.missing[-1] == "facture de fin de déploiement non reçue"
    said = money.lines(grappe, [stake])
    assert said[0].startswith("CCAS MARSEILLE : 15 500 € de solde en attente, 7 000 € d'usage à rendre si les cibles")
    assert said[-1].startswith("plafonds publiés par une autre grappe")


def test_nothing_missing_and_the_invoice_received_make_the_balance_payable() -> None:
    grappe = small(projet="mise_en_conformite", facture_recue=date(2027, 3, 15))
    row = Measure(
        grappe="g", finess_et=CARMES, finess_ej="130804289", name="LES CARMES", indicator="IND-MSS-01", window=FIRST,
        numerator=50, in_doubt=0, denominator=61, denominator_label="", denominator_since=None, target=70, status="calcule",
        environment="production", failures=0, unattributed=None, detail_sha256="", calculable=1, members=1, state="clos",
    )  # fmt: skip
    [stake] = money.stakes(grappe, [row])
    assert (stake.missing, stake.payable_since, stake.balance_eur) == ((), date(2027, 3, 15), 14_500)
    [waiting] = money.stakes(grappe, [replace(row, state="en_cloture")])
    assert (waiting.missing, waiting.payable_since) == (("IND-MSS-01 : atteint, fenêtre non close",), None)
    assert money.lines(grappe, [stake])[0].startswith("CCAS MARSEILLE : 0 € de solde en attente, 0 € d'usage à rendre")
    [early] = money.stakes(small(facture_recue=date(2027, 1, 15)), [row])
    assert early.payable_since == FIRST.end


def test_a_project_that_nobody_declared_is_not_priced(fill: Fill) -> None:
    grappe = small(projet=None)
    [stake] = money.stakes(grappe, read(fill(), grappe))
    assert (stake.usage_eur, stake.balance_eur) == (None, None)
    assert "projet inconnu pour 1, non chiffré" in money.lines(grappe, [stake])[0]


def test_an_open_window_says_where_it_goes_at_its_own_pace(fill: Fill) -> None:
    journal = fill(*(sent(f"<{n}@dui>", "2026-11-05T10:00") for n in range(10)))

    def at(now: str) -> Measure:
        return next(one for one in read(journal, small(), utc(now)) if (one.level, one.indicator) == ("essms", "IND-MSS-01"))

    row, slow = at("2026-11-20T12:00"), at("2027-01-20T12:00")
    assert row.projection is not None
    assert (row.projection.days, row.projection.of_days, row.projection.at_end) == (20, 92, 46)
    assert (row.needed, row.remaining, row.projection.on) == (43, 33, date(2027, 1, 25))  # 86 days for 43 at 10 in 20 days
    assert slow.projection is not None and slow.projection.on is None
    assert all(one.projection is None for one in read(journal, small(), LATER))


def test_a_count_made_elsewhere_stands_beside_ours(fill: Fill) -> None:
    elsewhere = ExternalCount("IND-DMP-01", FIRST.start, FIRST.end, 131, "si_dmp", date(2027, 2, 3))
    other = replace(elsewhere, until=date(2027, 1, 1), count=5)
    rows = read(fill(fed("p1", "2026-11-03T10:00")), small(external_counts=(other, elsewhere)))
    told = {row.level: (row.numerator, row.external, row.gap) for row in rows if row.indicator == "IND-DMP-01"}
    expected = (1, External(131, "si_dmp", date(2027, 2, 3)), 130)
    assert told == {"essms": expected, "og": expected, "grappe": expected}


def test_the_last_count_received_stands_and_a_sum_needs_one_of_each(fill: Fill) -> None:
    last = ExternalCount("IND-DMP-01", FIRST.start, FIRST.end, 131, "si_dmp", date(2027, 2, 3))
    first = replace(last, count=7, received=date(2027, 2, 2))
    grappe = small(external_counts=(last, first))
    both = replace(grappe, essms=(*grappe.essms, replace(grappe.essms[0], finess_et=EVECHE, external_counts=())))
    told = {(row.level, row.finess_et): row.external for row in read(fill(), both) if row.indicator == "IND-DMP-01"}
    assert told["essms", CARMES] == External(131, "si_dmp", date(2027, 2, 3))
    assert (told["essms", EVECHE], told["og", None], told["grappe", None]) == (None, None, None)


def test_ins_lines_are_apart_and_say_what_insi_answered(fill: Fill, journal_file: Path) -> None:
    def search(person: str | None, code: str, at: str = "2026-11-03T10:00") -> Record:
        ok = person is not None
        return Record(
            "INS.RECHERCHE_TRAITS", event_time=utc(at), outcome="ok" if ok else "refused", service_code=code, finess_et=CARMES,
            attribution="appel", person=Named("person", person) if person else None,
        )  # fmt: skip

    journal = fill(
        search("p1", "00"), search("p1", "00"), search(None, "01"), search(None, "02"), search("p5", "00", "2027-02-03T10:00"),
        replace(fed("p2", "2026-11-03T10:00"), ins_status="qualifiee"),
        replace(fed("p3", "2026-11-03T10:00", outcome="refused"), ins_status="qualifiee"),
    )  # fmt: skip
    vector = Counting(journal, "bac_a_sable").vector
    [line] = ins_lines(journal_file.parent, "bac_a_sable", small(), FIRST, vector)
    assert (line.calls, line.succeeded, line.persons, line.by_result) == (4, 2, 2, {"00": 2, "01": 1, "02": 1})
    [before] = ins_lines(journal_file.parent, "bac_a_sable", small(), FIRST, ((1, 1),))
    assert (before.calls, before.persons) == (1, 1)
    assert not any(row.indicator.startswith("IND-INS") for row in read(journal, small()))


def test_a_trend_is_of_the_same_row(fill: Fill) -> None:
    journal = fill(fed("p1", "2026-11-03T10:00"), fed("p1", "2027-02-01T10:00"), fed("p2", "2027-03-03T10:00"))
    rows = measures(journal, Registry([small()]), "bac_a_sable", FIRST.start, 6, now=datetime(2027, 6, 1, tzinfo=UTC), trend=True)
    last = next(row for row in reversed(rows) if (row.level, row.indicator) == ("essms", "IND-DMP-01"))
    assert [(past.window.end, past.numerator) for past in last.trend] == [
        (date(2027, 3, 1), 1), (date(2027, 4, 1), 1), (date(2027, 5, 1), 0),
    ]  # fmt: skip
    assert isinstance(last.trend[0], Past)
