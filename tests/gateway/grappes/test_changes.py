"""Small changes of a grappe: what each does, what it touches, and that every version stays what was saved."""
from __future__ import annotations

import tempfile
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.grappes.changes import CHANGES, apply_all
from gateway.grappes.differences import compare
from gateway.grappes.model import Certificate, ExternalCount, Grappe, Mailbox, within
from gateway.grappes.reading import RegistryError, check_grappe, example
from gateway.grappes.registry import Registry
from gateway.grappes.versions import load_version, sha256_of
from tests.gateway.grappes.world import GRAPPE, HYERES, LES_CARMES, MARSEILLE, SAINT_TRONC, noted, put, registrar_of, the

BEFORE = example(GRAPPE)
BOX = "carmes@ccas.mssante.test"
PRINT = "ab" * 32
PERSONS = {"kind": "denominateur", "finess_et": LES_CARMES, "since": "2026-01-01"}
JOINS = {
    "kind": "membre", "finess_et": "130000013", "since": "2026-04-01", "name": "RESIDENCE NEUVE", "finess_ej": MARSEILLE,
    "category": "500", "sector": "SA17",
}  # fmt: skip


def after(*changes: dict[str, Any], grappe: Grappe = BEFORE) -> Grappe:
    return check_grappe(apply_all(grappe, CHANGES.validate_python(list(changes))))


def bal(**said: Any) -> dict[str, Any]:
    return {"kind": "bal", "finess_et": LES_CARMES, "address": BOX} | said


def boxes(grappe: Grappe) -> tuple[Mailbox, ...]:
    return the(grappe, LES_CARMES).mailboxes


def touched(old: Grappe, new: Grappe) -> list[tuple[str, str, str | None]]:
    return [(one["finess_et"] or "", one["from"] or "", one["to"]) for one in (each.item() for each in compare(old, new).touched)]


def test_a_mailbox_begins_ends_begins_again_and_is_taken_away() -> None:
    first = after(bal(address="Carmes@CCAS.mssante.test", since="2026-01-01"))
    assert boxes(first) == (Mailbox(BOX, date(2026, 1, 1)),)
    ended = after(bal(until="2026-03-01"), grappe=first)
    assert boxes(ended) == (Mailbox(BOX, date(2026, 1, 1), date(2026, 3, 1)),)
    again = after(bal(since="2026-06-01"), grappe=ended)
    assert boxes(again) == (Mailbox(BOX, date(2026, 1, 1), date(2026, 3, 1)), Mailbox(BOX, date(2026, 6, 1)))
    whole = after(bal(since="2026-01-01", until="aucune"), bal(since="2026-06-01", remove=True), grappe=again)
    assert boxes(whole) == boxes(first)
    assert touched(first, ended) == [(LES_CARMES, "2026-03-01", None)]  # what it sent before is still its own
    assert touched(ended, again) == [(LES_CARMES, "2026-06-01", None)]
    assert touched(first, again) == [(LES_CARMES, "2026-03-01", "2026-06-01")]
    assert touched(BEFORE, ended) == [(LES_CARMES, "2026-01-01", "2026-03-01")]


@pytest.mark.parametrize("change, why", [
    (bal(until="2026-03-01"), "cette BAL n'y a pas un seul intervalle en cours, donnez son début"),
    (bal(since="2026-03-01", remove=True), "rien à retirer"),
    (bal(address="carmes", since="2026-01-01"), "ce n'est pas une adresse"),
    (bal(since="2026-03-01", until="2026-02-01"), "fin avant le début"),
    (bal(finess_et="130000013", since="2026-01-01"), r"aucun ESSMS 130000013 \(socle grappe show marseille-hyeres\)"),
    ({"kind": "membre", "finess_et": "130000013", "since": "2026-01-01"}, "n'en est pas membre ; pour l'y faire entrer, donnez"),
    (JOINS | {"finess_ej": "130000037"}, "entité juridique 130000037 absente"),
    ({"kind": "membre", "finess_et": LES_CARMES, "until": "2025-01-01"}, "sortie avant l'entrée"),
    ({"kind": "projet", "porteur_ej": "130000013"}, "porteur_ej 130000013"),
    (PERSONS, "un nombre de personnes et une source"),
    (PERSONS | {"remove": True}, "aucun dénominateur au 2026-01-01"),
])
def test_what_cannot_be_changed_says_why(change: dict[str, Any], why: str) -> None:
    with pytest.raises(RegistryError, match=why):
        after(change)


