"""INS that came from a partner, as the DUI declares them: nothing that brings one passes by the gateway where it can be read."""
from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from gateway.conformance.model import Run
from gateway.conformance.rules.ins_steps import Domain, Step


class Received:
    """``known``: whether the DUI declared its exchanges of INS, and the journal's keys can be read to recognise them."""

    UNKNOWN: ClassVar[str] = "aucun échange d'INS n'a été donné (--declared, echanges_ins)"

    def __init__(self, run: Run) -> None:
        rows = (run.declared or {}).get("echanges_ins")
        self.known = rows is not None and run.key is not None
        self.first: dict[str, datetime] = {}
        self._own: set[tuple[Domain, str]] = set()
        for row in rows or ():
            self._take(run, row)

    def _take(self, run: Run, row: Mapping[str, Any]) -> None:
        if row["sens"] == "recue" and run.key is not None:
            ins, at = run.key("ins", row["matricule"]), datetime.fromisoformat(row["date"])
            self.first[ins] = min(at, self.first.get(ins, at))

    def note(self, step: Step) -> None:
        """What the domain has from INSi itself is its own from then on."""
        self._own.update((step.domain, ins) for ins in {*step.found, *step.holds})

    def own(self, step: Step, ins: str) -> bool:
        return (step.domain, ins) in self._own

    def only(self, step: Step, ins: str) -> bool:
        """Whether at this step the domain has this INS from a partner and from nobody else."""
        return ins in self.first and self.first[ins] <= step.at and not self.own(step, ins)
