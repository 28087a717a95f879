"""SOAP 1.2 envelopes and faults, as INSi and the DMP exchange them (reference: insi §3, dmp §3).

Reading goes by namespace and local name: the national services mix several prefixes for one namespace in one document.
"""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from lxml import etree

from connectors.wire import mtom, xmlsafe

Element = etree._Element

SOAP12 = "http://www.w3.org/2003/05/soap-envelope"
SOAP11 = "http://schemas.xmlsoap.org/soap/envelope/"
WSA = "http://www.w3.org/2005/08/addressing"
WSA_ANONYMOUS = "http://www.w3.org/2005/08/addressing/anonymous"
WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"

MEDIA_TYPE = "application/soap+xml"
MAX_BYTES = 2 * 1024 * 1024  # an envelope without its attachments (design §8)

_ENVELOPE, _HEADER, _BODY = (f"{{{SOAP12}}}{name}" for name in ("Envelope", "Header", "Body"))
_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"


class NotAnEnvelope(ValueError):
    """Well-formed XML that is not a SOAP 1.2 envelope. ``soap11`` tells the usual cause."""

    def __init__(self, reason: str, *, soap11: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.soap11 = soap11


@dataclass(frozen=True, slots=True)
class Envelope:
    """Header blocks in order, and the first element of the Body (None when the Body is empty).

    parts  of the multipart message whose root it was; None when it came alone
    """

    header: tuple[Element, ...] = field(repr=False)
    body: Element | None = field(repr=False)
    parts: mtom.Multipart | None = field(default=None, repr=False)

    def block(self, namespace: str, name: str) -> Element | None:
        """The first header block of this name."""
        wanted = f"{{{namespace}}}{name}"
        for block in self.header:  # a loop: half of what a generator costs, several times a call
            if block.tag == wanted:
                return block
        return None

    def text(self, namespace: str, name: str) -> str | None:
        """The trimmed text of the first header block of this name; None when absent or empty."""
        block = self.block(namespace, name)
        return None if block is None else (block.text or "").strip() or None


@dataclass(frozen=True, slots=True)
class Fault:
    """A SOAP 1.2 fault. Codes are local names: their prefixes mean nothing stable (insi §6.2).

    code      Sender, Receiver, MustUnderstand, VersionMismatch, DataEncodingUnknown
    subcodes  outermost first: ("siram_40",)
    detail    the children of Detail
    """

    code: str
    reason: str = ""
    subcodes: tuple[str, ...] = ()
    lang: str | None = None
    detail: tuple[Element, ...] = field(default=(), repr=False)

    @property
    def subcode(self) -> str | None:
        return self.subcodes[0] if self.subcodes else None


def content_type(action: str | None = None) -> str:
    """The Content-Type of a SOAP 1.2 message; the action goes there, there is no SOAPAction header."""
    plain = f"{MEDIA_TYPE}; charset=utf-8"
    return plain if action is None else f'{plain}; action="{action}"'


def envelope(header_blocks: Iterable[Element], body: Element | None) -> bytes:
    """A serialised envelope with its XML declaration, UTF-8. The given elements are moved into it, not copied."""
    root = etree.Element(f"{{{SOAP12}}}Envelope", nsmap={"soap": SOAP12})
    header = etree.SubElement(root, f"{{{SOAP12}}}Header")
    header.extend(list(header_blocks))
    holder = etree.SubElement(root, f"{{{SOAP12}}}Body")
    if body is not None:
        holder.append(body)
    return _serialise(root)


def read_envelope(data: bytes, *, max_bytes: int = MAX_BYTES) -> Envelope:
    """Parse an envelope.

    Raises xmlsafe.UnsafeXml (DOCTYPE), xmlsafe.MalformedXml (broken or too big) and NotAnEnvelope.
    """
    root = xmlsafe.parse(data, max_bytes=max_bytes)
    if root.tag != _ENVELOPE:
        soap11 = root.tag == f"{{{SOAP11}}}Envelope"
        raise NotAnEnvelope("SOAP 1.1 envelope" if soap11 else f"root element is {_local(root)}", soap11=soap11)
    body = next(root.iterchildren(_BODY), None)
    if body is None:
        raise NotAnEnvelope("no Body")
    header = next(root.iterchildren(_HEADER), None)
    return Envelope(() if header is None else tuple(header), next(iter(body), None))


def envelope_of(data: bytes) -> Envelope | None:
    """The envelope that these bytes are; None when they are none."""
    try:
        return read_envelope(data)
    except (xmlsafe.MalformedXml, NotAnEnvelope):
        return None


def read_fault(message: Envelope) -> Fault | None:
    """The fault that the Body carries, or None when it carries something else."""
    fault = message.body
    if fault is None or fault.tag != f"{{{SOAP12}}}Fault":
        return None
    code = fault.find(f"{{{SOAP12}}}Code")
    text = fault.find(f"{{{SOAP12}}}Reason/{{{SOAP12}}}Text")
    detail = fault.find(f"{{{SOAP12}}}Detail")
    return Fault(
        code=_local_name(code.findtext(f"{{{SOAP12}}}Value") if code is not None else None),
        subcodes=_subcodes(code),
        reason="" if text is None else (text.text or "").strip(),
        lang=None if text is None else text.get(_XML_LANG),
        detail=() if detail is None else tuple(detail),
    )


def fault_bytes(code: str, reason: str, *, subcode: str | None = None, detail: Iterable[Element] = (), lang: str = "fr") -> bytes:
    """A serialised fault.

    code     ``Sender`` or ``Receiver``
    subcode  a local name of the SOAP namespace (as INSi does, against the rule) or ``{namespace}name``
    detail   elements moved into Detail
    """
    root = etree.Element(f"{{{SOAP12}}}Envelope", nsmap={"soap": SOAP12})
    fault = etree.SubElement(etree.SubElement(root, f"{{{SOAP12}}}Body"), f"{{{SOAP12}}}Fault")
    code_element = etree.SubElement(fault, f"{{{SOAP12}}}Code")
    etree.SubElement(code_element, f"{{{SOAP12}}}Value").text = f"soap:{code}"
    if subcode is not None:
        _write_subcode(code_element, subcode)
    text = etree.SubElement(etree.SubElement(fault, f"{{{SOAP12}}}Reason"), f"{{{SOAP12}}}Text")
    text.set(_XML_LANG, lang)
    text.text = reason
    blocks = list(detail)
    if blocks:
        etree.SubElement(fault, f"{{{SOAP12}}}Detail").extend(blocks)
    return _serialise(root)


def _write_subcode(code: Element, subcode: str) -> None:
    name = etree.QName(subcode)
    foreign = name.namespace not in (None, SOAP12)
    holder = etree.SubElement(code, f"{{{SOAP12}}}Subcode")
    value = etree.SubElement(holder, f"{{{SOAP12}}}Value", nsmap={"code": name.namespace} if foreign and name.namespace else None)
    value.text = f"{'code' if foreign else 'soap'}:{name.localname}"


def _subcodes(code: Element | None) -> tuple[str, ...]:
    found: list[str] = []
    holder = None if code is None else code.find(f"{{{SOAP12}}}Subcode")
    while holder is not None:
        found.append(_local_name(holder.findtext(f"{{{SOAP12}}}Value")))
        holder = holder.find(f"{{{SOAP12}}}Subcode")
    return tuple(found)


def _local_name(qname: str | None) -> str:
    return (qname or "").strip().rpartition(":")[2]


def _local(element: Element) -> str:
    return etree.QName(element).localname


def _serialise(root: Element) -> bytes:
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")
