"""What may be armed: the rules of a fault as the control API or a test asks for it, each refusal in French with what to do."""
from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, get_args

from mocks.sandbox.codes import MAIL, codes_of, http_operations, operations, steps_of
from mocks.sandbox.fault import Fault, Injected, Kind
from mocks.sandbox.latency import Latency, LawName

MAX_CALLS = 1_000_000
MAX_DELAY_S, MAX_ARMED_S = 3600.0, 86_400.0
MALFORMED = ("truncated_part", "wrong_boundary", "wrong_content_type", "long_length")

#: A name goes into a header and a journal entry in clear: seven digits in a row would be somebody's (design §5.6).
_ID = re.compile(r"(?!.*[0-9]{7})[A-Za-z][A-Za-z0-9-]{0,63}")
_ENHANCED = re.compile(r"[45]\.[0-7]\.[0-9]{1,2}")
_MAX_SUBJECT = (0, 10, 4, 6, 7, 6, 10, 30)  # last detail of each subject that the registry of RFC 5248 holds

_FIELDS = frozenset({
    "id", "operation", "kind", "value", "for_next", "for_s", "delay_s", "rate", "seed", "tenant", "caller", "person", "step",
    "law", "min_s", "max_s", "median_s", "p95_s", "cap_s", "bytes_per_s", "retry_after_s",
})  # fmt: skip


class InvalidFault(ValueError):
    """The fault as asked for cannot be armed; the message is French, for whoever arms it."""


def _refused(why: str) -> InvalidFault:
    return InvalidFault(f"Panne refusée : {why}")


def parse_fault(wanted: Any, *, default_id: str, answer: Injected | None = None) -> Fault:
    """Check the fields of a fault; raises InvalidFault. ``answer``: of an injection. A number that its kind does not read is
    left aside."""
    if not isinstance(wanted, Mapping):
        raise InvalidFault("Panne illisible : un objet JSON est attendu.")
    kind = _text(wanted, "kind")
    if kind not in get_args(Kind) or (kind == "injection") != (answer is not None):
        raise _refused(f"« kind » vaut {_listed(get_args(Kind)[:-1])}, pas « {kind[:40]} ».")
    unknown = sorted(set(wanted) - _FIELDS)
    if unknown:
        raise _refused(f"champ inconnu « {str(unknown[0])[:40]} ».")
    fault = _read(wanted, default_id, answer)
    _check_reach(fault)
    _check_place(fault)
    _check_kind(fault)
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
        raise _refused(f"« law » vaut {_listed(get_args(LawName))}, pas « {law[:40]} ».")
    given = [number for number in numbers.values() if number is not None]
    above_zero = law != "lognormal" or all(given)  # a logarithm is taken
    if len(given) != len(numbers) or given != sorted(given) or given[-1] > MAX_DELAY_S or given[0] < 0 or not above_zero:
        expected = {"fixed": "delay_s", "uniform": "min_s et max_s", "lognormal": "median_s, p95_s et cap_s, plus grands que 0"}
        raise _refused(f"la loi « {law} » demande {expected[law]}, croissants, d'au plus 3600 secondes.")
    return Latency(law, **numbers)  # type: ignore[arg-type]


def _check_reach(fault: Fault) -> None:
    """How long, how many, how often, and whom."""
    if not _ID.fullmatch(fault.id):
        raise _refused(
            "« id » est fait de lettres, de chiffres et de tirets, commence par une lettre, a 64 caractères au "
            "plus et jamais sept chiffres de suite : il paraît au journal, et ne doit désigner personne."
        )
    if not (1 <= fault.for_next <= MAX_CALLS and 0 <= fault.delay_s <= MAX_DELAY_S and 0 < fault.rate <= 1):
        raise _refused("« for_next » va de 1 à 1000000, « delay_s » de 0 à 3600, « rate » de 0 exclu à 1.")
    if fault.for_s is not None and not 0 < fault.for_s <= MAX_ARMED_S:
        raise _refused("« for_s » est un nombre de secondes, de 0 exclu à 86400.")
    if fault.person is not None and fault.operation[:3] not in ("INS", "DMP", "MSS"):
        raise _refused("« person » n'existe que pour INS, DMP et MSS, dont les messages nomment une personne.")
    if fault.kind == "tls" and (fault.tenant or fault.caller or fault.person):
        raise _refused("« tls » se joue avant que tenant, caller ou person soient connus ; ne les donnez pas.")


