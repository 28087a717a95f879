"""`socle usage export --sign`: the files, the entries behind them with their proof, one signature; and what breaks it."""
from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.cli.main import app
from gateway.grappes.install import install
from gateway.grappes.reading import example
from tests.gateway.journal.proof.exports import members
from tests.gateway.usage.conftest import Fill
from tests.gateway.usage.world import fed, sent

GRAPPE = "marseille-hyeres"
SUFFIX = f"{GRAPPE}-2025-12_2026-02-provisoire-DONNEES-SIMULEES"


def run(*words: str | Path) -> tuple[int, str]:
    done = CliRunner().invoke(app, [*map(str, words)])
    return done.exit_code, done.output


@pytest.fixture
def data(fill: Fill, tmp_path: Path) -> Path:
    install(example(GRAPPE), {"structures": []}, [], tmp_path / "gateway" / "grappes")
    fill(
        fed("p1", "2025-12-03T10:00"), fed("p1", "2026-02-03T10:00"), fed("p2", "2026-02-03T10:00"),
        sent("<1@dui>", "2026-02-04T10:00"), fed("p3", "2026-02-05T10:00", finess_et=None), fed("p4", "2026-03-04T10:00"),
    )  # fmt: skip
    return tmp_path


def signed(data: Path) -> Path:
    code, text = run("usage", "export", "--grappe", GRAPPE, "--month", "2026-02", "--sign", "-o", data / "out", "--data", data)
    assert code == 0, text
    assert [Path(line).name for line in text.splitlines()[-2:]] == [f"preuve-{SUFFIX}.zip", f"signature-{SUFFIX}.txt"]
    return data / "out" / f"signature-{SUFFIX}.txt"


def verified(path: Path, key: str, *words: str | Path) -> tuple[int, Any]:
    code, text = run("journal", "verify", path, "--key", key, "--json", *words)
    return code, json.loads(text)


def test_the_whole_set_holds_and_each_harm_is_named(data: Path, tmp_path: Path) -> None:
    run("journal", "witness", "-o", tmp_path / "before.json", "--data", data)
    signature = signed(data)
    key = run("journal", "key", "--data", data)[1].strip()
    code, told = verified(signature, key, "--witness", tmp_path / "before.json")
    assert (code, told["faults"], told["files"]) == (0, [], len(list(signature.parent.iterdir())) - 1)
    assert told["witness"] is not None and told["lines"]["1"] == 4  # of the period and the grappe: not March, not nobody
    assert told["asked"]["grappe"] == GRAPPE
    proof = members((signature.parent / f"preuve-{SUFFIX}.zip").read_bytes())
    assert {json.loads(line)["event_time"][:7] for line in proof["log-1.ndjson"].splitlines()} == {"2025-12", "2026-02"}

    def harmed(change: Any, *, key: str = key) -> list[str]:
        folder = tmp_path / "harmed"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(signature.parent, folder)
        change(folder)
        code, told = verified(folder / signature.name, key)
        assert code == 1
        return [f"{fault['code']} {fault['says']}" for fault in told["faults"]]

    rates = f"taux-{SUFFIX}.csv"
    assert harmed(lambda folder: (folder / rates).write_bytes(b"100 %")) == [
        f"changed-file {rates} n'est plus celui qui a été signé"
    ]
    assert harmed(lambda folder: (folder / rates).unlink()) == [f"missing-file {rates} manque"]
    [fault] = harmed(lambda folder: _replace(folder / signature.name, rates, "taux-autre.csv"))[:1]
    assert fault.startswith("forged-list la liste des fichiers n'est pas signée par la clé donnée")
    assert harmed(lambda folder: (folder / signature.name).write_bytes(b"socle files 1\n")) == [
        "bad-list ce n'est pas une liste de fichiers signée, ou elle est abîmée"
    ]
    assert any(one.startswith("bad-archive") for one in harmed(
        lambda folder: (folder / f"preuve-{SUFFIX}.zip").write_bytes(b"no zip, but long enough to be looked at")
    ))
    assert any(one.startswith("forged-list") for one in harmed(
        lambda folder: _replace(folder / signature.name, "socle files 1\n", "socle files 1\n" + "0" * 64 + "  ../../etc/passwd\n")
    ) + harmed(lambda folder: _replace(folder / signature.name, rates, "a.csv")))


def test_the_old_key_leads_to_the_new_one(data: Path) -> None:
    run("journal", "witness", "-o", data / "w.json", "--data", data)
    old = run("journal", "key", "--data", data)[1].strip()
    assert run("journal", "rekey", "--data", data)[0] == 0
    signature = signed(data)
    for key in (old, run("journal", "key", "--data", data)[1].strip()):
        assert verified(signature, key)[0] == 0


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
