"""Attribution (design §6): whose unit this is, and why it is nobody's."""
from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from gateway.access.callers import Caller
from gateway.grappes.model import Mailbox
from gateway.grappes.reading import RegistryError, example
from gateway.grappes.registry import Attribution, Registry

AT = datetime(2026, 11, 10, 9, tzinfo=UTC)
MARSEILLE, HYERES = "130804289", "830210126"
LES_CARMES, LES_ROMARINS = "130790199", "830019196"
CALLER = Caller(tenant="t1", entitled_ej=frozenset({MARSEILLE}))
COUNTED = Attribution(LES_CARMES, MARSEILLE, "metadonnee")


def apart(reason: str) -> Attribution:
    return Attribution(None, None, f"non_attribue:{reason}")


@pytest.fixture
def registry() -> Registry:
    return Registry([example("marseille-hyeres")])


@pytest.mark.parametrize("institutions", [
    ["1" + LES_CARMES],
    [LES_CARMES],
    ["1" + LES_CARMES, LES_CARMES],  # one with its type prefix, the other bare: the same structure
    ["1" + LES_CARMES, ""],  # the submission set names none
    ["", " 1" + LES_CARMES + " "],
])
def test_a_feed_is_attributed_to_the_institution_it_names(registry: Registry, institutions: list[str]) -> None:
    assert registry.attribute(institutions, CALLER, AT) == COUNTED


@pytest.mark.parametrize("institutions, reason", [
    ([], "absent"),
    (["", "  "], "absent"),
    (["1" + LES_CARMES, "1130798309"], "divergent"),  # both members, but not the same one
    (["1" + LES_CARMES, "318751275100020"], "divergent"),  # the set is signed by a SIRET
    (["1" + LES_CARMES, "1" + MARSEILLE], "divergent"),
    (["1" + MARSEILLE], "entite_juridique"),
    (["1750832156"], "hors_grappe"),
    (["318751275100020"], "hors_grappe"),
    (["1306784507"], "hors_grappe"),  # the number as typed in the declaration: the correction is not applied on the wire
    (["1" + LES_ROMARINS], "non_habilite"),
])
def test_a_feed_that_nobody_may_count_says_why(registry: Registry, institutions: list[str], reason: str) -> None:
    assert registry.attribute(institutions, CALLER, AT) == apart(reason)


def test_the_entitlement_is_the_caller_s(registry: Registry) -> None:
    hyeres = Caller(tenant="t2", entitled_ej=frozenset({HYERES}))
    assert registry.attribute(["1" + LES_ROMARINS], hyeres, AT) == Attribution(LES_ROMARINS, HYERES, "metadonnee")
    assert registry.attribute(["1" + LES_ROMARINS], Caller(), AT) == apart("non_habilite")


def test_a_number_kept_as_typed_is_attributed_like_another(registry: Registry) -> None:
    assert registry.attribute(["1130045133"], CALLER, AT).finess_et == "130045133"


def test_membership_is_judged_at_event_time_in_local_days() -> None:
    grappe = example("marseille-hyeres")
    left = [replace(one, member_from=date(2026, 11, 1), member_until=date(2026, 12, 1)) for one in grappe.essms]
    registry = Registry([replace(grappe, essms=tuple(left))])
    sent_at = {
        datetime(2026, 10, 31, 22, 59, tzinfo=UTC): apart("hors_grappe"),
        datetime(2026, 10, 31, 23, 0, tzinfo=UTC): COUNTED,  # midnight of 1 November in Paris
        datetime(2026, 11, 30, 22, 59, tzinfo=UTC): COUNTED,
        datetime(2026, 11, 30, 23, 0, tzinfo=UTC): apart("hors_grappe"),
    }
    assert {at: registry.attribute([LES_CARMES], CALLER, at) for at in sent_at} == sent_at


def with_mailboxes(*boxes: tuple[str, Mailbox]) -> Registry:
    grappe = example("marseille-hyeres")
    given = [replace(one, mailboxes=tuple(box for et, box in boxes if et == one.finess_et)) for one in grappe.essms]
    return Registry([replace(grappe, essms=tuple(given))])


def test_a_message_is_attributed_by_its_mailbox_whatever_the_case() -> None:
    registry = with_mailboxes((LES_CARMES, Mailbox("Carmes@ccas.mssante.test", date(2026, 1, 1))))
    assert registry.attribute_mailbox("carmes@CCAS.mssante.test", CALLER, AT) == Attribution(LES_CARMES, MARSEILLE, "bal")
    assert registry.attribute_mailbox("carmes@ccas.mssante.test", Caller(), AT) == apart("non_habilite")
    assert registry.attribute_mailbox("autre@ccas.mssante.test", CALLER, AT) == apart("bal_inconnue")


def test_a_mailbox_that_changes_hands_counts_for_its_owner_of_the_day() -> None:
    moved = date(2026, 11, 1)
    registry = with_mailboxes(
        (LES_CARMES, Mailbox("equipe@ccas.mssante.test", date(2026, 1, 1), moved)),
        ("130798309", Mailbox("equipe@ccas.mssante.test", moved)),
    )
    before = datetime(2026, 10, 31, 22, 59, 59, tzinfo=UTC)
    assert registry.attribute_mailbox("equipe@ccas.mssante.test", CALLER, before).finess_et == LES_CARMES
    assert registry.attribute_mailbox("equipe@ccas.mssante.test", CALLER, AT).finess_et == "130798309"
    unborn = datetime(2025, 12, 31, 12, tzinfo=UTC)
    assert registry.attribute_mailbox("equipe@ccas.mssante.test", CALLER, unborn) == apart("bal_inconnue")


def test_a_mailbox_shared_by_two_essms_is_nobody_s() -> None:
    shared = Mailbox("accueil@ccas.mssante.test", date(2026, 1, 1))
    registry = with_mailboxes((LES_CARMES, shared), ("130798309", shared))
    assert registry.attribute_mailbox("accueil@ccas.mssante.test", CALLER, AT) == apart("divergent")


def test_one_essms_in_two_grappes_is_refused() -> None:
    grappe = example("marseille-hyeres")
    with pytest.raises(RegistryError, match=r"130038748 .* est dans deux grappes"):
        Registry([grappe, replace(grappe, id="autre")])


def test_an_unknown_grappe_is_named_with_those_that_exist(registry: Registry) -> None:
    assert registry.grappe("marseille-hyeres").name == "Marseille - Hyères"
    with pytest.raises(RegistryError, match=r"« marseille »\. Grappes du registre : marseille-hyeres"):
        registry.grappe("marseille")
