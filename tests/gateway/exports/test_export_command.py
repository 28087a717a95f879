"""`socle usage export` on a real data folder, as an AMOA types it."""
from __future__ import annotations

import hashlib
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from gateway.cli.main import app
from gateway.grappes.install import install
from gateway.grappes.reading import example
from gateway.journal.query import JournalReader
from tests.gateway.usage.conftest import Fill
from tests.gateway.usage.world import fed, sent

GRAPPE = "marseille-hyeres"
KINDS = {"taux": {"csv", "json", "xlsx"}, "fhir": {"json"}, "ars": {"csv"}, "copil": {"pdf", "xlsx"},
         "manifeste": {"json"}, "empreintes": {"sha256"}}  # fmt: skip


@pytest.fixture
def data(fill: Fill, tmp_path: Path) -> Path:
    install(example(GRAPPE), {"structures": []}, [], tmp_path / "gateway" / "grappes")
    fill(
        fed("p1", "2025-11-03T10:00"), fed("p2", "2025-12-03T10:00"), fed("p1", "2026-02-03T10:00"),
        sent("<1@dui>", "2025-11-03T10:00"), sent("<2@dui>", "2026-02-03T10:00"),
    )  # fmt: skip
    return tmp_path


def run(data: Path, *words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["usage", "export", *words, "--data", str(data)])
    return result.exit_code, result.output


def export(data: Path, out: str, *words: str) -> dict[str, bytes]:
    """The files, by name; the command has printed their paths."""
    code, text = run(data, "--grappe", GRAPPE, "-o", str(data / out), *words)
    assert code == 0, text
    found = {path.name: path.read_bytes() for path in sorted((data / out).iterdir())}
    assert sorted(text.split()) == sorted(str(data / out / name) for name in found)
    return found


def test_a_month_gives_every_file_with_names_that_say_what_they_are(data: Path) -> None:
    names = export(data, "sortie", "--month", "2026-02")
    expected = {f"{what}-{GRAPPE}-2026-02-provisoire-DONNEES-SIMULEES.{kind}" for what, kinds in KINDS.items() for kind in kinds}
    assert set(names) == expected


def test_the_manifest_has_the_digest_of_each_file_and_so_has_the_list(data: Path) -> None:
    found = export(data, "sortie", "--month", "2026-02")
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in found.items()}
    [manifest] = [orjson.loads(content) for name, content in found.items() if name.startswith("manifeste")]
    assert {one["name"]: one["sha256"] for one in manifest["files"]} == {
        name: digest for name, digest in digests.items() if not name.startswith(("manifeste", "empreintes"))
    }
    [sums] = [content.decode() for name, content in found.items() if name.startswith("empreintes")]
    assert dict(line.split("  ")[::-1] for line in sums.splitlines()) == {
        name: digest for name, digest in digests.items() if not name.startswith("empreintes")
    }
    assert (manifest["grappe"], manifest["environment"], manifest["fhir_version"]) == (GRAPPE, "bac_a_sable", "4.0.1")
    assert manifest["vector"] and manifest["avertissement"].startswith("DONNÉES SIMULÉES")


def test_the_same_measures_give_the_same_bytes_although_each_export_is_an_entry(data: Path) -> None:
    first = export(data, "un", "--month", "2026-02")
    assert export(data, "deux", "--month", "2026-02") == first
    with JournalReader(data / "gateway") as reader:
        notes = [entry["detail"] for entry in reader.entries(limit=10).entries if entry["kind"] == "admin"]
    assert [one["action"] for one in notes] == ["export", "export"]


def test_a_call_after_an_export_changes_the_next_one(data: Path, fill: Fill) -> None:
    first = export(data, "un", "--month", "2026-02")
    fill(fed("p7", "2026-02-04T10:00"))
    second = export(data, "deux", "--month", "2026-02")
    assert set(second) == set(first)
    assert all(second[name] != first[name] for name in first)


def test_the_export_is_an_entry_that_says_who_and_what(data: Path) -> None:
    found = export(data, "sortie", "--month", "2026-02", "--format", "csv,ars", "--by", "amoa.sud")
    with JournalReader(data / "gateway") as reader:
        [entry] = [entry for entry in reader.entries(limit=3).entries if entry["kind"] == "admin"]
    [manifest] = [content for name, content in found.items() if name.startswith("manifeste")]
    assert entry["detail"] == {
        "action": "export", "by": "amoa.sud", "format": "usage", "grappe": GRAPPE, "formats": ["csv", "ars"],
        "version": "provisoire", "period_start": "2026-02-01", "period_end": "2026-02-28",
        "manifest_sha256": hashlib.sha256(manifest).hexdigest(),
    }  # fmt: skip


def test_chosen_formats_only(data: Path) -> None:
    assert {name.split("-")[0] for name in export(data, "sortie", "--month", "2026-02", "--format", "fhir")} == {
        "fhir", "manifeste", "empreintes",
    }  # fmt: skip


