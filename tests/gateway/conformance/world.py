"""Messages of a small DUI as conformance sees them pass, and a journal in memory. Everybody is fictitious."""
from __future__ import annotations

import hashlib
import hmac
import io
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any
from urllib.parse import urlencode

import orjson
from lxml import etree

from connectors.dmp.metadata import provide_and_register
from connectors.insi import answers, codes
from connectors.insi import messages as insi
from connectors.insi.contexts import Header
from connectors.nomenclatures.xds import NS_LCM, NS_RIM, NS_SAML
from connectors.wire import cda, mtom
from gateway.conformance.facts import extract
from gateway.conformance.model import Call, Eyes, Message
from gateway.doors.own.decision import Decision
from gateway.identitovigilance.identity import Identity
from mocks.insi import behaviour, wire
from mocks.insi.callers import ByCertificate
from mocks.insi.state import Register
from tests.connectors.dmp import samples

MATRICULE, STRANGER = "269054958815780", "109076322083489"
RPPS = "89970099001"
PERSON = {
    "matricule": MATRICULE, "oid": "1.2.250.1.213.1.4.8", "birth_name": "EXEMPLE", "first_names": ["ALICE", "MARIE"], "sex": "F",
    "birth_date": "1969-05-22", "birth_place": "49588", "history": [], "insi": "found",
}  # fmt: skip
OTHER = {**PERSON, "matricule": STRANGER, "birth_name": "AUTRE", "first_names": ["PAUL"], "sex": "M"}
SENDER, COLLEAGUE = "infirmerie@ehpad-test.mssante.fr", "hoda.fictif@ch-test.mssante.fr"
NIL = "TEST0001"


#: An exchange of an INS with a partner, as a DUI declares it, before anything of the world passes.
RECEIVED = {"sens": "recue", "matricule": MATRICULE, "date": "2026-11-20T09:00:00+01:00", "partenaire": "CH FICTIF"}


def digest(kind: str, value: str | bytes) -> str:
    raw = value if isinstance(value, bytes) else value.encode()
    return hmac.digest(b"key of the tests", kind.encode() + b"|" + raw, "sha256").hex()[:32]


EYES = Eyes(digest, {MATRICULE}.__contains__, {f"8{RPPS}"}.__contains__)
ENTRY: dict[str, Any] = {
    "kind": "call", "outcome": "ok", "environment": "bac_a_sable", "tenant": "editeur-a", "professional_ref": "a" * 32,
    "service_code": "00", "bodies": [], "exchanges": [{"code": "00", "upstream_us": 1}], "finess_et": "0B0990008",
    "channel": None, "document_type": None, "ins_status": None, "event_time": "2026-11-21T09:15:00.000000Z", "log": 1,
}  # fmt: skip


def called(message: Message, seq: int = 0, **entry: Any) -> Call:
    """A call of the journal, with the facts of its message."""
    made = extract(message, EYES)
    assert made is not None
    return Call(ENTRY | {"operation": message.operation, "id": f"id-{seq}", "seq": seq} | entry, made.values)


def bare(operation: str | None, seq: int = 0, **entry: Any) -> Call:
    """A call without facts."""
    return Call(ENTRY | {"operation": operation, "id": f"id-{seq}", "seq": seq} | entry, None)


@dataclass
class Memory:
    """A window held in memory."""

    held: list[Call]
    declared: Mapping[str, Any] | None = None
    project: frozenset[str] = frozenset({"0B0990008"})
    environment: str = "bac_a_sable"
    key: Callable[[str, str], str] | None = digest
    gaps: int | None = 0
    proof: list[str] | None = None
    settlements: Mapping[str, str] = field(default_factory=dict)

    def calls(self, *operations: str) -> Iterator[Call]:
        return (one for one in self.held if not operations or one.entry["operation"] in operations)

    def entries(self) -> Iterator[Call]:
        return iter(self.held)

    def recount_gaps(self) -> int | None:
        return self.gaps

    def proof_faults(self) -> list[str] | None:
        return self.proof

    def settled(self, entry_id: str) -> str | None:
        return self.settlements.get(entry_id)


