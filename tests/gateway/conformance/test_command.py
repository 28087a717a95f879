"""`socle conformance run|report|rules`, on a journal on disk."""
from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl  # type: ignore[import-untyped]
import orjson
import pytest
from lxml import etree
from typer.testing import CliRunner, Result

from gateway.cli.main import app
from gateway.conformance import reports
from gateway.conformance.declared import BadDeclaration, read_declaration
from gateway.conformance.layouts import LAYOUTS
from gateway.conformance.live import Observer, eyes_of
from gateway.conformance.model import Message
from gateway.conformance.rules import rule_set
from gateway.conformance.running import rule_item, run_rules
from gateway.conformance.window import JournalWindow
from gateway.journal.filters import period
from gateway.journal.record import Named, Record
from mocks.sandbox.build import init
from mocks.sandbox.population import Population
from tests.connectors.dmp.samples import ROOT, Dui
from tests.gateway.conformance.world import (
    COLLEAGUE,
    RECEIVED,
    authorize,
    directory,
    feed,
    plain,
    search,
    token,
    verification,
)
from tests.gateway.journal.world import open_journal

NOVEMBER = datetime(2026, 11, 30, 22, 30, tzinfo=UTC)  # the last day in Paris too
DECEMBER = datetime(2026, 11, 30, 23, 30, tzinfo=UTC)  # already December in Paris
HEADER = ("--vendor-name", "Éditeur Fictif", "--product", "=DUI", "--version", "2.3.1")


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["conformance", *arguments])


async def write(data: Path, *messages: Message | tuple[Message, dict[str, Any]]) -> list[str]:
    """Calls of one tenant, journaled with their facts; the ids in order."""
    journal = open_journal(data / "gateway")
    observer = Observer(eyes_of(journal.vault, None))
    records = []
    for one in messages:
        message, values = one if isinstance(one, tuple) else (one, {})
        record = Record(
            message.operation, outcome="ok", event_time=NOVEMBER, tenant="editeur-a", finess_et="0B0990008", service_code="00"
        )
        for name, value in values.items():
            setattr(record, name, value)
        await observer.observe(record, message)
        records.append(record)
    await journal.write(*records)
    await journal.close()
    return [record.id for record in records]


def checks(result: Result) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in orjson.loads(result.stdout_bytes)["controles"]}


async def test_a_run_that_conforms_exits_0_and_says_what_was_not_seen(tmp_path: Path, dui: Dui) -> None:
    ids = await write(tmp_path, search(), authorize(), feed(dui))
    result = call("run", "--json", "--data", str(tmp_path))
    found = checks(result)
    assert result.exit_code == 0
    states = {check: row["etat"] for check, row in found.items()}
    assert len(states) == 21
    assert {states[one] for one in ("CHK-INS-01", "CHK-INS-09", "CHK-DMP-03", "CHK-PSC-02")} == {"conforme"}
    assert {states[one] for one in ("CHK-DMP-01", "CHK-JRN-04", "CHK-MSS-01", "CHK-ANN-03")} == {"non_observe"}
    assert found["CHK-PSC-02"]["preuves"] == [ids[1]]
    item = orjson.loads(result.stdout_bytes)
    assert item["regles"]["sha256"] == rule_set("smoke").sha256
    assert (item["simule"], item["applicabilite"]) == (True, "proxy")


async def test_a_deviation_exits_1_and_shows_its_entry(tmp_path: Path) -> None:
    ids = await write(tmp_path, authorize(), authorize(acr_values="eidas2"))
    result = call("run", "--json", "--data", str(tmp_path))
    row = checks(result)["CHK-PSC-02"]
    assert result.exit_code == 1
    assert (row["etat"], row["observations"], row["ecarts"], row["preuves"]) == ("non_conforme", 2, 1, [ids[1]])
    assert row["constats"][0] == {
        "etat": "non_conforme", "lieu": "acr_values", "attendu": "eidas1", "trouve": "eidas2", "entrees": [ids[1]],
    }  # fmt: skip
    text = call("run", "--data", str(tmp_path))
    assert text.exit_code == 1
    assert "NON CONFORME" in text.stdout


