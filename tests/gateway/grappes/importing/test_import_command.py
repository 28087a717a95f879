"""`socle grappe import`: only what is confirmed or decided enters, at once or not at all, with who decided what."""
from __future__ import annotations

import csv
import io
from datetime import date
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

import gateway.cli.admin
from gateway.cli.grappe import app
from gateway.cli.main import app as socle
from gateway.grappes.importing.checking import check
from gateway.grappes.importing.deciding import Terms, decide
from gateway.grappes.importing.decisions import accepted
from gateway.grappes.importing.files import documents_in
from gateway.grappes.importing.installing import Identity, grappe_of
from gateway.grappes.model import Essms, Grappe
from gateway.grappes.reading import parse_grappe
from gateway.grappes.registry import Registry
from gateway.journal.lock import FolderLock
from gateway.journal.query import JournalReader

A, B, LOST, FOUND, WRONG, EJ = "010000008", "010000016", "10000024", "010000024", "010000033", "010000032"
TABLE = f"""OG;FINESS EJ;FINESS ET;Établissement;CP;Personnes
CCAS;{EJ};{A};EHPAD Un;01000;40
CCAS;{EJ};{B};RA Deux MC;01000;25
CCAS;{EJ};{LOST};MAS Trois;01000;12
CCAS;{EJ};{WRONG};SSIAD Quatre;01000;
"""


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    folder = tmp_path / "est"
    folder.mkdir()
    (folder / "convention.csv").write_text(TABLE, "utf-8")
    return folder


def run(tmp_path: Path, tables: Path, *words: str) -> tuple[int, str]:
    answer = CliRunner().invoke(app, ["import", str(tables), "--id", "est", "--data", str(tmp_path / "data"), *words])
    return answer.exit_code, answer.output


def installed(tmp_path: Path) -> Grappe:
    return Registry.load(tmp_path / "data" / "gateway" / "grappes").grappe("est")


def essms(tmp_path: Path, number: str) -> Essms:
    found = installed(tmp_path).find(number)
    assert found is not None
    return found


def changes(tmp_path: Path) -> list[dict[str, Any]]:
    with JournalReader(tmp_path / "data" / "gateway") as reader:
        entries = reader.entries(limit=100).entries
    return [one["detail"] for one in entries if one["kind"] == "admin" and one["detail"].get("action") == "registry"]


def test_what_nobody_decided_stays_out_and_is_said(tmp_path: Path, tables: Path) -> None:
    code, said = run(tmp_path, tables, "--name", "Grappe de l'Est", "--date", "2026-01-05")
    assert code == 1
    assert f"Reste dehors, ligne 3, MAS Trois : {FOUND} proposé, non confirmé." in said
    assert "Reste dehors, ligne 4, SSIAD Quatre : R6, clé de contrôle fausse" in said
    grappe = installed(tmp_path)
    assert [one.finess_et for one in grappe.essms] == [A, B]
    assert (grappe.name, grappe.porteur_ej, grappe.document_date) == ("Grappe de l'Est", EJ, date(2026, 1, 5))
    one = essms(tmp_path, B)
    assert (one.name, one.name_saisi, one.projet) == ("RA Deux", "RA Deux MC", "mise_en_conformite")
    assert (one.category, one.sector) == ("202", "SA17")
    assert (one.persons, one.member_from, one.statut, one.regle, one.decision) == (25, date(2026, 1, 5), "confirme", "R0", None)
    [change] = changes(tmp_path)
    assert (change["grappe"], change["version"], change["by"]) == ("est", 1, "import")


def test_a_decision_is_kept_with_who_when_and_why(tmp_path: Path, tables: Path) -> None:
    decisions = ("--accept", f"3={FOUND}:confirmé par FINESS", "--accept", f"4={WRONG}:lu sur l'arrêté")
    assert run(tmp_path, tables, *decisions, "--by", "amoa")[0] == 0
    third, fourth = essms(tmp_path, FOUND), essms(tmp_path, WRONG)
    assert (third.saisi, third.statut, third.regle) == (LOST, "corrige_propose", "R3")
    assert third.decision is not None
    assert (third.decision.by, third.decision.why) == ("amoa", "confirmé par FINESS")
    assert third.decision.on == installed(tmp_path).document_date  # both are today
    assert (fourth.statut, fourth.regle, fourth.persons) == ("a_verifier", "R6", None)  # a person's word makes no key right
    assert fourth.decision is not None