# --- INSi


def search(person: Mapping[str, Any] = PERSON, *, answer: Callable[[bytes], bytes] = lambda body: body) -> Message:
    """A search and the mock's answer, changed by ``answer``."""
    request = asked(codes.ACTION_TRAITS, insi.search_body(_traits(person)))
    return Message("INS.RECHERCHE_TRAITS", request=request, status=200, response=answer(answered(request, person)))


def by_card(person: Mapping[str, Any] = PERSON) -> Message:
    """A search by the data of a carte Vitale."""
    number = insi.CardNumber(person["matricule"][:13], person["matricule"][13:])
    card = insi.VitaleCard(number, number, person["birth_name"], person["birth_date"])
    request = asked(codes.ACTION_VITALE, insi.vitale_body(card))
    return Message("INS.RECHERCHE_VITALE", request=request, status=200, response=answered(request, person))


def by_assertion(name_id: str, qualifier: str = "CPS") -> Message:
    """A search whose caller an assertion names."""
    assertion = etree.Element(f"{{{NS_SAML}}}Assertion")
    name = etree.SubElement(etree.SubElement(assertion, f"{{{NS_SAML}}}Subject"), f"{{{NS_SAML}}}NameID", NameQualifier=qualifier)
    name.text = name_id
    return replace(search(), request=asked(codes.ACTION_TRAITS, insi.search_body(_traits(PERSON)), assertion))


def verification(
    person: Mapping[str, Any] = PERSON, *, holds: bool = True, edit: Callable[[bytes], bytes] = lambda body: body,
    answer: Callable[[bytes], bytes] = lambda body: body,
) -> Message:  # fmt: skip
    """``holds``: whether INSi knows the person by these traits. ``edit`` changes the request, ``answer`` what INSi said of it."""
    request = asked(codes.ACTION_VERIFY, insi.verification_body(_individual(person)))
    response = answer(answered(request, _known(person, holds)))
    return Message("INS.VERIFICATION", request=edit(request), status=200, response=response)


def lot(
    *told: tuple[Mapping[str, Any], bool], answer: Callable[[bytes], bytes] = lambda body: body
) -> tuple[Message, Message]:
    """The deposit of a lot of verifications and its retrieval. ``told``: each person, and whether INSi knows her so."""
    register = _register(*(_known(person, holds) for person, holds in told))
    people = [(f"ipp-{number}", _individual(person)) for number, (person, _) in enumerate(told)]
    left = asked(codes.ACTION_DEPOSIT, insi.deposit_body(people))
    receipt = _by_insi(left, register)
    named = answers.read(receipt)
    assert isinstance(named, answers.Lot) and named.lot_id is not None
    taken = asked(codes.ACTION_RETRIEVE, insi.retrieval_body(named.lot_id))
    response = answer(_by_insi(taken, register))
    return (
        Message("INS.LOT_DEPOT", request=left, status=200, response=receipt),
        Message("INS.LOT_RETRAIT", request=taken, status=200, response=response),
    )


def answered(request: bytes, *people: Mapping[str, Any]) -> bytes:
    """What the mock answers, that knows these people."""
    return _by_insi(request, _register(*people))


def _by_insi(request: bytes, register: Register) -> bytes:
    return behaviour.answer(wire.read(request, None), ByCertificate("INSI-AUTO", "10B0990008"), register).body


def _register(*people: Mapping[str, Any]) -> Register:
    return Register.of(list(people), idams=["SOCLEDUI0001"])


def _known(person: Mapping[str, Any], holds: bool) -> Mapping[str, Any]:
    return person if holds else {**person, "birth_place": "63220"}


def asked(action: str, body: etree._Element, assertion: etree._Element | None = None) -> bytes:
    stamp = insi.Stamp(datetime(2026, 3, 2, tzinfo=UTC), "uuid:1", "2", "3")
    software = insi.Software("SOCLEDUI0001", "DUI EXEMPLE", "2.3.1", "0f6c9b7e")
    return Header(software, "10B0990008", stamp, assertion).envelope(action, body)


