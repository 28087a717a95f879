"""Who is counted (design §6, « Attribution »): from what a message says to the ESSMS that its unit belongs to.

A reason not to attribute is part of the answer: the unit is shown apart, never counted, never guessed.
"""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Literal, Self

from gateway.access.callers import Caller
from gateway.grappes.finess import from_institution, zone_of
from gateway.grappes.model import Essms, Grappe, within
from gateway.grappes.reading import RegistryError
from gateway.grappes.versions import in_force

Reason = Literal["absent", "divergent", "hors_grappe", "entite_juridique", "non_habilite", "bal_inconnue"]


@dataclass(frozen=True, slots=True)
class Attribution:
    """``source``: "metadonnee", "bal", or "non_attribue:<reason>" and then both numbers are None."""

    finess_et: str | None
    finess_ej: str | None
    source: str


@dataclass(slots=True)
class _State:
    """One moment of the registry, made whole before anybody sees it."""

    grappes: dict[str, Grappe] = field(default_factory=dict)
    essms: dict[str, Essms] = field(default_factory=dict)
    mailboxes: dict[str, list[tuple[date, date | None, Essms]]] = field(default_factory=dict)
    legal: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, grappes: Iterable[Grappe]) -> Self:
        state = cls()
        for grappe in grappes:
            state.add(grappe)
        state.legal = {one.finess_ej for grappe in state.grappes.values() for one in grappe.entites_juridiques}
        for number in state.legal & state.essms.keys():
            raise RegistryError(f"Registre des grappes : {number} est à la fois un ET et une entité juridique.")
        return state

    def add(self, grappe: Grappe) -> None:
        if grappe.id in self.grappes:
            raise RegistryError(f"Registre des grappes : deux fichiers portent l'identifiant « {grappe.id} ».")
        self.grappes[grappe.id] = grappe
        for essms in grappe.essms:
            if essms.finess_et in self.essms:
                raise RegistryError(f"Registre des grappes : {essms.finess_et} ({essms.name}) est dans deux grappes.")
            self.essms[essms.finess_et] = essms
            for mailbox in essms.mailboxes:
                owners = self.mailboxes.setdefault(mailbox.address.lower(), [])
                owners.append((mailbox.since, mailbox.until, essms))


class Registry:
    """Every grappe that the gateway knows. An ESSMS belongs to one grappe at a time.

    Doors keep one registry for their whole life: ``use`` changes what it says, all at once.
    """

    def __init__(self, grappes: Iterable[Grappe] = ()) -> None:
        """Raises RegistryError when two grappes claim the same ESSMS, or one's ET is another's EJ."""
        self._state = _State.of(grappes)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Every grappe of the folder, in name order; an absent folder is an empty registry. Raises RegistryError."""
        return cls(in_force(folder))

    def use(self, other: Registry) -> None:
        """From now on, say what ``other`` says: one assignment, so that no call sees half a change."""
        self._state = other._state

    @property
    def grappes(self) -> dict[str, Grappe]:
        return self._state.grappes

    def version_of(self, grappe_id: str) -> int:
        """The version of the registry that this grappe has now. Raises RegistryError as ``grappe`` does."""
        return self.grappe(grappe_id).registry_version

    def grappe(self, grappe_id: str) -> Grappe:
        """Raises RegistryError with the known ones."""
        try:
            return self.grappes[grappe_id]
        except KeyError:
            known = ", ".join(sorted(self.grappes)) or "aucune"
            raise RegistryError(f"Grappe inconnue : « {grappe_id} ». Grappes du registre : {known}.") from None

    def essms(self, finess_et: str) -> Essms | None:
        return self._state.essms.get(finess_et)

    def grappe_of(self, finess_et: str) -> Grappe | None:
        """The grappe of an ESSMS, at whatever time it was a member."""
        return next((one for one in self.grappes.values() if one.find(finess_et) is not None), None)

    def is_legal_entity(self, number: str) -> bool:
        return number in self._state.legal

    def why_not_essms(self, number: str) -> str | None:
        """Why a value cannot be given to this number, in French; None when it is an ESSMS's."""
        if self.is_legal_entity(number):
            return "numéro d'entité juridique (EJ) ; donnez le numéro géographique (ET) de l'ESSMS."
        if self.essms(number) is None:
            return "FINESS inconnu du registre : aucune grappe n'a cet ESSMS (socle grappe show)."
        return None

    def attribute(self, institutions: Sequence[str], caller: Caller, at: datetime) -> Attribution:
        """The ESSMS of a DMP feed.

        institutions  identifiers with their type prefix (``1`` + FINESS) or bare: the documents' authors, then the
                      submission set; empty strings are what is not there
        at            business time of the event, aware
        """
        numbers = {from_institution(one) for one in institutions if one.strip()}
        if not numbers:
            return _apart("absent")
        if len(numbers) > 1:
            return _apart("divergent")
        [number] = numbers
        state = self._state
        if number in state.legal:
            return _apart("entite_juridique")
        essms = state.essms.get(number)
        return _apart("hors_grappe") if essms is None else _entitled(essms, caller, at, "metadonnee")

    def attribute_mailbox(self, address: str, caller: Caller, at: datetime) -> Attribution:
        """The ESSMS of a message, by the mailbox that sends it. A mailbox that two ESSMS share that day is divergent."""
        known = self._state.mailboxes.get(address.strip().lower(), [])
        owners = [essms for since, until, essms in known if within(_day(essms, at), since, until)]
        if not owners:
            return _apart("bal_inconnue")
        if len(owners) > 1:
            return _apart("divergent")
        return _entitled(owners[0], caller, at, "bal")


def _entitled(essms: Essms, caller: Caller, at: datetime, source: str) -> Attribution:
    if not essms.is_member(_day(essms, at)):
        return _apart("hors_grappe")
    if essms.finess_ej not in caller.entitled_ej:
        return _apart("non_habilite")
    return Attribution(essms.finess_et, essms.finess_ej, source)


def _day(essms: Essms, at: datetime) -> date:
    return at.astimezone(zone_of(essms.finess_et)).date()


def _apart(reason: Reason) -> Attribution:
    return Attribution(None, None, f"non_attribue:{reason}")
