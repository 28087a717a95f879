"""What the journal writes once for both stores, as PostgreSQL reads it."""
from __future__ import annotations

import pytest

from gateway.journal.placeholders import numbered


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("SELECT 1", ("SELECT 1", None)),
        ("a = ? AND b IN (?,?)", ("a = $1 AND b IN ($2,$3)", None)),
        ("a = :one AND b = :two OR c = :one", ("a = $1 AND b = $2 OR c = $1", ("one", "two"))),
        ("a = '?' AND \"b:c\" = ? -- why?\n AND d = 'it''s :me' AND e = ?",
         ("a = '?' AND \"b:c\" = $1 -- why?\n AND d = 'it''s :me' AND e = $2", None)),
        ("a::text = ?", ("a::text = $1", None)),
    ],
)  # fmt: skip
def test_parameters_are_numbered_in_their_order(written: str, read: tuple[str, tuple[str, ...] | None]) -> None:
    assert numbered(written) == read


def test_the_two_ways_of_giving_values_do_not_mix() -> None:
    with pytest.raises(ValueError, match="by name and by place"):
        numbered("a = ? AND b = :b")
