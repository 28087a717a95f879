"""Which rows an entry is worth: one rule for the writer and the recount."""
from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from gateway.journal.units import Unit, UnitSet, units_of


def entry(**changes: Any) -> dict[str, Any]:
    content: dict[str, Any] = {
        "kind": "call", "outcome": "ok", "environment": "bac_a_sable", "finess_et": "130784507", "attribution": "metadonnee",
        "event_time": "2026-03-02T09:00:00.000000Z", "log": 1, "seq": 7,
        "counts_for": [{"indicator": "IND-DMP-01", "unit_ref": "a" * 32}],
    }  # fmt: skip
    return content | changes


def unit(indicator: str, ref: str, log: int, seq: int, event_time: str = "2026-03-02T09:00:00.000000Z") -> Unit:
    return Unit("bac_a_sable", indicator, "130784507", ref, event_time, log, seq)


def test_a_call_that_succeeded_counts() -> None:
    assert units_of(entry()) == [unit("IND-DMP-01", "a" * 32, 1, 7)]
    assert units_of(entry(kind="settlement", outcome="succeeded")) == [unit("IND-DMP-01", "a" * 32, 1, 7)]


@pytest.mark.parametrize(
    "changes",
    [
        {"outcome": "in_doubt"}, {"outcome": "refused"}, {"outcome": "succeeded"}, {"kind": "admin"},
        {"kind": "settlement", "outcome": "ok"}, {"kind": "settlement", "outcome": "failed"}, {"finess_et": None},
        {"attribution": "non_attribue:hors_grappe"}, {"counts_for": []},
    ],
)  # fmt: skip
def test_nothing_else_counts(changes: dict[str, Any]) -> None:
    assert units_of(entry(**changes)) == []


def test_each_distinct_unit_of_an_entry_counts_once() -> None:
    counts = [{"indicator": "IND-DMP-01", "unit_ref": ref} for ref in ("a", "b", "a")]
    assert [found.unit_ref for found in units_of(entry(counts_for=counts))] == ["a", "b"]


def test_a_message_counts_in_its_first_entry_whatever_the_order_of_arrival() -> None:
    sent = [unit("IND-MSS-01", "m", 1, 9), unit("IND-MSS-01", "m", 2, 3), unit("IND-MSS-01", "m", 1, 4)]
    for order in permutations(sent):
        assert UnitSet(order).rows == {unit("IND-MSS-01", "m", 1, 4)}


def test_a_message_sent_again_next_month_through_another_gateway_stays_in_its_first_month() -> None:
    january = unit("IND-MSS-01", "m", 2, 9_000, "2026-01-31T22:59:00.000000Z")
    february = unit("IND-MSS-01", "m", 1, 3, "2026-01-31T23:01:00.000000Z")
    for order in permutations([january, february]):
        assert UnitSet(order).rows == {january}


def test_each_feed_of_a_person_is_a_row() -> None:
    fed = [unit("IND-DMP-01", "p", 1, 4), unit("IND-DMP-01", "p", 1, 9)]
    assert UnitSet(fed).rows == set(fed)
