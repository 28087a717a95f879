"""The loopback listener of the gateway itself: health, readiness, metrics, and the clock's admin call."""
from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Annotated, Any, Literal

import orjson
from fastapi import Depends, FastAPI, Header, HTTPException
from fastapi import Request as HttpRequest
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from pydantic import BaseModel, ConfigDict, Field

from connectors.nomenclatures.identifiers import parse_matricule
from connectors.wire.clock import ClockGoesBack, SystemClock
from gateway.access.denials import UNKNOWN, Denials
from gateway.access.deposits import Deposits
from gateway.access.identities import IdentityRefused, MutualService, from_pem
from gateway.among import NotEverywhere
from gateway.conformance.direct import Direct
from gateway.journal.authors import Author
from gateway.journal.connection import StoreBusy
from gateway.journal.erasure import erase
from gateway.journal.journal import Journal
from gateway.journal.record import JournalFull, NotInDoubt, Record
from gateway.journal.resealing import AlreadyResealing, KeyOpensNothing, reseal
from gateway.journal.retention import AlreadyRetaining, RestingAt, Retention, retain
from gateway.journal.standing import CLOCK_ACTION
from gateway.settling import Decision, decide
from gateway.touches import Touches

_NO_ROOM = "Le journal n'a plus de place : rien n'a été changé. Recommencez plus tard."
_NOT_NOW = "Le journal n'a plus de place, ou un autre programme tient son fichier : rien ne s'y écrit. Recommencez plus tard."
_ONE_GATEWAY = (
    "Le bac à sable ne change d'heure ou d'état que devant une seule passerelle : plusieurs dateraient autrement les mêmes "
    "appels. Rien n'a été changé : arrêtez les autres, ou relancez avec --workers 1, changez, puis relancez-les : l'heure est au "
    "journal, toutes la reprennent."
)
_KEY_NOT_FOLLOWED = (
    "Une autre passerelle de ce journal ne suit pas : rien n'est encore scellé à nouveau. Vérifiez-la, puis redemandez : "
    "le changement de clé reprendra où il en est."
)
_PROBE_TIMEOUT_S = 1.0
_TOUCHED = r"^[A-Z]{3}\.([A-Z0-9_.]{1,40}|\*)$"  # an operation, or a whole service
FAULT, TOUCHED = "fault", "fault_touched"  # of the entry of a fault; of what the other gateways are told of a touch
_QUIET_TRIES, _QUIET_PAUSE_S = 100, 0.05


class ClockJump(BaseModel):
    """The sandbox's new offset, in seconds, and its version."""

    offset_s: float
    version: int


class FaultNote(BaseModel):
    """A fault that the sandbox armed or disarmed: codes only, nothing that a client chose."""

    id: str = Field(pattern=r"^[A-Za-z0-9-]{1,64}$")
    operation: str = Field(pattern=_TOUCHED)
    kind: str = Field(pattern=r"^[a-z_]{1,32}$")
    armed: bool


class TouchNote(BaseModel):
    """A fault that is about to leave a call without an answer."""

    id: str = Field(pattern=r"^[A-Za-z0-9-]{1,64}$")
    operation: str = Field(pattern=_TOUCHED)
    kind: Literal["timeout", "reset"]