@pytest.mark.parametrize(
    ("options", "seen"),
    [
        ((), 3), (("--to", "2026-11-30"), 1), (("--from", "2026-12-01"), 2), (("--tenant", "editeur-b"), 1),
        (("--environment", "recette"), 0),
    ],
)  # fmt: skip
async def test_the_window_is_a_period_a_tenant_and_an_environment(tmp_path: Path, options: tuple[str, ...], seen: int) -> None:
    later = {"event_time": DECEMBER}
    await write(tmp_path, authorize(), (authorize(), later), (authorize(), later | {"tenant": "editeur-b"}))
    result = call("run", "--json", "--data", str(tmp_path), *options)
    assert checks(result)["CHK-PSC-02"]["observations"] == seen


async def test_a_vendor_that_the_journal_does_not_know_is_refused(tmp_path: Path) -> None:
    await write(tmp_path, authorize())
    result = call("run", "--data", str(tmp_path), "--tenant", "editeur-z")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "« editeur-z » n'a aucune entrée dans ce journal" in result.stderr


async def test_what_comes_after_the_opening_is_not_in_the_window(tmp_path: Path) -> None:
    await write(tmp_path, authorize())
    with JournalWindow.open(tmp_path / "gateway", "bac_a_sable") as window:
        await write(tmp_path, authorize(acr_values="eidas2"))
        [found] = [one for one in run_rules(window, rule_set("smoke")) if one.rule.id == "CHK-PSC-02"]
    assert (found.state, found.observations) == ("conforme", 1)


async def test_a_doubt_that_was_settled_counts_as_its_settlement(tmp_path: Path, dui: Dui) -> None:
    journal = open_journal(tmp_path / "gateway")
    observer = Observer(eyes_of(journal.vault, None))
    doubt = Record("DMP.TD2.1", outcome="in_doubt", event_time=NOVEMBER)
    await observer.observe(doubt, feed(dui))
    await journal.write(doubt)
    declared = {"documents": [{"unique_id": f"{ROOT}.3.1"}]}

    def state() -> str:
        with JournalWindow.open(tmp_path / "gateway", "bac_a_sable", declared=declared) as window:
            return next(one.state for one in run_rules(window, rule_set("smoke")) if one.rule.id == "CHK-DMP-01")

    assert state() == "non_conforme"
    with JournalWindow.open(tmp_path / "gateway", "bac_a_sable") as before:
        await journal.write(Record("DMP.TD2.1", kind="settlement", settles=doubt.id, outcome="succeeded"))
        assert before.settled(doubt.id) is None
    await journal.close()
    assert state() == "conforme"


