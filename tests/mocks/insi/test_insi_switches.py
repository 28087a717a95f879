"""The switches of sandbox.json and the scenarios: what each does, and that a wrong one is told."""
from __future__ import annotations

import random
import statistics
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from lxml import etree

from mocks.insi import behaviour, scenarios, wire
from mocks.insi.callers import ByCertificate
from mocks.insi.rules import FIELD_LATENCY, InvalidSwitch, Rules, Window
from mocks.insi.scenarios import Circumstances
from mocks.insi.state import Register
from tests.mocks.insi.conftest import IDAM, population, strict_contexts
from tests.mocks.insi.test_insi_verification import unit

Make = Callable[..., bytes]
SOAP = "http://www.w3.org/2003/05/soap-envelope"


def under(**switches: Any) -> Register:
    """The people of the sandbox under these switches, as sandbox.json writes them."""
    return Register.of(population(), idams=[IDAM], rules=Rules.from_json(switches))


def ask(register: Register, body: bytes, *, at: str = "2026-03-02T12:00", scenario: str | None = None) -> behaviour.Reply:
    moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
    caller = ByCertificate("INSI-AUTO", "1130000018")
    return behaviour.answer(wire.read(body, None), caller, register, Circumstances(moment, moment, scenario))


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ([], "est un objet"), ({"inconnu": 1}, "réglage inconnu « inconnu »"), ({"strict": "oui"}, "strict vaut true ou false"),
        ({"any_token": 1}, "any_token vaut true ou false"), ({"unknown_person": "00"}, "unknown_person vaut cr01"),
        ({"style": "libre"}, "style vaut live, clean"), ({"slow_s": -1}, "slow_s vaut un nombre de 0"),
        ({"batch_delay_s": "1 h"}, "batch_delay_s vaut un nombre"), ({"error_rate": 1.5}, "error_rate vaut un nombre de 0 à 1"),
        ({"error_rate": True}, "error_rate vaut un nombre"), ({"error_code": "insi_19"}, "error_code vaut insi_102"),
        ({"latency": "lente"}, "latency vaut un objet"), ({"latency": {"median_s": 1}}, "latency vaut un objet de clés median_s"),
        ({"latency": {"median_s": 2, "p95_s": 1, "cap_s": 3}}, "p95_s plus petit"),
        ({"latency": {"median_s": 0, "p95_s": 1, "cap_s": 3}}, "latency.median_s vaut un nombre"),
        ({"cr_mix": {"00": 0.5, "01": 0.4, "02": 0.2}}, "somme n'est pas 1"), ({"cr_mix": {"00": 1}}, "cr_mix vaut un objet"),
        ({"maintenance": "terrain"}, "maintenance vaut un objet de clés de, a, ou null"),
        ({"maintenance": {"de": "2h", "a": "04:00"}}, "deux heures différentes"),
        ({"maintenance": {"de": "02:00", "a": "02:00"}}, "deux heures différentes"),
        ({"error_rate": float("nan")}, "error_rate vaut un nombre"),
    ],
)  # fmt: skip
def test_a_switch_out_of_its_form_is_told_in_french(wanted: Any, told: str) -> None:
    with pytest.raises(InvalidSwitch, match=r"^sandbox\.json, objet insi : ") as refused:
        Rules.from_json(wanted)
    assert told in str(refused.value)


def test_every_switch_is_read_and_has_its_default() -> None:
    named = {
        "strict": True, "any_token": True, "unknown_person": "insi_102", "slow_s": 1, "style": "clean", "psc_token": False,
        "batch_delay_s": 60, "error_rate": 0.5, "error_code": "desir_1020", "latency": "terrain", "cr_mix": "terrain",
        "maintenance": {"de": "23:30", "a": "01:00"},
    }  # fmt: skip
    rules = Rules.from_json(named)

    assert set(named) == set(Rules.__dataclass_fields__)
    assert all(getattr(rules, name) != getattr(Rules(), name) for name in named)
    assert (rules.latency, rules.maintenance) == (FIELD_LATENCY, Window("23:30", "01:00"))
    assert Rules.from_json({"latency": None, "cr_mix": None, "maintenance": None}) == Rules()


@pytest.mark.parametrize(
    ("window", "at", "away"),
    [
        (("02:00", "04:30"), "2026-03-02T00:59", False), (("02:00", "04:30"), "2026-03-02T01:00", True),
        (("02:00", "04:30"), "2026-03-02T03:29", True), (("02:00", "04:30"), "2026-03-02T03:30", False),
        (("02:00", "04:30"), "2026-07-02T00:00", True), (("23:30", "01:00"), "2026-03-02T22:30", True),
        (("23:30", "01:00"), "2026-03-02T23:59", True), (("23:30", "01:00"), "2026-03-02T12:00", False),
    ],
)  # fmt: skip
def test_the_service_is_away_every_day_at_an_hour_of_paris(make: Make, window: tuple[str, str], at: str, away: bool) -> None:
    register = under(maintenance={"de": window[0], "a": window[1]})

    assert ask(register, make(), at=at).code == ("desir_1020" if away else "CR00")
    assert ask(register, make(Sexe="X"), at=at).code == "insi_24"  # what the message lacks is told first


