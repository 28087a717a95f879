"""The journal over HTTP, on the console's listener: pages, one entry, whole files, for named keys (design §5.7).

A key bound to a vendor sees the entries of its own software; for what is another's it is told that there is no such entry.
"""
from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Annotated, Any

import apsw
import orjson
from cryptography.exceptions import InvalidTag
from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from fastapi import Path as InPath
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import StreamingResponse
from fastapi.routing import APIRoute

from connectors.wire.clock import Clock
from gateway.access.denials import UNKNOWN, Denials
from gateway.access.rights import Key, KeyRefused, Keys, Right, add, admin_record, remove
from gateway.doors.journal_asked import (
    AskedDecision,
    AskedExport,
    AskedPage,
    GoneKey,
    NewKey,
    Problem,
    answer,
    is_parameter,
)  # fmt: skip
from gateway.exports.journal_lines import lines, warning_for
from gateway.journal.filters import Filters
from gateway.journal.journal import Journal
from gateway.journal.query import JournalReader, Page, PrefixTooShort
from gateway.journal.record import JournalFull, NotInDoubt
from gateway.settling import decide

_EFFORT = 20_000  # look-ups of one page: some tens of milliseconds, then the caller asks again with the cursor
_READERS = 4  # at once, so that reading leaves the processors to the calls
_PIECE = 500  # lines sent together


