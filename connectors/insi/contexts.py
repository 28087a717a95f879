"""The header of every INSi request: addressing, ContexteLPS, ContexteBAM and, by assertion, who calls (reference: insi §3.4)."""
from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from lxml import etree

from connectors.insi import codes
from connectors.wire import soap


@dataclass(frozen=True, slots=True)
class Software:
    """What ContexteLPS says of the calling software. ``instance`` is a UUID that stays for one installation."""

    idam: str  # authorisation number given by the CNDA
    name: str
    version: str
    instance: str


@dataclass(frozen=True, slots=True)
class Stamp:
    """What changes at each request. ``message_id`` may be reused for the attempts of one search."""

    at: datetime
    message_id: str
    lps_id: str
    bam_id: str


def new_stamp(at: datetime) -> Stamp:
    """Fresh identifiers. The MessageID is ``uuid:…``, not ``urn:uuid:…`` (insi §22.3)."""
    return Stamp(at, f"uuid:{uuid4()}", str(uuid4()), str(uuid4()))


@dataclass(frozen=True, slots=True)
class Header:
    """Everything of a request but its body.

    emetteur  the structure identifier of the certificate's OU (``1`` + FINESS, ``3`` + SIRET), or the professional's number
    security  an assertion for wsse:Security; it is moved into the message
    """

    software: Software
    emetteur: str
    stamp: Stamp
    security: soap.Element | None = None

    def envelope(self, action: str, body: soap.Element, coverage: soap.Element | None = None) -> bytes:
        """A complete request. ``coverage``: COUVERTURE as a card fills it; empty otherwise, because it is compulsory."""
        blocks = [_wsa("Action", action), _wsa("MessageID", self.stamp.message_id)]
        if self.security is not None:
            holder = etree.Element(f"{{{soap.WSSE}}}Security", nsmap={"wsse": soap.WSSE})
            holder.append(self.security)
            blocks.append(holder)
        return soap.envelope([*blocks, self._lps(), self._bam(coverage)], body)

    def _lps(self) -> soap.Element:
        block = self._context(codes.LPS, "LPS", codes.CONTEXT_LPS_VERSION, self.stamp.lps_id)
        lps, software = sub(block, "LPS"), self.software
        sub(lps, "IDAM", software.idam).set("R", "4")
        sub(lps, "Version", software.version)
        sub(lps, "Instance", software.instance)
        sub(lps, "Nom", f"urn:lps:{software.name}:{software.version}")
        return block

    def _bam(self, coverage: soap.Element | None) -> soap.Element:
        block = self._context(codes.BAM, "BAM", codes.CONTEXT_BAM_VERSION, self.stamp.bam_id)
        block.append(new_coverage() if coverage is None else coverage)
        return block

    def _context(self, namespace: str, name: str, version: str, identifier: str) -> soap.Element:
        marks = {"Nature": f"CTX{name}", "Version": version}
        block = etree.Element(f"{{{namespace}}}Contexte{name}", nsmap={name.lower(): namespace}, attrib=marks)
        sub(block, "Id", identifier)
        sub(block, "Temps", instant(self.stamp.at))
        sub(block, "Emetteur", self.emetteur)
        return block


def new_coverage() -> soap.Element:
    return etree.Element(f"{{{codes.BAM}}}COUVERTURE", nsmap={"bam": codes.BAM})


def sub(parent: soap.Element, name: str, text: str | None = None) -> soap.Element:
    """A new last child, in its parent's namespace."""
    child = etree.SubElement(parent, f"{{{etree.QName(parent).namespace}}}{name}")
    child.text = text
    return child


def instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _wsa(name: str, text: str) -> soap.Element:
    block = etree.Element(f"{{{soap.WSA}}}{name}", nsmap={"wsa": soap.WSA})
    block.text = text
    return block
