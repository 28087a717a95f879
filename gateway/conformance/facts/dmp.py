"""Facts of the DMP's transactions: the VIHF, the set, its entries and its documents (reference dmp §4, §7, §9)."""
from __future__ import annotations

import base64
import binascii

from lxml import etree

from connectors.dmp import requests
from connectors.nomenclatures import xds
from connectors.nomenclatures.identifiers import finess_of_struct_id, is_rpps
from connectors.nomenclatures.xds import NS_HL7, NS_SAML, NS_XDSB, NS_XOP
from connectors.wire import mtom, saml, soap
from gateway.conformance.facts import xds as entries
from gateway.conformance.facts.cda import read_cda
from gateway.conformance.facts.identity import OTHER, patient_facts
from gateway.conformance.facts.places import (
    ENTRY_PATIENT,
    EXISTENCE_PATIENT,
    IDENTITIES,
    OWN_MATRICULE,
    VIHF_PATIENT,
)
from gateway.conformance.model import Eyes, FactValues, Made, Message

MAX_DOCUMENTS = 8  # read; a set with more is said to have more
_MODES = frozenset({"DIRECTE", "INDIRECTE", "INDIRECTE_RENFORCEE"})
_MODE = "authentification_mode"  # written with both cases (dmp §4)
_VERSIONS = frozenset({"1.0", "2.0", "3.0", "4.0"})
_SAML = f"{{{NS_SAML}}}"
_Element = etree._Element


def existence_facts(message: Message, eyes: Eyes, made: Made) -> None:
    """TD0.2: ``vihf`` and ``patient``."""
    envelope, body = _read(message)
    made.values["vihf"] = _vihf(envelope, eyes, made)
    value = body.find(f".//{{{NS_HL7}}}patientIdentifier/{{{NS_HL7}}}value")
    asked = None if value is None else (value.get("extension"), value.get("root"))
    made.show(EXISTENCE_PATIENT, None if asked is None else f"{asked[0]} ({asked[1]})")
    made.values["patient"] = patient_facts(asked, eyes, made)


def feed_facts(message: Message, eyes: Eyes, made: Made) -> None:
    """TD2.1: ``vihf``, ``set``, and ``documents`` [{entry, cda}] in the order of the entries.

    ``given``: the parts of a message of the gateway that are the DUI's own.
    """
    made.values["given"] = sorted(message.given)
    envelope, body = _read(message)
    made.values["vihf"] = _vihf(envelope, eyes, made)
    listed = entries.registry_of(body)
    made.values["set"] = entries.set_facts(listed, eyes, made)
    listed_entries = entries.entries_of(listed)
    carried = {one.get("id"): one for one in body.findall(f"{{{NS_XDSB}}}Document")}
    made.values["listed"] = len(listed_entries)
    made.values["documents"] = [
        {
            "entry": entries.entry_facts(entry, ENTRY_PATIENT, eyes, made),
            "cda": _document(carried.get(entry.get("id")), envelope.parts, eyes, made),
        }
        for entry in listed_entries[:MAX_DOCUMENTS]
    ]
    made.shown[OWN_MATRICULE] = made.shown.get(ENTRY_PATIENT, [])


def _read(message: Message) -> tuple[soap.Envelope, _Element]:
    envelope = message.envelope_read or requests.read_envelope(message.header("content-type"), message.request)
    if envelope.body is None:
        raise soap.NotAnEnvelope("empty Body")
    return envelope, envelope.body


def _document(element: _Element | None, parts: mtom.Multipart | None, eyes: Eyes, made: Made) -> FactValues:
    if element is None:
        return {"kind": "absent"}
    include = element.find(f"{{{NS_XOP}}}Include")
    try:
        if include is None:
            data = base64.b64decode("".join((element.text or "").split()), validate=True)
        elif parts is None:
            return {"kind": "absent"}
        else:
            data = bytes(parts.part(mtom.content_id_of(include.get("href", ""))).body)
    except (binascii.Error, ValueError, KeyError):
        return {"kind": "absent"}
    return read_cda(data, eyes, made)


def _vihf(envelope: soap.Envelope, eyes: Eyes, made: Made) -> FactValues:
    security = envelope.block(soap.WSSE, "Security")
    assertion = None if security is None else security.find(f"{_SAML}Assertion")
    if assertion is None:
        return {"present": False}
    values = {
        one.get("Name", ""): (one.findtext(f"{_SAML}AttributeValue") or "").strip() for one in assertion.iter(f"{_SAML}Attribute")
    }
    name_id = (assertion.findtext(f"{_SAML}Subject/{_SAML}NameID") or "").strip()
    mode = next((value for name, value in values.items() if name.lower() == _MODE), None)
    version = values.get("VIHF_Version")
    made.show(VIHF_PATIENT, values.get(saml.RESOURCE_ID))
    return {
        "present": True,
        "patient": patient_facts(xds.read_cx(values.get(saml.RESOURCE_ID, "")), eyes, made),
        "user": professional_facts(name_id, eyes, made),
        "finess_et": finess_of_struct_id(values.get("Identifiant_Structure", "")),
        "mode": mode if mode is None or mode in _MODES else OTHER,
        "version": version if version is None or version in _VERSIONS else OTHER,
    }


def professional_facts(id_nat: str, eyes: Eyes, made: Made) -> FactValues:
    """``kind``: rpps, structure (an identifier that the structure gives), autre or None; ``known`` for an RPPS in a sandbox."""
    if not id_nat:
        return {"kind": None, "ref": None, "known": None}
    rpps = id_nat[:1] == "8" and is_rpps(id_nat[1:])
    kind = "rpps" if rpps else "structure" if id_nat[:1] in "3456" and "/" in id_nat else OTHER
    known = eyes.known_professional(id_nat) if rpps and eyes.known_professional else None
    if known is False:
        made.show(IDENTITIES, id_nat)
    return {"kind": kind, "ref": eyes.digest("professional", id_nat), "known": known}
