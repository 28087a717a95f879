"""The framework face of our own doors: bytes in, one journal entry, bytes out, on the native doors' road.

Bearer, path, body, structure and Idempotency-Key are read here, in this order; a door then does what it is for.
"""
from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import orjson
from pydantic import ValidationError

from connectors.wire.http import Answer
from gateway.access.keys import KeyHolder, OwnKeys, Structure
from gateway.doors.native import Cut, Receive, Scope, Send, TooLarge, read_body, request_of, send_answer
from gateway.doors.own import once, places, problem
from gateway.doors.own.call import FileDoor, Message, OwnCall, OwnDoor
from gateway.doors.own.fields import field, said
from gateway.doors.own.openapi import PATH as OPENAPI_PATH
from gateway.doors.own.openapi import document
from gateway.doors.own.problem import Refused, refuse_road
from gateway.journal.record import Claim, KeyTaken, Record
from gateway.operations import OPERATIONS, unknown_of
from gateway.road import Passed, Request, Road

App = Callable[..., Awaitable[None]]

MAX_BODY_BYTES = 16 * 1024 * 1024
#: The first segment of a path says whose door it is; what no door has there is journalled as that service's unknown.
_SERVICES = {"ins": unknown_of("INS").id, "dmp": unknown_of("DMP").id, "mss": unknown_of("MSS").id, "dui": unknown_of("DUI").id}
_SHOWN = frozenset({"controle", "lieu", "attendu", "trouve", "valeurs"})
_KEPT = ("ok", "refused")  # the service has answered for good; after anything else the key may serve again


def is_own(path: str) -> bool:
    """Whether this path belongs to our own doors, on a listener that they share."""
    return path == OPENAPI_PATH or path.split("/")[1:2] in [[name] for name in _SERVICES]


