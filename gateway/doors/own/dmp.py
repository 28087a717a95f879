"""``POST /dmp/documents``: a document in, a CDA of level N1 fed to the DMP (TD2.1), the DMP's word out.

The message is the gateway's and goes by the DMP door's own reading, so it is attributed, keyed and counted as a DUI's is.
Wire facts: reference dmp §4 (VIHF), §9 (TD2.1), §15 (errors), §18 (CDA); insi §12 (the OID of test environments).
"""
from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import AwareDatetime, Base64Bytes, Field, model_validator

from connectors.dmp import codes, messages
from connectors.dmp.client import BASE_PATH, DmpCall, feed_call
from connectors.dmp.errors import DmpError, DmpFault
from connectors.dmp.messages import Lps, RegistryAnswer
from connectors.dmp.metadata import Submission
from connectors.nomenclatures.identifiers import is_matricule
from connectors.nomenclatures.oids import HEALTH_PROFESSIONS, INS_NIR, INS_NIR_TEST, INS_OIDS, INS_SANDBOX_OIDS
from connectors.nomenclatures.xds import Code, find_code
from connectors.wire import cda
from connectors.wire.http import Answer
from connectors.wire.saml import Role, Signer, Vihf, load_signer
from gateway.access.callers import Identity
from gateway.access.keys import Structure
from gateway.doors.dmp import DmpDoor
from gateway.doors.own.call import Message, OwnCall
from gateway.doors.own.fields import BirthPlace, Line, Name, Paragraph, Part, field
from gateway.doors.own.problem import IN_DOUBT, Refused, Reply, refuse, refuse_road
from gateway.journal.record import Record
from gateway.road import Passed, Refusal, Request, Road

ROOT = "1.2.250.1.999.99"  # fictitious root under which the gateway numbers what it writes
_J01_HEALTH = "1.2.250.1.213.1.1.4.5"
_SPECIALISED = frozenset({"10", "21"})  # doctors and pharmacists: their speciality is part of their concept of JDV_J01
_TWO_ROLES = _SPECIALISED | {"99"}  # and who is known by a role only (dmp §4.2)
_ID_NAT = r"^(8[0-9]{11}|3[0-9][0-9A-Z][0-9]{7}/[0-9A-Za-z.-]{1,40})$"

_NO_IDENTITY = "Cette structure n'a pas déposé ses certificats AUTH_CLI et SIGN : la passerelle ne peut pas signer pour elle."


class CodedValue(Part):
    """A code, its system (OID) and its label."""

    code: str = Field(pattern=r"^[0-9A-Za-z._/-]{1,40}$")
    oid: str = Field(pattern=r"^[0-2](\.(0|[1-9][0-9]*))+$", max_length=64)
    libelle: Name


class Patient(Part):
    """A qualified identity: the INS and its five traits."""

    matricule: str = Field(description="Les 15 caractères de l'INS, clé comprise.")
    oid: str = Field(INS_NIR, description="OID de l'INS, tel qu'INSi l'a donné.")
    nom_naissance: Name
    prenoms: list[Name] = Field(min_length=1, max_length=10)
    sexe: str = Field(pattern="^[MF]$")
    date_naissance: date
    lieu_naissance: BirthPlace = Field(description="Code COG.")
    ipp: str = Field(pattern=r"^[0-9A-Za-z._-]{1,40}$", description="Identifiant local de la personne dans votre logiciel.")

    @model_validator(mode="after")
    def _is_an_ins(self) -> Patient:
        if not is_matricule(self.matricule):
            raise ValueError("matricule : 15 caractères dont la clé est juste")
        if self.oid not in INS_OIDS:
            raise ValueError("oid : celui d'un INS")
        return self


