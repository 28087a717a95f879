"""Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): what a key that comes again is told. Pure.

The draft's three cases: another body 422, still under way 409, done the same answer again. Ours: in doubt is under way.
"""
from __future__ import annotations

import re
from typing import Any

import orjson

from connectors.wire.http import Answer, Headers
from gateway.doors.own.problem import Refused, Reply
from gateway.journal.record import KeyUse, Record
from gateway.road import Request

HEADER = "idempotency-key"
REPLAYED = b"x-socle-rejoue"
_QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\]){1,255})"')  # a String of RFC 8941 §3.3.3
_BARE = re.compile(r"[!#-~]{1,255}")
_MISSING = (
    "Cet appel a un effet : donnez-lui un en-tête Idempotency-Key, un seul, de 1 à 255 caractères ASCII visibles (un UUID neuf "
    "par envoi convient), et gardez le même si vous renvoyez."
)


def key_of(request: Request) -> str:
    """The key, quoted as the draft wants it or bare as most clients send it. Raises Refused."""
    given = [value for name, value in request.headers if name.lower() == HEADER.encode("ascii")]
    text = given[0].decode("latin-1").strip() if len(given) == 1 else ""
    quoted = _QUOTED.fullmatch(text)
    if quoted is not None:
        return re.sub(r"\\(.)", r"\1", quoted[1])
    if not _BARE.fullmatch(text):
        raise Refused("cle-idempotence", _MISSING)
    return text


def canonical(body: dict[str, Any]) -> str:
    """The body whatever its order and spaces: two that say the same are the same."""
    return orjson.dumps(body, option=orjson.OPT_SORT_KEYS).decode("utf-8", "replace")


def kept(answer: Answer) -> bytes:
    """An answer as it is kept for the next call with its key."""
    return b"%d\n%s" % (answer.status, answer.body)


def replay(use: KeyUse, record: Record, named: dict[str, str]) -> Answer:
    """What a key already used is told; ``record`` becomes the entry of the replay. Raises Refused."""
    if not use.same_body:
        raise Refused(
            "cle-reutilisee", "Cette clé a servi pour un autre corps. Renvoyez le premier à l'identique, ou prenez une autre clé."
        )
    record.replays = use.call_id
    if use.answer is not None:
        return _again(use.answer, use.call_id, record)
    if use.outcome is None:
        raise Refused("en-cours", "L'appel qui porte cette clé n'est pas fini. Attendez, puis renvoyez avec la même clé.")
    if use.settlement is None:
        raise Refused(
            "en-doute",
            "L'appel qui porte cette clé a été transmis, et sa réponse perdue : la passerelle cherche ce qu'il est devenu. "
            "Renvoyez plus tard avec la même clé ; n'en prenez pas une autre, vous feriez deux envois.",
            premier_appel=use.call_id,
        )
    if use.settlement["outcome"] == "undecidable":
        raise Refused(
            "indecidable",
            "Une personne a tranché : nul ne saura si cet envoi a abouti. Vérifiez auprès du destinataire avant de renvoyer avec "
            "une clé neuve.",
            premier_appel=use.call_id, reglement=use.settlement["id"],
        )  # fmt: skip
    return _confirmed(use, record, named)


def _again(packed: bytes, call_id: str, record: Record) -> Answer:
    status, _, body = packed.partition(b"\n")
    record.outcome = "ok" if int(status) < 400 else "refused"
    content_type = b"application/json" if int(status) < 400 else b"application/problem+json"
    return Answer(int(status), [(b"content-type", content_type), *_marks(call_id)], body)


def _confirmed(use: KeyUse, record: Record, named: dict[str, str]) -> Answer:
    """The first answer was lost and what it said is known since: we say what proves it, and no more (design §11)."""
    assert use.settlement is not None
    record.outcome = "ok"
    reply = Reply(200, {"statut": "confirme", **named, "reglement": use.settlement["id"], "preuve": use.settlement["how"]})
    answer = reply.answer(use.call_id)
    answer.headers.append((REPLAYED, use.call_id.encode("ascii")))
    return answer


def _marks(call_id: str) -> Headers:
    return [
        (b"content-language", b"fr"), (b"cache-control", b"no-store"), (b"x-socle-entree", call_id.encode("ascii")),
        (REPLAYED, call_id.encode("ascii")),
    ]  # fmt: skip
