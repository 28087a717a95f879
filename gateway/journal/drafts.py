"""Entries before their commit (design §5): everything that a caller can say, and can get wrong, of one.

A draft is refused while it is made, so that one bad record never reaches the transaction it would share with others.
"""
from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from connectors.wire.clock import Clock
from gateway.journal.canonical import VERSION, text_of
from gateway.journal.randomness import random_bytes
from gateway.journal.record import Body, Facts, Kind, Named, Outcome, Record
from gateway.operations import OPERATIONS

#: What lies beside an entry that commits to a body: its role, the salt of the commitment, and the copy that is kept.
Salted = tuple[str, bytes, bytes | None]
_SALT_BYTES = 16
_SINGLE = ("message_ref", "person_ref", "professional_ref")
#: An entry that says nothing yet. In the order of the keys, which costs a third less to encode; copied, as a dictionary of that
#: size is twice as quick to copy as to make.
_BLANK: dict[str, Any] = {
    "attribution": None, "bodies": [], "boot_id": None, "channel": None, "clock_version": 0, "counts_for": [], "detail": None,
    "document_refs": [], "document_type": None, "dui": None, "environment": "", "event_time": "", "exchanges": [], "fault": None,
    "finess_ej": None, "finess_et": None, "flags": [], "id": "", "ins_status": None, "kind": "", "latencies_us": None,
    "log": None, "message_ref": None, "operation": None, "outcome": None, "person_ref": None, "professional_ref": None,
    "recipients": None, "recorded_at": None, "replays": None, "seq": None, "service": None, "service_code": None,
    "settles": None, "tenant": "", "time_basis": "", "v": VERSION, "verdict": None,
}  # fmt: skip
_LATE = ("boot_id", "log", "recorded_at", "seq")  # keys that the commit of an entry fills


class Draft(NamedTuple):
    """An entry that its commit completes.

    content  its JSON as a dict, with ``Named`` values where its refs will be, and nothing yet under the keys in _LATE
    named    the values that want a ref, in the order in which new ones are drawn
    salted   its bodies, in their order
    """

    content: dict[str, Any]
    named: list[Named]
    salted: list[Salted]
    facts: Facts | None

    def changed(self, **fields: Any) -> Draft:
        """The draft with other fields of its JSON."""
        content = self.content | fields
        return Draft(content, _named_in(content), self.salted, self.facts)

    def resolved(self, refs: Mapping[Named, str]) -> dict[str, Any]:
        """The JSON with every named value replaced by its ref; a ref already there stays.

        A copy, as a transaction that fails takes its refs with it and the draft may be tried again.
        """
        entry = self.content.copy()
        if not self.named:
            return entry
        for name in _SINGLE:
            if entry[name] is not None:
                entry[name] = refs.get(entry[name], entry[name])
        if entry["document_refs"]:
            entry["document_refs"] = [refs.get(item, item) for item in entry["document_refs"]]
        if entry["counts_for"]:
            entry["counts_for"] = [
                {"indicator": count["indicator"], "unit_ref": refs.get(count["unit_ref"], count["unit_ref"])}
                for count in entry["counts_for"]
            ]
        if entry["detail"]:
            detail = entry["detail"].items()
            entry["detail"] = {key: refs[value] if isinstance(value, Named) else value for key, value in detail}
        return entry


def draft_of(record: Record, environment: str, clock: Clock) -> Draft:
    """Raises ValueError when the record cannot be an entry: no fitting outcome, a naive time, a float, nothing settled."""
    _check(record, record.outcome)
    salted, commitments = _bodies(record.bodies)
    content = _content(record, record.outcome, commitments, environment, clock)
    return Draft(content, _named_in(content), salted, record.facts)


def intended_draft(record: Record, environment: str, clock: Clock) -> Draft:
    """The draft of a call under way: what recovery will complete if nobody does, without having read an acknowledgement.

    It is stored alone, so its bodies carry their salts; and no copy of a message, as an intent holds none.
    """
    _check(record, "in_doubt")
    salted, commitments = _bodies(record.bodies)
    bodies = [said | {"salt": salt.hex(), "kept": None} for said, (_, salt, _) in zip(commitments, salted, strict=True)]
    content = _content(record, "in_doubt", bodies, environment, clock) | {"time_basis": "estimated"}
    for name in _LATE:
        del content[name]
    return Draft(content, _named_in(content), [], None)


