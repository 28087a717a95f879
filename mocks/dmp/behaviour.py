"""What the DMP decides: a request in, an answer and the documents to keep out. No socket, no clock, no disk.

Source: reference dmp §3 (rights), §7 (TD0.2), §9 (TD2.1), §12 (TD3.1b), §22 (order of the checks).
"""
from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from connectors.nomenclatures import xds as codes
from connectors.nomenclatures.xds import DOC_CLASS, DOC_TYPE, DOC_UNIQUE_ID, NS_HL7, NS_QUERY, NS_RIM, SET_UNIQUE_ID
from mocks.dmp import answers, checks, xds
from mocks.dmp.checks import Error
from mocks.dmp.frame import UNKNOWN, Faulted, Message
from mocks.dmp.state import People, Stored
from mocks.dmp.vihf import Identity

_ENDPOINTS = {"patients": "DMP.TD0.2", "repository": "DMP.TD2.1", "registry": "DMP.TD3.1"}
_FEED, _EXISTENCE, _SEARCH = "DMP.TD2.1", "DMP.TD0.2", "DMP.TD3.1"
_QUOTED = re.compile(r"'([^']*)'")
_UNIQUE_ID_SLOT = "$XDSDocumentEntryUniqueId"


@dataclass(frozen=True, slots=True)
class Policy:
    """What the environment accepts. Test environments name persons under ``…4.10`` (§23.17)."""

    ins_oids: frozenset[str] = frozenset({codes.OID_INS_TEST})
    accept_sha1: bool = False


@dataclass(frozen=True, slots=True)
class Registry:
    """What the decision may look at."""

    people: People
    structures: frozenset[str]  # struct_id of every active structure
    knows: Callable[[str], bool]
    find: Callable[[list[str], str], list[Stored]]
    policy: Policy = field(default_factory=Policy)


@dataclass(frozen=True, slots=True)
class Reply:
    """``body`` goes in an envelope; ``stored`` is what must be kept before it is sent, empty on a refusal.

    code  what it says, in one word: OK or NF, Success, or the first error
    """

    operation: str
    code: str
    body: str
    stored: tuple[tuple[Stored, bytes], ...] = field(default=(), repr=False)
    set_id: str | None = None


def check_endpoint(endpoint: str, message: Message) -> None:
    """Raises Faulted when the body is not for this endpoint."""
    if message.operation == UNKNOWN or _ENDPOINTS.get(endpoint) != message.operation:
        raise Faulted("Sender", f"Le corps du message n'est pas une requête connue du point d'accès « {endpoint[:32]} ».")


def decide(registry: Registry, message: Message, identity: Identity, at: datetime) -> Reply:
    """The answer to an authenticated request; ``at`` is business time. Raises Faulted for rights and for the patient."""
    if identity.struct_id not in registry.structures:
        raise denied("la structure est inconnue ou inactive")
    if message.operation == _EXISTENCE:
        return _existence(registry, message, identity, at)
    if message.operation == _FEED:
        return _feed(registry, message, identity, at)
    return _search(registry, message, identity)


def _existence(registry: Registry, message: Message, identity: Identity, at: datetime) -> Reply:
    value = message.body.find(f".//{{{NS_HL7}}}parameterList/{{{NS_HL7}}}patientIdentifier/{{{NS_HL7}}}value")
    if value is None or not value.get("extension"):
        raise Faulted("Sender", "patientIdentifier absent : de quel INS s'agit-il ?")
    patient = (value.get("extension", ""), value.get("root", ""))
    _same_patient(identity, patient)
    person = registry.people.get(patient[0]) if patient[1] in registry.policy.ins_oids else None
    code = "NF" if person is None or person.dmp == "none" else "OK"
    return Reply(_EXISTENCE, code, answers.existence(message.body, person, patient, at))


def _feed(registry: Registry, message: Message, identity: Identity, at: datetime) -> Reply:
    if identity.mode == "INDIRECTE_RENFORCEE":
        raise denied("l'alimentation n'est pas ouverte en authentification indirecte renforcée")
    submission = xds.read(message.body, message.parts)
    patient = checks.read_patient(submission.patient_ids()[0]) if submission.packages else None
    if patient is not None:
        _same_patient(identity, patient)
    errors = checks.check(submission, known=registry.knows) or _patient_errors(registry, submission)
    if errors:
        return Reply(_FEED, errors[0].code, answers.registry(errors))
    stored = tuple(_stored(submission, entry, identity, at) for entry in submission.entries)
    return Reply(_FEED, "Success", answers.registry(()), stored, submission.set.identifiers[SET_UNIQUE_ID])


