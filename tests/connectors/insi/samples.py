"""What the tests of INSi's messages share: the caller of the reference's samples, and a comparison of XML."""
from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from lxml import etree

from connectors.insi import messages
from connectors.insi.messages import CardNumber, Individual, Ins, Person, VitaleCard

DATA = Path(__file__).parent / "data"
#: Software and identifiers of the reference's samples.
SOFTWARE = messages.Software("TESTDUI00001", "DUI EXEMPLE", "1.4.0", "0f6c9b7e-2c53-4e0a-b6f0-3d5a3c1d9a10")
STAMP = messages.Stamp(
    datetime(2026, 11, 21, 9, 15, 2, 123000, tzinfo=UTC),
    "uuid:0d9cf7f2-6f0f-4c1b-9f0e-6f3f1a0f9b11",
    "5b0c5d0e-4f2a-4a37-8d52-6d7a1f7f2c01",
    "c1e2a7a4-9f0b-4d6c-8a35-0e6c2f5d7b22",
)

NIR = CardNumber("2770763220829", "10")
NESSI = VitaleCard(NIR, NIR, "NESSI", "1977-07-14")  # published test identity
DARTAGNAN = Individual(
    Ins("1010663220754", "60", "1.2.250.1.213.1.4.8"),
    Person("D'ARTAGNAN DE L'HERAULT", ("PIERRE-ALAIN", "GUNTHER"), "M", "2001-06-17", "63220"),
)
CR = "<CR><CodeCR>{}</CodeCR><LibelleCR>x</LibelleCR></CR>"
OK = CR.format("00")


@pytest.fixture(scope="module")
def reference() -> Path:
    folder = os.environ.get("SOCLE_REFERENCE_DATA")
    if not folder:
        pytest.skip("SOCLE_REFERENCE_DATA does not name the folder of reference data")
    return Path(folder) / "insi"


def canonical(data: bytes) -> bytes:
    """Canonical XML where prefixes and indentation no longer tell two documents apart."""
    parser = etree.XMLParser(remove_blank_text=True, remove_comments=True)
    return b"\n".join(_lines(etree.fromstring(data, parser)))


def _lines(element: etree._Element, depth: int = 0) -> list[bytes]:
    attributes = "".join(f" {name}={value!r}" for name, value in sorted(element.attrib.items()))
    line = f"{depth}{element.tag}{attributes} {(element.text or '').strip()!r}".encode()
    return [line, *(inner for child in element for inner in _lines(child, depth + 1))]


def answer_of(root: str, content: str) -> bytes:
    """An answer whose root holds this content."""
    name = etree.QName(root)
    return (
        f'<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Body><{name.localname} xmlns="{name.namespace}">'
        f"{content}</{name.localname}></e:Body></e:Envelope>"
    ).encode()
