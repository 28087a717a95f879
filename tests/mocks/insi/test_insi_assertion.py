"""The assertion of the one-way listener: each refusal beside its accepted twin, and each by its own sentence."""
from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from lxml import etree

from mocks.insi import behaviour, wire
from mocks.insi.callers import ByAssertion, ByCertificate
from mocks.insi.rules import Rules
from mocks.insi.scenarios import Circumstances
from mocks.insi.state import Register
from mocks.sandbox.population import Population
from tests.mocks.insi.assertions import NAME, NURSE, SAML, Cards, assertion, make_cards, security, signed
from tests.mocks.insi.conftest import IDAM, contexts, population, request, strict_contexts
from tests.mocks.insi.test_insi_card import card
from tests.mocks.insi.test_insi_verification import deposit, lot_of, one, retrieve

NOW = datetime.now(UTC).replace(microsecond=123_000)
CLAIMS = {"SubjectNameID": NURSE}
DS = "{http://www.w3.org/2000/09/xmldsig#}"


@pytest.fixture(scope="module")
def cards() -> Cards:
    return make_cards()


def ask(
    cards: Cards, held: str, *, body: bytes | None = None, claims: dict[str, Any] | None = None, rules: Rules | None = None,
    register: Register | None = None, header: str | None = None,
) -> behaviour.Reply:  # fmt: skip
    """Calls with this wsse:Security."""
    register = register or Register.of(population(), idams=[IDAM], rules=rules)
    whole = contexts() if header is None else header
    sent = (body or request()).replace(contexts().encode(), (held + whole).encode())
    return behaviour.answer(wire.read(sent, None), ByAssertion(cards.trust, claims), register, Circumstances(NOW, NOW))


def by_card(cards: Cards, name: str = "card", change: Callable[[etree._Element], None] = lambda _: None, **made: Any) -> str:
    """Security of an assertion that is changed, then signed by this certificate."""
    unsigned = assertion(made.pop("at", NOW), **made)
    change(unsigned)
    return security(signed(unsigned, cards.signer(name)))


def refusal(reply: behaviour.Reply) -> str:
    """Its sentence; fails when it is no fault of the siram_100 family without an invented code."""
    text = reply.body.decode()
    assert (reply.status, reply.code) == (500, "siram_100"), text
    assert "<soap:Value>soap:siram_100</soap:Value>" in text and "Erreur" not in text
    return text


@pytest.mark.parametrize("qualifier", ["CPS", "CPF", "CDE-CPE", "CPA", "CPX"])
def test_a_card_opens_the_one_way_listener(cards: Cards, qualifier: str) -> None:
    assert ask(cards, by_card(cards, qualifier=qualifier)).code == "CR00"


@pytest.mark.parametrize("held", ["", security(), "<Assertion/>"])
def test_without_an_assertion_nobody_is_let_in(cards: Cards, held: str) -> None:
    assert "doit avoir une assertion SAML 2.0" in refusal(ask(cards, held))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("foreign", "autorité reconnue"), ("organisation", "autorité reconnue"), ("expired", "période de validité"),
        ("revoked", "révoqué"), ("authentication", "certificat de signature"),
    ],
)  # fmt: skip
def test_only_a_card_of_ours_signs(cards: Cards, name: str, why: str) -> None:
    assert why in refusal(ask(cards, by_card(cards, name)))


def test_a_card_of_nobody_is_refused(cards: Cards) -> None:
    def named(made: etree._Element) -> None:
        made[0].text = f"CN={NURSE},title=Infirmier,C=FR"

    assert "nominative" in refusal(ask(cards, by_card(cards, "nobody", named)))


@pytest.mark.parametrize("size", [60_000, 70_000])
def test_an_assertion_longer_than_any_is_not_verified(cards: Cards, size: int) -> None:
    reply = ask(cards, by_card(cards, change=lambda made: made.set("Long", "x" * size)))
    assert (reply.code, b"invalide" in reply.body) == (("CR00", False) if size == 60_000 else ("siram_100", True))


def test_an_assertion_of_a_card_is_signed(cards: Cards) -> None:
    assert "doit être signée" in refusal(ask(cards, security(assertion(NOW))))


def without_certificate(made: etree._Element) -> None:
    made.find(f".//{DS}X509Certificate").text = "bm9u"  # type: ignore[union-attr]


def other_name(made: etree._Element) -> None:
    made.find(f".//{SAML}NameID").text = "899700000002"  # type: ignore[union-attr]


