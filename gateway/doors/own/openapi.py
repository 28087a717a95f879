"""The OpenAPI 3.1 document of our own doors, in French, made from the models that read the requests."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from gateway.doors.own.call import FileDoor, OwnDoor
from gateway.doors.own.examples import ANSWERS, PLACES, REQUESTS
from gateway.doors.own.places import names_in
from gateway.doors.own.problem import KINDS
from gateway.operations import OPERATIONS

PATH = "/portes/openapi.json"

_KEY = {
    "name": "Idempotency-Key", "in": "header", "required": True, "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "description": "Une clé neuve par envoi, la même si vous renvoyez : le service n'est alors appelé qu'une fois.",
}  # fmt: skip
_TOKEN = {
    "name": "X-PSC-Token", "in": "header", "required": True, "schema": {"type": "string"},
    "description": "Jeton d'accès Pro Santé Connect d'un professionnel qui peut ouvrir la BAL.",
}  # fmt: skip
_STATUS = {
    "200": "Réponse du service", "201": "Envoi accepté par le service", "default": "Problème (RFC 9457), voir docs/errors.md"
}


def document(doors: Mapping[str, OwnDoor[Any] | FileDoor]) -> bytes:
    """``doors``: by path, as they are served."""
    content = {
        "openapi": "3.1.0",
        "info": {
            "title": "Portes simples de Socle", "version": "1",
            "description": "Du JSON pour les DUI qui ne veulent parler ni SOAP ni SMTP. Guide : docs/portes-simples.md.",
        },
        "security": [{"cle": []}],
        "paths": {path: {"post": _operation(path, door)} for path, door in doors.items()},
        "components": {
            "securitySchemes": {"cle": {"type": "http", "scheme": "bearer", "description": "Clé de votre logiciel."}},
            "schemas": {"Probleme": _problem(), "Ecart": _deviation()},
        },
    }  # fmt: skip
    return orjson.dumps(content)


def _operation(path: str, door: OwnDoor[Any] | FileDoor) -> dict[str, Any]:
    operation = OPERATIONS[door.operation]
    if isinstance(door, FileDoor):
        return _file_operation(door)
    headers = ([_KEY] if operation.side_effect else []) + ([_TOKEN] if operation.service == "MSS" else [])
    success = "201" if operation.side_effect else "200"
    schema, named = _schema(door), names_in(path)
    places = [_segment(name, schema["properties"].pop(name), PLACES[path][name]) for name in named]
    schema["required"] = [name for name in schema["required"] if name not in named]
    body = {"schema": schema, "examples": {"exemple": {"value": REQUESTS[path]}}}
    return {
        "operationId": operation.id, "summary": operation.label, "parameters": places + headers,
        "requestBody": {"required": True, "content": {"application/json": body}},
        "responses": {
            success: _response(success, "application/json", {"type": "object"}, ANSWERS[path]),
            "default": _response("default", "application/problem+json", {"$ref": "#/components/schemas/Probleme"}),
        },
    }  # fmt: skip


def _segment(name: str, schema: dict[str, Any], example: str) -> dict[str, Any]:
    about = schema.pop("description", "")
    return {"name": name, "in": "path", "required": True, "description": about, "schema": schema, "example": example}


def _file_operation(door: FileDoor) -> dict[str, Any]:
    file = {"schema": {"type": "string"}, "examples": {"exemple": {"value": door.example}}}
    return {
        "operationId": door.operation, "summary": OPERATIONS[door.operation].label, "description": door.about,
        "requestBody": {"required": True, "content": {door.media: file}},
        "responses": {
            "201": _response("201", "application/json", {"type": "object"}, door.answer),
            "default": _response("default", "application/problem+json", {"$ref": "#/components/schemas/Probleme"}),
        },
    }  # fmt: skip


def _schema(door: OwnDoor[Any]) -> dict[str, Any]:
    """Without titles and docstrings, which speak to developers."""
    schema: dict[str, Any] = door.model.model_json_schema()
    inside = schema.pop("$defs", {})
    for name, part in inside.items():
        inside[name] = _plain(part)
    inlined: dict[str, Any] = _inlined(_plain(schema), inside)
    return inlined


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    fields = {
        name: {key: value for key, value in field.items() if key != "title"} for name, field in schema["properties"].items()
    }
    return {"type": "object", "properties": fields, "required": schema.get("required", []), "additionalProperties": False}


def _inlined(value: Any, inside: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        if "$ref" in value:
            return _inlined(inside[value["$ref"].rpartition("/")[2]], inside)
        return {key: _inlined(item, inside) for key, item in value.items()}
    return [_inlined(item, inside) for item in value] if isinstance(value, list) else value


def _response(status: str, media: str, schema: dict[str, Any], example: Any = None) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": schema}
    if example is not None:
        content["examples"] = {"exemple": {"value": example}}
    return {"description": _STATUS[status], "content": {media: content}}


def _problem() -> dict[str, Any]:
    texts = ("type", "title", "detail", "instance", "code_service")
    types = [f"docs/errors.md#probleme-{slug}" for slug in KINDS]
    properties: dict[str, Any] = {name: {"type": "string"} for name in texts}
    properties["type"]["enum"] = types
    properties |= {"status": {"type": "integer"}, "indicateurs": {"type": "array", "items": {"type": "string"}}}
    properties["ecarts"] = {"type": "array", "items": {"$ref": "#/components/schemas/Ecart"}}
    return {"type": "object", "properties": properties, "required": ["type", "title", "status", "detail", "instance"]}


def _deviation() -> dict[str, Any]:
    """What does not conform in the call, beside any answer (docs/conformite.md)."""
    properties: dict[str, Any] = {name: {"type": "string"} for name in ("controle", "lieu", "attendu", "trouve")}
    properties["valeurs"] = {"type": "array", "items": {"type": "string"}}
    return {"type": "object", "properties": properties, "required": list(properties)}
