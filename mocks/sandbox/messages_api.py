"""The messages that the simulated MSSanté operator accepted: listed, opened, deleted (fictitious people only)."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from connectors.nomenclatures.mssante import normalise
from mocks.mssante.app import MssanteMock
from mocks.mssante.opened import open_message
from mocks.mssante.state import EMPTIED, Kept
from mocks.sandbox.api import Refused, Told, refusals
from mocks.sandbox.mail_part import copies, forget, mine
from mocks.sandbox.viewing import ANOTHERS, NotYours, view
from mocks.sandbox.watching import Search, Word, running, watched
from mocks.sandbox.world import Mock, World

MessageName = Annotated[str, Path(max_length=40, description="Identifiant donné par l'opérateur.", examples=["SIM00000001"])]
Copy = Annotated[Word, Query(max_length=320, description="La copie de ce destinataire ; du premier, sinon.")]
_RAW: dict[int | str, dict[str, Any]] = {
    200: {"description": "Le message tel que remis", "content": {"message/rfc822": {"schema": {"type": "string"}}}}
}


class Which(BaseModel):
    """Which messages; a parameter that is not known is refused."""

    model_config = ConfigDict(extra="forbid")

    to: Word = Field(None, max_length=320, description="L'un des destinataires.", examples=["secretariat@ehpad.mssante.fr"])
    sender: Word = Field(None, max_length=320, description="Expéditeur de l'enveloppe (MAIL FROM).")
    message_id: Word = Field(None, max_length=1000, description="Message-ID, chevrons compris ou non.")


class MessagesAsked(Search, Which):
    pass


class MessageTold(Told):
    id: str = Field(description="Identifiant donné par l'opérateur, rendu dans la réponse 250.", examples=["SIM00000001"])
    message_id: str | None
    sender: str = Field(description="MAIL FROM ; vide pour un accusé.")
    recipients: dict[str, str] = Field(description="Adresse : delivered, undelivered ou relayed.")
    size_bytes: int
    at: str = Field(description="Temps métier de l'acceptation, RFC 3339.")
    nil: str = Field(description="En-tête X-MSS-NIL : present, absent ou malformed.")
    report: bool = Field(description="Accusé ou rejet, qui n'est pas une soumission.")


class MessagesTold(Told):
    total: int = Field(description="Nombre de messages trouvés.")
    reached: bool = Field(description="Il y en a au moins « at_least ».")
    messages: list[MessageTold] = Field(description="Les derniers acceptés d'abord.")


class HeaderTold(Told):
    name: str
    value: str


class AttachmentTold(Told):
    name: str
    content_type: str
    size_bytes: int
    sha256: str


class MessageOpened(MessageTold):
    headers: list[HeaderTold] = Field(description="Dans leur ordre, mots encodés décodés.")
    text: str = Field(description="Premier corps text/plain.")
    html: str = Field(description="Premier corps text/html.")
    attachments: list[AttachmentTold]


class MessagesDeleted(Told):
    deleted: int = Field(description="Nombre de messages effacés.")


_NONE = "L'opérateur simulé ne garde aucun message de cet identifiant : voyez GET /messages."


def router(world: World, mocks: Mapping[str, Mock]) -> APIRouter:
    routes = APIRouter(tags=["MSSanté"])

    def operator() -> MssanteMock:
        return running(mocks, MssanteMock, "mssante")

    def one(name: str) -> Kept:
        kept = next((kept for kept in operator().store.messages() if kept.queue_id == name), None)
        if kept is not None and not mine(view(), kept):
            raise NotYours(404, _NONE, ANOTHERS)
        if kept is None:
            raise Refused(404, _NONE)
        return kept

    def first(kept: Kept) -> str:
        """The recipient whose copy is shown."""
        for address in copies(view(), kept):
            return address
        raise Refused(404, "Il ne reste aucune copie de ce message : l'éditeur qui l'a reçu a vidé ses boîtes.")

    @routes.get("/messages", responses=refusals(404))
    async def messages(asked: Annotated[MessagesAsked, Query()]) -> MessagesTold:
        """Les messages acceptés par l'opérateur simulé ; peut attendre qu'il y en ait assez (at_least, wait_s)."""
        rows, total, reached = await watched(world.requests, asked, lambda: _found(operator(), asked))
        return MessagesTold(total=total, reached=reached, messages=[MessageTold(**_row(kept)) for kept in rows])

    @routes.get("/messages/{name}", responses=refusals(404))
    async def message(name: MessageName) -> MessageOpened:
        """Un message ouvert : en-têtes, textes, pièces jointes."""
        kept = one(name)
        return MessageOpened(**_row(kept), **_opened(operator().store.content(kept, first(kept))))

    @routes.get("/messages/{name}/raw", response_class=Response, responses={**_RAW, **refusals(404)})
    async def raw(name: MessageName, recipient: Copy = None) -> Response:
        """Les octets d'un message, avec les en-têtes de remise."""
        kept = one(name)
        copy = recipient if recipient is not None else first(kept)
        if copy not in copies(view(), kept):
            raise Refused(404, "Ce destinataire n'est pas du message : voyez « recipients ».")
        return Response(operator().store.content(kept, copy), media_type="message/rfc822")

    @routes.delete("/messages", responses=refusals(404))
    async def clear(which: Annotated[Which, Query()]) -> MessagesDeleted:
        """Efface les messages trouvés, tous sans critère. Les nombres de GET /state restent : ils ont été acceptés."""
        found = _found(operator(), which)
        for kept in found:
            forget(operator(), view(), kept)
        return MessagesDeleted(deleted=len(found))

    @routes.delete("/messages/{name}", responses=refusals(404))
    async def delete(name: MessageName) -> MessagesDeleted:
        """Efface un message."""
        forget(operator(), view(), one(name))
        return MessagesDeleted(deleted=1)

    return routes


def _found(operator: MssanteMock, which: Which) -> list[Kept]:
    return [kept for kept in operator.store.messages() if mine(view(), kept) and _fits(kept, which)]


def _fits(kept: Kept, which: Which) -> bool:
    return (
        (which.to is None or normalise(which.to) in map(normalise, kept.recipients))
        and (which.sender is None or normalise(which.sender) == normalise(kept.sender))
        and (which.message_id is None or which.message_id.strip("<> ") == (kept.message_id or "").strip("<> "))
    )


def _row(kept: Kept) -> dict[str, object]:
    row = asdict(kept)
    del row["unit"], row["left"]
    row["recipients"] = {address: "delivered" if state == EMPTIED else state for address, state in kept.recipients.items()}
    return {"id": row.pop("queue_id"), **row}


def _opened(content: bytes) -> dict[str, object]:
    opened = open_message(content)
    return {
        "headers": [HeaderTold(name=name, value=value) for name, value in opened.headers],
        "text": opened.text, "html": opened.html,
        "attachments": [AttachmentTold(**asdict(part)) for part in opened.attachments],
    }  # fmt: skip
