"""Checks of Pro Santé Connect (programme-indicateurs §14.4)."""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.conformance.facts.places import ACR_VALUES, GRANT_TYPE, RESPONSE_TYPE
from gateway.conformance.model import CallRule, FactValues, Finding, RunRule
from gateway.conformance.rules.base import judged, non_conforme

_GRANTS = {"authorization_code": "code d'autorisation", "refresh_token": "renouvellement", "ciba": "CIBA"}


def a_permitted_flow(facts: FactValues, entry: Mapping[str, Any]) -> Iterable[Finding]:
    """CHK-PSC-01: the authorization code, or CIBA; neither implicit nor password."""
    if entry["operation"] == "PSC.AUTHORIZE":
        types = facts["response_types"]
        if types != ["code"]:
            return [non_conforme(RESPONSE_TYPE, "code", " ".join(types) or "absent")]
        return judged([], RESPONSE_TYPE, "code")
    grant = facts["grant"]
    if grant not in _GRANTS:
        return [non_conforme(GRANT_TYPE, "authorization_code, refresh_token ou CIBA", grant or "absent")]
    return judged([], GRANT_TYPE, _GRANTS[grant])


def eidas1_is_asked(facts: FactValues, entry: Mapping[str, Any]) -> Iterable[Finding]:
    """CHK-PSC-02."""
    asked = facts["acr"]
    if asked["levels"] != ["eidas1"]:
        return [non_conforme(ACR_VALUES, "eidas1", " ".join(asked["levels"]) or asked["class"])]
    return judged([], ACR_VALUES, "eidas1")


CALL: dict[str, CallRule] = {"CHK-PSC-01": a_permitted_flow, "CHK-PSC-02": eidas1_is_asked}
RUN: dict[str, RunRule] = {}
