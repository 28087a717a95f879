"""The page of a COPIL: what it shows, and that it stays one page."""
from __future__ import annotations

from dataclasses import replace
from datetime import date
from zoneinfo import ZoneInfo

import pytest

from gateway.exports.copil import copil_pdf, fitted, page
from gateway.exports.copil_boxes import boxes
from gateway.exports.edition import Edition
from gateway.exports.pdf import page_images
from gateway.usage.parts import Projection
from gateway.usage.periods import Window
from tests.gateway.exports.world import AS_OF, MONTH, edition, grappe, measure

EDITION = edition()


def box(one: Edition, title: str) -> list[str]:
    return next(list(found.lines) for found in boxes(one) if found.title.startswith(title))


def test_a_line_per_essms_then_the_sums_with_the_last_window_only() -> None:
    shown = page(EDITION, [])
    assert [row["total"] for row in shown["rows"]] == [False] * 12 + [True] * 3
    assert [row["finess"] for row in shown["rows"]][-3:] == ["EJ 130804289", "EJ 830210126", "12 ET"]
    assert shown["title"] == "Grappe Marseille - Hyères : taux d'usage, février 2027"
    first = EDITION.of("IND-MSS-01", MONTH)[0]
    assert shown["rows"][0]["cells"][3]["fraction"] == f"{first.numerator} / {first.denominator}"


def test_reached_is_said_in_words_and_not_by_the_rounded_rate() -> None:
    rows = (measure("IND-MSS-01", numerator=6996, denominator=9999), measure("IND-DMP-01", numerator=70, denominator=100))
    [line] = page(Edition(rows, grappe(), "Socle 0.1.0"), [])["rows"]
    assert [(cell["rate"], cell["state"]) for cell in line["cells"]] == [("70,0 % non", "non"), ("70,0 % oui", "oui")]


def test_what_has_no_rate_is_listed_with_the_reason() -> None:
    shown = page(EDITION, [])["rows"][11]
    assert {cell["rate"] for cell in shown["cells"]} == {"n. c."}
    [line] = box(EDITION, "Non calculables")
    assert line.startswith("RESIDENCE AUTONOMIE LES MURIERS (830206587) : ")
    none = [measure("IND-DUI-01", finess_et=number, denominator=None, status="non_calculable", source_detail=None)
            for number in ("130038748", "130045133")]  # fmt: skip
    silent = Edition(tuple(none), grappe(), "Socle 0.1.0")
    assert box(silent, "Non calculables") == ["Tous les ESSMS (2) : pas d'extraction du DUI"]
    assert "Obtenir l'extraction du DUI de 2 ESSMS" in box(silent, "Décisions")
    assert page(silent, [])["rows"][0]["cells"][0]["fraction"] == "—"
    outside = Edition((measure("IND-DMP-01", status="hors_champ"),), grappe(), "Socle 0.1.0")
    assert box(outside, "Non calculables") == ["RESIDENCE LES CARMES (060790508) : hors champ (AHI non éligible à SONS)"]


def test_unsettled_numbers_and_decisions_are_named() -> None:
    unsettled = box(EDITION, "Numéros FINESS")
    assert any("130784507" in line and "saisi 1306784507" in line for line in unsettled)
    decisions = box(EDITION, "Décisions")
    assert "Obtenir le nombre de personnes accompagnées de 1 ESSMS" in decisions
    assert "Expliquer 1 écart(s) avec un compte tenu ailleurs" in decisions
    quiet = Edition((measure("IND-MSS-01", numerator=0),), grappe(), "Socle 0.1.0")
    assert "Relancer 1 ESSMS sans aucun envoi dans la fenêtre" in box(quiet, "Décisions")


def test_the_way_to_the_balance_is_foretold_at_the_present_pace() -> None:
    together = replace(measure("IND-DMP-01", numerator=30, denominator=100), finess_et=None, finess_ej=None, level="grappe")
    known = replace(together, projection=Projection(10, 28, 84, MONTH.last_day))
    one = Edition((known,), grappe(), "Socle 0.1.0")
    assert box(one, "Vers le solde") == [
        "DMP, dossiers alimentés : 30,0 %, il manque 40 ; cible atteinte le 28/02/2027 au rythme actuel",
        "Factures de fin de déploiement reçues : 0 sur 12",
    ]


def test_silence_is_judged_at_the_end_of_what_is_over() -> None:
    assert EDITION.known_until == MONTH.bounds(ZoneInfo("Europe/Paris"))[1]
    running = Edition((measure("IND-MSS-01", state="ouvert"),), grappe(), "Socle 0.1.0")
    assert running.known_until == AS_OF


def test_a_long_list_says_how_many_more_there_are() -> None:
    many = replace(EDITION, alerts=tuple(f"alerte {n}" for n in range(20)))
    shown = next(one for one in page(many, boxes(many))["boxes"] if one["title"] == "Alertes")
    assert len(shown["lines"]) == 7
    assert shown["lines"][-1] == "… et 14 autres : voir le classeur"


@pytest.mark.parametrize("members", [12, 24, 36])
def test_a_grappe_is_one_page(members: int) -> None:
    rows = [row for row in EDITION.measures if row.window == MONTH]
    wide = [replace(row, finess_et=f"13{n:07d}", name=f"RESIDENCE AUTONOMIE LES BOUGAINVILLIERS {n}")
            for row in rows if row.finess_et == "830206587" for n in range(members - 12)]  # fmt: skip
    stakes, alerts = (tuple(f"{what} {n} " + "mot " * 12 for n in range(9)) for what in ("OG", "alerte"))
    one = replace(EDITION, measures=(*wide, *rows), stakes=stakes, alerts=alerts)
    assert len(page_images("copil", fitted(one, boxes(one)), one.as_of, 8.0)) == 1


def test_a_member_that_started_later_stands_beside_with_its_own_period() -> None:
    late = Window("premiere", date(2026, 12, 1), date(2027, 3, 1))
    rows = (measure("IND-MSS-01", late, finess_et="130038748"), measure("IND-MSS-01", MONTH))
    one = Edition(rows, grappe(), "Socle 0.1.0")
    assert [row["name"] for row in page(one, [])["rows"]] == [
        "RESIDENCE LES CARMES", "RESIDENCE LES CARMES (première période)",
    ]  # fmt: skip
    assert page(one, [])["title"].endswith("février 2027")


def test_the_file_is_dated_by_the_measure_and_marked() -> None:
    content = copil_pdf(EDITION, boxes(EDITION))
    assert content.startswith(b"%PDF-")
    assert b"D:20270301" in content or b"2027-03-01" in content
    assert str(page(EDITION, [])["warning"]).startswith("DONNÉES SIMULÉES")
    assert page(edition("production"), [])["warning"] is None
