"""Facts of an IHE_XDM archive: what it lists, what it holds, and whether both agree (reference mssante §8).

An archive is hostile: number, size and expansion of its members are bounded before anything is read, and names are only
compared, never opened on a disk.
"""
from __future__ import annotations

import hashlib
import io
import posixpath
import zipfile
import zlib

from connectors.wire import xmlsafe
from gateway.conformance.facts import xds
from gateway.conformance.facts.cda import read_cda
from gateway.conformance.facts.places import XDM_PATIENT, XDM_URI
from gateway.conformance.model import Eyes, FactValues, Made

MAX_MEMBERS = 64
MAX_EXPANDED = 24 * 1024 * 1024
_FOLDER, _METADATA = "IHE_XDM/", "METADATA.XML"


class Unreadable(ValueError):
    """``reason``: zip, members, size, name, encrypted."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def archive_facts(data: bytes, eyes: Eyes, made: Made) -> FactValues:
    """``documents`` are those that METADATA.XML lists, [{entry, cda, uri, hash, size}], signatures included."""
    try:
        members = _members(data)
    except Unreadable as error:
        return {"readable": False, "reason": error.reason, "metadata": 0, "documents": []}
    metadata = [name for name in members if name.upper().startswith(_FOLDER) and name.upper().endswith("/" + _METADATA)]
    documents: list[FactValues] = []
    for name in metadata:
        try:
            root = xmlsafe.parse(members[name])
        except xmlsafe.MalformedXml:
            continue
        for entry in xds.entries_of(xds.registry_of(root)):
            documents.append(_document(entry, name, members, eyes, made))
    return {"readable": True, "reason": None, "metadata": len(metadata), "documents": documents[: xds.MAX_ENTRIES]}


def _document(entry: xds._Element, metadata: str, members: dict[str, bytes], eyes: Eyes, made: Made) -> FactValues:
    uri = xds.slot_text(entry, "URI")
    content = _found(uri, metadata, members)
    made.show(XDM_URI, uri)
    size, digest = xds.slot_text(entry, "size"), xds.slot_text(entry, "hash")
    return {
        "entry": xds.entry_facts(entry, XDM_PATIENT, eyes, made),
        "cda": {"kind": "absent"} if content is None else read_cda(content, eyes, made),
        "uri": content is not None,
        "size": None if content is None or size is None else size == str(len(content)),
        "hash": None
        if content is None or digest is None
        else digest.lower() == hashlib.sha1(content, usedforsecurity=False).hexdigest(),
    }


def _found(uri: str | None, metadata: str, members: dict[str, bytes]) -> bytes | None:
    """Relative to the sub-folder of METADATA.XML, or to IHE_XDM: both are seen (§8). Case never matters."""
    if not uri:
        return None
    by_name = {name.upper(): content for name, content in members.items()}
    bases = (posixpath.dirname(metadata), _FOLDER.rstrip("/"))
    candidates = (posixpath.normpath(posixpath.join(base, uri)).upper() for base in bases)
    return next((by_name[name] for name in candidates if name in by_name and name.startswith(_FOLDER)), None)


def _members(data: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
            _bounded(infos)
            return {info.filename: archive.read(info) for info in infos}
    except (zipfile.BadZipFile, NotImplementedError, zlib.error, OSError, EOFError, RuntimeError) as error:
        raise Unreadable("zip") from error


def _bounded(infos: list[zipfile.ZipInfo]) -> None:
    if len(infos) > MAX_MEMBERS:
        raise Unreadable("members")
    if sum(info.file_size for info in infos) > MAX_EXPANDED:
        raise Unreadable("size")
    for info in infos:
        if info.flag_bits & 1:
            raise Unreadable("encrypted")
        if info.filename.startswith(("/", "\\")) or ".." in info.filename.replace("\\", "/").split("/"):
            raise Unreadable("name")
