"""A usage error is one French line with exit code 2."""
from __future__ import annotations

import pytest

from gateway.cli import french
from gateway.cli.main import app, main


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["inconnue"], "socle : commande inconnue : « inconnue ». Voir « socle --help »."),
        (["usage", "rates", "--zz"], "socle usage rates : option inconnue : « --zz ». Voir « socle usage rates --help »."),
        (["demo", "--seed", "-1"], "socle demo : --seed : 0 au moins. Voir « socle demo --help »."),
        (["demo", "--months", "x"], "socle demo : --months : un nombre entier est attendu. Voir « socle demo --help »."),
        (["load", "run", "--users", "900"], "socle load run : --users : 200 au plus. Voir « socle load run --help »."),
        (
            ["journal", "restore", "tests"],
            "socle journal restore : FICHIER : « tests » est un dossier, un fichier est attendu. "
            "Voir « socle journal restore --help ».",
        ),
        (["up", "x"], "socle up : argument en trop : « x ». Voir « socle up --help »."),
    ],
)
def test_a_usage_error_is_one_french_line(arguments: list[str], said: str) -> None:
    with pytest.raises(french.UsageError) as refused:
        app(arguments, prog_name="socle", standalone_mode=False)
    assert french.said(refused.value) == said


def test_the_command_ends_with_two(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["socle", "inconnue"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == "socle : commande inconnue : « inconnue ». Voir « socle --help ».\n"


def test_a_group_without_a_command_shows_its_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["socle", "usage"])
    with pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().err.startswith("Usage: socle usage [OPTIONS] COMMAND")


def test_an_exit_code_of_a_command_is_kept(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["socle", "demo", "--months", "2"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert (ended.value.code, capsys.readouterr().err.splitlines()[0][:12]) == (2, "--months 2 :")
