"""The blocking sender of the load tests: what it could not send is told, and counted nowhere as sent."""
from __future__ import annotations

import socket
import ssl
from pathlib import Path

import pytest

from loadtests import failures
from loadtests.calls import HttpCall, Reading
from loadtests.load_report import write_report
from loadtests.sent import SentFile
from loadtests.steady import SteadyHttp


@pytest.mark.parametrize(("killed", "said"), [(False, ["1 échec(s) sur 0 appels, seuil 1.0 %"]), (True, [])])
def test_a_door_that_takes_no_connection_is_a_failure_of_the_run(tmp_path: Path, killed: bool, said: list[str]) -> None:
    sent = SentFile(tmp_path)
    with socket.socket() as bound:  # bound and not listening: whoever connects is refused
        bound.bind(("127.0.0.1", 0))
        door = SteadyHttp(bound.getsockname()[1], ssl.create_default_context(), sent)
        reading = door.send(HttpCall("DMP.TD2.1", "dmp", "POST", "/", lambda _answer: Reading("never")))
    sent.close()
    assert (reading.ok, dict(sent.sent), dict(sent.failures)) == (False, {}, {failures.NO_CONNECTION: 1})
    assert write_report(tmp_path, sent, 1.0, killed=killed)["thresholds_exceeded"] == said
