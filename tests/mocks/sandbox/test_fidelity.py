"""docs/fidelity.md is the ledgers' page, up to date and whole."""
from __future__ import annotations

import re
from pathlib import Path

import pytest

from mocks.__main__ import main
from mocks.sandbox import fidelity
from mocks.sandbox.ledger import ASSUMED, LEDGERS, NOT_YET, Behaviour, read_ledger

PAGE = Path(__file__).parents[3] / "docs" / "fidelity.md"
TITLES = {"": "Établi", ASSUMED: "Supposé", NOT_YET: "Pas encore"}


def rows(page: str) -> list[tuple[str, list[str]]]:
    """Each row of a table of claims, with the title that it stands under."""
    title, found = "", []
    for line in page.splitlines():
        title = line.removeprefix("### ") if line.startswith("#") else title
        if line.startswith("| `"):
            found.append((title, [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]))
    return found


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text("utf-8") == fidelity.page(), "run: python -m mocks fidelity > docs/fidelity.md"


def test_the_command_prints_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fidelity"]) == 0
    assert capsys.readouterr().out == fidelity.page()


def test_each_claim_stands_once_under_what_is_known_of_it() -> None:
    expected = [(TITLES[claim.status], f"`{claim.id}`") for name in LEDGERS for claim in read_ledger(name)]
    found = [(title, cells[0]) for title, cells in rows(fidelity.page())]
    assert sorted(found) == sorted(expected)


def test_a_row_says_what_why_and_by_what_data(monkeypatch: pytest.MonkeyPatch) -> None:
    claims = (
        Behaviour("a", "_total et system|code, <uuid>, insi_19", source="psc-annuaire#19.2", test="t"),
        Behaviour("b", "supposé", status=ASSUMED, why="jamais vu (insi#9.3, dmp#4)", test="t", magic="nom *LENT*"),
        Behaviour("c", "rien", status=NOT_YET, why="à faire"),
    )
    monkeypatch.setattr(fidelity, "read_ledger", lambda name: claims if name == "insi" else ())

    page = fidelity.page()

    assert rows(page) == [
        ("Établi", ["`a`", r"\_total et system\|code, &lt;uuid>, insi_19", "psc-annuaire §19.2"]),
        ("Supposé", ["`b`", "supposé", "jamais vu (insi §9.3, dmp §4)"]),
        ("Pas encore", ["`c`", "rien", "à faire"]),
    ]
    assert "| INSi | 1 | 1 | 1 |\n| DMP | 0 | 0 | 0 |" in page
    assert "### Données magiques\n\n| donnée ou réglage | effet |\n| --- | --- |\n| nom \\*LENT\\* | supposé |" in page
