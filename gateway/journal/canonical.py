"""The canonical JSON of an entry, version 1 (design §5; docs/journal.md lists the fields).

A *draft* is that JSON as a dict, before the commit: it lacks seq, recorded_at and boot_id, its named values are still
``Named`` and its bodies still carry their salts. Everything a caller can get wrong is refused while the draft is made,
so that one bad record never reaches the transaction it would share with others.
"""
from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson

from connectors.wire.clock import Clock
from gateway.journal.randomness import random_bytes
from gateway.journal.record import Body, Kind, Named, Outcome, Record
from gateway.operations import OPERATIONS

VERSION = 1
_SALT_BYTES = 16
_NAMED = ("professional_ref", "person_ref", "message_ref")
Draft = dict[str, Any]


def text_of(moment: datetime) -> str:
    """RFC 3339, UTC, six digits, Z: texts sort as the moments do. Raises ValueError for a naive datetime."""
    if moment.tzinfo is not UTC:
        if moment.tzinfo is None:
            raise ValueError("a journal time must be timezone-aware")
        moment = moment.astimezone(UTC)
    text = orjson.dumps(moment, option=orjson.OPT_UTC_Z)[1:-1].decode()  # four times as quick as isoformat
    return text if moment.microsecond else text[:-1] + ".000000Z"


def moment_of(text: str) -> datetime:
    return datetime.fromisoformat(text)


def intended_draft(record: Record, environment: str, clock: Clock) -> Draft:
    """The draft of a call under way: what recovery will complete if nobody does, without having read an acknowledgement."""
    bodies = [replace(body, kept=None) for body in record.bodies]  # an intent holds no message
    under_way = replace(record, outcome="in_doubt", bodies=bodies, facts=None)
    return draft_of(under_way, environment, clock) | {"time_basis": "estimated"}


def draft_of(record: Record, environment: str, clock: Clock) -> Draft:
    """Raises ValueError when the record cannot be an entry: no fitting outcome, a naive time, a float, nothing settled."""
    _check(record)
    event_time, time_basis = record.event_time, record.time_basis
    if event_time is None:
        event_time, time_basis = clock.business(), "estimated"
    operation = OPERATIONS.get(record.operation or "")
    draft: Draft = {
        "v": VERSION,
        "kind": record.kind,
        "id": record.id,
        "event_time": text_of(event_time),
        "time_basis": time_basis,
        "clock_version": record.clock_version or clock.version,
        "tenant": record.tenant,
        "environment": environment,
        "service": operation.service if operation else None,
        "operation": record.operation,
        "outcome": record.outcome,
        "service_code": record.service_code,
        "flags": list(record.flags),
        "finess_et": record.finess_et,
        "finess_ej": record.finess_ej,
        "attribution": record.attribution,
        "dui": {"nil": record.dui.nil, "product": record.dui.product, "version": record.dui.version},
        "professional_ref": record.professional,
        "person_ref": record.person,
        "ins_status": record.ins_status,
        "document_type": record.document_type,
        "channel": record.channel,
        "message_ref": record.message,
        "recipients": _recipients(record),
        "document_refs": list(record.documents),
        "exchanges": [{"code": exchange.code, "upstream_us": exchange.upstream_us} for exchange in record.exchanges],
        "latencies_us": {
            "gateway": record.gateway_us,
            "upstream": sum([exchange.upstream_us for exchange in record.exchanges]),
            "journal": record.journal_us,
        },
        "bodies": [_body(body) for body in record.bodies],
        "counts_for": [{"indicator": count.indicator, "unit_ref": count.unit} for count in record.counts_for],
        "verdict": record.verdict,
        "fault": record.fault,
        "replays": record.replays,
        "settles": record.settles,
        "detail": record.detail,
    }
    if record.facts is not None:  # the store takes it out again: facts lie beside the entry
        draft["facts"] = record.facts
    return draft


def named_in(draft: Draft) -> list[Named]:
    """The values that ``resolved`` will ask a ref of."""
    values = [draft[name] for name in _NAMED] + draft["document_refs"] + [count["unit_ref"] for count in draft["counts_for"]]
    if draft["detail"]:
        values += draft["detail"].values()
    return [value for value in values if isinstance(value, Named)]


