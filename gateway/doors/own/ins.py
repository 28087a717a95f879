"""``POST /ins/recherche``: traits in, the whole search strategy in one call, the INS and every attempt out.

Wire facts: reference insi §8 (strategy), §10 (what a DUI is given), §6.5 (what each answer becomes).
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal
from uuid import NAMESPACE_OID, uuid5

from pydantic import Field, field_validator

from connectors.insi import codes
from connectors.insi.authentication import Organisation
from connectors.insi.client import Attempt, InsiClient
from connectors.insi.client import Person as Wanted
from connectors.insi.client import Search as Searched
from connectors.insi.errors import Unreadable
from connectors.insi.messages import Fault, Identity, Ins, Software, Traits
from connectors.nomenclatures.names import InvalidName, normalise_birth_name, normalise_first_names
from connectors.wire.clock import Clock
from connectors.wire.http import Answer, Headers
from gateway.doors.insi import InsiDoor
from gateway.doors.own.call import Message, OwnCall
from gateway.doors.own.fields import BirthPlace
from gateway.doors.own.problem import Refused, Reply, refuse_road
from gateway.identitovigilance.fhir_patient import answered
from gateway.identitovigilance.identity import Identity as Accepted
from gateway.identitovigilance.identity import Ins as Held
from gateway.identitovigilance.identity import Method
from gateway.identitovigilance.traits import Traits as Reference
from gateway.journal.record import Record
from gateway.road import Passed, Refusal, Request, Road

_PATH = "/lps"
_STATUS: dict[str, Literal["found", "not_found", "multiple"]] = {"00": "found", "01": "not_found", "02": "multiple"}
_TRAITS = ("nom_naissance", "prenoms", "sexe", "date_naissance", "lieu_naissance")
_FIELDS = dict(zip(("birth_name", "first_name", "sex", "birth_date", "birth_place"), _TRAITS, strict=True))
_OF_PERSON = dict(zip(("birth_name", "first_names", "sex", "birth_date", "birth_place"), _TRAITS, strict=True))
_SERVICE_DOWN = "INSi est en panne : cela ne veut pas dire que la personne n'existe pas. Renouvelez l'appel plus tard."


def _folded(fold: Callable[[str], str], text: str) -> str:
    try:
        return fold(text)
    except InvalidName as error:
        reasons = {"empty": "vide", "length": "trop long"}
        raise ValueError(reasons.get(error.reason, "caractère ou ponctuation refusés par INSi")) from None


class Search(Message):
    """The local civil identity. Names are normalised by the gateway as INSi wants them (insi §15)."""

    nom_naissance: str = Field(min_length=1, max_length=100, description="Nom de naissance, jamais le nom d'usage.")
    prenoms: list[str] = Field(min_length=1, max_length=10, description="Prénoms de l'acte de naissance, dans l'ordre.")
    sexe: str = Field(pattern="^[A-Z]$", description="M ou F.")
    date_naissance: date = Field(description="AAAA-MM-JJ.")
    lieu_naissance: BirthPlace | None = Field(None, description="Code COG du lieu de naissance.")

    @field_validator("nom_naissance")
    @classmethod
    def _name(cls, text: str) -> str:
        return _folded(normalise_birth_name, text)

    @field_validator("prenoms")
    @classmethod
    def _first_names(cls, texts: list[str]) -> list[str]:
        return [_folded(normalise_first_names, text) for text in texts]


class _Stopped(Exception):
    """The road had no answer of INSi to give; ``answer`` is what the DUI is told."""

    def __init__(self, answer: Answer) -> None:
        super().__init__("stopped")
        self.answer = answer


class _Relay(InsiDoor):
    """The INSi door for requests that the gateway writes itself: it refuses in our words."""

    def __init__(self, base: str, record: Record) -> None:
        super().__init__(base)
        self._record = record

    def refuse(self, refusal: Refusal, request: Request) -> Answer:
        return refuse_road(refusal, self._record)


@dataclass(slots=True)
class _Passage:
    """Each request of the strategy on the road of the call: an exchange of its one entry."""

    road: Road
    door: _Relay
    call: OwnCall[Search]
    begun: bool = False

    async def send(
        self, method: str, url: str, *, headers: Headers | None = None, body: bytes = b"", timeout_s: float = 15.0
    ) -> Answer:
        """As InsiClient's transport; the road has its own deadline. Raises _Stopped, JournalFull at the first request."""
        request, caller = Request(self.call.request.listener, method, url, headers or [], body), self.call.structure.caller
        request.written = frozenset()
        if self.begun:
            answer = await self.road.forward(self.door, request, self.call.record, caller)
        else:
            self.begun = True
            answer = (await self.road.passage(self.door, request, self.call.record, caller)).answer
        if answer.header("x-socle-fault") is not None:
            raise _Stopped(answer)
        return answer


