"""The rules of what may be armed: whom a fault touches, where, and what it answers. Each refusal is French, with what to do."""
from __future__ import annotations

import re
from collections.abc import Iterable

from mocks.sandbox.codes import (
    BEFORE_LOGIN,
    IMAP,
    MAIL,
    codes_of,
    default_step,
    http_operations,
    is_session,
    operations,
    steps_of,
)
from mocks.sandbox.fault import Fault

MAX_CALLS = 1_000_000
MAX_DELAY_S, MAX_ARMED_S = 3600.0, 86_400.0
TRUNCATED_LITERAL = "truncated_literal"
MALFORMED = ("truncated_part", "wrong_boundary", "wrong_content_type", "long_length")

#: A name goes into a header and a journal entry in clear: seven digits in a row would be somebody's (design §5.6).
_ID = re.compile(r"(?!.*[0-9]{7})[A-Za-z][A-Za-z0-9-]{0,63}")
_ENHANCED = re.compile(r"[45]\.[0-7]\.[0-9]{1,2}")
_MAX_SUBJECT = (0, 10, 4, 6, 7, 6, 10, 30)  # last detail of each subject that the registry of RFC 5248 holds

#: Response codes that a refusal of IMAP may bear (RFC 5530, 7889, 7888).
_RESPONSE_CODES = (
    "ALREADYEXISTS", "AUTHENTICATIONFAILED", "AUTHORIZATIONFAILED", "CANNOT", "CLIENTBUG", "CONTACTADMIN", "CORRUPTION",
    "EXPIRED", "EXPUNGEISSUED", "INUSE", "LIMIT", "NONEXISTENT", "NOPERM", "OVERQUOTA", "PRIVACYREQUIRED", "SERVERBUG", "TOOBIG",
    "TRYCREATE", "UNAVAILABLE",
)  # fmt: skip


class InvalidFault(ValueError):
    """The fault as asked for cannot be armed; the message is French, for whoever arms it."""


def refused(why: str) -> InvalidFault:
    return InvalidFault(f"Panne refusée : {why}")


def listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def check(fault: Fault) -> None:
    """Raises InvalidFault for a fault that cannot be armed."""
    _check_reach(fault)
    _check_place(fault)
    _check_kind(fault)


def _check_reach(fault: Fault) -> None:
    """How long, how many, how often, and whom."""
    if not _ID.fullmatch(fault.id):
        raise refused(
            "« id » est fait de lettres, de chiffres et de tirets, commence par une lettre, a 64 caractères au "
            "plus et jamais sept chiffres de suite : il paraît au journal, et ne doit désigner personne."
        )
    if not (1 <= fault.for_next <= MAX_CALLS and 0 <= fault.delay_s <= MAX_DELAY_S and 0 < fault.rate <= 1):
        raise refused("« for_next » va de 1 à 1000000, « delay_s » de 0 à 3600, « rate » de 0 exclu à 1.")
    if fault.for_s is not None and not 0 < fault.for_s <= MAX_ARMED_S:
        raise refused("« for_s » est un nombre de secondes, de 0 exclu à 86400.")
    if fault.person is not None and fault.operation[:3] not in ("INS", "DMP", "MSS"):
        raise refused("« person » n'existe que pour INS, DMP et MSS, dont les messages nomment une personne.")
    if fault.kind == "tls" and (fault.tenant or fault.caller or fault.person):
        raise refused("« tls » se joue avant que tenant, caller ou person soient connus ; ne les donnez pas.")


def _check_place(fault: Fault) -> None:
    """Which operation, and where in it."""
    known = operations()
    service = fault.operation[:3]
    whole = fault.operation == f"{service}.*" and any(one.startswith(f"{service}.") for one in known) and service != MAIL
    if fault.operation not in known and not whole:
        raise refused(
            f"opération inconnue « {fault.operation[:60]} » ; possibles : {listed(known)}, ou SERVICE.* (sauf MSS)."
        )
    if fault.kind == "tls" and not whole and not is_session(fault.operation):
        known_later = "MSS.SESSION_SMTP ou MSS.SESSION_IMAP" if service == MAIL else f"{service}.*"
        raise refused(f"« tls » se joue avant que l'opération soit connue ; armez-la sur {known_later}.")
    if service == MAIL and (fault.kind == "injection" or (fault.kind == "malformed" and fault.operation != IMAP)):
        raise refused(
            f"« {fault.kind} » change une réponse HTTP, et SMTP n'en a pas ; possibles : {listed(http_operations())}."
        )
    _check_session(fault)
    if fault.person is not None and fault.step == "mail":
        raise refused("les destinataires ne sont pas connus à l'étape mail ; pour « person » : rcpt, data ou end.")
    if fault.step and fault.step not in steps_of(fault.operation):
        offered = listed(steps_of(fault.operation)) or "aucune"
        raise refused(f"étape inconnue « {fault.step[:20]} » pour {fault.operation} ; possibles : {offered}.")


