"""Reads the SOAP frame of a request and writes the mock's answers and faults (reference dmp §2.3, §15)."""
from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

from connectors.nomenclatures.xds import (
    ACTION_EXISTENCE_ANSWER,
    ACTION_FEED_ANSWER,
    ACTION_QUERY_ANSWER,
    NS_HL7,
    NS_QUERY,
    NS_SAML,
    NS_SOAP,
    NS_WSA,
    NS_WSSE,
    NS_XDSB,
)
from connectors.wire import xmlsafe
from mocks.dmp import multipart

Element = etree._Element

MAX_ROOT = 2 * 1024 * 1024  # the root part of a multipart message
MAX_INLINE = 12 * 1024 * 1024  # a message that carries its document inside
_SOAP11 = "http://schemas.xmlsoap.org/soap/envelope/"
_ANONYMOUS = "http://www.w3.org/2005/08/addressing/anonymous"
_MISSING = "A required header representing a Message Addressing Property is not present"

UNKNOWN = "DMP.INCONNUE"
ANSWER_ACTIONS = {
    "DMP.TD0.2": ACTION_EXISTENCE_ANSWER,
    "DMP.TD2.1": ACTION_FEED_ANSWER,
    "DMP.TD3.1": ACTION_QUERY_ANSWER,
}


class Faulted(Exception):
    """The answer is a SOAP fault. ``subcode`` is a local name; its namespace is SOAP's for the DMP's own, else WS-Security's."""

    def __init__(self, role: str, text: str, subcode: str | None = None) -> None:
        super().__init__(text)
        self.role = role
        self.text = text
        self.subcode = subcode


@dataclass(frozen=True, slots=True)
class Message:
    """``operation`` comes from the body element, not from the action: both spellings of it are seen (§2.4)."""

    operation: str
    message_id: str | None
    addressed: bool  # the four WS-Addressing headers are there
    assertion: Element | None = field(repr=False)  # None too when there are several
    body: Element = field(repr=False)
    parts: dict[str, bytes] = field(repr=False)


def read(content_type: str, body: bytes) -> Message:
    """Raises Faulted when there is no SOAP 1.2 envelope to speak of."""
    parts: dict[str, bytes] = {}
    root, cap = body, MAX_INLINE
    try:
        if multipart.media_type(content_type) == "multipart/related":
            root, parts = multipart.read(content_type, body)
            cap = MAX_ROOT
        envelope = xmlsafe.parse(root, max_bytes=cap)
    except multipart.BadMultipart as error:
        raise Faulted("Sender", f"Message MIME illisible : {error}.") from None
    except xmlsafe.UnsafeXml:
        raise Faulted("Sender", "Message refusé : DOCTYPE interdit.") from None
    except xmlsafe.MalformedXml:
        raise Faulted("Sender", "Message XML mal formé ou trop volumineux.") from None
    if envelope.tag == f"{{{_SOAP11}}}Envelope":
        raise Faulted("VersionMismatch", "Enveloppe SOAP 1.1 reçue : le DMP attend SOAP 1.2.")
    holder = envelope.find(f"{{{NS_SOAP}}}Body")
    if envelope.tag != f"{{{NS_SOAP}}}Envelope" or holder is None or not len(holder):
        raise Faulted("Sender", "Le message n'est pas une enveloppe SOAP 1.2 avec un corps.")
    return _message(envelope, holder[0], parts)


def _message(envelope: Element, body: Element, parts: dict[str, bytes]) -> Message:
    header = f"{{{NS_SOAP}}}Header/{{{NS_WSA}}}"
    message_id, action, reply = (
        envelope.findtext(header + name, "").strip() for name in ("MessageID", "Action", f"ReplyTo/{{{NS_WSA}}}Address")
    )
    to = envelope.find(f"{header}To")  # may be empty: the samples' is
    assertions = envelope.findall(f"{{{NS_SOAP}}}Header/{{{NS_WSSE}}}Security/{{{NS_SAML}}}Assertion")
    return Message(
        operation=_operation(body),
        message_id=message_id or None,
        addressed=bool(message_id and action and reply) and to is not None,
        assertion=assertions[0] if len(assertions) == 1 else None,
        body=body,
        parts=parts,
    )


def _operation(body: Element) -> str:
    if body.tag == f"{{{NS_XDSB}}}ProvideAndRegisterDocumentSetRequest":
        return "DMP.TD2.1"
    if body.tag == f"{{{NS_QUERY}}}AdhocQueryRequest":
        return "DMP.TD3.1"
    if body.tag == f"{{{NS_HL7}}}PRPA_IN201307UV02":
        reason = body.find(f"{{{NS_HL7}}}controlActProcess/{{{NS_HL7}}}reasonCode")
        if reason is not None and reason.get("code") == "TEST_EXST":  # the same element serves TD1.3a
            return "DMP.TD0.2"
    return UNKNOWN


def check_addressing(message: Message) -> None:
    """Raises Faulted in the words of the server's SOAP stack when a header is missing."""
    if not message.addressed:
        raise Faulted("Sender", _MISSING)


def answer(body: str, *, action: str, relates_to: str | None) -> bytes:
    """An answer envelope around a serialised body."""
    return _envelope(_addressing(action, relates_to), body)


def fault(error: Faulted, relates_to: str | None) -> bytes:
    subcode = ""
    if error.subcode is not None:
        prefix = "soap" if error.subcode.startswith("DMP") else "wsse"
        declared = "" if prefix == "soap" else f" xmlns:wsse={quoteattr(NS_WSSE)}"
        subcode = f"<soap:Subcode><soap:Value{declared}>{prefix}:{escape(error.subcode)}</soap:Value></soap:Subcode>"
    body = (
        f"<soap:Fault><soap:Code><soap:Value>soap:{error.role}</soap:Value>{subcode}</soap:Code>"
        f'<soap:Reason><soap:Text xml:lang="fr">{escape(error.text)}</soap:Text></soap:Reason></soap:Fault>'
    )
    return _envelope(_addressing("http://www.w3.org/2005/08/addressing/soap/fault", relates_to), body)


def _addressing(action: str, relates_to: str | None) -> str:
    related = "" if relates_to is None else f"<RelatesTo xmlns={quoteattr(NS_WSA)}>{escape(relates_to)}</RelatesTo>"
    return (
        f"<Action xmlns={quoteattr(NS_WSA)}>{escape(action)}</Action>"
        f"<MessageID xmlns={quoteattr(NS_WSA)}>urn:uuid:{uuid.uuid4()}</MessageID>"
        f"<To xmlns={quoteattr(NS_WSA)}>{_ANONYMOUS}</To>{related}"
    )


def _envelope(header: str, body: str) -> bytes:
    opening = f'<?xml version="1.0" encoding="UTF-8"?><soap:Envelope xmlns:soap={quoteattr(NS_SOAP)}>'
    return f"{opening}<soap:Header>{header}</soap:Header><soap:Body>{body}</soap:Body></soap:Envelope>".encode()
