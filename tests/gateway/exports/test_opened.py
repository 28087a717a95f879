"""TBB, COPROJ and vendor files, from the published TBB scenario in a real journal."""
from __future__ import annotations

import csv
import io
import re
from collections import Counter
from pathlib import Path

import orjson
import pytest
from openpyxl import load_workbook
from typer.testing import CliRunner

from gateway.cli.main import app
from gateway.conformance.window import JournalWindow
from gateway.exports.opened import _slug
from gateway.grappes.install import install
from gateway.grappes.reading import example
from gateway.journal.store import POS_BITS
from tests.gateway.usage.tbb_world import write_tbb
from tests.gateway.usage.world import CARMES

GRAPPE = "marseille-hyeres"
Files = dict[str, bytes]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tbb")
    install(example(GRAPPE), {"structures": []}, [], folder / "gateway" / "grappes")
    write_tbb(folder / "gateway")
    return folder


@pytest.fixture(scope="module")
def files(data: Path) -> Files:
    return export(data, "sortie", "tout")


def export(data: Path, out: str, forms: str) -> Files:
    words = ["usage", "export", "--grappe", GRAPPE, "--month", "2027-12", "--format", forms, "-o", str(data / out)]
    result = CliRunner().invoke(app, [*words, "--data", str(data)])
    assert result.exit_code == 0, result.output
    return {path.name: path.read_bytes() for path in (data / out).iterdir()}


def named(files: Files, what: str, kind: str) -> bytes:
    [found] = [content for name, content in files.items() if name.startswith(what) and name.endswith(kind)]
    return found


def lines(content: bytes) -> list[dict[str, str]]:
    _, header, *rows = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=";")
    return [dict(zip(header, row, strict=True)) for row in rows]


def sheet(content: bytes, name: str) -> list[dict[str, object]]:
    rows = [[cell.value for cell in row] for row in load_workbook(io.BytesIO(content))[name].iter_rows()]
    head = next(n for n, row in enumerate(rows) if "FINESS ET" in row)
    return [dict(zip(rows[head], row, strict=True)) for row in rows[head + 1 :]]


def test_the_extraction_has_720_successes_and_3_failures(files: Files) -> None:
    found = Counter[tuple[str, str]]()
    for line in lines(named(files, "tbb", "csv")):
        assert line["finess_et"] == f'="{CARMES}"'
        found[line["periode"], line["resultat"]] += int(line["envois"])
    assert found["annee_courante", "succes"] + found["annee_precedente", "succes"] == 720
    assert (found["mois_courant", "echec"], found["annee_courante", "echec"], found["annee_precedente", "echec"]) == (3, 3, 0)


def test_a_sheet_per_requirement_gives_the_same_numbers(files: Files) -> None:
    content = named(files, "tbb", "xlsx")
    sent = {(row["Période"], row["Canal"]): row for row in sheet(content, "va1.03 envois")}
    assert [sent["année courante", channel]["Succès"] for channel in ("DMP", "MSSanté professionnelle", "MSSanté citoyenne")] == [
        120, 120, 120,
    ]  # fmt: skip
    year = sent["année précédente", "DMP"]
    assert (year["INS qualifiée"], year["INS non qualifiée"], year["INS non renseignée"]) == (120, 0, 0)
    failed = {row["Période"]: (row["Échecs DMP"], row["Échecs MSSanté"]) for row in sheet(content, "va1.05 échecs")}
    assert failed == {"mois courant": (1, 2), "année courante": (1, 2), "année précédente": (0, 0)}
    assert sum(int(str(row["Envois"])) for row in sheet(content, "va1.01 tentatives") if row["Période"] == "mois courant") == 33


def test_the_coproj_follows_weeks_failures_and_who_is_missing(files: Files) -> None:
    weeks = lines(named(files, "coproj", "csv"))
    assert sum(int(line["envois"]) for line in weeks) == 30
    assert sum(int(line["echecs"]) for line in weeks) == 3
    assert {line["semaine"] for line in weeks} == {"2027-S48", "2027-S49"}
    content = named(files, "coproj", "xlsx")
    assert {(row["Canal"], row["Code ou signalement"]): row["Nombre"] for row in sheet(content, "Échecs")} == {
        ("DMP", "DMPPatientIDNotFound"): 1, ("MSSanté professionnelle", "550 5.1.1"): 1, ("MSSanté citoyenne", "550 5.1.1"): 1,
    }  # fmt: skip
    missing = next(row for row in sheet(content, "À relancer") if row["FINESS ET"] == CARMES)
    assert (missing["Professionnels vus"], missing["dont jamais vus par Pro Santé Connect"]) == (1, 1)
    assert (missing["Personnes alimentées, INS qualifiée"], missing["Éligibles jamais alimentées (au moins)"]) == (10, 0)


def test_files_say_that_they_are_simulated(files: Files) -> None:
    for name, content in files.items():
        assert "DONNEES-SIMULEES" in name
        if name.endswith(".csv"):
            assert content.decode("utf-8-sig").startswith("DONNÉES SIMULÉES")
        if name.endswith(".xlsx"):
            sheets = load_workbook(io.BytesIO(content)).worksheets
            assert all(str(one["A1"].value).startswith("DONNÉES SIMULÉES") for one in sheets)


def test_everything_again_is_the_same_to_the_byte(data: Path, files: Files) -> None:
    assert export(data, "encore", "tout") == files


def test_a_vendor_has_its_own_files(files: Files) -> None:
    run = orjson.loads(named(files, "editeur-inconnu", "json"))
    assert run["entete"]["editeur"] == "inconnu"
    assert {check["etat"] for check in run["controles"]} <= {"non_conforme"}
    assert run["avertissement"].startswith("DONNÉES SIMULÉES")


def test_a_conformance_run_stops_where_the_measures_do(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A vendor's pack of a closed version may not judge what came after."""
    asked: list[int | None] = []
    real = JournalWindow.open.__func__  # type: ignore[attr-defined]

    def spied(cls: type[JournalWindow], *given: object, until: int | None = None, **named: object) -> object:
        asked.append(until)
        return real(cls, *given, until=until, **named)

    monkeypatch.setattr(JournalWindow, "open", classmethod(spied))
    found = export(data, "borne", "editeur")
    [(log, size)] = orjson.loads(named(found, "manifeste", "json"))["vector"]
    assert asked == [log << POS_BITS | size - 1]
    with real(JournalWindow, data / "gateway", "bac_a_sable", until=log << POS_BITS | 9) as window:
        assert len(list(window.calls())) == 10


def test_two_vendors_never_share_a_file() -> None:
    names = ["dui-exemple", "DUI exemple", "dui/exemple", "dui.exemple", "é"]
    slugs = [_slug(name) for name in names]
    assert slugs[0] == "dui-exemple"
    assert len(set(slugs)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9-]+", slug) for slug in slugs)