def other_billing(made: etree._Element) -> None:
    made.find(f".//{SAML}AttributeValue").text = "0B0990016"  # type: ignore[union-attr]


def other_value(made: etree._Element) -> None:
    value = made.find(f".//{DS}SignatureValue")
    assert value is not None and value.text is not None
    value.text = value.text.strip()[:-6] + "AAAA=="


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (without_certificate, "certificat lisible"), (other_name, "invalide"), (other_billing, "invalide"),
        (other_value, "invalide"), (lambda made: made.set("IssueInstant", "2026-01-01T00:00:00.000Z"), "invalide"),
    ],
)  # fmt: skip
def test_what_is_changed_after_the_signature_is_refused(cards: Cards, change: Callable[[etree._Element], None], why: str) -> None:
    made = signed(assertion(NOW), cards.signer("card"))
    change(made)
    assert why in refusal(ask(cards, security(made)))


def wrapped(cards: Cards, *, same_id: bool) -> etree._Element:
    """Somebody else's assertion around a signed one, whose signature it shows as its own."""
    inner = signed(assertion(NOW), cards.signer("card"))
    outer = assertion(NOW, name_id="899700000002")
    if not same_id:
        outer.set("ID", "_autre")
    signature = copy.deepcopy(inner.find(f"{DS}Signature"))
    assert signature is not None
    inner.remove(inner.find(f"{DS}Signature"))  # type: ignore[arg-type]
    etree.SubElement(signature, f"{DS}Object").append(inner)
    outer.insert(1, signature)
    return outer


@pytest.mark.parametrize("same_id", [True, False])
def test_a_signature_of_something_else_is_refused(cards: Cards, same_id: bool) -> None:
    text = refusal(ask(cards, security(wrapped(cards, same_id=same_id))))
    assert "Reference à l'assertion" in text or "invalide" in text


def test_two_assertions_are_one_too_many(cards: Cards) -> None:
    good = signed(assertion(NOW), cards.signer("card"))
    assert "doit avoir une assertion" in refusal(ask(cards, security(good, assertion(NOW, name_id="899700000002"))))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"xml-exc-c14n#", b"xml-exc-c14n#WithComments"), (b"2001/10/xml-exc-c14n#", b"2006/12/xml-c14n11"),
        (b"xmldsig-more#rsa-sha256", b"xmldsig-more#rsa-sha512"), (b"xmlenc#sha256", b"xmlenc#sha512"),
        (b'URI="#_3f0d', b'URI="'), (b"xmldsig#enveloped-signature", b"xmldsig#base64"),
    ],
)  # fmt: skip
def test_only_the_published_algorithms_are_taken(cards: Cards, old: bytes, new: bytes) -> None:
    made = etree.tostring(signed(assertion(NOW), cards.signer("card")))
    changed = etree.fromstring(made.replace(old, new)) if old in made else None
    assert changed is not None and "rsa-sha256" in refusal(ask(cards, security(changed)))


def test_sha1_is_refused(cards: Cards) -> None:
    assert "rsa-sha256" in refusal(ask(cards, security(signed(assertion(NOW), cards.signer("card"), sha1=True))))


@pytest.mark.parametrize(
    "issuer",
    [NAME, f"C=FR, title=Infirmier, GN=CAMILLE, SN=EXEMPLE, CN={NURSE}", f"C=FR,T=Infirmier,CN={NURSE}+SN=EXEMPLE+GN=CAMILLE"],
)
def test_the_issuer_is_the_subject_of_the_certificate(cards: Cards, issuer: str) -> None:
    def named(text: str) -> Callable[[etree._Element], None]:
        return lambda made: setattr(made[0], "text", text)

    assert ask(cards, by_card(cards, change=named(issuer))).code == "CR00"
    for wrong in (issuer.replace("CAMILLE", "CLAUDE"), issuer.replace("C=FR", "C=BE"), ""):
        assert "Issuer" in refusal(ask(cards, by_card(cards, change=named(wrong))))
    assert "Issuer" in refusal(ask(cards, by_card(cards, change=lambda made: made[0].set("Format", "urn:autre"))))


def test_the_name_is_the_national_identifier_of_the_card(cards: Cards) -> None:
    assert "NameID" in refusal(ask(cards, by_card(cards, name_id="899700000002")))


@pytest.mark.parametrize("qualifier", ["", "cps", "RPPS"])
def test_an_unknown_qualifier_is_refused(cards: Cards, qualifier: str) -> None:
    assert "NameQualifier" in refusal(ask(cards, by_card(cards, qualifier=qualifier)))


