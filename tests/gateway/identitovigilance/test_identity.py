"""The state machine of an identity: every line of the reference's table, every rule that refuses, and what always holds."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.identitovigilance.evidence import Evidence
from gateway.identitovigilance.identity import (
    Attribute,
    Identity,
    Ins,
    Method,
    Refused,
    Status,
    check_call,
    documented,
    edited,
    found,
    marked,
    read_from_app,
    unmarked,
    verified,
    withdrawn,
)
from gateway.identitovigilance.sharing import ins_to_send
from gateway.identitovigilance.traits import Traits

TYPED = Traits("D'ARTAGNAN DE L'HERAULT", ("PIERRE-ALAIN",), "M", date(2001, 6, 17), "63220")
REFERENCE = replace(TYPED, first_names=("PIERRE-ALAIN", "GUNTHER"))
OTHER = replace(REFERENCE, birth_date=date(2001, 6, 18))
DAY = date(2026, 11, 22)
INS = Ins("101066322075460", "1.2.250.1.213.1.4.8", DAY)  # published test identity
CARD = Evidence("CN", DAY)

PROV = Identity(TYPED)
RECUP = found(PROV, REFERENCE, INS)
VALI = documented(PROV, CARD, TYPED)
QUAL = documented(RECUP, CARD, TYPED)


@pytest.mark.parametrize(("before", "event", "after"), [
    (PROV, lambda one: found(one, REFERENCE, INS), "RECUP"),
    (PROV, lambda one: documented(one, CARD, TYPED), "VALI"),
    (RECUP, lambda one: documented(one, CARD, TYPED), "QUAL"),
    (VALI, lambda one: found(one, REFERENCE, INS), "QUAL"),
    (QUAL, lambda one: verified(one, holds=False), "VALI"),
    (RECUP, lambda one: verified(one, holds=False), "PROV"),
    (QUAL, lambda one: verified(one, holds=True), "QUAL"),
    (VALI, withdrawn, "PROV"),
    (QUAL, withdrawn, "RECUP"),
    (QUAL, lambda one: edited(one, OTHER), "VALI"),
    (RECUP, lambda one: edited(one, OTHER), "PROV"),
    (QUAL, lambda one: edited(one, one.traits), "QUAL"),
    *((one, lambda one: marked(one, Attribute.DOUTEUSE), "PROV") for one in (PROV, RECUP, VALI, QUAL)),
    *((one, lambda one: marked(one, Attribute.FICTIVE), "PROV") for one in (PROV, RECUP, VALI, QUAL)),
    *((one, lambda one: marked(one, Attribute.HOMONYME), one.status) for one in (PROV, RECUP, VALI, QUAL)),
    *((one, lambda one: read_from_app(one, REFERENCE, INS), "QUAL") for one in (PROV, RECUP, VALI, QUAL)),
])  # fmt: skip
def test_the_table_of_states(before: Identity, event: Callable[[Identity], Identity], after: str) -> None:
    done = event(before)
    assert done.status == after
    assert (done.ins is not None) == (after in ("RECUP", "QUAL"))


def test_insi_gives_its_own_traits_and_an_application_that_is_no_longer_believed_leaves_nothing() -> None:
    assert (RECUP.traits, RECUP.method) == (REFERENCE, Method.INSI)
    assert withdrawn(read_from_app(PROV, REFERENCE, INS)).status is Status.PROVISOIRE


@pytest.mark.parametrize(("event", "rule"), [
    (lambda: check_call(marked(PROV, Attribute.DOUTEUSE)), "EXI ID 26"),
    (lambda: found(marked(PROV, Attribute.FICTIVE), REFERENCE, INS), "EXI ID 26"),
    (lambda: documented(marked(PROV, Attribute.DOUTEUSE), CARD, TYPED), "EXI SI 09"),
    (lambda: read_from_app(marked(PROV, Attribute.DOUTEUSE), REFERENCE, INS), "EXI SI 09"),
    (lambda: Identity(TYPED, ins=INS, attributes=frozenset({Attribute.DOUTEUSE})), "EXI SI 09"),
    (lambda: marked(marked(PROV, Attribute.HOMONYME), Attribute.FICTIVE), "EXI ID 24"),
    (lambda: documented(PROV, Evidence("AN", DAY), TYPED), "EXI SI 10"),
    (lambda: withdrawn(PROV), "EXI SI 10"),
    (lambda: verified(VALI, holds=False), "EXI SI 07"),
    (lambda: ins_to_send(RECUP, production=False), "EXI ID 29"),
    (lambda: ins_to_send(VALI, production=False), "EXI ID 29"),
])  # fmt: skip
def test_what_a_rule_forbids(event: Callable[[], object], rule: str) -> None:
    with pytest.raises(Refused) as caught:
        event()
    assert caught.value.rule == rule
    assert INS.matricule not in caught.value.text + repr(QUAL)


@pytest.mark.parametrize(("name", "value"), [
    ("birth_date", date(2001, 6, 18)), ("sex", "F"), ("birth_place", "63113"), ("birth_name", "D'ARTAGNAN-DE L'HERAULT"),
    ("first_names", ("GUNTHER",)), ("first_names", ("PIERRE-ALAIN", "GUNTHER", "JEAN")), ("first_names", ("PIERRE-AL",)),
])  # fmt: skip
def test_traits_that_differ_never_qualify(name: str, value: object) -> None:
    unlike = replace(TYPED, **{name: value})
    for event in (lambda: documented(RECUP, CARD, unlike), lambda: found(documented(PROV, CARD, unlike), REFERENCE, INS)):
        with pytest.raises(Refused) as caught:
            event()
        assert (caught.value.rule, caught.value.traits) == ("EXI ID 10", (name,))


@pytest.mark.parametrize("first_names", [("Pierre Alain",), ("PIERRE-ALAIN", "Günther"), ("Pierre-Alain GUNTHER",), ("PIERRE",)])
def test_first_names_are_compared_with_the_tolerance_of_the_rnis(first_names: tuple[str, ...]) -> None:
    assert documented(RECUP, CARD, replace(TYPED, first_names=first_names)).status is Status.QUALIFIEE


def test_a_doubt_and_a_namesake_may_stand_together_and_a_lifted_doubt_starts_again() -> None:
    doubted = marked(marked(QUAL, Attribute.HOMONYME), Attribute.DOUTEUSE)
    lifted = unmarked(doubted, [Attribute.DOUTEUSE])
    assert (lifted.status, lifted.attributes) == (Status.PROVISOIRE, {Attribute.HOMONYME})
    check_call(lifted)


@pytest.mark.parametrize(("oid", "production", "allowed"), [
    ("1.2.250.1.213.1.4.8", True, True), ("1.2.250.1.213.1.4.9", True, True), ("1.2.250.1.213.1.4.10", True, False),
    ("1.2.250.1.213.1.4.11", True, False), ("1.2.250.1.213.1.4.8", False, True), ("1.2.250.1.213.1.4.10", False, True),
])  # fmt: skip
def test_which_ins_may_leave(oid: str, production: bool, allowed: bool) -> None:
    identity = replace(QUAL, ins=Ins(INS.matricule, oid, DAY))
    if allowed:
        assert ins_to_send(identity, production=production).oid == oid
    else:
        with pytest.raises(Refused, match="production"):
            ins_to_send(identity, production=production)


def test_an_ins_has_its_key_and_its_oid() -> None:
    for matricule, oid in (("101066322075461", INS.oid), ("1010663220754", INS.oid), (INS.matricule, "1.2.250.1.213.1.4.13")):
        with pytest.raises(ValueError, match="not an INS"):
            Ins(matricule, oid, DAY)


EVENTS: list[Callable[[Identity], Identity]] = [
    lambda one: found(one, REFERENCE, INS), lambda one: documented(one, CARD, TYPED), lambda one: documented(one, CARD, OTHER),
    lambda one: verified(one, holds=False), lambda one: verified(one, holds=True), withdrawn, lambda one: edited(one, OTHER),
    lambda one: edited(one, TYPED), lambda one: read_from_app(one, REFERENCE, INS),
    *(lambda one, which=which: marked(one, which) for which in Attribute),
    *(lambda one, which=which: unmarked(one, [which]) for which in Attribute),
]  # fmt: skip


@given(st.lists(st.sampled_from(EVENTS), max_size=12))
def test_whatever_happens_no_rule_is_broken(events: list[Callable[[Identity], Identity]]) -> None:
    identity = PROV
    for event in events:
        try:
            identity = event(identity)
        except Refused:
            continue
        assert (identity.status is Status.QUALIFIEE) == (identity.ins is not None and identity.evidence is not None)
        if identity.doubted:
            assert identity.status is Status.PROVISOIRE
        if Attribute.FICTIVE in identity.attributes:
            assert identity.attributes == {Attribute.FICTIVE}
        try:
            ins_to_send(identity, production=True)
            left = True
        except Refused:
            left = False
        assert left == (identity.status is Status.QUALIFIEE)
