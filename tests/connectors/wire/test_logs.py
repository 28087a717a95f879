"""The log: one JSON object a line, static names, and neither URLs nor the text of exceptions, which quote messages."""
from __future__ import annotations

import subprocess
import sys

import orjson

SCRIPT = """
import logging
from connectors.wire.logs import log_as_json
log_as_json()
log = logging.getLogger("gateway.road")
log.warning("entry_held", extra={"call_id": "c-1"})
logging.getLogger("httpx").info("HTTP Request: GET https://localhost/auth?state=secret")
try:
    raise ValueError("matricule 275126322074974")
except ValueError:
    log.exception("unhandled_error")
"""


def test_lines_are_json_and_quote_nobody() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, check=True, timeout=30)
    held, failed = [orjson.loads(line) for line in done.stderr.splitlines()]
    assert (held["event"], held["level"], held["call_id"]) == ("entry_held", "warning", "c-1")
    assert (failed["event"], failed["error"]) == ("unhandled_error", "ValueError")
    assert failed["where"]
    assert b"275126322074974" not in done.stderr and b"secret" not in done.stderr


