"""What an armed fault needs of a DMP message: whom it is about, and the answer that says no with one of the DMP's own codes."""
from __future__ import annotations

from datetime import datetime

from connectors.nomenclatures.xds import NS_HL7
from mocks.dmp import answers, checks, xds
from mocks.dmp.checks import Error
from mocks.dmp.frame import Message

_SAID = "panne armée"
_RESOURCE = "urn:oasis:names:tc:xacml:2.0:resource:resource-id"
#: Codes that the frame answers, as a SOAP fault, before any transaction is read (§15).
_FAULTS = frozenset({"DMPInvalidCertificate", "DMPAccessDeniedByRightsService"})


def refusal(message: Message, code: str, at: datetime) -> str | None:
    """The body that carries ``code`` in the transaction's own channel (§15); None when a SOAP fault does."""
    if code in _FAULTS:
        return None
    if message.operation == "DMP.TD2.1":
        return answers.registry([Error(code, _SAID)])
    if message.operation == "DMP.TD3.1":
        return answers.query((), [Error(code, _SAID)])
    return answers.existence_refused(message.body, code, _SAID, at) if message.operation == "DMP.TD0.2" else None


def patients(message: Message) -> list[str]:
    """Matricules that a message names: in its VIHF, in its question, in its set."""
    found = [] if message.assertion is None else [
        _bare("".join(one.itertext()).strip()) for one in message.assertion.iter() if one.get("Name") == _RESOURCE
    ]  # fmt: skip
    asked = message.body.iterfind(f".//{{{NS_HL7}}}patientIdentifier/{{{NS_HL7}}}value")
    found += [one.get("extension", "") for one in asked]
    if message.operation == "DMP.TD2.1":
        named = (checks.read_patient(one) for one in xds.read(message.body, {}).patient_ids())
        found += [one[0] for one in named if one is not None]
    return [one for one in found if one]


def _bare(resource: str) -> str:
    """The matricule of ``INS^^^&OID&ISO^NH``."""
    return resource.partition("^")[0]
