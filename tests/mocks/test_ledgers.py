"""Every ledger at once: each claim has a source or says why it has none, and a test that exists."""
from __future__ import annotations

import ast
import re
import tomllib
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from mocks.runtime import MOCKS
from mocks.sandbox.ledger import ASSUMED, LEDGERS, NOT_YET, Behaviour, not_checked, read_ledger
from tests.mocks import notes

ROOT = Path(__file__).parents[2]
_SOURCE = re.compile(r"[a-z]+(?:-[a-z0-9]+)*#\d+(?:\.\d+)*")


@cache
def named_tests(path: str) -> frozenset[str]:
    """Names of the test functions of a file, at its top or in a class."""
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(node.name for node in functions if node.name.startswith("test_"))


def problem(claim: Behaviour) -> str | None:
    """What is wrong with a claim, without the notes; None when nothing is."""
    if not claim.says:
        return "it says nothing"
    if claim.status not in ("", ASSUMED, NOT_YET):
        return f"unknown status {claim.status}"
    if bool(claim.source) == bool(claim.status):
        return "either a source or a status"
    if claim.source and not _SOURCE.fullmatch(claim.source):
        return "a source is note#section"
    if bool(claim.status) != bool(claim.why):
        return "a status says why, and a source is enough by itself"
    if (claim.status == NOT_YET) == bool(claim.test):
        return "what is done has a test, and what is not done has none"
    return None if claim.status == NOT_YET else _test_problem(claim.test)


def _test_problem(test: str) -> str | None:
    path, _, name = test.partition("::")
    if not path.startswith("tests/") or not (ROOT / path).is_file():
        return f"no file {path}"
    return None if name in named_tests(path) else f"no test {name} in {path}"


def doubt(claim: Behaviour, section: notes.Section | None) -> str | None:
    """What is wrong with a claim's source; None when the section says it as a thing that was seen."""
    if section is None:
        return f"{claim.source} does not exist"
    if not claim.at:
        unsure = section.has_unseen or section.proposed
        return f"{claim.source} also holds what nobody saw: « at » must tell the fact" if unsure else None
    if not section.holds(claim.at):
        return f"« {claim.at} » is not in {claim.source}"
    return None if section.vouches(claim.at) else f"« {claim.at} » was not seen: it is assumed"


CLAIMS = [pytest.param(claim, id=claim.id) for name in LEDGERS for claim in read_ledger(name)]


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_claim_has_a_source_or_a_reason_and_a_test(claim: Behaviour) -> None:
    assert problem(claim) is None


def test_each_mock_has_its_ledger_and_each_id_is_one_claim() -> None:
    assert set(LEDGERS) == {*MOCKS, "sandbox"} == {path.parent.name for path in (ROOT / "mocks").glob("*/ledger.toml")}
    ids = Counter(claim.id for name in LEDGERS for claim in read_ledger(name))
    assert [one for one, times in ids.items() if times > 1] == []


def uncited(tests: set[str], cited: set[str], proves: dict[str, str], sandbox: list[str], done: set[str]) -> list[str]:
    """What is wrong with the tests of the mocks, each of which must say which claim it proves."""
    said = [*proves, *sandbox]
    wrong = [f"{test} proves nothing: name it in a ledger or in proves.toml" for test in tests - cited - set(said)]
    wrong += [f"{test} does not exist" for test in said if test not in tests]
    wrong += [f"{test} is named twice" for test, times in Counter([*said, *(cited & tests)]).items() if times > 1]
    return sorted(wrong + [f"{claim} is no claim with a test" for claim in proves.values() if claim not in done])


def test_each_test_of_a_mock_says_which_claim_it_proves() -> None:
    here = Path(__file__).parent
    files = [path for name in MOCKS for path in (here / name).glob("test_*.py")]
    tests = {f"{path.relative_to(here)}::{name}" for path in files for name in named_tests(str(path.relative_to(ROOT)))}
    claims = [claim for name in LEDGERS for claim in read_ledger(name)]
    beside = tomllib.loads((here / "proves.toml").read_text("utf-8"))
    cited = {claim.test.removeprefix("tests/mocks/") for claim in claims}
    assert len(tests) > 150
    assert uncited(tests, cited, beside["proves"], beside["sandbox"], {claim.id for claim in claims if claim.test}) == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, []), ({"sandbox": []}, ["c proves nothing"]), ({"proves": {"b": "gone"}}, ["gone is no claim"]),
        ({"cited": {"other"}}, ["a proves nothing"]), ({"tests": {"a", "b", "c", "new"}}, ["new proves nothing"]),
        ({"tests": {"a", "b"}}, ["c does not exist"]), ({"sandbox": ["c", "a"]}, ["a is named twice"]),
        ({"sandbox": ["c", "b"]}, ["b is named twice"]),
    ],
)  # fmt: skip
def test_a_test_that_cites_no_claim_is_told(changes: dict[str, Any], told: list[str]) -> None:
    right = {"tests": {"a", "b", "c"}, "cited": {"a"}, "proves": {"b": "claim"}, "sandbox": ["c"], "done": {"claim"}}
    found = uncited(**{**right, **changes})
    assert len(found) == len(told) and all(one.startswith(start) for one, start in zip(found, told, strict=True)), found


