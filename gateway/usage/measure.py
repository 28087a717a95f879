"""One measure: integers, and what they say (programme-indicateurs §6.1). Rounding exists for display only."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from gateway.usage.parts import (
    STANDARD,
    Breakdown,
    Cause,
    Closing,
    External,
    Frozen,
    Options,
    Past,
    Projection,
    Vector,
    tenths_of,
)
from gateway.usage.periods import Window

#: hors_champ: an AHI structure that SONS does not fund has no MSSanté nor DMP target (programme-indicateurs §1).
Status = Literal["provisoire", "calcule", "non_calculable", "hors_champ"]
Level = Literal["essms", "og", "grappe"]
#: ouvert: the window runs; en_cloture: it ended, in doubt or not yet recorded; clos: this version is an entry of the journal.
State = Literal["ouvert", "en_cloture", "clos"]
Source = Literal["journal", "extraction", "declaration"]
PRODUCTION = "production"
#: Of the counting rules (programme-indicateurs §6.1); it changes when the same journal would give another number.
DEFINITION_VERSION = "1"
#: First line of everything that leaves an environment other than production.
SIMULATED = "DONNÉES SIMULÉES : résultats inventés par un bac à sable, sans rapport avec l'activité réelle des établissements"


@dataclass(frozen=True, slots=True)
class Measure:
    """The rate of one indicator in one window, at one ``level``: an ESSMS, its legal entity (``finess_et`` None, ``finess_ej``
    given) or the whole grappe (both None). Legal entity and grappe are ratios of sums.

    in_doubt      units that would be added if every call in doubt turned out to have succeeded
    denominator   persons; None when nobody declared a number, and then the measure is non_calculable
    failures      calls of the indicator's operation, in the window, that the service or the gateway did not accept
    unattributed  accepted calls that belong to no ESSMS, environment-wide; given with the grappe only
    detail_sha256 hex digest of the counted rows, one line ``unit_ref event_time log seq`` each, in that order
    calculable, members  how many ESSMS are inside the sums, out of how many
    finess_statut, finess_saisi  how sure the number of the ESSMS is, and what its source wrote; None for the grappe
    source, source_detail        of the numerator, and which extraction or declaration that was (French)
    contractual   whether the grappe's convention judges the target at this level
    state, version, causes       design §6; version n > 1 says why it is not version n - 1
    vector, registry_version     what this measure is a function of, with the rules; ``snapshot_root`` when the log is proved
    as_of         time of the last entry of the vector: the date of what is exported, whenever that is done
    border        counted units with an estimated time less than a day from a border of the window (« à la frontière »)
    breakdown     None unless asked for: it opens every counted entry
    frozen        what cannot be opened any more: its entries left, the integers are those of before
    trend         up to three windows, the oldest first, this one last
    """

    grappe: str
    finess_et: str | None
    finess_ej: str | None
    name: str
    indicator: str
    window: Window
    numerator: int
    in_doubt: int
    denominator: int | None
    denominator_label: str
    denominator_since: date | None
    target: int
    status: Status
    environment: str
    failures: int
    unattributed: int | None
    detail_sha256: str
    calculable: int
    members: int
    finess_statut: str | None = None
    finess_saisi: str | None = None
    level: Level = "essms"
    contractual: bool = False
    source: Source = "journal"
    source_detail: str | None = None
    denominator_source: str | None = None
    denominator_statut: str | None = None
    state: State = "ouvert"
    version: int = 1
    causes: tuple[Cause, ...] = ()
    closing: Closing | None = None
    vector: Vector = ()
    snapshot_root: str | None = None
    registry_version: int | None = None
    definition_version: str = DEFINITION_VERSION
    options: Options = STANDARD
    as_of: datetime | None = None
    border: int = 0
    breakdown: Breakdown | None = None
    projection: Projection | None = None
    external: External | None = None
    trend: tuple[Past, ...] = ()
    frozen: Frozen | None = None

    @property
    def simulated(self) -> bool:
        return self.environment != PRODUCTION

    @property
    def reached(self) -> bool | None:
        """100 x numerator >= target x denominator, on integers: 69.96 % shows as 70.0 and is not reached."""
        return None if not self._judged else 100 * self.numerator >= self.target * (self.denominator or 0)

    @property
    def needed(self) -> int | None:
        """The least numerator that reaches the target: ceil(target x denominator / 100)."""
        return None if not self._judged else -(-self.target * (self.denominator or 0) // 100)

    @property
    def remaining(self) -> int | None:
        """Units still missing to reach the target; 0 once it is reached."""
        return None if self.needed is None else max(0, self.needed - self.numerator)

    @property
    def gap(self) -> int | None:
        """What somebody else counted, minus what we count; neither corrects the other."""
        return None if self.external is None else self.external.count - self.numerator

    @property
    def _judged(self) -> bool:
        return bool(self.denominator) and self.status != "hors_champ"

    @property
    def tenths(self) -> int | None:
        """The rate in tenths of a percent, rounded half up; for display."""
        return tenths_of(self.numerator, self.denominator)

    @property
    def rate(self) -> float | None:
        """The rate in percent with one decimal; for display."""
        return None if self.tenths is None else self.tenths / 10

    def item(self) -> dict[str, Any]:
        """The JSON item of design §9. ``period_end`` is the last day of the window, included."""
        return {
            "grappe": self.grappe,
            "finess_et": self.finess_et,
            "indicator": self.indicator,
            "window": self.window.kind,
            "period_start": self.window.start.isoformat(),
            "period_end": self.window.last_day.isoformat(),
            "numerator": self.numerator,
            "in_doubt": self.in_doubt,
            "denominator": self.denominator,
            "rate": self.rate,
            "target": self.target,
            "reached": self.reached,
            "status": self.status,
            "environment": self.environment,
            "simulated": self.simulated,
            "denominator_label": self.denominator_label,
            "level": self.level,
            "finess_ej": self.finess_ej,
            "contractual": self.contractual,
            "source": self.source,
            "source_detail": self.source_detail,
            "state": self.state,
            "version": self.version,
            "causes": [cause.item() for cause in self.causes],
            "vector": [list(size) for size in self.vector],
            "snapshot_root": self.snapshot_root,
            "registry_version": self.registry_version,
            "definition_version": self.definition_version,
            "options": self.options.item(),
            "as_of": None if self.as_of is None else self.as_of.isoformat(),
            "failures": self.failures,
            "unattributed": self.unattributed,
            "border": self.border,
            "needed": self.needed,
            "remaining": self.remaining,
            "projection": None if self.projection is None else self.projection.item(),
            "external": None if self.external is None else self._external(),
            "breakdown": None if self.breakdown is None else self.breakdown.item(),
            "detail_sha256": self.detail_sha256,
            "frozen": None if self.frozen is None else self.frozen.item(),
            "trend": [past.item() for past in self.trend],
        }

    def _external(self) -> dict[str, Any]:
        assert self.external is not None
        received = self.external.received
        return {
            "count": self.external.count, "origin": self.external.origin, "gap": self.gap,
            "received": None if received is None else received.isoformat(),
        }  # fmt: skip


def last_rows(measures: Sequence[Measure], finess_et: str) -> list[Measure]:
    """The measures of an ESSMS in its last window."""
    mine = [row for row in measures if row.finess_et == finess_et]
    end = max((row.window.end for row in mine), default=None)
    return [row for row in mine if row.window.end == end]
