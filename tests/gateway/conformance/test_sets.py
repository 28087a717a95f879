"""Sets of checks: what they hold, how they are known, and what they may know."""
from __future__ import annotations

import hashlib
import subprocess
import sys

import pytest

from gateway.conformance import rules
from gateway.conformance.rules import catalogue, requirements, rule_set, set_names
from gateway.operations import OPERATIONS

#: A change of any check changes these: raise the version of the sets in sets.toml, then pin again. Never repin a version
#: that a release has shipped.
PINNED = {
    ("smoke", "6"): "66776c6b6adfaa4261836a8a510b887b2c9c77bd6a1e66645c4756e7d8fc0a4d",
    ("journal", "6"): "c3a7257d013336ace55550818a9ebdf68e63c0b0ce2b68c14e0b2ba288487472",
    ("tout", "6"): "552983bac9a8e81f594a1aba40dd83014655ca5a2a77e6ab9bf4966f9b05faaf",
}


@pytest.mark.parametrize("name", set_names())
def test_a_set_is_the_one_that_its_version_names(name: str) -> None:
    found = rule_set(name)
    assert PINNED[name, found.version] == found.sha256


def test_the_smoke_suite_has_the_twenty_checks_of_the_programme() -> None:
    """CHK-MSS-09 or CHK-MSS-10: one of them, by the mailbox."""
    assert [rule.id for rule in rule_set("smoke").rules] == [
        "CHK-INS-01", "CHK-INS-02", "CHK-INS-05", "CHK-INS-09", "CHK-DMP-01", "CHK-DMP-02", "CHK-DMP-03", "CHK-DMP-04",
        "CHK-DMP-15", "CHK-MSS-01", "CHK-MSS-09", "CHK-MSS-10", "CHK-MSS-13", "CHK-MSS-21", "CHK-MSS-22", "CHK-MSS-23",
        "CHK-MSS-24", "CHK-PSC-01", "CHK-PSC-02", "CHK-ANN-03", "CHK-JRN-04",
    ]  # fmt: skip
    assert [rule.id for rule in rule_set("journal").rules] == [f"CHK-JRN-0{n}" for n in range(1, 10)]


def test_every_check_judges_reads_known_operations_and_cites() -> None:
    for rule in catalogue().values():
        assert rule.on_call or rule.on_run, rule.id
        assert set(rule.operations) <= set(OPERATIONS), rule.id
        assert rule.requirements, rule.id
        assert rule.on_call is None or rule.operations, rule.id
    cited = {one.id for rule in catalogue().values() for one in rule.requirements}
    assert cited == {one.id for one in requirements().values()}


def test_no_module_judges_a_check_that_is_not_in_the_catalogue() -> None:
    judged = {check for module in rules._MODULES.values() for check in (*module.CALL, *module.RUN)}
    assert judged == set(catalogue())


def test_a_citation_puts_the_eco_first_and_tells_texts_apart() -> None:
    for rule in catalogue().values():
        ecos = [one.id.startswith("ECO.") for one in rule.requirements]
        assert ecos == sorted(ecos, reverse=True), rule.id
    keys = [(one.source, one.id, one.sha256) for one in requirements().values()]
    assert len(set(keys)) == len(keys)
    one = requirements()["eco-2.4.2"]
    assert one.sha256 == hashlib.sha256(one.label.encode()).hexdigest()


def test_the_identifiers_absent_from_the_published_rem_are_not_cited() -> None:
    """programme-indicateurs-2 §5: these are to be cited by their ECO identifier."""
    absent = {f"SC.MSS/CONF.{n:02d}" for n in (2, 9, 12, 13, 19, 23, 24, 25, 26)}
    absent |= {f"MSS/va1.{n:02d}" for n in (4, 5, 9, 18, 19)}
    assert not absent & {one.id for one in requirements().values()}


def test_another_text_is_another_set(monkeypatch: pytest.MonkeyPatch) -> None:
    known = rules._table("catalogue.toml", "check")
    before = rule_set("smoke").sha256
    changed = [{**row, "text": row["text"] + "."} if row["id"] == "CHK-PSC-02" else row for row in known]
    original = rules._table
    monkeypatch.setattr(rules, "_table", lambda name, key: changed if key == "check" else original(name, key))
    caches = (rule_set, catalogue)
    for one in caches:
        one.cache_clear()
    try:
        assert rule_set("smoke").sha256 != before
        assert rule_set("journal").sha256 == PINNED["journal", "6"]
    finally:
        monkeypatch.undo()
        for one in caches:
            one.cache_clear()


def test_conformance_knows_no_web_framework() -> None:
    """Design §3, beyond what import-linter is told."""
    code = (
        "import sys, gateway.conformance.running, gateway.conformance.live, gateway.conformance.window, "
        "gateway.conformance.reports, gateway.conformance.evidence, gateway.conformance.declared\n"
        "print(*{'fastapi', 'starlette', 'uvicorn', 'httpx', 'aiohttp', 'gateway.doors', 'gateway.app'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []
