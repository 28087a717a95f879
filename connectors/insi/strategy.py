"""The search strategy imposed on software, and what differs between what was sent and what came back (reference: insi §8)."""
from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field

from connectors.insi import codes
from connectors.insi.identities import Identity
from connectors.insi.messages import Person, Traits

Sent = str | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """A trait that came back otherwise than it was sent: the software has to alert (CNDA 3.05). ``first_names`` is a tuple."""

    trait: str  # a field of Person
    sent: Sent = field(repr=False)
    received: Sent | None = field(repr=False)


def differences(person: Person, identity: Identity) -> tuple[Difference, ...]:
    """To the letter, and in the order of Person; what was not sent does not differ."""
    pairs = [(name, getattr(person, name), getattr(identity, name)) for name in Person.__slots__]
    return tuple(Difference(name, sent, back) for name, sent, back in pairs if sent is not None and sent != back)


def search_plan(person: Person) -> Generator[Traits, str, None]:
    """The attempts in order; send each one's CR code back (insi §8).

    Each first name alone, then all of them joined; several people found: all first names, then the birth place too.
    """
    cr, first_name = codes.INSI_NOBODY, ""
    joined = " ".join(person.first_names)
    for first_name in dict.fromkeys([*person.first_names, joined]):
        cr = yield _traits(person, first_name)
        if cr != codes.INSI_NOBODY:
            break
    if cr == codes.INSI_SEVERAL and first_name != joined:
        cr = yield _traits(person, joined)
        if cr == codes.INSI_OK:
            return
        # The local list may hold a first name that the national one has not: the place then narrows the shorter one.
        first_name = joined if cr == codes.INSI_SEVERAL else first_name
        cr = codes.INSI_SEVERAL
    if cr == codes.INSI_SEVERAL and person.birth_place is not None:
        yield _traits(person, first_name, person.birth_place)


def following(plan: Generator[Traits, str, None], cr: str | None) -> Traits | None:
    """What to ask next; None once somebody was found, after a fault (``cr`` is None), and when all was tried."""
    if cr is None or cr == codes.INSI_OK:
        plan.close()
        return None
    try:
        return plan.send(cr)
    except StopIteration:
        return None


def _traits(person: Person, first_name: str, birth_place: str | None = None) -> Traits:
    return Traits(person.birth_name, first_name, person.sex, person.birth_date, birth_place)
