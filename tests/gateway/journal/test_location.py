"""A folder has one journal, of one kind, for good."""
from __future__ import annotations

from pathlib import Path

import pytest

from gateway.journal.location import ADDRESS_NAME, FILE_NAME, WrongStore, address_of, choose, present

ADDRESS = "postgresql://socle:mot-de-passe@base.test/journal"


def test_an_address_is_kept_for_its_owner_alone_and_found_again(tmp_path: Path) -> None:
    folder = tmp_path / "gateway"
    assert (address_of(folder), present(folder)) == (None, False)
    choose(folder, ADDRESS)
    choose(folder, ADDRESS)
    assert (address_of(folder), present(folder)) == (ADDRESS, True)
    assert (folder / ADDRESS_NAME).stat().st_mode & 0o777 == 0o600


def test_a_folder_never_changes_its_store(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).touch()
    with pytest.raises(WrongStore, match="a déjà un journal SQLite"):
        choose(tmp_path, ADDRESS)
    assert address_of(tmp_path) is None


def test_another_address_is_refused_and_neither_secret_is_said(tmp_path: Path) -> None:
    choose(tmp_path, ADDRESS)
    with pytest.raises(WrongStore, match="est déjà dans une autre base") as refused:
        choose(tmp_path, "postgresql://socle:secret@ailleurs.test/journal")
    assert not any(word in str(refused.value) for word in ("mot-de-passe", "secret"))
    assert address_of(tmp_path) == ADDRESS


@pytest.mark.parametrize("address", ["", "sqlite:///journal", "base.test/journal", "http://base.test"])
def test_what_is_no_address_of_a_server_is_refused(tmp_path: Path, address: str) -> None:
    with pytest.raises(WrongStore, match="postgresql://"):
        choose(tmp_path, address)
    assert not present(tmp_path)
