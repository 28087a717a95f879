"""The DMP as a DUI plays it in INDIRECTE mode: existence test, feeding with a personalised project, and what goes wrong.

The OID of the INS is rewritten to the test one, as the DMP's test environment wants (insi §12, « trap of environments »).
"""
from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache

from connectors.dmp import messages
from connectors.dmp.client import BASE_PATH, DmpCall, existence_call, feed_call
from connectors.dmp.codes import DUPLICATE
from connectors.dmp.errors import DmpFault
from connectors.dmp.messages import Existence, Lps, RegistryAnswer
from connectors.dmp.metadata import Submission
from connectors.nomenclatures.xds import ACTION_FEED, OID_INS_TEST, Code, code_list, find_code
from connectors.wire import cda, soap
from connectors.wire.clock import Clock
from connectors.wire.http import Answer
from connectors.wire.saml import Role, Signer, Vihf
from loadtests import failures
from loadtests.calls import HttpCall, Reader, Reading
from loadtests.users.insi import SOFTWARE, SOFTWARE_VERSION
from loadtests.world import Person, Professional, Structure, World

_ROOT = "1.2.250.1.999.7"  # the demonstration software's own arc
_PROJECT = ("80788-3", "2.16.840.1.113883.6.1")  # projet personnalisé d'accompagnement (dmp §17.3)
_TITLE = "Projet personnalisé d'accompagnement (simulation)"
_DOCTOR, _OTHER = "10", "99"
_J01_HEALTH = "1.2.250.1.213.1.1.4.5"
_R85, _R01 = "1.2.250.1.213.1.6.1.107", "1.2.250.1.71.4.2.5"
_SIGNATURE_REFUSED = "DMPInvalidCertificate"


@dataclass(frozen=True, slots=True)
class Numbers:
    """uniqueIds of the software, never twice in one sandbox: a run, then a counter."""

    run: int
    _next: list[int] = field(default_factory=lambda: [0])

    def take(self) -> str:
        self._next[0] += 1
        return f"{_ROOT}.3.{self.run}.{self._next[0]}"


@dataclass(frozen=True, slots=True)
class DmpUser:
    """Feeds for one ESSMS, in the name of one professional."""

    world: World
    structure: Structure
    author: Professional
    signer: Signer = field(repr=False)
    clock: Clock
    numbers: Numbers

    def existence(self, person: Person) -> HttpCall:
        """TD0.2."""
        at = self.clock.real()
        call = existence_call(person.matricule, OID_INS_TEST, self._vihf(person), self.signer, self._lps, at=at)
        return _http("DMP.TD0.2", call, read_existence)

    def feed(self, person: Person, *, unique_id: str | None = None, signer: Signer | None = None) -> HttpCall:
        """TD2.1. ``unique_id`` sends a set again under the same identifiers; ``signer`` signs the VIHF with another key."""
        unique_id = unique_id or self.numbers.take()
        call = feed_call(self._submission(person, unique_id), self._vihf(person), signer or self.signer, at=self.clock.real())
        return _http("DMP.TD2.1", call, read_feed, unit=unique_id)

    def malformed(self) -> HttpCall:
        """An envelope cut in the middle of a tag, where a submission is awaited."""
        headers = [(b"content-type", soap.content_type(ACTION_FEED).encode("ascii"))]
        call = DmpCall("repository", headers, b"<s:Envelope xmlns:s=")
        return _http("DMP.INCONNUE", call, _read_malformed)

    @property
    def _lps(self) -> Lps:
        return Lps(SOFTWARE, SOFTWARE_VERSION, self.world.dmp_homologation, _ROOT)

    def _vihf(self, person: Person) -> Vihf:
        return Vihf(
            name_id=self.author.id_nat, subject_name=f"{self.author.given} {self.author.family}",
            struct_id=self.structure.struct_id, sector=self.structure.sector, roles=roles_of(self.author),
            lps_name=SOFTWARE, lps_version=SOFTWARE_VERSION, lps_homologation=self.world.dmp_homologation,
            matricule=person.matricule, oid=OID_INS_TEST,
        )  # fmt: skip

    def _submission(self, person: Person, unique_id: str) -> Submission:
        at = self.clock.business()
        document = cda.Document(
            unique_id=f"{unique_id}.1", set_id=f"{unique_id}.2", type=code_list("X16")[_PROJECT], title=_TITLE, at=at,
            service_start=at - timedelta(hours=1), stay_start=at - timedelta(days=200),
            pdf=_pdf(self.structure.name, at.date()),
        )  # fmt: skip
        return Submission(
            unique_id=unique_id, source_id=_ROOT, at=at, content_type=_content_type(), document=document,
            patient=self._patient(person), author=self._author(), structure=self._place(),
        )  # fmt: skip

    def _patient(self, person: Person) -> cda.Patient:
        return cda.Patient(
            matricule=person.matricule, oid=OID_INS_TEST, birth_name=person.birth_name, first_names=person.first_names,
            sex=person.sex, birth_date=date.fromisoformat(person.birth_date), birth_place=person.birth_place,
            local_id=f"U-{person.matricule[-6:]}", local_oid=f"{_ROOT}.1",
        )  # fmt: skip

    def _author(self) -> cda.Author:
        return cda.Author(self.author.id_nat, self.author.family, self.author.given, specialty_of(self.author))

    def _place(self) -> cda.Structure:
        return cda.Structure(
            self.structure.struct_id, self.structure.name, find_code("J02", self.structure.sector), find_code("J04", "ESSMS")
        )


