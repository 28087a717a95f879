"""The frame around the parts of the control API: the key, how long a body may be, every error a problem, the description."""
from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from mocks.sandbox.api import PROBLEM_SCHEMA, Refused, problem
from mocks.sandbox.denied import NO_KEY, UNKNOWN
from mocks.sandbox.marking import Send, marked
from mocks.sandbox.viewing import ADMINISTRATORS, NotYours, ask_as, bearer, may, note_refusal
from mocks.sandbox.web import read_body
from mocks.sandbox.world import World

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]

KEY_HEADER = "X-Socle-Control-Key"
DOCUMENT = "/openapi.json"  # the only path that asks for no key: it tells nothing of this sandbox
MAX_BODY = 64 * 1024

log = logging.getLogger(__name__)


_ADMINISTRATORS = (
    "Cette route touche tout le bac à sable : elle est à l'administrateur (« control_key » du manifeste). "
    "Avec cette clé, vous voyez et changez ce qui est à vous : docs/bac-a-sable.md, « Plusieurs éditeurs »."
)
#: What cannot be a tenant's own, by path.
_ONE_FOR_ALL: Mapping[str | None, str] = {
    "/clock": "Le temps métier est un seul, commun à tous les éditeurs de ce bac à sable : l'avancer pour l'un daterait les "
    "appels et fermerait les périodes des autres. Demandez-le à l'administrateur, ou prenez un bac à sable à vous (socle up)."
}  # fmt: skip


