"""VIHF: what it says (reference dmp §4), and a signature that an independent library accepts."""
from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import xmlsec
from cryptography.hazmat.primitives import serialization
from lxml import etree

from connectors.nomenclatures.xds import NS_DS, NS_HL7, NS_SAML, NS_XSI
from connectors.wire import saml
from connectors.wire.saml import Role, Signer, Vihf
from mocks.sandbox.authority import new_authority, new_key, organisation_name

AT = datetime(2026, 11, 21, 10, 15, 2, 118000, timezone(timedelta(hours=1)))
VIHF = Vihf(
    name_id="3750999999/ed.12", subject_name="CLAIRE DUPONT", struct_id="1750999999", sector="SA16",
    roles=(Role("51", "1.2.250.1.213.1.6.1.4", "Educateur spécialisé"),), lps_name="DUI-X", lps_version="1.0",
    lps_homologation="ABC-123", matricule="269054958815780", oid="1.2.250.1.213.1.4.10",
)  # fmt: skip


@pytest.fixture(scope="module")
def signer() -> Signer:
    authority = new_authority(new_key(), new_key())
    subject = organisation_name(department="Paris (75)", organisation="FAM LES TILLEULS", struct_id="1750999999", cn="SIGN-DUI")
    pair = authority.mint("sign", subject, new_key())
    return Signer(pair.cert, pair.key)


def made(signer: Signer, vihf: Vihf = VIHF) -> etree._Element:
    return saml.assertion(vihf, signer, at=AT, logged_in_at=AT - timedelta(hours=1))


def verify(assertion: etree._Element, signer: Signer) -> None:
    """By xmlsec, on a tree parsed anew; raises xmlsec.Error."""
    xmlsec.tree.add_ids(assertion, ["ID"])
    context = xmlsec.SignatureContext()
    pem = signer.certificate.public_bytes(serialization.Encoding.PEM)
    context.key = xmlsec.Key.from_memory(pem, xmlsec.constants.KeyDataFormatCertPem)
    signature = assertion.find(f"{{{NS_DS}}}Signature")
    assert signature is not None
    context.verify(signature)


def values(assertion: etree._Element) -> dict[str, str]:
    return {
        one.get("Name", ""): one.findtext(f"{{{NS_SAML}}}AttributeValue", "") for one in assertion.iter(f"{{{NS_SAML}}}Attribute")
    }


def test_the_signature_holds_inside_an_envelope_with_other_namespaces(signer: Signer) -> None:
    envelope = etree.fromstring(b'<s:Envelope xmlns:s="urn:s" xmlns="urn:default" xmlns:xs="urn:xs"><Security/></s:Envelope>')
    envelope[0].append(made(signer))
    received = etree.fromstring(etree.tostring(envelope))
    verify(received[0][0], signer)


@pytest.mark.parametrize("what", ["text", "attribute", "role"])
def test_a_change_after_signing_breaks_it(signer: Signer, what: str) -> None:
    assertion = etree.fromstring(etree.tostring(made(signer)))
    verify(assertion, signer)  # the twin
    if what == "text":
        assertion.find(f".//{{{NS_SAML}}}NameID").text = "3750999999/other"  # type: ignore[union-attr]
    elif what == "attribute":
        assertion.set("IssueInstant", "2026-11-21T09:15:03.118Z")
    else:
        assertion.find(f".//{{{NS_HL7}}}Role").set("code", "10")  # type: ignore[union-attr]
    with pytest.raises(xmlsec.Error):
        verify(assertion, signer)


def test_children_come_in_the_order_of_the_schema(signer: Signer) -> None:
    tags = [etree.QName(child).localname for child in made(signer)]
    assert tags == ["Issuer", "Signature", "Subject", "AuthnStatement", "AttributeStatement"]


def test_the_issuer_is_the_subject_of_the_signer_most_specific_first(signer: Signer) -> None:
    assert made(signer).findtext(f"{{{NS_SAML}}}Issuer") == "CN=SIGN-DUI,OU=1750999999,O=FAM LES TILLEULS,ST=Paris (75),C=FR"


def test_times_are_utc_whatever_the_zone_given(signer: Signer) -> None:
    assertion = made(signer)
    statement = assertion.find(f"{{{NS_SAML}}}AuthnStatement")
    assert assertion.get("IssueInstant") == "2026-11-21T09:15:02.118Z"
    assert statement is not None
    assert statement.get("AuthnInstant") == "2026-11-21T08:15:02.118Z"


def test_the_attributes_are_those_of_the_indirect_mode(signer: Signer) -> None:
    assert values(made(signer)) == {
        "VIHF_Version": "3.0", "Authentification_mode": "INDIRECTE", "Identifiant_Structure": "1750999999",
        "Secteur_Activite": "SA16^1.2.250.1.71.4.2.4", saml.SUBJECT_ID: "CLAIRE DUPONT",
        saml.RESOURCE_ID: "269054958815780^^^&1.2.250.1.213.1.4.10&ISO^NH", "Ressource_URN": "urn:dmp",
        "LPS_Nom": "DUI-X", "LPS_Version": "1.0", "LPS_ID_HOMOLOGATION_DMP": "ABC-123",
        saml.SUBJECT_ROLE: "", saml.PURPOSE_OF_USE: "",
    }  # fmt: skip


def test_roles_are_hl7_coded_elements(signer: Signer) -> None:
    doctor = replace(VIHF, roles=(Role("10", "1.2.250.1.71.1.2.7", "Médecin"), Role("SM26", "1.2.250.1.71.4.2.5", "Généraliste")))
    roles = list(made(signer, doctor).iter(f"{{{NS_HL7}}}Role"))
    assert [(one.get("code"), one.get("codeSystem")) for one in roles] == [
        ("10", "1.2.250.1.71.1.2.7"),
        ("SM26", "1.2.250.1.71.4.2.5"),
    ]
    assert {one.get(f"{{{NS_XSI}}}type") for one in roles} == {"CE"}


def test_no_patient_no_resource(signer: Signer) -> None:
    assert saml.RESOURCE_ID not in values(made(signer, replace(VIHF, matricule=None)))


def test_two_assertions_never_share_an_id(signer: Signer) -> None:
    assert made(signer).get("ID") != made(signer).get("ID")


def test_what_identifies_a_person_is_hidden_from_repr() -> None:
    shown = repr(VIHF)
    assert not any(secret in shown for secret in ("269054958815780", "CLAIRE", "ed.12"))


def test_a_key_that_is_not_rsa_is_refused(tmp_path: Path, signer: Signer) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec

    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.write_bytes(signer.certificate.public_bytes(serialization.Encoding.PEM))
    pkcs8 = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    key.write_bytes(signer.key.private_bytes(*pkcs8))
    assert saml.load_signer(cert, key).subject == signer.subject  # the twin
    key.write_bytes(ec.generate_private_key(ec.SECP256R1()).private_bytes(*pkcs8))
    with pytest.raises(ValueError, match="RSA"):
        saml.load_signer(cert, key)