async def test_a_declared_file_answers_what_the_journal_cannot(tmp_path: Path, dui: Dui) -> None:
    await write(tmp_path, (feed(dui), {"document_type": "80788-3", "ins_status": "qualifiee"}))
    path = tmp_path / "declare.json"
    sending = {"finess_et": "0B0990008", "canal": "dmp", "type_document": "80788-3", "statut_ins": "qualifiee", "issue": "succes"}
    path.write_bytes(orjson.dumps({"documents": [{"unique_id": f"{ROOT}.3.1"}], "envois": [{**sending, "nombre": 1}]}))
    found = checks(call("run", "--json", "--data", str(tmp_path), "--declared", str(path)))
    assert (found["CHK-DMP-01"]["etat"], found["CHK-JRN-04"]["etat"]) == ("conforme", "conforme")
    path.write_bytes(orjson.dumps({"documents": [{"unique_id": f"{ROOT}.3.9"}], "envois": [{**sending, "nombre": 2}]}))
    found = checks(call("run", "--json", "--data", str(tmp_path), "--declared", str(path)))
    assert (found["CHK-DMP-01"]["etat"], found["CHK-JRN-04"]["etat"]) == ("non_conforme", "non_conforme")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "JSON (ligne 1)"), (b"[]", "un objet"), (b'{"autre": []}', "un objet"), (b'{"envois": {}}', "envois : une liste"),
        (b'{"documents": [{}]}', "documents, ligne 1"), (b'{"envois": [{"canal": "fax"}]}', "envois, ligne 1 : canal"),
        (b'{"envois": [{"canal": "dmp", "issue": "peut-etre"}]}', "issue"),
        (b'{"envois": [{"canal": "dmp", "issue": "succes", "nombre": -1}]}', "nombre"),
        (b'{"envois": [{"canal": "dmp", "issue": "succes", "nombre": 1, "finess_et": 60790508}]}', "finess_et"),
        (b'{"appels_insi": [{"date": "2026-11-02", "utilisateur": "x"}]}', "appels_insi, ligne 1 : date"),
        (b'{"appels_insi": [{"date": "2026-11-02T09:00:00+01:00"}]}', "appels_insi, ligne 1 : utilisateur"),
        (b'{"echanges_ins": [{"date": "2026-11-02T09:00:00Z", "partenaire": ""}]}', "echanges_ins, ligne 1 : sens"),
        (b'{"echanges_ins": [{"date": "2026-11-02T09:00:00Z", "partenaire": "", "sens": "recue", "matricule": "2690549588157"}]}',
         "echanges_ins, ligne 1 : matricule"),
    ],
)  # fmt: skip
def test_a_declaration_is_refused_where_it_is_wrong(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "declare.json"
    path.write_bytes(content)
    with pytest.raises(BadDeclaration) as refused:
        read_declaration(path)
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("run",), "Aucun journal"), (("run", "--suite", "x"), "jeu de contrôles inconnu"),
        (("run", "--from", "hier"), "date attendue"),
        (("run", "--from", "2026-11-06", "--to", "2026-11-02"), "finit avant d'avoir commencé"),
        (("report", "--format", "junit", "--vendor-name", "a\x01b"), "sans caractère de contrôle"),
        (("run", "--environment", "x"), "environnement inconnu"), (("run", "--declared", "absent.json"), "lecture impossible"),
        (("report", "--format", "xlsx", "-o", "x"), "format inconnu"),
        (("report", "--format", "junit", "-o", "x.xlsx"), "ne se met pas en classeur"),
        (("rules", "--suite", "x"), "jeu de contrôles inconnu"),
        (("report", "--format", "csv", "-o", "x", "--run", "pyproject.toml"), "ce n'est pas un résultat"),
        (("run", "--service", "ins"), "service inconnu"), (("run", "--service", "PSC", "--suite", "journal"), "aucun contrôle"),
        (("report", "--service", "INS", "--run", "pyproject.toml"), "--service choisit ce qui est jugé"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_and_exit_2(tmp_path: Path, arguments: tuple[str, ...], reason: str) -> None:
    data = () if arguments[0] == "rules" else ("--data", str(tmp_path))
    result = call(*arguments, *data)
    assert result.exit_code == 2
    assert reason in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("part", ["simule", "entete", "regles", "resume", "controles", "preuves"])
async def test_a_kept_result_that_lacks_a_part_is_none(tmp_path: Path, part: str) -> None:
    """Exit 1 would say to a chain of integration that something does not conform."""
    await write(tmp_path, authorize())
    item = orjson.loads(call("run", "--json", "--data", str(tmp_path)).stdout_bytes)
    kept = tmp_path / "essai.json"
    for content, code in ((item, 0), ({name: value for name, value in item.items() if name != part}, 2)):
        kept.write_bytes(orjson.dumps(content))
        for options in ((), ("--format", "junit"), ("--format", "convergence")):
            assert call("report", "--run", str(kept), *options).exit_code == code


def test_rules_are_listed_with_what_they_cite() -> None:
    item = orjson.loads(call("rules", "--json").stdout_bytes)
    assert len(item["controles"]) == 40
    assert {row["applicabilite"] for row in item["controles"]} == {"proxy"}
    one = next(row for row in item["controles"] if row["id"] == "CHK-MSS-23")
    assert [cited["id"] for cited in one["exigences"]] == ["ECO.2.4.2", "SC.MSS/CONF.14"]
    assert call("rules", "--suite", "journal").exit_code == 0


async def test_a_family_alone_is_every_check_of_it_under_the_name_of_its_set(tmp_path: Path, dui: Dui) -> None:
    await write(tmp_path, search(), verification(holds=False), feed(dui))
    known = tmp_path / "declare.json"
    known.write_bytes(orjson.dumps({"echanges_ins": [RECEIVED]}))
    named = ("report", "--service", "INS", "--data", str(tmp_path), "--declared", str(known), *HEADER)
    result = call(*named, "--json")
    found = checks(result)
    assert (list(found), result.exit_code) == ([f"CHK-INS-{number:02d}" for number in range(1, 16)], 1)
    assert orjson.loads(result.stdout_bytes)["regles"]["sha256"] == rule_set("tout").sha256
    assert {check for check, row in found.items() if row["etat"] == "non_conforme"} == {"CHK-INS-04"}
    assert found["CHK-INS-14"]["observations"] == 1  # the partner of what was received
    shown = call(*named).stdout
    assert "Tous les contrôles, INS" in shown and "CHK-INS-15" in shown and "CHK-DMP" not in shown
    assert len(table(call(*named, "--format", "csv").stdout_bytes)[1]) == 15
    of_smoke = checks(call("run", "--json", "--suite", "smoke", "--service", "INS", "--data", str(tmp_path)))
    assert list(of_smoke) == ["CHK-INS-01", "CHK-INS-02", "CHK-INS-05", "CHK-INS-09"]


# --- layouts


async def written(tmp_path: Path, layout: str, *options: str) -> bytes:
    if not (tmp_path / "gateway").exists():
        await write(tmp_path, authorize(), authorize(acr_values="eidas2"), directory(COLLEAGUE))
    out = tmp_path / "out"
    result = call("report", "--format", layout, "-o", str(out), "--data", str(tmp_path), *HEADER, *options)
    assert result.exit_code == 1
    return out.read_bytes()


def table(content: bytes) -> tuple[dict[str, str], list[dict[str, str]], list[str]]:
    """(what stands above, rows by column, columns): the layout is found by its header row."""
    assert content.startswith(b"\xef\xbb\xbf")
    lines = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=";"))
    blank = lines.index([])
    columns = lines[blank + 1]
    rows = [dict(zip(columns, line, strict=True)) for line in lines[blank + 2 :]]
    assert lines[0][0].startswith("DONNÉES SIMULÉES")
    return dict(line for line in lines[1:blank]), rows, columns  # type: ignore[misc]


