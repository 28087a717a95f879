"""Parts of our own doors that need no gateway: whose path it is, and what a fault of INSi becomes."""
from __future__ import annotations

import pytest

from connectors.insi.answers import Fault
from gateway.doors.own.ins_service import refused_by
from gateway.doors.own.places import find, names_in
from gateway.journal.record import Outcome, Record

DOORS = {"/ins/lots": "deposit", "/ins/lots/{lot}/resultats": "results", "/ins/a.b": "dotted"}


@pytest.mark.parametrize(
    ("path", "door", "named"),
    [
        ("/ins/lots", "deposit", {}), ("/ins/lots/L1/resultats", "results", {"lot": "L1"}),
        ("/ins/lots/a%2Fb%20c/resultats", "results", {"lot": "a/b c"}), ("/ins/a.b", "dotted", {}),
        ("/ins/axb", None, {}), ("/ins/lots/", None, {}), ("/ins/lots//resultats", None, {}),
        ("/ins/lots/a/b/resultats", None, {}), ("/ins/lots/L1/resultats/", None, {}), ("/ins", None, {}),
    ],
)  # fmt: skip
def test_a_path_has_one_door_and_names_what_it_says(path: str, door: str | None, named: dict[str, str]) -> None:
    assert find(DOORS, path) == (door, named)


def test_a_template_tells_its_names() -> None:
    assert [names_in(one) for one in DOORS] == [[], ["lot"], []]


@pytest.mark.parametrize(
    ("fault", "outcome", "slug", "field"),
    [
        (Fault("Sender", "siram_10", "x", "insi_24"), "invalid", "trait", "sexe"),
        (Fault("Sender", "siram_10", "x", "insi_108"), "invalid", "trait", None),
        (Fault("Sender", "siram_10", "x"), "invalid", "service-invalide", None),  # a context, not a trait: nobody's to correct
        (Fault("Sender", None, "x"), "invalid", "service-invalide", None),
        (Fault("Sender", "siram_100", "x", "desir_560"), "unauthorised", "service-interdit", None),
        (Fault("Sender", "siram_40", "x", "desir_1020"), "failed", "indisponible", None),
        (Fault("Receiver", None, "x"), "failed", "indisponible", None),
    ],
)  # fmt: skip
def test_a_fault_says_whose_it_is_to_mend(fault: Fault, outcome: Outcome, slug: str, field: str | None) -> None:
    refused = refused_by(fault, Record("INS.VERIFICATION", outcome=outcome))
    named = [one["champ"] for one in refused.more.get("champs") or []]
    assert (refused.kind.slug, refused.code, named) == (slug, fault.service_code, [field] if field else [])
