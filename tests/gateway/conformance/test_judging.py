"""How findings become a state, and a state a verdict."""
from __future__ import annotations

import copy

import pytest

from gateway.conformance.facts import extract
from gateway.conformance.judging import judge_all, judge_call, state_of, verdict_of
from gateway.conformance.model import Call, Finding, State
from gateway.conformance.rules import catalogue, rule_set
from gateway.conformance.running import MAX_FINDINGS, MAX_PROOFS, Result, run_rules
from tests.connectors.dmp.samples import Dui
from tests.gateway.conformance.world import EYES, Letter, Memory, bare, called, directory

ASKED = {"operation": "PSC.AUTHORIZE", "environment": "bac_a_sable"}


@pytest.mark.parametrize(
    ("states", "said"),
    [
        ([], "non_observe"), (["non_observe"], "non_observe"), (["non_observe", "non_applicable"], "non_applicable"),
        (["non_applicable", "conforme"], "conforme"), (["conforme", "non_conforme", "conforme"], "non_conforme"),
    ],
)  # fmt: skip
def test_one_deviation_outweighs_the_rest(states: list[State], said: State) -> None:
    assert state_of(Finding(state) for state in states) == said


def test_a_rule_observed_nothing_in_a_message_that_was_not_read_whole() -> None:
    rule = catalogue()["CHK-PSC-02"]
    [finding] = judge_call(rule, {"v": 1, "partial": True}, ASKED)
    assert finding.state == "non_observe"
    with pytest.raises(KeyError):  # facts that were read whole and lack something are a fault of ours
        judge_call(rule, {"v": 1, "partial": False}, ASKED)


def test_a_rule_is_asked_about_its_own_operations_only() -> None:
    assert judge_call(catalogue()["CHK-PSC-02"], {"v": 1, "partial": False}, ASKED | {"operation": "PSC.TOKEN"}) == []
    assert verdict_of(judge_all({"v": 1, "partial": False}, ASKED | {"operation": "PSC.DISCOVERY"})) is None


def test_a_result_counts_everything_and_keeps_some() -> None:
    result = Result(rule_set("smoke").rules[0])
    for number in range(100):
        result.add(Finding("conforme", entries=(f"good-{number}",)))
    assert (result.state, result.proofs) == ("conforme", ["good-0", "good-1", "good-2"])
    for number in range(100):
        result.add(Finding("non_conforme", entries=(f"bad-{number}", "bad-0")))
    assert (result.observations, result.deviations, result.state) == (200, 100, "non_conforme")
    assert len(result.findings) == MAX_FINDINGS + MAX_PROOFS
    assert result.proofs == ["bad-0", "bad-1", "bad-2"]


def test_an_archive_with_one_unqualified_document_is_said_not_qualified(dui: Dui) -> None:
    """mssante §7.4: what several documents are worth is not specified; O only when all are qualified."""
    made = extract(Letter(dui, ins="N").sent(), EYES)
    assert made is not None
    rule, entry = catalogue()["CHK-MSS-23"], {"operation": "MSS.SOUMISSION", "environment": "bac_a_sable"}
    assert state_of(judge_call(rule, made.values, entry)) == "non_conforme"
    other = copy.deepcopy(made.values["archive"]["documents"][0])
    other["cda"]["identity"]["present"].remove("sex")
    made.values["archive"]["documents"].append(other)
    assert state_of(judge_call(rule, made.values, entry)) == "conforme"


@pytest.mark.parametrize(
    ("held", "why"),
    [
        ([], "aucun appel ANN.RECHERCHE, MSS.SOUMISSION dans la fenêtre : jouez le scénario"),
        ([bare("ANN.RECHERCHE")], "1 appel(s), sans faits : effacés, illisibles ou antérieurs aux contrôles"),
        ([bare("ANN.RECHERCHE"), called(directory())], "1 appel(s), dont aucun ne montre la situation : jouez le scénario"),
    ],
)
def test_what_was_not_observed_says_why(held: list[Call], why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.conformance.running.judge_call", lambda *_: [])
    [result] = [one for one in run_rules(Memory(held), rule_set("smoke")) if one.rule.id == "CHK-ANN-03"]
    assert [finding.found for finding in result.findings] == [why]
