"""The rates over HTTP, on the console's listener, for keys with the right usage (design §6; decision 0036; docs/api-usage.md).

Reading rates leaves no entry, as reading pages of the journal leaves none; a file that leaves the house does.
"""
from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, Literal

import apsw
from fastapi import APIRouter, Query, Request, Response

from connectors.wire.clock import Clock
from gateway.access.rights import Key, admin_record
from gateway.access.sight import may_read
from gateway.doors.journal_asked import Problem
from gateway.doors.reading import Gate, problem_route, responses
from gateway.doors.usage_asked import AskedRates, is_parameter, matches, settled, still_moving, tag_of
from gateway.exports.ars_lines import ars_lines
from gateway.exports.csv_rates import rates_csv
from gateway.exports.edition import Edition
from gateway.exports.fhir_reports import bundle
from gateway.exports.json_rates import envelope, rates_json, to_bytes
from gateway.exports.xlsx_rates import rates_xlsx
from gateway.grappes.model import Grappe
from gateway.grappes.reading import RegistryError
from gateway.grappes.registry import Registry
from gateway.grappes.versions import load_version, sha256_of
from gateway.journal.journal import Journal
from gateway.settings import Environment
from gateway.usage.measure import DEFINITION_VERSION, Measure
from gateway.usage.rates import Asked, NoSuchVersion, NotReproduced, answer
from gateway.usage.source import journal_of
from gateway.usage.vector import current

_READERS = 2  # at once, so that reading leaves the processors to the calls
_CACHE = {"Cache-Control": "private, no-cache", "Vary": "Authorization"}
SOFTWARE = f"Socle {metadata.version('socle')}"
Form = Literal["csv", "xlsx", "json", "fhir", "ars"]


@dataclass(frozen=True, slots=True)
class File:
    """One form of the same measures. ``build`` is pure: same edition, same bytes."""

    what: str  # first word of the file's name
    extension: str
    media_type: str
    build: Callable[[Edition], bytes]


