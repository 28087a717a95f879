"""docs/magic-data.md is the ledgers' page; each of its commands is one that the program knows."""
from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from mocks.__main__ import main
from mocks.sandbox import magic
from mocks.sandbox.codes import codes_of, operations, read_codes
from mocks.sandbox.faults import Faults
from mocks.sandbox.ledger import LEDGERS, read_ledger
from mocks.sandbox.situations import SITUATIONS

PAGE = Path(__file__).parents[3] / "docs" / "magic-data.md"
TRIED = [pytest.param(claim, id=claim.id) for name in LEDGERS for claim in read_ledger(name) if claim.tried]


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text("utf-8") == magic.page(), "run: python -m mocks magic > docs/magic-data.md"


def test_the_command_prints_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["magic"]) == 0
    assert capsys.readouterr().out == magic.page()


def test_every_magic_datum_and_every_code_is_on_the_page() -> None:
    page = magic.page()
    assert all(magic.text(claim.magic) in page for name in LEDGERS for claim in read_ledger(name) if claim.magic)
    listed = set(re.findall(r"`([^`\n]+)`", page))
    assert {code for row in read_codes() for code in row.codes} <= listed
    assert {one for one in operations() if codes_of(one)} <= listed


@pytest.mark.parametrize("claim", TRIED)
def test_a_command_that_arms_arms_the_code_it_announces(claim: magic.Behaviour) -> None:
    words = shlex.split(claim.tried)
    if words[0] == "curl":
        body = json.loads(words[words.index("--data") + 1])
        assert set(body) <= {"finess_et", "nom_naissance", "prenoms", "sexe", "date_naissance", "lieu_naissance"}
        return
    if words[:4] == ["socle", "sandbox", "people", "list"]:
        option, value = words[4:]
        known = {"--magic": set(SITUATIONS), "--dmp": {"opposed"}, "--source": {"published"}}
        assert value in known[option]
        return
    assert words[:4] == ["socle", "sandbox", "faults", "arm"]
    operation, kind, *value = words[4:]
    step = value[value.index("--step") + 1] if "--step" in value else ""
    wanted = {"operation": operation, "kind": kind, "value": value[0] if value else "", **({"step": step} if step else {})}
    armed = Faults(seed=1).arm_json(wanted)
    assert armed.operation == operation
    assert not armed.code or armed.code in claim.code
