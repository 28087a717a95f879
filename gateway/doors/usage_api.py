"""The rates over HTTP, on the console's listener, for keys with the right usage (design §6; decision 0036; docs/api-usage.md).

Reading rates leaves no entry, as reading pages of the journal leaves none; a file that leaves the house does.
"""
from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response

from connectors.wire.clock import Clock
from gateway.access.rights import Key, Right
from gateway.access.sight import may_read, of_another
from gateway.doors.journal_asked import Problem
from gateway.doors.reading import Gate, problem_route, responses
from gateway.doors.usage_asked import AskedDetail, AskedRates, is_parameter, matches
from gateway.doors.usage_moment import Content, Moment
from gateway.exports.json_rates import envelope, to_bytes
from gateway.exports.pack import MAKERS
from gateway.grappes.registry import Registry
from gateway.journal.journal import Journal
from gateway.settings import Environment
from gateway.usage.counting import Counting
from gateway.usage.source import journal_of

_READERS = 2  # at once, so that reading leaves the processors to the calls
_CACHE = {"Cache-Control": "private, no-cache", "Vary": "Authorization"}
Form = Literal["csv", "xlsx", "json", "fhir", "ars", "copil"]
#: Of the first file of each of these formats (``gateway/exports/pack.py``).
MEDIA_TYPES: dict[Form, str] = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "json": "application/json",
    "fhir": "application/fhir+json",
    "ars": "text/csv; charset=utf-8",
    "copil": "application/pdf",
}


@dataclass(frozen=True, slots=True)
class _Tagged:
    """An answer and its tag; ``content`` is None when the caller has it already."""

    tag: str
    content: Content | None


@dataclass(slots=True)
class UsageApi:
    """What these routes need of the gateway. ``registry`` may change under way."""

    journal: Journal
    clock: Clock
    gate: Gate
    registry: Registry
    environment: Environment
    _reading: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_READERS))

    def router(self) -> APIRouter:
        """The routes, and what describes them."""
        router = APIRouter(prefix="/api/usage", tags=["Taux d'usage"], route_class=problem_route(is_parameter))
        for path, endpoint, summary, content_type in (
            ("/taux", self._rates, "Les taux d'une grappe, ESSMS par ESSMS (droit usage)", "application/json"),
            ("/exports/{forme}", self._export, "Les mêmes taux en un fichier (droit usage)", "*/*"),
            ("/explain", self._explain, "Les entrées d'un numérateur (droits usage et metadata)", "application/json"),
        ):
            router.add_api_route(
                path, endpoint, methods=["GET"], summary=summary, response_class=Response,
                operation_id="usage_" + endpoint.__name__.strip("_"), description=(endpoint.__doc__ or "").strip(),
                responses=responses(content_type) | {304: {"description": "Rien n'a changé depuis l'ETag donné"}},
            )  # fmt: skip
        return router

    async def _rates(self, request: Request, asked: Annotated[AskedRates, Query()]) -> Response:
        """Sans « mois », toutes les fenêtres depuis le premier mois. L'ETag ne change que si le journal, le registre ou les
        règles ont changé : redemandez avec If-None-Match, la réponse 304 ne coûte rien."""
        key = await self._key(request, asked.grappe, "usage")
        asked.check(self.clock.business())

        def build(moment: Moment) -> Content:
            return Content(to_bytes(envelope(moment.rates(asked))))

        return self._answer(await self._tagged(request, key, asked, "taux", build))

    async def _export(self, request: Request, forme: Form, asked: Annotated[AskedRates, Query()]) -> Response:
        """csv, xlsx, json, fhir (Bundle R4 de MeasureReport), ars (lignes ARS et CNSA) ou copil (une page PDF) : les octets de
        socle usage export. Chaque fichier remis est une entrée du journal ; une réponse 304 n'en est pas une."""
        key = await self._key(request, asked.grappe, "usage")
        asked.check(self.clock.business())

        def build(moment: Moment) -> Content:
            [file, *_] = MAKERS[forme](moment.edition(asked))
            return Content(file.content, file.name)

        tagged = await self._tagged(request, key, asked, forme, build)
        if tagged.content is not None:
            await self.journal.write(self.journal.admin({
                "action": "export", "by": key.name, "format": forme, "grappe": asked.grappe,
                "filters": sorted(asked.model_fields_set),
            }))  # fmt: skip
        return self._answer(tagged, MEDIA_TYPES[forme])

    async def _explain(self, request: Request, asked: Annotated[AskedDetail, Query()]) -> Response:
        """Chaque entrée de la fenêtre et de l'ESSMS, une fois, avec la raison pour laquelle elle compte ou non ; des références,
        jamais une personne ni un message."""
        key = await self._key(request, asked.grappe, "usage", "metadata")
        asked.check(self.clock.business())
        if self.registry.grappe(asked.grappe).find(asked.finess_et) is None:
            absent = Problem("entree", "Aucun établissement de ce numéro dans cette grappe.")
            why = of_another(key, self.registry, tenant=None, finess_et=asked.finess_et)
            raise absent if why is None else await self.gate.refusal(key, why, absent)

        def build(moment: Moment) -> Content:
            return Content(to_bytes(moment.detail(asked)))

        return self._answer(await self._tagged(request, key, asked, "explain", build))

    async def _key(self, request: Request, grappe: str, *rights: Right) -> Key:
        """The caller's key, if it may read this grappe. A grappe of others is as absent as one that is not there."""
        key = await self.gate.key(request, *rights)
        absent = Problem("grappe", "Aucune grappe de cet identifiant pour votre clé.")
        if not may_read(key, grappe):
            raise await self.gate.refusal(key, "grappe", absent)
        if grappe not in self.registry.grappes:
            raise absent
        return key

    async def _tagged(
        self, request: Request, key: Key, asked: AskedRates | AskedDetail, form: str, build: Callable[[Moment], Content]
    ) -> _Tagged:
        """In a thread, on a connection of its own, at one moment: the tag, and unless the caller has it, the answer."""
        if_none_match, now = request.headers.get("if-none-match"), self.clock.business()
        environment, folder = asked.environment or self.environment, self.journal.folder

        def run() -> _Tagged:
            with journal_of(folder) as journal:
                journal.execute("BEGIN")  # one state of the journal until the connection closes
                if environment != self.environment and not Counting(journal, environment).any_entry():
                    raise Problem(
                        "parametre", "Aucune entrée de cet environnement ici : un taux de 0 % n'aurait pas de sens.",
                        parametres=["environment"],
                    )  # fmt: skip
                moment = Moment(journal, folder, self.registry, environment, now, key)
                tag = moment.tag(asked, form)
                return _Tagged(tag, None if matches(if_none_match, tag) else build(moment))

        async with self._reading:
            return await asyncio.to_thread(run)

    @staticmethod
    def _answer(tagged: _Tagged, media_type: str = "application/json") -> Response:
        told: dict[str, Any] = {"ETag": tagged.tag, **_CACHE}
        if tagged.content is None:
            return Response(status_code=304, headers=told)
        if tagged.content.name:
            told["Content-Disposition"] = f'attachment; filename="{tagged.content.name}"'
        return Response(tagged.content.body, headers=told, media_type=media_type)
