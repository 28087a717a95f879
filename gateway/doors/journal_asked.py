"""What may be asked of the journal's HTTP interface, and how it says no: problem+json (RFC 9457), in French."""
from __future__ import annotations

from typing import Any

import orjson
from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field

from gateway.access.rights import Key
from gateway.access.sight import Within
from gateway.exports.journal_lines import Format
from gateway.journal.authors import Author
from gateway.journal.filters import ALWAYS, Filters, Period, period
from gateway.journal.record import Kind, Outcome
from gateway.operations import OPERATIONS, Service
from gateway.settings import Environment
from gateway.settling import Decision

_PAGE = "docs/journal-lecture.md#probleme-"
_REF = r"^[0-9a-f]{32}$"
_KNOWN_OPERATIONS: list[Any] = sorted(OPERATIONS)


class Problem(Exception):
    """An answer in application/problem+json (RFC 9457); ``detail`` is French."""

    def __init__(self, slug: str, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.slug, self.detail, self.more = slug, detail, more


#: Listed in docs/journal-lecture.md.
PROBLEMS = {
    "cle": (401, "Clé absente ou inconnue"),
    "droit": (403, "Droit manquant"),
    "entree": (404, "Entrée inconnue"),
    "grappe": (404, "Grappe inconnue"),
    "parametre": (400, "Paramètre refusé"),
    "version": (404, "Version inconnue"),
    "non-reproduite": (409, "Version qui ne se refait pas"),
    "pas-en-doute": (409, "Entrée qui n'est pas en doute"),
    "rejeu": (409, "Appel qui ne se rejoue pas"),
    "plein": (503, "Journal plein"),
    "illisible": (503, "Journal illisible pour l'instant"),
}


def answer(problem: Problem) -> Response:
    status, title = PROBLEMS[problem.slug]
    content = {"type": f"{_PAGE}{problem.slug}", "title": title, "status": status, "detail": problem.detail}
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return Response(orjson.dumps(content | problem.more), status, headers, "application/problem+json")


class Asked(BaseModel):
    """The filters of a page and of an export. An unknown one is refused: a slip must not show everything."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    kind: Kind | None = Field(None, description="Nature de l'entrée.")
    service: Service | None = Field(None, description="Service socle.")
    operation: str | None = Field(None, description="Identifiant d'opération.", json_schema_extra={"enum": _KNOWN_OPERATIONS})
    outcome: Outcome | None = Field(None, description="Issue.")
    flag: list[str] = Field(default_factory=list, description="Indicateurs : l'un d'eux. Répétable.", max_length=20)
    tenant: str | None = Field(None, description="Éditeur. Une clé liée à un éditeur ne peut en nommer un autre.")
    finess_et: str | None = Field(None, description="Numéro FINESS de l'établissement ; d'une grappe de la clé, si elle en a.")
    environment: Environment | None = Field(None, description="Environnement.")
    start: str | None = Field(None, alias="from", description="Temps métier : date (jour de Paris) ou heure RFC 3339, comprise.")
    end: str | None = Field(None, alias="to", description="Temps métier : date (jour de Paris compris) ou heure, non comprise.")
    recorded_from: str | None = Field(None, description="Inscription au journal, à partir de.")
    recorded_to: str | None = Field(None, description="Inscription au journal, jusqu'à.")
    person_ref: str | None = Field(None, pattern=_REF, description="Référence d'une personne ; jamais son matricule.")
    professional_ref: str | None = Field(None, pattern=_REF, description="Référence d'un professionnel.")
    message_ref: str | None = Field(None, pattern=_REF, description="Référence d'un message.")
    document_ref: str | None = Field(None, pattern=_REF, description="Référence d'un document.")
    settles: str | None = Field(None, description="Règlements de cette entrée.")
    id: str | None = Field(None, description="Début de l'identifiant.")

    def filters(self, key: Key, places: Within | None) -> Filters:
        """What the key may see of it; ``places``: the ESSMS of its grappes. Raises Problem."""
        return Filters(
            kind=self.kind, service=self.service, operation=_known(self.operation), outcome=self.outcome,
            finess_et=self.finess_et, tenant=key.tenant or self.tenant, settles=self.settles, environment=self.environment,
            professional_ref=self.professional_ref, message_ref=self.message_ref, document_ref=self.document_ref,
            id_prefix=self.id, within=places, flags=tuple(self.flag),
            person_refs=None if self.person_ref is None else (self.person_ref,),
            event=_period("from", "to", self.start, self.end),
            recorded=_period("recorded_from", "recorded_to", self.recorded_from, self.recorded_to),
        )  # fmt: skip


class AskedPage(Asked):
    """A page: the latest entries, those before ``cursor``, or the first ones from ``after`` on."""

    cursor: str | None = Field(None, description="Entrées plus anciennes : le « cursor » d'une page.")
    after: str | None = Field(None, description="Entrées plus récentes : le « newer » d'une page.")
    limit: int = Field(50, ge=1, le=500, description="Nombre d'entrées, au plus.")


class AskedExport(Asked):
    """A whole file."""

    format: Format = Field("ndjson", description="ndjson, ou csv pour un tableur français.")


class AskedDecision(BaseModel):
    """A person's word on an entry in doubt."""

    model_config = ConfigDict(extra="forbid")

    outcome: Decision = Field(description="Ce qui est advenu.")
    by: str = Field(min_length=1, max_length=200, pattern=r"\S", description="Qui décide ; gardé scellé.")
    reason: str = Field(min_length=1, max_length=2000, pattern=r"\S", description="Sur quoi elle se fonde ; gardé scellé.")


class NewKey(BaseModel):
    """A key to make."""

    name: str
    rights: list[str]
    tenant: str | None = None
    grappes: list[str] = Field(default_factory=list)
    by: Author


class GoneKey(BaseModel):
    """A key to take away, or whose secret to change."""

    name: str
    by: Author


def is_parameter(name: str) -> bool:
    """Whether a name is one of ours: any other is the caller's own text, and is not repeated."""
    fields = [*AskedPage.model_fields.items(), *AskedExport.model_fields.items(), *AskedDecision.model_fields.items()]
    return name == "entry_id" or name in {item.alias or field for field, item in fields}


def _known(operation: str | None) -> str | None:
    if operation is not None and operation not in OPERATIONS:
        raise Problem("parametre", "Opération inconnue ; voyez /openapi.json.", parametres=["operation"])
    return operation


def _period(start_name: str, end_name: str, start: str | None, end: str | None) -> Period:
    if start is None and end is None:
        return ALWAYS
    names = [name for name, text in ((start_name, start), (end_name, end)) if text is not None]
    try:
        found = period(start, end)
    except ValueError:
        raise Problem("parametre", "Date attendue, comme 2026-03-02 ou 2026-03-02T09:30:00Z.", parametres=names) from None
    if found.empty:
        raise Problem("parametre", "La période finit avant d'avoir commencé.", parametres=names)
    return found
