"""`socle sandbox people`: files that are the same twice and come back as they went, and mistakes told by their line."""
from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner, Result

from gateway.cli import sandbox_people
from gateway.cli.sandbox_people import app

ROW = {
    "matricule": "250023599000107", "oid": "1.2.250.1.213.1.4.8", "birth_name": "D'ALMEIRAC", "first_names": ["ANNE", "LISE"],
    "sex": "F", "birth_date": "1950-02-03", "birth_place": "06088", "used_name": None, "dmp": "active", "mes": "open",
    "history": [{"matricule": "850023599000156", "oid": "1.2.250.1.213.1.4.9", "start": None, "end": None}], "insi": "found",
    "structure": "0B0990008", "source": "generated", "sert_a": ["insi-trouve", "historique"],
}  # fmt: skip


class Asked:
    """The control API: what it was asked, and what it answers next."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, Any]] = []
        self.rows = [{**ROW, "matricule": f"{number:015d}"} for number in range(1, 2502)]
        self.refusal: dict[str, Any] | None = None

    def __call__(self, _data: Path, method: str, path: str, body: Any = None, refused: Any = None) -> dict[str, Any]:
        self.calls.append((method, path, body))
        if method == "POST":
            if self.refusal is not None:
                refused(self.refusal)
            return {"persons": [{**ROW, **row} for row in body.get("persons", [])], "professionals": []}
        after = int(path.partition("after=")[2] or 0)
        rows = self.rows[after : after + 1000]
        following = after + 1000 if len(rows) == 1000 else None
        return {"people": rows, "next": following, "counts": {"persons": len(self.rows), "professionals": 0}}


@pytest.fixture
def control(monkeypatch: pytest.MonkeyPatch) -> Iterator[Asked]:
    asked = Asked()
    monkeypatch.setattr(sandbox_people, "ask", asked)
    yield asked


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.mark.parametrize("name", ["gens.csv", "gens.json"])
def test_a_download_has_everybody_and_the_same_bytes_twice(control: Asked, tmp_path: Path, name: str) -> None:
    first, second = tmp_path / name, tmp_path / f"encore-{name}"
    assert run("list", "-o", first).stdout == f"2501 ligne(s) dans {first}\n"
    assert run("list", "-o", second).exit_code == 0
    assert first.read_bytes() == second.read_bytes()
    assert len(control.calls) == 6  # three pages each


def test_a_csv_says_what_it_is_and_keeps_zeros_and_apostrophes(control: Asked, tmp_path: Path) -> None:
    run("list", "-o", tmp_path / "gens.csv")
    lines = list(csv.reader(io.StringIO((tmp_path / "gens.csv").read_text("utf-8-sig")), delimiter=";"))
    assert lines[0] == ["DONNÉES SIMULÉES : personnes fictives du bac à sable Socle"]
    row = dict(zip(lines[1], lines[2], strict=True))
    assert (row["birth_place"], row["birth_name"], row["first_names"]) == ('="06088"', "D'ALMEIRAC", "ANNE LISE")
    assert row["history"] == "850023599000156/1.2.250.1.213.1.4.9"


@pytest.mark.parametrize("name", ["gens.csv", "gens.json"])
def test_what_was_downloaded_can_be_imported(control: Asked, tmp_path: Path, name: str) -> None:
    control.rows = control.rows[:2]
    run("list", "-o", tmp_path / name)
    done = run("import", tmp_path / name)
    assert done.exit_code == 0 and "2 ajout(s), dans tous les services." in done.stdout
    sent = control.calls[-1][2]["persons"]
    assert [row["matricule"] for row in sent] == ["000000000000001", "000000000000002"]
    assert sent[0]["birth_place"] == "06088"


def test_a_refused_file_tells_each_line_of_the_file(control: Asked, tmp_path: Path) -> None:
    control.rows = control.rows[:3]
    run("list", "-o", tmp_path / "gens.csv")
    control.refusal = {"lignes": [{"sorte": "persons", "ligne": 2, "colonne": "sex", "raison": "valeurs possibles : M, F"}]}
    done = run("import", tmp_path / "gens.csv")
    assert done.exit_code == 2
    assert done.stderr.splitlines() == [
        "gens.csv, ligne 4, colonne sex : valeurs possibles : M, F",  # under the warning and the header
        "gens.csv : rien n'a été pris. Corrigez, puis relancez la même commande.",
    ]


def test_a_file_of_one_s_own_needs_neither_warning_nor_every_column(control: Asked, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("birth_name;first_names\nDUPONT;ANNE\n\nDURAND;LISE\n", "utf-8")
    assert run("import", tmp_path / "a.csv").exit_code == 0
    assert control.calls[-1][2] == {"persons": [{"birth_name": "DUPONT", "first_names": "ANNE"},
                                                {"birth_name": "DURAND", "first_names": "LISE"}]}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"nom;prenom\nX;Y\n", "a.csv, ligne 1, colonne 1 : colonne inconnue"),
        ("a.csv", b"birth_name;sex\nX\n", "a.csv, ligne 2"),
        ("a.json", b"[{]", "a.json, ligne 1 : ce n'est pas du JSON."),
        ("a.json", b'{"persons": []}', "une liste JSON d'objets est attendue"),
    ],
)
def test_an_unreadable_file_is_one_french_line(control: Asked, tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    done = run("import", tmp_path / name)
    assert done.exit_code == 2 and said in done.stderr, done.stderr
    assert control.calls == []


def test_one_more_is_written_on_the_command_line(control: Asked) -> None:
    done = run("add", "birth_name=DUPONT", "first_names=ANNE LISE")
    assert done.exit_code == 0
    assert control.calls[-1] == ("POST", "/people", {"persons": [{"birth_name": "DUPONT", "first_names": "ANNE LISE"}]})
    wrong = run("add", "nom=DUPONT")
    assert wrong.exit_code == 2
    assert wrong.stderr.startswith("« nom=DUPONT » : écrivez COLONNE=VALEUR ; colonnes : matricule, oid,")


def test_a_name_of_file_without_a_form_is_refused_before_anything(control: Asked, tmp_path: Path) -> None:
    done = run("list", "-o", tmp_path / "gens")
    assert done.exit_code == 2 and "un nom en .csv ou en .json est attendu" in done.stderr and control.calls == []


def test_filters_reach_the_control_api(control: Asked) -> None:
    run("list", "--name", "D'A", "--dmp", "closed", "--magic", "nia", "--structure", "0B0990008", "--json")
    assert control.calls == [
        ("GET", "/people?kind=persons&name=D%27A&structure=0B0990008&dmp=closed&situation=nia&limit=50", None)
    ]


def test_a_list_in_json_is_what_the_api_said(control: Asked) -> None:
    assert orjson.loads(run("list", "--json").stdout)["people"][0]["birth_name"] == "D'ALMEIRAC"