def test_a_member_joins_leaves_and_stays_after_all() -> None:
    joined = after(JOINS)
    assert (the(joined, "130000013").statut, the(joined, "130000013").regle) == ("a_verifier", "R6")  # its check digit is wrong
    assert touched(BEFORE, joined) == [("130000013", "2026-04-01", None)]
    left = after({"kind": "membre", "finess_et": LES_CARMES, "until": "2026-09-01"}, grappe=joined)
    assert touched(joined, left) == [(LES_CARMES, "2026-09-01", None)]
    assert the(left, LES_CARMES).is_member(date(2026, 8, 31)) and not the(left, LES_CARMES).is_member(date(2026, 9, 1))
    assert after({"kind": "membre", "finess_et": LES_CARMES, "until": "aucune"}, grappe=left) == joined


def test_what_an_essms_is_in_the_project() -> None:
    new = after({
        "kind": "essms", "finess_et": LES_CARMES, "projet": "mise_en_conformite", "dui_product": "DUI Exemple 4",
        "date_demarrage": "2026-02-01", "facture_recue": "2026-10-15", "ahi": True,
    })  # fmt: skip
    carmes = the(new, LES_CARMES)
    assert (carmes.projet, carmes.dui_product) == ("mise_en_conformite", "DUI Exemple 4")
    assert carmes.facture_recue == date(2026, 10, 15)
    assert new.start_of(carmes) == date(2026, 2, 1)
    assert [carmes.out_of_scope(one) for one in ("IND-MSS-01", "IND-DMP-01", "IND-DUI-01")] == [True, True, False]
    assert not replace(carmes, sons_eligible=True).out_of_scope("IND-MSS-01")
    assert compare(BEFORE, new).codes == ("ahi", "date_demarrage", "dui_produit", "facture", "projet")
    cleared = after({"kind": "essms", "finess_et": LES_CARMES, "facture_recue": "aucune"}, grappe=new)
    assert the(cleared, LES_CARMES).facture_recue is None
    assert (compare(new, cleared).codes, touched(new, cleared)) == (("facture",), [])  # no measure rests on an invoice


def test_the_level_and_the_start_of_a_grappe_touch_every_essms() -> None:
    level = after({"kind": "projet", "contractual_level": "essms"})
    assert (level.contractual_level, compare(BEFORE, level).codes) == ("essms", ("niveau_contractuel",))
    assert len(touched(BEFORE, level)) == 12
    own = after({"kind": "essms", "finess_et": LES_CARMES, "date_demarrage": "2026-02-01"})
    start = after({"kind": "projet", "date_demarrage": "2026-03-01"}, grappe=own)
    assert LES_CARMES not in [number for number, _, _ in touched(own, start)]  # it has its own
    assert len(touched(own, start)) == 11


def test_legal_entities_are_added_and_named() -> None:
    named = {"kind": "og", "finess_ej": HYERES, "name": "CCAS D'HYÈRES"}
    new = after({"kind": "og", "finess_ej": "750721334", "name": "AUTRE OG"}, named)
    assert [(one.finess_ej, one.name, one.statut) for one in new.entites_juridiques] == [
        (MARSEILLE, "CCAS MARSEILLE", "confirme"), (HYERES, "CCAS D'HYÈRES", "confirme"), ("750721334", "AUTRE OG", "confirme"),
    ]  # fmt: skip
    moved = after({"kind": "membre", "finess_et": LES_CARMES, "finess_ej": HYERES}, grappe=new)
    assert (compare(new, moved).codes, touched(new, moved)) == (("rattachement",), [(LES_CARMES, "2025-06-06", None)])


def test_a_certificate_is_dated_and_touches_no_measure() -> None:
    dates = {"since": "2026-01-01", "until": "2029-01-01"}
    new = after({"kind": "certificat", "finess_et": LES_CARMES, "fingerprint": PRINT, **dates})
    assert the(new, LES_CARMES).certificates == (Certificate(PRINT, "auth", date(2026, 1, 1), date(2029, 1, 1)),)
    assert (compare(BEFORE, new).codes, touched(BEFORE, new)) == (("certificat",), [])


def count(number: int, received: str) -> dict[str, Any]:
    return {
        "kind": "comptage", "finess_et": LES_CARMES, "indicator": "IND-DMP-01", "since": "2026-01-01", "until": "2026-02-01",
        "count": number, "origin": "si_dmp", "received": received,
    }  # fmt: skip


