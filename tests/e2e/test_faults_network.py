"""Network and protocol faults by the wire: what the DUI gets, what the entry says, and the equations that still hold."""
from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.faults_bench import FaultsBench

FEED, SEARCH, MESSAGE, SESSION = "DMP.TD2.1", "INS.RECHERCHE_TRAITS", "MSS.SOUMISSION", "MSS.SESSION_SMTP"


pytestmark = pytest.mark.asyncio(loop_scope="module")


LATE, CUT, UNREADABLE = "G-DELAI", "E-RESEAU", "N-ILLISIBLE"

#: kind and its numbers → what a feed becomes: HTTP status, outcome, flag, effects held.
FEEDS: dict[str, tuple[dict[str, Any], tuple[int, str, str | None, int]]] = {
    "timeout": ({"delay_s": 3}, (504, "in_doubt", LATE, 1)),
    "latency-fixed": ({"kind": "latency", "delay_s": 0.02}, (200, "ok", None, 1)),
    "latency-uniform": ({"kind": "latency", "law": "uniform", "min_s": 0, "max_s": 0.02}, (200, "ok", None, 1)),
    "latency-lognormal": (
        {"kind": "latency", "law": "lognormal", "median_s": 0.01, "p95_s": 0.02, "cap_s": 0.03}, (200, "ok", None, 1)
    ),
    "latency-long": ({"kind": "latency", "delay_s": 3}, (504, "in_doubt", LATE, 1)),
    "bandwidth": ({"bytes_per_s": 100_000}, (200, "ok", None, 1)),
    "bandwidth-narrow": ({"kind": "bandwidth", "bytes_per_s": 50}, (504, "in_doubt", LATE, 1)),
    "dribble": ({}, (200, "ok", None, 1)),
    "reset": ({}, (504, "in_doubt", CUT, 1)),
    "empty": ({}, (502, "in_doubt", UNREADABLE, 1)),
    "garbage": ({}, (502, "in_doubt", UNREADABLE, 1)),
    "half_close": ({}, (502, "in_doubt", UNREADABLE, 1)),
    "slow_close": ({"delay_s": 0.05}, (200, "ok", None, 1)),
    "slow_close-long": ({"kind": "slow_close", "delay_s": 3}, (504, "in_doubt", LATE, 1)),
    "status": ({"value": "503", "retry_after_s": 7}, (503, "in_doubt", UNREADABLE, 0)),
    "status-refusal": ({"kind": "status", "value": "429", "retry_after_s": 7}, (429, "invalid", "V-SOAP", 0)),
    "malformed-part": ({"kind": "malformed", "value": "truncated_part"}, (200, "in_doubt", UNREADABLE, 1)),
    "malformed-boundary": ({"kind": "malformed", "value": "wrong_boundary"}, (200, "in_doubt", UNREADABLE, 1)),
    "malformed-type": ({"kind": "malformed", "value": "wrong_content_type"}, (200, "ok", None, 1)),
    "malformed-length": ({"kind": "malformed", "value": "long_length"}, (502, "in_doubt", UNREADABLE, 1)),
}


@pytest.mark.parametrize("name", FEEDS)
async def test_a_feed_under_each_fault_is_told_named_and_accounted_for(bench: FaultsBench, name: str) -> None:
    numbers, (status, outcome, flag, held) = FEEDS[name]
    await bench.arm(FEED, **{"kind": name, **numbers})
    answer = await bench.send(FEED)
    twin = await bench.send(FEED, number=1)

    touched, untouched = bench.entries(FEED)
    assert (answer.status, touched["outcome"], touched["fault"]) == (status, outcome, "panne-1")
    assert touched["flags"] == ([flag] if flag else []) + ["F-INJECTION"]
    assert (twin.status, untouched["outcome"], untouched["fault"], untouched["flags"]) == (200, "ok", None, [])
    assert bench.held(FEED) == held + 1
    assert answer.header("retry-after") == ("7" if "retry_after_s" in numbers else None)


@pytest.mark.parametrize(
    ("kind", "value", "flag"), [("reset", "", CUT), ("garbage", "", UNREADABLE), ("malformed", "truncated_part", UNREADABLE)]
)
async def test_a_read_under_a_fault_failed_and_leaves_no_doubt(bench: FaultsBench, kind: str, value: str, flag: str) -> None:
    await bench.arm(SEARCH, kind, value)
    await bench.send(SEARCH)
    await bench.send(SEARCH)
    touched, untouched = bench.entries(SEARCH)
    assert (touched["outcome"], touched["flags"], touched["fault"]) == ("failed", [flag, "F-INJECTION"], "panne-1")
    assert (untouched["outcome"], untouched["fault"]) == ("ok", None)


@pytest.mark.parametrize(("service", "operation"), [("DMP.*", FEED), ("INS.*", SEARCH), ("ANN.*", "ANN.RECHERCHE")])
async def test_a_refused_handshake_forwards_nothing_and_is_named(bench: FaultsBench, service: str, operation: str) -> None:
    await bench.send(operation)  # its connection is kept, and ends when the fault is armed
    await bench.arm(service, "tls")
    await bench.kept_connections_end()
    answer = await bench.send(operation, number=1)
    await bench.send(operation, number=1)
    assert answer.header("x-socle-fault") == CUT
    before, touched, after = bench.entries(operation)
    assert (touched["outcome"], touched["flags"], touched["fault"]) == ("failed", [CUT, "F-INJECTION"], "panne-1")
    assert touched["exchanges"] == []
    assert (before["outcome"], after["outcome"], after["fault"]) == ("ok", "ok", None)
    assert bench.held(FEED) == (2 if operation == FEED else 0)