def _check_place(fault: Fault) -> None:
    """Which operation, and where in it."""
    known = operations()
    service = fault.operation[:3]
    whole = fault.operation == f"{service}.*" and any(one.startswith(f"{service}.") for one in known) and service != MAIL
    if fault.operation not in known and not whole:
        raise _refused(
            f"opération inconnue « {fault.operation[:60]} » ; possibles : {_listed(known)}, ou SERVICE.* (sauf MSS)."
        )
    if fault.kind == "tls" and not whole and fault.operation != "MSS.SESSION_SMTP":
        known_later = "MSS.SESSION_SMTP" if service == MAIL else f"{service}.*"
        raise _refused(f"« tls » se joue avant que l'opération soit connue ; armez-la sur {known_later}.")
    if fault.kind in ("malformed", "injection") and service == MAIL:
        raise _refused(
            f"« {fault.kind} » change une réponse HTTP, et SMTP n'en a pas ; possibles : {_listed(http_operations())}."
        )
    if fault.operation == "MSS.SESSION_SMTP" and (fault.tenant or fault.caller or fault.person):
        raise _refused("une session SMTP s'ouvre avant que tenant, caller ou person soient connus ; armez MSS.SOUMISSION.")
    if fault.person is not None and fault.step == "mail":
        raise _refused("les destinataires ne sont pas connus à l'étape mail ; pour « person » : rcpt, data ou end.")
    if fault.step and fault.step not in steps_of(fault.operation):
        offered = _listed(steps_of(fault.operation)) or "aucune"
        raise _refused(f"étape inconnue « {fault.step[:20]} » pour {fault.operation} ; possibles : {offered}.")


def _check_kind(fault: Fault) -> None:
    """What it answers, or how."""
    match fault.kind:
        case "status" | "business" | "soap" if fault.operation.startswith(f"{MAIL}."):
            _check_smtp(fault)
        case "status":
            if not (fault.value.isascii() and fault.value.isdecimal() and 400 <= int(fault.value[:4]) <= 599):
                raise _refused("pour « status », « value » est un statut HTTP de 400 à 599.")
            if fault.retry_after_s is not None and not 0 <= fault.retry_after_s <= MAX_ARMED_S:
                raise _refused("« retry_after_s » est un nombre de secondes, de 0 à 86400.")
        case "business" | "soap":
            _check_code(fault, fault.value)
        case "malformed":
            _check_malformed(fault)
        case "bandwidth":
            if fault.bytes_per_s is None or not 1 <= fault.bytes_per_s <= 1_000_000_000:
                raise _refused("« bandwidth » demande « bytes_per_s », de 1 à 1000000000 octets par seconde.")
        case "dribble" if fault.delay_s > 1:
            raise _refused("pour « dribble », « delay_s » est la pause après chaque octet, d'au plus 1 s.")


def _check_code(fault: Fault, code: str) -> None:
    offered = codes_of(fault.operation, fault.step)
    if not offered:
        raise _refused(f"aucun code officiel connu pour {fault.operation} ; « status » rend un statut HTTP.")
    if not code:
        raise _refused(f"« value » est le code de la faute ; possibles : {_listed(offered)}.")
    if code not in offered:
        raise _refused(
            f"« {code[:60]} » n'est pas un code que {fault.operation} rende ; possibles : {_listed(offered)}. "
            "Le bac à sable n'invente pas de code officiel."
        )


def _check_smtp(fault: Fault) -> None:
    """A reply code of the operators, alone or with an enhanced status of its class that is registered."""
    code, _, enhanced = fault.value.partition(" ")
    _check_code(fault, code)
    if not enhanced:
        return
    subject, _, detail = enhanced[2:].partition(".")
    if not _ENHANCED.fullmatch(enhanced) or enhanced[0] != code[0] or int(detail) > _MAX_SUBJECT[int(subject)]:
        raise _refused(
            f"« {enhanced[:20]} » n'est pas un statut étendu enregistré qui aille avec {code}, comme {code[0]}.7.1."
        )


def _check_malformed(fault: Fault) -> None:
    offered = MALFORMED if fault.operation.startswith("DMP.") else tuple(one for one in MALFORMED if one != "wrong_boundary")
    if fault.value not in offered:
        raise _refused(f"pour « malformed » sur {fault.operation}, « value » vaut {_listed(offered)}.")


# --- fields ---------------------------------------------------------------------------------------------------------------


def _text(wanted: Mapping[str, Any], name: str, default: str | None = None) -> str:
    value = wanted.get(name)
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        raise _refused(f"« {name} » est attendu, en texte (operation, kind).")
    return value


def _maybe(wanted: Mapping[str, Any], name: str) -> str | None:
    return None if wanted.get(name) is None else _text(wanted, name)


def _number(wanted: Mapping[str, Any], name: str, default: float | None = None) -> Any:
    """A finite number, or the default when it is absent."""
    value = wanted.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _refused(f"« {name} » est un nombre.")
    return float(value)


def _whole(wanted: Mapping[str, Any], name: str, default: int | None = None) -> Any:
    value = wanted.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 1 << 63:
        raise _refused(f"« {name} » est un nombre entier.")
    return value


def _listed(names: Any) -> str:
    return ", ".join(names)
