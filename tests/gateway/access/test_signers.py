"""Whose one-way INSi call: the card that signed the assertion, or the client of the token beside it; and who is not believed."""
from __future__ import annotations

import base64
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from lxml import etree

from connectors.insi.authentication import Card, Professional, ProSanteConnect
from connectors.insi.contexts import Header
from connectors.nomenclatures.xds import NS_DS, NS_SAML
from connectors.wire import soap
from connectors.wire.saml import Signer, sign
from gateway.access.callers import UNKNOWN, Access, Caller
from gateway.access.profile import Profile
from gateway.access.signers import Authorities, caller_of, read_assertion
from gateway.door import Barred, Request
from gateway.doors.insi import InsiOneWayDoor
from gateway.journal.record import Record
from gateway.operations import OPERATIONS
from mocks.sandbox.authority import (
    Authority,
    new_authority,
    new_issuer,
    new_key,
    organisation_name,
    person_marks,
    person_name,
)
from mocks.sandbox.papers import pem_of, read_pair
from mocks.sandbox.population import Population
from mocks.sandbox.profiles import PERSONS
from tests.gateway.doors.insi_messages import SOFTWARE, STAMP

KEY, ANOTHER = new_key(), new_key()
AT = datetime(2026, 3, 2, tzinfo=UTC)
_SAML, _DS = f"{{{NS_SAML}}}", f"{{{NS_DS}}}"


@dataclass(frozen=True)
class Desk:
    """A sandbox of two vendors, and an issuer of cards that the door knows."""

    access: Access
    authority: Authority
    authorities: Authorities
    staff: list[dict[str, Any]]
    manifest: dict[str, Any]

    def card(self, person: dict[str, Any], place: str = "", authority: Authority | None = None) -> Card:
        subject = person_name(profession="Infirmier", family="X", given="Y", id_nat=person["id_nat"])
        pair = (authority or self.authority).mint("ps_sign", subject, KEY, more=person_marks("60"))
        return Card(Signer(pair.cert, pair.key), Professional(place or person["structure"], "SA07"))

    def told(self, security: etree._Element | None, authorization: str | None = None) -> Caller:
        message = soap.read_envelope(Header(SOFTWARE, "1", STAMP, security).envelope("urn:x", etree.Element("x")))
        return caller_of(read_assertion(message), authorization, self.access, self.authorities)


