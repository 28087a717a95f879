"""``POST /ins/recherche``: traits in, the whole search strategy in one call, the INS and every attempt out.

Wire facts: reference insi §8 (strategy), §10 (what a DUI is given), §6.5 (what each answer becomes).
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from pydantic import Field, field_validator

from connectors.insi.client import Attempt
from connectors.insi.client import Search as Searched
from connectors.insi.identities import Identity, Ins
from connectors.insi.messages import Person as Wanted
from connectors.insi.messages import Traits
from connectors.nomenclatures.names import InvalidName, normalise_birth_name, normalise_first_names
from gateway.doors.own.call import Message, OwnCall
from gateway.doors.own.fields import BirthPlace
from gateway.doors.own.held import TRAITS
from gateway.doors.own.ins_service import InsService, reply_of
from gateway.doors.own.problem import Reply
from gateway.identitovigilance.fhir_patient import answered
from gateway.identitovigilance.identity import Identity as Accepted
from gateway.identitovigilance.identity import Ins as Held
from gateway.identitovigilance.identity import Method
from gateway.identitovigilance.traits import Traits as Reference
from gateway.road import Passed

_STATUS: dict[str, Literal["found", "not_found", "multiple"]] = {"00": "found", "01": "not_found", "02": "multiple"}


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


@dataclass(frozen=True, slots=True)
class SearchDoor:
    insi: InsService

    operation = "INS.RECHERCHE_TRAITS"
    model = Search

    def named(self, message: Search, name: bytes) -> dict[str, str]:
        """A search names nothing."""
        return {}

    async def act(self, call: OwnCall[Search]) -> Passed:
        """One entry, one exchange for each attempt."""

        def said(searched: Searched) -> Reply:
            reply_of(searched.last.exchange, call.record, tentatives=_attempts(searched.attempts))
            return _reply(searched, self.insi)

        return await self.insi.ask(call, lambda client: client.search_person(_wanted(call.message)), said)


def _wanted(message: Search) -> Wanted:
    return Wanted(
        message.nom_naissance, tuple(message.prenoms), message.sexe, message.date_naissance.isoformat(), message.lieu_naissance
    )


def _reply(searched: Searched, insi: InsService) -> Reply:
    last = searched.last
    content: dict[str, Any] = {"statut": _STATUS.get(last.cr or "", "not_found"), "code_service": last.service_code}
    if last.identity is not None:
        content |= _identity(last.identity, searched) | {"patient": _patient(last.identity, insi.clock.business().date())}
    return Reply(200, content | {"tentatives": _attempts(searched.attempts), "provenance": insi.provenance()})


def _identity(identity: Identity, searched: Searched) -> dict[str, Any]:
    traits = (identity.birth_name, identity.first_names, identity.sex, identity.birth_date, identity.birth_place)
    return {
        "ins": _ins(identity.active),
        "traits": dict(zip(TRAITS.values(), traits, strict=True)),
        "historique": [_ins(one) | {"debut": one.start, "fin": one.end} for one in identity.history],
        "differences": [
            {"champ": TRAITS[one.trait], "envoye": one.sent, "recu": one.received} for one in searched.differences
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