def roles_of(professional: Professional) -> tuple[Role, ...]:
    """One role for most; a second one for a doctor (speciality) and for who is known by a role only (dmp §4.2)."""
    first = Role(professional.profession, professional.profession_oid, professional.profession_label)
    if professional.profession == _DOCTOR:
        return (first, Role("SM26", _R01, "Qualifié en Médecine Générale (SM)"))
    if professional.profession == _OTHER:
        return (first, Role(professional.role, _R85, professional.role_label))
    return (first,)


def specialty_of(professional: Professional) -> Code:
    """A concept of JDV_J01: the role of who is known by one, the health profession of the others (dmp §6.3)."""
    if professional.role:
        return Code(professional.role, _R85, professional.role_label)
    return Code(f"G15_{professional.profession}", _J01_HEALTH, professional.profession_label)


def read_existence(answer: Answer) -> Reading:
    """Feed when it is ``open`` only; a closed DMP is an answer, not a failure of the call."""
    reply = _read(answer)
    if isinstance(reply, Reading):
        return reply
    if not isinstance(reply, Existence) or reply.state == "error":
        return Reading(getattr(reply, "code", "?"), failures.OTHER)
    return Reading(reply.code, None, reply.state)


def read_feed(answer: Answer) -> Reading:
    """Success, or the first code of the registry's error list."""
    reply = _read(answer)
    if isinstance(reply, Reading):
        return reply
    if not isinstance(reply, RegistryAnswer):
        return Reading(type(reply).__name__, failures.OTHER)
    if reply.success:
        return Reading("Success")
    why = {"DMPClosed": failures.DMP_CLOSED, DUPLICATE: failures.DUPLICATE_UNIQUE_ID}
    return Reading(reply.first_code or "Failure", why.get(reply.first_code or "", failures.OTHER))


def _read(answer: Answer) -> messages.Answer | Reading:
    try:
        return messages.read_answer(answer.header("content-type"), answer.body)
    except DmpFault as fault:
        code = fault.subcode or fault.code
        why = {_SIGNATURE_REFUSED: failures.VIHF_REFUSED, "DMPClosed": failures.DMP_CLOSED}
        return Reading(code, why.get(code, failures.OTHER))


def _read_malformed(answer: Answer) -> Reading:
    """The service refuses with a SOAP fault that bears no code of its own; anything else is another failure."""
    try:
        messages.read_answer(answer.header("content-type"), answer.body)
    except DmpFault as fault:
        return Reading(fault.subcode or fault.code, failures.MALFORMED_SOAP)
    return Reading("?", failures.OTHER)


def _http(operation: str, call: DmpCall, read: Reader, unit: str | None = None) -> HttpCall:
    return HttpCall(operation, "dmp", "POST", BASE_PATH + call.endpoint, read, call.headers, call.body, unit)


@cache
def _pdf(structure: str, on: date) -> bytes:
    """One page a structure and day: making it takes longer than sending it."""
    at = datetime(on.year, on.month, on.day, 9, tzinfo=cda.PARIS)
    return cda.pdf_a1(_TITLE, [structure, "Document fictif produit par la démonstration de Socle."], at=at)


@cache
def _content_type() -> Code:
    return find_code("J59", "11")