def _patient_errors(registry: Registry, submission: xds.Submission) -> list[Error]:
    patient = checks.read_patient(submission.patient_ids()[0])
    assert patient is not None  # checked with the set
    if patient[1] not in registry.policy.ins_oids:
        wanted = ", ".join(sorted(registry.policy.ins_oids))
        return [Error("XDSUnknownPatientId", f"OID d'INS {patient[1]} : cet environnement attend {wanted}")]
    person = registry.people.get(patient[0])
    if person is None or person.dmp == "none":
        return [Error("XDSUnknownPatientId", "aucun DMP pour cet INS")]
    if person.dmp == "terminated":
        return [Error("DMPClosed", "le DMP de la personne est fermé")]
    return []


def _stored(submission: xds.Submission, entry: xds.RegistryObject, identity: Identity, at: datetime) -> tuple[Stored, bytes]:
    content = submission.documents[entry.id] or b""
    patient = checks.read_patient(submission.patient_ids()[0])
    type_code, class_code = entry.code(DOC_TYPE), entry.code(DOC_CLASS)
    assert patient is not None and type_code is not None and class_code is not None  # checked with the set
    stored = Stored(
        unique_id=entry.identifiers[DOC_UNIQUE_ID],
        entry_uuid=f"urn:uuid:{uuid.uuid4()}",
        logical_id=f"urn:uuid:{uuid.uuid4()}",
        set_id=submission.set.identifiers[SET_UNIQUE_ID],
        matricule=patient[0],
        oid=patient[1],
        struct_id=identity.struct_id,
        type_code=type_code.code,
        class_code=class_code.code,
        title=entry.title,
        hash=checks.digest(content),
        size=len(content),
        stored_at=at.isoformat(timespec="milliseconds"),
    )
    return stored, content


def _search(registry: Registry, message: Message, identity: Identity) -> Reply:
    """Only the search of a technical reference from a uniqueId is open without consultation rights (§3)."""
    option = message.body.find(f"{{{NS_QUERY}}}ResponseOption")
    wanted = message.body.find(f"{{{NS_RIM}}}AdhocQuery")
    query_id = "" if wanted is None else wanted.get("id", "")
    if query_id not in codes.STORED_QUERIES:
        return _failed_search("XDSUnknownStoredQuery", "requête inconnue")
    by_reference = query_id == codes.QUERY_GET_DOCUMENTS and option is not None and option.get("returnType") == "ObjectRef"
    if not by_reference and identity.mode == "INDIRECTE":
        raise denied("la recherche de documents n'est pas ouverte en authentification indirecte")
    if not by_reference:
        raise Faulted("Receiver", "Recherche non simulée : seul TD3.1b (GetDocuments par uniqueId, ObjectRef) l'est.")
    if identity.patient is None:
        raise Faulted("Sender", "VIHF invalide : resource-id absent, de quel patient s'agit-il ?", "InvalidSecurityToken")
    slots = (one for one in message.body.iter(f"{{{NS_RIM}}}Slot") if one.get("name") == _UNIQUE_ID_SLOT)
    values = (value.text or "" for slot in slots for value in slot.iter(f"{{{NS_RIM}}}Value"))
    unique_ids = [found for value in values for found in _QUOTED.findall(value)]
    if not unique_ids:
        return _failed_search("XDSStoredQueryMissingParam", f"{_UNIQUE_ID_SLOT} absent")
    refs = [one.entry_uuid for one in registry.find(unique_ids, identity.patient[0])]
    return Reply(_SEARCH, "Success", answers.query(refs))


def _failed_search(code: str, why: str) -> Reply:
    return Reply(_SEARCH, code, answers.query((), [Error(code, why)]))


def _same_patient(identity: Identity, patient: tuple[str, str]) -> None:
    if identity.patient is None:
        raise Faulted("Sender", "VIHF invalide : resource-id absent, de quel patient s'agit-il ?", "InvalidSecurityToken")
    if identity.patient != patient:
        raise Faulted("Sender", "Le patient du VIHF (resource-id) n'est pas le patient du message.", "InvalidSecurityToken")


def denied(why: str) -> Faulted:
    return Faulted("Sender", f"Accès refusé par le service de droits : {why}.", "DMPAccessDeniedByRightsService")
