"""What a key may see: its vendor's entries, or those of its grappes' ESSMS while they are members."""
from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from gateway.access.rights import Key
from gateway.access.sight import hidden, may_read, of_another, within
from gateway.bench.usage_grappe import bench_grappe
from gateway.grappes.reading import example
from gateway.grappes.registry import Registry
from gateway.journal.filters import Filters
from tests.gateway.usage.world import CARMES, EVECHE

MINE = example("marseille-hyeres")
LEFT = replace(MINE, essms=tuple(
    replace(one, member_until=date(2027, 3, 1)) if one.finess_et == CARMES else one for one in MINE.essms
))  # fmt: skip
REGISTRY = Registry([LEFT, bench_grappe()])
THEIRS = bench_grappe().essms[0].finess_et
AMOA = Key("amoa", frozenset({"usage"}), None, "", frozenset({MINE.id}))
VENDOR = Key("editeur", frozenset({"metadata"}), "editeur-a", "")
ANYBODY = Key("tout", frozenset({"usage"}), None, "")


def entry(finess_et: str | None, at: str = "2027-02-01T09:00:00.000000Z", tenant: str = "editeur-b") -> dict[str, Any]:
    return {"finess_et": finess_et, "event_time": at, "tenant": tenant}


@pytest.mark.parametrize(("key", "seen", "why"), [
    (AMOA, entry(CARMES), None),
    (AMOA, entry(CARMES, "2027-02-28T22:59:59.999999Z"), None),  # the last instant of February in Paris
    (AMOA, entry(CARMES, "2027-02-28T23:00:00.000000Z"), "grappe"),
    (AMOA, entry(CARMES, "2025-06-05T21:59:59.999999Z"), "grappe"),
    (AMOA, entry(CARMES, "2025-06-05T22:00:00.000000Z"), None),
    (AMOA, entry(EVECHE, "2030-01-01T00:00:00.000000Z"), None),
    (AMOA, entry(THEIRS), "grappe"),
    (AMOA, entry(None), "grappe"),
    (AMOA, entry(None, tenant="passerelle"), "grappe"),
    (VENDOR, entry(CARMES, tenant="editeur-a"), None),
    (VENDOR, entry(CARMES), "editeur"),
    (ANYBODY, entry(THEIRS), None),
    (ANYBODY, entry(None), None),
])  # fmt: skip
def test_what_is_hidden(key: Key, seen: dict[str, Any], why: str | None) -> None:
    assert hidden(key, REGISTRY, seen) == why


def test_a_grappe_that_is_gone_shows_nothing() -> None:
    gone = replace(AMOA, grappes=frozenset({"ancienne"}))
    assert within(gone, REGISTRY) == ()
    assert hidden(gone, REGISTRY, entry(CARMES)) == "grappe"
    whole = {**entry(CARMES), "recorded_at": "", "flags": [], "document_refs": [], "person_ref": None}
    assert not Filters(within=()).admit(whole)


@pytest.mark.parametrize(("key", "tenant", "finess_et", "why"), [
    (AMOA, None, CARMES, None), (AMOA, None, THEIRS, "grappe"), (AMOA, "editeur-b", None, None),
    (VENDOR, "editeur-a", None, None), (VENDOR, "editeur-b", None, "editeur"), (VENDOR, None, THEIRS, None),
    (ANYBODY, "editeur-b", THEIRS, None),
])  # fmt: skip
def test_what_may_be_asked(key: Key, tenant: str | None, finess_et: str | None, why: str | None) -> None:
    assert of_another(key, REGISTRY, tenant=tenant, finess_et=finess_et) == why


def test_whose_rates() -> None:
    assert [may_read(key, grappe) for key in (AMOA, VENDOR, ANYBODY) for grappe in (MINE.id, "banc")] == [
        True, False, False, False, True, True,
    ]  # fmt: skip
