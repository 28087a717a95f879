"""What may be changed in a grappe, one small change at a time; a request holds several, which make one version.

Dates of intervals are [since, until); an absent field changes nothing.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, TypeAdapter

from connectors.nomenclatures.identifiers import luhn_holds
from gateway.grappes.change_dated import BalChange, CertificatChange
from gateway.grappes.change_model import ChangeModel, EssmsChangeModel, Finess, MaybeDate, Text, date_after
from gateway.grappes.denominators import Source
from gateway.grappes.model import (
    Denominator,
    Essms,
    Exclusion,
    ExternalCount,
    Grappe,
    LegalEntity,
    Level,
    Projet,
    Statut,
    StatutDenominateur,
)
from gateway.grappes.reading import RegistryError


class MembreChange(ChangeModel):
    """An ESSMS that joins (it then needs a name, its EJ, its category and sector), or whose dates change."""

    kind: Literal["membre"] = "membre"
    finess_et: Finess
    since: date | None = None
    until: MaybeDate = None
    name: Text | None = None
    finess_ej: Finess | None = None
    category: str | None = Field(None, pattern=r"^[0-9]{3}$")
    sector: str | None = Field(None, pattern=r"^SA[0-9]{2}$")
    projet: Projet | None = None

    def apply(self, grappe: Grappe) -> Grappe:
        essms = grappe.find(self.finess_et)
        if essms is None:
            return replace(grappe, essms=(*grappe.essms, self._joined(grappe)))
        until = date_after(self.until, essms.member_until)
        after = replace(essms, member_from=self.since or essms.member_from, member_until=until)
        after = replace(after, **self.given("name", "finess_ej", "category", "sector", "projet"))
        return replace(grappe, essms=tuple(after if one is essms else one for one in grappe.essms))

    def _joined(self, grappe: Grappe) -> Essms:
        name, legal, category, sector, since = self.name, self.finess_ej, self.category, self.sector, self.since
        if name is None or legal is None or category is None or sector is None or since is None:
            raise RegistryError(
                f"Grappe « {grappe.id} » : {self.finess_et} n'en est pas membre ; pour l'y faire entrer, donnez son nom, son EJ, "
                "sa catégorie FINESS, son secteur et le jour de son entrée."
            )
        sure = luhn_holds(self.finess_et)
        return Essms(
            finess_et=self.finess_et, finess_ej=legal, name=name, sector=sector, category=category,
            statut="confirme" if sure else "a_verifier", regle=_rule(sure), saisi=self.finess_et, member_from=since,
            member_until=date_after(self.until, None), projet=self.projet,
            justification="" if sure else "Saisi au registre avec une clé de contrôle fausse, à vérifier auprès de FINESS.",
        )  # fmt: skip


class EssmsChange(EssmsChangeModel):
    """What an ESSMS is in the project."""

    kind: Literal["essms"] = "essms"
    projet: Projet | None = None
    dui_product: Text | None = None
    date_demarrage: MaybeDate = None
    facture_recue: MaybeDate = None
    ahi: bool | None = None
    sons_eligible: bool | None = None

    def of(self, essms: Essms) -> Essms:
        after = replace(
            essms, date_demarrage=date_after(self.date_demarrage, essms.date_demarrage),
            facture_recue=date_after(self.facture_recue, essms.facture_recue),
        )  # fmt: skip
        return replace(after, **self.given("projet", "dui_product", "ahi", "sons_eligible"))


class ProjetChange(ChangeModel):
    """What the grappe agreed with its ARS."""

    kind: Literal["projet"] = "projet"
    contractual_level: Level | None = None
    date_demarrage: MaybeDate = None
    porteur_ej: Finess | None = None
    name: Text | None = None

    def apply(self, grappe: Grappe) -> Grappe:
        after = replace(grappe, date_demarrage=date_after(self.date_demarrage, grappe.date_demarrage))
        return replace(after, **self.given("contractual_level", "porteur_ej", "name"))


class OgChange(ChangeModel):
    """A legal entity: added, or named otherwise."""

    kind: Literal["og"] = "og"
    finess_ej: Finess
    name: Text

    def apply(self, grappe: Grappe) -> Grappe:
        legal = grappe.entites_juridiques
        if any(one.finess_ej == self.finess_ej for one in legal):
            named = (replace(one, name=self.name) if one.finess_ej == self.finess_ej else one for one in legal)
            return replace(grappe, entites_juridiques=tuple(named))
        sure = luhn_holds(self.finess_ej)
        statut: Statut = "confirme" if sure else "a_verifier"
        return replace(
            grappe,
            entites_juridiques=(*legal, LegalEntity(self.finess_ej, self.name, statut, _rule(sure), (self.finess_ej,))),
        )


class DenominateurChange(EssmsChangeModel):
    """The persons accompanied from a day on: replaces the value of that day, or takes it away."""

    kind: Literal["denominateur"] = "denominateur"
    since: date
    persons: NonNegativeInt | None = None
    source: Source | None = None
    statut: StatutDenominateur = "provisoire"
    annee: int | None = Field(None, ge=2000, le=2100)
    exclusions: tuple[Exclusion, ...] = ()
    remove: bool = False

    def of(self, essms: Essms) -> Essms:
        others = [one for one in essms.denominators if one.since != self.since]
        if self.remove:
            if len(others) == len(essms.denominators):
                raise RegistryError(f"ESSMS {essms.finess_et} : aucun dénominateur au {self.since.isoformat()}.")
            return replace(essms, denominators=tuple(others))
        if self.persons is None or self.source is None:
            raise RegistryError(f"ESSMS {essms.finess_et} : un dénominateur demande un nombre de personnes et une source.")
        new = Denominator(self.since, self.persons, self.source, self.statut, annee=self.annee, exclusions=self.exclusions)
        return replace(essms, denominators=tuple(sorted((*others, new), key=lambda one: one.since)))


class ComptageChange(EssmsChangeModel):
    """A count made elsewhere. What was received another day stays: nothing overwrites it."""

    kind: Literal["comptage"] = "comptage"
    indicator: Literal["IND-MSS-01", "IND-DMP-01"]
    since: date
    until: date
    count: NonNegativeInt
    origin: str = Field(pattern=r"^[a-z0-9_]{1,40}$")
    received: date

    def of(self, essms: Essms) -> Essms:
        new = ExternalCount(self.indicator, self.since, self.until, self.count, self.origin, self.received)
        others = [one for one in essms.external_counts if replace(one, count=new.count) != new]
        return replace(essms, external_counts=(*others, new))


Change = Annotated[
    BalChange | CertificatChange | MembreChange | EssmsChange | ProjetChange | OgChange | DenominateurChange | ComptageChange,
    Field(discriminator="kind"),
]
CHANGES: TypeAdapter[list[Change]] = TypeAdapter(list[Change])


def apply_all(grappe: Grappe, changes: Sequence[ChangeModel]) -> Grappe:
    """The grappe after each change in turn. Raises RegistryError."""
    for change in changes:
        grappe = change.apply(grappe)
    return grappe


def _rule(sure: bool) -> str:
    return "R0" if sure else "R6"
