"""Builds the gateway from its settings: the only place that wires parts together (design §2)."""
from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from connectors.dmp.client import BASE_PATH, Deposited, DmpAsker
from connectors.dmp.messages import Lps
from connectors.wire import tls
from connectors.wire.clock import SystemClock
from connectors.wire.saml import load_signer
from connectors.wire.serving import HttpService, Running, Service, base_url, ports, take_refused
from gateway.access.callers import Access, Identity
from gateway.access.denials import Denials
from gateway.access.deposits import Deposits
from gateway.access.identities import IdentityStore
from gateway.access.keys import OwnKeys
from gateway.access.profile import Profile
from gateway.access.rights import Keys
from gateway.access.signers import Authorities
from gateway.access.start_guard import check_start
from gateway.among import Among
from gateway.conformance.live import Observer, eyes_of
from gateway.doors.annuaire import AnnuaireDoor
from gateway.doors.closing_api import ClosingApi
from gateway.doors.conformance_api import DirectApi
from gateway.doors.console import Console
from gateway.doors.dmp import DmpDoor
from gateway.doors.insi import InsiDoor, InsiOneWayDoor
from gateway.doors.journal_api import JournalApi
from gateway.doors.mail.smtp import SmtpDoor
from gateway.doors.native import NativeApp
from gateway.doors.one_console import OneConsole
from gateway.doors.own.decision import DecisionDoor
from gateway.doors.own.dmp import FeedDoor
from gateway.doors.own.dui import ExtractionDoor
from gateway.doors.own.http import OwnDoors
from gateway.doors.own.ins import SearchDoor
from gateway.doors.own.ins_lots import DepositDoor, RetrievalDoor
from gateway.doors.own.ins_service import InsService
from gateway.doors.own.ins_verification import VerificationDoor
from gateway.doors.own.mss import LetterDoor
from gateway.doors.proof_api import ProofApi
from gateway.doors.psc import PscDoor
from gateway.doors.reading import Gate
from gateway.doors.registry_api import RegistryApi
from gateway.doors.rerun_api import RerunApi
from gateway.doors.tenants_api import TenantsApi
from gateway.doors.usage_api import UsageApi
from gateway.gaps import Gaps
from gateway.grappes.registrar import Registrar
from gateway.grappes.registry import Registry
from gateway.heeding import CLAIMED, Heeding
from gateway.journal.bodies import Keeper
from gateway.journal.journal import Journal
from gateway.journal.location import choose
from gateway.journal.query import JournalReader
from gateway.journal.record import JournalError
from gateway.journal.recovery import SettlementWorker
from gateway.journal.standing import clock_of
from gateway.lead import Lead
from gateway.metrics import GatewayCollector
from gateway.operations import OPERATIONS
from gateway.population import People
from gateway.rerunning import SEARCH_PATH, VERIFICATION_PATH, Reruns
from gateway.road import NativeDoor, Road
from gateway.settings import Settings, Upstream
from gateway.starts import note_start

_UPSTREAMS: dict[Upstream, str] = {
    "INS": "mock-insi", "INS-ONEWAY": "mock-insi-oneway", "DMP": "mock-dmp", "PSC": "mock-psc", "PSC-WALLET": "mock-psc-wallet",
    "ANN": "mock-annuaire", "MSS": "mock-smtp",
}  # fmt: skip
_SMTP = 587  # where an operator takes mail (RFC 6409)
_OWN_OID = "1.2.250.1.999.99"  # fictitious root under which the gateway numbers its own questions
_SETTLE_EVERY_S = 30.0
_SETTLE_FIRST_S, _SETTLE_AGAIN_S = 300.0, 3600.0  # design §5.3: « not found » is heard twice before it means failed