@dataclass(frozen=True, slots=True)
class SearchDoor:
    """``base`` is INSi's URL up to its port; ``idam`` the authorisation number of the software."""

    road: Road
    base: str
    idam: str
    clock: Clock

    operation = "INS.RECHERCHE_TRAITS"
    model = Search

    def named(self, message: Search, name: bytes) -> dict[str, str]:
        """A search names nothing."""
        return {}

    async def act(self, call: OwnCall[Search]) -> Passed:
        """One entry, one exchange for each attempt."""
        record, caller, dui = call.record, call.structure.caller, call.record.dui
        if caller.identity is None or caller.struct_id is None:
            raise Refused("identite", "Cette structure n'a pas déposé de certificat AUTH_CLI : rien ne peut être demandé à INSi.")
        client = InsiClient(
            _Passage(self.road, _Relay(self.base, record), call), _PATH, authentication=Organisation(caller.struct_id),
            clock=self.clock,
            software=Software(self.idam, dui.product or "Socle", dui.version or "1.0", str(uuid5(NAMESPACE_OID, record.tenant))),
        )  # fmt: skip
        try:
            searched = await client.search_person(_wanted(call.message))
        except _Stopped as stopped:
            return Passed(stopped.answer)
        except Unreadable as error:
            raise _unreadable(record, error) from None
        record.dui = dui  # the message was ours: what it says of the software is what the key says
        reply = searched.last.exchange.reply
        if isinstance(reply, Fault):
            raise _fault(reply, searched.attempts)
        return Passed(_reply(searched, self.clock).answer(record.id))


def _wanted(message: Search) -> Wanted:
    return Wanted(
        message.nom_naissance, tuple(message.prenoms), message.sexe, message.date_naissance.isoformat(), message.lieu_naissance
    )


def _fault(fault: Fault, attempts: Sequence[Attempt]) -> Refused:
    """The table of insi §6.5; the code and the text are the service's own."""
    known = codes.FAULTS.get(fault.service_code)
    more: dict[str, Any] = {
        "code": fault.service_code, "texte_service": fault.text or fault.reason, "tentatives": _attempts(attempts),
    }  # fmt: skip
    if fault.family == codes.SIRAM_INVALID:
        trait = _FIELDS[known.trait] if known and known.trait else None
        more["champs"] = [{"champ": trait, "raison": "refusé par INSi"}] if trait else None
        return Refused("trait", "INSi refuse un trait d'identité. Corrigez-le : ne renvoyez pas le même appel.", **more)
    if fault.family == codes.SIRAM_UNAUTHORISED:
        detail = "INSi n'autorise pas ce logiciel ou ce certificat : l'IDAM ou le certificat de la structure est à vérifier."
        return Refused("service-interdit", detail, **more)
    return Refused("indisponible", _SERVICE_DOWN, **more)


def _unreadable(record: Record, error: Unreadable) -> Refused:
    if record.outcome == "unauthorised":
        return Refused("service-interdit", "Le frontal d'INSi a refusé l'appel de la passerelle.", code=error.service_code)
    return Refused("indisponible" if (error.http_status or 0) >= 500 else "illisible", _SERVICE_DOWN, code=error.service_code)


def _reply(searched: Searched, clock: Clock) -> Reply:
    last = searched.last
    content: dict[str, Any] = {"statut": _STATUS.get(last.cr or "", "not_found"), "code_service": last.service_code}
    if last.identity is not None:
        content |= _identity(last.identity, searched) | {"patient": _patient(last.identity, clock.business().date())}
    content |= {"tentatives": _attempts(searched.attempts)}
    content |= {"provenance": {"methode": "INSI", "horodatage": clock.business().isoformat()}}
    return Reply(200, content)


def _identity(identity: Identity, searched: Searched) -> dict[str, Any]:
    traits = (identity.birth_name, identity.first_names, identity.sex, identity.birth_date, identity.birth_place)
    return {
        "ins": _ins(identity.active),
        "traits": dict(zip(_TRAITS, traits, strict=True)),
        "historique": [_ins(one) | {"debut": one.start, "fin": one.end} for one in identity.history],
        "differences": [
            {"champ": _OF_PERSON[one.trait], "envoye": one.sent, "recu": one.received} for one in searched.differences
        ],
    }


def _patient(identity: Identity, on: date) -> dict[str, Any] | None:
    """The same answer as a FHIR Patient, with the status that accepting it gives; None when INSi left out a strict trait, or the
    active INS is none. A former INS whose key does not check, as INSi may hold, has no identifier there."""
    active = _held(identity.active, on)
    if not (identity.birth_name and identity.first_names and identity.sex and identity.birth_place and active):
        return None
    try:
        born = date.fromisoformat(identity.birth_date or "")
    except ValueError:
        return None
    traits = Reference(identity.birth_name, identity.first_names, identity.sex, born, identity.birth_place)
    former = filter(None, (_held(one, on) for one in identity.history))
    return answered(Accepted(traits, Method.INSI, active), former)


def _held(ins: Ins, on: date) -> Held | None:
    try:
        return Held(ins.completed, ins.oid, on)
    except ValueError:
        return None


def _ins(ins: Ins) -> dict[str, Any]:
    return {"matricule": ins.number, "cle": ins.key, "oid": ins.oid}


def _attempts(attempts: Sequence[Attempt]) -> list[dict[str, Any]]:
    return [{"code": attempt.service_code, "traits": _sent(attempt.traits)} for attempt in attempts]


def _sent(traits: Traits) -> dict[str, Any]:
    sent = (traits.birth_name, traits.first_name, traits.sex, traits.birth_date, traits.birth_place)
    names = ("nom_naissance", "prenom", "sexe", "date_naissance", "lieu_naissance")
    return {name: value for name, value in zip(names, sent, strict=True) if value is not None}