def _traits(person: Mapping[str, Any]) -> insi.Traits:
    return insi.Traits(person["birth_name"], person["first_names"][0], person["sex"], person["birth_date"])


def _individual(person: Mapping[str, Any]) -> insi.Individual:
    who = insi.Person(
        person["birth_name"], tuple(person["first_names"]), person["sex"], person["birth_date"], person["birth_place"]
    )
    return insi.Individual(insi.Ins(person["matricule"][:13], person["matricule"][13:], person["oid"]), who)


# --- What a DUI declares of an identity

CIVIL = {
    "nom_naissance": "EXEMPLE", "prenoms": ["ALICE", "MARIE"], "sexe": "F", "date_naissance": "1969-05-22",
    "lieu_naissance": "49588",
}  # fmt: skip
HELD_INS = {"matricule": MATRICULE, "oid": PERSON["oid"], "obtenue_le": "2026-11-20"}
CARD = {"code": "CN", "controlee_le": "2026-11-20"}
ACCEPTED = {"type": "insi_accepte", "traits": CIVIL, "ins": HELD_INS}


def decision(event: Mapping[str, Any], **held: Any) -> Message:
    """``held``: what the identity has beside its traits. The answer is what the state machine makes of both."""
    body = {"finess_et": "0B0990008", "identite": {"traits": CIVIL, **held}, "evenement": event}
    message = Decision.model_validate(body)
    before = message.identite.read()
    after = message.evenement.after(before)
    told = {"statut_avant": str(before.status), "statut": str(after.status), "identite": _told(after)}
    return Message("INS.DECISION", request=orjson.dumps(body), status=200, response=orjson.dumps(told))


def _told(one: Identity) -> dict[str, Any]:
    ins, piece, traits = one.ins, one.evidence, one.traits
    civil = {"nom_naissance": traits.birth_name, "prenoms": list(traits.first_names), "sexe": traits.sex,
             "date_naissance": traits.birth_date.isoformat(), "lieu_naissance": traits.birth_place}  # fmt: skip
    return {
        "traits": civil, "ins": ins and {"matricule": ins.matricule, "oid": ins.oid}, "piece": piece and {"code": piece.code},
        "attributs": sorted(one.attributes),
    }  # fmt: skip


# --- DMP


def feed(one: samples.Dui, number: int = 1, *, edit: Callable[[bytes], bytes] = lambda body: body, **document: Any) -> Message:
    """TD2.1; ``edit`` changes the bytes of the whole message."""
    call = one.feed(number, **document)
    return Message("DMP.TD2.1", request_headers=call.headers, request=edit(call.body))


def feed_of(one: samples.Dui, content: bytes) -> Message:
    """TD2.1 with another document in place of the CDA."""
    call = one.feed()
    parts = mtom.split(dict(call.headers)[b"content-type"].decode(), call.body)
    attachment = mtom.Attachment(parts.parts[0].content_id, "text/xml", content)
    content_type, body = mtom.build(bytes(parts.root.body), [attachment], action="x")
    return Message("DMP.TD2.1", request_headers=[(b"content-type", content_type.encode())], request=body)


def document_of(one: samples.Dui, **document: Any) -> bytes:
    submission = one.submission(1, **document)
    return cda.build(submission.document, submission.patient, submission.author, submission.structure)


# --- MSSanté


