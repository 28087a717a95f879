from __future__ import annotations

import pytest
from lxml import etree

from connectors.wire import soap
from connectors.wire.xmlsafe import MalformedXml, UnsafeXml

MIXED = b"""<?xml version="1.0" encoding="UTF-8"?>
<soap:Envelope xmlns:soap="http://www.w3.org/2003/05/soap-envelope"><env:Body \
xmlns:env="http://www.w3.org/2003/05/soap-envelope"><S:Fault xmlns:S="http://www.w3.org/2003/05/soap-envelope"><S:Code>\
<S:Value>S:Sender</S:Value><S:Subcode><S:Value>S:outer</S:Value><S:Subcode><S:Value>x:inner</S:Value></S:Subcode></S:Subcode>\
</S:Code><S:Reason><S:Text xml:lang="en">refus\xc3\xa9</S:Text></S:Reason><S:Detail><e xmlns="urn:e">why</e></S:Detail></S:Fault>\
</env:Body></soap:Envelope>"""


def element(name: str, text: str | None = None) -> etree._Element:
    made = etree.Element(name)
    made.text = text
    return made


def test_what_is_written_is_read_back() -> None:
    data = soap.envelope([element(f"{{{soap.WSA}}}MessageID", " uuid:1 "), element("{urn:a}Other")], element("{urn:b}Ask", "été"))

    message = soap.read_envelope(data)

    assert data.startswith(b"<?xml version='1.0' encoding='UTF-8'?>")
    assert [block.tag for block in message.header] == [f"{{{soap.WSA}}}MessageID", "{urn:a}Other"]
    assert message.text(soap.WSA, "MessageID") == "uuid:1"
    assert message.text(soap.WSA, "Action") is None
    assert message.body is not None and (message.body.tag, message.body.text) == ("{urn:b}Ask", "été")
    assert soap.read_fault(message) is None


def test_a_fault_is_read_whatever_its_prefixes() -> None:
    fault = soap.read_fault(soap.read_envelope(MIXED))

    assert fault is not None
    assert (fault.code, fault.subcodes, fault.subcode) == ("Sender", ("outer", "inner"), "outer")
    assert (fault.reason, fault.lang) == ("refusé", "en")
    assert [part.tag for part in fault.detail] == ["{urn:e}e"]


@pytest.mark.parametrize(("subcode", "local"), [(None, None), ("siram_10", "siram_10"), ("{urn:other}Bad", "Bad")])
def test_a_fault_is_written_as_it_is_read(subcode: str | None, local: str | None) -> None:
    data = soap.fault_bytes("Receiver", "Panne <totale>", subcode=subcode, detail=[element("{urn:e}e")])

    fault = soap.read_fault(soap.read_envelope(data))

    assert fault is not None
    assert (fault.code, fault.subcode, fault.reason, fault.lang) == ("Receiver", local, "Panne <totale>", "fr")
    assert [part.tag for part in fault.detail] == ["{urn:e}e"]


def test_a_foreign_subcode_declares_its_namespace() -> None:
    data = soap.fault_bytes("Sender", "non", subcode="{urn:other}Bad")

    value = etree.fromstring(data).find(f".//{{{soap.SOAP12}}}Subcode/{{{soap.SOAP12}}}Value")

    assert value is not None and value.text is not None
    assert value.nsmap[value.text.partition(":")[0]] == "urn:other"


@pytest.mark.parametrize(
    ("data", "reason", "soap11"),
    [
        (b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body/></e:Envelope>', "SOAP 1.1", True),
        (b"<html/>", "root element is html", False),
        (b'<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"/>', "no Body", False),
    ],
)
def test_another_document_is_not_an_envelope(data: bytes, reason: str, soap11: bool) -> None:
    with pytest.raises(soap.NotAnEnvelope, match=reason) as caught:
        soap.read_envelope(data)
    assert caught.value.soap11 is soap11


def test_hostile_or_broken_xml_is_refused() -> None:
    plain = soap.envelope([], element("{urn:b}Ask", "AAAA"))
    soap.read_envelope(plain)  # the twin
    doctype = plain.replace(b"?>\n", b'?>\n<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>', 1).replace(b"AAAA", b"&e;")

    with pytest.raises(UnsafeXml):
        soap.read_envelope(doctype)
    with pytest.raises(MalformedXml):
        soap.read_envelope(plain[:-3])
    with pytest.raises(MalformedXml):
        soap.read_envelope(plain, max_bytes=len(plain) - 1)


def test_the_action_goes_into_the_content_type() -> None:
    assert soap.content_type() == "application/soap+xml; charset=utf-8"
    assert soap.content_type("urn:x") == 'application/soap+xml; charset=utf-8; action="urn:x"'
