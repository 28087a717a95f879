"""``POST /ins/decision``: what becomes of an identity when something happens to it; nothing is sent anywhere, nothing is kept.

The DUI gives the identity as it has it and the event; it gets the identity that follows from both, or the rule that forbids it
(reference: insi §10, §16-17). The answer is also a FHIR Patient (§19).
"""
from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from connectors.nomenclatures.identifiers import is_matricule
from connectors.nomenclatures.names import InvalidName, normalise_birth_name, normalise_first_names
from connectors.nomenclatures.oids import INS_OIDS
from gateway.doors.own.call import Message, OwnCall
from gateway.doors.own.fields import BirthPlace, Part
from gateway.doors.own.problem import Refused, Reply
from gateway.identitovigilance import identity
from gateway.identitovigilance.evidence import Code, Evidence
from gateway.identitovigilance.fhir_patient import patient
from gateway.identitovigilance.identity import Attribute, Identity, Method, Status
from gateway.identitovigilance.sharing import ins_to_send
from gateway.identitovigilance.traits import Traits
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
_STATUS = {
    Status.PROVISOIRE: "provisoire", Status.RECUPEREE: "recuperee", Status.VALIDEE: "validee", Status.QUALIFIEE: "qualifiee",
}  # fmt: skip


def _comparable(fold: Callable[[str], str]) -> AfterValidator:
    """Kept as typed: INSi's answers are stored as returned, and only comparisons normalise (EXI REC 07)."""

    def check(text: str) -> str:
        try:
            fold(text)
        except InvalidName:
            raise ValueError("caractère ou ponctuation qu'un nom d'état civil n'a pas") from None
        return text

    return AfterValidator(check)


_BirthName = Annotated[str, _comparable(normalise_birth_name)]
_FirstName = Annotated[str, _comparable(normalise_first_names)]


class Civil(Part):
    """The five strict traits."""

    nom_naissance: _BirthName = Field(description="Nom de naissance, jamais le nom d'usage.")
    prenoms: list[_FirstName] = Field(min_length=1, max_length=10, description="Prénoms de l'acte de naissance, dans l'ordre.")
    sexe: str = Field(pattern="^[A-Z]$", description="M ou F.")
    date_naissance: date = Field(description="AAAA-MM-JJ.")
    lieu_naissance: BirthPlace = Field(description="Code COG du lieu de naissance.")

    def read(self) -> Traits:
        return Traits(self.nom_naissance, tuple(self.prenoms), self.sexe, self.date_naissance, self.lieu_naissance)


class HeldIns(Part):
    matricule: str = Field(description="Quinze caractères, clé comprise.")
    oid: str = Field(description="OID de l'INS : INS-NIR, INS-NIA, ou INS d'essai.")
    obtenue_le: date = Field(description="Jour de la réponse d'INSi ou de la lecture de l'application.")

    @field_validator("matricule")
    @classmethod
    def _matricule(cls, text: str) -> str:
        if not is_matricule(text):
            raise ValueError("quinze caractères avec leur clé")
        return text

    @field_validator("oid")
    @classmethod
    def _oid(cls, text: str) -> str:
        if text not in INS_OIDS:
            raise ValueError("ce n'est pas l'OID d'une INS")
        return text

    def read(self) -> identity.Ins:
        return identity.Ins(self.matricule, self.oid, self.obtenue_le)


class Document(Part):
    code: Code = Field(description="CN, PA, CS… : pièce ou moyen électronique contrôlé.")
    controlee_le: date
    tuteur: Code | None = Field(None, description="Pièce du parent ou du tuteur d'un mineur.")
    ehpad: bool = Field(False, description="Admission en EHPAD (LECV, ANCV).")

    def read(self) -> Evidence:
        return Evidence(self.code, self.controlee_le, self.tuteur, self.ehpad)


class Held(Part):
    """An identity as the DUI has it."""

    traits: Civil
    methode: Literal["SM", "CV", "INSI", "CB", "RFID", "AV"] = Field("SM", description="Mode de collecte.")
    ins: HeldIns | None = None
    piece: Document | None = None
    attributs: list[Literal["HOMA", "DOUT", "FICT"]] = Field(default_factory=list, max_length=3)

    def read(self) -> Identity:
        return Identity(
            self.traits.read(), Method(self.methode), None if self.ins is None else self.ins.read(),
            None if self.piece is None else self.piece.read(), frozenset(map(Attribute, self.attributs)),
        )  # fmt: skip


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
            unlike = [_FRENCH[name] for name in refused.traits]
            raise Refused("identitovigilance", refused.text, regle=refused.rule, traits=unlike or None) from None
        held = after.ins or before.ins
        record.person = None if held is None else Named("person", held.matricule)
        record.ins_status, record.outcome = _STATUS[after.status], "ok"
        content = {
            "statut_avant": str(before.status), "statut": str(after.status), "identite": _held(after),
            "matricule_diffusable": self._may_leave(after), "patient": patient(after),
        }  # fmt: skip
        return Passed(Reply(200, content).answer(record.id))

    def _may_leave(self, after: Identity) -> bool:
        try:
            ins_to_send(after, production=self._production)
        except identity.Refused:
            return False
        return True


_FRENCH = {
    "birth_name": "nom_naissance", "first_names": "prenoms", "sex": "sexe", "birth_date": "date_naissance",
    "birth_place": "lieu_naissance",
}  # fmt: skip


def _held(one: Identity) -> dict[str, Any]:
    """In the form in which it is given back at the next event."""
    traits, ins, piece = one.traits, one.ins, one.evidence
    return {
        "traits": {
            "nom_naissance": traits.birth_name, "prenoms": list(traits.first_names), "sexe": traits.sex,
            "date_naissance": traits.birth_date.isoformat(), "lieu_naissance": traits.birth_place,
        },
        "methode": str(one.method),
        "ins": ins and {"matricule": ins.matricule, "oid": ins.oid, "obtenue_le": ins.obtained_on.isoformat()},
        "piece": piece and {
            "code": piece.code, "controlee_le": piece.checked_on.isoformat(), "tuteur": piece.guardian, "ehpad": piece.ehpad,
        },
        "attributs": sorted(map(str, one.attributes)),
    }  # fmt: skip