def test_a_count_made_elsewhere_is_kept_beside_ours_and_beside_an_earlier_one() -> None:
    new = after(count(131, "2026-02-10"), count(128, "2026-02-14"), count(129, "2026-02-14"))
    window = ("IND-DMP-01", date(2026, 1, 1), date(2026, 2, 1))
    assert the(new, LES_CARMES).external_counts == (
        ExternalCount(*window, 131, "si_dmp", date(2026, 2, 10)), ExternalCount(*window, 129, "si_dmp", date(2026, 2, 14)),
    )  # fmt: skip
    assert touched(BEFORE, new) == [(LES_CARMES, "2026-01-01", "2026-02-01")]
    with pytest.raises(RegistryError, match="comptage externe : période vide"):
        after(count(131, "2026-02-10") | {"until": "2026-01-01"})


# --- any sequence of changes --------------------------------------------------------------------------------------------------

DAYS = st.dates(date(2026, 1, 1), date(2027, 12, 31))
ETS = st.sampled_from([LES_CARMES, SAINT_TRONC, "830019196"])
ANY_CHANGE = st.one_of(
    st.builds(lambda et, n, since, length: bal(
        finess_et=et, address=f"bal{n}@ccas.mssante.test", since=since, until=since + timedelta(length) if length else None
    ), ETS, st.integers(0, 3), DAYS, st.integers(0, 90)),
    st.builds(lambda et, since, persons: {
        "kind": "denominateur", "finess_et": et, "since": since, "persons": persons, "source": "declaration_essms"
    }, ETS, DAYS, st.integers(0, 200)),
    st.builds(lambda et, until: {"kind": "membre", "finess_et": et, "until": until}, ETS, st.one_of(DAYS, st.just("aucune"))),
    st.builds(lambda level: {"kind": "projet", "contractual_level": level}, st.sampled_from(["essms", "og", "grappe"])),
    st.builds(lambda et, day: {"kind": "essms", "finess_et": et, "facture_recue": day}, ETS, DAYS),
    st.builds(count, st.integers(0, 99), st.sampled_from(["2026-02-10", "2026-02-11"])),
    st.just(JOINS),
)  # fmt: skip


def what_a_measure_rests_on(grappe: Grappe, finess_et: str, day: date) -> tuple[object, ...]:
    essms = grappe.find(finess_et)
    if essms is None or not essms.is_member(day):
        return ()
    senders = {box.address for box in essms.mailboxes if within(day, box.since, box.until)}
    counts = {one for one in essms.external_counts if within(day, one.since, one.until)}
    owner = (essms.finess_ej, essms.ahi, essms.sons_eligible, grappe.start_of(essms), grappe.contractual_level)
    return essms.denominator(day), frozenset(senders), frozenset(counts), owner


@settings(max_examples=60, deadline=None)
@given(st.lists(ANY_CHANGE, max_size=6), st.lists(ANY_CHANGE, min_size=1, max_size=6), st.lists(DAYS, min_size=8, max_size=8))
def test_no_measure_changes_where_nothing_is_said_to_be_touched(
    first: list[dict[str, Any]], second: list[dict[str, Any]], days: list[date]
) -> None:
    old = apply_all(BEFORE, CHANGES.validate_python(first))
    new = apply_all(old, CHANGES.validate_python(second))
    said = compare(old, new).touched
    for essms in new.essms:
        mine = [one for one in said if one.finess_et == essms.finess_et]
        for day in days:
            if not any(within(day, one.since, one.until) for one in mine):
                assert what_a_measure_rests_on(old, essms.finess_et, day) == what_a_measure_rests_on(new, essms.finess_et, day)


@settings(max_examples=12, deadline=None)
@given(st.lists(st.lists(ANY_CHANGE, min_size=1, max_size=3), min_size=1, max_size=6))
async def test_whatever_is_changed_every_version_stays_what_was_saved(batches: list[list[dict[str, Any]]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        registry = put(folder)
        expected, current = {1: BEFORE}, BEFORE
        async with registrar_of(folder) as registrar:
            for batch in batches:
                changes = CHANGES.validate_python(batch)
                saved = await registrar.change(GRAPPE, lambda grappe, asked=changes: apply_all(grappe, asked), by="amoa")  # type: ignore[misc]
                wanted = apply_all(current, changes)
                if wanted != current:
                    current = replace(wanted, registry_version=current.registry_version + 1)
                    expected[current.registry_version] = current
                assert (saved.version, saved.sha256) == (current.registry_version, sha256_of(current))
        if len(expected) > 1:
            assert {number: load_version(registry, GRAPPE, number) for number in expected} == expected
        assert Registry.load(registry).grappe(GRAPPE) == current
        said = {entry["version"]: entry["sha256"] for entry in noted(folder)}
        assert said == {number: sha256_of(grappe) for number, grappe in expected.items() if number > 1}
