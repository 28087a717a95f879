"""The armed faults: whom they touch, how they are drawn, what of them is shown, and what may not be armed."""
from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mocks.sandbox.codes import operations, read_codes, steps_of
from mocks.sandbox.fault import Injected
from mocks.sandbox.fault_asking import _FIELDS
from mocks.sandbox.faults import MAX_ARMED, MAX_INJECTED, Faults, InvalidFault
from mocks.sandbox.malformed import announced_length
from mocks.sandbox.network_faults import garbage
from mocks.sandbox.who import Who
from tests.mocks import notes

TIMEOUT = {"operation": "DMP.TD2.1", "kind": "timeout", "delay_s": 2, "for_next": 2}


def test_a_fault_touches_the_calls_of_its_operation_then_disarms_itself() -> None:
    faults = Faults(seed=1)
    fault = faults.arm_json(TIMEOUT)
    assert faults.take("INS.RECHERCHE_TRAITS") is None
    assert [faults.take("DMP.TD2.1") for _ in range(3)] == [fault, fault, None]
    assert faults.to_json() == []


def test_what_is_left_is_shown() -> None:
    faults = Faults(seed=1)
    faults.arm_json(TIMEOUT)
    faults.take("DMP.TD2.1")
    [shown] = faults.to_json()
    assert (shown["for_next"], shown["left"], shown["id"]) == (2, 1, "fault-1")


def test_two_faults_touch_two_calls_in_the_order_armed() -> None:
    faults = Faults(seed=1)
    first = faults.arm_json({**TIMEOUT, "for_next": 1})
    second = faults.arm_json({"operation": "DMP.TD2.1", "kind": "reset"})
    assert [faults.take("DMP.TD2.1"), faults.take("DMP.TD2.1")] == [first, second]


def test_a_rate_draws_the_same_calls_for_the_same_seed() -> None:
    def touched(seed: int) -> list[bool]:
        faults = Faults(seed)
        faults.arm_json({"id": "f", "operation": "PSC.TOKEN", "kind": "status", "value": "503", "for_next": 1000, "rate": 0.3})
        return [faults.take("PSC.TOKEN") is not None for _ in range(200)]

    assert touched(1) == touched(1)
    assert touched(1) != touched(2)
    assert 30 < sum(touched(1)) < 90


def test_disarm_one_or_all() -> None:
    faults = Faults(seed=1)
    faults.arm_json({**TIMEOUT, "id": "a"})
    faults.arm_json({**TIMEOUT, "id": "b"})
    faults.disarm("a")
    assert [fault["id"] for fault in faults.to_json()] == ["b"]
    faults.disarm()
    assert faults.to_json() == []


def test_a_fault_armed_for_a_time_touches_every_call_until_then() -> None:
    now = 100.0
    faults = Faults(seed=1, now=lambda: now)
    faults.arm_json({"operation": "PSC.TOKEN", "kind": "reset", "for_s": 30})
    now = 129.0
    assert faults.to_json()[0]["left_s"] == 1.0
    assert all(faults.take("PSC.TOKEN") for _ in range(50))
    now = 130.0
    assert (faults.take("PSC.TOKEN"), faults.to_json()) == (None, [])


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ([], "objet JSON"),
        ({"kind": "reset"}, "operation"),
        ({**TIMEOUT, "kind": "explode"}, "kind"),
        ({**TIMEOUT, "for_next": 0}, "for_next"),
        ({**TIMEOUT, "delay_s": -1}, "delay_s"),
        ({**TIMEOUT, "rate": 0}, "rate"),
        ({**TIMEOUT, "for_s": 0}, "for_s"),
        ({**TIMEOUT, "delay_s": "nan"}, "delay_s"),
        ({**TIMEOUT, "surprise": 1}, "surprise"),
        ({"operation": "PSC.TOKEN", "kind": "status", "value": "200"}, "400"),
        ({"operation": "DMP.TD2.1", "kind": "soap"}, "code de la faute"),
    ],
)
def test_a_wrong_fault_is_refused_with_its_reason(wanted: Any, reason: str) -> None:
    faults = Faults(seed=1)
    with pytest.raises(InvalidFault, match=reason):
        faults.arm_json(wanted)
    assert faults.to_json() == []
    assert faults.arm_json(TIMEOUT).kind == "timeout"


