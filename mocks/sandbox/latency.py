"""How long an answer waits, drawn from a law: fixed, uniform, or log-normal with a cap. No clock: a generator in, seconds out."""
from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Literal

LawName = Literal["fixed", "uniform", "lognormal"]

_Z95 = 1.6448536269514722  # 95 % of a standard normal law lie below


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds. fixed: ``min_s`` · uniform: ``min_s`` to ``max_s`` · lognormal: ``median_s``, ``p95_s``, never over ``cap_s``."""

    law: LawName
    min_s: float | None = None
    max_s: float | None = None
    median_s: float | None = None
    p95_s: float | None = None
    cap_s: float | None = None

    def draw(self, generator: random.Random) -> float:
        if self.law == "lognormal":
            assert self.median_s is not None and self.p95_s is not None and self.cap_s is not None
            sigma = math.log(self.p95_s / self.median_s) / _Z95
            return min(self.cap_s, generator.lognormvariate(math.log(self.median_s), sigma))
        assert self.min_s is not None
        return self.min_s if self.max_s is None else generator.uniform(self.min_s, self.max_s)
