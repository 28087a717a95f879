"""Grappes that nobody has seen: valid numbers, defects of every kind, tables of every form; the oracle says what to expect."""
from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.grappes.importing.checking import Checked, check
from gateway.grappes.importing.files import documents_in
from tests.gateway.grappes.importing import generator as make
from tests.gateway.grappes.importing import oracle

TABLES = ["convention", "signatures", "annexe"]


def result(checked: Checked) -> list[tuple[str, str, str]]:
    return [(one.verdict.retenu, one.verdict.statut, one.verdict.regle) for one in checked.establishments]


def expectation(lines: list[make.Line], tables: list[str]) -> list[tuple[str, str, str]]:
    order = [name for name in ("convention", "annexe", "signatures") if name in tables]  # as documents are believed
    typed = [[line.typed[name] for name in order if oracle.bare(line.typed[name]) not in ("", "NÉANT")] for line in lines]
    typed = [[one.removesuffix(".0") + " " * one.endswith(".0") for one in row] for row in typed]  # a quantity's decimals
    everything = {oracle.bare(one) for row in typed for one in row}
    return oracle.shared([oracle.expected(row, line.postcode, everything) for row, line in zip(typed, lines, strict=True)])


def build(rng: random.Random, folder: Path, defects: list[str], tables: list[str]) -> list[make.Line]:
    lines = make.grappe(rng, len(defects))
    for line, defect in zip(lines, defects, strict=True):
        make.spoil(rng, defect, line, lines, tables)
    for table in tables:
        fields = ["finess_et", "etablissement", "code_postal", "ville", "contact"]
        fields += ["personnes"] if table == "convention" else []
        rng.shuffle(fields)
        if table == "convention" or rng.random() < 0.5:
            fields.insert(0, "ligne")
        variant = {name: rng.choice(texts) for name, texts in make.HEADERS.items()}
        rows = make.rows_of(rng, lines, table, fields, variant)
        if table != "convention":
            body = rows[1:]
            rng.shuffle(body)
            rows = [rows[0], *body]
        make.write(rng, folder, f"raw-{table}", make.around(rng, rows), rng.choice(make.FORMS))
    return lines


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**32), defects=st.lists(st.sampled_from(make.DEFECTS), min_size=3, max_size=14),
    tables=st.integers(1, 3),
)  # fmt: skip
def test_a_made_up_grappe_is_judged_as_the_rules_say(
    seed: int, defects: list[str], tables: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    rng = random.Random(seed)
    folder = tmp_path_factory.mktemp("grappe")
    lines = build(rng, folder, defects, TABLES[:tables])
    [documents] = documents_in([folder])
    checked = check(documents)
    assert not checked.errors
    assert [one.ligne for one in checked.establishments] == list(range(1, len(lines) + 1))
    assert [one.name for one in checked.establishments] == [line.name for line in lines]
    assert [one.persons for one in checked.establishments] == [line.persons for line in lines]
    assert result(checked) == expectation(lines, TABLES[:tables])


RULES_SEEN = {
    "none": {"R0"}, "spaced_one": {"R1"}, "spaced_all": {"R1"}, "quantity": {"R1"}, "lost_one": {"R3", "R4", "R6"},
    "lost_all": {"R3", "R6"}, "changed_one": {"R2", "R6"}, "changed_all": {"R6"}, "added_all": {"R5", "R6"},
    "added_one": {"R2", "R5", "R6"}, "elsewhere": {"R7"}, "seven": {"R6"}, "eleven": {"R6"}, "siret": {"R6"}, "letter": {"R6"},
    "blank_one": {"R0", "R6"}, "blank_all": {"R6"}, "shared": {"R8", "R0"}, "both_hold": {"R0", "R2"},
}  # fmt: skip


@pytest.mark.parametrize("defect", sorted(RULES_SEEN))
def test_each_defect_alone_is_judged_as_the_rules_say(defect: str, tmp_path: Path) -> None:
    seen = set()
    for seed in range(9):
        rng, folder = random.Random(f"{defect}{seed}"), tmp_path / str(seed)
        lines = build(rng, folder, ["none", defect, "none"], TABLES[: 1 + seed % 3])
        [documents] = documents_in([folder])
        found = result(check(documents))
        assert found == expectation(lines, TABLES[: 1 + seed % 3])
        seen.add(found[1][2])
    assert seen <= RULES_SEEN[defect]
    assert seen & (RULES_SEEN[defect] - {"R0"} or {"R0"}), "the generator never made this defect bite"


def test_every_defect_of_the_generator_has_its_rules() -> None:
    assert set(make.DEFECTS) == set(RULES_SEEN)
