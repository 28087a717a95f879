"""VIHF negatives, each beside its accepted twin (reference dmp §4, §22.2)."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from lxml import etree

from connectors.dmp.client import DmpCall
from connectors.dmp.messages import Existence
from connectors.nomenclatures.xds import NS_DS, NS_SAML
from connectors.wire import saml
from connectors.wire.saml import Role
from mocks.sandbox.world import World
from tests.connectors.dmp.samples import NOW, Dui
from tests.mocks.dmp.conftest import Dmp
from tests.mocks.dmp.resign import existence, resigned

A = f"{{{NS_SAML}}}"
OPEN = Existence("open", "OK")


def unchanged(_: etree._Element) -> None:
    pass


def plain(dui: Dui) -> etree._Element:
    return saml.assertion(dui.vihf, dui.signer, at=NOW, logged_in_at=NOW)


def altered(dui: Dui) -> DmpCall:
    assertion = plain(dui)
    assertion.find(f".//{A}NameID").text = "899700000001"  # type: ignore[union-attr]
    return existence(dui, assertion)


def unsigned(dui: Dui) -> DmpCall:
    assertion = plain(dui)
    assertion.remove(assertion.find(f"{{{NS_DS}}}Signature"))  # type: ignore[arg-type]
    return existence(dui, assertion)


def absent(dui: Dui) -> DmpCall:
    call = existence(dui, plain(dui))
    root = etree.fromstring(call.body)
    for assertion in list(root.iter(f"{A}Assertion")):
        assertion.getparent().remove(assertion)  # type: ignore[union-attr]
    return replace(call, body=etree.tostring(root))


def wrapped(dui: Dui) -> DmpCall:
    """A forged assertion that holds a true one and bears its signature: the signature is good, but of something else."""
    outer, inner = plain(dui), plain(dui)
    signature = inner.find(f"{{{NS_DS}}}Signature")
    assert signature is not None
    outer.replace(outer.find(f"{{{NS_DS}}}Signature"), signature)  # type: ignore[arg-type]
    outer.append(inner)
    return existence(dui, outer)


@pytest.mark.parametrize(
    ("make", "subcode", "text"),
    [
        (absent, "InvalidSecurity", "VIHF absent"),
        (unsigned, "InvalidSecurity", "Signature absente"),
        (altered, "FailedCheck", "Signature du VIHF invalide"),
        (wrapped, "FailedCheck", "ne porte pas sur l'assertion"),
    ],
)
async def test_a_vihf_that_is_not_what_was_signed_is_refused(
    dmp: Dmp, dui: Dui, make: Callable[[Dui], DmpCall], subcode: str, text: str
) -> None:
    assert await dmp.ask(existence(dui, plain(dui))) == OPEN  # the twin
    fault = await dmp.refusal(make(dui))
    assert (fault.code, fault.subcode) == ("Sender", subcode)
    assert text in fault.text


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("tls", "Not a valid signature certificate"),
        ("foreign", "autorité"),
        ("expired", "période"),
        ("not_yet_valid", "période"),
        ("revoked", "révoqué"),
    ],
)
async def test_a_signer_that_may_not_sign_is_refused(dmp: Dmp, dui: Dui, world: World, name: str, why: str) -> None:
    identity = dui.structure["auth_cli"] if name == "tls" else world.pki["refused"][name]
    assert await dmp.ask(dui.existence()) == OPEN  # the twin: same message, signed by the structure's SIGN
    call = existence(dui, saml.assertion(dui.vihf, dui.signer_of(identity), at=NOW, logged_in_at=NOW))
    fault = await dmp.refusal(call)
    assert (fault.code, fault.subcode) == ("Sender", "DMPInvalidCertificate")
    assert why in fault.text


async def test_a_feed_signed_with_the_tls_certificate_keeps_nothing(dmp: Dmp, dui: Dui, world: World) -> None:
    fault = await dmp.refusal(dui.feed(signer=dui.signer_of(dui.structure["auth_cli"])))
    assert fault.subcode == "DMPInvalidCertificate"
    assert world.trace.counts() == {"received": {"DMP.TD2.1": 1}, "held": {}}
    assert dmp.mock.state()["documents"] == 0


async def test_a_signature_made_by_another_library_passes(dmp: Dmp, dui: Dui) -> None:
    assert await dmp.ask(resigned(dui, unchanged)) == OPEN


async def test_sha_1_is_refused_unless_the_switch_says_otherwise(mock_with: Callable[..., Dmp], dui: Dui) -> None:
    call = resigned(dui, unchanged, sha1=True)
    fault = await mock_with().refusal(call)
    assert (fault.subcode, "SHA-1" in fault.text) == ("UnsupportedAlgorithm", True)
    assert await mock_with(accept_sha1=True).ask(call) == OPEN


def issuer(change: Callable[[str], str]) -> Callable[[etree._Element], None]:
    def apply(assertion: etree._Element) -> None:
        element = assertion.find(f"{A}Issuer")
        assert element is not None
        element.text = change(element.text or "")

    return apply


@pytest.mark.parametrize(
    "change",
    [
        lambda text: ", ".join(reversed(text.split(","))),
        lambda text: text.replace(",", ", ").replace("ST=", "S="),
        str.lower,
    ],
    ids=["reversed", "spaced", "lower case"],
)
async def test_the_issuer_is_compared_by_its_parts(dmp: Dmp, dui: Dui, change: Callable[[str], str]) -> None:
    assert await dmp.ask(resigned(dui, issuer(change))) == OPEN


@pytest.mark.parametrize("change", [lambda text: text.replace("CN=", "CN=X"), lambda text: "", lambda text: "no name"])
async def test_another_issuer_is_refused(dmp: Dmp, dui: Dui, change: Callable[[str], str]) -> None:
    fault = await dmp.refusal(resigned(dui, issuer(change)))
    assert "Issuer" in fault.text


def attribute(assertion: etree._Element, name: str) -> etree._Element:
    [found] = [one for one in assertion.iter(f"{A}Attribute") if one.get("Name") == name]
    return found


def without(name: str) -> Callable[[etree._Element], None]:
    def apply(assertion: etree._Element) -> None:
        found = attribute(assertion, name)
        found.getparent().remove(found)  # type: ignore[union-attr]

    return apply


def valued(name: str, value: str) -> Callable[[etree._Element], None]:
    def apply(assertion: etree._Element) -> None:
        attribute(assertion, name)[0].text = value

    return apply


@pytest.mark.parametrize(
    "name",
    ["VIHF_Version", "Authentification_mode", "Identifiant_Structure", "Secteur_Activite", "Ressource_URN", "LPS_Nom",
     "LPS_Version", "LPS_ID_HOMOLOGATION_DMP", saml.SUBJECT_ID, saml.SUBJECT_ROLE, saml.PURPOSE_OF_USE, saml.RESOURCE_ID],
)  # fmt: skip
async def test_each_attribute_is_required(dmp: Dmp, dui: Dui, name: str) -> None:
    fault = await dmp.refusal(resigned(dui, without(name)))
    assert fault.subcode == "InvalidSecurityToken"


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("VIHF_Version", "2.0", "VIHF_Version"),
        ("Authentification_mode", "LOCALE", "Authentification_mode"),
        ("Secteur_Activite", "SA16", "Secteur_Activite"),
        ("Ressource_URN", "urn:other", "Ressource_URN"),
        (saml.RESOURCE_ID, "269054958815780", "resource-id"),
    ],
)
async def test_each_attribute_has_its_form(dmp: Dmp, dui: Dui, name: str, value: str, text: str) -> None:
    fault = await dmp.refusal(resigned(dui, valued(name, value)))
    assert (fault.subcode, text in fault.text) == ("InvalidSecurityToken", True)


async def test_what_varies_between_sources_is_accepted(dmp: Dmp, dui: Dui) -> None:
    assert await dmp.ask(resigned(dui, valued("VIHF_Version", "4.0"))) == OPEN
    renamed = resigned(dui, lambda one: attribute(one, "Authentification_mode").set("Name", "Authentification_Mode"))
    assert await dmp.ask(renamed) == OPEN


async def test_a_doctor_without_speciality_is_refused(dmp: Dmp, dui: Dui) -> None:
    doctor, general = Role("10", "1.2.250.1.71.1.2.7", "Médecin"), Role("SM26", "1.2.250.1.71.4.2.5", "Médecine générale")
    assert await dmp.ask(dui.existence(vihf=replace(dui.vihf, roles=(doctor, general)))) == OPEN
    fault = await dmp.refusal(dui.existence(vihf=replace(dui.vihf, roles=(doctor,))))
    assert fault.text.startswith("Aucune spécialité dans le vihf")


async def test_the_structure_is_the_signer_s(dmp: Dmp, dui: Dui, world: World) -> None:
    other = world.manifest["structures"][1]
    fault = await dmp.refusal(dui.existence(vihf=replace(dui.vihf, struct_id=other["struct_id"])))
    assert (fault.subcode, "Identifiant_Structure" in fault.text) == ("DMPAccessDeniedByRightsService", True)


async def test_a_structure_that_closed_is_denied(mock_with: Callable[..., Dmp], dui: Dui, world: World) -> None:
    assert await mock_with().ask(dui.existence()) == OPEN
    world.manifest["structures"] = world.manifest["structures"][1:]
    fault = await mock_with().refusal(dui.existence())
    assert (fault.subcode, "inactive" in fault.text) == ("DMPAccessDeniedByRightsService", True)


async def test_the_patient_is_the_same_in_the_vihf_and_in_the_body(dmp: Dmp, dui: Dui, world: World) -> None:
    others = [row for row in world.population.persons() if row["matricule"] != dui.person["matricule"]]
    other = replace(dui.vihf, matricule=others[0]["matricule"])
    for call in (dui.existence(vihf=other), dui.feed(vihf=other)):
        fault = await dmp.refusal(call)
        assert "patient" in fault.text
    assert dmp.mock.state()["documents"] == 0


def conditions(opens: str, closes: str, *, audience: bool = False) -> Callable[[etree._Element], None]:
    def apply(assertion: etree._Element) -> None:
        held = etree.Element(f"{A}Conditions", NotBefore=opens, NotOnOrAfter=closes)
        if audience:
            etree.SubElement(etree.SubElement(held, f"{A}AudienceRestriction"), f"{A}Audience").text = "urn:dmp"
        assertion.find(f"{A}Subject").addnext(held)  # type: ignore[union-attr]

    return apply


LONG_AGO, LATER = "2001-01-01T00:00:00Z", "2199-01-01T00:00:00Z"


def set_instant(text: str) -> Callable[[etree._Element], None]:
    return lambda assertion: assertion.set("IssueInstant", text)


def without_login(assertion: etree._Element) -> None:
    assertion.remove(assertion.find(f"{A}AuthnStatement"))  # type: ignore[arg-type]


def given_twice(assertion: etree._Element) -> None:
    """The same name in its other case, which is the same name (§4.2)."""
    mode = attribute(assertion, "Authentification_mode")
    again = etree.fromstring(etree.tostring(mode))
    again.set("Name", "Authentification_Mode")
    mode.addnext(again)


def direct(assertion: etree._Element) -> None:
    attribute(assertion, "Authentification_mode")[0].text = "DIRECTE"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (conditions(LONG_AGO, "2002-01-01T00:00:00Z"), "Conditions"),
        (conditions("2198-01-01T00:00:00Z", LATER), "Conditions"),
        (conditions("hier", LATER), "Conditions"),
        (conditions(LONG_AGO, LATER, audience=True), "AudienceRestriction"),
        (set_instant("2026-11-21T09:15:02+01:00"), "IssueInstant"),
        (set_instant("2026-02-31T09:15:02Z"), "IssueInstant"),
        (lambda assertion: assertion.set("Version", "1.1"), "Version"),
        (without_login, "AuthnStatement"),
        (given_twice, "deux fois"),
        (direct, "DIRECTE"),
    ],
)
async def test_a_well_signed_assertion_that_is_no_vihf_is_refused(
    dmp: Dmp, dui: Dui, change: Callable[[etree._Element], None], word: str
) -> None:
    assert await dmp.ask(resigned(dui, conditions(LONG_AGO, LATER))) == OPEN  # the twin
    fault = await dmp.refusal(resigned(dui, change))
    assert (fault.code, fault.subcode) == ("Sender", "InvalidSecurityToken")
    assert word in fault.text


async def test_two_assertions_are_none(dmp: Dmp, dui: Dui) -> None:
    call = existence(dui, plain(dui))
    root = etree.fromstring(call.body)
    root.find(f".//{A}Assertion").addnext(plain(dui))  # type: ignore[union-attr]
    fault = await dmp.refusal(replace(call, body=etree.tostring(root)))
    assert (fault.subcode, "ou plusieurs" in fault.text) == ("InvalidSecurity", True)
