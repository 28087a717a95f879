"""The three ways in: what each puts in the message, on the wire, and what an independent library says of the signature."""
from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
import xmlsec
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ObjectIdentifier
from lxml import etree

from connectors.insi.authentication import Card, Organisation, Professional, ProSanteConnect, qualifier
from connectors.insi.contexts import Header
from connectors.insi.messages import Traits, search_body
from connectors.nomenclatures.xds import NS_DS, NS_SAML
from connectors.wire import soap
from connectors.wire.saml import Signer
from mocks.sandbox.authority import Authority, new_authority, new_key, person_marks, person_name
from tests.connectors.insi.samples import SOFTWARE, STAMP, canonical
from tests.connectors.insi.samples import reference as reference

AT = datetime(2026, 11, 21, 9, 15, 1, 900000, tzinfo=UTC)
NURSE = Professional("750000001", "SA30")
ISSUER = "CN=899900000000,SN=EXEMPLE,GN=CAMILLE,T=Infirmier,C=FR"
WHO = person_name(profession="Infirmier", family="EXEMPLE", given="CAMILLE", id_nat="899900000000")
TRAITS = Traits("D'ARTAGNAN DE L'HERAULT", "PIERRE-ALAIN", "M", "2001-06-17", "63220")


@pytest.fixture(scope="module")
def authority() -> Authority:
    return new_authority(new_key(), new_key())


@pytest.fixture(scope="module")
def card(authority: Authority) -> Card:
    pair = authority.mint("ps_sign", WHO, new_key(), more=person_marks("60"))
    return Card(Signer(pair.cert, pair.key), NURSE)


def request(authentication: Card | ProSanteConnect | Organisation) -> bytes:
    header = Header(SOFTWARE, authentication.emetteur, STAMP, authentication.security(AT))
    return header.envelope("urn:ServiceIdentiteCertifiee:1.0.0:rechercherInsAvecTraitsIdentite", search_body(TRAITS))


def assertion_of(message: bytes) -> etree._Element:
    found = etree.fromstring(message).find(f".//{{{soap.WSSE}}}Security/{{{NS_SAML}}}Assertion")
    assert found is not None
    return found


def expected(sample: bytes, made: bytes) -> bytes:
    """The sample with what every assertion draws anew, and with the professional as Emetteur (insi §3.4)."""
    identifier = assertion_of(made).get("ID") or ""
    sample = sample.replace(b"_3f0d5a3e-8a43-4a55-9d5b-1f3a9a0f7c55", identifier.encode())
    return sample.replace(b"Emetteur>1750000001<", b"Emetteur>899900000000<")


def test_an_organisation_names_nobody_in_the_message() -> None:
    message = request(Organisation("1750000001"))
    assert b"Security" not in message and message.count(b"Emetteur>1750000001<") == 2


def test_the_assertion_of_pro_sante_connect_is_the_one_of_the_reference(reference: Path) -> None:
    psc = ProSanteConnect("899900000000", ISSUER, NURSE, "jeton")
    made = request(psc)
    sample = (reference / "samples" / "request-traits-psc.xml").read_bytes()

    assert canonical(made) == canonical(expected(sample, made))
    assert psc.headers() == [(b"authorization", b"Bearer jeton")]
    assert "jeton" not in repr(psc) and "8999" not in repr(psc)


def test_the_assertion_of_a_card_is_the_one_of_the_reference(reference: Path, card: Card) -> None:
    made = request(card)
    sample = expected((reference / "samples" / "request-traits-cps.xml").read_bytes(), made)
    drawn = dict.fromkeys(("DigestValue", "SignatureValue", "X509Certificate"), "")
    for name in drawn:
        drawn[name] = assertion_of(made).findtext(f".//{{{NS_DS}}}{name}", "")
        sample = re.sub(f"<{name}>TODO<".encode(), f"<{name}>{drawn[name]}<".encode(), sample)
    issuer = assertion_of(made).findtext(f"{{{NS_SAML}}}Issuer", "")

    assert all(drawn.values())
    assert canonical(made) == canonical(sample.replace(ISSUER.encode(), issuer.encode()))
    assert set(re.split("[,+]", issuer)) == set(ISSUER.split(",")) and card.headers() == []


@pytest.mark.parametrize("change", [None, (b">SA30<", b">SA07<"), (b">899900000000</", b">899900000001</")])
def test_a_card_signs_all_that_its_assertion_says(card: Card, change: tuple[bytes, bytes] | None) -> None:
    message = request(card)
    assertion = assertion_of(message if change is None else message.replace(*change))
    xmlsec.tree.add_ids(assertion, ["ID"])
    context = xmlsec.SignatureContext()
    pem = card.signer.certificate.public_bytes(serialization.Encoding.PEM)
    context.key = xmlsec.Key.from_memory(pem, xmlsec.constants.KeyDataFormatCertPem)
    signature = assertion.find(f"{{{NS_DS}}}Signature")
    assert signature is not None and signature.getprevious().tag == f"{{{NS_SAML}}}Issuer"
    if change is None:
        context.verify(signature)
    else:
        with pytest.raises(xmlsec.Error):
            context.verify(signature)


def test_each_assertion_is_new_and_has_no_conditions(card: Card) -> None:
    first, second = (card.security(AT) for _ in range(2))
    assert first.get("ID") != second.get("ID") and re.fullmatch("_[0-9a-f-]{36}", first.get("ID") or "")
    assert first.get("IssueInstant") == "2026-11-21T09:15:01.900Z"
    assert [etree.QName(child).localname for child in first] == ["Issuer", "Signature", "Subject", "AttributeStatement"]


def test_specialty_and_profession_go_under_the_name_that_each_variant_has(card: Card) -> None:
    doctor = Professional("991234567", "SA07", specialty="01", profession="10")

    def names(assertion: etree._Element) -> list[str | None]:
        return [one.get("Name") for one in assertion.iter(f"{{{NS_SAML}}}Attribute")]

    assert names(Card(card.signer, doctor).security(AT)) == [
        "identifiantFacturation", "codeSpecialite", "secteurActivite", "gipProfessionCode",
    ]  # fmt: skip
    assert names(ProSanteConnect("8999", ISSUER, doctor, "x").security(AT))[1] == "codeSpecialiteAMO"


@pytest.mark.parametrize(
    ("kind", "expected_name"),
    [(b"\x04\x01\x00", "CPS"), (b"\x04\x01\x01", "CPF"), (b"\x02\x01\x02", "CDE-CPE"), (b"\x04\x01\x03", "CPA"),
     (b"\x04\x01\x09", "CPX"), (None, "CPX")],
)  # fmt: skip
def test_the_kind_of_card_comes_from_its_certificate(authority: Authority, kind: bytes | None, expected_name: str) -> None:
    oid = ObjectIdentifier("1.2.250.1.71.1.2.2")
    more = [] if kind is None else [x509.UnrecognizedExtension(oid, kind)]
    assert qualifier(authority.mint("ps_sign", WHO, new_key(1024), more=more).cert) == expected_name