def test_doubtful_numbers_enter_as_typed_only_when_asked_and_flagged(tmp_path: Path, tables: Path) -> None:
    code, said = run(tmp_path, tables, "--as-typed")
    assert code == 1  # eight characters are no FINESS: the lost digit still waits
    assert f"ligne 4, SSIAD Quatre : {WRONG} a une clé de contrôle fausse, gardé à vérifier" in said
    assert (essms(tmp_path, WRONG).statut, essms(tmp_path, WRONG).decision) == ("a_verifier", None)
    assert installed(tmp_path).find(FOUND) is None


def test_the_same_files_twice_change_nothing(tmp_path: Path, tables: Path) -> None:
    words = ("--accept", f"3={FOUND}:confirmé par FINESS", "--by", "amoa")
    run(tmp_path, tables, *words)
    before = (tmp_path / "data" / "gateway" / "grappes" / "est.json").read_bytes()
    code, said = run(tmp_path, tables, *words)
    assert "le registre le dit déjà (version 1), rien n'a changé" in said
    assert code == 1  # the fourth row still waits
    _, again = run(tmp_path, tables)
    assert again.endswith("rien n'a changé.\n")
    assert "ligne 3" not in again  # the decision taken once stands
    assert (tmp_path / "data" / "gateway" / "grappes" / "est.json").read_bytes() == before
    assert len(changes(tmp_path)) == 1


def test_changed_files_show_their_differences_before_anything_is_written(tmp_path: Path, tables: Path) -> None:
    run(tmp_path, tables)
    (tables / "convention.csv").write_text(TABLE.replace("01000;40", "01000;44").replace("RA Deux", "RA Les Deux"), "utf-8")
    code, said = run(tmp_path, tables)
    assert (code, installed(tmp_path).registry_version, essms(tmp_path, A).persons) == (1, 1, 40)
    assert f"~ {A} EHPAD Un : personnes : 40 → 44" in said
    assert f"~ {B} RA Les Deux : nom : RA Deux → RA Les Deux" in said
    assert "rien n'a été écrit" in said
    run(tmp_path, tables, "--yes")
    assert (installed(tmp_path).registry_version, essms(tmp_path, A).persons) == (2, 44)
    assert [one["version"] for one in changes(tmp_path)] == [2, 1]


def test_a_decision_given_again_another_day_is_the_first_one(tables: Path) -> None:
    [documents] = documents_in([tables])
    checked, rulings = check(documents), accepted([f"3={FOUND}:vu"])
    first, later = Terms("amoa", date(2026, 1, 5)), Terms("amoa", date(2026, 3, 9))
    before = grappe_of(Identity("est", first.on), checked, decide(checked, rulings, None, first), None)
    assert grappe_of(Identity("est", later.on), checked, decide(checked, rulings, before, later), before) == before
    other = decide(checked, accepted([f"3={FOUND}:relu"]), before, later)
    decision = grappe_of(Identity("est", later.on), checked, other, before).essms[-1].decision
    assert decision is not None
    assert (decision.on, decision.why) == (date(2026, 3, 9), "relu")


def test_a_row_never_becomes_two_members(tmp_path: Path, tables: Path) -> None:
    run(tmp_path, tables, "--as-typed")
    right = "010000040"
    code, said = run(tmp_path, tables, "--accept", f"4={right}:FINESS", "--by", "amoa", "--yes")
    assert code == 2
    assert f"ligne 4, SSIAD Quatre : déjà membre sous {WRONG} ; sous {right} en plus" in said
    (tables / "convention.csv").write_text(TABLE.replace(WRONG, right), "utf-8")
    code, said = run(tmp_path, tables, "--yes")  # corrected at the source
    assert (code, installed(tmp_path).find(right)) == (2, None)
    leave = ["grappe", "membre", "est", WRONG, "--until", "2027-01-01", "--by", "amoa", "--data", str(tmp_path / "data")]
    left = CliRunner().invoke(socle, leave)
    assert left.exit_code == 0, left.output
    run(tmp_path, tables, "--yes")
    assert (essms(tmp_path, right).member_until, essms(tmp_path, WRONG).member_until) == (None, date(2027, 1, 1))


