"""The registry over HTTP, for who holds the admin key: grappes and their versions, changes, denominators (docs/registre.md).

A change names what it starts from, by If-Match or by ``version``: of two that start from one version, the second is refused.
"""
from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import wraps
from typing import Annotated, Any, TypeVar

import orjson
from fastapi import APIRouter, Depends, FastAPI, Header
from fastapi import Path as InPath
from fastapi import Request as HttpRequest
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.doors.own.fields import said
from gateway.grappes import versions
from gateway.grappes.changes import Change, apply_all
from gateway.grappes.denominator_files import read_denominators
from gateway.grappes.deposit import deposit
from gateway.grappes.history import history
from gateway.grappes.model import Grappe
from gateway.grappes.reading import RegistryError, parse_grappe, write_grappe
from gateway.grappes.registrar import Conflict, Registrar, Saved
from gateway.grappes.tables import MAX_BYTES, TableRefused
from gateway.journal.authors import Author
from gateway.journal.record import JournalFull

GrappeId = Annotated[str, InPath(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
_NO_ROOM = "Le journal n'a plus de place : rien n'a été changé. Recommencez plus tard."
_WITHOUT_VERSION = "Dites de quelle version vous partez : If-Match (l'ETag de la lecture), ou If-None-Match: * pour une création."

M = TypeVar("M", bound=BaseModel)


class _Asked(BaseModel):
    """Who asks: a body or a role, kept in the entry; why, kept sealed."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    by: Author
    why: str | None = Field(None, min_length=1, max_length=2000)


class AskedChanges(_Asked):
    version: int | None = Field(None, ge=0)
    changes: list[Change] = Field(min_length=1, max_length=500)


class AskedGrappe(_Asked):
    grappe: dict[str, Any]


class AskedFile(_Asked):
    csv_base64: str = Field(max_length=2 * MAX_BYTES)


class Refused(Exception):
    """A request that changes nothing; ``detail`` is French."""

    def __init__(self, status: int, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.status, self.detail, self.more = status, detail, more


Endpoint = Callable[..., Awaitable[Response]]


def _guarded(endpoint: Endpoint) -> Endpoint:
    """Every refusal of the registry as one French sentence."""

    @wraps(endpoint)
    async def guarded(*args: Any, **kwargs: Any) -> Response:
        try:
            return await endpoint(*args, **kwargs)
        except Refused as refused:
            return _json({"detail": refused.detail, **refused.more}, refused.status)
        except TableRefused as refused:
            return _json({"detail": str(refused), "problemes": [one.item() for one in refused.problems]}, 422)
        except Conflict as conflict:
            return _json({"detail": str(conflict), "version": conflict.version}, 409)
        except RegistryError as error:
            return _json({"detail": str(error)}, 422)
        except JournalFull:
            return _json({"detail": _NO_ROOM}, 503)

    return guarded


@dataclass(slots=True)
class RegistryApi:
    """``admin`` is the console's own check of its admin key; ``environment`` the journal's."""

    registrar: Registrar
    environment: str
    admin: Callable[..., Any]

    def mount(self, app: FastAPI) -> None:
        router = APIRouter(prefix="/admin/grappes", dependencies=[Depends(self.admin)], include_in_schema=False)
        for path, method, endpoint in (
            ("", "GET", self._list),
            ("/denominateurs", "POST", self._denominators),
            ("/{grappe}", "GET", self._grappe),
            ("/{grappe}", "PUT", self._replace),
            ("/{grappe}/changes", "POST", self._change),
            ("/{grappe}/versions", "GET", self._versions),
            ("/{grappe}/versions/{number}", "GET", self._version),
        ):
            router.add_api_route(path, _guarded(endpoint), methods=[method], response_class=Response)
        app.include_router(router)
        app.add_api_route(
            "/admin/dui/extraction", _guarded(self._extraction), methods=["POST"], dependencies=[Depends(self.admin)],
            response_class=Response, include_in_schema=False,
        )  # fmt: skip

    async def _list(self) -> Response:
        rows = [
            {"id": one.id, "name": one.name, "version": one.registry_version, "essms": len(one.essms)}
            for one in self.registrar.registry.grappes.values()
        ]
        return _json({"grappes": rows})

    async def _grappe(self, grappe: GrappeId, if_none_match: Annotated[str | None, Header()] = None) -> Response:
        found = self._known(grappe)
        if _etag(found) in _tags(if_none_match):
            return Response(status_code=304, headers={"ETag": _etag(found)})
        return _file(found)

    async def _replace(
        self, grappe: GrappeId, request: HttpRequest,
        if_match: Annotated[str | None, Header()] = None, if_none_match: Annotated[str | None, Header()] = None,
    ) -> Response:  # fmt: skip
        """The whole grappe; its ``registry_version`` is given by the gateway."""
        asked = await _read(request, AskedGrappe)
        new = parse_grappe(orjson.dumps(asked.grappe), "corps de la demande")
        if new.id != grappe:
            raise Refused(422, f"Le corps parle de la grappe « {new.id} », l'adresse de « {grappe} ».")
        try:
            expected = self._started_from(grappe, if_match, if_none_match)
            [saved] = await self.registrar.save([new], by=asked.by, why=asked.why, expected={grappe: expected})
        except Conflict as conflict:  # what the headers ask for does not hold (RFC 9110 §13.1)
            raise Refused(412, str(conflict), version=conflict.version) from None
        return self._saved(saved)

    def _started_from(self, grappe: str, if_match: str | None, if_none_match: str | None) -> int:
        """The version that the caller read. Raises Refused, and Conflict for what no version of the grappe has as its ETag."""
        if if_none_match is not None and if_none_match.strip() == "*":
            return 0
        if if_match is None:
            raise Refused(428, _WITHOUT_VERSION)
        current = self.registrar.registry.grappes.get(grappe)
        if current is not None and (if_match.strip() == "*" or _etag(current) in _tags(if_match)):
            return current.registry_version
        number = if_match.strip().strip('"')
        started = int(number) if number.isascii() and number.isdecimal() else 0
        raise Conflict(grappe, started, current.registry_version if current is not None else 0)

    async def _change(self, grappe: GrappeId, request: HttpRequest) -> Response:
        asked = await _read(request, AskedChanges)
        self._known(grappe)
        saved = await self.registrar.change(
            grappe, lambda now: apply_all(now, asked.changes), by=asked.by, why=asked.why, expected=asked.version
        )
        return self._saved(saved)

    async def _denominators(self, request: HttpRequest) -> Response:
        asked = await _read(request, AskedFile)
        content = content_of(asked.csv_base64)
        saved = await self.registrar.change_all(
            lambda registry: read_denominators(content, registry, self.registrar.today), by=asked.by, why=asked.why
        )
        return _json({"grappes": [one.item() for one in saved]})

    async def _extraction(self, request: HttpRequest) -> Response:
        asked, registrar = await _read(request, AskedFile), self.registrar
        told = await deposit(
            registrar.journal, self.environment, registrar.clock, registrar.registry, content_of(asked.csv_base64), by=asked.by
        )
        return _json(told)

    async def _versions(self, grappe: GrappeId) -> Response:
        self._known(grappe)
        steps = await asyncio.to_thread(history, self.registrar.journal.folder, self.registrar.folder, grappe)
        return _json({"grappe": grappe, "versions": [one.item() for one in steps]})

    async def _version(self, grappe: GrappeId, number: Annotated[int, InPath(ge=1)]) -> Response:
        try:
            return _file(versions.load_version(self.registrar.folder, grappe, number))
        except RegistryError as error:
            raise Refused(404, str(error)) from None

    def _known(self, grappe: str) -> Grappe:
        try:
            return self.registrar.registry.grappe(grappe)
        except RegistryError as error:
            raise Refused(404, str(error)) from None

    def _saved(self, saved: Saved) -> Response:
        return _json(saved.item(), headers={"ETag": _etag(self.registrar.registry.grappe(saved.grappe))})


async def _read(request: HttpRequest, model: type[M]) -> M:
    try:
        return model.model_validate_json(await request.body())
    except ValidationError as error:
        fields = said(error)
        first = f"{fields[0]['champ']} : {fields[0]['raison']}" if fields else "illisible"
        raise Refused(422, f"Demande refusée, {first}. Rien n'a été changé.", champs=fields) from None


def content_of(text: str) -> bytes:
    """A file that came as base64. Raises Refused."""
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise Refused(422, "csv_base64 : base64 illisible. Rien n'a été changé.") from None


def _etag(grappe: Grappe) -> str:
    return f'"{grappe.registry_version}"'


def _tags(header: str | None) -> list[str]:
    return [one.strip() for one in (header or "").split(",")]


def _file(grappe: Grappe) -> Response:
    return Response(write_grappe(grappe), media_type="application/json", headers={"ETag": _etag(grappe)})


def _json(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json", headers=headers)