class OwnDoors:
    """Our own doors, on every listener that gives them their paths. ``doors``: by path."""

    def __init__(self, doors: dict[str, OwnDoor[Any] | FileDoor], keys: OwnKeys, road: Road) -> None:
        self._doors, self._keys, self._road = doors, keys, road
        self._under_way: set[bytes] = set()  # keys of calls that have no intent yet

    def beside(self, other: App, listener: str) -> App:
        """The application of a listener where ``other`` has the paths that are not ours."""

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and is_own(scope["path"]):
                await self._serve(request_of(scope, listener), receive, send)
            else:
                await other(scope, receive, send)

        return app

    async def _serve(self, request: Request, receive: Receive, send: Send) -> None:
        path = request.target.partition("?")[0]
        if path == OPENAPI_PATH and request.method == "GET":
            await send_answer(send, request, Answer(200, [(b"content-type", b"application/json")], document(self._doors)))
            return
        record = self._record(path)
        try:
            request.body = await read_body(receive, MAX_BODY_BYTES)
        except (TooLarge, Cut) as error:
            early: TooLarge | Cut | None = error
        else:
            early = None
        answer = await self._road.accompany(
            record, request, lambda _: self._steps(path, request, record, early), lambda refusal, _: refuse_road(refusal, record)
        )
        if not isinstance(early, Cut):
            await send_answer(send, request, self._with_deviations(answer, record), close=early is not None)

    def _with_deviations(self, answer: Answer, record: Record) -> Answer:
        """What does not conform in the call, shown to its own DUI and nowhere kept: a later call of the same key has it not."""
        observer = self._road.observer
        found = [] if observer is None else observer.direct.of_call(record.tenant, record.id)
        if not found:
            return answer
        shown = [{name: value for name, value in one.item().items() if name in _SHOWN} for one in found]
        return replace(answer, body=orjson.dumps(orjson.loads(answer.body) | {"ecarts": shown}))

    def _record(self, path: str) -> Record:
        door, _ = places.find(self._doors, path)
        operation = door.operation if door else _SERVICES[path.split("/")[1]]
        return Record(operation, environment=self._road.environment, clock_version=self._road.clock.version)

    async def _steps(self, path: str, request: Request, record: Record, early: Exception | None) -> Passed:
        try:
            holder = self._holder(request, record)
            if early is not None:
                raise _early(early)
            door, named = self._door(path, request, record)
            if isinstance(door, FileDoor):
                return await door.take(request, record, holder)
            message, body = _read(door, request, named)
            structure = _structure(holder, message).lent(self._road.access, OPERATIONS[door.operation].service)
            record.finess_et, record.attribution = message.finess_et, "appel"
            call = OwnCall(request, record, structure, message)
            if not OPERATIONS[door.operation].side_effect:
                return await door.act(call)
            return await self._once(door, call, holder.tenant, body)
        except Refused as refused:
            if refused.kind.slug == "cle-acces" and self._road.strangers.grouped(record, request.listener, "V-CLE-PORTE"):
                return Passed(problem.unrecorded(refused), closed=True)
            return Passed(problem.refuse(refused, record))

    def _holder(self, request: Request, record: Record) -> KeyHolder:
        holder = self._keys.holder(request.header("authorization"))
        if holder is None:
            raise Refused("cle-acces", "Donnez la clé de votre logiciel dans l'en-tête « Authorization: Bearer … ».")
        record.tenant, record.dui = holder.tenant, holder.dui
        return holder

    def _door(self, path: str, request: Request, record: Record) -> tuple[OwnDoor[Any] | FileDoor, dict[str, str]]:
        door, named = places.find(self._doors, path)
        if door is None:
            raise Refused("adresse", f"Adresses de cette porte : {', '.join(sorted(self._doors))}.")
        if request.method != "POST":
            record.operation = unknown_of(OPERATIONS[door.operation].service).id
            raise Refused("methode", "Cette adresse ne prend que POST.")
        return door, named

    async def _once(self, door: OwnDoor[Any], call: OwnCall[Any], tenant: str, body: dict[str, Any]) -> Passed:
        """A call with a side effect: made once for its key, or told what became of the first."""
        journal, record = self._road.journal, call.record
        scope = f"{tenant}\n{door.operation}\n{once.key_of(call.request)}"
        claim = Claim(journal.keyed("own-key", scope), journal.keyed("own-body", once.canonical(body)))
        call = OwnCall(call.request, record, call.structure, call.message, journal.keyed("own-name", scope))
        if claim.lookup in self._under_way:
            raise _in_progress()
        self._under_way.add(claim.lookup)
        try:
            use = await journal.use_of(claim)
            if use is not None:
                return Passed(once.replay(use, record, door.named(call.message, call.name)))
            record.claim = claim
            passed = await door.act(call)
            if not passed.closed and record.outcome in _KEPT:
                claim.answer = once.kept(passed.answer)
            return passed
        except KeyTaken as taken:  # another process had it between our question and the intent
            record.claim, record.replays = None, taken.call_id
            raise _in_progress() from taken
        finally:
            self._under_way.discard(claim.lookup)


def _early(error: Exception) -> Refused:
    if isinstance(error, TooLarge):
        return Refused("taille", f"Plus de {MAX_BODY_BYTES // (1024 * 1024)} Mio. Envoyez un document plus petit.")
    return Refused("coupure", "Appel interrompu par le client avant la fin de son envoi.")


def _in_progress() -> Refused:
    return Refused("en-cours", "L'appel qui porte cette clé n'est pas fini. Attendez, puis renvoyez avec la même clé.")


def _read(door: OwnDoor[Any], request: Request, named: dict[str, str]) -> tuple[Message, dict[str, Any]]:
    """``named``: what the path says of the request, and its body may not."""
    try:
        body = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        raise Refused("json", "Le corps n'est pas un JSON lisible en UTF-8.") from None
    if not isinstance(body, dict):
        raise Refused("json", "Le corps est un objet JSON, pas une autre valeur.")
    if twice := sorted(body.keys() & named.keys()):
        raise bad_fields([field(name, "déjà dans l'adresse") for name in twice])
    try:
        message: Message = door.model.model_validate(body | named)
    except ValidationError as error:
        raise bad_fields(said(error)) from None
    return message, body


def bad_fields(fields: Sequence[dict[str, str]]) -> Refused:
    return Refused("champs", "Corrigez les champs nommés, puis renvoyez : rien n'a été transmis.", champs=list(fields))


def _structure(holder: KeyHolder, message: Message) -> Structure:
    structure = holder.structures.get(message.finess_et)
    if structure is None:
        raise Refused("structure", "Votre clé n'agit pas pour ce FINESS ET : prenez l'un des vôtres, ou faites-le ajouter.")
    return structure
