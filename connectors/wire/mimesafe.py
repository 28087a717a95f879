"""Mail from outside: what its parts may cost whoever reads them."""
from __future__ import annotations

import re

#: The standard library tries each line against each boundary, and reads parameters in the square of their length.
_MAX_TRIALS, _MAX_SQUARES = 5_000_000, 500_000_000
_PARAMETERS = re.compile(rb"^content-(?:type|disposition)[ \t]*:[^\n]*(?:\n[ \t][^\n]*)*", re.IGNORECASE | re.MULTILINE)


def is_costly(message: bytes) -> bool:
    """Whether reading its parts would take seconds: it was made to."""
    trials = message.count(b"\n") * message.lower().count(b"boundary")
    return trials > _MAX_TRIALS or sum(len(one[0]) ** 2 for one in _PARAMETERS.finditer(message)) > _MAX_SQUARES
