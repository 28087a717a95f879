"""The journal over HTTP, on the console's listener: pages, one entry, whole files, for named keys (design §5.7).

A key bound to a vendor sees the entries of its own software; for what is another's it is told that there is no such entry.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Annotated, Any

import orjson
from cryptography.exceptions import InvalidTag
from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from fastapi import Path as InPath
from fastapi.responses import StreamingResponse

from connectors.wire.clock import Clock
from gateway.access.denials import Denials
from gateway.access.rights import Key, KeyRefused, Keys, Right, add, remove, rotate
from gateway.access.sight import of_another, within
from gateway.doors.journal_asked import (
    Asked,
    AskedDecision,
    AskedExport,
    AskedPage,
    GoneKey,
    NewKey,
    Problem,
    is_parameter,
)  # fmt: skip
from gateway.doors.reading import Gate, as_json, openapi, problem_route, responses, simulated
from gateway.exports.journal_lines import lines, warning_for
from gateway.grappes.registry import Registry
from gateway.journal.apart import in_thread
from gateway.journal.filters import Filters
from gateway.journal.journal import Journal
from gateway.journal.proof.snapshot import told
from gateway.journal.query import JournalReader, Page, PrefixTooShort
from gateway.journal.record import NotInDoubt
from gateway.settling import decide

_EFFORT = 20_000  # look-ups of one page: some tens of milliseconds, then the caller asks again with the cursor
_READERS = 4  # at once, so that reading leaves the processors to the calls
_PIECE = 500  # lines sent together


EntryId = Annotated[str, InPath(pattern=r"^[0-9a-f-]{36}$", description="Identifiant de l'entrée.")]


@dataclass(slots=True)
class JournalApi:
    """What these routes need of the gateway.

    admin     the console's own check of its admin key
    registry  where the grappes of keys have their ESSMS; it may change under way
    """

    journal: Journal
    clock: Clock
    keys: Keys
    denials: Denials
    admin: Callable[..., Awaitable[None]]
    registry: Registry = field(default_factory=Registry)
    _reading: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_READERS))

    def mount(self, app: FastAPI, beside: Sequence[APIRouter] = ()) -> None:
        """Add the routes, and /openapi.json which describes those a key may call; ``beside`` has other such routes."""
        shown = APIRouter(prefix="/api/journal", tags=["Journal"], route_class=problem_route(is_parameter))
        for path, method, endpoint, summary in (
            ("/entries", "GET", self._entries, "Une page d'entrées, les plus récentes d'abord (droit metadata)"),
            ("/entries/{entry_id}", "GET", self._entry, "Une entrée et ses règlements (droit metadata)"),
            ("/entries/{entry_id}/contents", "GET", self._contents, "Ce qu'une entrée recouvre : messages, noms (droit body)"),
            ("/entries/{entry_id}/settlement", "POST", self._settle, "Décider d'un appel en doute (droit settle)"),
            ("/export", "GET", self._export, "Toutes les entrées demandées, en un fichier (droit export)"),
        ):
            shown.add_api_route(
                path, endpoint, methods=[method], summary=summary, responses=responses(), response_class=Response,
                operation_id=endpoint.__name__.strip("_"), description=(endpoint.__doc__ or "").strip(),
            )  # fmt: skip
        hidden = APIRouter(prefix="/admin/journal", dependencies=[Depends(self.admin)], include_in_schema=False)
        hidden.add_api_route("/keys", self._add_key, methods=["POST"])
        hidden.add_api_route("/keys/remove", self._remove_key, methods=["POST"])
        hidden.add_api_route("/keys/rotate", self._rotate_key, methods=["POST"])
        document = openapi([shown, *beside])
        for router in (shown, *beside, hidden):
            app.include_router(router)
        app.get("/openapi.json", include_in_schema=False)(lambda: Response(document, media_type="application/json"))

    # --- the journal ----------------------------------------------------------------------------------------------------------

    async def _entries(self, request: Request, asked: Annotated[AskedPage, Query()]) -> Response:
        """Suivez « cursor » vers les plus anciennes, « newer » vers les plus récentes. Une page peut être courte, ou vide, et
        avoir un « cursor » : la recherche s'est arrêtée là pour ne pas durer, et reprend de là."""
        filters = asked.filters(key := await self._key(request, "metadata", asked), within(key, self.registry))

        def read(reader: JournalReader) -> dict[str, Any]:
            page = _page(reader, filters, asked, effort=_EFFORT)
            warning = warning_for([entry["environment"] for entry in page.entries] or reader.environments())
            return {**simulated(warning), "entries": page.entries, "cursor": page.cursor, "newer": page.newer}

        return as_json(await self._read(read))

    async def _entry(self, request: Request, entry_id: EntryId) -> Response:
        """L'entrée telle qu'elle est au journal, puis ce qu'on en a su après coup."""
        key = await self._key(request, "metadata")
        entry = await self._own(key, entry_id)
        later = await self._read(lambda reader: reader.settlements_of(entry_id))
        return as_json({**simulated(warning_for([entry["environment"]])), "entry": entry, "settlements": later})

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
        return as_json({**simulated(warning_for([entry["environment"]])), "bodies": bodies, "names": opened})

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
        return as_json(done)

    async def _export(self, request: Request, asked: Annotated[AskedExport, Query()]) -> Response:
        """Les plus anciennes d'abord, celles écrites après la demande exceptées. L'export est lui-même une entrée."""
        filters = asked.filters(key := await self._key(request, "export", asked), within(key, self.registry))
        await self._read(lambda reader: _page(reader, filters, AskedPage(limit=1), effort=1))
        await self._note({"action": "export", "by": key.name, "format": asked.format, "filters": filters.asked()})
        reader = await asyncio.to_thread(JournalReader, self.journal.folder)
        warning = warning_for(reader.environments())
        name = f"journal{'-DONNEES-SIMULEES' if warning else ''}.{asked.format}"
        return StreamingResponse(
            _pieces(reader, lines(reader.select(filters), asked.format, warning, told(self.journal.folder))),
            media_type="text/csv; charset=utf-8" if asked.format == "csv" else "application/x-ndjson",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    # --- keys -----------------------------------------------------------------------------------------------------------------

    async def _add_key(self, new: NewKey) -> Response:
        try:
            secret = await add(
                self.keys, self.journal, name=new.name, rights=new.rights, tenant=new.tenant, by=new.by, grappes=new.grappes
            )
        except KeyRefused as refused:
            return as_json({"detail": str(refused)}, 409)
        return as_json({"name": new.name, "key": secret})

    async def _rotate_key(self, one: GoneKey) -> Response:
        try:
            secret = await rotate(self.keys, self.journal, name=one.name, by=one.by)
        except KeyRefused as refused:
            return as_json({"detail": str(refused)}, 409)
        return as_json({"name": one.name, "key": secret})

    async def _remove_key(self, gone: GoneKey) -> Response:
        try:
            await remove(self.keys, self.journal, name=gone.name, by=gone.by)
        except KeyRefused as refused:
            return as_json({"detail": str(refused)}, 409)
        return as_json({"name": gone.name, "removed": True})

    # --- who, and what of it --------------------------------------------------------------------------------------------------

    async def _key(self, request: Request, right: Right, asked: Asked | None = None) -> Key:
        """The caller's key, with this right, over what is asked. Raises Problem, and notes the attempt."""
        gate = Gate(self.keys, self.denials)
        key = await gate.key(request, right)
        if asked is None:
            return key
        why = of_another(key, self.registry, tenant=asked.tenant, finess_et=asked.finess_et)
        if why is not None:
            whose = {"editeur": "éditeur", "grappe": "établissement"}[why]
            raise await gate.refusal(key, why, Problem("entree", f"Aucune entrée de cet {whose} pour votre clé."))
        return key

    async def _own(self, key: Key, entry_id: str) -> dict[str, Any]:
        """The entry, if the key may see it. Raises Problem, and notes the attempt."""
        entry: dict[str, Any] | None = await self._read(lambda reader: reader.entry(entry_id))
        return await Gate(self.keys, self.denials).own(key, self.registry, entry)

    async def _read(self, read: Callable[[JournalReader], Any]) -> Any:
        """In a thread, on a connection of its own: the loop that carries calls never waits for the disk of a reader."""

        def run() -> Any:
            with JournalReader(self.journal.folder) as reader:
                return read(reader)

        async with self._reading:
            return await asyncio.to_thread(run)

    async def _note(self, detail: dict[str, Any]) -> None:
        await self.journal.write(self.journal.admin(detail))


def _page(reader: JournalReader, filters: Filters, asked: AskedPage, *, effort: int) -> Page:
    if asked.cursor is not None and asked.after is not None:
        raise Problem("parametre", "« cursor » et « after » : l'un ou l'autre.", parametres=["after", "cursor"])
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
            piece = await in_thread(lambda: b"".join(islice(rows, _PIECE)))
            if not piece:
                return
            yield piece
    finally:
        reader.close()