FILES: dict[Form, File] = {
    "csv": File("taux", "csv", "text/csv; charset=utf-8", lambda edition: rates_csv(edition.measures, edition.as_of)),
    "xlsx": File(
        "taux", "xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", rates_xlsx,
    ),
    "json": File("taux", "json", "application/json", lambda edition: rates_json(edition.measures, edition.as_of)),
    "fhir": File("rapport", "json", "application/fhir+json", bundle),
    "ars": File("ars", "csv", "text/csv; charset=utf-8", ars_lines),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Tagged:
    """An answer and its tag; ``content`` is None when the caller has it already."""

    tag: str
    content: bytes | None
    name: str = ""


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
        await self._key(request, asked.grappe)
        asked.check()
        tagged = await self._tagged(request, asked, "taux", lambda edition: to_bytes(envelope(edition.measures)), digests=False)
        return self._answer(tagged, "application/json", {})

    async def _export(self, request: Request, forme: Form, asked: Annotated[AskedRates, Query()]) -> Response:
        """csv, xlsx, json, fhir (Bundle R4 de MeasureReport) ou ars (lignes ARS et CNSA). Chaque fichier remis est une entrée du
        journal ; une réponse 304 n'en est pas une."""
        key = await self._key(request, asked.grappe)
        asked.check()
        file = FILES[forme]
        tagged = await self._tagged(request, asked, forme, file.build, what=(file.what, file.extension))
        if tagged.content is not None:
            await self.journal.write(admin_record(self.clock, {
                "action": "export", "by": key.name, "format": forme, "grappe": asked.grappe,
                "filters": sorted(asked.model_fields_set),
            }))  # fmt: skip
        return self._answer(tagged, file.media_type, {"Content-Disposition": f'attachment; filename="{tagged.name}"'})

    async def _key(self, request: Request, grappe: str) -> Key:
        """The caller's key, if it may read this grappe. A grappe of others is as absent as one that is not there."""
        key = await self.gate.key(request, "usage")
        absent = Problem("grappe", "Aucune grappe de cet identifiant pour votre clé.")
        if not may_read(key, grappe):
            raise await self.gate.refusal(key, "grappe", absent)
        if grappe not in self.registry.grappes:
            raise absent
        return key

    async def _tagged(
        self, request: Request, asked: AskedRates, form: str, build: Callable[[Edition], bytes], *,
        digests: bool = True, what: tuple[str, str] | None = None,
    ) -> _Tagged:  # fmt: skip
        """In a thread, on a connection of its own, at one vector: the tag, and unless the caller has it, the answer."""
        if_none_match, now = request.headers.get("if-none-match"), self.clock.business()

        def run() -> _Tagged:
            with journal_of(self.journal.folder) as journal:
                return tagged(_Moment(journal, self.journal.folder, self.registry, environment, now))

        def tagged(moment: _Moment) -> _Tagged:
            tag = moment.tag(asked, form)
            if matches(if_none_match, tag):
                return _Tagged(tag, None)
            edition = moment.edition(asked, digests=digests)
            return _Tagged(tag, build(edition), "" if what is None else edition.name(*what))

        environment = asked.environment or self.environment
        async with self._reading:
            return await asyncio.to_thread(run)

    def _answer(self, tagged: _Tagged, media_type: str, headers: dict[str, str]) -> Response:
        told: dict[str, Any] = {"ETag": tagged.tag, **_CACHE}
        if tagged.content is None:
            return Response(status_code=304, headers=told)
        return Response(tagged.content, headers=told | headers, media_type=media_type)


class _Moment:
    """The journal at one vector and the registry of that time: an answer and its tag are of the same two."""

    def __init__(
        self, journal: apsw.Connection, folder: Path, registry: Registry, environment: Environment, now: datetime
    ) -> None:
        self._db, self._folder, self._environment, self._now = journal, folder, environment, now
        self._registry = Registry(registry.grappes.values())  # the gateway's own may change under way
        self._vector = settled(journal, current(journal))

    def tag(self, asked: AskedRates, form: str) -> str:
        """Of a closed version, what was asked says it all; of the latest, everything that it is a function of."""
        question = asked.model_dump(mode="json") | {"environment": self._environment}
        if asked.version is not None:
            return tag_of(SOFTWARE, DEFINITION_VERSION, form, question)
        registry = sha256_of(self._registry.grappe(asked.grappe))
        return tag_of(SOFTWARE, DEFINITION_VERSION, form, question, registry, self._vector, still_moving(self._now, asked.end))

    def edition(self, asked: AskedRates, *, digests: bool) -> Edition:
        """Raises Problem."""
        question = Asked(
            self._environment, self._now, start=asked.first_month, months=asked.months, month=asked.month, version=asked.version,
            vector=self._vector, digests=digests,
        )  # fmt: skip
        found = self._measures(question, asked.grappe)
        if not found and asked.version is not None:
            raise Problem("version", "Cette fenêtre n'a aucune version close.")
        if not found:
            raise Problem("parametre", "Aucune fenêtre de mesure ne finit ce mois-là.", parametres=["mois"])
        return Edition(tuple(found), self._version(asked.grappe, found[-1].registry_version), SOFTWARE)

    def _measures(self, asked: Asked, grappe: str) -> list[Measure]:
        try:
            return answer(self._db, self._registry, asked, grappe, self._version)
        except NoSuchVersion as error:
            last = f"la dernière close est la version {error.known}" if error.known else "aucune version n'y est close"
            raise Problem("version", f"Cette fenêtre n'a pas cette version : {last}.") from None
        except (NotReproduced, RegistryError):
            raise Problem(
                "non-reproduite", "Le journal ne redonne pas cette version : demandez à l'exploitant un socle usage recount."
            ) from None
        except ValueError:
            raise Problem("parametre", "Ces mois ne font pas des fenêtres de mesure.", parametres=["from", "months"]) from None

    def _version(self, grappe: str, number: int | None) -> Grappe:
        if number is None or number == self._registry.version_of(grappe):
            return self._registry.grappe(grappe)
        return load_version(self._folder / "grappes", grappe, number)
