"""CHK-JRN-06 on a journal on disk, with its registry and its signed checkpoints."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.conformance.rules import rule_set
from gateway.conformance.running import Result, run_rules
from gateway.conformance.window import JournalWindow
from gateway.journal.proof import files
from tests.gateway.journal.proof.world import sign, tamper, write


def judged(folder: Path) -> Result:
    with JournalWindow.open(folder, "bac_a_sable") as window:
        return next(one for one in run_rules(window, rule_set("journal")) if one.rule.id == "CHK-JRN-06")


def said(result: Result) -> list[str]:
    return [one.found for one in result.findings if one.state == "non_conforme"]


def test_a_journal_that_was_never_signed_shows_its_sequence_only(tmp_path: Path) -> None:
    write(tmp_path, 4)
    found = judged(tmp_path)
    assert (found.state, [one.state for one in found.findings]) == ("conforme", ["conforme", "non_observe"])


def test_a_signed_journal_shows_its_tree_too(tmp_path: Path) -> None:
    write(tmp_path, 4)
    sign(tmp_path)
    write(tmp_path, 2)  # not under a checkpoint yet
    found = judged(tmp_path)
    assert (found.state, found.observations) == ("conforme", 2)
    assert found.findings[-1].found == "arbre conforme au dernier point de contrôle signé"


def _rewritten(folder: Path) -> None:
    tamper(folder, "UPDATE entries SET body = CAST(replace(CAST(body AS TEXT), '\"ok\"', '\"no\"') AS BLOB) WHERE pos & 1023 = 1")


def _cut(folder: Path) -> None:
    tamper(folder, "DELETE FROM entries WHERE pos = (SELECT max(pos) FROM entries)")


def _damaged(folder: Path) -> None:
    (folder / files.FOLDER / files.CHECKPOINTS).write_bytes(b"autre chose\n")


@pytest.mark.parametrize(
    ("break_it", "word"), [(_rewritten, "n'est plus celle qui a été signée"), (_cut, "couvre"), (_damaged, "registre")],
    ids=["rewritten", "cut", "damaged"],
)  # fmt: skip
def test_what_was_signed_and_is_not_there_any_more_is_told(
    tmp_path: Path, break_it: Callable[[Path], None], word: str
) -> None:
    write(tmp_path, 4)
    sign(tmp_path)
    break_it(tmp_path)
    found = judged(tmp_path)
    assert found.state == "non_conforme"
    assert any(word in one for one in said(found)), said(found)