class Content(Part):
    """One document: a PDF, or paragraphs of which the gateway makes a PDF/A-1."""

    type: str = Field(pattern=r"^[0-9A-Za-z._-]{1,40}$", description="Code du type de document (jeu de valeurs du DMP).")
    titre: Line = Field(min_length=1, max_length=cda.TITLE_MAX)
    pdf_base64: Base64Bytes | None = Field(None, description="Un PDF/A-1.")
    texte: list[Paragraph] | None = Field(None, min_length=1, max_length=200, description="Ou des paragraphes.")
    debut_acte: AwareDatetime | None = Field(None, description="Début de l'acte ; à défaut, l'heure de l'envoi.")
    debut_sejour: AwareDatetime | None = Field(None, description="Entrée dans la structure ; à défaut, le début de l'acte.")

    @model_validator(mode="after")
    def _is_one_document(self) -> Content:
        if (self.pdf_base64 is None) == (self.texte is None):
            raise ValueError("donnez pdf_base64 ou texte, l'un des deux")
        if self.pdf_base64 is not None and not self.pdf_base64.startswith(b"%PDF-"):
            raise ValueError("pdf_base64 : ce n'est pas un PDF")
        return self


class Author(Part):
    """The professional in whose name the document is fed."""

    identifiant: str = Field(pattern=_ID_NAT, description="8 + RPPS, ou 3 + FINESS/identifiant interne.")
    nom: Name
    prenom: Name
    profession: CodedValue
    role: CodedValue | None = Field(None, description="Savoir-faire d'un médecin, ou rôle de qui n'a pas de profession.")


class Feed(Message):
    """One document for one person."""

    patient: Patient
    document: Content
    auteur: Author


class _Relay(DmpDoor):
    """The DMP door for messages that the gateway writes itself: it refuses in our words."""

    def __init__(self, door: DmpDoor, record: Record) -> None:
        super().__init__(door.base, door.registry, door.now)
        self._record = record

    def refuse(self, refusal: Refusal, request: Request) -> Answer:
        return refuse_road(refusal, self._record)


@dataclass(frozen=True, slots=True)
class FeedDoor:
    """``signer`` gives the deposited SIGN key of a structure, by struct_id; None when it left none."""

    road: Road
    door: DmpDoor
    homologation: str
    signer: Callable[[str], Identity | None]

    operation = "DMP.TD2.1"
    model = Feed

    def named(self, message: Feed, name: bytes) -> dict[str, str]:
        """OIDs under our root, from 120 bits of the key's name: at most 64 characters (dmp §6.2)."""
        unique_id = f"{ROOT}.3.{int.from_bytes(name[:15])}"
        return {"lot": unique_id, "document": f"{unique_id}.1"}

    async def act(self, call: OwnCall[Feed]) -> Passed:
        """The DMP door's passage, with a message of ours."""
        record, structure = call.record, call.structure
        dui, identity = record.dui, structure.caller.identity
        sign = self.signer(structure.caller.struct_id or "")
        if identity is None or sign is None:
            raise Refused("identite", _NO_IDENTITY)
        oid = self._oid(call.message.patient.oid)
        lps = Lps(dui.product or "Socle", dui.version or "1.0", self.homologation, ROOT)
        made = await asyncio.to_thread(self._made, call, oid, lps, _signer(sign.cert, sign.key, sign.key.stat().st_mtime_ns))
        request = Request(call.request.listener, "POST", BASE_PATH + made.endpoint, made.headers, made.body)
        request.written = frozenset({"pdf"} if call.message.document.pdf_base64 is not None else ())
        relay = _Relay(self.door, record)
        passed = await self.road.passage(relay, request, record, structure.caller)
        record.dui = dui
        if passed.answer.header("x-socle-fault") is not None:
            return passed
        return Passed(self._said(call, passed.answer, oid), passed.settlements)

    def _oid(self, oid: str) -> str:
        """Test environments of the DMP want the test OID, INSi gives the other (insi §12); production is never touched."""
        if self.road.environment != "production":
            return INS_NIR_TEST if oid == INS_NIR else oid
        if oid in INS_SANDBOX_OIDS:
            wrong = field("patient.oid", "identité d'essai")
            raise Refused("champs", "L'OID d'une identité d'essai est refusé en production.", champs=[wrong])
        return oid

    def _made(self, call: OwnCall[Feed], oid: str, lps: Lps, signer: Signer) -> DmpCall:
        """CDA, metadata and VIHF; runs in a thread, as making a PDF takes long."""
        submission = self._submission(call, oid)
        author, caller = call.message.auteur, call.structure.caller
        vihf = Vihf(
            name_id=author.identifiant, subject_name=f"{author.prenom} {author.nom}", struct_id=str(caller.struct_id),
            sector=call.structure.sector, roles=_roles(author), lps_name=lps.name, lps_version=lps.version,
            lps_homologation=lps.homologation, matricule=call.message.patient.matricule, oid=oid,
        )  # fmt: skip
        return feed_call(submission, vihf, signer, at=self.road.clock.real())

    def _submission(self, call: OwnCall[Feed], oid: str) -> Submission:
        content, at, names = call.message.document, self.door.now(), self.named(call.message, call.name)
        try:
            kind = find_code("X16", content.type)
        except KeyError:
            wrong = field("document.type", "hors de la liste")
            raise Refused("champs", "Ce type de document n'est pas de ceux du DMP.", champs=[wrong]) from None
        document = cda.Document(
            unique_id=names["document"], set_id=f"{names['lot']}.2", type=kind, title=content.titre, at=at,
            service_start=content.debut_acte or at, stay_start=content.debut_sejour or content.debut_acte or at,
            pdf=content.pdf_base64 or cda.pdf_a1(content.titre, content.texte or [], at=at),
        )  # fmt: skip
        return Submission(
            unique_id=names["lot"], source_id=ROOT, at=at, content_type=find_code("J59", "11"), document=document,
            patient=_patient(call.message.patient, oid), author=_author(call.message.auteur), structure=_place(call.structure),
        )  # fmt: skip

    def _said(self, call: OwnCall[Feed], answer: Answer, oid: str) -> Answer:
        """The DMP's own answer, in our words beside its codes; the record already says what it means."""
        record = call.record
        if record.outcome == "ok":
            ins = {"oid_recu": call.message.patient.oid, "oid_transmis": oid}
            named = self.named(call.message, call.name)
            return Reply(201, {"statut": "accepte", "code_service": record.service_code, **named, "ins": ins}).answer(record.id)
        meaning = codes.meaning(record.service_code or "")
        detail = meaning.text if meaning else "Le DMP a refusé l'envoi ; son code est dans « code_service »."
        if record.outcome == "in_doubt":
            detail = IN_DOUBT
        more: dict[str, Any] = {"code": record.service_code, "texte_service": _text(answer)}
        slugs = {"refused": "refus", "unauthorised": "service-interdit", "invalid": "service-invalide", "in_doubt": "perdue"}
        return refuse(Refused(slugs.get(str(record.outcome), "indisponible"), detail, **more), record)


