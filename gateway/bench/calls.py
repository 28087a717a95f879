"""The calls that the journal is measured with: one of each main operation in turn, made before the clock starts."""
from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

from gateway.journal.record import Body, Count, Dui, Exchange, Intent, Named, Recipients, Record
from gateway.operations import OPERATIONS

_BORN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
_APART = timedelta(milliseconds=250)
_FINESS_ET, _FINESS_EJ = "130790199", "130000001"
_PERSONS, _PROFESSIONALS = 2000, 100
_MAILBOX = "cadre@ehpad.mssante.test"


def calls(first: int, count: int) -> list[Record]:
    """Answered calls numbered from ``first``; no two runs of numbers share a document or a message."""
    return [_MAKERS[n % len(_MAKERS)](n) for n in range(first, first + count)]


def intent_of(record: Record) -> Intent | None:
    """What must be durable before the call leaves; None for a read, and for what is no call."""
    operation = OPERATIONS[str(record.operation)]
    if record.kind != "call" or not operation.side_effect:
        return None
    key = record.message or Named("submission", " ".join(document.value for document in record.documents))
    return Intent(key, operation.deadline_s, hashlib.sha256(key.value.encode()).digest(), b'{"ins":"","uniqueIds":[]}')


def _record(operation: str, n: int) -> Record:
    record = Record(operation, outcome="ok", event_time=_BORN + n * _APART, tenant="editeur-a", finess_et=_FINESS_ET)
    record.finess_ej = _FINESS_EJ
    record.dui, record.gateway_us, record.attribution = Dui("NIL-BANC", "Banc", "1"), 900, "metadonnee"
    record.professional = Named("professional", f"8997{n % _PROFESSIONALS:08d}")
    record.exchanges.append(Exchange("200", 1200 + n % 700))
    return record


def bodies(n: int) -> list[Body]:
    """Of an ordinary size, and of a digest of their own."""
    digest = hashlib.sha256(b"%d" % n).digest()
    return [Body("request", 24_000, digest), Body("response", 1_200, digest)]


def _person(n: int) -> Named:
    return Named("person", f"{n // len(_MAKERS) % _PERSONS:015d}")


def _search(n: int) -> Record:
    record = _record("INS.RECHERCHE_TRAITS", n)
    record.person, record.ins_status, record.service_code, record.bodies = _person(n), "VALI", "00", bodies(n)
    return record


def _feed(n: int) -> Record:
    record = _record("DMP.TD2.1", n)
    record.person, record.ins_status, record.document_type, record.bodies = _person(n), "VALI", "34133-9", bodies(n)
    record.service_code, record.documents = "Success", [Named("document", f"1.2.250.1.999.1.{n}")]
    record.counts_for.append(Count("IND-DMP-01", record.person))
    return record


def _message(n: int) -> Record:
    record = _record("MSS.SOUMISSION", n)
    record.message = Named("message", f"{_MAILBOX}\n<{n}@ehpad.test>")
    record.channel, record.service_code = "mss_pro", "250 2.0.0"
    record.recipients, record.attribution = Recipients(pro=1), "bal"
    record.counts_for.append(Count("IND-MSS-01", record.message))
    return record


def _token(n: int) -> Record:
    return _record("PSC.TOKEN", n)


_MAKERS = (_search, _feed, _message, _token)
