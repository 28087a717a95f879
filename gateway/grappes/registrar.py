"""Who changes the registry: one change at a time, each with its entry, in force for the doors at once (decision 0030)."""
from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from connectors.wire.clock import Clock
from gateway.grappes import denominators, versions
from gateway.grappes.change_model import ChangeModel
from gateway.grappes.changes import apply_all
from gateway.grappes.differences import Difference, compare
from gateway.grappes.model import Grappe
from gateway.grappes.reading import RegistryError, check_grappe
from gateway.grappes.registry import Registry
from gateway.journal.authors import is_author
from gateway.journal.journal import Journal
from gateway.journal.record import JournalFull, Named, Record

log = logging.getLogger(__name__)

BY_HAND = "fichier"  # who changed a current file without saying it
_PARIS = ZoneInfo("Europe/Paris")


class Conflict(RegistryError):
    """Somebody changed the grappe since it was read; ``version`` is the one in force, 0 when there is none."""

    def __init__(self, grappe_id: str, expected: int, version: int) -> None:
        now = f"elle en est à la version {version}" if version else "elle n'existe pas"
        said = f"Grappe « {grappe_id} » : vous partez de la version {expected}, {now}"
        super().__init__(f"{said}. Rien n'a été changé : relisez-la, puis recommencez.")
        self.version = version


@dataclass(frozen=True, slots=True)
class Saved:
    """What became of one grappe. No codes: it said the same already, there is no new version."""

    grappe: str
    version: int
    sha256: str
    difference: Difference

    def item(self) -> dict[str, Any]:
        """As the admin entry has it."""
        return {
            "grappe": self.grappe, "version": self.version, "sha256": self.sha256,
            "change": list(self.difference.codes), "touched": [one.item() for one in self.difference.touched],
        }  # fmt: skip


