"""Reads a submission set as the registry sees it: set, entries, associations, documents (reference dmp §9.2, §16)."""
from __future__ import annotations

import base64
import binascii
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from connectors.nomenclatures.xds import (
    DOC_AUTHOR,
    DOC_PATIENT_ID,
    DOC_UNIQUE_ID,
    NS_LCM,
    NS_RIM,
    NS_XDSB,
    NS_XOP,
    SET_AUTHOR,
    SET_NODE,
    SET_PATIENT_ID,
    SET_UNIQUE_ID,
)
from mocks.dmp import multipart
from mocks.dmp.frame import Element

_R = f"{{{NS_RIM}}}"
_LIST = f"{{{NS_LCM}}}SubmitObjectsRequest/{_R}RegistryObjectList"


@dataclass(frozen=True, slots=True)
class Coded:
    code: str
    system: str
    label: str


@dataclass(frozen=True, slots=True)
class RegistryObject:
    """A submission set or a document entry: what its slots, classifications and identifiers say.

    codes        by classification scheme, in order (confidentiality has several)
    authors      slots of each author classification
    identifiers  by identification scheme
    repeated     names of slots, and identification schemes, given twice: two readers could choose differently
    """

    id: str
    mime_type: str
    title: str
    slots: Mapping[str, tuple[str, ...]] = field(repr=False)
    codes: Mapping[str, tuple[Coded, ...]]
    authors: tuple[Mapping[str, tuple[str, ...]], ...] = field(repr=False)
    identifiers: Mapping[str, str] = field(repr=False)
    nodes: frozenset[str] = frozenset()
    object_type: str = ""
    repeated: frozenset[str] = frozenset()

    def first(self, slot: str) -> str:
        return next(iter(self.slots.get(slot, ())), "")

    def code(self, scheme: str) -> Coded | None:
        return next(iter(self.codes.get(scheme, ())), None)


@dataclass(frozen=True, slots=True)
class Association:
    type: str
    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Submission:
    """``packages`` holds every RegistryPackage: exactly one should be there, and be a submission set."""

    packages: tuple[RegistryObject, ...]
    entries: tuple[RegistryObject, ...]
    associations: tuple[Association, ...]
    documents: Mapping[str, bytes | None] = field(repr=False)  # by entry id; None: no content could be found
    repeated: frozenset[str] = frozenset()  # object ids given twice, or to two documents

    @property
    def set(self) -> RegistryObject:
        return self.packages[0]

    def patient_ids(self) -> list[str]:
        return [one.identifiers.get(SET_PATIENT_ID, "") for one in self.packages] + [
            one.identifiers.get(DOC_PATIENT_ID, "") for one in self.entries
        ]

    def unique_ids(self) -> list[str]:
        return [one.identifiers.get(SET_UNIQUE_ID, "") for one in self.packages] + [
            one.identifiers.get(DOC_UNIQUE_ID, "") for one in self.entries
        ]


def read(body: Element, parts: Mapping[str, bytes]) -> Submission:
    """Never raises: what is missing is for the checks to say."""
    listed = body.find(_LIST)
    objects = [] if listed is None else list(listed)
    ids = [one.get("id", "") for one in objects]
    documents = body.findall(f"{{{NS_XDSB}}}Document")
    return Submission(
        packages=tuple(_object(one) for one in objects if one.tag == f"{_R}RegistryPackage"),
        entries=tuple(_object(one) for one in objects if one.tag == f"{_R}ExtrinsicObject"),
        associations=tuple(
            Association(one.get("associationType", ""), one.get("sourceObject", ""), one.get("targetObject", ""))
            for one in objects
            if one.tag == f"{_R}Association"
        ),
        documents={one.get("id", ""): _content(one, dict(parts)) for one in documents},
        repeated=_repeated(one for one in ids if one) | _repeated(one.get("id", "") for one in documents),
    )


def _object(element: Element) -> RegistryObject:
    codes: dict[str, tuple[Coded, ...]] = {}
    authors: list[Mapping[str, tuple[str, ...]]] = []
    nodes: set[str] = set()
    for one in element.iterfind(f"{_R}Classification"):
        scheme = one.get("classificationScheme", "")
        if scheme in (SET_AUTHOR, DOC_AUTHOR):
            authors.append(_slots(one))
        elif scheme:
            system = next(iter(_slots(one).get("codingScheme", ())), "")
            codes[scheme] = (*codes.get(scheme, ()), Coded(one.get("nodeRepresentation", ""), system, _name(one)))
        elif one.get("classificationNode") == SET_NODE:
            nodes.add(SET_NODE)
    given = [(one.get("identificationScheme", ""), one.get("value", "")) for one in element.iterfind(f"{_R}ExternalIdentifier")]
    names = [*(scheme for scheme, _ in given), *(slot.get("name", "") for slot in element.iterfind(f"{_R}Slot"))]
    return RegistryObject(
        element.get("id", ""), element.get("mimeType", ""), _name(element), _slots(element), codes, tuple(authors),
        dict(given), frozenset(nodes), element.get("objectType", ""), _repeated(names),
    )  # fmt: skip


def _repeated(names: Iterable[str]) -> frozenset[str]:
    return frozenset(one for one, times in Counter(names).items() if times > 1)


def _slots(element: Element) -> dict[str, tuple[str, ...]]:
    return {
        slot.get("name", ""): tuple((value.text or "").strip() for value in slot.iterfind(f"{_R}ValueList/{_R}Value"))
        for slot in element.iterfind(f"{_R}Slot")
    }


def _name(element: Element) -> str:
    text = element.find(f"{_R}Name/{_R}LocalizedString")
    return "" if text is None else text.get("value", "")


def _content(document: Element, parts: dict[str, bytes]) -> bytes | None:
    include = document.find(f"{{{NS_XOP}}}Include")
    if include is not None:
        return multipart.resolve(include.get("href", ""), parts)
    try:
        return base64.b64decode("".join((document.text or "").split()), validate=True) or None
    except (binascii.Error, ValueError):
        return None
