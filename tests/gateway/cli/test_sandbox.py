"""`socle sandbox` refuses what the sandbox could never do, before asking it."""
from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from connectors.wire.http import Answer
from gateway.cli import sandbox_control
from gateway.cli.main import app
from gateway.cli.sandbox_control import _LISTS, ask, in_commands
from gateway.supervise import RUN_FILE

ROOT = Path(__file__).parents[3]


def test_a_fault_on_an_unknown_operation_is_refused(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["sandbox", "faults", "--arm", "DMP.TD9=timeout", "--data", str(tmp_path)])
    assert done.exit_code == 2
    assert done.stderr.startswith("« DMP.TD9 » : opération inconnue ; possibles : INS.RECHERCHE_TRAITS, ")


def test_a_fault_on_a_known_operation_is_asked_of_the_sandbox(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["sandbox", "faults", "--arm", "DMP.TD2.1=timeout", "--data", str(tmp_path)])
    assert (done.exit_code, done.stderr.split(".")[0]) == (3, f"Aucun bac à sable ne tourne dans {tmp_path}".split(".")[0])


def test_a_refusal_names_our_commands_and_no_address_of_the_control_api() -> None:
    said = " ".join(path.read_text("utf-8") for path in (ROOT / "mocks" / "sandbox").glob("*_api.py"))
    refusals = re.findall(r"voyez (GET /[a-z/-]*[a-z]|\{DOCUMENT\})", said)
    assert len(refusals) >= 8
    for words in refusals:
        assert "« socle sandbox " in in_commands(words.replace("{DOCUMENT}", "/openapi.json")), words
    assert in_commands("Rien : voyez GET /people.") == "Rien : voyez « socle sandbox people list »."
    assert in_commands("voyez GET /autre") == "voyez GET /autre"


def test_the_commands_that_refusals_name_are_there() -> None:
    for command in _LISTS.values():
        done = CliRunner().invoke(app, ["sandbox", *command.split(), "--help"])
        assert done.exit_code == 0, command


@pytest.mark.parametrize("service", ["insi", "INS", "ins", "annuaire", "ANN", "dmp", "DMP"])
def test_a_service_is_named_by_its_name_or_its_code(tmp_path: Path, service: str) -> None:
    (tmp_path / "reponse.xml").write_bytes(b"<a/>")
    asked = ["sandbox", "inject", service, str(tmp_path / "reponse.xml"), "--data", str(tmp_path)]
    assert CliRunner().invoke(app, asked).exit_code == 3, "nothing runs there"
    wrong = CliRunner().invoke(app, ["sandbox", "inject", "MSS", str(tmp_path / "reponse.xml"), "--data", str(tmp_path)])
    assert (wrong.exit_code, "possibles : insi, dmp" in wrong.stderr) == (2, True)


def test_a_tenant_asks_with_its_own_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sandbox").mkdir()
    (tmp_path / "sandbox" / "sandbox.json").write_text('{"control_key": "de-tous"}')
    (tmp_path / RUN_FILE).write_text('{"ports": {"mock-control": 1}}')
    keys: list[str] = []

    def send(_base: str, key: str, *_: object) -> Answer:
        keys.append(key)
        return Answer(200, [], b"{}")

    monkeypatch.setattr(sandbox_control, "send", send)
    ask(tmp_path, "GET", "/state")
    monkeypatch.setenv("SOCLE_CONTROL_KEY", "a-moi")
    ask(tmp_path, "GET", "/state")
    assert keys == ["de-tous", "a-moi"]
