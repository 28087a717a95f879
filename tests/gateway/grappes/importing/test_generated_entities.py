"""Made-up annexes with their legal entities: variants of one number, rows without a postcode, EJ where an ET is due."""
from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.grappes.importing.checking import check
from gateway.grappes.importing.files import documents_in
from tests.gateway.grappes.importing import generator as make
from tests.gateway.grappes.importing import oracle

POSTCODE = "83000"


def kept_of(typed: list[str]) -> tuple[str, str, str]:
    """One entity: the most frequent among the values that hold; alone, or a majority, or nobody decides."""
    values = Counter(map(oracle.bare, typed))
    good = [value for value, _ in values.most_common() if oracle.luhn(value)]
    if not good:
        return values.most_common(1)[0][0], "a_verifier", "R6"
    if len(values) == 1:
        return good[0], "confirme", "R0" if all(one == good[0] for one in typed) else "R1"
    sure = len(good) == 1 or values[good[0]] * 2 > len(typed)
    return good[0], "confirme" if sure else "a_verifier", "R9"


def variant(rng: random.Random, number: str) -> str:
    choice = rng.random()
    return number if choice < 0.6 else make.changed(rng, number) if choice < 0.9 else make.spaced(number)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), entities=st.integers(1, 4))
def test_entities_and_rows_without_a_postcode(seed: int, entities: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    rng = random.Random(seed)
    numbers: list[str] = []
    while len(numbers) < 30:
        number = make.number_at(rng, POSTCODE)
        numbers += [number] if number not in numbers else []
    owners = {f"CCAS DE {name}": numbers.pop() for name in ("ASNELLES", "BRUNOY", "CORBAS", "DOLUS")[:entities]}
    rows, legal, expected = [["OG", "FINESS EJ", "FINESS ET", "Etablissement"]], {name: [] for name in owners}, []
    for at in range(rng.randrange(entities, 9)):
        owner = list(owners)[at] if at < entities else rng.choice(list(owners))
        typed_ej, number = variant(rng, owners[owner]), numbers.pop()
        typed = rng.choice([number, number, make.spaced(number), make.without(rng, number), make.added(rng, number)])
        legal[owner].append(typed_ej)
        rows.append([owner, typed_ej, typed, f"RESIDENCE {make.TREES[at]}"])
        expected.append((owner, typed))
    folder = tmp_path_factory.mktemp("annexe")
    make.write(rng, folder, "raw-annexe", rows, rng.choice(make.FORMS))
    [documents] = documents_in([folder])
    checked = check(documents)

    found = {one.name: (one.verdict.retenu, one.verdict.statut, one.verdict.regle) for one in checked.entities}
    wanted = {name: kept_of(typed) for name, typed in legal.items()}
    assert {number: rest for number, *rest in found.values()} == {number: rest for number, *rest in wanted.values()}

    everything = {oracle.bare(typed) for _, typed in expected}
    taken = everything | {number for number, *_ in wanted.values()} | {
        oracle.bare(one) for typed in legal.values() for one in typed if oracle.luhn(oracle.bare(one))
    }  # fmt: skip
    same_department = all(number.startswith("83") for number, *_ in wanted.values())
    for one, (_, typed) in zip(checked.establishments, expected, strict=True):
        if same_department:
            assert (one.verdict.retenu, one.verdict.statut, one.verdict.regle) == oracle.expected([typed], POSTCODE, taken)
