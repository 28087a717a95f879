"""An identity as the DUI holds it, in the form in which our own doors read it and give it back (reference: insi §16)."""
from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator

from connectors.nomenclatures.identifiers import is_matricule
from connectors.nomenclatures.names import InvalidName, normalise_birth_name, normalise_first_names
from connectors.nomenclatures.oids import INS_OIDS
from gateway.doors.own.fields import BirthPlace, Part
from gateway.doors.own.problem import Refused
from gateway.identitovigilance import identity
from gateway.identitovigilance.evidence import Code, Evidence
from gateway.identitovigilance.identity import Attribute, Identity, Method, Status
from gateway.identitovigilance.traits import Traits

#: The five traits, by their names elsewhere, as our own doors name them.
TRAITS = {
    "birth_name": "nom_naissance", "first_names": "prenoms", "sex": "sexe", "birth_date": "date_naissance",
    "birth_place": "lieu_naissance",
}  # fmt: skip
#: As the journal's entries write it.
ENTRY_STATUS = {
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
    obtenue_le: date = Field(description="Jour de la réponse d'INSi, de la lecture de l'application, ou de la réception.")

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


class Verifiable(Held):
    """One that has an INS: it can be asked about."""

    ins: HeldIns = Field(description="L'INS à vérifier, d'où qu'elle vienne.")


def forbidden(refused: identity.Refused, **more: Any) -> Refused:
    """The problem of a rule that forbids it, by its identifier."""
    unlike = [TRAITS[name] for name in refused.traits]
    return Refused("identitovigilance", refused.text, regle=refused.rule, traits=unlike or None, **more)


def told(one: Identity) -> dict[str, Any]:
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
