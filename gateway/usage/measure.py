"""One measure: integers, and what they say (programme-indicateurs §6.1). Rounding exists for display only."""
from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from gateway.usage.periods import Window

Status = Literal["provisoire", "calcule", "non_calculable"]
PRODUCTION = "production"
#: Of the counting rules (programme-indicateurs §6.1); it changes when the same journal would give another number.
DEFINITION_VERSION = "1"
#: First line of everything that leaves an environment other than production.
SIMULATED = "DONNÉES SIMULÉES : résultats inventés par un bac à sable, sans rapport avec l'activité réelle des établissements"


@dataclass(frozen=True, slots=True)
class Measure:
    """The rate of one indicator in one window, of one ESSMS or, when ``finess_et`` is None, of the whole grappe.

    in_doubt      units that would be added if every call in doubt turned out to have succeeded
    denominator   persons; None when nobody declared a number, and then the measure is non_calculable
    failures      calls of the indicator's operation, in the window, that the service or the gateway did not accept
    unattributed  accepted calls that belong to no ESSMS, environment-wide; given with the grappe only
    detail_sha256 hex digest of the counted rows, one line ``unit_ref event_time log seq`` each, in that order
    calculable, members  how many ESSMS are inside the sums, out of how many
    finess_statut, finess_saisi  how sure the number of the ESSMS is, and what its source wrote; None for the grappe
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

    @property
    def simulated(self) -> bool:
        return self.environment != PRODUCTION

    @property
    def reached(self) -> bool | None:
        """100 x numerator >= target x denominator, on integers: 69.96 % shows as 70.0 and is not reached."""
        return None if not self.denominator else 100 * self.numerator >= self.target * self.denominator

    @property
    def tenths(self) -> int | None:
        """The rate in tenths of a percent, rounded half up; for display."""
        return None if not self.denominator else (2000 * self.numerator + self.denominator) // (2 * self.denominator)

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
        }
