"""Assertions written by hand and signed with xmlsec: neither the connector's code nor the mock's verifier takes part."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from lxml import etree

from connectors.wire.saml import Signer
from mocks.sandbox.authority import Authority, Pair, new_authority, new_issuer, new_key, now, person_marks, person_name
from mocks.sandbox.profiles import PERSONS, Profile
from mocks.sandbox.signatures import Trust
from tests.mocks.dmp.resign import sign

NURSE = "899700000001"
SECURITY = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
SAML = "{urn:oasis:names:tc:SAML:2.0:assertion}"
NAME = f"CN={NURSE},SN=EXEMPLE,GN=CAMILLE,title=Infirmier,C=FR"

Change = Callable[[etree._Element], None]


@dataclass(frozen=True)
class Cards:
    """A card and the certificates that may not stand for it, each for one reason. ``issuer``: who makes cards."""

    issuer: Pair
    trust: Trust
    made: dict[str, Pair]

    def signer(self, name: str) -> Signer:
        return Signer(self.made[name].cert, self.made[name].key)


def make_cards() -> Cards:
    """One key for all the leaves: they differ by what their certificate says."""
    root_key, key = new_key(), new_key()
    authority = new_authority(root_key, root_key)
    persons = Authority(authority.root, new_issuer(authority.root, PERSONS, new_key()), PERSONS)
    stranger = Authority(authority.root, Pair(persons.issuing.cert, new_key()), PERSONS)
    nurse = person_name(profession="Infirmier", family="EXEMPLE", given="CAMILLE", id_nat=NURSE)
    nobody = x509.Name([*nurse.rdns[:2], x509.RelativeDistinguishedName([one for one in nurse.rdns[2] if one.value == NURSE])])

    def leaf(issuer: Authority, profile: Profile = "ps_sign", subject: x509.Name = nurse, **more: Any) -> Pair:
        return issuer.mint(profile, subject, key, more=person_marks("60"), **more)

    made = {
        "card": leaf(persons), "revoked": leaf(persons), "foreign": leaf(stranger), "organisation": leaf(authority),
        "authentication": leaf(persons, "ps_auth"), "nobody": leaf(persons, subject=nobody),
        "expired": leaf(persons, start=now() - timedelta(days=9), end=now() - timedelta(days=1)),
    }  # fmt: skip
    trust = Trust((persons.issuing.cert,), frozenset({made["revoked"].cert.serial_number}))
    return Cards(persons.issuing, trust, made)


def assertion(at: datetime, *, qualifier: str = "CPS", name_id: str = NURSE, billing: str = "0B0990008") -> etree._Element:
    """As insi §2.5 writes it, unsigned."""
    instant = f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"
    return etree.fromstring(
        f'<Assertion xmlns="{SAML[1:-1]}" ID="_3f0d5a3e-8a43-4a55-9d5b-1f3a9a0f7c55" IssueInstant="{instant}" Version="2.0">'
        f'<Issuer Format="urn:oasis:names:tc:SAML:1.1:nameid-format:X509SubjectName">{NAME}</Issuer>'
        f'<Subject><NameID NameQualifier="{qualifier}">{name_id}</NameID></Subject><AttributeStatement>'
        f'<Attribute Name="identifiantFacturation"><AttributeValue>{billing}</AttributeValue></Attribute>'
        '<Attribute Name="SecteurActivite"><AttributeValue>SA05</AttributeValue></Attribute></AttributeStatement></Assertion>'
    )


def signed(made: etree._Element, signer: Signer, *, sha1: bool = False) -> etree._Element:
    sign(made, signer, sha1=sha1)
    return made


def security(*assertions: etree._Element) -> str:
    held = "".join(etree.tostring(one).decode() for one in assertions)
    return f'<o:Security xmlns:o="{SECURITY}">{held}</o:Security>'
