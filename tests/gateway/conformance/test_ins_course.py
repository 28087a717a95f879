"""The checks that follow an INS from call to call: what they say when nothing shows, what lifts a deviation, and whose it is."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest

from gateway.conformance.facts import extract
from gateway.conformance.model import Call, Message, State
from gateway.conformance.rules import ALL, rule_set
from gateway.conformance.running import run_rules
from tests.connectors.dmp.samples import Dui
from tests.gateway.conformance.test_pairs import (
    DOUBTFUL,
    PROVED,
    REFUTED,
    ZEROS,
    deviations,
    exchanged,
    judged,
    swap,
    traced,
    window,
)
from tests.gateway.conformance.world import (
    ACCEPTED,
    CARD,
    CIVIL,
    EYES,
    HELD_INS,
    OTHER,
    PERSON,
    Letter,
    Memory,
    by_card,
    called,
    decision,
    document_of,
    feed,
    feed_of,
    lot,
    plain,
    search,
    verification,
)

Play = Callable[[Dui], Memory]
LIFTED = {"type": "attribut_leve", "attribut": "DOUT"}
BY_APP = {"type": "appli_vitale", "traits": CIVIL, "ins": HELD_INS}
ELSEWHERE = {"finess_et": "130784507"}


def ko(**entry: Any) -> Call:
    return called(verification(holds=False), **entry)


@pytest.mark.parametrize(("check", "play", "why"), [
    ("CHK-INS-01", lambda d: window(by_card()), "aucune recherche par les traits"),
    ("CHK-INS-01", lambda d: window(feed(d)), "aucune recherche par les traits"),
    ("CHK-INS-03", lambda d: window(lot((PERSON, True))[0]), "n'a pas été retiré"),
    ("CHK-INS-04", lambda d: window(search(), feed(d)), "aucune vérification KO"),
    ("CHK-INS-04", lambda d: window(ko()), "aucun flux du même établissement"),
    ("CHK-INS-04", lambda d: window(plain(d).sent(), ko()), "aucun flux du même établissement"),
    ("CHK-INS-04", lambda d: window(ko(), called(plain(d).sent(), **ELSEWHERE)), "aucun flux du même établissement"),
    ("CHK-INS-04", lambda d: window(lot((PERSON, False))[1], feed(d)), "aucune vérification KO"),
    ("CHK-INS-06", lambda d: window(search()), "aucune identité n'a été déclarée"),
    ("CHK-INS-06", lambda d: window(search(OTHER), decision(DOUBTFUL)), "aucun appel à INSi ensuite"),
    ("CHK-INS-06", lambda d: window(decision(DOUBTFUL, attributs=["HOMA"]), search()), "homonyme"),
    ("CHK-INS-07", lambda d: window(search(answer=ZEROS)), "aucun flux"),
    ("CHK-INS-08", lambda d: window(search(), feed(d)), "à provoquer"),
    ("CHK-INS-11", lambda d: window(verification(), feed(d)), "echanges_ins"),
    ("CHK-INS-11", lambda d: window(verification(), feed(d), key=None, **exchanged()), "echanges_ins"),
    ("CHK-INS-11", lambda d: window(feed(d), **exchanged(sens="emise")), "aucune INS reçue"),
    ("CHK-INS-11", lambda d: window(feed(d), **exchanged(date="2026-11-22T09:00:00+01:00")), "ni vérifiée ni employée"),
    ("CHK-INS-12", lambda d: window(verification(holds=False), feed(d)), "echanges_ins"),
    ("CHK-INS-12", lambda d: window(verification(), feed(d), **exchanged()), "aucune vérification KO d'une INS reçue"),
    ("CHK-INS-13", lambda d: window(decision(PROVED, ins=HELD_INS), feed(d)), "il peut être antérieur"),
    ("CHK-INS-13", lambda d: window(search(), feed(d)), "aucune décision déclarée"),
    ("CHK-INS-13", lambda d: window(called(search(), **ELSEWHERE), decision(PROVED, ins=HELD_INS), feed(d)), "antérieur"),
    ("CHK-INS-14", lambda d: window(search()), "certificat de structure"),
])  # fmt: skip
def test_what_nothing_shows_is_not_observed_and_why(check: str, play: Play, why: str, dui: Dui) -> None:
    found = judged(check, play(dui))
    assert found.state == "non_observe"
    assert any(why in one.found for one in found.findings if one.state == "non_observe"), found.findings


@pytest.mark.parametrize(("check", "play"), [
    ("CHK-INS-04", lambda d: window(ko(), verification(), feed(d))),
    ("CHK-INS-04", lambda d: window(ko(), by_card(), feed(d))),
    ("CHK-INS-04", lambda d: window(ko(), decision(BY_APP), feed(d))),
    ("CHK-INS-04", lambda d: window(feed(d), ko(), plain(d).sent())),
    ("CHK-INS-04", lambda d: window(ko(), called(feed(d), **ELSEWHERE))),
    ("CHK-INS-04", lambda d: window(called(verification(holds=False), tenant="editeur-b"), feed(d))),
    ("CHK-INS-06", lambda d: window(decision(DOUBTFUL), decision(LIFTED, attributs=["DOUT"]), search())),
    ("CHK-INS-06", lambda d: window(search(), decision(DOUBTFUL))),
    ("CHK-INS-07", lambda d: window(search(answer=ZEROS), search(), feed(d))),
    ("CHK-INS-11", lambda d: window(called(search(), event_time="2026-11-19T09:00:00Z"), feed(d), **exchanged())),
    ("CHK-INS-11", lambda d: window(search(), feed(d), **exchanged())),
    ("CHK-INS-13", lambda d: window(decision(BY_APP), feed(d))),
    ("CHK-INS-14", lambda d: window(search(), **traced("educ.12", "educ.7"))),
])  # fmt: skip
def test_what_lifts_a_deviation_lifts_it(check: str, play: Play, dui: Dui) -> None:
    assert deviations(judged(check, play(dui))) == []


@pytest.mark.parametrize(("first", "declared", "known", "received"), [
    ([], exchanged(), "non_observe", "non_conforme"), ([search], exchanged(), "non_conforme", "non_observe"),
    ([], exchanged(date="2026-11-22T09:00:00+01:00"), "non_conforme", "non_observe"),
], ids=["received", "found before", "received later"])  # fmt: skip
def test_a_refuted_ins_is_judged_once_as_received_or_as_known(
    first: list[Callable[[], Message]], declared: dict[str, Any], known: State, received: State, dui: Dui
) -> None:
    memory = window(*(one() for one in first), verification(holds=False), feed(dui), **declared)
    assert (judged("CHK-INS-04", memory).state, judged("CHK-INS-12", memory).state) == (known, received)


def test_a_search_by_traits_is_enough_and_the_other_is_said_unseen() -> None:
    found = judged("CHK-INS-01", window(search()))
    assert [(one.state, one.found) for one in found.findings] == [
        ("conforme", "CR00, INS.RECHERCHE_TRAITS"), ("non_observe", "recherche par carte Vitale non observée"),
    ]  # fmt: skip


def test_a_deviation_shows_what_it_follows_and_what_it_is(dui: Dui) -> None:
    found = judged("CHK-INS-04", window(search(), verification(holds=False), plain(dui).sent(), feed(dui), feed(dui, 2)))
    assert [one.entries for one in found.findings] == [("id-1", "id-3"), ("id-1", "id-4")]


def test_a_ko_that_the_dui_declares_is_one(dui: Dui) -> None:
    memory = window(decision(REFUTED, ins=HELD_INS, piece=CARD), feed(dui))
    assert judged("CHK-INS-04", memory).state == "non_conforme"


def test_a_decision_that_was_refused_decides_nothing(dui: Dui) -> None:
    refused = replace(decision(DOUBTFUL), status=409, response=b'{"type": "docs/errors.md#probleme-identitovigilance"}')
    made = extract(refused, EYES)
    assert made is not None
    assert (made.values["event"], made.values["partial"]) == (None, False)
    assert judged("CHK-INS-06", window(refused, search())).state == "non_observe"


@pytest.mark.parametrize(("first_names", "sent", "state"), [
    (["MARIE", "CLAIRE"], b"MARIE CLAIRE", "conforme"), (["MARIE-CLAIRE", "ANNE"], b"MARIE CLAIRE", "conforme"),
    (["MARIE", "CLAIRE"], b"CLAIRE", "non_conforme"), (["MARIE", "CLAIRE"], b"MARIE ANNE", "non_conforme"),
])  # fmt: skip
def test_a_first_name_of_several_words_is_the_beginning_of_insis_list(
    first_names: list[str], sent: bytes, state: State, dui: Dui
) -> None:
    """EXI ID 10: CHK-INS-09 compares with every beginning of the list that INSi answered."""
    person = {**PERSON, "first_names": first_names}
    one = replace(dui, person=person)
    edit = swap(b'qualifier="BR">' + first_names[0].encode() + b"<", b'qualifier="BR">' + sent + b"<")
    assert judged("CHK-INS-09", window(search(person), feed_of(one, edit(document_of(one))))).state == state


def test_facts_made_before_these_checks_are_judged_by_what_they_hold(dui: Dui) -> None:
    """Version 2: without the callers, the people and the beginnings of lists."""
    calls = [called(one, seq) for seq, one in enumerate([search(), feed(dui), Letter(dui).sent()])]
    for call in calls:
        _forget(call.facts, {"people", "caller", "first_names", "first_in_list"})
        assert b"first_in_list" not in orjson.dumps(call.facts)
    found = {one.rule.id: one.state for one in run_rules(Memory(calls), rule_set(ALL))}
    assert (found["CHK-INS-09"], found["CHK-INS-10"], found["CHK-INS-14"]) == ("conforme", "non_applicable", "non_observe")


def _forget(value: Any, names: set[str]) -> None:
    if isinstance(value, dict):
        for name in names & value.keys():
            del value[name]
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _forget(item, names)


def test_a_whole_qualification_conforms_to_every_check_of_the_ins_that_it_shows(dui: Dui) -> None:
    memory = window(
        search(), decision(ACCEPTED, piece=CARD), verification(), feed(dui), verification(holds=False),
        decision(REFUTED, ins=HELD_INS, piece=CARD), plain(dui).sent(),
    )  # fmt: skip
    found = {one.rule.id: one for one in run_rules(memory, rule_set(ALL).only("INS"))}
    assert len(found) == 15
    assert {check: deviations(one) for check, one in found.items() if one.state == "non_conforme"} == {}
    conforming = {check for check, one in found.items() if one.state == "conforme"}
    assert conforming == {f"CHK-INS-{number:02d}" for number in (1, 2, 3, 4, 9, 10, 13, 15)}
