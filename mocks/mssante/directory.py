"""Who has a mailbox in the sandbox, and who may open it: read from the manifest and the population."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from connectors.nomenclatures.mssante import TEST_MAILBOX, USAGER_DOMAIN, domain_of, normalise, usager_matricule
from mocks.sandbox.population import Population, own_boxes

Known = Literal["delivered", "undelivered", "relayed", "unknown", "outside"]


@dataclass(frozen=True, slots=True)
class Directory:
    """shared      mailboxes of the structures
    hosted      domains of this operator: every mailbox in them is one of its own, or nobody's
    applicative idNat_struct → applicative mailboxes, which the structure's certificate opens
    people      professionals with their own mailboxes, and persons with the state of their Mon espace santé
    """

    white_list: frozenset[str]
    shared: frozenset[str] = field(repr=False)
    hosted: frozenset[str]
    people: Population = field(repr=False)
    applicative: dict[str, frozenset[str]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, manifest: dict[str, Any], people: Population) -> Directory:
        shared = {normalise(box["address"]) for structure in manifest["structures"] for box in structure.get("mailboxes", ())}
        applicative = {row["struct_id"]: _applicative(row) for row in manifest["structures"] if _applicative(row)}
        own = (normalise(box) for professional in people.professionals() for box in own_boxes(professional))
        white_list = frozenset(map(str.lower, manifest["white_list"]))
        return cls(white_list, frozenset(shared), frozenset(map(domain_of, {*shared, *own})), people, applicative)

    def locate(self, address: str) -> Known:
        """What becomes of a message to this address; ``relayed`` belongs to another operator of the trust space."""
        domain = domain_of(address)
        if domain not in self.white_list:
            return "outside"
        if normalise(address) == TEST_MAILBOX:
            return "relayed"
        if domain == USAGER_DOMAIN:
            # Mon espace santé tells of a closed mailbox afterwards, by mail (mssante §9): the person is known, so 250.
            person = self.people.bearer(usager_matricule(address) or "")
            return "unknown" if person is None else "delivered" if person["mes"] == "open" else "undelivered"
        if normalise(address) in self.shared or self.people.holds_box(address):
            return "delivered"
        return "unknown" if domain in self.hosted else "relayed"

    def may_open(self, id_nat: str, mailbox: str) -> bool:
        return normalise(mailbox) in self.people.opens(id_nat)


def _applicative(structure: dict[str, Any]) -> frozenset[str]:
    return frozenset(normalise(box["address"]) for box in structure.get("mailboxes", ()) if box["type"] == "APP")


Claims = Callable[[str], dict[str, Any] | None]


def entitled(directory: Directory, claims: dict[str, Any] | None, mailbox: str) -> bool:
    """True when the token's bearer is a known professional who may open this mailbox (mssante §5.2)."""
    return claims is not None and directory.may_open(str(claims.get("SubjectNameID", "")), mailbox)