# --- kinds, places, codes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wanted",
    [
        {"operation": "DMP.TD2.1", "kind": "business", "value": "XDSRegistryBusy"},
        {"operation": "INS.RECHERCHE_TRAITS", "kind": "business", "value": "CR02"},
        {"operation": "MSS.SOUMISSION", "kind": "status", "value": "550 5.7.1", "step": "rcpt"},
        {"operation": "DMP.*", "kind": "tls"},
        {"operation": "MSS.SESSION_SMTP", "kind": "tls"},
        {"operation": "DMP.TD0.2", "kind": "malformed", "value": "wrong_boundary"},
        {"operation": "PSC.*", "kind": "reset", "tenant": "dui-exemple"},
        {"operation": "INS.*", "kind": "latency", "law": "uniform", "min_s": 0, "max_s": 1},
    ],
)
def test_what_may_be_armed(wanted: Any) -> None:
    assert Faults(seed=1).arm_json(wanted).kind == wanted["kind"]


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ({"operation": "DMP.TD9", "kind": "reset"}, "opération inconnue « DMP.TD9 » ; possibles : INS.RECHERCHE_TRAITS"),
        ({"operation": "MSS.*", "kind": "reset"}, "opération inconnue"),
        ({"operation": "DMP.TD2.1", "kind": "tls"}, r"armez-la sur DMP\.\*"),
        ({"operation": "DMP.*", "kind": "tls", "tenant": "dui-exemple"}, "avant que tenant, caller ou person"),
        ({"operation": "DMP.TD2.1", "kind": "business", "value": "XDSInvente"}, "XDSRegistryNotAvailable, .*n'invente pas"),
        ({"operation": "DMP.TD0.2", "kind": "business", "value": "XDSRegistryBusy"}, "possibles : DMPClosed"),
        ({"operation": "PSC.LOGIN", "kind": "business", "value": "x"}, "aucun code officiel connu pour PSC.LOGIN"),
        ({"operation": "MSS.SOUMISSION", "kind": "status", "value": "535"}, "possibles : 421, 451"),
        ({"operation": "MSS.SOUMISSION", "kind": "status", "value": "550", "step": "mail"}, "possibles : 421"),
        ({"operation": "MSS.SOUMISSION", "kind": "status", "value": "550 4.1.1", "step": "rcpt"}, "n'est pas un statut étendu"),
        ({"operation": "MSS.SOUMISSION", "kind": "status", "value": "550 5.1.99", "step": "rcpt"}, "n'est pas un statut étendu"),
        ({"operation": "MSS.SOUMISSION", "kind": "reset", "step": "fin"}, "possibles : end, mail, rcpt, data"),
        ({"operation": "PSC.TOKEN", "kind": "reset", "step": "end"}, "possibles : aucune"),
        ({"operation": "MSS.SOUMISSION", "kind": "malformed", "value": "truncated_part"}, "SMTP n'en a pas"),
        ({"operation": "PSC.TOKEN", "kind": "malformed", "value": "wrong_boundary"}, "« value » vaut truncated_part"),
        ({"operation": "PSC.TOKEN", "kind": "reset", "person": "2" * 15}, "n'existe que pour INS, DMP et MSS"),
        ({"operation": "MSS.SESSION_SMTP", "kind": "reset", "caller": "x"}, "armez MSS.SOUMISSION"),
        ({"operation": "MSS.SOUMISSION", "kind": "reset", "step": "mail", "person": "2" * 15}, "pas connus à l'étape mail"),
        ({"operation": "INS.*", "kind": "latency"}, "la loi « fixed » demande delay_s"),
        ({"operation": "INS.*", "kind": "latency", "law": "uniform", "min_s": 2, "max_s": 1}, "croissants"),
        ({"operation": "INS.*", "kind": "latency", "law": "lognormal", "median_s": 0, "p95_s": 1, "cap_s": 2}, "que 0"),
        ({"operation": "INS.*", "kind": "latency", "law": "gauss"}, "fixed, uniform, lognormal"),
        ({"operation": "INS.*", "kind": "bandwidth"}, "bytes_per_s"),
        ({"operation": "INS.*", "kind": "dribble", "delay_s": 2}, "d'au plus 1 s"),
        ({"operation": "INS.*", "kind": "status", "value": "503", "retry_after_s": -1}, "retry_after_s"),
        ({"operation": "INS.*", "kind": "injection"}, "« kind » vaut"),
        ({**TIMEOUT, "id": "x\r\nSet-Cookie: a"}, "jamais sept chiffres"),
        ({**TIMEOUT, "id": "p-275126322074974"}, "jamais sept chiffres"),
    ],
)  # fmt: skip
def test_what_may_not_be_armed_is_refused_with_what_may(wanted: Any, reason: str) -> None:
    faults = Faults(seed=1)
    with pytest.raises(InvalidFault, match=reason):
        faults.arm_json(wanted)
    assert faults.to_json() == []


