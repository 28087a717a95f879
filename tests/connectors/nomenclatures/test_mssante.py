"""What the subject and the recipients of a message say of it (reference mssante §6, §7.2, §13.3)."""
from __future__ import annotations

import pytest

from connectors.nomenclatures.mssante import TEST_MAILBOX, is_for_test_only, tells_failed_integration


@pytest.mark.parametrize(
    ("subject", "tells"),
    [
        ("=?utf-8?b?W0tPIEludMOpZ3JhdGlvbiBzeXN0w6htZSAhXVtFMV0gWERNLzEuMC9ERE0rbGV0dHJl?=", True),
        ("=?iso-8859-1?q?=5BErreur_d'int=E9gration_!=5D=5B902=5D?=", True),
        ("[KO Int\ufffd\ufffdgration syst\ufffd\ufffdme !]", True),
        ("XDM/1.0/DDM+lettre", False),
        ("Re: [KO Integration", False),
        ("=?x-unknown?b?W0tP?=", False),
        ("=?utf-8?b?W?= [KO", False),
    ],
)
def test_a_failed_integration_is_told_by_the_beginning_of_the_subject(subject: str, tells: bool) -> None:
    assert tells_failed_integration(subject) is tells


@pytest.mark.parametrize(
    ("recipients", "alone"),
    [([TEST_MAILBOX], True), ([TEST_MAILBOX.title()] * 2, True), ([TEST_MAILBOX, "x@y.fr"], False), ([], False)],
)
def test_the_test_mailbox_alone(recipients: list[str], alone: bool) -> None:
    assert is_for_test_only(recipients) is alone
