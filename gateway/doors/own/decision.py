"""``POST /ins/decision``: what becomes of an identity when something happens to it; nothing is sent anywhere, nothing is kept.

The DUI gives the identity as it has it and the event; it gets the identity that follows from both, or the rule that forbids it
(reference: insi §10, §16-17). The answer is also a FHIR Patient (§19).
"""
from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from gateway.doors.own.call import Message, OwnCall
from gateway.doors.own.fields import Part
from gateway.doors.own.held import ENTRY_STATUS, Civil, Document, Held, HeldIns, forbidden, told
from gateway.doors.own.problem import Reply
from gateway.identitovigilance import identity
from gateway.identitovigilance.fhir_patient import patient
from gateway.identitovigilance.identity import Attribute, Identity
from gateway.identitovigilance.sharing import ins_to_send
from gateway.journal.record import Named
from gateway.road import Passed, Road

Event = Literal[
    "insi_accepte", "insi_refuse", "piece", "piece_retiree", "verification", "modification", "attribut", "attribut_leve",
    "appli_vitale",
]  # fmt: skip

#: What each event needs beside its type, and no more.
_NEEDS: dict[str, frozenset[str]] = {
    "insi_accepte": frozenset({"traits", "ins"}), "insi_refuse": frozenset(), "piece": frozenset({"traits", "piece"}),
    "piece_retiree": frozenset(), "verification": frozenset({"valide"}), "modification": frozenset({"traits"}),
    "attribut": frozenset({"attribut"}), "attribut_leve": frozenset({"attribut"}), "appli_vitale": frozenset({"traits", "ins"}),
}  # fmt: skip


class Happened(Part):
    """What happened, with what this type of event needs."""

    type: Event
    traits: Civil | None = Field(None, description="Ceux d'INSi, de la pièce, de l'application, ou la saisie.")
    ins: HeldIns | None = None
    piece: Document | None = None
    valide: bool | None = Field(None, description="Résultat d'une vérification.")
    attribut: Literal["HOMA", "DOUT", "FICT"] | None = None

    @field_validator("traits", "ins", "piece", "valide", "attribut")
    @classmethod
    def _wanted(cls, value: Any, info: ValidationInfo) -> Any:
        if value is not None and info.field_name not in _NEEDS.get(info.data.get("type", ""), {info.field_name}):
            raise ValueError("cet événement n'en a pas")
        return value

    def after(self, before: Identity) -> Identity:
        """Raises identity.Refused for the rule that it would break."""
        traits = None if self.traits is None else self.traits.read()
        match self.type:
            case "insi_accepte":
                assert traits is not None and self.ins is not None
                return identity.found(before, traits, self.ins.read())
            case "appli_vitale":
                assert traits is not None and self.ins is not None
                return identity.read_from_app(before, traits, self.ins.read())
            case "piece":
                assert traits is not None and self.piece is not None
                return identity.documented(before, self.piece.read(), traits)
            case "modification":
                assert traits is not None
                return identity.edited(before, traits)
            case "verification":
                return identity.verified(before, holds=bool(self.valide))
            case "piece_retiree":
                return identity.withdrawn(before)
            case "attribut":
                assert self.attribut is not None
                return identity.marked(before, Attribute(self.attribut))
            case "attribut_leve":
                assert self.attribut is not None
                return identity.unmarked(before, [Attribute(self.attribut)])
            case "insi_refuse":
                return before


class Decision(Message):
    identite: Held = Field(description="L'identité telle que vous l'avez ; son statut s'en déduit.")
    evenement: Happened = Field(description="Ce qui lui arrive.")

    @field_validator("evenement")
    @classmethod
    def _complete(cls, event: Happened) -> Happened:
        missing = sorted(name for name in _NEEDS[event.type] if getattr(event, name) is None)
        if missing:
            raise ValueError(f"pour « {event.type} », donnez aussi : {', '.join(missing)}")
        return event


class DecisionDoor:
    """One entry a decision, without any exchange: the identity's status, and whose it is by ref."""

    operation = "INS.DECISION"
    model = Decision

    def __init__(self, road: Road) -> None:
        self._production = road.environment == "production"

    def named(self, message: Decision, name: bytes) -> dict[str, str]:
        """A decision names nothing."""
        return {}

    async def act(self, call: OwnCall[Decision]) -> Passed:
        record, message = call.record, call.message
        try:
            before = message.identite.read()
            after = message.evenement.after(before)
        except identity.Refused as refused:
            raise forbidden(refused) from None
        held = after.ins or before.ins
        record.person = None if held is None else Named("person", held.matricule)
        record.ins_status, record.outcome = ENTRY_STATUS[after.status], "ok"
        content = {
            "statut_avant": str(before.status), "statut": str(after.status), "identite": told(after),
            "matricule_diffusable": self._may_leave(after), "patient": patient(after),
        }  # fmt: skip
        return Passed(Reply(200, content).answer(record.id))

    def _may_leave(self, after: Identity) -> bool:
        try:
            ins_to_send(after, production=self._production)
        except identity.Refused:
            return False
        return True