class _Route(APIRoute):
    """Every error of these routes is a problem, those of the framework included."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            try:
                return await handle(request)
            except Problem as problem:
                return answer(problem)
            except RequestValidationError as error:  # what was sent is not repeated: it may name a person
                names = sorted({name for one in error.errors() if is_parameter(name := str(one["loc"][-1]))})
                return answer(Problem("parametre", "Un paramètre est inconnu ou mal formé : /openapi.json.", parametres=names))
            except JournalFull:
                return answer(Problem("plein", "Le journal n'a plus de place : rien n'a été changé. Recommencez plus tard."))
            except apsw.Error:
                return answer(Problem("illisible", "Le journal ne se lit pas pour l'instant. Recommencez plus tard."))

        return guarded


EntryId = Annotated[str, InPath(pattern=r"^[0-9a-f-]{36}$", description="Identifiant de l'entrée.")]


@dataclass(slots=True)
class JournalApi:
    """What these routes need of the gateway. ``admin``: the console's own check of its admin key."""

    journal: Journal
    clock: Clock
    keys: Keys
    denials: Denials
    admin: Callable[..., None]
    _reading: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_READERS))

    def mount(self, app: FastAPI) -> None:
        """Add the routes, and /openapi.json which describes those a vendor may call."""
        shown = APIRouter(prefix="/api/journal", tags=["Journal"], route_class=_Route)
        for path, method, endpoint, summary in (
            ("/entries", "GET", self._entries, "Une page d'entrées, les plus récentes d'abord (droit metadata)"),
            ("/entries/{entry_id}", "GET", self._entry, "Une entrée et ses règlements (droit metadata)"),
            ("/entries/{entry_id}/contents", "GET", self._contents, "Ce qu'une entrée recouvre : messages, noms (droit body)"),
            ("/entries/{entry_id}/settlement", "POST", self._settle, "Décider d'un appel en doute (droit settle)"),
            ("/export", "GET", self._export, "Toutes les entrées demandées, en un fichier (droit export)"),
        ):
            shown.add_api_route(
                path, endpoint, methods=[method], summary=summary, responses=_RESPONSES, response_class=Response,
                operation_id=endpoint.__name__.strip("_"), description=(endpoint.__doc__ or "").strip(),
            )  # fmt: skip
        hidden = APIRouter(prefix="/admin/journal", dependencies=[Depends(self.admin)], include_in_schema=False)
        hidden.add_api_route("/keys", self._add_key, methods=["POST"])
        hidden.add_api_route("/keys/remove", self._remove_key, methods=["POST"])
        document = orjson.dumps(_openapi(shown))
        app.include_router(shown)
        app.include_router(hidden)
        app.get("/openapi.json", include_in_schema=False)(lambda: Response(document, media_type="application/json"))

    # --- the journal ----------------------------------------------------------------------------------------------------------

    async def _entries(self, request: Request, asked: Annotated[AskedPage, Query()]) -> Response:
        """Suivez « cursor » vers les plus anciennes, « newer » vers les plus récentes. Une page peut être courte, ou vide, et
        avoir un « cursor » : la recherche s'est arrêtée là pour ne pas durer, et reprend de là."""
        key = await self._key(request, "metadata", asked.tenant)
        filters = asked.filters(key)

        def read(reader: JournalReader) -> dict[str, Any]:
            page = _page(reader, filters, asked, effort=_EFFORT)
            warning = warning_for([entry["environment"] for entry in page.entries] or reader.environments())
            return {**_simulated(warning), "entries": page.entries, "cursor": page.cursor, "newer": page.newer}

        return _json(await self._read(read))

    async def _entry(self, request: Request, entry_id: EntryId) -> Response:
        """L'entrée telle qu'elle est au journal, puis ce qu'on en a su après coup."""
        key = await self._key(request, "metadata")
        entry = await self._own(key, entry_id)
        later = await self._read(lambda reader: reader.entries(Filters(settles=entry_id), effort=_EFFORT).entries)
        return _json({**_simulated(warning_for([entry["environment"]])), "entry": entry, "settlements": later})

    async def _contents(self, request: Request, entry_id: EntryId) -> Response:
        """Les copies expurgées des messages, si l'opération en garde, et les valeurs des références. Jamais une personne."""
        key = await self._key(request, "body")
        entry = await self._own(key, entry_id)
        names, kept = await self._read(lambda reader: (reader.names_of(entry), reader.kept_of(entry)))
        vault = self.journal.vault
        try:
            opened = {ref: vault.unseal(ref, sealed).decode("utf-8", "replace") for ref, sealed in names.items()}
            bodies = [{"role": one.role, "copy": orjson.loads(vault.unseal_alone(one.name, one.key, one.sealed))} for one in kept]
        except InvalidTag:
            raise Problem("illisible", "Ces contenus ont été scellés par d'autres clés.") from None
        await self._note({"action": "contents_read", "by": key.name, "entry": entry_id})
        return _json({**_simulated(warning_for([entry["environment"]])), "bodies": bodies, "names": opened})

    async def _settle(self, request: Request, entry_id: EntryId, decision: AskedDecision) -> Response:
        """Une seule fois, sans retour : le règlement est une entrée du journal."""
        key = await self._key(request, "settle")
        await self._own(key, entry_id)
        try:
            done = await decide(
                self.journal, self.clock, entry_id, decision.outcome, by=f"{decision.by} ({key.name})", reason=decision.reason
            )
        except NotInDoubt:
            raise Problem("pas-en-doute", "Cette entrée n'est pas en doute, ou ne l'est plus.") from None
        return _json(done)

    async def _export(self, request: Request, asked: Annotated[AskedExport, Query()]) -> Response:
        """Les plus anciennes d'abord, celles écrites après la demande exceptées. L'export est lui-même une entrée."""
        key = await self._key(request, "export", asked.tenant)
        filters = asked.filters(key)
        await self._read(lambda reader: _page(reader, filters, AskedPage(limit=1), effort=1))
        await self._note({"action": "export", "by": key.name, "format": asked.format, "filters": filters.asked()})
        reader = await asyncio.to_thread(JournalReader, self.journal.folder)
        warning = warning_for(reader.environments())
        name = f"journal{'-DONNEES-SIMULEES' if warning else ''}.{asked.format}"
        return StreamingResponse(
            _pieces(reader, lines(reader.select(filters), asked.format, warning)),
            media_type="text/csv; charset=utf-8" if asked.format == "csv" else "application/x-ndjson",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    # --- keys -----------------------------------------------------------------------------------------------------------------

    async def _add_key(self, new: NewKey) -> Response:
        try:
            secret = await add(
                self.keys, self.journal, self.clock, name=new.name, rights=new.rights, tenant=new.tenant, by=new.by
            )
        except KeyRefused as refused:
            return _json({"detail": str(refused)}, 409)
        return _json({"name": new.name, "key": secret})

    async def _remove_key(self, gone: GoneKey) -> Response:
        try:
            await remove(self.keys, self.journal, self.clock, name=gone.name, by=gone.by)
        except KeyRefused as refused:
            return _json({"detail": str(refused)}, 409)
        return _json({"name": gone.name, "removed": True})

    # --- who, and what of it --------------------------------------------------------------------------------------------------

    async def _key(self, request: Request, right: Right, tenant: str | None = None) -> Key:
        """The caller's key, with this right, over this vendor's entries. Raises Problem, and notes the attempt."""
        key = self.keys.bearer(request.headers.get("authorization"))
        if key is None:
            await self.denials.note(UNKNOWN, "cle")
            raise Problem("cle", "Donnez votre clé de lecture dans l'en-tête « Authorization: Bearer … ».")
        if not key.may(right):
            await self.denials.note(key.name, f"droit:{right}")
            raise Problem("droit", f"Votre clé n'a pas le droit « {right} » : demandez-le à qui l'a faite.")
        if tenant is not None and key.tenant is not None and tenant != key.tenant:
            await self.denials.note(key.name, "editeur")
            raise Problem("entree", "Aucune entrée de cet éditeur pour votre clé.")
        return key

    async def _own(self, key: Key, entry_id: str) -> dict[str, Any]:
        """The entry, if the key may see it; one of another vendor is as absent as one that is not there."""
        entry: dict[str, Any] | None = await self._read(lambda reader: reader.entry(entry_id))
        if entry is None or (key.tenant is not None and entry["tenant"] != key.tenant):
            if entry is not None:
                await self.denials.note(key.name, "editeur")
            raise Problem("entree", "Aucune entrée de cet identifiant pour votre clé.")
        return entry

    async def _read(self, read: Callable[[JournalReader], Any]) -> Any:
        """In a thread, on a connection of its own: the loop that carries calls never waits for the disk of a reader."""

        def run() -> Any:
            with JournalReader(self.journal.folder) as reader:
                return read(reader)

        async with self._reading:
            return await asyncio.to_thread(run)

    async def _note(self, detail: dict[str, Any]) -> None:
        await self.journal.write(admin_record(self.clock, detail))


_PROBLEM = {"type": "object", "required": ["type", "title", "status", "detail"]}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "Ce qui est demandé", "content": {"application/json": {"schema": {"type": "object"}}}},
    "default": {
        "description": "Refus (RFC 9457), liste dans docs/journal-lecture.md",
        "content": {"application/problem+json": {"schema": _PROBLEM}},
    },
}


