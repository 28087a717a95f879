"""What the registry holds: grappes, their ESSMS, the numbers as typed and as kept (programme-indicateurs §2 to §5).

The field names are the keys of the registry files (``gateway/grappes/*.json`` of the data folder). Dates are local days
of the ESSMS; an interval is [since, until), until null meaning « still ».
"""
from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import ClassVar, Literal

from pydantic import ConfigDict, NonNegativeInt

#: confirme: nothing to ask; corrige_propose: kept with a human decision; a_verifier: kept as typed, flagged.
Statut = Literal["confirme", "corrige_propose", "a_verifier"]
#: provisoire: own count; declare: sent to the ANAP; arrete: frozen after 31 May of the next year.
StatutDenominateur = Literal["provisoire", "declare", "arrete"]

_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class Decision:
    """Who kept another number than the one typed, when and why. ``by`` names a body, never a person."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    by: str
    on: date
    why: str


@dataclass(frozen=True, slots=True)
class Denominator:
    """Persons accompanied, from a day on, and who says so. The two eligible subsets are equal to it unless declared."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    since: date
    persons: NonNegativeInt
    source: str  # declaration_projet, declaration_essms, tableau_de_bord_anap …
    statut: StatutDenominateur = "provisoire"
    population_eligible_mss: NonNegativeInt | None = None
    population_eligible_dmp: NonNegativeInt | None = None
    motif_exclusion: str | None = None  # required as soon as a subset is smaller than ``persons``

    def of(self, indicator: str) -> int:
        """The number of persons that divides this indicator."""
        declared = {"IND-MSS-01": self.population_eligible_mss, "IND-DMP-01": self.population_eligible_dmp}[indicator]
        return self.persons if declared is None else declared


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An MSSanté address from which an ESSMS sends, and since when."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    address: str
    since: date
    until: date | None = None


@dataclass(frozen=True, slots=True)
class LegalEntity:
    """An entité juridique: one number kept among those typed."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    finess_ej: str
    name: str
    statut: Statut
    regle: str
    saisi: tuple[str, ...] = ()
    justification: str = ""


@dataclass(frozen=True, slots=True)
class Essms:
    """One establishment or service: the key of a rate is its geographic number, ``finess_et``.

    saisi       the number as the source writes it; differs from ``finess_et`` only with a ``decision``
    regle       reconciliation rule R0..R9 (programme-indicateurs §4)
    sector      TRE_R02 code, category: FINESS category code
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    finess_et: str
    finess_ej: str
    name: str
    sector: str
    category: str
    statut: Statut
    regle: str
    saisi: str
    member_from: date
    member_until: date | None = None
    ligne: int | None = None
    name_saisi: str | None = None  # when the source's spelling was corrected
    projet: Literal["acquisition", "mise_en_conformite"] | None = None
    justification: str = ""
    decision: Decision | None = None
    denominators: tuple[Denominator, ...] = ()
    mailboxes: tuple[Mailbox, ...] = ()

    @property
    def persons(self) -> int | None:
        """The last declared number of persons accompanied; None when nobody gave one."""
        return max(self.denominators, key=lambda one: one.since).persons if self.denominators else None

    def denominator(self, day: date) -> Denominator | None:
        """The denominator in force on a day: the latest one declared on or before it."""
        known = [one for one in self.denominators if one.since <= day]
        return max(known, key=lambda one: one.since, default=None)

    def is_member(self, day: date) -> bool:
        return within(day, self.member_from, self.member_until)


@dataclass(frozen=True, slots=True)
class Grappe:
    """A grouping of ESSMS paid together, and the document that says so."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    version: Literal[1]
    id: str
    name: str
    ars: str
    source: str
    document_date: date
    porteur_ej: str
    denominator_label: str
    entites_juridiques: tuple[LegalEntity, ...]
    essms: tuple[Essms, ...]
    date_demarrage: date | None = None  # first day of use of the socle services, when the project declares it


def within(day: date, since: date, until: date | None) -> bool:
    return since <= day and (until is None or day < until)
