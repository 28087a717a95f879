"""``POST /dui/extraction``: a DUI's counts of its own files, as a CSV; nothing goes any further than the journal.

Three of the five rates rest on it (programme-indicateurs §6.1). An ESSMS that the key does not act for refuses the whole file.
"""
from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from gateway.access.keys import KeyHolder
from gateway.doors.own.call import FileDoor
from gateway.doors.own.problem import Refused, Reply
from gateway.grappes.extraction import (
    COLUMNS,
    OPERATION,
    Extraction,
    NotEntitled,
    detail_of,
    digest_of,
    read_extraction,
    remarks,
    same_as,
)
from gateway.grappes.registry import Registry
from gateway.grappes.tables import TableRefused
from gateway.journal.record import Record
from gateway.road import Passed, Request, Road
from gateway.usage.source import journal_of

HEADER = ";".join(column.name for column in COLUMNS)
_PARIS = ZoneInfo("Europe/Paris")
_ELSEWHERE = "Votre clé n'agit pas pour cet ESSMS : retirez ces lignes, ou faites ajouter la structure. Rien n'a été pris."
_WRONG = "Corrigez les lignes nommées, puis renvoyez le fichier entier : rien n'a été pris."


class ExtractionDoor(FileDoor):
    """A file says as much however often it is sent: the same again is answered by the entry that already holds it."""

    operation = OPERATION
    media = "text/csv"
    about = "CSV en UTF-8, séparateur « ; » : des nombres et des dates de période, aucune donnée de personne (docs/registre.md)."
    example = f"{HEADER}\r\n0B0990008;2026-10-01;2026-10-31;12;11;9;10;2026-11-03;extraction\r\n"
    answer: ClassVar[dict[str, Any]] = {
        "statut": "recue", "lignes": 1, "remarques": [], "entree": "0198a3f0-0000-7000-8000-000000000004"
    }  # fmt: skip

    def __init__(self, road: Road, registry: Registry) -> None:
        self._road, self._registry = road, registry

    async def take(self, request: Request, record: Record, holder: KeyHolder) -> Passed:
        extractions = self._read(request.body, holder)
        record.attribution, record.outcome = "appel", "ok"
        numbers = {one.finess_et for one in extractions}
        if len(numbers) == 1:
            [record.finess_et] = numbers
        digest = digest_of(extractions)
        first = await asyncio.to_thread(self._already, holder.tenant, digest)
        if first is not None:
            record.replays, record.detail = first, {"digest": digest}
            return Passed(Reply(200, {"statut": "deja_recue", "premiere": first}).answer(record.id))
        record.detail = detail_of(extractions)
        told = {"statut": "recue", "lignes": len(extractions), "remarques": remarks(extractions)}
        return Passed(Reply(201, told).answer(record.id))

    def _read(self, body: bytes, holder: KeyHolder) -> Sequence[Extraction]:
        today = self._road.clock.business().astimezone(_PARIS).date()
        entitled = {number: structure.caller.entitled_ej for number, structure in holder.structures.items()}
        try:
            return read_extraction(body, self._registry, today, entitled)
        except NotEntitled as error:
            raise Refused("structure", _ELSEWHERE, lignes=error.lines) from None
        except TableRefused as error:
            raise Refused("extraction", _WRONG, lignes=[one.item() for one in error.problems]) from None

    def _already(self, tenant: str, digest: str) -> str | None:
        with journal_of(self._road.journal.folder) as connection:
            return same_as(connection, self._road.environment, tenant, digest)
