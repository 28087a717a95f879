"""Situations to begin a test with: documents in the DMP, messages in mailboxes. Made by hand, so no mock received them."""
from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Mapping
from email.header import Header
from email.utils import format_datetime
from itertools import islice
from typing import Annotated, Any
from xml.sax.saxutils import escape

from pydantic import Field

from connectors.nomenclatures.mssante import domain_of
from connectors.nomenclatures.xds import OID_INS_TEST
from mocks.dmp.app import DmpMock
from mocks.dmp.state import Stored
from mocks.mssante.app import MssanteMock
from mocks.mssante.state import Envelope, Reading
from mocks.sandbox import parts
from mocks.sandbox.api import Asked, Refused
from mocks.sandbox.snapshots import empty
from mocks.sandbox.viewing import ANOTHERS, EVERYBODY, NotYours, View
from mocks.sandbox.watching import running
from mocks.sandbox.world import Mock, World

_NOBODY = "Un document nomme une personne sans DMP actif dans le bac à sable : rien n'a été changé."

Address = Annotated[str, Field(max_length=320, pattern=r"^[!-;=?A-~]+@[A-Za-z0-9.-]+$")]
Line = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]


class DocumentMade(Asked):
    matricule: str = Field(max_length=20, description="Personne au DMP actif.", examples=["275126322074974"])
    type_code: str = Field("34112-3", max_length=40, description="typeCode du document.")
    title: Line = "Compte rendu"


class MessageMade(Asked):
    sender: Address = Field(examples=["secretariat@ehpad.mssante.fr"])
    to: list[Address] = Field(min_length=1, max_length=50, description="Boîtes du bac à sable.")
    subject: Line = "Message"
    text: str = Field("Message simulé.", max_length=20_000)


class DataSet(Asked):
    """A data set as a file gives it."""

    about: str = Field("", max_length=400, description="Ce qu'il met en place.")
    documents: list[DocumentMade] = Field(default_factory=list, max_length=500)
    messages: list[MessageMade] = Field(default_factory=list, max_length=500)


def _documents(world: World, seen: View) -> DataSet:
    met = (one for one in world.population.persons() if one["dmp"] == "active" and seen.meets(one))
    people = [one["matricule"] for one in islice(met, 5)]
    return DataSet(documents=[
        DocumentMade(matricule=matricule, title=title) for matricule in people for title in ("Compte rendu", "Lettre de liaison")
    ])  # fmt: skip


def _messages(world: World, seen: View) -> DataSet:
    boxes = [box["address"] for one in _structures(world, seen) for box in one["mailboxes"] if box["type"] == "ORG"]
    return DataSet(messages=[
        MessageMade(sender=boxes[0], to=[box], subject=f"Message {number}") for box in boxes for number in (1, 2, 3)
    ])  # fmt: skip


#: What each of ours puts there, and how it is made for a sandbox or a tenant's part of it: its people are its own.
NAMED: dict[str, tuple[str, Callable[[World, View], DataSet]]] = {
    "vide": ("rien : le premier jour", lambda _world, _seen: DataSet()),
    "dmp-garni": ("deux documents au DMP de cinq personnes", _documents),
    "boites-garnies": ("trois messages dans chaque boîte organisationnelle", _messages),
}


def apply(world: World, mocks: Mapping[str, Mock], wanted: DataSet, seen: View = EVERYBODY) -> tuple[int, int]:
    """The sandbox, or a tenant's part, emptied then filled; how many documents and messages. Raises Refused before anything
    changes."""
    documents = [_document(world, seen, number, one) for number, one in enumerate(wanted.documents, start=1)]
    if wanted.documents:
        running(mocks, DmpMock, "dmp")
    if wanted.messages:
        operator = running(mocks, MssanteMock, "mssante")
        for one in wanted.messages:
            _check_boxes(operator, seen, one)
    if seen.tenant is None:
        empty(world, mocks)
    else:
        parts.empty(world, mocks, seen)
    for document in documents:
        running(mocks, DmpMock, "dmp").documents.add([document])
    for one in wanted.messages:
        _deliver(running(mocks, MssanteMock, "mssante"), one)
    return len(documents), len(wanted.messages)


def _check_boxes(operator: MssanteMock, seen: View, wanted: MessageMade) -> None:
    """A tenant's messages come to its own mailboxes, from them or from nobody's here. Raises Refused."""
    if any(operator.directory.locate(address) != "delivered" for address in wanted.to):
        raise Refused(404, "Un destinataire n'a pas de boîte ouverte dans le bac à sable : rien n'a été changé.")
    others = {domain_of(address) for address in operator.directory.shared if not seen.box(address)}
    if not all(seen.box(address) for address in wanted.to) or domain_of(wanted.sender) in others:
        raise NotYours(403, "Un message nomme une boîte qui n'est pas à vous : rien n'a été changé.", ANOTHERS)


def _structures(world: World, seen: View) -> list[dict[str, Any]]:
    return [row for row in world.manifest["structures"] if seen.structure(row["struct_id"])]


def _document(world: World, seen: View, number: int, wanted: DocumentMade) -> tuple[Stored, bytes]:
    person = world.population.person(wanted.matricule)
    if person is not None and not seen.meets(person):
        raise NotYours(404, _NOBODY, ANOTHERS)
    if person is None or person["dmp"] != "active":
        raise Refused(404, _NOBODY)
    content = (
        '<?xml version="1.0" encoding="UTF-8"?><ClinicalDocument xmlns="urn:hl7-org:v3"><title>'
        f"{escape(wanted.title)}</title><!-- document simulé, mis en place par un jeu de données --></ClinicalDocument>"
    ).encode()
    whose = "" if seen.tenant is None else f"{seen.tenant}:"
    name = uuid.uuid5(uuid.NAMESPACE_URL, f"socle:dataset:{whose}{number}:{wanted.model_dump_json()}")
    at = world.clock.business().isoformat(timespec="milliseconds")
    stored = Stored(
        unique_id=f"2.25.{name.int}", entry_uuid=f"urn:uuid:{name}", logical_id=f"urn:uuid:{name}",
        set_id=f"2.25.{name.int}.1", matricule=wanted.matricule, oid=OID_INS_TEST,
        struct_id=_structures(world, seen)[0]["struct_id"], type_code=wanted.type_code, class_code="11", title=wanted.title,
        hash=hashlib.sha1(content, usedforsecurity=False).hexdigest(), size=len(content), stored_at=at,
    )  # fmt: skip
    return stored, content


def _deliver(operator: MssanteMock, wanted: MessageMade) -> None:
    queue_id, at = operator.store.next_queue_id(), operator.world.clock.business()
    headers = {
        "From": wanted.sender, "To": ", ".join(wanted.to), "Subject": Header(wanted.subject, "utf-8").encode(linesep="\r\n"),
        "Date": format_datetime(at), "Message-ID": f"<{queue_id}@jeu.bac-a-sable>", "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=utf-8", "Content-Transfer-Encoding": "8bit",
    }  # fmt: skip
    lines = [*(f"{name}: {value}" for name, value in headers.items()), "", *wanted.text.splitlines(), ""]
    content = "\r\n".join(lines).encode()
    envelope = Envelope(wanted.sender, dict.fromkeys(wanted.to, "delivered"), "jeu-de-donnees")
    operator.store.deliver(queue_id, envelope, Reading.of(content), content, at)