@pytest.mark.parametrize("typed", [f"N° FINESS : {A}", f"{A}.0", "01 000 000 8"])
def test_what_surrounds_a_number_needs_no_decision(tmp_path: Path, tables: Path, typed: str) -> None:
    (tables / "convention.csv").write_text(TABLE.replace(A, typed), "utf-8")
    assert run(tmp_path, tables)[0] == 1  # lines 3 and 4 wait
    assert (essms(tmp_path, A).saisi, essms(tmp_path, A).regle) == (typed, "R1")


def test_sites_that_share_a_number_never_enter_as_typed(tmp_path: Path, tables: Path) -> None:
    (tables / "convention.csv").write_text(TABLE.replace(WRONG, A), "utf-8")
    code, said = run(tmp_path, tables, "--as-typed")
    assert (code, [one.finess_et for one in installed(tmp_path).essms]) == (1, [B])
    assert "Restent dehors, lignes 1, 4 : R8, même numéro pour 2 établissements" in said
    code, said = run(tmp_path, tables, "--accept", f"1={A}:FINESS le donne à ce site", "--by", "amoa", "--yes")
    assert (code, [one.finess_et for one in installed(tmp_path).essms]) == (1, [B, A])
    assert "lignes 4" not in said


def test_an_import_takes_nothing_away(tmp_path: Path, tables: Path) -> None:
    run(tmp_path, tables)
    (tables / "convention.csv").write_text("\n".join(TABLE.splitlines()[:2]) + "\n", "utf-8")
    assert run(tmp_path, tables)[0] == 0
    assert [one.finess_et for one in installed(tmp_path).essms] == [A, B]
    (tables / "convention.csv").write_text("\n".join(TABLE.replace("01000;40", "01000;41").splitlines()[:2]) + "\n", "utf-8")
    assert run(tmp_path, tables, "--yes")[0] == 0
    assert [(one.finess_et, one.persons) for one in installed(tmp_path).essms] == [(A, 41), (B, 25)]


def test_the_smallest_change_makes_a_version(tmp_path: Path, tables: Path) -> None:
    run(tmp_path, tables)
    (tables / "convention.csv").write_text(TABLE.replace(f"{EJ};{A}", f"01 000 003 2;{A}"), "utf-8")
    _, said = run(tmp_path, tables, "--yes")
    assert "~ détails" in said
    assert installed(tmp_path).registry_version == 2


def test_a_file_changed_by_hand_gets_a_version_of_its_own_first(tmp_path: Path, tables: Path) -> None:
    run(tmp_path, tables)
    current = tmp_path / "data" / "gateway" / "grappes" / "est.json"
    current.write_bytes(current.read_bytes().replace(b"RA Deux MC", b"RA Deux"))
    (tables / "convention.csv").write_text(TABLE.replace(f"{EJ};{A}", f"01 000 003 2;{A}"), "utf-8")
    _, said = run(tmp_path, tables, "--yes")
    assert "registre en version 3" in said, said
    assert [(one["version"], one["by"]) for one in reversed(changes(tmp_path))] == [(1, "import"), (2, "fichier"), (3, "import")]


def test_decisions_are_prepared_by_check_filled_in_and_read_back(tmp_path: Path, tables: Path) -> None:
    asked = tmp_path / "decisions.csv"
    CliRunner().invoke(app, ["check", str(tables), "--decisions", str(asked)])
    rows = list(csv.DictReader(io.StringIO(asked.read_text("utf-8-sig")), delimiter=";"))
    assert [(one["ligne"], one["statut"], one["choix"]) for one in rows] == [
        ("3", "corrige_propose", f'="{FOUND}"'), ("4", "a_verifier", rows[1]["choix"]),
    ]  # fmt: skip
    assert run(tmp_path, tables, "--confirm", str(asked), "--by", "amoa")[0] == 1  # nothing filled in: nothing decided
    filled = asked.read_text("utf-8-sig").replace(f'"=""{FOUND}""";;', f'"=""{FOUND}""";{FOUND};confirmé par le porteur')
    asked.write_text(filled, "utf-8")
    run(tmp_path, tables, "--confirm", str(asked), "--by", "amoa", "--yes")
    decision = essms(tmp_path, FOUND).decision
    assert decision is not None
    assert decision.why == "confirmé par le porteur"


