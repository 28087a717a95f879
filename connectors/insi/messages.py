"""INSi messages: the traits search by organisation certificate (variant A), its answer, both shapes of fault.

Reference: insi §3.4 (header blocks), §4 (request), §5 (response), §6.2 (faults). Everything is read by namespace and
local name; answers are returned as received: a key that does not check or odd dates are not repaired (§5, notes).
"""
from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import uuid4

from lxml import etree

from connectors.insi import codes
from connectors.insi.errors import Unreadable
from connectors.nomenclatures.identifiers import matricule_key
from connectors.wire import soap
from connectors.wire.xmlsafe import MalformedXml


@dataclass(frozen=True, slots=True)
class Software:
    """What ContexteLPS says of the calling software. ``instance`` is a UUID that stays for one installation."""

    idam: str  # authorisation number given by the CNDA
    name: str
    version: str
    instance: str


@dataclass(frozen=True, slots=True)
class Traits:
    """One attempt's traits, normalised as insi §15 wants. ``first_name``: one civil first name, or all joined by a space."""

    birth_name: str = field(repr=False)
    first_name: str = field(repr=False)
    sex: str = field(repr=False)  # M or F
    birth_date: str = field(repr=False)  # YYYY-MM-DD
    birth_place: str | None = field(default=None, repr=False)  # COG code, optional


@dataclass(frozen=True, slots=True)
class Stamp:
    """What changes at each request. ``message_id`` may be reused for the attempts of one search."""

    at: datetime
    message_id: str
    lps_id: str
    bam_id: str


@dataclass(frozen=True, slots=True)
class Ins:
    """A matricule as returned; ``key`` is text, its leading zero counts."""

    number: str = field(repr=False)
    key: str | None = field(repr=False)
    oid: str
    start: str | None = None
    end: str | None = None

    @property
    def matricule(self) -> str:
        """The 15 characters of the INS, or 13 when the service gave no key."""
        return self.number + (self.key or "")

    @property
    def completed(self) -> str:
        """The 15 characters under which every service knows the person: the key is optional in an answer (insi §5), and is
        computed when absent. As returned when the number is none that has a key."""
        if self.key is not None:
            return self.matricule
        try:
            return self.number + matricule_key(self.number)
        except ValueError:
            return self.number


@dataclass(frozen=True, slots=True)
class Identity:
    """INDIVIDU: the active INS, former ones, and the reference traits (TIQ). ``first_names`` is ListePrenom, split."""

    active: Ins
    history: tuple[Ins, ...] = field(repr=False)
    birth_name: str | None = field(repr=False)
    first_names: tuple[str, ...] = field(repr=False)
    sex: str | None = field(repr=False)
    birth_date: str | None = field(repr=False)
    birth_place: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Result:
    """RESULTAT. ``identity`` only with code 00."""

    code: str
    label: str
    identity: Identity | None = None

    @property
    def service_code(self) -> str:
        return f"CR{self.code}"


@dataclass(frozen=True, slots=True)
class Fault:
    """A SOAP fault of INSi or of the front gateway. ``error_code`` is None on a fault without ``siram:Erreur``."""

    role: str  # Sender or Receiver
    subcode: str | None
    reason: str
    error_code: str | None = None
    severity: str | None = None
    text: str = ""
    message_id: str | None = None  # echoed by the front gateway only

    @property
    def family(self) -> str | None:
        return codes.family(self.error_code, self.subcode)

    @property
    def service_code(self) -> str:
        """The most precise code answered, verbatim."""
        return self.error_code or self.subcode or self.role


def new_stamp(at: datetime) -> Stamp:
    """Fresh identifiers. The MessageID is ``uuid:…``, not ``urn:uuid:…`` (insi §22.3)."""
    return Stamp(at, f"uuid:{uuid4()}", str(uuid4()), str(uuid4()))


def search_request(traits: Traits, software: Software, emetteur: str, stamp: Stamp) -> bytes:
    """A complete request by traits.

    emetteur  the structure identifier of the certificate's OU: ``1`` + FINESS or ``3`` + SIRET
    """
    action = etree.Element(f"{{{soap.WSA}}}Action", nsmap={"wsa": soap.WSA})
    action.text = codes.ACTION_TRAITS
    message_id = etree.Element(f"{{{soap.WSA}}}MessageID", nsmap={"wsa": soap.WSA})
    message_id.text = stamp.message_id
    blocks = [action, message_id, _context_lps(software, emetteur, stamp), _context_bam(emetteur, stamp)]
    return soap.envelope(blocks, _body(traits))


