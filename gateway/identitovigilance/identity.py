"""The identity of an accompanied person, and how its status comes about (reference: insi §16.2-16.4).

A status is never set: it is computed from what is known, so that none can contradict it. What is known is the traits, the INS
that INSi gave and a user accepted, the evidence that somebody checked, and the attributes. Each event gives another identity
or is refused by the rule that it would break; nothing is kept here.
"""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum

from connectors.nomenclatures.identifiers import is_matricule
from connectors.nomenclatures.oids import INS_OIDS
from gateway.identitovigilance.evidence import Evidence, is_enough
from gateway.identitovigilance.traits import Traits, differences


class Status(StrEnum):
    """The four exclusive ones (EXI SI 07)."""

    PROVISOIRE = "PROV"
    RECUPEREE = "RECUP"
    VALIDEE = "VALI"
    QUALIFIEE = "QUAL"


class Attribute(StrEnum):
    HOMONYME = "HOMA"
    DOUTEUSE = "DOUT"
    FICTIVE = "FICT"


class Method(StrEnum):
    """How the identity was collected (§16.6). By itself none but the Appli carte Vitale proves anything."""

    SAISIE = "SM"
    CARTE_VITALE = "CV"
    INSI = "INSI"
    CODE_A_BARRES = "CB"
    RFID = "RFID"
    APPLI_VITALE = "AV"


class Refused(ValueError):
    """An event that a rule forbids. ``rule`` is its identifier in the RNIV or the guide; ``text`` is French, for the user.

    traits  the names of those that are not consistent, when that is why
    """

    def __init__(self, rule: str, text: str, traits: tuple[str, ...] = ()) -> None:
        super().__init__(text)
        self.rule, self.text, self.traits = rule, text, traits


@dataclass(frozen=True, slots=True)
class Ins:
    """Matricule of 15 characters and its OID, as INSi or the Appli carte Vitale gave them."""

    matricule: str = field(repr=False)
    oid: str
    obtained_on: date

    def __post_init__(self) -> None:
        if not is_matricule(self.matricule) or self.oid not in INS_OIDS:
            raise ValueError("not an INS: form, key or OID")


_DOUBTED = frozenset({Attribute.DOUTEUSE, Attribute.FICTIVE})


@dataclass(frozen=True, slots=True)
class Identity:
    """``ins`` and ``evidence`` are there only while they hold. Raises Refused for attributes that may not stand together."""

    traits: Traits
    method: Method = Method.SAISIE
    ins: Ins | None = None
    evidence: Evidence | None = None
    attributes: frozenset[Attribute] = frozenset()

    def __post_init__(self) -> None:
        if Attribute.FICTIVE in self.attributes and len(self.attributes) > 1:
            raise Refused("EXI ID 24", "Une identité fictive ne porte aucun autre attribut.")
        if self.doubted and (self.ins is not None or self.evidence is not None):
            raise Refused("EXI SI 09", "Une identité douteuse ou fictive est provisoire : elle n'a ni INS ni pièce retenue.")
        if self.evidence is not None and not is_enough(self.evidence, self.traits.birth_date):
            raise Refused("EXI SI 10", "Cette pièce ne suffit pas pour cette personne : la saisir ne valide pas l'identité.")

    @property
    def doubted(self) -> bool:
        return not self.attributes.isdisjoint(_DOUBTED)

    @property
    def status(self) -> Status:
        if self.ins is None:
            return Status.PROVISOIRE if self.evidence is None else Status.VALIDEE
        return Status.RECUPEREE if self.evidence is None else Status.QUALIFIEE


def check_call(identity: Identity) -> None:
    """Raises Refused when INSi may not be asked about this identity (EXI SI 09, EXI ID 26)."""
    if identity.doubted:
        raise Refused("EXI ID 26", "Identité douteuse ou fictive : INSi ne peut pas être interrogé. Levez d'abord l'attribut.")


def found(identity: Identity, reference: Traits, ins: Ins) -> Identity:
    """INSi answered 00 and the user accepts it: PROV becomes RECUP with INSi's traits, VALI becomes QUAL when all five agree.

    An answer that the user refuses changes nothing; the caller keeps the trace of it.
    """
    check_call(identity)
    if identity.evidence is not None:
        _check_consistent(identity.traits, reference, "la pièce contrôlée")
    return replace(identity, traits=reference, ins=ins, method=Method.INSI)


def documented(identity: Identity, evidence: Evidence, shown: Traits) -> Identity:
    """A document was checked; ``shown`` is what it says. PROV becomes VALI with these traits; RECUP, QUAL when they agree."""
    if identity.doubted:
        raise Refused("EXI SI 09", "Identité douteuse ou fictive : levez d'abord l'attribut, puis contrôlez la pièce.")
    if identity.ins is not None:
        _check_consistent(shown, identity.traits, "l'identité reçue d'INSi")
        return replace(identity, evidence=evidence)
    return replace(identity, evidence=evidence, traits=shown)


def read_from_app(identity: Identity, traits: Traits, ins: Ins) -> Identity:
    """The Appli carte Vitale was read: QUAL at once, INSi is not asked (§16.4). A doubt is lifted by a person first (assumed)."""
    if identity.doubted:
        raise Refused("EXI SI 09", "Identité douteuse ou fictive : levez d'abord l'attribut, puis lisez l'application.")
    return replace(
        identity, traits=traits, method=Method.APPLI_VITALE, ins=ins, evidence=Evidence("AV", ins.obtained_on)
    )


def verified(identity: Identity, *, holds: bool) -> Identity:
    """INSi verified the INS with its traits. It no longer holds: QUAL becomes VALI, RECUP becomes PROV."""
    if identity.ins is None:
        raise Refused("EXI SI 07", "Aucune INS à vérifier : l'identité n'est ni récupérée ni qualifiée.")
    return identity if holds else _without_ins(identity)


def withdrawn(identity: Identity) -> Identity:
    """The evidence is no longer retained: VALI becomes PROV, QUAL becomes RECUP. One that only the application proved loses
    its INS too: nobody accepted an answer of INSi for it (assumed: no source says)."""
    if identity.evidence is None:
        raise Refused("EXI SI 10", "Aucune pièce n'est retenue pour cette identité.")
    bare = replace(identity, evidence=None)
    return _without_ins(bare) if identity.method is Method.APPLI_VITALE else bare


def edited(identity: Identity, traits: Traits) -> Identity:
    """Strict traits changed by hand: the INS goes first, hence VALI or PROV (§16.4). The same traits again change nothing."""
    return identity if traits == identity.traits else replace(_without_ins(identity), traits=traits)


def marked(identity: Identity, attribute: Attribute) -> Identity:
    """Doubtful or fictitious: PROV, without INS, and what was checked has to be checked again (assumed: no source keeps it)."""
    attributes = identity.attributes | {attribute}
    if attribute in _DOUBTED:
        return Identity(identity.traits, Method.SAISIE, attributes=attributes)
    return replace(identity, attributes=attributes)


def unmarked(identity: Identity, attributes: Iterable[Attribute]) -> Identity:
    return replace(identity, attributes=identity.attributes - set(attributes))


def _check_consistent(local: Traits, reference: Traits, with_what: str) -> None:
    unlike = differences(local, reference)
    if unlike:
        raise Refused("EXI ID 10", f"Traits différents de {with_what} : l'identité ne peut pas être qualifiée.", unlike)


def _without_ins(identity: Identity) -> Identity:
    return replace(identity, ins=None, method=Method.SAISIE)