def _check_session(fault: Fault) -> None:
    """A session begins before anybody is known; that of SMTP is nothing else."""
    if not is_session(fault.operation) or not (fault.tenant or fault.caller or fault.person):
        return
    if fault.operation != IMAP:
        raise refused("une session SMTP s'ouvre avant que tenant, caller ou person soient connus ; armez MSS.SOUMISSION.")
    if fault.person is not None:
        raise refused("une session IMAP ne nomme personne ; « person » n'y a pas de sens.")
    if (fault.step or default_step(IMAP)) in BEFORE_LOGIN:
        later = [step for step in steps_of(IMAP) if step not in BEFORE_LOGIN]
        raise refused(f"tenant et caller ne sont connus qu'une fois la boîte ouverte ; « step » : {listed(later)}.")


def _check_kind(fault: Fault) -> None:
    """What it answers, or how."""
    match fault.kind:
        case "status" | "business" | "soap" if fault.operation == IMAP:
            _check_imap(fault)
        case "status" | "business" | "soap" if fault.operation.startswith(f"{MAIL}."):
            _check_smtp(fault)
        case "status":
            if not (fault.value.isascii() and fault.value.isdecimal() and 400 <= int(fault.value[:4]) <= 599):
                raise refused("pour « status », « value » est un statut HTTP de 400 à 599.")
            if fault.retry_after_s is not None and not 0 <= fault.retry_after_s <= MAX_ARMED_S:
                raise refused("« retry_after_s » est un nombre de secondes, de 0 à 86400.")
        case "business" | "soap":
            _check_code(fault, fault.value)
        case "malformed":
            _check_malformed(fault)
        case "bandwidth":
            if fault.bytes_per_s is None or not 1 <= fault.bytes_per_s <= 1_000_000_000:
                raise refused("« bandwidth » demande « bytes_per_s », de 1 à 1000000000 octets par seconde.")
        case "dribble" if fault.delay_s > 1:
            raise refused("pour « dribble », « delay_s » est la pause après chaque octet, d'au plus 1 s.")


def _check_code(fault: Fault, code: str) -> None:
    offered = codes_of(fault.operation, fault.step)
    if not offered:
        raise refused(f"aucun code officiel connu pour {fault.operation} ; « status » rend un statut HTTP.")
    if not code:
        raise refused(f"« value » est le code de la faute ; possibles : {listed(offered)}.")
    if code not in offered:
        raise refused(
            f"« {code[:60]} » n'est pas un code que {fault.operation} rende ; possibles : {listed(offered)}. "
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
        raise refused(
            f"« {enhanced[:20]} » n'est pas un statut étendu enregistré qui aille avec {code}, comme {code[0]}.7.1."
        )


def _check_imap(fault: Fault) -> None:
    """NO, BAD or BYE, alone or with a response code that is registered."""
    status, _, code = fault.value.partition(" ")
    _check_code(fault, status)
    if code and code not in _RESPONSE_CODES:
        raise refused(f"« {code[:20]} » n'est pas un code de réponse IMAP (RFC 5530) ; possibles : {listed(_RESPONSE_CODES)}.")


def _check_malformed(fault: Fault) -> None:
    if fault.operation == IMAP:
        if (fault.value, fault.step) != (TRUNCATED_LITERAL, "fetch"):
            raise refused(f"pour « malformed » sur {IMAP}, « value » vaut {TRUNCATED_LITERAL} et « step » vaut fetch.")
        return
    offered = MALFORMED if fault.operation.startswith("DMP.") else tuple(one for one in MALFORMED if one != "wrong_boundary")
    if fault.value not in offered:
        raise refused(f"pour « malformed » sur {fault.operation}, « value » vaut {listed(offered)}.")