def test_a_share_of_the_calls_gets_an_error_the_same_each_time(make: Make) -> None:
    first, second = ([ask(one, make()).code for _ in range(200)] for one in (under(error_rate=0.2), under(error_rate=0.2)))

    assert first == second and set(first) == {"CR00", "insi_102"}
    assert 20 <= first.count("insi_102") <= 60
    assert ask(under(error_rate=1, error_code="insi_111"), make()).code == "insi_111"
    assert ask(under(error_rate=0), make()).code == "CR00"


def test_the_mix_of_the_field_is_told_to_searches_that_find(make: Make) -> None:
    register = under(cr_mix="terrain")
    codes = Counter(ask(register, make()).code for _ in range(1000))

    assert set(codes) == {"CR00", "CR01", "CR02"}
    assert 700 < codes["CR00"] < 800 and 195 < codes["CR01"] < 295 and codes["CR02"] < 15
    assert ask(register, make(NomNaissance="INCONNU")).code == "CR01"
    assert {ask(under(cr_mix={"00": 0, "01": 0, "02": 1}), body).code for body in (make(), unit())} == {"CR02", "CR00 OK"}


def test_answers_take_the_time_of_the_field(make: Make) -> None:
    register = under(latency="terrain")
    taken = sorted(ask(register, make()).delay_s for _ in range(400))

    assert 0.4 < statistics.median(taken) < 0.5 and 0.7 < taken[int(0.95 * len(taken))] < 0.95 and taken[-1] <= 5
    assert ask(under(latency={"median_s": 0.1, "p95_s": 0.1, "cap_s": 0.1}), make(Sexe="X")).delay_s == 0.0  # refused at once
    assert ask(under(latency={"median_s": 0.1, "p95_s": 0.1, "cap_s": 0.1}, slow_s=2), make(), scenario="LENT").delay_s == 2.0
    assert under().dice.random() == random.Random(0).random()


@pytest.mark.parametrize(
    ("scenario", "code"),
    [("insi_102", "insi_102"), ("desir_550", "desir_550"), ("CR01", "CR01"), ("CR02", "CR02"), ("LENT", "CR00"), (None, "CR00")],
)  # fmt: skip
def test_a_header_chooses_the_answer_of_one_call(make: Make, scenario: str | None, code: str) -> None:
    reply = ask(under(), make(), scenario=scenario)

    assert (reply.code, reply.delay_s) == (code, 4.0 if scenario == "LENT" else 0.0)
    assert ask(under(), make(Sexe="X"), scenario=scenario).code == "insi_24"


def test_each_operation_has_its_own_scenarios() -> None:
    message = wire.read(unit(), None)
    assert message.operation is not None
    assert "KO" in scenarios.possible(message.operation) and "CR02" not in scenarios.possible(message.operation)
    assert ask(under(), unit(), scenario="KO").code == "CR00 KO"


def test_a_clean_style_has_one_prefix_and_the_same_content(make: Make) -> None:
    for body in (make(), make(Sexe="X"), make(NomNaissance="FAUTE DESIR1020"), unit()):
        live = ask(under(), body).body
        clean = wire.clean(live)

        assert clean.count(SOAP.encode()) == 1 and b"xmlns:ns" not in clean and b"env:" not in clean
        assert clean.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n<soap:Envelope ')
        told = [[(one.tag, (one.text or "").rpartition(":")[2], dict(one.attrib)) for one in etree.fromstring(xml).iter()]
                for xml in (live, clean)]  # fmt: skip
        assert told[0] == told[1]
    assert b"<soap:Value>soap:siram_10</soap:Value>" in wire.clean(ask(under(), make(Sexe="X")).body)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('Version="01_02"', 'Version="1.0"'), ('Nature="CTXLPS"', 'Nature="LPS"'), ("2026-03-02T08:05:00.123Z", "hier"),
        ("5b0c5d0e-4f2a-4a37-8d52-6d7a1f7f2c01", "1"), ("1130000018", "contact@dui.test"),
    ],
)  # fmt: skip
def test_strict_takes_contexts_as_published_only(make: Make, old: str, new: str) -> None:
    changed = strict_contexts().replace(old, new)

    assert ask(under(), make(header=changed)).code == "CR00"
    assert ask(under(strict=True), make(header=changed)).code == "siram_10"
    assert ask(under(strict=True), make(header=strict_contexts())).code == "CR00"
