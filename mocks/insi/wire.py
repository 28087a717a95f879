"""Reads INSi requests and writes its answers, apart from the connector's own code on purpose.

Answers have the layout of the live service (reference: insi §3.3, §9.5): XML declaration, newline, one line, and three
prefixes for one namespace. Open clients read it by regular expression, so the layout is part of the behaviour.
"""
from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

from connectors.nomenclatures.xds import NS_SOAP, NS_WSA, NS_WSSE
from connectors.wire import xmlsafe
from mocks.insi.operations import Operation, recognised

Element = etree._Element

_SOAP = f"{{{NS_SOAP}}}"
_ENVELOPE, _HEADER, _BODY = (f"{_SOAP}{name}" for name in ("Envelope", "Header", "Body"))
_ACTION, _MESSAGE_ID = (f"{{{NS_WSA}}}{name}" for name in ("Action", "MessageID"))
_SECURITY = f"{{{NS_WSSE}}}Security"
LPS = "{urn:siram:lps:ctxlps}"
BAM = "{urn:siram:bam:ctxbam}"
_LPS, _BAM = f"{LPS}ContexteLPS", f"{BAM}ContexteBAM"

MAX_BYTES = 2 * 1024 * 1024
_ACTION_PARAMETER = re.compile(r';\s*action\s*=\s*"?([^";]+)', re.IGNORECASE)

_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<soap:Envelope xmlns:soap="http://www.w3.org/2003/05/soap-envelope"><env:Body '
)
_BOTH = 'xmlns:S="http://www.w3.org/2003/05/soap-envelope" xmlns:env="http://www.w3.org/2003/05/soap-envelope">'
_ENV = 'xmlns:env="http://www.w3.org/2003/05/soap-envelope">'
_TAIL = "</env:Body></soap:Envelope>"
_CODES = (f"{_SOAP}Code", f"{_SOAP}Subcode")
_RESULTAT = (
    '<RESULTAT xmlns="http://www.cnamts.fr/INSiResultat" xmlns:ns0="http://www.cnamts.fr/INSiRecVit" '
    'xmlns:ns1="http://www.cnamts.fr/INSiRecSans">'
)


class NotSoap(ValueError):
    """Not a well-formed SOAP 1.2 envelope."""


@dataclass(slots=True)
class Message:
    """One request. ``operation``: None for what is none of INSi's."""

    operation: Operation | None
    message_id: str | None
    lps: Element | None = field(repr=False)
    bam: Element | None = field(repr=False)
    security: Element | None = field(repr=False)
    body: Element | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class FaultText:
    """What one fault says. ``code`` None: a fault without ``siram:Erreur``, because no code is known for the case."""

    role: str  # Sender or Receiver
    reason: str
    subcode: str | None = None
    code: str | None = None
    severity: str = "erreur"
    text: str = ""


def action_parameter(content_type: str) -> str | None:
    """The action parameter of a SOAP 1.2 Content-Type, where some clients put it and others do not."""
    found = _ACTION_PARAMETER.search(content_type)
    return found[1] if found else None


def read(body: bytes, action_parameter: str | None) -> Message:
    """Read a request, whose action is the first of wsa:Action and the action parameter of its Content-Type; raises NotSoap."""
    try:
        root = xmlsafe.parse(body, max_bytes=MAX_BYTES)
    except xmlsafe.MalformedXml as error:
        raise NotSoap(str(error)) from None
    parts = _by_tag(root)
    if root.tag != _ENVELOPE or _BODY not in parts:
        raise NotSoap("not a SOAP 1.2 envelope")
    blocks = _by_tag(parts.get(_HEADER, ()))
    action = _text(blocks.get(_ACTION)) or action_parameter or None
    asked = next(iter(parts[_BODY]), None)
    return Message(
        recognised(action, None if asked is None else str(asked.tag)), _text(blocks.get(_MESSAGE_ID)), blocks.get(_LPS),
        blocks.get(_BAM), blocks.get(_SECURITY), asked,
    )  # fmt: skip


def result(code: str, label: str, person: Mapping[str, Any] | None = None) -> bytes:
    """RESULTAT; ``person`` is a row of the population, given with CR 00 only."""
    individu = "" if person is None else _individu(person)
    return f"{_HEAD}{_BOTH}{_RESULTAT}{_cr(code, label)}{individu}</RESULTAT>{_TAIL}".encode()


def verified(holds: bool) -> bytes:
    """REPUnitaire: OK or KO, CR 00 both times, never the right values (insi §7)."""
    answer = f"{_cr('00', 'OK')}<Resultat>{'OK' if holds else 'KO'}</Resultat>"
    return f'{_HEAD}{_BOTH}<REPUnitaire xmlns="http://www.cnamts.fr/INSiLot2/REPUnitaire">{answer}</REPUnitaire>{_TAIL}'.encode()


