"""An author stands in clear in an entry: the number of a person must not."""
from __future__ import annotations

import pytest
from pydantic import BaseModel, ValidationError

from gateway.journal.authors import Author, is_author


class _Body(BaseModel):
    by: Author


@pytest.mark.parametrize("name", ["amoa", "dpo-1", "essms-070780267", "a" * 64])
def test_a_role_or_an_organisation_may_be_named(name: str) -> None:
    assert is_author(name)
    assert _Body(by=name).by == name


@pytest.mark.parametrize(
    "name",
    [
        "255069910012361",  # a matricule
        "2-55-06-99-100-123.61", "155062a99012312", "rpps-99700990010", "Mme A", "amoa\n", "", "a" * 65,
    ],
)  # fmt: skip
def test_the_number_of_a_person_may_not(name: str) -> None:
    assert not is_author(name)
    with pytest.raises(ValidationError):
        _Body(by=name)
