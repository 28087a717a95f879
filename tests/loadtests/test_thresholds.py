"""Percentiles by nearest rank, and thresholds that do not hold."""
from __future__ import annotations

import pytest

from gateway.operations import OPERATIONS
from loadtests.thresholds import Thresholds, exceeded, latency_table, percentile, shipped

LIMITS = Thresholds(failures_pct=1.0, p95_ms={"ANN.RECHERCHE": 100.0})


@pytest.mark.parametrize(("share", "expected"), [(0.5, 3.0), (0.95, 5.0), (0.2, 1.0), (0.21, 2.0), (1.0, 5.0)])
def test_percentile_is_a_value_that_was_measured(share: float, expected: float) -> None:
    assert percentile([5.0, 1.0, 4.0, 2.0, 3.0], share) == expected


def test_no_value_has_no_percentile() -> None:
    with pytest.raises(ValueError, match="no value"):
        percentile([], 0.5)


def test_a_slow_operation_is_named_and_its_quick_twin_is_not() -> None:
    slow, quick = (latency_table({"ANN.RECHERCHE": [value] * 20}) for value in (101.0, 100.0))
    assert exceeded(slow, 20, 0, LIMITS) == ["ANN.RECHERCHE : p95 de 101 ms, seuil 100 ms"]
    assert exceeded(quick, 20, 0, LIMITS) == []


def test_failures_over_their_share_are_named() -> None:
    assert exceeded({}, 100, 2, LIMITS) == ["2 échec(s) sur 100 appels, seuil 1.0 %"]
    assert exceeded({}, 100, 1, LIMITS) == []
    assert exceeded({}, 0, 3, LIMITS) == ["3 échec(s) sur 0 appels, seuil 1.0 %"]  # no door took a connection
    assert exceeded({}, 0, 0, LIMITS) == []


def test_shipped_thresholds_are_about_known_operations() -> None:
    assert set(shipped().p95_ms) <= set(OPERATIONS)