async def test_convergence_has_its_fourteen_columns_then_ours(tmp_path: Path) -> None:
    header, rows, columns = table(await written(tmp_path, "convergence"))
    assert columns == [
        "Périmètre", "ID", "Chapitre", "Fonction", "Exigence", "Commentaire", "Profil", "N° scénario", "Scénario de conformité",
        "N° preuve", "Preuve", "Profil historique", "Criticité", "Ordre",
        "Résultat", "Nb observations", "Nb écarts", "Première preuve",
    ]  # fmt: skip
    stated = (header["raison_sociale"], header["nom_commercial"], header["version_logiciel"])
    assert stated == ("Éditeur Fictif", "'=DUI", "2.3.1")
    assert header["regles"].endswith(rule_set("smoke").sha256)
    both = [row for row in rows if row["N° scénario"] == "CHK-PSC-02.01"]
    assert [(row["ID"], row["Résultat"]) for row in both] == [("SC.PSC.08", "non_conforme"), ("EX PSC 16", "non_conforme")]
    assert int(both[1]["Ordre"]) == int(both[0]["Ordre"]) + 1
    psc = both[0]
    assert (psc["Nb observations"], psc["Nb écarts"]) == ("2", "1")
    assert psc["N° preuve"] == "CHK-PSC-02.01.01"
    assert psc["Preuve"].startswith("Éditeur Fictif, =DUI 2.3.1 ; PSC.AUTHORIZE (ok) le 2026-11-30T23:30:00.000+01:00 ; entrée ")
    unseen = next(row for row in rows if row["N° scénario"] == "CHK-DMP-03.01")
    assert (unseen["Preuve"], unseen["N° preuve"], unseen["Résultat"]) == ("", "", "non_observe")


