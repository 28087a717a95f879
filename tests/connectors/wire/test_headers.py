"""One way to read a header."""
from __future__ import annotations

import pytest

from connectors.wire.headers import first_header

TWO = [(b"X-Un", b"1"), (b"x-un", b"2"), (b"X-Deux", b"\xe9"), (b"X-Vide", b"")]


@pytest.mark.parametrize(("name", "value"), [("x-un", "1"), ("X-UN", "1"), ("x-deux", "é"), ("x-vide", ""), ("x-trois", None)])
def test_a_header_is_the_first_of_its_name_in_any_case(name: str, value: str | None) -> None:
    assert first_header(TWO, name) == value
