"""The file of people: past numbers and mailboxes go with whoever was forgotten, all or nobody is added."""
from __future__ import annotations

from typing import Any

import apsw
import pytest

from mocks.sandbox.population import Population


def person(matricule: str, *past: str) -> dict[str, Any]:
    return {"matricule": matricule, "birth_name": "DUPONT", "history": [{"matricule": one, "oid": "1"} for one in past]}


def nurse(number: str) -> dict[str, Any]:
    return {"id_nat": number, "mailbox": f"{number}@a.mssante.fr", "structure": "0B0990008"}


def test_a_past_number_and_a_mailbox_go_with_their_bearer() -> None:
    people = Population.holding([person("1")])
    people.add([person("2", "9")], [nurse("8")])
    found = people.bearer("9")
    assert found is not None and found["matricule"] == "2" and people.holds_box("8@A.mssante.fr")
    before = people.generation
    people.forget_added()
    assert people.generation > before
    people.add([person("3")], [nurse("7")])  # in the place of the one who left
    assert people.bearer("9") is None and not people.holds_box("8@a.mssante.fr")
    people.add([], [nurse("8")])  # the address is free again
    assert people.counts() == {"persons": 2, "professionals": 2, "persons_added": 1, "professionals_added": 2}


@pytest.mark.parametrize("taken", [person("1"), person("2")])
def test_all_of_them_or_nobody(taken: dict[str, Any]) -> None:
    people = Population.holding([person("1")])
    with pytest.raises(apsw.ConstraintError):
        people.add([person("2"), taken], [nurse("8")])
    assert [one["matricule"] for one in people.persons()] == ["1"]
    assert people.professional("8") is None


def test_a_present_number_comes_before_somebody_s_past_one() -> None:
    people = Population.holding([person("1", "2"), person("2")])
    found = people.bearer("2")
    assert found is not None and found["history"] == []
