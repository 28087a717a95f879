"""The proof from the command line: key, witness, export, verify, rotation (docs/preuve.md)."""
from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from gateway.cli.main import app
from gateway.grappes.reading import example, write_grappe
from gateway.journal.proof import files
from gateway.journal.proof.notes import Signer
from gateway.journal.proof.verdict import WITHOUT_WITNESS
from gateway.journal.query import Filters, JournalReader
from tests.gateway.journal.proof.exports import lines_changed, members
from tests.gateway.journal.proof.world import STRUCTURES, sign, tamper, write
from tests.stores import copied

CHANGE = "UPDATE entries SET body = CAST(replace(CAST(body AS TEXT), '\"ok\"', '\"no\"') AS BLOB) WHERE pos & 1023 = 7"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("made") / "data"
    write(data / "gateway", 20)
    sign(data / "gateway")
    return data


@pytest.fixture
def data(made: Path, tmp_path: Path) -> Path:
    return copied(made, tmp_path / "data")


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["journal", *map(str, arguments)])


def said(*arguments: str | Path) -> Any:
    done = run(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


def key(data: Path) -> str:
    return str(said("key", "--data", data)["key"])


def admins(data: Path) -> list[dict[str, Any]]:
    with JournalReader(data / "gateway") as reader:
        return [entry["detail"] for _, entry in reader.select(Filters(kind="admin"))]


def test_the_public_key(data: Path) -> None:
    done = run("key", "--data", data)
    assert (done.exit_code, done.output.strip()) == (0, key(data))
    assert key(data).startswith("socle/")
    assert run("key", "list", "--data", data).output == "Aucune clé.\n"  # the group is still there
    assert "Aucun journal" in run("key", "--data", data / "absent").output


def test_an_export_and_its_verification(data: Path, tmp_path: Path) -> None:
    done = run("export", "-o", tmp_path / "range.zip", "--finess", STRUCTURES[0], "--by", "amoa", "--data", data)
    assert (done.exit_code, done.output) == (
        0, f"{tmp_path / 'range.zip'} : 10 entrées et leur preuve (socle journal verify)\n",
    )  # fmt: skip
    assert admins(data)[-1] == {"action": "export", "by": "amoa", "format": "zip", "filters": ["finess_et"]}
    shutil.move(data, tmp_path / "elsewhere")  # the verification has no journal
    done = run("verify", tmp_path / "range.zip", "--key", key(tmp_path / "elsewhere"))
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert lines[0] == "DONNÉES SIMULÉES"
    assert lines[2].startswith("Journal 1 : 21 entrées, racine ") and lines[2].endswith(" ; lignes vérifiées : 10")
    assert lines[-2:] == [f"Tient : {tmp_path / 'range.zip'}", WITHOUT_WITNESS]
    told = members((tmp_path / "range.zip").read_bytes())
    assert told["LISEZMOI.txt"].decode().startswith("DONNÉES SIMULÉES : ")
    assert json.loads(told["export.txt"].split(b"\n")[0])["asked"] == {"finess_et": STRUCTURES[0]}


def test_a_key_in_a_file(data: Path, tmp_path: Path) -> None:
    run("export", "-o", tmp_path / "range.zip", "--data", data)
    (tmp_path / "cle.txt").write_text(run("key", "--data", data).output)
    assert run("verify", tmp_path / "range.zip", "--key", tmp_path / "cle.txt").exit_code == 0


def test_what_does_not_hold_is_exit_1(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "range.zip"
    run("export", "--format", "zip", "-o", path, "--data", data)
    path.write_bytes(lines_changed(path.read_bytes(), lambda lines: lines[:4] + lines[5:]))
    done = run("verify", path, "--key", key(data))
    assert done.exit_code == 1
    assert "ÉCART [removed-line] l'entrée 1/4 a été retirée" in done.output
    assert f"NE TIENT PAS : {path}" in done.output
    told = run("verify", path, "--key", key(data), "--json")
    assert (told.exit_code, json.loads(told.output)["faults"][0]["code"]) == (1, "removed-line")


def test_what_a_forged_file_would_draw_on_the_terminal_is_not_drawn(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    run("witness", "-o", path, "--data", data)
    told = json.loads(path.read_text("utf-8"))
    note = Signer("socle/\x1b[8m", bytes(32)).sign(told["checkpoint"].partition("\n\n")[0] + "\n")
    path.write_text(json.dumps(told | {"checkpoint": note}), "utf-8")
    done = run("verify", path, "--key", key(data))
    assert (done.exit_code, "socle/\ufffd[8m" in done.output, "\x1b" in done.output) == (1, True, False)


def test_a_witness_tells_what_nothing_else_does(data: Path, tmp_path: Path) -> None:
    first, second, path = tmp_path / "t1.json", tmp_path / "t2.json", tmp_path / "range.zip"
    done = run("witness", "-o", first, "--data", data)
    assert done.exit_code == 0 and done.output.startswith("Témoin du 20")
    write(data / "gateway", 5)
    assert said("witness", "-o", second, "--since", first, "--data", data)["size"] > 0
    grown = run("verify", second, "--key", key(data), "--witness", first)
    assert grown.exit_code == 0 and "Prolonge le témoin : registre" in grown.output
    assert WITHOUT_WITNESS not in grown.output

    tamper(data / "gateway", CHANGE)  # the owner of the key: an entry replaced, the tree signed again
    for gone in ("tree", "registry"):
        shutil.rmtree(data / "gateway" / gone)
    (data / "gateway" / "keys" / "signing").unlink()
    sign(data / "gateway")
    run("export", "-o", path, "--witness", first, "--data", data)
    assert run("verify", path, "--key", key(data)).exit_code == 0
    told = run("verify", path, "--key", key(data), "--witness", first)
    assert (told.exit_code, "ce témoin est celui d'un autre journal" in told.output) == (1, True)


def test_the_whole_journal_where_it_is(data: Path, tmp_path: Path) -> None:
    done = run("verify", "--local", "--data", data)
    assert (done.exit_code, done.output.splitlines()[-1]) == (0, "Tient : tout le journal")
    tamper(data / "gateway", CHANGE)
    done = run("verify", "--local", "--data", data)
    assert done.exit_code == 1
    assert "ÉCART [rewritten] l'entrée 1/7 n'est plus celle qui a été signée" in done.output
    shutil.rmtree(data / "gateway" / "tree")
    assert "une entrée du journal 1 entre 1/0 et 1/19 n'est plus" in run("verify", "--local", "--data", data).output
    done = run("export", "-o", tmp_path / "x.zip", "--data", data)
    assert done.exit_code == 4 and "le journal 1 n'a plus les 20 premières lignes" in done.output
    assert not list(tmp_path.glob("x.zip*"))


@pytest.mark.parametrize("damage, code", [
    (lambda text: text.replace(b'"why":"period"', b'"why":"export"'), "rewritten"),
    (lambda text: text.splitlines(keepends=True)[0], "shorter"),
    (lambda text: text.replace(b'"seq":1', b'"seq":5'), "bad-registry"),
])  # fmt: skip
def test_a_registry_that_was_touched(data: Path, damage: Any, code: str) -> None:
    path = data / "gateway" / files.FOLDER / files.LOG_0
    path.write_bytes(damage(path.read_bytes()))
    told = run("verify", "--local", "--data", data, "--json")
    assert (told.exit_code, [fault["code"] for fault in json.loads(told.output)["faults"]]) == (1, [code])


@pytest.mark.parametrize("damage, words", [
    (lambda text: b"", "aucun n'est signé (registry/checkpoints.ndjson)"),
    (lambda text: text + b'{"a":1}\n', "une ligne n'a pas la forme attendue"),
])  # fmt: skip
def test_signatures_that_were_touched(data: Path, damage: Any, words: str) -> None:
    path = data / "gateway" / files.FOLDER / files.CHECKPOINTS
    path.write_bytes(damage(path.read_bytes()))
    told = run("verify", "--local", "--data", data)
    assert (told.exit_code, "ÉCART [bad-registry]" in told.output, words in told.output) == (1, True, True), told.output


def test_a_refusal_to_sign_is_one_sentence_after_another(data: Path, tmp_path: Path) -> None:
    (data / "gateway" / "keys" / "signing").unlink()
    told = run("witness", "-o", tmp_path / "t.json", "--data", data)
    assert (told.exit_code, "l'inscrit au journal. Rien n'a été changé." in told.output) == (4, True), told.output


def test_a_journal_that_lost_entries_locally(data: Path) -> None:
    tamper(data / "gateway", "DELETE FROM entries WHERE pos & 1023 >= 18")
    assert "le journal 1 a 18 entrées, son point de contrôle en couvre 20" in run("verify", "--local", "--data", data).output
    tamper(data / "gateway", "DELETE FROM entries WHERE pos & 1023 = 7", "DELETE FROM log_heads WHERE log_id = 7")
    write(data / "gateway", 0)
    assert run("verify", "--local", "--data", data).exit_code == 1


def test_a_rotation(data: Path, tmp_path: Path) -> None:
    before = key(data)
    run("export", "-o", tmp_path / "old.zip", "--data", data)
    done = said("rekey", "--by", "exploitant", "--data", data)
    assert (done["previous"], done["key"]) == (before, key(data)) and before != key(data)
    assert admins(data)[-1] == {"action": "signing_key", "by": "exploitant", **done}
    run("export", "-o", tmp_path / "new.zip", "--data", data)
    cases = (("old.zip", before, 0), ("new.zip", before, 0), ("new.zip", key(data), 0), ("old.zip", key(data), 1))
    for name, given, code in cases:
        assert run("verify", tmp_path / name, "--key", given).exit_code == code, (name, given == before)
    for given in (before, key(data)):
        assert run("verify", "--local", "--data", data, "--key", given).exit_code == 0


@pytest.mark.parametrize("arguments, words", [
    (["verify"], "Donnez un fichier à vérifier"), (["verify", "x.zip", "--local"], "Donnez un fichier à vérifier"),
    (["verify", "x.zip"], "--key : la clé publique"), (["verify", "x.zip", "--key", "abc"], "--key : ni une clé publique"),
    (["export", "--format", "zip"], "donnez-le par -o"), (["export", "--format", "pdf"], "possibles : csv, ndjson, zip"),
    (["export", "--grappe", "inconnue"], "Grappe inconnue"), (["export", "-o", "x.csv", "--witness", "t"], "seul un export .zip"),
    (["export", "-o", "/absent/x.zip"], "ne peut pas être écrit"), (["rekey", "--by", "Jean Dupont"], "--by :"),
    (["witness", "-o", "here.json"], "existe déjà"), (["key", "--data", "x", "list"], "--data se donne après « list »"),
])  # fmt: skip
def test_what_cannot_be_done_is_one_line_and_exit_2(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOCLE_DATA", str(data))
    (tmp_path / "here.json").write_text("kept")
    done = run(*arguments)
    assert (done.exit_code, len(done.output.splitlines())) == (2, 1), done.output
    assert words in done.output
    assert (tmp_path / "here.json").read_text() == "kept"


def test_files_that_cannot_be_read(data: Path, tmp_path: Path) -> None:
    for arguments, words in (
        (["verify", tmp_path / "absent.zip"], "ne peut pas être lu"),
        (["verify", __file__, "--witness", __file__], "Témoin illisible : ce n'est pas un témoin de Socle"),
    ):
        done = run(*arguments, "--key", key(data))
        assert (done.exit_code, words in done.output) == (2, True), done.output
    assert run("verify", __file__, "--key", key(data)).exit_code == 1
    assert run("witness", "-o", tmp_path / "t.json", "--since", __file__, "--data", data).exit_code == 2


def test_a_journal_never_signed(tmp_path: Path) -> None:
    write(tmp_path / "data" / "gateway", 2)
    for arguments in (["key"], ["verify", "--local"]):
        done = run(*arguments, "--data", tmp_path / "data")
        assert (done.exit_code, "Aucun point de contrôle" in done.output) == (2, True)


@pytest.mark.parametrize("name", ["x.zip", "x.ndjson", "x.csv"])
def test_the_structures_of_a_grappe_while_they_are_members(data: Path, tmp_path: Path, name: str) -> None:
    """One structure of the journal left the grappe before its calls; the other is still a member."""
    grappe = example("marseille-hyeres")
    present, left = STRUCTURES
    essms = [replace(one, member_until=date(2026, 3, 2)) if one.finess_et == left else one for one in grappe.essms]
    kept = replace(grappe, essms=tuple(essms))
    (data / "gateway" / "grappes").mkdir()
    (data / "gateway" / "grappes" / "marseille-hyeres.json").write_bytes(write_grappe(kept))
    done = run("export", "--format", name[2:], "--grappe", "marseille-hyeres", "-o", tmp_path / name, "--data", data)
    assert done.exit_code == 0, done.output
    content = (tmp_path / name).read_bytes()
    text = b"".join(members(content)[one] for one in ("log-1.ndjson", "export.txt")) if name == "x.zip" else content
    assert text.count(present.encode()) == 10 and left.encode() not in text
    if name == "x.zip":
        assert json.loads(members(content)["export.txt"].split(b"\n")[0])["asked"] == {"grappe": "marseille-hyeres"}
        assert run("verify", tmp_path / name, "--key", key(data)).exit_code == 0
    if name == "x.ndjson":
        head = json.loads(content.split(b"\n")[0])
        last = said("verify", "--local", "--data", data)["snapshot"]
        assert head["snapshot"] == {name: last[name] for name in ("size", "root", "at")}


@pytest.mark.parametrize("change", ["DELETE FROM entries WHERE pos & 1023 > 3", None])
@pytest.mark.sqlite("its file")
def test_no_command_writes_into_a_journal_that_lost_signed_entries(data: Path, change: str | None) -> None:
    path = data / "gateway" / "journal.sqlite3"
    if change is None:
        path.write_bytes(b"")
        path.with_name("journal.sqlite3-wal").unlink(missing_ok=True)
    else:
        tamper(data / "gateway", change)
    before = path.stat().st_size
    done = run("retention", "--data", data)
    assert (done.exit_code, done.output.count("\n")) == (4, 1), done.output
    assert "son dernier point de contrôle" in done.output
    assert path.stat().st_size == before
