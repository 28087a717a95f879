"""Problem details (RFC 9457) of our own doors: one catalogue, in French, listed in docs/errors.md."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from connectors.wire.http import Answer, Headers
from gateway.journal.record import Outcome, Record
from gateway.outcomes import FULL
from gateway.road import Refusal

CONTENT_TYPE = b"application/problem+json"
_PAGE = "docs/errors.md#probleme-"


@dataclass(frozen=True, slots=True)
class Kind:
    """One way of saying no. ``outcome`` and ``flag`` are the entry's, where the entry does not know better."""

    slug: str
    status: int
    title: str
    outcome: Outcome
    flag: str | None = None
    retry_after_s: int | None = None


_KINDS = (
    Kind("cle-acces", 401, "Clé d'accès absente ou inconnue", "unauthorised", "V-CLE-PORTE"),
    Kind("structure", 403, "Structure hors de la portée de la clé", "unauthorised", "V-STRUCTURE"),
    Kind("identite", 403, "Structure sans identité déposée", "unauthorised", "V-IDENTITE"),
    Kind("adresse", 404, "Adresse inconnue", "invalid", "V-CHEMIN"),
    Kind("methode", 405, "Méthode refusée", "invalid", "V-OPERATION"),
    Kind("coupure", 400, "Appel interrompu", "cut", "V-COUPURE"),
    Kind("taille", 413, "Corps trop grand", "invalid", "V-TAILLE"),
    Kind("json", 400, "Corps JSON illisible", "invalid", "V-JSON"),
    Kind("champs", 422, "Champs absents ou mal formés", "invalid", "V-CHAMPS"),
    Kind("extraction", 422, "Extraction du DUI refusée", "invalid", "V-EXTRACTION"),
    Kind("identitovigilance", 409, "Règle d'identitovigilance", "invalid", "V-IDENTITOVIGILANCE"),
    Kind("cle-idempotence", 400, "Idempotency-Key absente ou mal formée", "invalid", "V-IDEMPOTENCE"),
    Kind("cle-reutilisee", 422, "Idempotency-Key déjà employée pour un autre corps", "invalid", "V-IDEMPOTENCE-CORPS"),
    Kind("en-cours", 409, "Appel de même clé en cours", "refused", "V-IDEMPOTENCE-EN-COURS", 2),
    Kind("en-doute", 409, "Appel de même clé en doute", "refused", "V-IDEMPOTENCE-EN-COURS", 60),
    Kind("indecidable", 409, "Appel de même clé jamais élucidé", "refused", "V-IDEMPOTENCE-EN-COURS"),
    Kind("jeton-psc", 401, "Jeton Pro Santé Connect absent ou refusé", "unauthorised", "V-JETON"),
    Kind("trait", 422, "Trait d'identité refusé par INSi", "invalid"),
    Kind("refus", 422, "Refus du service", "refused"),
    Kind("service-interdit", 502, "Le service n'autorise pas la passerelle ou la structure", "unauthorised"),
    Kind("service-invalide", 502, "Le service n'a pas compris la passerelle", "invalid"),
    Kind("indisponible", 503, "Service indisponible", "failed", None, 30),
    Kind("reseau", 502, "Service injoignable", "failed", "E-RESEAU"),
    Kind("illisible", 502, "Réponse du service illisible", "failed", "N-ILLISIBLE"),
    Kind("delai", 504, "Pas de réponse dans le délai", "in_doubt", "G-DELAI"),
    Kind("perdue", 504, "Réponse du service perdue", "in_doubt", "E-RESEAU"),
    Kind("plein", 503, "Journal plein", "failed", "G-PLEIN", 30),
    Kind("interne", 500, "Erreur interne de la passerelle", "failed", "G-INTERNE"),
)
KINDS: dict[str, Kind] = {kind.slug: kind for kind in _KINDS}

#: The road's own refusals, by (flag, status); a refusal that is not here is an internal error.
_OF_REFUSAL = {
    ("G-DELAI", 504): "delai", ("E-RESEAU", 504): "perdue", ("E-RESEAU", 502): "reseau", ("N-ILLISIBLE", 502): "illisible",
    ("G-PLEIN", 503): "plein",
}  # fmt: skip


IN_DOUBT = (
    "L'envoi a été transmis et la réponse du service n'est pas venue, ou n'est pas lisible : son état est inconnu. Renvoyez plus "
    "tard avec la même clé ; n'en prenez pas une autre, vous feriez deux envois."
)


class Refused(Exception):
    """A call ends here. ``detail`` is French and says what to do; ``more`` are members of the problem, never a value received."""

    def __init__(self, slug: str, detail: str, *, code: str | None = None, **more: Any) -> None:
        super().__init__(slug)
        self.kind, self.detail, self.code, self.more = KINDS[slug], detail, code, more


@dataclass(frozen=True, slots=True)
class Reply:
    """What an own door says, before the headers that depend on the call."""

    status: int
    content: dict[str, Any] = field(repr=False)

    def answer(self, call_id: str) -> Answer:
        """``call_id`` names the journal entry of the call."""
        return Answer(self.status, _headers(b"application/json", call_id), orjson.dumps(self.content | {"entree": call_id}))


def refuse(refused: Refused, record: Record) -> Answer:
    """The problem of a refusal; the entry gets its outcome and flag unless the service's answer already gave them."""
    kind = refused.kind
    if record.outcome is None:
        record.outcome = kind.outcome
        if kind.flag is not None:
            record.flag(kind.flag)
    return _problem(kind, refused.detail, record.id, {"indicateurs": record.flags, "code_service": refused.code} | refused.more)


def unrecorded(refused: Refused) -> Answer:
    """The problem of a refusal that has no entry of its own: it names none."""
    return _problem(refused.kind, refused.detail, None, {"indicateurs": [refused.kind.flag]})


def refuse_road(refusal: Refusal, record: Record) -> Answer:
    """The road's own refusal in this door's words; the road has told the entry. A journal that is full has none to name."""
    slug, detail = _OF_REFUSAL.get((refusal.flag, refusal.status), "interne"), refusal.text
    if record.outcome == "in_doubt":
        slug, detail = ("delai" if slug == "delai" else "perdue"), IN_DOUBT
    call_id = None if refusal is FULL else record.id
    answer = _problem(KINDS[slug], detail, call_id, {"indicateurs": [refusal.flag]})
    answer.headers.append((b"x-socle-fault", refusal.flag.encode("ascii")))
    return answer


def _problem(kind: Kind, detail: str, call_id: str | None, more: dict[str, Any]) -> Answer:
    content = {
        "type": _PAGE + kind.slug, "title": kind.title, "status": kind.status, "detail": detail,
        "instance": None if call_id is None else f"urn:uuid:{call_id}",
    }  # fmt: skip
    content |= more
    headers = _headers(CONTENT_TYPE, call_id)
    if kind.retry_after_s is not None:
        headers.append((b"retry-after", str(kind.retry_after_s).encode("ascii")))
    if kind.slug == "cle-acces":
        headers.append((b"www-authenticate", b'Bearer realm="socle"'))
    if kind.slug == "methode":
        headers.append((b"allow", b"POST"))
    return Answer(kind.status, headers, orjson.dumps({name: value for name, value in content.items() if value is not None}))


def _headers(content_type: bytes, call_id: str | None) -> Headers:
    headers = [(b"content-type", content_type), (b"content-language", b"fr"), (b"cache-control", b"no-store")]
    return headers if call_id is None else [*headers, (b"x-socle-entree", call_id.encode("ascii"))]
