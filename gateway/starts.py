"""How a gateway starts: one admin entry when it is not set as it was the last time (design §5, « settings »).

The entry holds every setting, so that any later reader knows under which ones a call was recorded. Settings are numbers,
codes and names of tenants: none is a secret, and the data folder, which may name somebody, is left out.
"""
from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from importlib import metadata
from typing import Any

from gateway.journal.journal import Journal
from gateway.journal.query import JournalReader
from gateway.journal.record import JournalFull
from gateway.settings import Settings

log = logging.getLogger(__name__)

ACTION = "settings"
_NOT_SAID = {"data"}
_ABSENT = object()


def values_of(settings: Settings, tenants: Iterable[str]) -> dict[str, Any]:
    """Every setting by its name, with the version of Socle and the tenants it knows; exact, as an entry wants them."""
    said = settings.model_dump(mode="json", exclude=_NOT_SAID)
    return {name: _exact(value) for name, value in said.items()} | {
        "tenants": sorted(tenants), "version": metadata.version("socle"),
    }  # fmt: skip


def changed(before: dict[str, Any] | None, now: dict[str, Any]) -> list[str]:
    """The names whose values differ, those that came or went included; every name the first time."""
    before = before or {}
    return sorted(name for name in before.keys() | now.keys() if before.get(name, _ABSENT) != now.get(name, _ABSENT))


async def note_start(journal: Journal, settings: Settings, tenants: Iterable[str]) -> list[str]:
    """Write the entry if there is something to say; the names that changed. Without room, the next start says it."""
    now = values_of(settings, tenants)
    names = changed(await asyncio.to_thread(_last, journal), now)
    if names:
        try:
            await journal.write(journal.admin({"action": ACTION, "by": "passerelle", "changed": names, "values": now}))
        except JournalFull:
            log.warning("settings_not_noted", extra={"changed": names})
    return names


def _last(journal: Journal) -> dict[str, Any] | None:
    with JournalReader(journal.folder) as reader:
        entry = reader.last_admin(ACTION)
    return None if entry is None else entry["detail"]["values"]


def _exact(value: Any) -> Any:
    """An entry holds no float: numbers that have a fraction are texts."""
    if isinstance(value, dict):
        return {str(name): _exact(item) for name, item in value.items()}
    if isinstance(value, float):
        return f"{value:g}"
    return value
