"""Making a call of the journal again (design §5.7, right « settle »): a new call, by the normal road, that names the first one.

Only a call without side effect whose request was kept whole, and which needs no proof that the journal never keeps: a token,
a secret, the signed word of a professional. What cannot honestly be made again is refused, with the reason: the guide
docs/journal-lecture.md lists both.
"""
from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from pydantic import ValidationError

from connectors.wire.http import Answer, Headers
from gateway.access.callers import Access, Caller
from gateway.access.keys import OwnKeys
from gateway.doors.insi_calls import by_assertion
from gateway.doors.own import problem
from gateway.doors.own.call import OwnCall, OwnDoor
from gateway.doors.own.problem import Refused, refuse_road
from gateway.journal.bodies import whole_body
from gateway.journal.query import KeptMessage
from gateway.journal.record import JournalFull, Record
from gateway.operations import OPERATIONS
from gateway.road import NativeDoor, Passed, Request, Road

ACTION = LISTENER = "rerun"
SEARCH_PATH, VERIFICATION_PATH = "/ins/recherche", "/ins/verification"
_OWN = (SEARCH_PATH, VERIFICATION_PATH)
_RERUN = ("INS.RECHERCHE_TRAITS", "INS.RECHERCHE_VITALE", "INS.VERIFICATION", "PSC.DISCOVERY")
_HEADER = "en-tête "  # how a copy names a header whose value was taken out
_LOT = "un lot est à qui le dépose : un second naîtrait, dont nul ne saurait le nom, et ses réponses ne sont dites qu'à lui"
_WHY_NOT = {
    "INS.DECISION": "une décision ne demande rien à personne",
    "INS.LOT_DEPOT": _LOT, "INS.LOT_RETRAIT": _LOT,
    "INS": "seule la recherche par les traits d'identité se rejoue",
    "DMP": "son message porte la preuve signée d'un professionnel (VIHF), que nul ne présente à sa place et qui a expiré",
    "MSS": "le contenu d'un message n'est jamais gardé",
    "PSC": "codes, jetons et mots de passe ne sont jamais gardés",
    "ANN": "la clé ESANTE-API-KEY du logiciel n'est jamais gardée",
    "DUI": "une extraction se dépose de nouveau",
}


class NotRerun(Exception):
    """This call is not made again; the text is French."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as the journal kept it: all of its body, its headers without those that authenticated anybody."""

    method: str
    target: str
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)

    def request(self) -> Request:
        """On a listener of its own: conformance judges what a DUI sends, and this one sends nothing."""
        return Request(LISTENER, self.method, self.target, self.headers, self.body)