HEAD = "ligne;numero;raison\n"


@pytest.mark.parametrize("text, said", [
    (HEAD + f"3;{FOUND};\n", "decisions.csv, ligne 2, colonne raison : raison absente"),
    (HEAD + f"3;{LOST};vu\n", "decisions.csv, ligne 2, colonne numero : 8 chiffres sur 9"),
    (HEAD + f"9;{FOUND};vu\n", "decisions.csv, ligne 2 : la ligne 9 n'existe pas"),
    (HEAD + f"3;{A};vu\n", f"lignes 1, 3 : toutes avec {A}"),
    (HEAD + f"3;{EJ};vu\n", f"{EJ} est le numéro d'une entité juridique"),
    (HEAD + f"3;{FOUND};vu\n3;{B};vu\n", "deux décisions pour la ligne 3"),
    ("ligne,numero,raison\n", "séparateur « , », « ; » attendu"),
    ("ligne;numero\n3;x\n", "colonne absente"),
])  # fmt: skip
def test_a_decision_that_cannot_be_taken_imports_nothing(tmp_path: Path, tables: Path, text: str, said: str) -> None:
    path = tmp_path / "decisions.csv"
    path.write_text(text, "utf-8")
    code, output = run(tmp_path, tables, "--confirm", str(path), "--by", "amoa")
    assert (code, output.count("\n")) == (2, 1)
    assert said in output
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("words, said", [
    (("--accept", f"3={FOUND}"), "écrivez LIGNE=NUMERO:raison"),
    (("--accept", f"3={LOST}:vu", "--by", "amoa"), "8 chiffres sur 9"),
    (("--accept", f"3={FOUND}:vu"), "donnez --by"),
    (("--accept", f"3={FOUND}:vu", "--by", "Mme Untel"), "Auteur « Mme Untel » refusé"),
    (("--date", "5 janvier"), "--date « 5 janvier »"),
    (("--porteur", "12"), "--porteur « 12 »"),
    (("--confirm", "absent.csv", "--by", "amoa"), "absent.csv : lecture impossible"),
])  # fmt: skip
def test_options_that_cannot_be_read_import_nothing(tmp_path: Path, tables: Path, words: tuple[str, ...], said: str) -> None:
    code, output = run(tmp_path, tables, *words)
    assert (code, output.count("\n")) == (2, 1)
    assert said in output
    assert not (tmp_path / "data" / "gateway" / "grappes").exists()


def test_check_says_on_standard_error_what_is_to_be_corrected(tables: Path) -> None:
    (tables / "convention.csv").write_text(TABLE.replace(";25", ";2,5"), "utf-8")
    answer = CliRunner().invoke(app, ["check", str(tables), "--json"])
    error = "convention.csv, ligne 3, colonne F « Personnes » : nombre de personnes décimal (2,5)"
    assert answer.exit_code == 1
    assert answer.stderr.startswith(error)
    assert orjson.loads(answer.stdout_bytes)["grappes"][0]["erreurs"][0].startswith(error)


def test_a_cell_to_correct_stops_the_whole_import(tmp_path: Path, tables: Path) -> None:
    (tables / "convention.csv").write_text(TABLE.replace(";25", ";-25"), "utf-8")
    code, said = run(tmp_path, tables)
    assert code == 2
    assert "convention.csv, ligne 3, colonne F « Personnes » : nombre de personnes négatif (-25)" in said
    assert not (tmp_path / "data").exists()


