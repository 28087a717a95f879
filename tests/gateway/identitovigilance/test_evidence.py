"""Which document is enough for whom."""
from __future__ import annotations

from datetime import date

import pytest

from gateway.identitovigilance.evidence import Code, Evidence, is_enough

CHECKED = date(2026, 11, 22)
ADULT, MINOR, BIRTHDAY, EVE = date(1940, 1, 1), date(2015, 3, 1), date(2008, 11, 22), date(2008, 11, 23)


@pytest.mark.parametrize("code", ["CN", "PA", "CS", "eCN", "IN", "AV"])
def test_an_identity_document_is_enough_for_anybody(code: Code) -> None:
    assert is_enough(Evidence(code, CHECKED), ADULT)
    assert is_enough(Evidence(code, CHECKED), MINOR)


@pytest.mark.parametrize("code", ["LECV", "ANCV"])
def test_at_the_admission_to_an_ehpad_only(code: Code) -> None:
    assert is_enough(Evidence(code, CHECKED, ehpad=True), ADULT)
    assert not is_enough(Evidence(code, CHECKED), ADULT)


@pytest.mark.parametrize("code", ["AN", "LEP"])
def test_a_minor_is_proved_with_the_parent(code: Code) -> None:
    assert is_enough(Evidence(code, CHECKED, guardian="CN"), MINOR)
    assert not is_enough(Evidence(code, CHECKED), MINOR)
    assert not is_enough(Evidence(code, CHECKED, guardian="AN"), MINOR)
    assert not is_enough(Evidence(code, CHECKED, guardian="CN"), ADULT)


def test_majority_is_reached_on_the_birthday() -> None:
    assert is_enough(Evidence("CC", CHECKED), EVE)
    assert not is_enough(Evidence("CC", CHECKED), BIRTHDAY)


def test_a_driving_licence_is_no_evidence() -> None:
    with pytest.raises(ValueError, match="unknown kind"):
        Evidence("PC", CHECKED)  # type: ignore[arg-type]
