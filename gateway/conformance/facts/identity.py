"""The facts of a person's identity: which traits are there, and digests that only compare traits of the same person.

A trait is digested together with the matricule: two persons born the same day have different digests, so that the facts
cannot be read by counting. Without a matricule no trait is digested by itself: the four that name somebody are, as one
(decision 0052).
Normalisation: reference insi §15; a first name compares with hyphen, apostrophe and space alike (§15, EXI ID 10).
"""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from connectors.nomenclatures.identifiers import is_matricule
from connectors.nomenclatures.names import InvalidName, normalise_birth_name, normalise_first_names
from connectors.nomenclatures.oids import INS_OIDS
from gateway.conformance.facts.places import IDENTITIES
from gateway.conformance.model import Eyes, FactValues, Made

TRAITS = ("birth_name", "first_name", "birth_date", "sex", "birth_place")
OTHER = "autre"


def patient_facts(stated: tuple[str | None, str | None] | None, eyes: Eyes, made: Made) -> FactValues:
    """Of (matricule, OID): ``ins`` digest, ``form`` (15 characters and key), ``oid`` of an INS; ``known`` in a sandbox."""
    matricule, oid = stated or (None, None)
    if not matricule:
        return {"ins": None, "form": False, "oid": known_oid(oid), "known": None}
    form = is_matricule(matricule)
    if form:
        made.about(matricule)
    known = eyes.known_person(matricule) if form and eyes.known_person else None
    if known is False:
        made.show(IDENTITIES, matricule)
    return {"ins": eyes.digest("ins", matricule), "form": form, "oid": known_oid(oid), "known": known}


def traits_facts(matricule: str | None, traits: Mapping[str, str | None], eyes: Eyes) -> FactValues:
    """``present`` names of the traits that are there; ``digests`` by name, only when there is a matricule."""
    values = {name: text for name in TRAITS if (text := (traits.get(name) or "").strip())}
    digests = {}
    if matricule:
        digests = {name: eyes.digest(f"trait.{name}", f"{matricule}\n{normalised(name, text)}") for name, text in values.items()}
    return {"present": sorted(values), "digests": digests}


def normalised(name: str, text: str) -> str:
    """A trait as it is compared; one that has no normalised form is compared as it is."""
    try:
        if name == "birth_name":
            return normalise_birth_name(text)
        if name == "first_name":
            return normalise_first_names(text).replace("-", " ").replace("'", " ")
    except InvalidName:
        return text
    if name == "birth_date":
        return text.replace("-", "")[:8]
    return text.upper()


def people_digests(traits: Mapping[str, str | None], writings: Iterable[str], eyes: Eyes) -> list[str]:
    """Whom traits name where there is no matricule: one digest of birth name, first names, sex and birth date together, for
    each way of writing the first names. Nothing when one of the four is absent."""
    rest = [normalised(name, text) for name in ("birth_name", "sex", "birth_date") if (text := (traits.get(name) or "").strip())]
    names = [normalised("first_name", one.strip()) for one in writings if one.strip()] if len(rest) == 3 else []
    return [eyes.digest("person.traits", "\n".join((*rest, one))) for one in dict.fromkeys(names)]


def beginnings(first_names: Sequence[str]) -> list[str]:
    """How the imposed strategy begins to look for somebody (insi §8): by the first one, then by more and more of them."""
    return [" ".join(first_names[: end + 1]) for end in range(len(first_names))]


def leads(first: str | None, listed: str | None) -> bool | None:
    """Whether a list of first names begins with this one, hyphen, apostrophe and space alike; None when either is absent."""
    if not (first or "").strip() or not (listed or "").strip():
        return None
    one, every = normalised("first_name", str(first).strip()), normalised("first_name", str(listed).strip())
    return every == one or every.startswith(f"{one} ")


def known_oid(oid: str | None) -> str | None:
    """The OID of an INS as it is; any other is only said to be another."""
    return oid if oid is None or oid in INS_OIDS else OTHER
