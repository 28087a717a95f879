"""The documents and submission sets that the simulated DMP holds (fictitious people only)."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import Field

from mocks.dmp.app import DmpMock
from mocks.dmp.state import Stored
from mocks.sandbox.api import Refused, Told, refusals
from mocks.sandbox.viewing import ANOTHERS, NotYours, view
from mocks.sandbox.watching import Search, Word, running, watched
from mocks.sandbox.world import Mock, World

UniqueId = Annotated[str, Path(max_length=200, description="uniqueId du document.", examples=["1.2.250.1.999.1.1.1"])]
_CONTENT: dict[int | str, dict[str, Any]] = {
    200: {"description": "Le document tel que reçu", "content": {"application/xml": {"schema": {"type": "string"}}}}
}


class DocumentsAsked(Search):
    matricule: Word = Field(None, max_length=20, description="Matricule INS de la personne.", examples=["275126322074974"])
    struct_id: Word = Field(None, max_length=20, description="Structure qui a alimenté.", examples=["1420786572"])
    set_id: Word = Field(None, max_length=200, description="uniqueId du lot de soumission.")
    type_code: Word = Field(None, max_length=40, description="typeCode du document.", examples=["34112-3"])


class DocumentTold(Told):
    unique_id: str = Field(description="uniqueId du document.")
    entry_uuid: str = Field(description="Référence technique attribuée par le registre.")
    logical_id: str
    set_id: str = Field(description="uniqueId du lot de soumission.")
    matricule: str = Field(description="Personne, fictive.")
    oid: str = Field(description="OID d'INS sous lequel elle a été nommée.")
    struct_id: str = Field(description="Structure du VIHF.")
    type_code: str
    class_code: str
    title: str
    hash: str = Field(description="SHA-1 calculé par le registre, hexadécimal.")
    size: int = Field(description="Octets.")
    stored_at: str = Field(description="Temps métier de l'enregistrement, RFC 3339.")


class DocumentsTold(Told):
    total: int = Field(description="Nombre de documents trouvés.")
    reached: bool = Field(description="Il y en a au moins « at_least ».")
    documents: list[DocumentTold] = Field(description="Les derniers enregistrés d'abord.")


class SetTold(Told):
    set_id: str
    matricule: str
    struct_id: str
    stored_at: str
    documents: list[str] = Field(description="uniqueId de ses documents, signature comprise.")


class SetsTold(Told):
    total: int = Field(description="Nombre de lots trouvés.")
    reached: bool = Field(description="Il y en a au moins « at_least ».")
    submission_sets: list[SetTold] = Field(description="Les derniers enregistrés d'abord.")


def router(world: World, mocks: Mapping[str, Mock]) -> APIRouter:
    routes = APIRouter(tags=["DMP"])

    def found(asked: DocumentsAsked) -> list[Stored]:
        wanted = asked.model_dump(include={"matricule", "struct_id", "set_id", "type_code"}, exclude_none=True)
        rows = running(mocks, DmpMock, "dmp").documents.all()
        mine = (one for one in rows if view().structure(one.struct_id))
        return [one for one in mine if all(getattr(one, name) == value for name, value in wanted.items())]

    @routes.get("/documents", responses=refusals(404))
    async def documents(asked: Annotated[DocumentsAsked, Query()]) -> DocumentsTold:
        """Les documents que garde le DMP simulé, par personne, structure, lot ou type."""
        rows, total, reached = await watched(world.requests, asked, lambda: found(asked))
        return DocumentsTold(total=total, reached=reached, documents=[DocumentTold(**asdict(one)) for one in rows])

    @routes.get("/submission-sets", responses=refusals(404))
    async def submission_sets(asked: Annotated[DocumentsAsked, Query()]) -> SetsTold:
        """Les lots de soumission que garde le DMP simulé, avec leurs documents."""
        rows, total, reached = await watched(world.requests, asked, lambda: _sets(found(asked)))
        return SetsTold(total=total, reached=reached, submission_sets=rows)

    @routes.get("/documents/{unique_id}", responses=refusals(404))
    async def document(unique_id: UniqueId) -> DocumentTold:
        """Les métadonnées d'un document."""
        return DocumentTold(**asdict(_one(running(mocks, DmpMock, "dmp"), unique_id)))

    @routes.get("/documents/{unique_id}/content", response_class=Response, responses={**_CONTENT, **refusals(404)})
    async def content(unique_id: UniqueId) -> Response:
        """Les octets d'un document : le CDA tel que le DMP simulé l'a reçu."""
        dmp = running(mocks, DmpMock, "dmp")
        return Response(dmp.documents.content(_one(dmp, unique_id).unique_id), media_type="application/xml")

    return routes


_NONE = "Le DMP simulé ne garde aucun document de cet uniqueId : voyez GET /documents."


def _one(dmp: DmpMock, unique_id: str) -> Stored:
    one = next((one for one in dmp.documents.all() if one.unique_id == unique_id), None)
    if one is None:
        raise Refused(404, _NONE)
    if not view().structure(one.struct_id):
        raise NotYours(404, _NONE, ANOTHERS)
    return one


def _sets(documents: Sequence[Stored]) -> list[SetTold]:
    sets: dict[str, SetTold] = {}
    for one in documents:
        made = SetTold(
            set_id=one.set_id, matricule=one.matricule, struct_id=one.struct_id, stored_at=one.stored_at, documents=[]
        )
        sets.setdefault(one.set_id, made).documents.append(one.unique_id)
    return list(sets.values())
