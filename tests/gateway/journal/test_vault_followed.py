"""Another gateway of the same folder changes K2: what it sealed is opened, and what we seal it can open (decision 0046)."""
from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag

from gateway.journal.vault import Vault


def two(folder: Path) -> tuple[Vault, Vault]:
    one = Vault.open(folder, "bac_a_sable", create=True)
    other = Vault.open(folder, "bac_a_sable", create=False)
    one.shared = other.shared = True
    return one, other


def test_a_value_under_the_next_key_is_opened_at_once(tmp_path: Path) -> None:
    one, other = two(tmp_path)
    before = other.seal("n", b"avant")
    one.begin()
    assert other.unseal("n", one.seal("n", b"apres")) == b"apres"
    assert (other.rotating, other.key_name) == (True, one.key_name)
    assert other.unseal("n", before) == b"avant"


def test_the_old_key_is_gone_for_both_when_the_change_ends(tmp_path: Path) -> None:
    one, other = two(tmp_path)
    before = other.seal("n", b"avant")
    one.begin()
    assert other.follow() and not other.follow()
    one.end()
    assert other.follow() and not other.rotating
    assert other.key_name == one.key_name
    with pytest.raises(InvalidTag):
        other.unseal("n", before)


def test_what_no_key_opens_stays_closed(tmp_path: Path) -> None:
    one, other = two(tmp_path)
    with pytest.raises(InvalidTag):
        other.unseal("m", one.seal("n", b"x"))