@dataclass(frozen=True)
class Letter:
    """A message with an IHE_XDM archive; change one thing at a time."""

    one: samples.Dui
    subject: str = "XDM/1.0/DDM+PROJET EXEMPLE ALICE 22/05/1969"
    nil: str | None = NIL
    ins: str | None = "O"
    codecda: str | None = "80788-3"
    message_id: str | None = "<m1@ehpad-test.mssante.fr>"
    archives: int = 1
    pdf: bytes | None = None
    cda_edit: Callable[[bytes], bytes] = lambda body: body
    metadata_edit: Callable[[bytes], bytes] = lambda body: body
    others: tuple[tuple[str, str, bytes], ...] = ()
    text: str = "Veuillez trouver le document."

    def with_(self, **changes: Any) -> Letter:
        return replace(self, **changes)

    def content(self) -> bytes:
        mail = EmailMessage(policy=SMTP)
        for name, value in (
            ("From", SENDER), ("To", COLLEAGUE), ("Message-ID", self.message_id), ("Subject", self.subject),
            ("X-MSS-NIL", self.nil), ("X-MSS-INS", self.ins), ("X-MSS-CODECDA", self.codecda),
        ):  # fmt: skip
            if value is not None:
                mail[name] = value
        mail.set_content(self.text)
        for _ in range(self.archives):
            mail.add_attachment(self.archive(), "application", "zip", filename="IHE_XDM.zip")
        pdf = samples.pdf() if self.pdf is None else self.pdf
        if self.archives and pdf:
            mail.add_attachment(pdf, "application", "pdf", filename="projet.pdf")
        for name, kind, data in self.others:
            mail.add_attachment(data, *kind.split("/"), filename=name)
        return mail.as_bytes()

    def archive(self) -> bytes:
        document = self.cda_edit(document_of(self.one))
        body = provide_and_register(self.one.submission(1), content_id="x")
        listed = body.find(f"{{{NS_LCM}}}SubmitObjectsRequest")
        assert listed is not None
        entry = listed.find(f".//{{{NS_RIM}}}ExtrinsicObject")
        assert entry is not None
        for name, value in (("URI", "DOC0001.XML"), ("size", str(len(document))), ("hash", hashlib.sha1(document).hexdigest())):
            slot = etree.SubElement(entry, f"{{{NS_RIM}}}Slot", name=name)
            etree.SubElement(etree.SubElement(slot, f"{{{NS_RIM}}}ValueList"), f"{{{NS_RIM}}}Value").text = value
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("INDEX.HTM", "<html/>")
            archive.writestr("IHE_XDM/SUBSET01/METADATA.XML", self.metadata_edit(etree.tostring(listed)))
            archive.writestr("IHE_XDM/SUBSET01/DOC0001.XML", document)
        return packed.getvalue()

    def sent(self, *to: str, nil: str | None = NIL) -> Message:
        return Message("MSS.SOUMISSION", request=self.content(), sender=SENDER, envelope=to or (COLLEAGUE,), declared_nil=nil)


def plain(one: samples.Dui, **changes: Any) -> Letter:
    """A message without document."""
    return Letter(one, "Point sur l'accompagnement", ins=None, codecda=None, archives=0).with_(**changes)


def session(**facts: Any) -> Call:
    values = {
        "v": 2, "partial": False, "author": "dui", "tls": {"version": "TLSv1.3"}, "clear": False, "auth": None,
        "certificate": None,
    } | facts  # fmt: skip
    return Call(ENTRY | {"operation": "MSS.SESSION_SMTP", "id": "id-0", "seq": 0}, values)


# --- PSC, Annuaire


def authorize(**fields: str) -> Message:
    query = {
        "response_type": "code", "client_id": "dui", "redirect_uri": "https://dui.test/retour", "scope": "openid scope_all",
        "acr_values": "eidas1", "state": "etat-imprevisible", "nonce": "nonce-imprevisible",
    } | fields  # fmt: skip
    return Message("PSC.AUTHORIZE", target="/auth?" + urlencode({name: value for name, value in query.items() if value}))


def token(**fields: str) -> Message:
    form = {"grant_type": "authorization_code", "code": "c0de", "redirect_uri": "https://dui.test/retour"} | fields
    return Message("PSC.TOKEN", request=urlencode(form).encode(), status=200, response=b'{"expires_in": 120}')


def directory(*addresses: str) -> Message:
    """A search whose answer gives these mailboxes."""
    kind = {"url": "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-contact-point-email-type",
            "valueCoding": {"code": "MSSANTE"}}  # fmt: skip
    rows = [{"resource": {"resourceType": "Practitioner", "telecom": [{"value": one, "extension": [kind]}]}} for one in addresses]
    body = orjson.dumps({"resourceType": "Bundle", "entry": rows})
    return Message("ANN.RECHERCHE", target="/fhir/v2/Practitioner?family=HODA", status=200, response=body)