def recalled(stored: bytes) -> Draft:
    """The draft of an entry, from that of the intent of a call that nobody will close."""
    content = orjson.loads(stored)
    salted = [(body["role"], bytes.fromhex(body.pop("salt")), body.pop("kept")) for body in content["bodies"]]
    return Draft(content, [], salted, None)


def inheriting(settlement: Draft, settled: dict[str, Any]) -> Draft:
    """A settlement with what it does not say itself taken from the entry it settles, so that it can be counted alone."""
    said = settlement.content
    fields = {name: settled[name] for name in _INHERITED if said[name] in (None, [])}
    fields["tenant"], fields["dui"], fields["environment"] = settled["tenant"], settled["dui"], settled["environment"]
    if said["time_basis"] == "estimated":  # nobody read an acknowledgement: the time is still the first call's
        fields["event_time"] = settled["event_time"]
    return settlement.changed(**fields)


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


def _content(
    record: Record, outcome: Outcome | None, bodies: list[dict[str, Any]], environment: str, clock: Clock
) -> dict[str, Any]:
    event_time, time_basis = record.event_time, record.time_basis
    if event_time is None:
        event_time, time_basis = clock.business(), "estimated"
    operation, dui = OPERATIONS.get(record.operation or ""), record.dui
    content = _BLANK.copy()
    content["attribution"] = record.attribution
    content["bodies"] = bodies
    content["channel"] = record.channel
    content["clock_version"] = record.clock_version or clock.version
    if record.counts_for:
        content["counts_for"] = [{"indicator": count.indicator, "unit_ref": count.unit} for count in record.counts_for]
    content["detail"] = record.detail
    if record.documents:
        content["document_refs"] = list(record.documents)
    content["document_type"] = record.document_type
    content["dui"] = {"nil": dui.nil, "product": dui.product, "version": dui.version}
    content["environment"] = environment
    content["event_time"] = text_of(event_time)
    content["fault"] = record.fault
    content["finess_ej"] = record.finess_ej
    content["finess_et"] = record.finess_et
    content["flags"] = list(record.flags)
    content["id"] = record.id
    content["ins_status"] = record.ins_status
    content["kind"] = record.kind
    content["message_ref"] = record.message
    content["operation"] = record.operation
    content["outcome"] = outcome
    content["person_ref"] = record.person
    content["professional_ref"] = record.professional
    content["recipients"] = _recipients(record)
    content["replays"] = record.replays
    content["service"] = operation.service if operation else None
    content["service_code"] = record.service_code
    content["settles"] = record.settles
    content["tenant"] = record.tenant
    content["time_basis"] = time_basis
    content["verdict"] = record.verdict
    exchanges, upstream_us = [], 0
    for exchange in record.exchanges:
        exchanges.append({"code": exchange.code, "upstream_us": exchange.upstream_us})
        upstream_us += exchange.upstream_us
    content["exchanges"] = exchanges
    content["latencies_us"] = {"gateway": record.gateway_us, "journal": record.journal_us, "upstream": upstream_us}
    return content


def _named_in(content: dict[str, Any]) -> list[Named]:
    values = [content["professional_ref"], content["person_ref"], content["message_ref"], *content["document_refs"]]
    for count in content["counts_for"]:
        values.append(count["unit_ref"])
    if content["detail"]:
        values += content["detail"].values()
    return [value for value in values if isinstance(value, Named)]


def _bodies(bodies: list[Body]) -> tuple[list[Salted], list[dict[str, Any]]]:
    """What lies beside the entry, and what the entry says."""
    salted: list[Salted] = []
    commitments: list[dict[str, Any]] = []
    for body in bodies:
        role, salt = body.role, random_bytes(_SALT_BYTES)
        salted.append((role, salt, body.kept))
        commitment = hashlib.sha256(salt + body.sha256).hexdigest()
        commitments.append({"commitment": commitment, "role": role, "size_bytes": body.size_bytes})
    return salted, commitments


def _recipients(record: Record) -> dict[str, int] | None:
    counts = record.recipients
    if counts is None:
        return None
    return {"citoyen": counts.citoyen, "interne": counts.interne, "pro": counts.pro, "refused": counts.refused}


def _check(record: Record, outcome: Outcome | None) -> None:
    if outcome not in _OUTCOMES[record.kind]:
        raise ValueError(f"{outcome} is not the outcome of a {record.kind} entry")
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
