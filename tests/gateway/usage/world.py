"""Records of the two socle indicators, as the doors fill them, on the Marseille-Hyères grappe."""
from __future__ import annotations

from datetime import UTC, datetime

from gateway.journal.record import Count, Named, Outcome, Record

CARMES, EVECHE, MURIERS = "130790199", "130786502", "830206587"  # 61 persons, 125 persons, no number
EJ = "130804289"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def fed(person: str, at: str, finess_et: str | None = CARMES, outcome: Outcome = "ok") -> Record:
    """A DMP feed of one person."""
    unit = Named("person", person)
    return Record(
        "DMP.TD2.1", event_time=utc(at), outcome=outcome, finess_et=finess_et, finess_ej=finess_et and EJ, person=unit,
        attribution="metadonnee" if finess_et else "non_attribue:hors_grappe", counts_for=[Count("IND-DMP-01", unit)],
    )  # fmt: skip


def sent(message_id: str, at: str, finess_et: str | None = CARMES, outcome: Outcome = "ok") -> Record:
    """An MSSanté message."""
    unit = Named("message", f"equipe@ccas.mssante.test\n{message_id}")
    return Record(
        "MSS.SOUMISSION", event_time=utc(at), outcome=outcome, finess_et=finess_et, finess_ej=finess_et and EJ, message=unit,
        attribution="bal" if finess_et else "non_attribue:bal_inconnue", counts_for=[Count("IND-MSS-01", unit)],
    )  # fmt: skip


def settled(record: Record, outcome: Outcome, at: str) -> Record:
    return Record(record.operation, kind="settlement", settles=record.id, outcome=outcome, event_time=utc(at))