class SandboxNote(BaseModel):
    """What is about to become of the sandbox's mocks; ``name`` is a data set's or a snapshot's, in which no number fits.

    tenant  whose part alone it is, None for the whole
    """

    act: Literal["reset", "load", "snapshot", "restore", "remove"]
    name: str | None = Field(None, pattern=r"^[a-z]([a-z-]|[0-9]{1,6}([a-z-]|$)){0,39}$")
    tenant: str | None = Field(None, pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")


class Asked(BaseModel):
    """Who asks for an administrative act, for its entry."""

    by: Author


class BackupNote(Asked):
    """A copy that is made: what names it, and how far it goes."""

    copied: str = Field(alias="copy", pattern=r"^[0-9a-f]{64}$")
    made_at: str = Field(pattern=r"^[0-9T:.Z-]{20,32}$")
    entries: int = Field(ge=0)


class ExportNote(Asked):
    """A file of entries that a command writes: its form, and the names of the filters, not what was asked of them."""

    format: Literal["csv", "ndjson", "zip"]
    filters: list[Annotated[str, Field(pattern=r"^[a-z_]{1,32}$")]] = Field(max_length=32)


class UsageExportNote(Asked):
    """Files of measures that a command writes: which measures, in what forms, and the digest of their manifest."""

    format: Literal["usage"]
    grappe: str = Field(pattern=r"^[a-z0-9-]{1,64}$")
    formats: list[Annotated[str, Field(pattern=r"^[a-z]{1,16}$")]] = Field(max_length=16)
    version: str = Field(pattern=r"^(provisoire|v[0-9]{1,6})$")
    period_start: str = Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")
    period_end: str = Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")
    manifest_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Settlement(BaseModel):
    """A person's word on an entry in doubt."""

    entry: str = Field(pattern=r"^[0-9a-f-]{36}$")
    outcome: Decision
    by: str = Field(min_length=1, max_length=200)
    reason: str = Field(min_length=1, max_length=2000)


class Deposit(BaseModel):
    """An identity as PEM texts; never logged, and not given back when something is wrong with it."""

    model_config = ConfigDict(hide_input_in_errors=True)

    service: MutualService
    use: Literal["auth", "sign"]
    cert: str = Field(max_length=65_536, repr=False)
    key: str = Field(max_length=65_536, repr=False)
    tenant: str | None = Field(None, max_length=64)
    finess_ej: str | None = Field(None, pattern=r"^[0-9A-Z]{9}$")
    by: str = Field(min_length=1, max_length=200)


class Removal(BaseModel):
    name: str = Field(max_length=64)
    by: str = Field(min_length=1, max_length=200)


async def _one() -> int:
    return 1


async def _not_now(_request: HttpRequest, _error: Exception) -> Response:
    """An act whose entry cannot be written, where its own answer does not say more."""
    return JSONResponse({"detail": _NOT_NOW}, 503)


@dataclass(slots=True)
class Console:
    """What the console needs from the gateway.

    upstreams  name → (host, port) of each service behind a door, probed by /readyz
    busy       how many calls are in flight right now
    deposits   where identities are deposited; None where a console has none
    direct     values shown live, which an erasure takes away
    touches    injected faults of which nothing comes back
    resting    what measures rest on; entries stay where nobody says it
    tell       says to the other gateways of the journal what is no entry; None where there is one
    gateways   how many of them live
    denials    where attempts without the admin key are noted
    """

    journal: Journal
    clock: SystemClock
    environment: str
    admin_key: str
    upstreams: dict[str, tuple[str, int]]
    busy: Callable[[], int]
    retention: Retention = field(default_factory=Retention)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    deposits: Deposits | None = None
    denials: Denials | None = None
    direct: Direct | None = None
    touches: Touches = field(default_factory=Touches)
    resting: RestingAt | None = None
    tell: Callable[[dict[str, Any]], Awaitable[None]] | None = None
    gateways: Callable[[], Awaitable[int]] = _one
    _moving: asyncio.Lock = field(default_factory=asyncio.Lock)

    def app(self) -> FastAPI:
        app = FastAPI(
            title="Socle", docs_url=None, redoc_url=None, openapi_url=None,
            telemetry={"logs": False, "operation_spans": False},
        )  # fmt: skip
        app.exception_handler(JournalFull)(_not_now)
        app.exception_handler(StoreBusy)(_not_now)
        app.get("/healthz")(self._healthz)
        app.get("/readyz")(self._readyz)
        app.get("/metrics")(self._metrics)
        app.post("/admin/clock", dependencies=[Depends(self.check_admin)])(self._clock)
        app.post("/admin/fault", dependencies=[Depends(self.check_admin)])(self._fault)
        app.post("/admin/sandbox", dependencies=[Depends(self.check_admin)])(self._sandbox)
        app.post("/admin/backup", dependencies=[Depends(self.check_admin)])(self._backup)
        app.post("/admin/export", dependencies=[Depends(self.check_admin)])(self._export)
        app.post("/admin/fault/touched", dependencies=[Depends(self.check_admin)])(self._touched)
        app.post("/admin/settle", dependencies=[Depends(self.check_admin)])(self._settle)
        if self.deposits is not None:
            app.post("/admin/identities", dependencies=[Depends(self.check_admin)])(self._deposit)
            app.post("/admin/identities/remove", dependencies=[Depends(self.check_admin)])(self._remove)
        app.post("/admin/erasure", dependencies=[Depends(self.check_admin)])(self._erasure)
        app.post("/admin/reseal", dependencies=[Depends(self.check_admin)])(self._reseal)
        app.post("/admin/retention", dependencies=[Depends(self.check_admin)])(self._retention)
        return app

    async def _healthz(self) -> Response:
        return PlainTextResponse("ok\n")

    async def _readyz(self) -> Response:
        """200 when a call could be served now; else 503 with the reasons, in French."""
        reasons = [] if not self.journal.full else ["le journal n'a plus de place"]
        probes = [_reachable(host, port) for host, port in self.upstreams.values()]
        for name, reachable in zip(self.upstreams, await asyncio.gather(*probes), strict=True):
            if not reachable:
                reasons.append(f"le service « {name} » n'est pas joignable")
        return JSONResponse({"ready": not reasons, "reasons": reasons}, 200 if not reasons else 503)

    async def _metrics(self) -> Response:
        return Response(generate_latest(self.registry), media_type=CONTENT_TYPE_LATEST)

    async def _clock(self, jump: ClockJump) -> Response:
        """Move business time forward once no call is in flight, else 409; the jump is an admin entry (design §7)."""
        if await self.gateways() > 1:
            return JSONResponse({"detail": _ONE_GATEWAY}, 409)
        if not await self._quiet():
            return JSONResponse({"detail": "Des appels sont en cours : l'horloge ne bouge pas. Réessayez."}, 409)
        async with self._moving:
            moved = SystemClock(self.clock.offset, self.clock.version)
            try:
                moved.jump(timedelta(seconds=jump.offset_s), jump.version)
            except ClockGoesBack:
                return JSONResponse({"detail": "L'horloge du bac à sable ne recule pas."}, 409)
            await self._note({"action": CLOCK_ACTION, "offset_us": round(jump.offset_s * 1e6)}, moved)
            self.clock.jump(moved.offset, moved.version)  # not before its entry is durable: a restart would undo it
        return JSONResponse({"offset_s": jump.offset_s, "version": jump.version})

    async def _fault(self, fault: FaultNote) -> Response:
        """Note that a fault is armed or disarmed: what it touches can then be told from what a DUI did."""
        if fault.kind == "tls":
            self.touches.handshakes(fault.operation, armed=fault.armed)
        said = {"fault": fault.id, "operation": fault.operation, "kind": fault.kind, "armed": fault.armed}
        await self._note({"action": FAULT, **said})
        return JSONResponse({"noted": fault.id})

    async def _sandbox(self, note: SandboxNote) -> Response:
        """Note what becomes of the mocks' state once no call is in flight, else 409: their state is not the DUI's doing.

        A tenant's own part is its own doing, whatever it calls meanwhile: it does not wait for the calls of others."""
        whole = note.tenant is None
        if whole and await self.gateways() > 1:
            return JSONResponse({"detail": _ONE_GATEWAY}, 409)
        if whole and not await self._quiet():
            return JSONResponse({"detail": "Des appels sont en cours : rien n'a été changé. Réessayez."}, 409)
        whose = {} if whole else {"tenant": note.tenant}
        try:
            await self._note({"action": "sandbox", "act": note.act, "name": note.name, **whose})
        except JournalFull:
            return JSONResponse({"detail": _NO_ROOM}, 503)
        return JSONResponse({"noted": note.act})

    async def _backup(self, said: BackupNote) -> Response:
        """Note a copy before it is given to whoever asked for it."""
        return await self._told("backup", said)

    async def _export(self, said: ExportNote | UsageExportNote) -> Response:
        """Note a file before its first line is written."""
        return await self._told("export", said)

    async def _told(self, action: str, said: Asked) -> Response:
        try:
            await self._note({"action": action, **said.model_dump(by_alias=True)})
        except JournalFull:
            return JSONResponse({"detail": _NO_ROOM}, 503)
        return JSONResponse({"noted": action})

    async def _touched(self, touch: TouchNote) -> Response:
        """Kept in memory until the call that it concerns finds no answer: its own entry then names the fault."""
        self.touches.note(touch.id, touch.operation, touch.kind)
        if self.tell is not None:
            await self.tell({"action": TOUCHED, **touch.model_dump()})
        return JSONResponse({"noted": touch.id})

    async def _erasure(self, request: HttpRequest) -> Response:
        """Erase a person: ``{"matricule", "by"}``. What is wrong with the body is said without repeating it."""
        try:
            asked = orjson.loads(await request.body())
            matricule, who = parse_matricule(str(asked["matricule"])), Asked(by=asked["by"])
        except (ValueError, KeyError, TypeError):
            return JSONResponse({"detail": "Attendu : un matricule de 15 caractères dont la clé est juste, et qui demande."}, 400)
        if self.direct is not None:
            self.direct.forget()
        return JSONResponse(asdict(await erase(self.journal, matricule, by=who.by)))

    async def _retention(self, asked: Asked) -> Response:
        """Let go of what is past its delay."""
        try:
            removed = await retain(self.journal, self.retention, self.clock.real(), by=asked.by, resting=self.resting)
        except AlreadyRetaining as error:
            return JSONResponse({"detail": f"Rien n'a été fait : {error}."}, 409)
        return JSONResponse(asdict(removed))

    async def _reseal(self, asked: Asked) -> Response:
        """Change the key that seals; what found no room is finished by asking again."""
        try:
            return JSONResponse(asdict(await reseal(self.journal, by=asked.by)))
        except KeyOpensNothing as error:
            return JSONResponse({"detail": f"La passerelle refuse : {error}. Rien n'a été changé."}, 409)
        except AlreadyResealing:
            return JSONResponse({"detail": "Le changement de clé est déjà en cours : laissez-le finir."}, 409)
        except JournalFull:
            return JSONResponse({"detail": "Le journal n'a plus de place : le changement de clé est à reprendre."}, 503)
        except NotEverywhere:
            return JSONResponse({"detail": _KEY_NOT_FOLLOWED}, 503)

    async def _settle(self, settlement: Settlement) -> Response:
        """A person's decision on an entry in doubt (design §5.3); 409 when it is not, or no longer."""
        try:
            done = await decide(
                self.journal, self.clock, settlement.entry, settlement.outcome, by=settlement.by, reason=settlement.reason
            )
        except NotInDoubt:
            return JSONResponse({"detail": f"L'entrée {settlement.entry} n'est pas en doute, ou ne l'est plus."}, 409)
        except JournalFull:
            return JSONResponse({"detail": _NO_ROOM}, 503)
        return JSONResponse(done)

    async def _deposit(self, deposit: Deposit) -> Response:
        assert self.deposits is not None
        try:
            candidate = from_pem(deposit.cert.encode(), deposit.key.encode())
            done = await self.deposits.add(
                candidate, deposit.service, deposit.use, by=deposit.by, tenant=deposit.tenant, finess_ej=deposit.finess_ej
            )
        except IdentityRefused as refused:
            return JSONResponse({"detail": str(refused)}, 409)
        except JournalFull:
            return JSONResponse({"detail": _NO_ROOM}, 503)
        return JSONResponse(done)

    async def _remove(self, removal: Removal) -> Response:
        assert self.deposits is not None
        try:
            return JSONResponse(await self.deposits.remove(removal.name, by=removal.by))
        except IdentityRefused as refused:
            return JSONResponse({"detail": str(refused)}, 409)
        except JournalFull:
            return JSONResponse({"detail": _NO_ROOM}, 503)

    async def _quiet(self) -> bool:
        """Wait a little for the calls in flight to end; True when none is left."""
        for _ in range(_QUIET_TRIES):
            if not self.busy():
                return True
            await asyncio.sleep(_QUIET_PAUSE_S)
        return not self.busy()

    async def _note(self, detail: dict[str, Any], clock: SystemClock | None = None) -> None:
        """``clock``: the one that dates the entry, when it is not yet the gateway's."""
        clock = clock or self.clock
        note = Record(None, kind="admin", environment=self.environment, tenant="passerelle")
        note.clock_version, note.event_time = clock.version, clock.business()
        note.detail = {"by": "bac_a_sable", **detail}
        await self.journal.write(note)

    async def check_admin(self, x_socle_admin_key: str = Header("")) -> None:
        """Raises HTTPException, and notes the attempt."""
        if not hmac.compare_digest(x_socle_admin_key.encode(), self.admin_key.encode()):
            if self.denials is not None:
                await self.denials.note(UNKNOWN, "cle_admin")
            raise HTTPException(403, "Clé d'administration absente ou fausse.")


def _reachable(host: str, port: int) -> Awaitable[bool]:
    async def probe() -> bool:
        try:
            async with asyncio.timeout(_PROBE_TIMEOUT_S):
                _, writer = await asyncio.open_connection(host, port)
        except (OSError, TimeoutError):
            return False
        writer.close()
        return True

    return probe()
