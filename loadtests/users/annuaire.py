"""The Annuaire as a DUI plays it: who owns this mailbox, who is this professional (psc-annuaire §19, §21)."""
from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlencode

import orjson

from connectors.nomenclatures.annuaire import SYSTEM_RPPS
from connectors.wire.http import Answer
from loadtests import failures
from loadtests.calls import HttpCall, Reading
from loadtests.world import Professional, World

_BASE = "/fhir/v2"


@dataclass(frozen=True, slots=True)
class AnnuaireUser:
    world: World

    def professional(self, one: Professional) -> HttpCall:
        """By RPPS number: exactly one professional must come back."""
        return self._search("Practitioner", {"identifier": f"{SYSTEM_RPPS}|{one.rpps}"})

    def mailbox(self, one: Professional) -> HttpCall:
        """By MSSanté address: the role of the person who owns it in the structure."""
        return self._search("PractitionerRole", {"mailbox-mss": one.mailbox})

    def _search(self, resource: str, query: dict[str, str]) -> HttpCall:
        target = f"{_BASE}/{resource}?{urlencode(query, quote_via=quote)}"
        headers = [
            (b"esante-api-key", self.world.annuaire_key.encode("ascii")), (b"accept", b"application/fhir+json"),
        ]  # fmt: skip
        return HttpCall("ANN.RECHERCHE", "annuaire", "GET", target, read_bundle, headers)


def read_bundle(answer: Answer) -> Reading:
    """A searchset with one match at least; its resources."""
    if answer.status != 200:
        return Reading(f"HTTP {answer.status}", failures.OTHER)
    found = [entry["resource"] for entry in orjson.loads(answer.body).get("entry", [])]
    return Reading("HTTP 200", None if found else failures.OTHER, found)
