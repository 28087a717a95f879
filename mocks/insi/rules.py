"""The switches of the INSi mock: the optional ``insi`` object of sandbox.json (insi §9.4; docs/insi.md)."""
from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from mocks.sandbox.latency import Latency

UnknownPerson = Literal["cr01", "insi_102", "desir_1020"]
Style = Literal["live", "clean"]
ErrorCode = Literal["insi_102", "insi_111", "desir_1020"]

FIELD = "terrain"
#: Answers of the qualification service, and what a year of calls got in the field (insi §3.3, §8, §9.4).
FIELD_LATENCY = Latency("lognormal", median_s=0.45, p95_s=0.8, cap_s=5.0)

_HOUR = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_MAX_S = 30 * 24 * 3600.0
_ROUNDING = 1e-6


class InvalidSwitch(ValueError):
    """A switch that does not exist or a value that it does not take; the text is French."""

    def __init__(self, name: str, expected: str) -> None:
        super().__init__(f"sandbox.json, objet insi : {name} {expected}.")


@dataclass(frozen=True, slots=True)
class Mix:
    """Shares of the searches that are answered CR 00, 01 and 02."""

    found: float
    nobody: float
    several: float

    def code(self, drawn: float) -> str | None:
        """What a search that found one person is told instead; None for the truth. ``drawn``: 0 to 1."""
        if drawn < self.several:
            return "CR02"
        return "CR01" if drawn < self.several + self.nobody else None


FIELD_MIX = Mix(0.752, 0.244, 0.004)


@dataclass(frozen=True, slots=True)
class Window:
    """Every day from ``start`` to ``end``, HH:MM of Paris, over midnight when it ends before it starts."""

    start: str
    end: str

    def holds(self, hour: str) -> bool:
        inside = self.start <= hour, hour < self.end
        return all(inside) if self.start <= self.end else any(inside)


@dataclass(frozen=True, slots=True)
class Rules:
    """What docs/insi.md says of each.

    strict          refuse what the real service lets pass: names that are not normalised, contexts and assertions out of form
    any_token       a single first name other than the first one matches too
    unknown_person  what a person who does not exist gets; the real qualification service has given all three (insi §6.4)
    slow_s          how long the birth name LENT waits
    style           of the answers: prefixes of the live service, or one for each namespace
    psc_token       an assertion of Pro Santé Connect needs an access token beside it
    batch_delay_s   business time that a lot takes
    error_rate      share of the calls that get ``error_code``
    latency         how long each answer takes
    cr_mix          shares of the answers to searches
    maintenance     when the service is away
    """

    strict: bool = False
    any_token: bool = False
    unknown_person: UnknownPerson = "cr01"
    slow_s: float = 4.0
    style: Style = "live"
    psc_token: bool = True
    batch_delay_s: float = 0.0
    error_rate: float = 0.0
    error_code: ErrorCode = "insi_102"
    latency: Latency | None = None
    cr_mix: Mix | None = None
    maintenance: Window | None = None

    @classmethod
    def from_json(cls, wanted: Any) -> Rules:
        """Raises InvalidSwitch."""
        if not isinstance(wanted, Mapping):
            raise InvalidSwitch("sa valeur", "est un objet")
        for name in wanted:
            if name not in _READERS:
                raise InvalidSwitch(f"réglage inconnu « {name} » ; attendus", f": {', '.join(_READERS)}")
        return cls(**{name: _READERS[name](name, value) for name, value in wanted.items()})


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidSwitch(name, "vaut true ou false")
    return value


def _one_of(choices: tuple[str, ...]) -> Callable[[str, Any], Any]:
    def read(name: str, value: Any) -> Any:
        if value not in choices:
            raise InvalidSwitch(name, f"vaut {', '.join(choices)}")
        return value

    return read


def _number(name: str, value: Any, most: float, *, least: float = 0.0) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise InvalidSwitch(name, f"vaut un nombre de {least:g} à {most:g}")
    return float(value)


def _seconds(name: str, value: Any) -> float:
    return _number(name, value, _MAX_S)


def _share(name: str, value: Any) -> float:
    return _number(name, value, 1.0)


def _keys(name: str, value: Any, keys: tuple[str, ...], or_field: str = f" ou « {FIELD} »") -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or set(value) != set(keys):
        raise InvalidSwitch(name, f"vaut un objet de clés {', '.join(keys)}{or_field}, ou null")
    return value


def _latency(name: str, value: Any) -> Latency | None:
    if value in (None, FIELD):
        return FIELD_LATENCY if value else None
    keys = _keys(name, value, ("median_s", "p95_s", "cap_s"))
    seconds = {key: _number(f"{name}.{key}", keys[key], 600.0, least=0.001) for key in ("median_s", "p95_s", "cap_s")}
    if seconds["p95_s"] < seconds["median_s"]:
        raise InvalidSwitch(name, "a un p95_s plus petit que median_s")
    return Latency("lognormal", **seconds)


def _mix(name: str, value: Any) -> Mix | None:
    if value in (None, FIELD):
        return FIELD_MIX if value else None
    codes = _keys(name, value, ("00", "01", "02"))
    mix = Mix(*(_share(f"{name}.{code}", codes[code]) for code in ("00", "01", "02")))
    if abs(mix.found + mix.nobody + mix.several - 1) > _ROUNDING:
        raise InvalidSwitch(name, "a des parts dont la somme n'est pas 1")
    return mix


def _window(name: str, value: Any) -> Window | None:
    if value is None:
        return None
    hours = _keys(name, value, ("de", "a"), or_field="")
    if not all(isinstance(hour, str) and _HOUR.fullmatch(hour) for hour in hours.values()) or hours["de"] == hours["a"]:
        raise InvalidSwitch(name, "vaut deux heures différentes, HH:MM à Paris")
    return Window(hours["de"], hours["a"])


_READERS: dict[str, Callable[[str, Any], Any]] = {
    "strict": _flag, "any_token": _flag, "unknown_person": _one_of(get_args(UnknownPerson)), "slow_s": _seconds,
    "style": _one_of(get_args(Style)), "psc_token": _flag, "batch_delay_s": _seconds, "error_rate": _share,
    "error_code": _one_of(get_args(ErrorCode)), "latency": _latency, "cr_mix": _mix, "maintenance": _window,
}  # fmt: skip
