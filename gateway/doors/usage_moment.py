"""One moment of the journal and of the registry, from which an answer and its tag are both made (design §6)."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway.access.rights import Key
from gateway.access.sight import within
from gateway.doors.journal_asked import Problem
from gateway.doors.usage_asked import AskedDetail, AskedRates, still_moving, tag_of
from gateway.exports.assembling import SOFTWARE, assembled
from gateway.exports.edition import Edition
from gateway.exports.naming import warning_of
from gateway.exports.standing import before_exports
from gateway.grappes.model import Grappe
from gateway.grappes.reading import RegistryError
from gateway.grappes.registry import Registry
from gateway.grappes.versions import load_version, sha256_of
from gateway.journal.connection import Connection
from gateway.journal.filters import is_within
from gateway.journal.proof.register import RegisterError
from gateway.journal.proof.snapshot import snapshot_root
from gateway.usage.counting import Counting, Slot
from gateway.usage.explain import explain
from gateway.usage.indicators import SOCLE
from gateway.usage.measure import DEFINITION_VERSION, Measure
from gateway.usage.parts import Vector
from gateway.usage.rates import Asked, NoSuchVersion, NotReproduced, answer


@dataclass(frozen=True, slots=True)
class Content:
    """An answer. ``name``: of its file, when it is one."""

    body: bytes
    name: str = ""


class Moment:
    """What one key may know of it. ``registry`` may be the gateway's own: it is read once.

    Raises Problem from every method.
    """

    def __init__(
        self, journal: Connection, folder: Path, registry: Registry, environment: str, now: datetime, key: Key
    ) -> None:
        self._db, self._folder, self._environment, self._now, self._key = journal, folder, environment, now, key
        self._registry = Registry(registry.grappes.values())
        self._vector = before_exports(journal)
        self._root = _root(folder, self._vector)

    def tag(self, asked: AskedRates | AskedDetail, form: str) -> str:
        """Of a closed version, what was asked says it all; of the latest, everything that it is a function of."""
        question = [asked.model_dump(mode="json"), self._environment, self._key.grappes is None]
        if asked.version is not None:
            return tag_of(SOFTWARE, DEFINITION_VERSION, form, question)
        registry = sha256_of(self._registry.grappe(asked.grappe))
        return tag_of(SOFTWARE, DEFINITION_VERSION, form, question, registry, self._vector, self._root,
                      still_moving(self._now, asked.end))  # fmt: skip

    def rates(self, asked: AskedRates, *, whole: bool = False) -> list[Measure]:
        """The measures that are asked; ``whole``: with the digests of their detail, breakdown and trend, as files have them."""
        question = Asked(
            self._environment, self._now, start=asked.first_month, months=asked.months, month=asked.month, version=asked.version,
            vector=self._vector, digests=whole, breakdown=whole, trend=whole, snapshot_root=self._root,
        )  # fmt: skip
        found = self._measures(question, asked.grappe)
        if self._key.grappes is None:
            return found
        return [replace(row, unattributed=None) for row in found]  # a count of the environment, other grappes' calls included

    def edition(self, asked: AskedRates) -> Edition:
        """What a file is of, in the version of the registry with which its measures were made."""
        found = self.rates(asked, whole=True)
        return assembled(self._db, self._version(asked.grappe, found[-1].registry_version), found)

    def detail(self, asked: AskedDetail) -> dict[str, Any]:
        """The entries of one numerator that the key may see, and those beside it."""
        if asked.indicateur not in SOCLE:
            raise Problem("parametre", "Seuls IND-MSS-01 et IND-DMP-01 se comptent au journal.", parametres=["indicateur"])
        question = Asked(
            self._environment, self._now, start=asked.first_month, month=asked.month, version=asked.version, digests=False,
            vector=self._vector, indicators=[asked.indicateur], snapshot_root=self._root,
        )  # fmt: skip
        found = [row for row in self._measures(question, asked.grappe) if row.finess_et == asked.finess_et]
        if not found:
            raise Problem("entree", "Cet établissement n'est pas mesuré dans cette fenêtre.")
        row = found[0]
        counting = Counting(self._db, self._environment, row.vector)
        opened = explain(counting, self._folder, Slot(asked.indicateur, asked.finess_et, row.window))
        places = within(self._key, self._registry)
        lines = [
            line.item() for line in opened.lines
            if places is None or is_within({"finess_et": asked.finess_et, "event_time": line.event_time}, places)
        ]  # fmt: skip
        others = opened.others if places is None else None  # of the whole environment
        return {
            "simulated": row.simulated, "avertissement": warning_of([row]), "measure": row.item(),
            "numerator": opened.numerator, "lines": lines, "others": others,
        }  # fmt: skip

    def _measures(self, asked: Asked, grappe: str) -> list[Measure]:
        found = _answered(lambda: answer(self._db, self._registry, asked, grappe, self._version))
        if not found:
            raise Problem("parametre", "Aucune fenêtre de mesure ne finit ce mois-là.", parametres=["mois"])
        return found

    def _version(self, grappe: str, number: int | None) -> Grappe:
        if number is None or number == self._registry.version_of(grappe):
            return self._registry.grappe(grappe)
        return load_version(self._folder / "grappes", grappe, number)


def _root(folder: Path, vector: Vector) -> str | None:
    """Root of the last snapshot inside the vector."""
    try:
        return snapshot_root(folder, dict(vector))
    except RegisterError:
        raise Problem("illisible", "Les points de contrôle du journal se contredisent : prévenez l'exploitant.") from None


def _answered(ask: Callable[[], list[Measure]]) -> list[Measure]:
    try:
        return ask()
    except NoSuchVersion as error:
        last = f"la dernière close est la version {error.known}" if error.known else "aucune version n'y est close"
        raise Problem("version", f"Cette fenêtre n'a pas cette version : {last}.") from None
    except (NotReproduced, RegistryError):
        told = "Le journal ne redonne pas cette version : demandez à l'exploitant un socle usage recount."
        raise Problem("non-reproduite", told) from None
    except ValueError:
        raise Problem("parametre", "Ces mois ne font pas des fenêtres de mesure.", parametres=["from", "months"]) from None
