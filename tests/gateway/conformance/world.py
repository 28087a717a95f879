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
from connectors.insi import messages as insi
from connectors.nomenclatures.xds import NS_LCM, NS_RIM
from connectors.wire import cda, mtom
from gateway.conformance.facts import extract
from gateway.conformance.model import Call, Eyes, Message
from mocks.insi import behaviour, wire
from mocks.insi.callers import ByCertificate
from mocks.insi.state import Register
from tests.connectors.dmp import samples

MATRICULE, STRANGER = "269054958815780", "109076322083489"
RPPS = "899700990012"
PERSON = {
    "matricule": MATRICULE, "oid": "1.2.250.1.213.1.4.8", "birth_name": "EXEMPLE", "first_names": ["ALICE", "MARIE"], "sex": "F",
    "birth_date": "1969-05-22", "birth_place": "49588", "history": [], "insi": "found",
}  # fmt: skip
SENDER, COLLEAGUE = "infirmerie@ehpad-test.mssante.fr", "hoda.fictif@ch-test.mssante.fr"
NIL = "TEST0001"


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
    traits = insi.Traits(person["birth_name"], person["first_names"][0], person["sex"], person["birth_date"])
    stamp = insi.Stamp(datetime(2026, 3, 2, tzinfo=UTC), "uuid:1", "2", "3")
    request = insi.search_request(traits, insi.Software("SOCLEDUI0001", "DUI EXEMPLE", "2.3.1", "0f6c9b7e"), "10B0990008", stamp)
    reply = behaviour.answer(wire.read(request, None), ByCertificate("INSI-AUTO"), Register.of([person], idams=["SOCLEDUI0001"]))
    return Message("INS.RECHERCHE_TRAITS", request=request, status=reply.status, response=answer(reply.body))


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
