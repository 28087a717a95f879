"""``POST /dui/extraction``: a DUI's counts of its own files, as a CSV; nothing goes any further than the journal.

Three of the five rates rest on it (programme-indicateurs §6.1). An ESSMS that the key does not act for refuses the whole file.
"""
from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, ClassVar

from gateway.access.keys import KeyHolder
from gateway.doors.own.call import FileDoor
from gateway.doors.own.problem import Refused, Reply
from gateway.grappes.deposit import fill
from gateway.grappes.extraction import COLUMNS, OPERATION, Extraction, NotEntitled, read_extraction
from gateway.grappes.registrar import today_of
from gateway.grappes.registry import Registry
from gateway.grappes.tables import TableRefused
from gateway.journal.record import Record
from gateway.road import Passed, Request, Road

HEADER = ";".join(column.name for column in COLUMNS)
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
        told = await asyncio.to_thread(fill, record, self._road.journal, extractions, self._road.environment)
        return Passed(Reply(201 if told["statut"] == "recue" else 200, told).answer(record.id))

    def _read(self, body: bytes, holder: KeyHolder) -> Sequence[Extraction]:
        entitled = {number: structure.caller.entitled_ej for number, structure in holder.structures.items()}
        try:
            return read_extraction(body, self._registry, today_of(self._road.clock), entitled)
        except NotEntitled as error:
            raise Refused("structure", _ELSEWHERE, lignes=error.lines) from None
        except TableRefused as error:
            raise Refused("extraction", _WRONG, lignes=[one.item() for one in error.problems]) from None