def test_rows_without_an_entity_stay_out_until_one_is_given(tmp_path: Path, tables: Path) -> None:
    (tables / "convention.csv").write_text(f"FINESS ET;Nom;CP\n{A};EHPAD Un;01000\n{B};RA Deux;01000\n", "utf-8")
    code, said = run(tmp_path, tables)
    assert code == 1
    assert "Restent dehors, lignes 1 à 2 : entité juridique inconnue" in said
    assert not (tmp_path / "data").exists()
    assert run(tmp_path, tables, "--ej", f"{EJ}:CCAS de l'Est")[0] == 0
    assert [(one.finess_ej, one.name) for one in installed(tmp_path).entites_juridiques] == [(EJ, "CCAS de l'Est")]


def test_several_entities_need_a_porteur(tmp_path: Path, tables: Path) -> None:
    other = "010000040"
    (tables / "convention.csv").write_text(TABLE.replace(f"CCAS;{EJ};{B}", f"Asso;{other};{B}"), "utf-8")
    code, said = run(tmp_path, tables)
    assert (code, f"donnez --porteur NUMERO (entités juridiques retenues : {EJ}, {other})" in said) == (2, True)
    assert run(tmp_path, tables, "--porteur", other)[0] == 1
    assert installed(tmp_path).porteur_ej == other


def test_two_grappes_are_imported_one_by_one(tmp_path: Path, tables: Path) -> None:
    (tmp_path / "ouest").mkdir()
    (tmp_path / "ouest" / "convention.csv").write_text(TABLE, "utf-8")
    code, said = run(tmp_path, tables, str(tmp_path / "ouest"))
    assert (code, "2 grappes (est, ouest)" in said) == (2, True)


def test_an_essms_of_another_grappe_is_refused_and_nothing_is_written(tmp_path: Path, tables: Path) -> None:
    run(tmp_path, tables)
    answer = CliRunner().invoke(app, ["import", str(tables), "--id", "ouest", "--data", str(tmp_path / "data")])
    assert answer.exit_code == 2
    assert f"{A} (EHPAD Un) est dans deux grappes" in answer.output
    assert sorted(Registry.load(tmp_path / "data" / "gateway" / "grappes").grappes) == ["est"]
    assert len(changes(tmp_path)) == 1


def test_what_the_registry_knows_besides_the_tables_is_kept(tmp_path: Path, tables: Path) -> None:
    run(tmp_path, tables)
    path = tmp_path / "data" / "gateway" / "grappes" / "est.json"
    known = orjson.loads(path.read_bytes())
    known["essms"][0]["mailboxes"] = [{"address": "un@est.mssante.test", "since": "2026-01-05", "until": None}]
    path.write_bytes(orjson.dumps(known))
    (tables / "convention.csv").write_text(TABLE.replace("EHPAD Un", "EHPAD Premier"), "utf-8")
    run(tmp_path, tables, "--yes")
    assert (essms(tmp_path, A).name, len(essms(tmp_path, A).mailboxes)) == ("EHPAD Premier", 1)


def test_beside_a_running_gateway_the_console_is_asked(tmp_path: Path, tables: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path, tables)
    asked: list[tuple[str, str, list[tuple[bytes, bytes]], dict[str, Any]]] = []

    def send(data: Path, path: str, body: dict[str, Any], *, method: str, headers: list[tuple[bytes, bytes]]) -> dict[str, Any]:
        asked.append((method, path, headers, body))
        return {"version": 2}

    monkeypatch.setattr(gateway.cli.admin, "post", send)
    lock = FolderLock(tmp_path / "data" / "gateway" / "journal.lock")
    try:
        code, said = run(tmp_path, tables, "--accept", f"3={FOUND}:vu", "--by", "amoa", "--yes")
    finally:
        lock.release()
    [(method, path, headers, body)] = asked
    assert (method, path, headers) == ("PUT", "/admin/grappes/est", [(b"If-Match", b'"1"')])
    assert [one.finess_et for one in parse_grappe(orjson.dumps(body["grappe"]), "").essms] == [A, B, FOUND]
    assert (code, "registre en version 2" in said) == (1, True)


def test_json_says_what_was_done(tmp_path: Path, tables: Path) -> None:
    code, said = run(tmp_path, tables, "--json")
    found = orjson.loads(said)
    assert (code, found["written"], found["version"], found["kept"]) == (1, True, 1, [A, B])
    assert [one["ligne"] for one in found["left"]] == [3, 4]
    assert found["changes"][0].startswith(f"+ {A} EHPAD Un")