@dataclass(frozen=True, slots=True)
class Reruns:
    """What it takes of the gateway. Doors: ``natives`` by service, ``own`` by path.

    in_production  whether it may be done there
    """

    road: Road
    access: Access
    keys: OwnKeys
    natives: Mapping[str, NativeDoor]
    own: Mapping[str, OwnDoor[Any]]
    in_production: bool = False

    async def rerun(self, entry: dict[str, Any], kept: KeptMessage | None, *, by: str) -> dict[str, Any]:
        """Make the call of this entry again; what became of it, not what was answered. ``kept`` is its request's copy.

        The journal says who asked before anything leaves. Raises NotRerun, JournalFull, JournalStopped.
        """
        self._check(entry)
        journal = self.road.journal
        if kept is None:
            raise NotRerun("Sa requête n'est pas gardée, ou ne l'est plus : SOCLE_BODIES doit valoir « full » avant l'appel.")
        asked = request_of(entry, orjson.loads(journal.vault.unseal_alone(kept.name, kept.key, kept.sealed)), kept.salt)
        record = Record(entry["operation"], tenant=entry["tenant"], replays=entry["id"], clock_version=journal.clock.version)
        carry = (self._by_own_door if asked.target in _OWN else self._native)(entry, asked, record)
        await journal.write(journal.admin({"action": ACTION, "by": by, "entry": entry["id"], "call": record.id}))
        await carry()
        if record.outcome is None:
            raise JournalFull("there was no room for the call")
        told = {"entry": record.id, "replays": entry["id"], "outcome": record.outcome}
        return {**told, "service_code": record.service_code, "flags": record.flags}

    def _check(self, entry: dict[str, Any]) -> None:
        operation = OPERATIONS.get(entry["operation"] or "")
        if entry["kind"] != "call" or operation is None:
            raise NotRerun("Cette entrée n'est pas un appel : seul un appel se rejoue.")
        here = self.road.environment
        if entry["environment"] != here:
            raise NotRerun(f"Cet appel est de l'environnement « {entry['environment']} », et la passerelle de « {here} ».")
        if here == "production" and not self.in_production:
            raise NotRerun("Rien ne se rejoue en production, sauf réglage contraire (SOCLE_RERUN_IN_PRODUCTION).")
        if operation.side_effect:
            raise NotRerun(
                "Un envoi ne se rejoue pas du journal : son DUI le renvoie, sous la même clé ou le même Message-ID, ou une "
                "personne règle l'appel en doute (socle journal settle)."
            )
        if operation.id not in _RERUN:
            raise NotRerun(f"{operation.id} ne se rejoue pas : {_WHY_NOT.get(operation.id) or _WHY_NOT[operation.service]}.")

    def _native(self, entry: dict[str, Any], asked: Asked, record: Record) -> Callable[[], Awaitable[Answer]]:
        service = OPERATIONS[entry["operation"]].service
        door, request = self.natives[service], asked.request()
        if service == "INS" and by_assertion(asked.body):
            raise NotRerun("Son message porte l'assertion d'un professionnel, que nul ne présente à sa place et qui a expiré.")
        caller = self.access.acting(entry["tenant"], entry["finess_et"], service) if door.lends_identity else None
        if service == "INS" and caller is None:
            raise NotRerun("La structure de cet appel n'a plus d'identité déposée : il n'y a rien à présenter au service.")
        who = caller or Caller(tenant=entry["tenant"])
        record.dui = who.dui
        return lambda: self.road.accompany(
            record, request, lambda record: self.road.passage(door, request, record, who), door.refuse
        )

    def _by_own_door(self, entry: dict[str, Any], asked: Asked, record: Record) -> Callable[[], Awaitable[Answer]]:
        """Our own door: the structure's identity is ours to lend, as long as its vendor has a key for it."""
        structure = self.keys.structure(entry["tenant"], entry["finess_et"])
        if structure is None:
            raise NotRerun("Plus aucune clé de cet éditeur n'agit pour cet établissement.")
        try:
            message = self.own[asked.target].model.model_validate_json(asked.body)
        except ValidationError:
            raise NotRerun("Le corps gardé n'est pas une demande lisible : l'appel avait été refusé pour cela.") from None
        request, call_of = asked.request(), structure.lent(self.access, "INS")
        record.dui, record.finess_et, record.attribution = structure.caller.dui, message.finess_et, "appel"

        async def steps(record: Record) -> Passed:
            try:
                return await self.own[asked.target].act(OwnCall(request, record, call_of, message))
            except Refused as refused:
                return Passed(problem.refuse(refused, record))

        return lambda: self.road.accompany(record, request, steps, lambda refusal, _: refuse_road(refusal, record))


def request_of(entry: dict[str, Any], copy: dict[str, Any], salt: bytes) -> Asked:
    """The request of a kept copy. Raises NotRerun unless it is what was sent, but for what our own door does not need.

    The wire's own digest, to which the entry is committed, is the judge: a body of which anything was taken out is another one.
    """
    method, _, target = copy["start"].partition(" ")
    said = next(body for body in entry["bodies"] if body["role"] == "request")
    content = whole_body(copy) if said["size_bytes"] else b""
    own = target in _OWN  # its key is not what it presents, and its JSON is kept as it reads
    gone = [one for one in copy["removed"] if not (own and one.startswith(_HEADER))]
    if content is None or gone:
        raise NotRerun("La copie gardée n'est pas tout ce qui fut envoyé : coupée, ou expurgée de ce qui authentifiait.")
    if not own and hashlib.sha256(salt + hashlib.sha256(content).digest()).hexdigest() != said["commitment"]:
        raise NotRerun("La copie gardée n'a pas l'empreinte du message transmis : rejouer autre chose ne prouverait rien.")
    removed = {one.removeprefix(_HEADER) for one in copy["removed"]}
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in copy["headers"]]
    return Asked(method, target, [one for one in headers if one[0].decode("latin-1").lower() not in removed], content)