def test_every_code_of_the_ledgers_may_be_armed_where_it_is_listed() -> None:
    for row in read_codes():
        for operation in row.operations:
            for step in row.steps or ("",):
                for code in row.codes:
                    wanted = {"operation": operation, "kind": "business", "value": code, **({"step": step} if step else {})}
                    assert Faults(seed=1).arm_json(wanted).code == code


def test_a_line_of_codes_has_a_source_or_says_why_it_has_none() -> None:
    for row in read_codes():
        assert bool(row.source) != bool(row.status == "assumed" and row.why), row
        assert set(row.operations) <= set(operations()) and all(set(row.steps) <= set(steps_of(one)) for one in row.operations)


@pytest.mark.skipif(notes.folder() is None, reason="SOCLE_REFERENCE_DATA does not say where the reference notes are")
def test_the_codes_are_in_the_sections_that_they_cite() -> None:
    folder = notes.folder()
    assert folder is not None
    known = {path.stem: notes.read_note(path) for path in folder.glob("*.md")}
    for row in read_codes():
        note, _, section = row.source.partition("#")
        assert not row.source or known[note][section].holds(row.at), row


# --- draws -----------------------------------------------------------------------------------------------------------------


def delays(seed: int, **law: Any) -> list[float]:
    faults = Faults(seed=7)
    faults.arm_json({"operation": "INS.*", "kind": "latency", "for_next": 500, "seed": seed, **law})
    return [fault.delay_s for _ in range(500) if (fault := faults.take("INS.RECHERCHE_TRAITS"))]


def test_a_latency_follows_its_law_and_its_seed() -> None:
    assert set(delays(1, law="fixed", delay_s=0.25)) == {0.25}
    uniform = delays(1, law="uniform", min_s=1, max_s=3)
    assert 1 <= min(uniform) < 1.1 and 2.9 < max(uniform) <= 3
    law = {"law": "lognormal", "median_s": 0.45, "p95_s": 0.8, "cap_s": 1.0}
    drawn = sorted(delays(1, **law))
    assert 0.4 < drawn[250] < 0.5 and 0.72 < drawn[475] < 0.88 and max(drawn) == 1.0
    assert delays(1, **law) == delays(1, **law) != delays(2, **law)


def test_a_seed_of_its_own_draws_the_same_whatever_the_name() -> None:
    def touched(name: str) -> list[bool]:
        faults = Faults(seed=1)
        faults.arm_json({"id": name, "operation": "PSC.TOKEN", "kind": "reset", "for_next": 99, "rate": 0.5, "seed": 3})
        return [faults.take("PSC.TOKEN") is not None for _ in range(50)]

    assert touched("a") == touched("b") and len(set(touched("a"))) == 2


