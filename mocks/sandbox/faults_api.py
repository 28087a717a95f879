"""Faults: armed, shown, disarmed; a gateway that runs is told, so that its journal says which may have touched its calls."""
from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import Field

from mocks.sandbox.api import Asked, Refused, Told, refusals, with_body
from mocks.sandbox.codes import operations, read_codes, steps_of
from mocks.sandbox.console import tell_fault
from mocks.sandbox.fault import Injected, Kind
from mocks.sandbox.faults import InvalidFault
from mocks.sandbox.latency import LawName
from mocks.sandbox.viewing import ANOTHERS, NotYours, known_callers, note_refusal, view
from mocks.sandbox.world import Mock, World

MAX_ANSWER = 2 * 1024 * 1024  # bytes of one injected answer
INJECTIONS = "/faults/injections"
MAX_INJECTION_BODY = MAX_ANSWER * 4 // 3 + 65_536  # of the request that carries it in base64

_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_MEDIA = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,60}/[A-Za-z0-9!#$&^_.+-]{1,60}(?:; ?[ -~]{1,400})?")

FaultId = Annotated[str | None, Query(max_length=200, description="Une seule panne ; toutes sans lui.")]
Armable = Literal[
    "timeout", "latency", "bandwidth", "dribble", "reset", "empty", "garbage", "half_close", "slow_close",
    "tls", "status", "malformed", "business", "soap",
]  # fmt: skip


class Reach(Asked):
    """How long, how many, how often, and whom."""

    operation: str = Field(
        max_length=60, description="Opération touchée, ou SERVICE.* (sauf MSS).", examples=["DMP.TD2.1"],
        json_schema_extra={"enum": [*operations(), "INS.*", "DMP.*", "PSC.*", "ANN.*"]},
    )  # fmt: skip
    id: str | None = Field(None, max_length=200, description="Nom de la panne ; sinon elle en reçoit un.")
    for_next: int | None = Field(None, ge=1, le=1_000_000, description="Nombre d'appels touchés ; 1 par défaut.")
    for_s: float | None = Field(None, gt=0, le=86400, description="Durée, en secondes ; sans fin par défaut.")
    rate: float = Field(1, gt=0, le=1, description="Part des appels touchés.")
    seed: int | None = Field(None, ge=0, le=2**53, description="Graine des tirages ; celle du bac à sable et le nom par défaut.")
    tenant: str | None = Field(None, max_length=200, description="Seuls les appels de cet éditeur.")
    caller: str | None = Field(
        None, max_length=300,
        description="Seul cet appelant : FINESS ET, struct_id ou empreinte SHA-256 du certificat, client_id, boîte, clé d'API.",
    )  # fmt: skip
    person: str | None = Field(
        None, max_length=15, description="Seuls les appels sur cette personne de la population : matricule, jamais montré."
    )


class FaultAsked(Reach):
    kind: Armable = Field(description="Ce que la panne fait : docs/pannes.md.", examples=["timeout"])
    value: str | int = Field(
        "", description="Statut de « status » (IMAP : NO, BAD ou BYE), code officiel de « business », forme de « malformed ».",
        examples=["503"],
    )
    delay_s: float = Field(0, ge=0, le=3600, description="Attente de timeout, latency et slow_close ; pause de dribble.")
    step: str | None = Field(
        None, max_length=20, description="Étape d'un dialogue SMTP ou IMAP, parmi les « steps » de GET /faults/codes."
    )
    law: LawName | None = Field(None, description="Loi de « latency » : fixed par défaut.")
    min_s: float | None = Field(None, ge=0, le=3600, description="Loi uniform.")
    max_s: float | None = Field(None, ge=0, le=3600, description="Loi uniform.")
    median_s: float | None = Field(None, gt=0, le=3600, description="Loi lognormal : médiane.")
    p95_s: float | None = Field(None, gt=0, le=3600, description="Loi lognormal : 95 % des attentes sont plus courtes.")
    cap_s: float | None = Field(None, gt=0, le=3600, description="Loi lognormal : plafond.")
    bytes_per_s: int | None = Field(None, ge=1, le=1_000_000_000, description="Débit de « bandwidth », en octets par seconde.")
    retry_after_s: int | None = Field(None, ge=0, le=86400, description="En-tête Retry-After de « status ».")


class InjectionAsked(Reach):
    body_base64: str = Field(description="Corps de la réponse, en base64 ; 2 Mio au plus.", examples=["PGEvPg=="])
    status: int = Field(200, ge=200, le=599, description="Statut HTTP.")
    content_type: str = Field(max_length=500, description="Content-Type.", examples=["application/soap+xml; charset=utf-8"])
    acts: bool = Field(True, description="Le service fait son travail avant cette réponse ; sinon il ne fait rien.")


class AnswerTold(Told):
    size_bytes: int
    status: int
    content_type: str
    acts: bool


class FaultTold(Told):
    id: str
    operation: str
    kind: Kind
    value: str
    for_next: int
    delay_s: float
    rate: float
    for_s: float | None
    step: str | None
    law: LawName | None
    min_s: float | None
    max_s: float | None
    median_s: float | None
    p95_s: float | None
    cap_s: float | None
    bytes_per_s: int | None
    retry_after_s: int | None
    seed: int | None
    tenant: str | None
    caller: str | None = Field(description="Une clé d'API et une boîte ne sont pas montrées.")
    one_person: bool = Field(description="Une seule personne est visée ; son matricule n'est pas montré.")
    answer: AnswerTold | None = Field(description="D'une injection.")


class FaultArmed(FaultTold):
    left: int = Field(description="Appels qu'elle touchera encore.")
    left_s: float | None = Field(description="Secondes qu'il lui reste ; sans fin si null.")
    touched: int = Field(description="Appels qu'elle a touchés.")


class Faults(Told):
    faults: list[FaultArmed] = Field(description="Pannes armées, la plus ancienne d'abord.")


class Meaning(Told):
    codes: list[str]
    says: str = Field(description="Ce que ces codes disent à un logiciel.")
    steps: list[str] = Field(description="Étapes d'un dialogue SMTP ou IMAP où ils se rendent.")
    source: str = Field(description="Section des notes de référence ; vide pour ce qui est supposé.")
    why: str = Field(description="Pourquoi c'est supposé ; vide sinon.")


class OperationCodes(Told):
    operation: str
    steps: list[str]
    meanings: list[Meaning]


class PossibleCodes(Told):
    operations: list[OperationCodes] = Field(description="Codes que « business » (et « status » en SMTP et IMAP) peut rendre.")


def router(world: World, _mocks: Mapping[str, Mock]) -> APIRouter:
    routes = APIRouter(tags=["Pannes"])

    @routes.get("/faults", responses=refusals())
    async def faults() -> Faults:
        """Les pannes armées."""
        return _armed(world)

    @routes.get("/faults/codes", responses=refusals())
    async def codes() -> PossibleCodes:
        """Les codes officiels qu'une panne peut rendre, par opération."""
        return PossibleCodes(operations=[_codes_of(one) for one in operations()])

    @routes.post("/faults", status_code=201, responses=with_body(409))
    async def arm(wanted: FaultAsked) -> FaultTold:
        """Arme une panne."""
        return await _arm(world, wanted.model_dump(exclude_none=True), None)

    @routes.post(INJECTIONS, status_code=201, responses=with_body(409))
    async def inject(wanted: InjectionAsked) -> FaultTold:
        """Fait rendre ces octets exacts en place de la réponse du service."""
        answer = Injected(_bytes(wanted.body_base64), wanted.status, _media(wanted.content_type), wanted.acts)
        own = {"body_base64", "status", "content_type", "acts"}
        return await _arm(world, {**wanted.model_dump(exclude_none=True, exclude=own), "kind": "injection"}, answer)

    @routes.delete("/faults", responses=refusals())
    async def disarm(id: FaultId = None) -> Faults:
        """Désarme toutes les pannes, ou une seule ; celle qui n'est pas armée n'est pas une erreur."""
        await disarm_told(world, id)
        return _armed(world)

    return routes


async def disarm_told(world: World, fault_id: str | None = None) -> None:
    """Disarm one fault or all, and let the journal of the gateway say so."""
    armed = [fault for fault in world.faults.to_json() if fault_id in (None, fault["id"])]
    gone = [fault for fault in armed if view().owned(str(fault["tenant"]))]
    if fault_id is not None and armed and not gone:
        await note_refusal(world, ANOTHERS)
    for fault in gone:
        world.faults.disarm(str(fault["id"]))
    for fault in gone:
        await tell_fault(world.ports.get("console"), world.manifest["admin_key"], fault, armed=False)


async def _arm(world: World, wanted: dict[str, Any], answer: Injected | None) -> FaultTold:
    if (mine := view().tenant_for(wanted.get("tenant"))) is not None:
        wanted = {**wanted, "tenant": mine}
    _check_names(world, wanted)
    if any(one["id"] == wanted.get("id") and not view().owned(str(one["tenant"])) for one in world.faults.to_json()):
        raise NotYours(409, "« id » : une panne a déjà ce nom ; donnez-en un autre.", ANOTHERS)
    try:
        fault = world.faults.arm_json(wanted, answer)
    except InvalidFault as refusal:
        raise Refused(422, str(refusal)) from refusal
    await tell_fault(world.ports.get("console"), world.manifest["admin_key"], fault.to_json(), armed=True)
    return FaultTold(**fault.to_json())


def _check_names(world: World, wanted: Mapping[str, Any]) -> None:
    """Only who is of this sandbox: nobody else's number is held, even in memory."""
    callers = known_callers(world, view())
    person, caller, tenant = wanted.get("person"), wanted.get("caller"), wanted.get("tenant")
    bearer = None if person is None else world.population.bearer(person)
    if person is not None and (bearer is None or not view().meets(bearer)):
        raise Refused(422, "« person » n'est pas un matricule de la population du bac à sable (socle sandbox people list).")
    if caller is not None and not callers.knows(caller) and not _FINGERPRINT.fullmatch(caller):
        raise Refused(
            422, "« caller » n'est personne du bac à sable : FINESS ET, struct_id ou empreinte d'une structure, client_id, "
            "boîte ou clé d'API du manifeste sandbox.json.",
        )  # fmt: skip
    if tenant is not None and tenant not in callers.tenants():
        raise Refused(422, f"« tenant » n'est pas un éditeur du bac à sable ; possibles : {', '.join(callers.tenants())}.")


def _bytes(text: str) -> bytes:
    try:
        body = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Refused(422, "« body_base64 » n'est pas du base64.") from None
    if len(body) > MAX_ANSWER:
        raise Refused(422, f"Réponse trop longue : au plus {MAX_ANSWER} octets.")
    return body


def _media(text: str) -> str:
    if not _MEDIA.fullmatch(text):
        raise Refused(422, "« content_type » n'est pas un type de média, comme application/json ou text/xml; charset=utf-8.")
    return text


def _armed(world: World) -> Faults:
    return Faults(faults=[FaultArmed(**fault) for fault in world.faults.to_json() if view().owned(str(fault["tenant"]))])


def _codes_of(operation: str) -> OperationCodes:
    rows = [row for row in read_codes() if operation in row.operations]
    meanings = [
        Meaning(codes=list(row.codes), says=row.says, steps=list(row.steps), source=row.source, why=row.why) for row in rows
    ]
    return OperationCodes(operation=operation, steps=list(steps_of(operation)), meanings=meanings)