def _page(reader: JournalReader, filters: Filters, asked: AskedPage, *, effort: int) -> Page:
    try:
        return reader.entries(filters, asked.cursor, asked.limit, after=asked.after, effort=effort)
    except PrefixTooShort:
        raise Problem("parametre", "Trop d'identifiants commencent ainsi ; donnez-en plus.", parametres=["id"]) from None
    except ValueError:
        names = ["cursor" if asked.after is None else "after"]
        raise Problem("parametre", "Ce curseur n'est pas d'une page.", parametres=names) from None


async def _pieces(reader: JournalReader, rows: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The file, some hundred lines at a time, each read in a thread; the connection closes even when the caller leaves."""
    try:
        while True:
            reading = asyncio.ensure_future(asyncio.to_thread(lambda: b"".join(islice(rows, _PIECE))))
            try:
                piece = await asyncio.shield(reading)
            finally:
                await asyncio.wait({reading})  # a thread must have left the connection before it is closed
            if not piece:
                return
            yield piece
    finally:
        reader.close()


def _openapi(router: APIRouter) -> dict[str, Any]:
    document = get_openapi(
        title="Journal de Socle", version="1", routes=router.routes,
        description="Lecture du journal, sur la console (boucle locale). Guide : docs/journal-lecture.md.",
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
    return document


def _simulated(warning: str | None) -> dict[str, Any]:
    return {"simulated": warning is not None, "avertissement": warning}


def _json(content: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")
