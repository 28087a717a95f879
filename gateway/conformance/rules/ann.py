"""Checks of the Annuaire (programme-indicateurs §14.5)."""
from __future__ import annotations

from collections.abc import Iterator

from gateway.conformance.facts.places import RCPT_TO
from gateway.conformance.model import CallRule, Finding, Run, RunRule
from gateway.conformance.rules.base import conforme, non_conforme, non_observe

SEARCH, MAIL = "ANN.RECHERCHE", "MSS.SOUMISSION"


def a_new_address_comes_from_the_directory(run: Run) -> Iterator[Finding]:
    """CHK-ANN-03: the first time a software writes to a professional outside its own domain, it had found the address."""
    given: dict[str, set[str]] = {}
    written: dict[str, set[str]] = {}
    for call in run.calls(SEARCH, MAIL):
        tenant = call.entry["tenant"]
        if call.facts is None or call.facts["partial"]:
            continue
        if call.entry["operation"] == SEARCH:
            given.setdefault(tenant, set()).update(call.facts["mailboxes"])
            continue
        to = {one["mailbox"] for one in call.facts["recipients"] if one["class"] == "pro"}
        new = to - written.get(tenant, set())
        written.setdefault(tenant, set()).update(new)
        if not new:
            continue
        if tenant not in given:
            yield non_observe("aucune recherche dans l'Annuaire avant ce message : un fichier a pu être chargé")
        elif new <= given[tenant]:
            yield conforme(RCPT_TO, "adresse rendue par une recherche", call)
        else:
            yield non_conforme(RCPT_TO, "une adresse rendue par une recherche antérieure", "adresse jamais rendue", call)


CALL: dict[str, CallRule] = {}
RUN: dict[str, RunRule] = {"CHK-ANN-03": a_new_address_comes_from_the_directory}
