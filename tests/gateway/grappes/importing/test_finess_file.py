"""The FINESS extraction given by the user: both forms, what it says of a number, and what it never changes."""
from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from gateway.cli.grappe import app
from gateway.grappes.importing.finess_file import read_finess
from gateway.grappes.importing.places import Unreadable

A, B, C, LOST, EJ, OTHER_EJ = "010000008", "010000016", "010000024", "010000065", "010000032", "010000040"


def native(et: str, ej: str, name: str, postcode: str, category: str) -> str:
    place = f"053;01;AIN;{postcode} VILLE"
    return f"structureet;{et};{ej};{name};{name};;;1;R;DU LAC;;;{place};0400000000;;{category};Cat;4401;G;;8710C"


NATIVE = "\n".join([
    "finess;etalab;94;2026-11-05", native(A, EJ, "EHPAD UN", "01000", "500"),
    native(B, OTHER_EJ, "SSIAD \"DEUX\"", "01200", "354"), "geolocalisation;010000008;1;2;x;y",
])  # fmt: skip
HEADER = "nofinesset;nofinessej;rs;rslongue;codepostal;categetab;datefermeture"
RE_EXPOSED = "\n".join([
    HEADER, f"{A};{EJ};EHPAD UN;;01000;500;", f"{B};{OTHER_EJ};SSIAD;;01200;354;2025-12-31", f"{C};{EJ};MAS;;01000;255;",
])  # fmt: skip
TABLE = f"""OG;FINESS EJ;FINESS ET;Établissement;CP
CCAS;{EJ};{A};EHPAD Un;01000
CCAS;{EJ};{B};EHPAD Deux;01000
CCAS;{EJ};{LOST};MAS;01000
"""


def check(tmp_path: Path, extraction: str | bytes, table: str = TABLE) -> tuple[int, dict[str, list[dict[str, object]]]]:
    (tmp_path / "g").mkdir(exist_ok=True)
    (tmp_path / "g" / "convention.csv").write_text(table, "utf-8")
    path = tmp_path / "extraction.csv"
    path.write_bytes(extraction if isinstance(extraction, bytes) else extraction.encode())
    answer = CliRunner().invoke(app, ["check", str(tmp_path / "g"), "--finess", str(path), "--json"])
    return answer.exit_code, orjson.loads(answer.stdout_bytes) if answer.stdout_bytes[:1] == b"{" else {"said": answer.output}


@pytest.mark.parametrize("extraction", [NATIVE, NATIVE.encode("cp1252"), NATIVE.replace("\n", "\r\n")])
def test_the_native_form(tmp_path: Path, extraction: str | bytes) -> None:
    code, found = check(tmp_path, extraction)
    assert code == 1
    assert [one["alertes"] for one in found["establishments"]] == [
        [],
        [
            f"{B} dépend de l'entité juridique {OTHER_EJ} dans FINESS, de {EJ} ici",
            f"{B} est de catégorie 354 dans FINESS, 500 ici",
            f"{B} est à 01200 dans FINESS, à 01000 ici",
        ],
        [f"{LOST} est inconnu de FINESS, ou fermé"],
    ]  # fmt: skip
    assert [one["regle"] for one in found["establishments"]] == ["R0", "R0", "R0"]  # it warns, it changes no verdict


def test_the_form_with_a_header_and_a_closing_date(tmp_path: Path) -> None:
    _, found = check(tmp_path, RE_EXPOSED)
    assert found["establishments"][0]["alertes"] == []
    assert f"{B} est fermé dans FINESS depuis le 2025-12-31" in found["establishments"][1]["alertes"]


def test_all_known_is_no_alert(tmp_path: Path) -> None:
    table = f"OG;FINESS EJ;FINESS ET;Établissement;CP\nCCAS;{EJ};{A};EHPAD Un;01000"
    code, found = check(tmp_path, RE_EXPOSED, table)
    assert (code, found["establishments"][0]["alertes"], found["grappes"][0]["alertes"]) == (0, [], [])


def test_an_entity_s_number_and_an_unknown_entity(tmp_path: Path) -> None:
    table = f"OG;FINESS EJ;FINESS ET;Établissement\nCCAS;010000057;{EJ};EHPAD Un\nCCAS;010000057;{A};EHPAD Deux"
    _, found = check(tmp_path, RE_EXPOSED, table)
    assert found["establishments"][0]["alertes"] == [f"{EJ} est un numéro d'entité juridique dans FINESS, pas d'établissement"]
    assert found["grappes"][0]["alertes"] == ["entité juridique 010000057 (CCAS) : inconnue de extraction.csv."]


def test_a_choice_that_finess_knows_is_named(tmp_path: Path) -> None:
    table = f"OG;FINESS EJ;FINESS ET;Établissement;CP\nCCAS;{EJ};010000026;MAS;01000"
    _, found = check(tmp_path, RE_EXPOSED, table)
    [one] = found["establishments"]
    assert (one["retenu"], one["statut"]) == ("010000026", "a_verifier")
    assert f"FINESS connaît {C} : MAS, 01000" in one["alertes"]


def test_another_file_is_refused(tmp_path: Path) -> None:
    code, found = check(tmp_path, "a;b;c\n1;2;3\n")
    assert code == 2
    assert "ce n'est pas une extraction FINESS" in str(found["said"])
    with pytest.raises(Unreadable, match="lecture impossible"):
        read_finess(tmp_path / "absent.csv", {A})


def test_lines_of_another_shape_are_no_establishments(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text(NATIVE + "\nstructureet;court\n" + "x" * 500 + "\n")
    assert read_finess(path, {A}).rows == 2
    assert read_finess(path, {A}).day == "2026-11-05"