def resolved(draft: Draft, ref_of: Callable[[Named], str]) -> Draft:
    """The draft with every named value replaced by its ref; a ref already there stays.

    A copy, as a transaction that fails takes its refs with it and the draft may be tried again.
    """
    entry = draft.copy()
    for name in _NAMED:
        if draft[name] is not None:
            entry[name] = _ref(draft[name], ref_of)
    if draft["document_refs"]:
        entry["document_refs"] = [_ref(item, ref_of) for item in draft["document_refs"]]
    if draft["counts_for"]:
        entry["counts_for"] = [
            {"indicator": count["indicator"], "unit_ref": _ref(count["unit_ref"], ref_of)} for count in draft["counts_for"]
        ]
    if draft["detail"]:
        entry["detail"] = {name: _ref(value, ref_of) for name, value in draft["detail"].items()}
    return entry


def encode(content: dict[str, Any]) -> bytes:
    """UTF-8, keys sorted by their bytes, no space. Half a surrogate pair becomes U+FFFD: it has no UTF-8 form."""
    try:
        return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        return orjson.dumps(_writable(content), option=orjson.OPT_SORT_KEYS)


def inheriting(settlement: Draft, settled: dict[str, Any]) -> Draft:
    """A settlement with what it does not say itself taken from the entry it settles, so that it can be counted alone."""
    content = settlement | {name: settled[name] for name in _INHERITED if settlement[name] in (None, [])}
    content["tenant"], content["dui"] = settled["tenant"], settled["dui"]
    if content["time_basis"] == "estimated":  # nobody read an acknowledgement: the time is still the first call's
        content["event_time"] = settled["event_time"]
    return content


_INHERITED = (
    "service", "operation", "finess_et", "finess_ej", "attribution", "professional_ref", "person_ref", "ins_status",
    "document_type", "channel", "message_ref", "recipients", "document_refs", "counts_for", "fault",
)  # fmt: skip
_OUTCOMES: dict[Kind, set[Outcome | None]] = {
    "call": {"ok", "refused", "invalid", "unauthorised", "failed", "cut", "in_doubt"},
    "settlement": {"succeeded", "failed", "undecidable"},
    "admin": {None},
    "gap": {None},
}


def _check(record: Record) -> None:
    if record.outcome not in _OUTCOMES[record.kind]:
        raise ValueError(f"{record.outcome} is not the outcome of a {record.kind} entry")
    if record.kind == "call" and record.operation is None:
        raise ValueError("a call has an operation, if only an unknown one of its service")
    if (record.kind == "settlement") != (record.settles is not None):
        raise ValueError("a settlement names the entry it settles, and nothing else does")
    if record.detail is not None:
        _check_exact({name: value for name, value in record.detail.items() if not isinstance(value, Named)})
    if record.verdict is not None:
        _check_exact(record.verdict)


def _check_exact(value: object) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise ValueError("keys of an entry are texts")
            _check_exact(item)
    elif isinstance(value, list):
        for item in value:
            _check_exact(item)
    elif not (value is None or isinstance(value, str | int)):
        raise ValueError(f"an entry holds texts, integers, lists and objects, not {type(value).__name__}")


def _recipients(record: Record) -> dict[str, int] | None:
    counts = record.recipients
    if counts is None:
        return None
    return {"pro": counts.pro, "citoyen": counts.citoyen, "interne": counts.interne, "refused": counts.refused}


def _body(body: Body) -> dict[str, Any]:
    salt = random_bytes(_SALT_BYTES)
    commitment = hashlib.sha256(salt + body.sha256).hexdigest()
    return {"role": body.role, "size_bytes": body.size_bytes, "commitment": commitment, "salt": salt.hex(), "kept": body.kept}


def _ref(value: Any, ref_of: Callable[[Named], str]) -> Any:
    return ref_of(value) if isinstance(value, Named) else value


def _writable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_writable(key): _writable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_writable(item) for item in value]
    return value
