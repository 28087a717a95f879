"""A journal and the registry beside it, in the smallest folder."""
from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import orjson

from gateway.grappes.model import Essms, Grappe, Mailbox
from gateway.grappes.reading import example, write_grappe
from gateway.grappes.registrar import Registrar
from gateway.journal.journal import Journal
from tests.gateway.journal.world import HandClock, open_journal, rows

GRAPPE = "marseille-hyeres"
LES_CARMES, SAINT_TRONC = "130790199", "130784507"
MARSEILLE, HYERES = "130804289", "830210126"
SINCE = date(2026, 3, 1)


class Killed(BaseException):
    """The process dies here: nothing that follows is run."""


def put(folder: Path, grappe: Grappe | None = None) -> Path:
    """The registry folder of a gateway's, with one grappe."""
    grappe = grappe or example(GRAPPE)
    (folder / "grappes").mkdir(parents=True, exist_ok=True)
    (folder / "grappes" / f"{grappe.id}.json").write_bytes(write_grappe(grappe))
    return folder / "grappes"


@asynccontextmanager
async def registrar_of(folder: Path, clock: Any = None) -> AsyncIterator[Registrar]:
    """As a process that opens this folder."""
    journal: Journal = open_journal(folder)
    try:
        yield Registrar.of(journal, clock or HandClock())
    finally:
        await journal.close()


def with_essms(grappe: Grappe, finess_et: str, **changes: Any) -> Grappe:
    return replace(grappe, essms=tuple(replace(one, **changes) if one.finess_et == finess_et else one for one in grappe.essms))


def with_mailbox(grappe: Grappe, address: str, finess_et: str = LES_CARMES) -> Grappe:
    essms = the(grappe, finess_et)
    return with_essms(grappe, finess_et, mailboxes=(*essms.mailboxes, Mailbox(address, SINCE)))


def the(grappe: Grappe, finess_et: str) -> Essms:
    found = grappe.find(finess_et)
    assert found is not None
    return found


def noted(folder: Path) -> list[dict[str, Any]]:
    """The details of the registry's admin entries, the oldest first."""
    bodies = rows(folder, "SELECT body FROM entries WHERE kind = 'admin' ORDER BY pos")
    details = [orjson.loads(body)["detail"] for (body,) in bodies]
    return [one for one in details if one["action"] == "registry"]
