"""What a part of the control API is made of: what it asks, what it tells, how it refuses (RFC 9457, in French)."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson
from fastapi import Response
from pydantic import BaseModel, ConfigDict

PROBLEM_TYPE = "application/problem+json"

_PAGE = "docs/bac-a-sable.md#probleme-"

#: Listed in docs/bac-a-sable.md: slug and title by status.
PROBLEMS: Final[Mapping[int, tuple[str, str]]] = {
    400: ("illisible", "Requête illisible"),
    401: ("cle", "Clé de contrôle absente ou fausse"),
    403: ("droit", "Hors de votre part du bac à sable"),
    404: ("absent", "Rien de ce nom"),
    405: ("methode", "Méthode que cette route n'a pas"),
    409: ("conflit", "Impossible dans l'état présent"),
    413: ("longueur", "Requête trop longue"),
    422: ("parametre", "Paramètre refusé"),
    500: ("interne", "Erreur du bac à sable"),
    502: ("passerelle", "La passerelle n'a pas confirmé"),
    503: ("passerelle-absente", "La passerelle ne répond pas"),
}


class Refused(Exception):
    """The request cannot be done; ``text`` is French and says what to do. ``more``: other members of the problem."""

    def __init__(self, status: int, text: str, **more: Any) -> None:
        super().__init__(text)
        self.status, self.text, self.more = status, text, more


class Asked(BaseModel):
    """Base of what may be asked: a field that is not known is refused, a number is not written as text."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Told(BaseModel):
    """Base of what is answered: every field is there, and no other."""

    model_config = ConfigDict(extra="forbid")


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """``responses=`` of a route: these statuses, and those that any route may answer."""
    return {status: _described(status) for status in sorted({401, 403, 422, *statuses})}


def with_body(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """``refusals`` of a route that reads a body: it may be unreadable or too long."""
    return refusals(400, 413, *statuses)


def _described(status: int) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Probleme"}
    return {"description": PROBLEMS[status][1], "content": {PROBLEM_TYPE: {"schema": schema}}}


def problem(
    status: int, detail: str, more: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    slug, title = PROBLEMS[status]
    content = {"type": f"{_PAGE}{slug}", "title": title, "status": status, "detail": detail}
    return Response(orjson.dumps({**content, **(more or {})}), status, dict(headers or {}), PROBLEM_TYPE)


PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "Un refus (RFC 9457).",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "enum": [_PAGE + slug for slug, _ in PROBLEMS.values()], "description": "Où il est expliqué."},
        "title": {"type": "string"},
        "status": {"type": "integer", "enum": list(PROBLEMS)},
        "detail": {"type": "string", "description": "Ce qui est refusé, pourquoi, et que faire."},
    },
    "example": {
        "type": f"{_PAGE}parametre", "title": "Paramètre refusé", "status": 422, "detail": "Champ inconnu « avance ».",
    },
}  # fmt: skip
