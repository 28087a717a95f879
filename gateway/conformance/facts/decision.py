"""Facts of ``POST /ins/decision``: what a DUI declares of an identity, and what follows from it (reference insi §16)."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from gateway.conformance.facts.identity import beginnings, patient_facts, people_digests
from gateway.conformance.facts.places import DECIDED
from gateway.conformance.model import Eyes, FactValues, Made, Message

_DECIDED = 200


def decision_facts(message: Message, eyes: Eyes, made: Made) -> None:
    """``event``, ``valid`` (of a verification), ``before`` and ``after`` {status, ins, attributes, evidence}, ``people``.

    ``event`` is None for what the door refused: nothing was decided. Names and codes are those that the door has checked.
    """
    made.values["event"] = None
    if message.status != _DECIDED:
        return
    asked, told = orjson.loads(message.request), orjson.loads(message.response)
    before, after = asked["identite"], told["identite"]
    traits = after["traits"]
    who = {"birth_name": traits["nom_naissance"], "sex": traits["sexe"], "birth_date": traits["date_naissance"]}
    made.values |= {
        "valid": asked["evenement"].get("valide"),
        "before": _held(before, told["statut_avant"], eyes, made),
        "after": _held(after, told["statut"], eyes, made),
        "people": people_digests(who, beginnings(traits["prenoms"]), eyes),
        "event": asked["evenement"]["type"],
    }
    made.show(DECIDED, (after.get("ins") or {}).get("matricule"))


def _held(identity: Mapping[str, Any], status: str, eyes: Eyes, made: Made) -> FactValues:
    ins = identity.get("ins")
    return {
        "status": status,
        "identity": patient_facts(None if ins is None else (ins["matricule"], ins["oid"]), eyes, made),
        "attributes": sorted(identity.get("attributs") or []),
        "evidence": (identity.get("piece") or {}).get("code"),
    }