@dataclass(slots=True)
class Gateway:
    """Every part of one gateway process, wired; ``run`` serves until told to stop."""

    settings: Settings
    clock: SystemClock
    journal: Journal
    access: Access
    registry: Registry
    manifest: dict[str, Any]
    ports: dict[str, int]
    accept_fork: bool = False  # take the journal as it is when its checkpoints say otherwise
    worker: int = 1  # which of the processes that share the folder
    among: Among | None = None  # the other gateways of the journal, from ``run`` on; None where there can be none
    keys: Keys = field(default_factory=Keys)  # for reading, from ``services`` on
    observer: Observer = field(init=False)
    road: Road = field(init=False)
    smtp: SmtpDoor = field(init=False)
    gaps: Gaps = field(init=False)
    denials: Denials = field(init=False)
    deposits: Deposits = field(init=False)
    registrar: Registrar = field(init=False)
    lead: Lead = field(init=False)
    _asker: DmpAsker = field(init=False)
    _background: set[asyncio.Task[None]] = field(default_factory=set)

    @classmethod
    def open(cls, settings: Settings, *, accept_fork: bool = False, worker: int = 1) -> Gateway:
        """Open the journal and read who may call. Raises JournalLocked, JournalUnsafe, WrongStore, WrongProfile,
        FileNotFoundError, ValueError."""
        if settings.store is not None:
            choose(settings.journal, settings.store.get_secret_value())
        sandbox = settings.sandbox
        manifest = orjson.loads((sandbox / "sandbox.json").read_bytes())
        listeners = ports()
        called = {service: upstream_of(settings, service, listeners) for service in _UPSTREAMS}
        check_start(Profile(settings.environment), sandbox, manifest, called, IdentityStore(settings.identities))
        access = Access.from_manifest(sandbox)
        registry = Registry.load(settings.journal / "grappes")
        clock = clock_of(settings.journal)
        journal = Journal.open(
            settings.journal, environment=settings.environment, clock=clock, ballast_bytes=settings.ballast_mio << 20,
            log_id=worker,
        )  # fmt: skip
        return cls(settings, clock, journal, access, registry, manifest, listeners, accept_fork, worker=worker)

    def __post_init__(self) -> None:
        self.observer = self._observer()
        self.road = Road(
            self.journal, self.access, self.clock, self.settings.environment, self._upstream_tls, self.settings.deadline_s,
            {name: seconds for name in _UPSTREAMS if (seconds := self.settings.patience_of(name)) is not None},
            self._keeper(), self.observer,
        )  # fmt: skip
        patience_s, deadline_s = OPERATIONS["MSS.SOUMISSION"].waits(self.settings.deadline_s, self.settings.patience_of("MSS"))
        self.smtp = SmtpDoor(
            journal=self.journal, access=self.access, registry=self.registry, clock=self.clock,
            upstream=self._behind("MSS"), server_tls=self._door_tls("optional"),
            client_tls=tls.client_context(self._ca), environment=self.settings.environment,
            deadline_s=deadline_s, patience_s=patience_s if patience_s < deadline_s else None,
            observer=self.observer, tls_for=lambda identity: self._upstream_tls("MSS", identity), touches=self.road.touches,
        )  # fmt: skip
        lps = Lps("Socle", "0.1.0", str(self.manifest["dmp_homologation"]), _OWN_OID)
        self._asker = DmpAsker(self._upstream("DMP") + BASE_PATH, self.clock, lps, self._deposited)
        self.deposits = Deposits(
            IdentityStore(self.settings.identities), self.access, self.journal, self.clock,
            self.access.tenants, self._asker.forget, Profile(self.settings.environment),
        )  # fmt: skip
        self.access.changed = self._asker.forget
        self.deposits.load()
        self.registrar = Registrar(self.journal, self.clock, self.settings.journal / "grappes", self.registry)
        self.lead = Lead(
            self.settings, self.journal, self.clock, self.registry, self.registrar, self._along, accept_fork=self.accept_fork
        )
        self.denials = Denials(self.journal, self.clock)
        self.gaps = Gaps(self.journal, self.clock, [take_refused, self.road.take_refused, self.smtp.take_refused])

    def _keeper(self) -> Keeper:
        """What is kept of messages; where everybody is fictitious, nothing that speaks of somebody else (design §7)."""
        known = None
        if self.settings.bodies and self.settings.environment == "bac_a_sable":
            known = People.of(self.settings.sandbox).knows_person
        return Keeper(self.settings.bodies, self.settings.body_max_kio * 1024, known)

    def _observer(self) -> Observer:
        """What conformance reads; it knows who is fictitious only where a sandbox says so."""
        simulated = self.settings.environment != "production"
        return Observer(eyes_of(self.journal.vault, People.of(self.settings.sandbox) if simulated else None))

    # --- what listens ---------------------------------------------------------------------------------------------

    def services(self) -> list[Service]:
        """Every listener of the gateway (design §8)."""
        insi = InsiDoor(self._upstream("INS"))
        one_way = InsiOneWayDoor(self._upstream("INS-ONEWAY"), Authorities((self._ca, self._ca.with_name("persons.pem"))))
        dmp = DmpDoor(self._upstream("DMP"), self.registry, self.clock.business)
        psc = PscDoor(self._upstream("PSC"), self._upstream("PSC-WALLET"))
        annuaire = NativeApp(AnnuaireDoor(self._upstream("ANN")), self.road, "annuaire")
        keys, doors = OwnKeys.from_manifest(self.settings.sandbox, self.access), self._own_doors(dmp)
        own = OwnDoors(doors, keys, self.road)
        natives: dict[str, NativeDoor] = {"INS": insi, "PSC": psc}
        reruns = Reruns(self.road, self.access, keys, natives, doors, self.settings.rerun_in_production)
        return [
            HttpService("console", own.beside(self._console(reruns), "console"), dated=False),
            HttpService("annuaire", own.beside(annuaire, "annuaire"), self._door_tls("none"), dated=False),
            self._native("insi", insi, self._door_tls("required")),
            self._native("insi-oneway", one_way, self._door_tls("none")),
            self._native("dmp", dmp, self._door_tls("required", "dmp")),
            self._native("psc", psc, self._door_tls("optional")),
            self._native("psc-wallet", psc, self._door_tls("none")),
            self.smtp.service(),
        ]

    def _own_doors(self, dmp: DmpDoor) -> dict[str, Any]:
        """Our own doors by their paths: the same operations, towards the same services, by the same road."""
        insi = InsService(self.road, self._upstream("INS"), str(self.manifest["idam"]), self.clock)
        return {
            SEARCH_PATH: SearchDoor(insi),
            VERIFICATION_PATH: VerificationDoor(insi),
            "/ins/verification/lots": DepositDoor(insi),
            "/ins/verification/lots/{lot}/resultats": RetrievalDoor(insi),
            "/ins/decision": DecisionDoor(self.road),
            "/dmp/documents": FeedDoor(self.road, dmp, str(self.manifest["dmp_homologation"]), self.access.signer),
            "/mss/messages": LetterDoor(self.smtp),
            "/dui/extraction": ExtractionDoor(self.road, self.registry),
        }

    def _native(self, listener: str, door: NativeDoor, context: ssl.SSLContext) -> HttpService:
        return HttpService(listener, NativeApp(door, self.road, listener), context, dated=False)

    def _console(self, reruns: Reruns) -> Any:
        behind = {name: self._behind(service) for service, name in _UPSTREAMS.items()}
        console = Console(
            self.journal, self.clock, self.settings.environment, self.manifest["admin_key"], behind, self._busy,
            self.settings.retention(),
        )
        console.deposits, console.denials, console.direct = self.deposits, self.denials, self.observer.direct
        console.touches, console.resting = self.road.touches, self.lead.resting
        console.registry.register(GatewayCollector(self.settings.journal, self._busy))
        app = console.app()
        if self.among is not None:
            console.tell, console.gateways = self.among.tell, self.among.live
        with JournalReader(self.settings.journal) as reader:
            self.keys = Keys.from_journal(reader)
        gate = Gate(self.keys, self.denials)
        direct = DirectApi(gate, self.observer.direct, self.journal, self.clock)
        usage = UsageApi(self.journal, self.clock, gate, self.registry, self.settings.environment)
        journal = JournalApi(self.journal, self.clock, self.keys, self.denials, console.check_admin, self.registry)
        again = RerunApi(reruns, self.journal, gate, self.registry, console.check_admin)
        journal.mount(app, [usage.router(), direct.router(), again.router()])
        app.include_router(again.hidden())
        TenantsApi(self.journal, self.keys, self.deposits, self.denials, console.check_admin).mount(app)
        RegistryApi(self.registrar, self.settings.environment, console.check_admin).mount(app)
        ClosingApi(self.lead.closer, self.journal, self.clock, console.check_admin).mount(app)
        ProofApi(self.journal, lambda: self.lead.notary, console.check_admin).mount(app)
        if self.among is not None:
            self.lead.console = OneConsole(app, self.among)
        return self.lead.console or app

    def _busy(self) -> int:
        return self.road.in_flight + self.smtp.in_flight

    # --- trust ----------------------------------------------------------------------------------------------------

    @property
    def _ca(self) -> Path:
        return self.settings.sandbox / str(self.manifest["pki"]["ca"])

    def _door_tls(self, client: tls.ClientCertificate, profile: tls.Profile = "standard") -> ssl.SSLContext:
        pki, folder = self.manifest["pki"], self.settings.sandbox
        server = pki["server"]
        return tls.server_context(
            folder / server["cert"], folder / server["key"], ca=self._ca, crl=folder / pki["crl"], client=client, profile=profile
        )

    def _upstream_tls(self, service: str, identity: Identity | None) -> ssl.SSLContext:
        profile: tls.Profile = "dmp" if service == "DMP" else "standard"
        if identity is None:
            return tls.client_context(self._ca, profile=profile)
        return tls.client_context(self._ca, cert=identity.cert, key=identity.key, profile=profile)

    def _upstream(self, service: Upstream) -> str:
        return upstream_of(self.settings, service, self.ports)

    def _behind(self, service: Upstream) -> tuple[str, int]:
        """Where a service listens."""
        called = urlsplit(self._upstream(service))
        return str(called.hostname), called.port or (_SMTP if service == "MSS" else 443)

    # --- settlement -----------------------------------------------------------------------------------------------

    def _settlement(self) -> SettlementWorker:
        first = self.settings.settle_retry_s
        return SettlementWorker(
            self.journal, {"DMP.TD2.1": self._asker}, self.clock,
            waits_s=(first, first * _SETTLE_AGAIN_S / _SETTLE_FIRST_S), every_s=min(_SETTLE_EVERY_S, first),
        )  # fmt: skip

    def _deposited(self, struct_id: str) -> Deposited | None:
        identity, signer = self.access.tls_identity(struct_id), self.access.signer(struct_id)
        if identity is None or signer is None:
            return None
        sector = self.access.sector(struct_id) or "SA17"
        return Deposited(self.road.client("DMP", identity), load_signer(signer.cert, signer.key), sector)

    # --- life -----------------------------------------------------------------------------------------------------

    async def run(self, announce: Any, until_stopped: Any) -> None:
        """Serve until ``until_stopped()`` returns; then finish what is in flight and write what is owed.

        ``announce(name, url)`` is called per listener once all listen, then ``announce(None, None)``.
        Raises OSError when a port is taken, JournalForked when the journal is not what its checkpoints say.
        """
        self.among = Among(self.journal, self._heed, self.lead.begin) if self.journal.shared else None
        services = self.services()
        try:
            await (self.lead.begin() if self.among is None else self.among.start())
        except JournalError:
            await self._leave()
            raise
        await note_start(self.journal, self.settings, self.access.tenants())
        self._along(self._settlement().run(), self.gaps.run(), self.denials.run())
        if self.among is not None:
            self.road.touches.taken = self._claimed
            self._along(self.among.run())
        running = await Running.start(services)
        try:
            stopped = asyncio.create_task(until_stopped())
            await asyncio.sleep(0)  # signals are listened to before anybody is told that we are ready
            for name, url in running.urls.items():
                announce(name, url)
            announce(None, None)
            await stopped
        finally:
            grace_s = self.settings.drain_s
            self.observer.direct.close()  # whoever reads along would keep a listener open
            await asyncio.gather(running.stop(grace_s), self.smtp.drain(grace_s))
            await self.road.drain(grace_s)
            for task in self._background:
                task.cancel()
            await asyncio.gather(*self._background, return_exceptions=True)
            await self.road.close()
            for flush in (self.denials.flush(ending=True), self.gaps.flush()):
                with contextlib.suppress(Exception):  # one that fails must not cost the other its entry
                    await flush
            await self._leave()

    def _along(self, *work: Coroutine[Any, Any, None]) -> None:
        for one in work:
            task = asyncio.create_task(one)
            self._background.add(task)
            task.add_done_callback(self._background.discard)

    async def _leave(self) -> None:
        """The lead goes to another one after the last signature, the log after that."""
        await self.lead.end()
        if self.among is not None:
            await self.among.close()
        await self.journal.close()

    @property
    def cut_off(self) -> Exception | None:
        """Why this process can promise nothing more; None while it can."""
        return self.journal.broken or (None if self.among is None else self.among.lost)

    async def _heed(self, detail: dict[str, Any]) -> None:
        heeding = Heeding(
            self.journal, self.keys, self.deposits, self.registry, self.observer.direct, self.road.touches
        )
        await heeding(detail)

    def _claimed(self, fault: str, operation: str) -> None:
        async def told() -> None:
            assert self.among is not None
            with contextlib.suppress(JournalError):
                await self.among.tell({"action": CLAIMED, "fault": fault, "operation": operation})

        self._along(told())


def upstream_of(settings: Settings, service: Upstream, listeners: Mapping[str, int]) -> str:
    """The address of a service: what was set, else its mock on this machine."""
    name = _UPSTREAMS[service]
    return settings.upstreams.get(service) or base_url(name, listeners[name])