@pytest.fixture(scope="module")
def desk(own_sandbox: Path, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    folder = own_sandbox / "sandbox"
    manifest = orjson.loads((folder / "sandbox.json").read_bytes())
    root = read_pair(folder / "pki" / "root")
    authority = Authority(root, new_issuer(root, PERSONS, KEY), PERSONS)
    cards = tmp_path_factory.mktemp("cards") / "persons.pem"
    cards.write_bytes(pem_of(authority.issuing.cert))
    with contextlib.closing(Population.open(folder / "population.sqlite3")) as people:
        staff = [one for one in people.professionals() if one["structure"]]
    known = Authorities((folder / manifest["pki"]["ca"], cards))
    return Desk(Access.from_manifest(folder), authority, known, staff, manifest)


class Staff:
    """A population of one."""

    def __init__(self, person: dict[str, Any]) -> None:
        self._person = person

    def professional(self, id_nat: str) -> dict[str, Any] | None:
        return self._person if id_nat == self._person["id_nat"] else None


def structure(desk: Desk, finess_et: str) -> dict[str, Any]:
    return next(row for row in desk.manifest["structures"] if row["finess_et"] == finess_et)


def test_a_card_names_the_structure_where_its_bearer_works_and_lends_nothing(desk: Desk) -> None:
    person = desk.staff[0]
    row = structure(desk, person["structure"])

    caller = desk.told(desk.card(person).security(AT))

    assert (caller.tenant, caller.finess_et, caller.identity) == (row["tenant"], row["finess_et"], None)
    assert caller.entitled_ej == frozenset({row["finess_ej"]})


def test_who_works_in_two_places_is_where_the_assertion_says_else_in_the_first(desk: Desk) -> None:
    usual, other = (row["finess_et"] for row in desk.manifest["structures"][:2])
    person = desk.staff[0] | {"structure": usual, "also_in": [{"structure": other}]}
    desk = replace(desk, access=replace(desk.access, _people=Staff(person)))  # type: ignore[arg-type]
    told = {place: desk.told(desk.card(person, place).security(AT)).finess_et for place in (usual, other, "750000001")}
    assert told == {usual: usual, other: other, "750000001": usual}


def altered(change: Callable[[Desk, etree._Element], etree._Element]) -> Any:
    return pytest.param(change, id=change.__name__)


def another_bearer(desk: Desk, assertion: etree._Element) -> etree._Element:
    assertion.find(f"{_SAML}Subject/{_SAML}NameID").text = desk.staff[1]["id_nat"]  # type: ignore[union-attr]
    return assertion


def another_place(desk: Desk, assertion: etree._Element) -> etree._Element:
    assertion.find(f".//{_SAML}AttributeValue").text = "750000001"  # type: ignore[union-attr]
    return assertion


def unsigned_but_with_the_certificate(desk: Desk, assertion: etree._Element) -> etree._Element:
    assertion.find(f"{_DS}Signature/{_DS}SignatureValue").text = ""  # type: ignore[union-attr]
    return assertion


def signed_by_another_key(desk: Desk, assertion: etree._Element) -> etree._Element:
    """The certificate of the victim in KeyInfo, the signature of somebody else."""
    shown = assertion.findtext(f".//{_DS}X509Certificate")
    assertion.remove(assertion.find(f"{_DS}Signature"))  # type: ignore[arg-type]
    other = new_authority(ANOTHER, ANOTHER).issuing
    sign(assertion, Signer(other.cert, other.key))
    assertion.find(f".//{_DS}X509Certificate").text = shown  # type: ignore[union-attr]
    return assertion


def wrapped_around(desk: Desk, assertion: etree._Element) -> etree._Element:
    """A forged assertion that carries the signature of the genuine one, which lies inside it."""
    forged = etree.fromstring(etree.tostring(assertion))
    signature = forged.find(f"{_DS}Signature")
    assert signature is not None
    etree.SubElement(signature, f"{_DS}Object").append(assertion)
    forged.set("ID", "_forged")
    return forged


def wrapped_under_the_same_id(desk: Desk, assertion: etree._Element) -> etree._Element:
    forged = etree.fromstring(etree.tostring(assertion))
    forged.find(f"{_SAML}Subject/{_SAML}NameID").text = desk.staff[1]["id_nat"]  # type: ignore[union-attr]
    forged.find(f"{_DS}Signature").append(assertion)  # type: ignore[union-attr]
    return forged


def wrapped_beside_its_signature(desk: Desk, assertion: etree._Element) -> etree._Element:
    """The signature holds, for the genuine assertion below, which nobody reads."""
    forged = another_bearer(desk, etree.fromstring(etree.tostring(assertion)))
    forged.set("ID", "_forged")
    forged.replace(forged.find(f"{_DS}Signature"), assertion.find(f"{_DS}Signature"))  # type: ignore[arg-type]
    etree.SubElement(forged, f"{_SAML}Advice").append(assertion)
    return forged


ATTEMPTS = (
    another_bearer, another_place, unsigned_but_with_the_certificate, signed_by_another_key, wrapped_around,
    wrapped_under_the_same_id, wrapped_beside_its_signature,
)  # fmt: skip


@pytest.mark.parametrize("change", [altered(one) for one in ATTEMPTS])
def test_a_forged_assertion_writes_nothing_under_anybodys_name(
    desk: Desk, change: Callable[[Desk, etree._Element], etree._Element]
) -> None:
    card = desk.card(desk.staff[0])
    assert desk.told(card.security(AT)).tenant != "inconnu"
    assert desk.told(change(desk, card.security(AT))) is UNKNOWN


def test_a_card_of_an_authority_that_the_door_does_not_know_is_nobodys(desk: Desk) -> None:
    stranger = new_authority(ANOTHER, ANOTHER)
    assert desk.told(desk.card(desk.staff[0], authority=stranger).security(AT)) is UNKNOWN


def test_a_card_of_nobody_in_the_sandbox_is_nobodys(desk: Desk) -> None:
    assert desk.told(desk.card({"id_nat": "899999999999", "structure": desk.staff[0]["structure"]}).security(AT)) is UNKNOWN


def test_the_certificate_of_an_organisation_speaks_for_no_professional(desk: Desk) -> None:
    """A vendor chooses the CN of the certificates that the sandbox issues for its own structures."""
    subject = organisation_name(department="69", organisation="X", struct_id="10B0990008", cn=desk.staff[0]["id_nat"])
    pair = read_authority(desk).mint("sign", subject, KEY)
    card = Card(Signer(pair.cert, pair.key), Professional(desk.staff[0]["structure"], "SA07"))
    assert desk.authorities.issued(pair.cert)
    assert desk.told(card.security(AT)) is UNKNOWN


def read_authority(desk: Desk) -> Authority:
    """Who issues to organisations."""
    pki = desk.authorities.paths[0].parent
    return Authority(read_pair(pki / "root"), read_pair(pki / "issuing"))


def test_a_card_is_believed_once_its_authority_is_there(desk: Desk, tmp_path: Path) -> None:
    """A sandbox makes the authority of cards when the first one is asked for: the door runs already."""
    late = tmp_path / "persons.pem"
    authorities = Authorities((late,))
    card = desk.card(desk.staff[0]).signer.certificate
    assert not authorities.issued(card)
    late.write_bytes(pem_of(desk.authority.issuing.cert))
    assert authorities.issued(card)


@pytest.mark.parametrize("size", [60_000, 70_000])
def test_an_assertion_longer_than_any_is_not_verified(desk: Desk, size: int) -> None:
    card = desk.card(desk.staff[0])
    assertion = card.security(AT)
    assertion.remove(assertion.find(f"{_DS}Signature"))  # type: ignore[arg-type]
    assertion.set("Long", "x" * size)
    sign(assertion, card.signer)
    assert (desk.told(assertion) is UNKNOWN) is (size == 70_000)


def test_of_two_assertions_none_is_chosen(desk: Desk) -> None:
    security = etree.Element(f"{{{soap.WSSE}}}Security")
    security.extend([desk.card(one).security(AT) for one in desk.staff[:2]])
    assert read_assertion(soap.Envelope((security,), None)) is None


def bearer(claims: dict[str, Any]) -> str:
    return "Bearer h." + base64.urlsafe_b64encode(orjson.dumps(claims)).decode().rstrip("=") + ".s"


def psc(desk: Desk, place: str) -> etree._Element:
    return ProSanteConnect("899900000000", "CN=X", Professional(place, "SA07"), "t").security(AT)


def test_a_token_names_the_vendor_of_its_client_and_the_assertion_one_of_its_structures(desk: Desk) -> None:
    client = desk.manifest["psc_clients"][0]
    mine = next(row for row in desk.manifest["structures"] if row["tenant"] == client["tenant"])
    other = next(row for row in desk.manifest["structures"] if row["tenant"] != client["tenant"])
    token = bearer({"azp": client["client_id"]})

    told = [desk.told(psc(desk, row["finess_et"]), token) for row in (mine, other)]

    assert [(one.tenant, one.finess_et, one.identity) for one in told] == [
        (client["tenant"], mine["finess_et"], None), (client["tenant"], None, None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer x", "Bearer a.%%.c", "Bearer a.WzFd.c", "Basic dDp0", "h.e30.s"]
)
def test_no_token_or_no_client_is_nobody(desk: Desk, authorization: str | None) -> None:
    assert desk.told(psc(desk, desk.staff[0]["structure"]), authorization) is UNKNOWN
    assert desk.told(None, authorization) is UNKNOWN


# --- production -----------------------------------------------------------------------------------------------------------


def asked(security: etree._Element | None) -> Request:
    body = Header(SOFTWARE, "1", STAMP, security).envelope("urn:x", etree.Element("x"))
    return Request("insi-oneway", "POST", "/lps", [], body)


def test_a_card_of_the_sandbox_is_barred_from_production_alone(desk: Desk) -> None:
    door, request = InsiOneWayDoor("https://localhost:1", desk.authorities), asked(desk.card(desk.staff[0]).security(AT))
    with pytest.raises(Barred, match="d'un bac à sable"):
        door.read(request, Record(None, environment="production"), UNKNOWN)
    assert door.read(request, Record(None, environment="recette"), UNKNOWN) is None


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.startswith("INS.") and one != "INS.DECISION"])
def test_in_production_a_call_that_names_nobody_goes_no_further_and_is_told_so_where_soap_is_read(operation: str) -> None:
    refusal = Profile("production").why_not_call("INS", asked(None), "inconnu", operation)
    assert refusal is not None and (refusal.flag, refusal.status, refusal.fault_code) == ("V-INCONNU", 500, "Sender")
    assert Profile("production").why_not_call("INS", asked(None), "editeur", operation) is None
    assert Profile("recette").why_not_call("INS", asked(None), "inconnu", operation) is None