# --- mail ----------------------------------------------------------------------------------------------------------------

#: kind, step and numbers → what a message becomes: code told to the DUI, outcome, flag, messages held.
MAILS: dict[str, tuple[dict[str, Any], tuple[str | None, str, str | None, int]]] = {
    "latency": ({"delay_s": 0.02}, ("250", "ok", None, 1)),
    "latency-rcpt": ({"kind": "latency", "delay_s": 0.02, "step": "rcpt"}, ("250", "ok", None, 1)),
    "dribble": ({}, ("250", "ok", None, 1)),
    "bandwidth": ({"bytes_per_s": 50_000}, ("250", "ok", None, 1)),
    "slow_close": ({"delay_s": 0.05}, ("250", "ok", None, 1)),
    "timeout": ({"delay_s": 0}, (None, "in_doubt", LATE, 1)),
    "reset": ({}, (None, "in_doubt", CUT, 1)),
    "empty": ({}, (None, "in_doubt", CUT, 1)),
    "garbage": ({}, (None, "in_doubt", UNREADABLE, 1)),
    "half_close": ({}, (None, "in_doubt", CUT, 1)),
    "reset-mail": ({"kind": "reset", "step": "mail"}, (None, "failed", CUT, 0)),
    "garbage-rcpt": ({"kind": "garbage", "step": "rcpt"}, (None, "failed", UNREADABLE, 0)),
    "timeout-data": ({"kind": "timeout", "step": "data"}, (None, "failed", LATE, 0)),
    "421-mail": ({"kind": "status", "value": "421", "step": "mail"}, ("421 4.3.2", "failed", "N-TEMPORAIRE", 0)),
    "450-rcpt": ({"kind": "status", "value": "450", "step": "rcpt"}, ("450 4.2.0", "failed", "N-TEMPORAIRE", 0)),
    "550-rcpt": ({"kind": "status", "value": "550", "step": "rcpt"}, ("550 5.1.1", "refused", "V-BAL-INCONNUE", 0)),
    "550-rcpt-filter": (
        {"kind": "business", "value": "550 5.7.1", "step": "rcpt"}, ("550 5.7.1", "refused", "V-DOMAINE", 0)
    ),
    "452-data": ({"kind": "status", "value": "452", "step": "data"}, ("452 4.3.1", "failed", "N-TEMPORAIRE", 0)),
    "451-end": ({"kind": "status", "value": "451"}, ("451 4.3.0", "failed", "N-TEMPORAIRE", 0)),
    "552-end": ({"kind": "status", "value": "552"}, ("552 5.3.4", "refused", "V-TAILLE", 0)),
    "554-end": ({"kind": "status", "value": "554"}, ("554 5.0.0", "refused", "V-REFUS", 0)),
}  # fmt: skip


@pytest.mark.parametrize("name", MAILS)
async def test_a_message_under_each_fault_is_told_named_and_accounted_for(bench: FaultsBench, name: str) -> None:
    numbers, (code, outcome, flag, held) = MAILS[name]
    await bench.arm(MESSAGE, **{"kind": name, **numbers})
    told = await bench.mail()
    assert (await bench.mail() or "")[:3] == "250"

    touched, untouched = bench.entries(MESSAGE)
    assert (touched["outcome"], touched["fault"]) == (outcome, "panne-1")
    assert touched["flags"] == ([flag] if flag else []) + ["F-INJECTION"]
    assert (untouched["outcome"], untouched["fault"], untouched["flags"]) == ("ok", None, [])
    assert (told or "").startswith(code or "") and (code is not None or not (told or "").startswith("250"))
    assert bench.held(MESSAGE) == held + 1
    assert [one["fault"] for one in bench.entries(SESSION)][1] is None


SESSIONS: dict[str, tuple[dict[str, Any], str, list[str]]] = {
    "latency": ({"delay_s": 0.02}, "ok", []),
    "reset": ({}, "failed", [CUT]),
    "garbage": ({}, "failed", [CUT]),
    "timeout": ({"delay_s": 2}, "failed", [CUT]),
    "tls": ({}, "failed", [CUT]),
    "421": ({"kind": "status", "value": "421"}, "failed", ["N-TEMPORAIRE"]),
    "554": ({"kind": "status", "value": "554"}, "refused", ["V-REFUS"]),
    "535": ({"kind": "status", "value": "535", "step": "auth"}, "unauthorised", ["V-JETON"]),
    "latency-auth": ({"kind": "latency", "delay_s": 0.02, "step": "auth"}, "ok", []),
    "reset-auth": ({"kind": "reset", "step": "auth"}, "failed", [CUT]),
}


@pytest.mark.parametrize("name", SESSIONS)
async def test_a_session_under_each_fault_is_named_and_the_next_is_not(bench: FaultsBench, name: str) -> None:
    numbers, outcome, flags = SESSIONS[name]
    await bench.arm(SESSION, **{"kind": name, **numbers})
    await bench.mail()
    await bench.mail()
    touched, untouched = bench.entries(SESSION)
    assert (touched["outcome"], touched["flags"], touched["fault"]) == (outcome, [*flags, "F-INJECTION"], "panne-1")
    assert (untouched["outcome"], untouched["flags"], untouched["fault"]) == ("ok", [], None)


async def test_every_equation_of_the_reconciliation_held_under_all_of_them(bench: FaultsBench) -> None:
    """Sent = journal, forwarded = received, held = counted + in doubt and held: of all that the tests above did."""
    await bench.reconciles()