async def test_the_scenario_layout_has_thirty_five_columns(tmp_path: Path) -> None:
    header, rows, columns = table(await written(tmp_path, "rem"))
    assert len(columns) == 35
    assert columns[8:20] == [*(f"Exigence {n}" for n in range(1, 11)), "Critères vérifiés", "Numéro de preuve 1"]
    assert columns[-2:] == ["Numéro de preuve 8", "Preuve 8"]
    assert {"raison_sociale", "nom_commercial", "version_logiciel", "genere_le"} <= header.keys()
    assert len(rows) == 21
    [mss] = [row for row in rows if row["Critères vérifiés"].startswith("CHK-MSS-21")]
    cited = [mss[f"Exigence {n}"] for n in range(1, 7)]
    assert cited == ["ECO.2.1.1", "ECO.2.1.5", "ECO.2.1.6", "MSS/va1.01", "SC.CDA/DD.12", ""]
    [psc] = [row for row in rows if row["Critères vérifiés"].startswith("CHK-PSC-02")]
    assert psc["Référence"] == "SCN_PSC.19"
    assert psc["Numéro de preuve 1"] == "SCN_PSC.19.01"
    assert "PSC.AUTHORIZE" in psc["Preuve 1"]


async def test_the_older_layout_has_thirty_one_columns_and_a_row_a_scenario(tmp_path: Path) -> None:
    _, rows, columns = table(await written(tmp_path, "exigences"))
    assert len(columns) == 31
    assert columns[:11] == [
        "Exigence conditionnelle OUI/NON", "Profil", "ID Section", "Section", "Bloc", "Fonction", "Nature", "N° exigence",
        "Énoncé", "N° scénario", "Scénario",
    ]  # fmt: skip
    assert columns[11:13] == ["N° preuve 1", "Preuve 1"] and columns[-1] == "Preuve 10"
    first, second = [row for row in rows if row["N° scénario"] == "CHK-PSC-02.01"]
    assert (first["N° exigence"], second["N° exigence"]) == ("SC.PSC.08", "EX PSC 16")
    assert (first["Nature"], first["Exigence conditionnelle OUI/NON"]) == ("EXIGENCE", "NON")
    assert first["N° preuve 1"] == "CHK-PSC-02.01.01" and first["Preuve 1"] == second["Preuve 1"] != ""
    mailbox = next(row for row in rows if row["N° scénario"] == "CHK-MSS-10.01")
    assert (mailbox["Profil"], mailbox["Exigence conditionnelle OUI/NON"]) == ("BAL APP", "OUI")


@pytest.mark.parametrize(("layout", "columns"), [("convergence", 18), ("exigences", 31), ("rem", 35), ("csv", 10)])
async def test_a_workbook_has_the_table_its_header_and_what_is_wrong_with_it(
    tmp_path: Path, layout: str, columns: int
) -> None:
    await write(tmp_path, authorize(acr_values="eidas2"))
    run, out = tmp_path / "run.json", tmp_path / "preuves.xlsx"
    run.write_bytes(call("run", "--json", "--data", str(tmp_path), "--product", "=DUI").stdout_bytes)
    result = call("report", "--format", layout, "-o", str(out), "--run", str(run))
    assert result.exit_code == 1
    assert [line.partition(" ")[0] for line in result.stderr.splitlines()] == ["raison_sociale", "version_logiciel"]
    first = out.read_bytes()
    call("report", "--format", layout, "-o", str(out), "--run", str(run))
    assert first == out.read_bytes()
    book = openpyxl.load_workbook(out)
    assert book.sheetnames == ["Exigences", "En-tête", "WARNING-ERROR"]
    lines = list(book["Exigences"].iter_rows(values_only=True))
    assert str(lines[0][0]).startswith("DONNÉES SIMULÉES") and len(lines[1]) == columns
    assert ("nom_commercial", "'=DUI") in list(book["En-tête"].iter_rows(values_only=True))
    wrong = list(book["WARNING-ERROR"].iter_rows(min_row=3, values_only=True))
    assert ("ERROR", "CHK-PSC-02", "acr_values : attendu eidas1 ; trouvé eidas2") in wrong
    assert ("ERROR", "raison_sociale", "absent : chaque preuve doit le porter (--vendor-name)") in wrong


async def test_a_proof_says_when_its_professional_logged_in(tmp_path: Path, dui: Dui) -> None:
    someone = {"professional": Named("professional", "899700000001")}
    before = {**someone, "event_time": NOVEMBER - timedelta(minutes=5)}
    await write(tmp_path, (token(), before), (feed(dui), someone), (token(), {**someone, "event_time": DECEMBER}))
    item = orjson.loads(call("run", "--json", "--data", str(tmp_path)).stdout_bytes)
    [proof] = [one for one in item["preuves"].values() if one["operation"] == "DMP.TD2.1"]
    assert proof["connexion"] == "2026-11-30T23:25:00.000+01:00"


