"""What every route for reading keys shares: who asks, how it is refused and noted, how the answer says no (design §5.7)."""
from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any

import apsw
import orjson
from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from gateway.access.denials import UNKNOWN, Denials
from gateway.access.rights import Key, Keys, Right
from gateway.access.sight import hidden
from gateway.doors.journal_asked import Problem, answer
from gateway.grappes.registry import Registry
from gateway.journal.record import JournalFull

_PROBLEM = {"type": "object", "required": ["type", "title", "status", "detail"]}
_DESCRIPTION = (
    "Lecture du journal et des taux d'usage, sur la console (boucle locale). Guides : docs/journal-lecture.md, docs/api-usage.md."
)


@dataclass(frozen=True, slots=True)
class Gate:
    """Lets keys in, and notes those that it does not."""

    keys: Keys
    denials: Denials

    async def key(self, request: Request, *rights: Right) -> Key:
        """The caller's key, with each of these rights. Raises Problem, and notes the attempt."""
        key = self.keys.bearer(request.headers.get("authorization"))
        if key is None:
            await self.denials.note(UNKNOWN, "cle")
            raise Problem("cle", "Donnez votre clé de lecture dans l'en-tête « Authorization: Bearer … ».")
        for right in rights:
            if not key.may(right):
                said = f"Votre clé n'a pas le droit « {right} » : demandez-le à qui l'a faite."
                raise await self.refusal(key, f"droit:{right}", Problem("droit", said))
        return key

    async def refusal(self, key: Key, why: str, problem: Problem) -> Problem:
        """The problem, once the attempt is noted under this code."""
        await self.denials.note(key.name, why)
        return problem

    async def own(self, key: Key, registry: Registry, entry: dict[str, Any] | None) -> dict[str, Any]:
        """The entry, if the key may see it; another's is as absent as one that is not there. Raises Problem, and notes it."""
        why = None if entry is None else hidden(key, registry, entry)
        if why is not None:
            await self.denials.note(key.name, why)
        if entry is None or why is not None:
            raise Problem("entree", "Aucune entrée de cet identifiant pour votre clé.")
        return entry


def problem_route(names: Callable[[str], bool]) -> type[APIRoute]:
    """Routes whose every error is a problem, those of the framework included; ``names`` knows the parameters that may be told."""

    class ProblemRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def guarded(request: Request) -> Response:
                try:
                    return await handle(request)
                except Problem as problem:
                    return answer(problem)
                except RequestValidationError as error:  # what was sent is not repeated: it may name a person
                    told = sorted({name for one in error.errors() if names(name := str(one["loc"][-1]))})
                    return answer(Problem("parametre", "Un paramètre est inconnu ou mal formé : /openapi.json.", parametres=told))
                except JournalFull:
                    return answer(Problem("plein", "Le journal n'a plus de place : rien n'a été changé. Recommencez plus tard."))
                except apsw.Error:
                    return answer(Problem("illisible", "Le journal ne se lit pas pour l'instant. Recommencez plus tard."))

            return guarded

    return ProblemRoute


def responses(content_type: str = "application/json") -> dict[int | str, dict[str, Any]]:
    """What a route may answer, for the description."""
    return {
        200: {"description": "Ce qui est demandé", "content": {content_type: {"schema": {"type": "object"}}}},
        "default": {
            "description": "Refus (RFC 9457), liste dans docs/journal-lecture.md",
            "content": {"application/problem+json": {"schema": _PROBLEM}},
        },
    }


def openapi(routers: Iterable[APIRouter]) -> bytes:
    """The description of these routes, as /openapi.json serves it."""
    document = get_openapi(
        title="Lecture de Socle", version="1", routes=[route for router in routers for route in router.routes],
        description=_DESCRIPTION,
    )  # fmt: skip
    document["components"] = document.get("components", {}) | {
        "securitySchemes": {"cle": {"type": "http", "scheme": "bearer", "description": "Clé faite par socle journal key add."}}
    }
    document["security"] = [{"cle": []}]
    for path in document["paths"].values():
        for operation in path.values():
            operation["responses"].pop("422", None)  # the framework's own form of errors, which these routes never send
    document["components"].get("schemas", {}).pop("HTTPValidationError", None)
    document["components"].get("schemas", {}).pop("ValidationError", None)
    return orjson.dumps(document)


def simulated(warning: str | None) -> dict[str, Any]:
    """What an answer says of its data first."""
    return {"simulated": warning is not None, "avertissement": warning}


def as_json(content: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")
