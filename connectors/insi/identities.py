"""An INS with the traits it belongs to, as an answer gives them and as a verification sends them (reference: insi §5, §7)."""
from __future__ import annotations

from dataclasses import dataclass, field

from connectors.nomenclatures.identifiers import matricule_key
from connectors.wire import soap


@dataclass(frozen=True, slots=True)
class Ins:
    """A matricule as returned; ``key`` is text, its leading zero counts."""

    number: str = field(repr=False)
    key: str | None = field(repr=False)
    oid: str
    start: str | None = None
    end: str | None = None

    @property
    def matricule(self) -> str:
        """The 15 characters of the INS, or 13 when the service gave no key."""
        return self.number + (self.key or "")

    @property
    def completed(self) -> str:
        """The 15 characters under which every service knows the person: the key is optional in an answer (insi §5), and is
        computed when absent. As returned when the number is none that has a key."""
        if self.key is not None:
            return self.matricule
        try:
            return self.number + matricule_key(self.number)
        except ValueError:
            return self.number


@dataclass(frozen=True, slots=True)
class Identity:
    """INDIVIDU: the active INS, former ones, and the reference traits (TIQ). ``first_names`` is ListePrenom, split.

    In a verification request, what is to be verified: no former INS then, and ``active`` is what somebody holds.
    """

    active: Ins
    history: tuple[Ins, ...] = field(repr=False)
    birth_name: str | None = field(repr=False)
    first_names: tuple[str, ...] = field(repr=False)
    sex: str | None = field(repr=False)
    birth_date: str | None = field(repr=False)
    birth_place: str | None = field(repr=False)


def read_identity(holder: soap.Element, ins: str, traits: str, former: str | None = None) -> Identity | None:
    """From the children of these names, in the holder's namespace; None when an INS lacks its number or its OID."""
    found, civil = child_of(holder, ins), texts_of(child_of(holder, traits))
    active = None if found is None else _ins(found)
    past = [_ins(one) for one in holder.iterchildren(_tag(holder, former))] if former is not None else []
    history = tuple(one for one in past if one is not None)
    if active is None or len(history) != len(past):
        return None
    return Identity(
        active, history,
        birth_name=civil.get("NomNaissance"),
        first_names=tuple((civil.get("ListePrenom") or civil.get("Prenom") or "").split()),
        sex=civil.get("Sexe"),
        birth_date=civil.get("DateNaissance"),
        birth_place=civil.get("LieuNaissance"),
    )  # fmt: skip


def child_of(parent: soap.Element | None, name: str) -> soap.Element | None:
    """The first child of this name in its parent's namespace, wherever it stands: positions differ (insi §5)."""
    return None if parent is None else next(parent.iterchildren(_tag(parent, name)), None)


def texts_of(parent: soap.Element | None) -> dict[str, str | None]:
    """The texts of its children in its own namespace by their names, trimmed, None for an empty one; the first of each name."""
    if parent is None:
        return {}
    found, namespace = dict[str, str | None](), _tag(parent, "")
    for child in parent:
        tag = str(child.tag)
        if tag.startswith(namespace):
            found.setdefault(tag[len(namespace) :], (child.text or "").strip() or None)
    return found


def _tag(parent: soap.Element, name: str) -> str:
    return f"{str(parent.tag).rpartition('}')[0]}}}{name}"


def _ins(holder: soap.Element) -> Ins | None:
    named, about = texts_of(child_of(holder, "IdIndividu")), texts_of(holder)
    number, oid = named.get("NumIdentifiant"), about.get("OID")
    if number is None or oid is None:
        return None
    return Ins(number, named.get("Cle"), oid, about.get("DateDeb"), about.get("DateFin"))