def read_answer(data: bytes) -> Result | Fault:
    """Read an answer. Raises Unreadable when it is neither a result nor a SOAP 1.2 fault."""
    try:
        message = soap.read_envelope(data)
    except (MalformedXml, soap.NotAnEnvelope) as error:
        raise Unreadable(f"answer: {error}") from None
    fault = soap.read_fault(message)
    if fault is not None:
        return _fault(fault)
    if message.body is None or message.body.tag != f"{{{codes.RESULT}}}RESULTAT":
        raise Unreadable("answer: the Body carries neither RESULTAT nor Fault")
    return _result(message.body)


def _context_lps(software: Software, emetteur: str, stamp: Stamp) -> soap.Element:
    block = etree.Element(
        f"{{{codes.LPS}}}ContexteLPS", nsmap={"lps": codes.LPS}, attrib={"Nature": "CTXLPS", "Version": codes.CONTEXT_LPS_VERSION}
    )
    _add(block, "Id", stamp.lps_id)
    _add(block, "Temps", _instant(stamp.at))
    _add(block, "Emetteur", emetteur)
    lps = _add(block, "LPS")
    _add(lps, "IDAM", software.idam).set("R", "4")
    _add(lps, "Version", software.version)
    _add(lps, "Instance", software.instance)
    _add(lps, "Nom", f"urn:lps:{software.name}:{software.version}")
    return block


def _context_bam(emetteur: str, stamp: Stamp) -> soap.Element:
    block = etree.Element(
        f"{{{codes.BAM}}}ContexteBAM", nsmap={"bam": codes.BAM}, attrib={"Nature": "CTXBAM", "Version": codes.CONTEXT_BAM_VERSION}
    )
    _add(block, "Id", stamp.bam_id)
    _add(block, "Temps", _instant(stamp.at))
    _add(block, "Emetteur", emetteur)
    _add(block, "COUVERTURE")  # compulsory, empty for a search by traits
    return block


def _body(traits: Traits) -> soap.Element:
    body = etree.Element(codes.ROOT_TRAITS, nsmap={"t": codes.TRAITS})
    _add(body, "NomNaissance", traits.birth_name)
    _add(body, "Prenom", traits.first_name)
    _add(body, "Sexe", traits.sex)
    _add(body, "DateNaissance", traits.birth_date)
    if traits.birth_place is not None:
        _add(body, "LieuNaissance", traits.birth_place)
    return body


def _add(parent: soap.Element, name: str, text: str | None = None) -> soap.Element:
    child = etree.SubElement(parent, f"{{{etree.QName(parent).namespace}}}{name}")
    child.text = text
    return child


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _result(root: soap.Element) -> Result:
    code = _text(root, "CR", "CodeCR")
    if code is None:
        raise Unreadable("answer: RESULTAT without CodeCR")
    individu = root.find(f"{{{codes.RESULT}}}INDIVIDU")
    if individu is None and code == codes.INSI_OK:
        raise Unreadable("answer: CR 00 without INDIVIDU", service_code=f"CR{code}")
    return Result(code, _text(root, "CR", "LibelleCR") or "", None if individu is None else _identity(individu))


def _identity(individu: soap.Element) -> Identity:
    active = individu.find(f"{{{codes.RESULT}}}INSACTIF")
    if active is None:
        raise Unreadable("answer: INDIVIDU without INSACTIF", service_code=f"CR{codes.INSI_OK}")
    return Identity(
        active=_ins(active),
        history=tuple(_ins(former) for former in individu.findall(f"{{{codes.RESULT}}}INSHISTO")),
        birth_name=_text(individu, "TIQ", "NomNaissance"),
        first_names=tuple((_text(individu, "TIQ", "ListePrenom") or _text(individu, "TIQ", "Prenom") or "").split()),
        sex=_text(individu, "TIQ", "Sexe"),
        birth_date=_text(individu, "TIQ", "DateNaissance"),
        birth_place=_text(individu, "TIQ", "LieuNaissance"),
    )


def _ins(holder: soap.Element) -> Ins:
    number, oid = _text(holder, "IdIndividu", "NumIdentifiant"), _text(holder, "OID")
    if number is None or oid is None:
        raise Unreadable("answer: an INS without NumIdentifiant or OID", service_code=f"CR{codes.INSI_OK}")
    return Ins(number, _text(holder, "IdIndividu", "Cle"), oid, _text(holder, "DateDeb"), _text(holder, "DateFin"))


def _fault(fault: soap.Fault) -> Fault:
    error = next((part for part in fault.detail if part.tag == f"{{{codes.SIRAM}}}Erreur"), None)
    if error is None:
        return Fault(fault.code, fault.subcode, fault.reason)
    return Fault(
        fault.code, fault.subcode, fault.reason,
        error_code=error.get("code"), severity=error.get("severite"), text=(error.text or "").strip(),
        message_id=error.get("messageID"),
    )  # fmt: skip


def _text(root: soap.Element, *path: str) -> str | None:
    text = root.findtext("/".join(f"{{{codes.RESULT}}}{name}" for name in path))
    return None if text is None else text.strip() or None