@dataclass(slots=True)
class Registrar:
    """``registry`` is the one that the doors use; ``folder`` that of the current files, in the gateway's folder."""

    journal: Journal
    clock: Clock
    folder: Path
    registry: Registry
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _under_way: set[asyncio.Task[list[Saved]]] = field(default_factory=set)

    @classmethod
    def of(cls, journal: Journal, clock: Clock) -> Registrar:
        """For a process that holds the journal and has no doors. Raises RegistryError."""
        folder = journal.folder / "grappes"
        return cls(journal, clock, folder, Registry.load(folder))

    @property
    def today(self) -> date:
        return today_of(self.clock)

    async def change(
        self, grappe_id: str, make: Callable[[Grappe], Grappe], *, by: str, why: str | None = None, expected: int | None = None
    ) -> Saved:
        """A new version of one grappe, made from the one in force. Raises as ``save``."""
        [saved] = await self._shielded(lambda: [make(self.registry.grappe(grappe_id))], by, why, _only(grappe_id, expected))
        return saved

    async def change_all(
        self, ask: Callable[[Registry], Mapping[str, Sequence[ChangeModel]]], *, by: str, why: str | None = None
    ) -> list[Saved]:
        """New versions of the grappes that ``ask`` wants changed, read from the registry in force, all or none.

        Raises as ``save``, and whatever ``ask`` raises.
        """

        def make() -> list[Grappe]:
            return [apply_all(self.registry.grappe(name), changes) for name, changes in ask(self.registry).items()]

        return await self._shielded(make, by, why, {})

    async def save(
        self, grappes: Sequence[Grappe], *, by: str, why: str | None = None, expected: Mapping[str, int] | None = None
    ) -> list[Saved]:
        """New versions of these grappes, all or none; ``registry_version`` is given here.

        by        a body or a role, in lower case: it stays in the entry for ever
        why       free text, kept sealed
        expected  by grappe, the version that the caller started from; 0: the grappe must not exist yet
        Raises Conflict, RegistryError, JournalFull, JournalStopped.
        """
        return await self._shielded(lambda: list(grappes), by, why, expected or {})

    async def adopt(self) -> list[Saved]:
        """Make versions of what was changed by hand in the current files, keep the first version of new ones, and bring
        forward the files of those that a dead process left behind. Without room, the next start does it."""
        async with self._turn:
            try:
                saved = await self._commit(await asyncio.to_thread(self._by_hand), BY_HAND, None)
            except (JournalFull, OSError) as error:
                log.warning("registry_not_adopted", extra={"error": type(error).__name__})
                return []
            await asyncio.to_thread(self._put_forward, self._versioned())
            return saved

    async def _shielded(
        self, make: Callable[[], list[Grappe]], by: str, why: str | None, expected: Mapping[str, int]
    ) -> list[Saved]:
        """Whoever leaves meanwhile: a version whose entry may be written is always brought to its end."""
        task = asyncio.ensure_future(self._save(make, by, why, expected))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

    async def _save(self, make: Callable[[], list[Grappe]], by: str, why: str | None, expected: Mapping[str, int]) -> list[Saved]:
        if not is_author(by):
            raise RegistryError(f"Auteur « {by} » refusé : un organisme ou un rôle, en minuscules, chiffres, point ou tiret.")
        async with self._turn:
            for name, number in expected.items():
                version = self.registry.version_of(name) if name in self.registry.grappes else 0
                if number != version:
                    raise Conflict(name, number, version)
            prepared = [self._prepared(one) for one in make()]
            return await self._commit(prepared, by, why)

    def _prepared(self, grappe: Grappe) -> tuple[Grappe, Difference]:
        old = self.registry.grappes.get(versions.check_id(grappe.id))
        difference = compare(old, check_grappe(grappe))
        denominators.check(old, grappe, self.today)
        number = (old.registry_version if old is not None else 0) + (1 if difference.codes else 0)
        return replace(grappe, registry_version=number), difference

    def _by_hand(self) -> list[tuple[Grappe, Difference]]:
        said, found = versions.noted(self.journal.folder), []
        for one in self._versioned():
            number = said[one.id].version if one.id in said else one.registry_version
            if number not in versions.kept(self.folder, one.id):
                versions.keep(self.folder, replace(one, registry_version=number))
                continue
            before = versions.load_version(self.folder, one.id, number)
            if before != one:
                difference = compare(before, one)
                codes = tuple(sorted({*difference.codes, "fichier_modifie"}))
                found.append((replace(one, registry_version=number + 1), Difference(codes, difference.touched)))
        return found

    def _versioned(self) -> list[Grappe]:
        """A file whose identifier is older than the rule can be read, and not changed."""
        return [one for one in self.registry.grappes.values() if versions.may_name(one.id)]

    async def _commit(self, prepared: list[tuple[Grappe, Difference]], by: str, why: str | None) -> list[Saved]:
        saved = [Saved(one.id, one.registry_version, versions.sha256_of(one), difference) for one, difference in prepared]
        new = [one for one, difference in prepared if difference.codes]
        if not new:
            return saved
        everything = Registry((self.registry.grappes | {one.id: one for one in new}).values())
        await asyncio.to_thread(self._keep, new)
        try:
            await self.journal.write(*(self._record(one, by, why) for one in saved if one.difference.codes))
        except (JournalFull, ValueError):
            for one in new:
                versions.drop(self.folder, one)
            raise
        self.registry.use(everything)
        await asyncio.to_thread(self._put_forward, new)
        return saved

    def _keep(self, new: list[Grappe]) -> None:
        for one in new:
            old = self.registry.grappes.get(one.id)
            if old is not None and old.registry_version not in versions.kept(self.folder, old.id):
                versions.keep(self.folder, old)
            versions.keep(self.folder, one)

    def _put_forward(self, new: list[Grappe]) -> None:
        for one in new:
            try:
                versions.put_forward(self.folder, one)
            except OSError as error:  # the entry is written: the version is in force, and the next start copies its file
                log.warning("registry_not_put_forward", extra={"version": one.registry_version, "error": type(error).__name__})

    def _record(self, saved: Saved, by: str, why: str | None) -> Record:
        detail = {"action": versions.ACTION, "by": by, **saved.item()}
        if why is not None:
            detail["why"] = Named("label", why)
        return self.journal.admin(detail)


def today_of(clock: Clock) -> date:
    """The day in Paris, by business time."""
    return clock.business().astimezone(_PARIS).date()


def _only(grappe_id: str, expected: int | None) -> dict[str, int]:
    return {} if expected is None else {grappe_id: expected}