@pytest.mark.parametrize(
    ("age", "search", "vitale"),
    [
        (timedelta(minutes=19, seconds=59), True, True), (timedelta(minutes=20), True, False),
        (timedelta(minutes=59, seconds=59), True, False), (timedelta(hours=1), False, False),
        (timedelta(minutes=-5), True, True), (timedelta(minutes=-6), False, False),
    ],
)  # fmt: skip
def test_an_assertion_lives_an_hour_and_twenty_minutes_with_a_vitale_card(
    cards: Cards, age: timedelta, search: bool, vitale: bool
) -> None:
    held = by_card(cards, at=NOW - age)
    both = (ask(cards, held), ask(cards, held, body=card("109076322083489", DateNaissance="2009-07-14")))

    for reply, lives in zip(both, (search, vitale), strict=True):
        assert reply.code == "CR00" if lives else "a expiré" in refusal(reply)


@pytest.mark.parametrize("instant", ["2026-13-45T00:00:00.000Z", "2026-03-02T08:05:00+01:00", "hier", ""])
def test_a_time_of_issue_that_cannot_be_read_is_refused(cards: Cards, instant: str) -> None:
    assert "IssueInstant" in refusal(ask(cards, by_card(cards, change=lambda made: made.set("IssueInstant", instant))))


def test_an_assertion_of_psc_is_unsigned_and_comes_with_its_token(cards: Cards) -> None:
    held = security(assertion(NOW, qualifier="PSC"))

    assert ask(cards, held, claims=CLAIMS).code == "CR00"
    assert "jeton d'accès" in refusal(ask(cards, held))
    assert ask(cards, held, rules=Rules(psc_token=False)).code == "CR00"
    assert "a expiré" in refusal(ask(cards, security(assertion(NOW - timedelta(hours=2), qualifier="PSC")), claims=CLAIMS))


def test_the_token_and_the_assertion_are_of_one_person(cards: Cards) -> None:
    other = security(assertion(NOW, qualifier="PSC", name_id="899700000002"))
    assert "porteur du jeton" in refusal(ask(cards, other, claims=CLAIMS))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda made: made.find(f"{SAML}AttributeStatement").remove(made.find(f".//{SAML}Attribute")), "identifiantfacturation"),
        (lambda made: made.find(f".//{SAML}NameID").set("NameQualifier", "CPF"), "type de la carte"),
    ],
)  # fmt: skip
def test_strict_asks_for_attributes_and_the_kind_of_the_card(
    cards: Cards, change: Callable[[etree._Element], None], why: str
) -> None:
    strict, header = Rules(strict=True), strict_contexts(NURSE)

    assert ask(cards, by_card(cards, change=change)).code == "CR00"
    assert why in refusal(ask(cards, by_card(cards, change=change), rules=strict, header=header))
    assert ask(cards, by_card(cards), rules=strict, header=header).code == "CR00"


def test_the_software_is_checked_before_the_assertion_and_the_fields_after(cards: Cards) -> None:
    assert ask(cards, "", header=contexts("AUTRE")).code == "desir_550"
    assert ask(cards, "", body=request(NomNaissance=None)).code == "siram_100"
    assert ask(cards, by_card(cards), body=request(NomNaissance=None)).code == "insi_19"


def test_mutual_tls_needs_no_assertion_and_reads_none() -> None:
    broken = request(header=security(assertion(NOW - timedelta(days=9), qualifier="?")) + contexts())
    reply = behaviour.answer(wire.read(broken, None), ByCertificate("INSI-AUTO"), Register.of(population(), idams=[IDAM]))
    assert reply.code == "CR00"


def test_a_lot_is_the_structure_s_where_its_bearer_works_and_else_his_own(cards: Cards) -> None:
    staff = [{"id_nat": NURSE, "structure": "0B0990008", "also_in": [{"structure": "0B0990016"}]}]
    register = Register(frozenset([IDAM]), Population.holding(population(), staff))

    def owner_of(billing: str) -> list[bool]:
        held = by_card(cards, billing=billing)
        lot = lot_of(ask(cards, held, body=deposit(one("1")), register=register))
        assert ask(cards, held, body=retrieve(lot), register=register).code == "CR00"
        return [register.lots.find(lot, owner) is not None for owner in ("10B0990008", "10B0990016", NURSE)]

    assert owner_of("0B0990008") == [True, False, False]
    assert owner_of("0B0990016") == [False, True, False]
    assert owner_of("0B0990024") == owner_of("") == [False, False, True]
