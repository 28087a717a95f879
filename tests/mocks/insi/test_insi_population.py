"""The mock over a whole sandbox: the published identities answer as CNDA homologation expects, generated ones as marked."""
from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.insi import messages
from connectors.insi.client import Person, search_plan
from mocks.insi import behaviour, wire
from mocks.insi.callers import ByCertificate
from mocks.insi.state import Register
from mocks.sandbox.build import init
from mocks.sandbox.population import Population
from tests.mocks.insi.conftest import IDAM
from tests.mocks.insi.test_insi_card import card

STAMP = messages.Stamp(datetime(2026, 3, 2, tzinfo=UTC), "uuid:1", "2", "3")


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> tuple[Register, str, list[dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("data")
    idam = init(folder, persons=30)["idam"]
    people = Population.open(folder / "sandbox" / "population.sqlite3")
    return Register(frozenset([idam]), people), idam, list(people.persons())


def ask(sandbox: tuple[Register, str, Any], traits: messages.Traits) -> messages.Result | messages.Fault:
    register, idam, _ = sandbox
    software = messages.Software(idam, "DUI", "1", "0f6c9b7e-2c53-4e0a-b6f0-3d5a3c1d9a10")
    request = messages.search_request(traits, software, "1130000018", STAMP)
    return messages.read_answer(behaviour.answer(wire.read(request, None), ByCertificate("INSI-AUTO"), register).body)


def played(sandbox: tuple[Register, str, Any], person: Person) -> tuple[list[str], messages.Result | messages.Fault]:
    plan = search_plan(person)
    reply = ask(sandbox, next(plan))
    codes = [reply.service_code]
    while codes[-1] in ("CR01", "CR02"):
        try:
            reply = ask(sandbox, plan.send(codes[-1].removeprefix("CR")))
        except StopIteration:
            break
        codes.append(reply.service_code)
    return codes, reply


@pytest.mark.parametrize(
    ("cnda", "person", "codes", "matricule", "history"),
    [
        ("2.03", Person("D'ARTAGNAN DE L'HERAULT", ("PIERRE-ALAIN",), "M", "2001-06-17"), ["CR00"], "101066322075460", 0),
        ("2.03", Person("ADRTROIS", ("TOUSSAINT",), "M", "1960-01-01", "2B020"), ["CR00"], "160012B02077713", 0),
        ("2.04", Person("ECETINSI", ("PIERRE-ALAIN",), "M", "2009-07-14"), ["CR00"], "109076322083489", 1),
        ("2.05", Person("PROVISOIRE", ("MATRICULE",), "M", "2009-07-01"), ["CR00"], "109076322088835", 0),
        ("2.06", Person("DE VINCI", ("LEONARDO",), "M", "2014-02-01", "63220"), ["CR02", "CR00"], "114026322083356", 0),
        ("2.07", Person("TCHITCHI", ("OLA", "CATARINA", "BELLA"), "F", "1936-06-21"), ["CR01", "CR00"], "236066322083656", 0),
        ("2.07", Person("HOUILLES", ("PIERRE", "PAUL", "JACQUES"), "M", "1993-01-27"), ["CR01"] * 4, None, 0),
        ("2.08", Person("CORSE", ("ANTHONY",), "M", "1980-03-02"), ["CR00"], "180032B02040123", 1),
        ("2.08", Person("HERMAN", ("GATIEN",), "M", "1981-03-24"), ["CR00"], "181036322045676", 2),
    ],
)
def test_the_homologation_scenarios_answer_as_published(
    sandbox: tuple[Register, str, Any], cnda: str, person: Person, codes: list[str], matricule: str | None, history: int
) -> None:
    seen, reply = played(sandbox, person)

    assert seen == codes, cnda
    assert isinstance(reply, messages.Result)
    assert (reply.identity.active.matricule if reply.identity else None) == matricule
    assert (len(reply.identity.history) if reply.identity else 0) == history


@pytest.mark.parametrize(
    ("own", "holder", "born", "matricule"),
    [
        ("277076322082910", "277076322082910", "1977-07-14", "277076322082910"),
        (None, "277076322082910", "2010-08-07", "110086322083060"), (None, "277076322082910", "2010-08-08", None),
    ],
)  # fmt: skip
def test_the_published_card_finds_its_bearer_and_her_child(
    sandbox: tuple[Register, str, Any], own: str | None, holder: str, born: str, matricule: str | None
) -> None:
    register, idam, _ = sandbox
    asked = card(own, holder, DateNaissance=born, RangNaissance="1").replace(IDAM.encode(), idam.encode())
    reply = behaviour.answer(wire.read(asked, None), ByCertificate("INSI-AUTO"), register)
    found = messages.read_answer(reply.body)
    assert isinstance(found, messages.Result)
    assert (found.identity.active.matricule if found.identity else None) == matricule


def test_every_person_of_the_sandbox_answers_as_marked(sandbox: tuple[Register, str, list[dict[str, Any]]]) -> None:
    expected = {"found": ("CR00", "CR00"), "ambiguous": ("CR02", "CR00"), "none": ("CR01", "CR01")}
    seen = set()
    for row in sandbox[2]:
        traits = (row["birth_name"], row["first_names"][0], row["sex"], row["birth_date"])
        without = ask(sandbox, messages.Traits(*traits)).service_code
        with_place = ask(sandbox, messages.Traits(*traits, row["birth_place"])).service_code
        assert (without, with_place) == expected[row["insi"]]
        seen.add(row["insi"])
    assert seen == set(expected)