def lot(code: str, label: str, lot_id: str, state: str = "", results: Iterable[tuple[str, bool]] = ()) -> bytes:
    """REPLot: of a deposit without ``state``, of a retrieval with it; ``results`` are the Ids chosen by the caller."""
    etat = f"<Etat>{state}</Etat>" if state else ""
    lines = "".join(f"<Resultat Id={quoteattr(one)}>{'OK' if holds else 'KO'}</Resultat>" for one, holds in results)
    answer = f"{_cr(code, label)}<IdLot>{escape(lot_id)}</IdLot>{etat}{lines}"
    return f'{_HEAD}{_BOTH}<REPLot xmlns="http://www.cnamts.fr/INSiLot2/REPLot">{answer}</REPLot>{_TAIL}'.encode()


def application_fault(fault: FaultText) -> bytes:
    """The shape of INSi itself: prefix S, language en though the text is French, no messageID (insi §6.2)."""
    error = (
        f'<siram:Erreur severite={quoteattr(fault.severity)} code={quoteattr(fault.code or "")} xmlns:siram="urn:siram">'
        f"{escape(fault.text)}</siram:Erreur>"
    )
    return _fault("S", "en", f'{_BOTH}<S:Fault xmlns:ns4="http://schemas.xmlsoap.org/soap/envelope/">', fault, error)


def gateway_fault(fault: FaultText, message_id: str | None) -> bytes:
    """The shape of the front gateway: prefix soap, language fr, the request's MessageID echoed (insi §6.2)."""
    echo = "" if message_id is None else f" messageID={quoteattr(message_id)}"
    error = (
        f'<siram:Erreur code={quoteattr(fault.code or "")}{echo} severite={quoteattr(fault.severity)} xmlns:siram="urn:siram">'
        f"{escape(fault.text)}</siram:Erreur>"
    )
    return _fault("soap", "fr", f"{_ENV}<soap:Fault>", fault, error if fault.code else "")


def clean(body: bytes) -> bytes:
    """The same answer without the oddities of the live service: one prefix for the SOAP namespace, nothing declared in vain."""
    root = etree.fromstring(body)  # ours
    etree.cleanup_namespaces(root, top_nsmap={"soap": NS_SOAP})
    for holder in _CODES:
        for value in root.iterfind(f".//{holder}/{_SOAP}Value"):
            value.text = f"soap:{(value.text or '').rpartition(':')[2]}"
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + etree.tostring(root, encoding="UTF-8")


def _cr(code: str, label: str) -> str:
    return f"<CR><CodeCR>{code}</CodeCR><LibelleCR>{escape(label)}</LibelleCR></CR>"


def _fault(prefix: str, lang: str, opening: str, fault: FaultText, error: str) -> bytes:
    subcode = "" if fault.subcode is None else (
        f"<{prefix}:Subcode><{prefix}:Value>{prefix}:{fault.subcode}</{prefix}:Value></{prefix}:Subcode>"
    )  # fmt: skip
    code = f"<{prefix}:Code><{prefix}:Value>{prefix}:{fault.role}</{prefix}:Value>{subcode}</{prefix}:Code>"
    reason = f'<{prefix}:Reason><{prefix}:Text xml:lang="{lang}">{escape(fault.reason)}</{prefix}:Text></{prefix}:Reason>'
    detail = f"<{prefix}:Detail>{error}</{prefix}:Detail>" if error else ""
    return f"{_HEAD}{opening}{code}{reason}{detail}</{prefix}:Fault>{_TAIL}".encode()


def _individu(person: Mapping[str, Any]) -> str:
    history = "".join([_ins("INSHISTO", former) for former in person.get("history", ())])
    return (
        f"<INDIVIDU>{_ins('INSACTIF', person)}{history}<TIQ>{_given('NomNaissance', person['birth_name'])}"
        f"{_given('ListePrenom', ' '.join(person['first_names']))}{_given('Sexe', person['sex'])}"
        f"{_given('DateNaissance', person['birth_date'])}{_given('LieuNaissance', person['birth_place'])}</TIQ></INDIVIDU>"
    )


def _ins(name: str, row: Mapping[str, Any]) -> str:
    matricule = row["matricule"]
    return (
        f"<{name}><IdIndividu><NumIdentifiant>{matricule[:13]}</NumIdentifiant><Cle>{matricule[13:]}</Cle></IdIndividu>"
        f"<OID>{row['oid']}</OID>{_given('DateDeb', row.get('start'))}{_given('DateFin', row.get('end'))}</{name}>"
    )


def _given(name: str, value: str | None) -> str:
    return f"<{name}>{escape(value)}</{name}>" if value else ""


def _by_tag(children: Iterable[Element]) -> dict[str, Element]:
    """The first of each tag, in one pass: paths cost as much as parsing the message."""
    found: dict[str, Element] = {}
    for child in children:
        found.setdefault(str(child.tag), child)
    return found


def _text(block: Element | None) -> str | None:
    return None if block is None else (block.text or "").strip() or None