@pytest.mark.parametrize(("name", "claim"), [("insi", "insi-couverture"), ("dmp", "dmp-xades"), ("psc", "psc-ciba")])
def test_what_is_not_done_is_what_replies_name(name: str, claim: str) -> None:
    assert claim in not_checked(name)
    assert not_checked(name) == [one.id for one in read_ledger(name) if not one.test]


@pytest.mark.skipif(notes.folder() is None, reason="SOCLE_REFERENCE_DATA does not say where the reference notes are")
def test_sources_exist_and_say_what_was_seen() -> None:
    folder = notes.folder()
    assert folder is not None
    known = {path.stem: notes.read_note(path) for path in folder.glob("*.md")}
    wrong = {}
    for claim in (claim for name in LEDGERS for claim in read_ledger(name)):
        cited = list(notes.references(claim.why))
        missing = [f"{note}#{section}" for note, section in cited if section not in known.get(note, {})]
        note, _, section = claim.source.partition("#")
        wrong[claim.id] = f"{missing} do not exist" if missing else None
        if claim.source and not missing:
            wrong[claim.id] = doubt(claim, known.get(note, {}).get(section))
    assert {one: reason for one, reason in wrong.items() if reason} == {}


GOOD = Behaviour("x", "dit", source="insi#5", test="tests/mocks/test_ledgers.py::test_each_fault_of_a_claim_is_told")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, None),
        ({"source": "", "status": ASSUMED, "why": "parce que"}, None),
        ({"source": "", "status": NOT_YET, "why": "parce que", "test": ""}, None),
        ({"says": ""}, "says nothing"),
        ({"source": ""}, "either a source or a status"),
        ({"status": ASSUMED, "why": "parce que"}, "either a source or a status"),
        ({"source": "", "status": "maybe", "why": "parce que"}, "unknown status"),
        ({"source": "", "status": ASSUMED}, "says why"),
        ({"why": "parce que"}, "says why"),
        ({"source": "insi"}, "note#section"),
        ({"test": ""}, "what is done has a test"),
        ({"source": "", "status": NOT_YET, "why": "parce que"}, "what is not done has none"),
        ({"test": "tests/mocks/test_nothing.py::test_x"}, "no file"),
        ({"test": "tests/mocks/test_ledgers.py::test_nothing"}, "no test test_nothing"),
        ({"test": "tests/mocks/test_ledgers.py::problem"}, "no test problem"),
    ],
)
def test_each_fault_of_a_claim_is_told(changes: dict[str, str], told: str | None) -> None:
    found = problem(Behaviour(**{**{name: getattr(GOOD, name) for name in Behaviour.__slots__}, **changes}))
    assert found is None if told is None else told in (found or "")


NOTE = """\
# Note
## 1. Seen
A fact seen by all.
## 2. Mixed
### 2.1 Table
| one | seen [S: a log] |
| two | remembered [M] |
| three | words [Keycloak wording, M] | four ["a", "b"] |
first thing [S: log]; second thing [?]
## 3. Order (proposal)
one thing; another thing [LAB]
## 4. List
1. item one
2. item two [M]
"""


@pytest.mark.parametrize(
    ("source", "at", "told"),
    [
        ("n#1", "", None), ("n#1", "seen by all", None), ("n#1", "not there", "is not in"), ("n#9", "", "does not exist"),
        ("n#2", "", "must tell"), ("n#2.1", "", "must tell"), ("n#2.1", "one", None), ("n#2", "two", "not seen"),
        ("n#2.1", "three", "not seen"), ("n#2.1", 'four ["a"', None), ("n#2.1", "first thing", None),
        ("n#2.1", "second thing", "not seen"), ("n#3", "", "must tell"), ("n#3", "one thing", None),
        ("n#4.1", "", None), ("n#4.2", "item two", "not seen"),
    ],
)  # fmt: skip
def test_a_fact_that_nobody_saw_must_be_assumed(tmp_path: Path, source: str, at: str, told: str | None) -> None:
    note = tmp_path / "n.md"
    note.write_text(NOTE)
    found = doubt(Behaviour("x", "dit", source=source, at=at), notes.read_note(note).get(source.partition("#")[2]))
    assert found is None if told is None else told in (found or "")