async def test_junit_fails_on_deviations_and_skips_what_was_not_judged(tmp_path: Path, dui: Dui) -> None:
    await write(tmp_path, search(), authorize(acr_values="eidas2"), plain(dui).sent())
    suite = etree.fromstring(await written(tmp_path, "junit"))
    counts = orjson.loads(call("run", "--json", "--data", str(tmp_path)).stdout_bytes)["resume"]
    assert counts["conforme"] > counts["non_conforme"] == 1 and counts["non_applicable"]
    assert (suite.get("tests"), suite.get("failures")) == ("21", "1")
    skipped = [one.get("message") or "" for one in suite.findall("testcase/skipped")]
    assert int(suite.get("skipped") or 0) == len(skipped) == counts["non_observe"] + counts["non_applicable"]
    assert sum(one.startswith("non_applicable") for one in skipped) == counts["non_applicable"]
    [failure] = suite.findall("testcase/failure")
    assert failure.get("message") == "acr_values : attendu eidas1 ; trouvé eidas2"


async def test_a_report_of_a_kept_run_is_the_same_to_the_byte(tmp_path: Path) -> None:
    kept = tmp_path / "run.json"
    kept.write_bytes(await written(tmp_path, "json"))
    for layout in reports.FORMATS:
        first = await written(tmp_path, layout, "--run", str(kept))
        assert first == await written(tmp_path, layout, "--run", str(kept))
        assert first == reports.build(orjson.loads(kept.read_bytes()), layout)


async def test_a_proof_names_test_professionals_and_nobody_else(tmp_path: Path) -> None:
    init(tmp_path, persons=1)
    one = Population.open(tmp_path / "sandbox" / "population.sqlite3").professionals()[0]
    known = {"professional": Named("professional", one["id_nat"])}
    stranger = {"professional": Named("professional", "899700000001"), "tenant": "editeur-b"}
    await write(tmp_path, (authorize(), known), (authorize(), stranger))

    def users(tenant: str) -> set[str]:
        result = call("run", "--json", "--data", str(tmp_path), "--tenant", tenant)
        return {proof["utilisateur"] for proof in orjson.loads(result.stdout_bytes)["preuves"].values()}

    assert users("editeur-a") == {f"RPPS {one['rpps']}, {one['family']} {one['given']}"}
    assert users("editeur-b") == {"professionnel hors du jeu de données : non imprimé"}


def test_no_cell_is_taken_for_a_formula() -> None:
    check = rule_item(rule_set("smoke").rules[0]) | {
        "titre": "=1+1", "texte": "+1", "scenario": "-1", "etat": "non_observe", "observations": 0, "ecarts": 0, "constats": [],
        "preuves": [],
    }  # fmt: skip
    check["exigences"][0]["libelle"] = "-1"
    run: dict[str, Any] = {
        "simule": False, "entete": {"raison_sociale": "@SUM(A1)", "environnement": "production"},
        "regles": {"nom": "n", "version": "1", "sha256": "0"}, "controles": [check], "resume": {}, "preuves": {},
    }  # fmt: skip
    for layout in LAYOUTS.values():
        text = reports.table(run, layout).decode("utf-8-sig")
        assert text.startswith("raison_sociale;'@SUM(A1)\r\n")
        cells = [cell for line in csv.reader(io.StringIO(text, newline=""), delimiter=";") for cell in line]
        assert "'=1+1" in cells
        assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]


async def test_the_journal_set_holds_on_a_journal_of_its_own(tmp_path: Path, dui: Dui) -> None:
    await write(tmp_path, search(), plain(dui).sent())
    with JournalWindow.open(tmp_path / "gateway", "bac_a_sable", event=period(None, None)) as window:
        states = {one.rule.id: one.state for one in run_rules(window, rule_set("journal"))}
    assert states["CHK-JRN-06"] == states["CHK-JRN-08"] == "conforme"
    assert states["CHK-JRN-01"] == "non_conforme"  # the message of this test has no author
    assert states["CHK-JRN-07"] == "non_observe"  # and there is no grappe