def test_a_span_of_months_still_gives_one_file_of_each(data: Path) -> None:
    words = ("--from", "2025-11", "--months", "4", "--format", "csv", "--format", "json")
    code, text = run(data, *words, "--out", str(data / "sortie"))
    assert code == 0, text
    assert sorted(path.name for path in (data / "sortie").iterdir() if path.name.startswith("taux")) == [
        f"taux-{GRAPPE}-2025-11_2026-02-provisoire-DONNEES-SIMULEES.{kind}" for kind in ("csv", "json")
    ]


def test_a_closed_version_is_printed_again_to_the_byte_whatever_came_since(data: Path, fill: Fill) -> None:
    close = ["usage", "close", "--grappe", GRAPPE, "--data", str(data)]
    assert CliRunner().invoke(app, close).exit_code == 0
    first = export(data, "un", "--month", "2026-02", "--version", "1", "--format", "tout")
    assert {name.split("2026-02-")[1].partition("-")[0] for name in first} == {"v1"}
    fill(fed("p8", "2026-02-05T10:00"), sent("<3@dui>", "2026-02-06T10:00", outcome="refused"))
    assert CliRunner().invoke(app, close).exit_code == 0
    assert export(data, "encore", "--month", "2026-02", "--version", "1", "--format", "tout") == first
    second = export(data, "deux", "--month", "2026-02", "--version", "2", "--format", "csv,json")
    [said] = [orjson.loads(content) for name, content in second.items() if name.startswith("taux") and name.endswith("json")]
    [row] = [row for row in said["rates"] if row["level"] == "grappe" and row["indicator"] == "IND-DMP-01"]
    assert (row["numerator"], row["version"], row["state"]) == (2, 2, "clos")
    assert row["causes"]


@pytest.mark.parametrize("words, said", [
    (("--month", "2026-02", "--grappe", "autre"), "Grappe inconnue : « autre »"),
    (("--month", "fevrier"), "« fevrier » n'est pas un mois : écrivez --month AAAA-MM"),
    (("--month", "2026-02", "--format", "pdf"), "« pdf » : format inconnu ; possibles : csv, xlsx, json, fhir, ars, copil, tbb"),
    (("--month", "2026-02", "--from", "2025-11"), "--month et --from : donnez l'un ou l'autre"),
    (("--version", "1"), "--version : dites aussi de quel mois"),
    (("--month", "2026-02", "--version", "3"), "--version : pas de telle version pour ce mois, aucune version n'en est close"),
    (("--month", "2025-12"), "Aucune fenêtre ne finit en 2025-12"),
    (("--month", "2026-02", "--environment", "prod"), "« prod » n'est pas un environnement"),
    (("--month", "2026-02", "--by", "Jean Martin"), "--by : un organisme ou un rôle"),
])  # fmt: skip
def test_a_wrong_question_is_answered_by_one_line_and_writes_nothing(data: Path, words: tuple[str, ...], said: str) -> None:
    code, text = run(data, "-o", str(data / "sortie"), *words)
    assert (code, text.count("\n")) == (2, 1), text
    assert said in text
    assert not (data / "sortie").exists()
    with JournalReader(data / "gateway") as reader:
        assert not [entry for entry in reader.entries(limit=3).entries if entry["kind"] == "admin"]


def test_a_folder_that_cannot_be_written_is_said(data: Path) -> None:
    (data / "fichier").write_text("x")
    code, text = run(data, "--grappe", GRAPPE, "--month", "2026-02", "-o", str(data / "fichier" / "sortie"))
    assert (code, "Écriture impossible dans" in text) == (2, True)
    with JournalReader(data / "gateway") as reader:
        assert not [entry for entry in reader.entries(limit=3).entries if entry["kind"] == "admin"]


def test_windows_closed_one_after_the_other_keep_each_their_own_vector(data: Path, fill: Fill) -> None:
    close = ["usage", "close", "--grappe", GRAPPE, "--data", str(data)]
    assert CliRunner().invoke(app, close).exit_code == 0
    fill(fed("p8", "2026-02-05T10:00"))
    assert CliRunner().invoke(app, close).exit_code == 0
    found = export(data, "sortie", "--from", "2025-11", "--months", "4", "--format", "csv,tbb")
    [manifest] = [orjson.loads(content) for name, content in found.items() if name.startswith("manifeste")]
    first, month = manifest["windows"]
    assert (first["version"], month["version"]) == (1, 2)
    assert first["vector"] < month["vector"] == manifest["vector"]
    [tbb] = [content.decode() for name, content in found.items() if name.startswith("tbb") and name.endswith("csv")]
    assert [line.split(";")[9] for line in tbb.splitlines() if "mois_courant;" in line and ";dmp;" in line] == ["2"]
