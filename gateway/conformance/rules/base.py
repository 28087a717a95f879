"""The four answers of a rule, and the few questions that several rules ask."""
from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from connectors.nomenclatures.oids import INS_OIDS
from gateway.conformance.model import Call, FactValues, Finding, Rule

#: The traits that a header must hold for an INS to be qualified there (mssante §7.4, dmp §18.1).
QUALIFYING = frozenset({"birth_name", "first_name", "birth_date", "sex"})
TOO_LARGE = "message trop grand pour être lu"
IN_WORDS = {
    "birth_name": "nom de naissance", "first_name": "premier prénom", "birth_date": "date de naissance", "sex": "sexe",
    "birth_place": "lieu de naissance",
}  # fmt: skip


def conforme(place: str = "", found: str = "", *proofs: Call) -> Finding:
    return Finding("conforme", place, "", found, _ids(proofs))


def non_conforme(place: str, expected: str, found: str, *proofs: Call) -> Finding:
    return Finding("non_conforme", place, expected, found, _ids(proofs))


def non_observe(why: str) -> Finding:
    return Finding("non_observe", found=why)


def non_applicable(why: str) -> Finding:
    return Finding("non_applicable", found=why)


def judged(wrong: Iterable[Finding], place: str = "", found: str = "") -> list[Finding]:
    """The wrong things found, or one conformity when there is none."""
    return list(wrong) or [conforme(place, found)]


def is_the_gateways(facts: FactValues | None) -> bool:
    """Whether the message was written by one of our own doors (decision 0027)."""
    return facts is not None and facts.get("author") == "passerelle"


def not_the_duis(rule: Rule, facts: FactValues) -> Finding | None:
    """What a rule finds in a message of the gateway when what it judges there is the gateway's own; None when it judges."""
    if rule.own_doors or not is_the_gateways(facts):
        return None
    return non_applicable("message écrit par la passerelle (porte simple)")


def is_ins(patient: FactValues) -> bool:
    """A well-formed matricule under an OID of an INS."""
    return bool(patient["form"]) and patient["oid"] in INS_OIDS


def carries_ins(patient: FactValues) -> bool:
    """Whether a matricule or the OID of one is there at all, well formed or not."""
    return patient["oid"] in INS_OIDS


def is_qualified(identity: FactValues) -> bool:
    return is_ins(identity) and set(identity["present"]) >= QUALIFYING


def every(facts: object, name: str) -> list[Any]:
    """What stands under this name anywhere in facts, in no order."""
    found, left = list[Any](), [facts]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            if name in one:
                found.append(one[name])
            left.extend(one.values())
        elif isinstance(one, list):
            left.extend(one)
    return found


def names(traits: Iterable[str]) -> str:
    return ", ".join(IN_WORDS[one] for one in sorted(traits))


def documents_of(facts: FactValues) -> list[FactValues]:
    """Those of a feed, or of the archive of a message; none without any."""
    listed = facts.get("documents")
    return listed if isinstance(listed, list) else list((facts.get("archive") or {}).get("documents", []))


def cdas(documents: list[FactValues]) -> list[FactValues]:
    return [one["cda"] for one in documents if one["cda"]["kind"] == "cda"]


def _ids(proofs: Iterable[Call]) -> tuple[str, ...]:
    return tuple(one.id for one in proofs)
