"""Who has a mailbox in the sandbox, and who may open it: read from the manifest and the population."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from connectors.nomenclatures.mssante import USAGER_DOMAIN, domain_of, normalise, usager_matricule

Known = Literal["delivered", "undelivered", "relayed", "unknown", "outside"]


@dataclass(frozen=True, slots=True)
class Directory:
    """mailboxes   every mailbox that this operator hosts, in the domains ``hosted``
    openable    idNat of a professional → mailboxes that he or she may open
    usagers     matricule, past ones included → state of the person's Mon espace santé
    applicative idNat_struct → applicative mailboxes, which the structure's certificate opens
    """

    white_list: frozenset[str]
    mailboxes: frozenset[str] = field(repr=False)
    openable: dict[str, frozenset[str]] = field(repr=False)
    usagers: dict[str, str] = field(repr=False)
    hosted: frozenset[str]
    applicative: dict[str, frozenset[str]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, manifest: dict[str, Any], population: dict[str, Any]) -> Directory:
        professionals = population["professionals"]
        openable = {p["id_nat"]: frozenset(map(normalise, [p["mailbox"], *p.get("may_open", ())])) for p in professionals}
        shared = {normalise(box["address"]) for structure in manifest["structures"] for box in structure.get("mailboxes", ())}
        applicative = {row["struct_id"]: _applicative(row) for row in manifest["structures"] if _applicative(row)}
        usagers: dict[str, str] = {}
        for person in population["persons"]:
            for identity in (*person.get("history", ()), person):
                usagers[identity["matricule"].upper()] = person["mes"]
        mailboxes = frozenset(shared.union(*openable.values()))
        white_list = frozenset(map(str.lower, manifest["white_list"]))
        return cls(white_list, mailboxes, openable, usagers, frozenset(map(domain_of, mailboxes)), applicative)

    def locate(self, address: str) -> Known:
        """What becomes of a message to this address; ``relayed`` belongs to another operator of the trust space."""
        domain = domain_of(address)
        if domain not in self.white_list:
            return "outside"
        if domain == USAGER_DOMAIN:
            # Mon espace santé tells of a closed mailbox afterwards, by mail (mssante §9): the person is known, so 250.
            state = self.usagers.get(usager_matricule(address) or "")
            return "unknown" if state is None else "delivered" if state == "open" else "undelivered"
        if normalise(address) in self.mailboxes:
            return "delivered"
        return "unknown" if domain in self.hosted else "relayed"

    def may_open(self, id_nat: str, mailbox: str) -> bool:
        return normalise(mailbox) in self.openable.get(id_nat, frozenset())


def _applicative(structure: dict[str, Any]) -> frozenset[str]:
    return frozenset(normalise(box["address"]) for box in structure.get("mailboxes", ()) if box["type"] == "APP")


Claims = Callable[[str], dict[str, Any] | None]


def entitled(directory: Directory, claims: dict[str, Any] | None, mailbox: str) -> bool:
    """True when the token's bearer is a known professional who may open this mailbox (mssante §5.2)."""
    return claims is not None and directory.may_open(str(claims.get("SubjectNameID", "")), mailbox)