def framed(app: FastAPI, world: World) -> None:
    """Make every error of this application a problem, those of the framework included."""
    paths = _Paths(app)

    async def refused(_request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        if isinstance(error, NotYours):
            await note_refusal(world, error.why)
        return problem(error.status, error.text, error.more)

    async def invalid(_request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        unreadable = first["loc"] == ("body",) and first["type"] != "missing"
        if unreadable:
            return problem(400, "Requête illisible : un objet JSON est attendu (Content-Type: application/json).")
        return problem(422, told(first))

    async def framework(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == 405:
            allowed = ", ".join(sorted(paths.methods(request.scope["path"])))
            return problem(405, f"Cette route n'a pas cette méthode ; possibles : {allowed}.", headers={"Allow": allowed})
        if error.status_code == 404:
            return problem(404, f"Aucune route de ce nom dans l'API de contrôle : voyez {DOCUMENT}.")
        return problem(400, "Requête illisible.")

    async def broken(_request: Request, error: Exception) -> Response:
        log.error("control_failed", exc_info=error)
        return problem(500, "Le bac à sable n'a pas pu répondre : voyez le journal du processus « mocks ».")

    app.add_exception_handler(Refused, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, framework)
    app.add_exception_handler(Exception, broken)


#: French for what pydantic found; what was sent is not repeated, the name of a field is.
_SAID: Mapping[str, str] = {
    "missing": "« {name} » est attendu.",
    "extra_forbidden": "Champ inconnu « {name} ».",
    "literal_error": "« {name} » : valeur inconnue ; possibles : {expected}.",
    "greater_than": "« {name} » est un nombre plus grand que {gt}.",
    "greater_than_equal": "« {name} » est un nombre d'au moins {ge}.",
    "less_than": "« {name} » est un nombre plus petit que {lt}.",
    "less_than_equal": "« {name} » est un nombre d'au plus {le}.",
    "finite_number": "« {name} » est un nombre fini.",
    "string_too_long": "« {name} » a au plus {max_length} caractères.",
    "string_too_short": "« {name} » a au moins {min_length} caractères.",
    "too_long": "« {name} » a au plus {max_length} éléments.",
    "too_short": "« {name} » a au moins {min_length} éléments.",
    "string_pattern_mismatch": "« {name} » n'a pas la forme attendue : {pattern}",
    "string_type": "« {name} » est du texte.",
    "bool_type": "« {name} » vaut true ou false.",
    "bool_parsing": "« {name} » vaut true ou false.",
    "int_type": "« {name} » est un nombre entier.",
    "int_parsing": "« {name} » est un nombre entier.",
    "float_type": "« {name} » est un nombre.",
    "float_parsing": "« {name} » est un nombre.",
    "list_type": "« {name} » est une liste.",
    "value_error": "« {name} » : {error}",
}


def told(error: Mapping[str, Any]) -> str:
    """One error of pydantic, as a French sentence that names the field."""
    path = [str(part) for part in error["loc"][1:]] or [str(error["loc"][0])]
    said = _SAID.get(error["type"], "« {name} » n'a pas la forme attendue : voyez " + DOCUMENT + ".")
    context = {name: str(value).replace(" or ", " ou ") for name, value in error.get("ctx", {}).items()}
    return said.format(**{**context, "name": ".".join(path)[:60]})


class _Paths:
    """The described paths, read once: which methods each has, which parameters each method knows."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    @cached_property
    def _described(self) -> list[tuple[str, re.Pattern[str], dict[str, set[str]]]]:
        described = self._app.openapi()["paths"].items()
        return [(template, compile_path(template)[0], _parameters(methods)) for template, methods in described]

    def template(self, path: str, method: str) -> str | None:
        """The described path that this one is of; the plain ones come before those with a name in them."""
        fitting = [template for template, pattern, known in self._described if pattern.match(path) and method in known]
        return min(fitting, key=lambda template: template.count("{"), default=None)

    def methods(self, path: str) -> dict[str, set[str]]:
        """Method → names of its parameters in the query string; every template that fits the path counts."""
        fitting = [known for _, pattern, known in self._described if pattern.match(path)]
        return {method: names for known in fitting for method, names in known.items()}


def _parameters(methods: Mapping[str, Any]) -> dict[str, set[str]]:
    return {
        method.upper(): {one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"}
        for method, operation in methods.items()
    }


class Guard:
    """In front of the application: whose key, what it may ask, then a body that is short enough, and JSON where it says so.

    large  bytes that the body of a path may have, where ``MAX_BODY`` is not enough
    """

    def __init__(self, app: FastAPI, world: World, large: Mapping[str, int]) -> None:
        self._app, self._world, self._large = app, world, large
        self._paths = _Paths(app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)  # type: ignore[arg-type]
            return
        answered = marked(send, "control")
        headers = {name.lower(): value for name, value in scope["headers"]}
        refused = None if scope["path"] == DOCUMENT else await self._entering(scope, headers)
        if refused is not None:
            await refused(scope, receive, answered)  # type: ignore[arg-type]
            return
        limit = self._large.get(scope["path"], MAX_BODY)
        body = await read_body(receive, limit)
        if body is None:
            return
        refusal = self._unknown(scope) or _unfit(body, headers.get(b"content-type", b""), limit)
        if refusal is not None:
            await refusal(scope, receive, answered)  # type: ignore[arg-type]
            return
        await self._app(scope, _replayed(body, receive), answered)  # type: ignore[arg-type]


    async def _entering(self, scope: Scope, headers: Mapping[bytes, bytes]) -> Response | None:
        """Whose key, for the parts to show its own; a refusal when it is nobody's, or may not ask for this at all."""
        seen = bearer(self._world, headers.get(KEY_HEADER.lower().encode(), b"").decode("latin-1"))
        if seen is None:
            self._world.denied.note(UNKNOWN, NO_KEY)
            said = f"Clé de contrôle absente ou fausse : donnez {KEY_HEADER} (« control_key » du manifeste sandbox.json)."
            return problem(401, said)
        ask_as(seen)
        template = self._paths.template(scope["path"], scope["method"])
        if may(self._world, seen, scope["method"], template):
            return None
        await note_refusal(self._world, ADMINISTRATORS)
        return problem(403, _ONE_FOR_ALL.get(template, _ADMINISTRATORS))

    def _unknown(self, scope: Scope) -> Response | None:
        """A parameter that the route does not know is refused: a slip must not disarm or delete everything."""
        known = self._paths.methods(scope["path"]).get(scope["method"])
        given = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if known is None or all(name in known for name, _ in given):
            return None
        listed = ", ".join(sorted(known)) or "aucun"
        return problem(422, f"Paramètre inconnu dans l'adresse ; possibles pour cette route : {listed}.")


def _unfit(body: bytes, content_type: bytes, limit: int) -> Response | None:
    if len(body) > limit:
        return problem(413, f"Requête trop longue : au plus {limit} octets.")
    if body and (not content_type or b"json" in content_type):
        try:
            orjson.loads(body)  # stricter than the framework: no NaN, no half character
        except orjson.JSONDecodeError:
            return problem(400, "Requête illisible : du JSON est attendu.")
    return None


def _replayed(body: bytes, receive: Receive) -> Receive:
    pending = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> dict[str, Any]:
        return pending.pop() if pending else await receive()

    return replay


def described(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, made once: the key, and the one form of every error."""
    if app.openapi_schema is not None:
        return app.openapi_schema
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes, tags=app.openapi_tags
    )
    parts = document.setdefault("components", {})
    parts.setdefault("schemas", {})["Probleme"] = PROBLEM_SCHEMA
    parts["securitySchemes"] = {
        "cle": {
            "type": "apiKey", "in": "header", "name": KEY_HEADER,
            "description": "« control_key » du manifeste sandbox.json, ou celle d'un éditeur.",
        }
    }
    document["security"] = [{"cle": []}]
    app.openapi_schema = document
    return document
