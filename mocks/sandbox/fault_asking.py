"""A fault as the control API or a test asks for it: its fields, read one by one. What may be armed: fault_rules.py."""
from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, get_args

from mocks.sandbox.fault import Fault, Injected, Kind
from mocks.sandbox.fault_rules import MAX_CALLS, MAX_DELAY_S, InvalidFault, check, listed, refused
from mocks.sandbox.latency import Latency, LawName

_FIELDS = frozenset({
    "id", "operation", "kind", "value", "for_next", "for_s", "delay_s", "rate", "seed", "tenant", "caller", "person", "step",
    "law", "min_s", "max_s", "median_s", "p95_s", "cap_s", "bytes_per_s", "retry_after_s",
})  # fmt: skip


def parse_fault(wanted: Any, *, default_id: str, answer: Injected | None = None) -> Fault:
    """Check the fields of a fault; raises InvalidFault. ``answer``: of an injection. A number that its kind does not read is
    left aside."""
    if not isinstance(wanted, Mapping):
        raise InvalidFault("Panne illisible : un objet JSON est attendu.")
    kind = _text(wanted, "kind")
    if kind not in get_args(Kind) or (kind == "injection") != (answer is not None):
        raise refused(f"« kind » vaut {listed(get_args(Kind)[:-1])}, pas « {kind[:40]} ».")
    unknown = sorted(set(wanted) - _FIELDS)
    if unknown:
        raise refused(f"champ inconnu « {str(unknown[0])[:40]} ».")
    fault = _read(wanted, default_id, answer)
    check(fault)
    return fault


def _read(wanted: Mapping[str, Any], default_id: str, answer: Injected | None) -> Fault:
    for_s, kind = _number(wanted, "for_s"), wanted["kind"]
    return Fault(
        id=_text(wanted, "id", default_id),
        operation=_text(wanted, "operation"),
        kind=kind,
        value=str(wanted.get("value", "")),
        # Armed for a time only: as many calls as come.
        for_next=_whole(wanted, "for_next", 1 if for_s is None else MAX_CALLS),
        delay_s=_number(wanted, "delay_s", 0.0),
        rate=_number(wanted, "rate", 1.0),
        for_s=for_s,
        step=_text(wanted, "step", ""),
        latency=_latency(wanted) if kind == "latency" else None,
        bytes_per_s=_whole(wanted, "bytes_per_s") if kind == "bandwidth" else None,
        retry_after_s=_whole(wanted, "retry_after_s") if kind == "status" else None,
        seed=_whole(wanted, "seed"),
        tenant=_maybe(wanted, "tenant"),
        caller=_maybe(wanted, "caller"),
        person=_maybe(wanted, "person"),
        answer=answer,
    )


def _latency(wanted: Mapping[str, Any]) -> Latency:
    """Raises InvalidFault when the law has not its own numbers, in order."""
    law = _text(wanted, "law", "fixed")
    if law == "fixed":
        numbers: dict[str, float | None] = {"min_s": _number(wanted, "delay_s")}
    elif law == "uniform":
        numbers = {name: _number(wanted, name) for name in ("min_s", "max_s")}
    elif law == "lognormal":
        numbers = {name: _number(wanted, name) for name in ("median_s", "p95_s", "cap_s")}
    else:
        raise refused(f"« law » vaut {listed(get_args(LawName))}, pas « {law[:40]} ».")
    given = [number for number in numbers.values() if number is not None]
    above_zero = law != "lognormal" or all(given)  # a logarithm is taken
    if len(given) != len(numbers) or given != sorted(given) or given[-1] > MAX_DELAY_S or given[0] < 0 or not above_zero:
        expected = {"fixed": "delay_s", "uniform": "min_s et max_s", "lognormal": "median_s, p95_s et cap_s, plus grands que 0"}
        raise refused(f"la loi « {law} » demande {expected[law]}, croissants, d'au plus 3600 secondes.")
    return Latency(law, **numbers)  # type: ignore[arg-type]


# --- fields ---------------------------------------------------------------------------------------------------------------


def _text(wanted: Mapping[str, Any], name: str, default: str | None = None) -> str:
    value = wanted.get(name)
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        raise refused(f"« {name} » est attendu, en texte (operation, kind).")
    return value


def _maybe(wanted: Mapping[str, Any], name: str) -> str | None:
    return None if wanted.get(name) is None else _text(wanted, name)


def _number(wanted: Mapping[str, Any], name: str, default: float | None = None) -> Any:
    """A finite number, or the default when it is absent."""
    value = wanted.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise refused(f"« {name} » est un nombre.")
    return float(value)


def _whole(wanted: Mapping[str, Any], name: str, default: int | None = None) -> Any:
    value = wanted.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 1 << 63:
        raise refused(f"« {name} » est un nombre entier.")
    return value