@lru_cache(maxsize=256)
def _signer(cert: Path, key: Path, _changed_ns: int) -> Signer:
    """Reading a key costs more than signing with it; one that is deposited anew is read anew."""
    return load_signer(cert, key)


def _text(answer: Answer) -> str | None:
    try:
        reply = messages.read_answer(answer.header("content-type"), answer.readable())
    except DmpFault as fault:
        return fault.text
    except DmpError:
        return None
    return reply.errors[0][1] if isinstance(reply, RegistryAnswer) and reply.errors else None


def _roles(author: Author) -> tuple[Role, ...]:
    given = [author.profession]
    if author.role is not None and author.profession.code in _TWO_ROLES:
        given.append(author.role)
    return tuple(Role(one.code, one.oid, one.libelle) for one in given)


def _author(author: Author) -> cda.Author:
    profession, role = author.profession, author.role
    if role is None:  # a concept of JDV_J01 (dmp §6.3)
        specialty = Code(f"G15_{profession.code}", _J01_HEALTH, profession.libelle)
    elif profession.oid == HEALTH_PROFESSIONS and profession.code in _SPECIALISED:
        specialty = Code(f"G15_{profession.code}/{role.code}", _J01_HEALTH, f"{profession.libelle} - {role.libelle}")
    else:
        specialty = Code(role.code, role.oid, role.libelle)
    return cda.Author(author.identifiant, author.nom, author.prenom, specialty)


def _patient(patient: Patient, oid: str) -> cda.Patient:
    return cda.Patient(
        matricule=patient.matricule, oid=oid, birth_name=patient.nom_naissance, first_names=tuple(patient.prenoms),
        sex=patient.sexe, birth_date=patient.date_naissance, birth_place=patient.lieu_naissance, local_id=patient.ipp,
        local_oid=f"{ROOT}.1",
    )  # fmt: skip


def _place(structure: Structure) -> cda.Structure:
    return cda.Structure(
        str(structure.caller.struct_id), structure.name, find_code("J02", structure.sector), find_code("J04", "ESSMS")
    )
