"""Bodies of the DMP's answers (reference dmp §7, §9.3, §12, §15)."""
from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from xml.sax.saxutils import quoteattr

from connectors.nomenclatures.xds import FAILURE, NS_HL7, NS_QUERY, NS_RIM, NS_RS, NS_XSI, SEVERITY_ERROR, SUCCESS
from mocks.dmp.checks import Error
from mocks.dmp.frame import Element
from mocks.dmp.state import Person

_KEYWORD = "1.2.250.1.213.4.1.2.6.1"
_AUTHORISATION = "1.2.250.1.213.4.1.2.6.2"
_OBSERVATION = "1.2.250.1.213.4.1.2.3"
_DEVICE = "1.2.250.1.213.4.1.1.1"
_H = f"{{{NS_HL7}}}"


def registry(errors: Sequence[Error]) -> str:
    """RegistryResponse: Success without a list, or Failure with every error."""
    if not errors:
        return f"<rs:RegistryResponse xmlns:rs={quoteattr(NS_RS)} status={quoteattr(SUCCESS)}/>"
    return f"<rs:RegistryResponse xmlns:rs={quoteattr(NS_RS)} status={quoteattr(FAILURE)}>{_errors(errors)}</rs:RegistryResponse>"


def query(refs: Iterable[str], errors: Sequence[Error] = ()) -> str:
    """AdhocQueryResponse with ObjectRefs; an empty list is a success (§12)."""
    listed = list(refs)
    status = FAILURE if errors else SUCCESS
    objects = "".join(f"<rim:ObjectRef id={quoteattr(ref)}/>" for ref in listed)
    spaces = f"xmlns:q={quoteattr(NS_QUERY)} xmlns:rs={quoteattr(NS_RS)} xmlns:rim={quoteattr(NS_RIM)}"
    told = _errors(errors) if errors else ""
    return (
        f'<q:AdhocQueryResponse {spaces} status={quoteattr(status)} startIndex="0" totalResultCount="{len(listed)}">{told}'
        f"<rim:RegistryObjectList>{objects}</rim:RegistryObjectList></q:AdhocQueryResponse>"
    )


def existence(request: Element, person: Person | None, patient: tuple[str, str], at: datetime) -> str:
    """PRPA_IN201308UV02. ``person`` None, or without a DMP: NF, no subject."""
    found = person is not None and person.dmp != "none"
    subject = _subject(person, patient) if person is not None and found else ""
    query_id = request.find(f".//{_H}queryByParameter/{_H}queryId")
    code = "OK" if found else "NF"
    return (
        f"{_opening(request, at)}{_keyword('AUTORISATION', 'VALIDE') if found else ''}{_acknowledged('AA', request)}"
        '<controlActProcess classCode="CACT" moodCode="EVN">'
        '<reasonCode code="TEST_EXST" codeSystem="1.2.250.1.213.1.1.4.11" displayName="Test d\'existence de dossier"/>'
        f"{subject}<queryAck>{_id('queryId', query_id)}<queryResponseCode code=\"{code}\"/></queryAck></controlActProcess>"
        "</PRPA_IN201308UV02>"
    )


def existence_refused(request: Element, code: str, text: str, at: datetime) -> str:
    """PRPA_IN201308UV02 that acknowledges an error by its code (§15)."""
    detail = (
        f'<acknowledgementDetail typeCode="E"><code code={quoteattr(code)}/><text>{_text(text)}</text></acknowledgementDetail>'
    )
    return f"{_opening(request, at)}{_acknowledged('AE', request, detail)}</PRPA_IN201308UV02>"


def _opening(request: Element, at: datetime) -> str:
    return (
        f'<PRPA_IN201308UV02 xmlns={quoteattr(NS_HL7)} xmlns:xsi={quoteattr(NS_XSI)} ITSVersion="XML_1.0">'
        f'<id root="{_DEVICE}" extension="{uuid.uuid4()}"/><creationTime value="{at.astimezone(UTC):%Y%m%d%H%M%S}"/>'
        '<interactionId root="2.16.840.1.113883.1.6" extension="PRPA_IN201308UV02"/>'
        '<processingCode code="P"/><processingModeCode code="T"/><acceptAckCode code="NE"/>'
        f"{_devices(request)}"
    )


def _acknowledged(how: str, request: Element, detail: str = "") -> str:
    target = f"<targetMessage>{_id('id', request.find(f'{_H}id'))}</targetMessage>"
    return f'<acknowledgement typeCode="{how}">{target}{detail}</acknowledgement>'


def _subject(person: Person, patient: tuple[str, str]) -> str:
    matricule, oid = patient
    status = person.dmp
    name = f'<name><given>{_text(person.given)}</given><family qualifier="SP">{_text(person.family)}</family></name>'
    linked = "true" if person.linked_to_mes else "false"
    observation = (
        f'<subjectOf><administrativeObservation classCode="OBS" moodCode="EVN">'
        f'<code code="RATTACHEMENT_ENS" codeSystem="{_OBSERVATION}"/><value xsi:type="BL" value="{linked}"/>'
        "</administrativeObservation></subjectOf>"
    )
    return (
        '<subject typeCode="SUBJ"><registrationEvent classCode="REG" moodCode="EVN"><statusCode code="completed"/>'
        f'<subject1 typeCode="SBJ"><patient classCode="PAT"><id root="{oid}" extension={quoteattr(matricule)}/>'
        f'<statusCode code="{status}"/><patientPerson classCode="PSN" determinerCode="INSTANCE">{name}'
        f'<administrativeGenderCode code="{person.sex}" codeSystem="2.16.840.1.113883.5.1"/>'
        f'<birthTime value="{person.birth_date}"/></patientPerson>{observation}</patient></subject1>'
        f'<custodian typeCode="CST"><assignedEntity classCode="ASSIGNED"><id root="{_DEVICE}"/></assignedEntity></custodian>'
        "</registrationEvent></subject>"
    )


def _devices(request: Element) -> str:
    """Receiver and sender swap: who asked is answered."""
    asker = _id("id", request.find(f"{_H}sender/{_H}device/{_H}id"))
    device = '<device classCode="DEV" determinerCode="INSTANCE">'
    return (
        f'<receiver typeCode="RCV">{device}{asker}</device></receiver>'
        f'<sender typeCode="SND">{device}<id root="{_DEVICE}"/><softwareName>DMP</softwareName></device></sender>'
    )


def _keyword(code: str, value: str) -> str:
    return (
        f'<attentionLine><keyWordText code="{code}" codeSystem="{_KEYWORD}"/>'
        f'<value xsi:type="CV" code="{value}" codeSystem="{_AUTHORISATION}"/></attentionLine>'
    )


def _id(tag: str, source: Element | None) -> str:
    root = "" if source is None else source.get("root", "")
    extension = None if source is None else source.get("extension")
    tail = "" if extension is None else f" extension={quoteattr(extension)}"
    return f"<{tag} root={quoteattr(root)}{tail}/>"


def _errors(errors: Sequence[Error]) -> str:
    lines = "".join(
        f"<rs:RegistryError errorCode={quoteattr(one.code)} codeContext={quoteattr(one.context)} "
        f'location="" severity={quoteattr(SEVERITY_ERROR)}/>'
        for one in errors
    )
    return f"<rs:RegistryErrorList highestSeverity={quoteattr(SEVERITY_ERROR)}>{lines}</rs:RegistryErrorList>"


def _text(value: str) -> str:
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