def test_a_call_that_is_not_concerned_draws_nothing_and_costs_nothing() -> None:
    faults = Faults(seed=1)
    faults.arm_json({"operation": "INS.*", "kind": "reset", "caller": "0B0990008", "for_next": 1})
    for who in (Who(), Who(frozenset({"0B0990016"}))):
        assert faults.take("INS.RECHERCHE_TRAITS", lambda who=who: who) is None  # type: ignore[misc]
    assert faults.take("PSC.TOKEN", lambda: pytest.fail("nobody is asked who calls")) is None
    assert faults.take("INS.RECHERCHE_TRAITS", lambda: Who(frozenset({"0B0990008"}))) is not None
    assert len(faults) == 0


# --- what is shown ---------------------------------------------------------------------------------------------------------


def test_the_listing_counts_and_shows_no_person_no_key_no_byte() -> None:
    person, key, box = "275126322074974", "0f8fad5b-d9cb-469f-a165-70867728950e", "ide@ehpad.mssante.fr"
    faults = Faults(seed=1)
    faults.arm_json({"operation": "INS.*", "kind": "reset", "person": person, "for_next": 3})
    faults.arm_json({"operation": "ANN.*", "kind": "reset", "caller": key})
    faults.arm_json({"operation": "MSS.SOUMISSION", "kind": "reset", "caller": box})
    faults.arm_json({"operation": "INS.*", "kind": "injection"}, Injected(b"<secret/>", 200, "text/xml"))
    assert faults.take("INS.RECHERCHE_TRAITS", lambda: Who(persons=frozenset({person}))) is not None
    shown = faults.to_json()
    assert (shown[0]["left"], shown[0]["touched"], shown[0]["one_person"]) == (2, 1, True)
    assert [one["caller"] for one in shown] == [None, "une clé d'API", "une boîte aux lettres", None]
    assert shown[3]["answer"] == {"size_bytes": 9, "status": 200, "content_type": "text/xml", "acts": True}
    for text in (str(shown), repr(faults._armed)):
        assert not any(secret in text for secret in (person, key, box, "secret"))


def test_too_many_faults_or_bytes_are_refused() -> None:
    faults = Faults(seed=1)
    for _ in range(MAX_ARMED):
        faults.arm_json({"operation": "PSC.TOKEN", "kind": "reset"})
    with pytest.raises(InvalidFault, match="désarmez-en"):
        faults.arm_json({"operation": "PSC.TOKEN", "kind": "reset"})
    faults.disarm()
    half = Injected(b"x" * (MAX_INJECTED // 2 + 1))
    faults.arm_json({"operation": "INS.*", "kind": "injection"}, half)
    with pytest.raises(InvalidFault, match="désarmez-en"):
        faults.arm_json({"operation": "INS.*", "kind": "injection"}, half)


# --- hostile ---------------------------------------------------------------------------------------------------------------

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=4,
)  # fmt: skip
_NAMES = st.sampled_from(sorted(_FIELDS))
_WORDS = ["DMP.TD2.1", "MSS.SOUMISSION", "latency", "status", "business", "lognormal", "503", "421 4.3.2", 1, 0.5]
_LIKELY = st.sampled_from(_WORDS)


@settings(max_examples=300, derandomize=True, database=None, deadline=None)
@given(st.dictionaries(_NAMES, _LIKELY | _JSON, max_size=12) | _JSON)
def test_hostile_json_is_armed_or_refused_in_words(wanted: Any) -> None:
    faults = Faults(seed=1)
    try:
        fault = faults.arm_json(wanted)
    except InvalidFault as refusal:
        assert str(refusal).startswith("Panne ") and len(faults) == 0
        return
    orjson.dumps(faults.to_json())
    assert fault.id.isascii() and "\n" not in fault.id
    taken = faults.take(fault.operation.replace("*", "INCONNUE"), step=fault.step)
    assert taken is None or 0 <= taken.delay_s <= 3600


@settings(max_examples=60, derandomize=True, database=None, deadline=None)
@given(st.binary(max_size=400), st.integers(0, 10**6))
def test_the_garbage_is_the_same_for_a_name_and_begins_nothing_known(answer: bytes, number: int) -> None:
    made = garbage(f"panne-{number}")
    assert made == garbage(f"panne-{number}") and made.endswith(b"\r\n") and not made[:1].isalnum()
    assert announced_length("long_length", answer) > len(answer) == announced_length("truncated_part", answer)
