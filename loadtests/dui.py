"""Plays a plan: each ESSMS's professional logs in, looks a colleague up, feeds DMPs and writes; then what goes wrong.

ESSMS work side by side and their two lanes (DMP, mail) too; incidents happen alone, when nothing else runs, so that an
armed fault touches the call it was armed for. Business time jumps between days, when no call is left.
"""
from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from connectors.wire.saml import Signer, load_signer
from loadtests import failures, scenario
from loadtests.calls import Reading
from loadtests.control import Control
from loadtests.doors import Doors
from loadtests.scenario import Act, Incident, Plan
from loadtests.users.annuaire import AnnuaireUser
from loadtests.users.dmp import DmpUser, Numbers
from loadtests.users.insi import InsiUser
from loadtests.users.mail import MailUser
from loadtests.users.psc import PscUser
from loadtests.world import Pem, Person, Professional, Structure, World

_PARIS = ZoneInfo("Europe/Paris")
_MORNING = time(9, 30)
_AFTERWARDS = timedelta(days=6)  # five days of grace after the last month, then its window is closed (design §6)


@dataclass(slots=True)
class Memory:
    """What one ESSMS's software remembers from day to day."""

    tokens: dict[int, str] = field(default_factory=dict)  # day of the plan → access token; two minutes later it is worthless
    fed: tuple[Person, str] | None = None  # last document accepted: whose, and its submission set
    known: set[str] = field(default_factory=set)  # professional addresses that an Annuaire search returned


@dataclass(slots=True)
class Dui:
    """The software of every ESSMS of the plan.

    deadline_s  how long the gateway waits for a service
    said        told, in French, of each month that is over
    """

    world: World
    doors: Doors
    control: Control
    seed: int
    deadline_s: float
    said: Callable[[str], None] = lambda _text: None
    numbers: Numbers = field(init=False)
    _memory: dict[str, Memory] = field(default_factory=dict)
    _signers: dict[Pem, Signer] = field(default_factory=dict)
    _draw: random.Random = field(init=False)
    _days: int = 0
    _messages: int = 0

    def __post_init__(self) -> None:
        self.numbers = Numbers(self.seed)
        self._draw = random.Random(f"dui:{self.seed}")

    async def play(self, plan: Plan, after: date) -> None:
        """Every day of the plan, then on to the day when the last month is closed."""
        for on, day in scenario.calendar(plan, after):
            await self.control.go_to(datetime.combine(on, _MORNING, _PARIS))
            async with asyncio.TaskGroup() as tours:
                for finess_et, acts in day.acts.items():
                    tours.create_task(self._tour(self.world.structure(finess_et), acts))
            for incident in day.incidents:
                await self._incident(incident)
            self._days += 1
            if day.day == scenario.DAYS_PER_MONTH - 1:
                self.said(f"{on:%m/%Y} joué, {sum(self.doors.sent.sent.values())} appels depuis le début")
        end = scenario.end_of(plan, after) + _AFTERWARDS
        await self.control.go_to(datetime.combine(end, _MORNING, _PARIS))

    async def _tour(self, structure: Structure, acts: Sequence[Act]) -> None:
        professional = self._on_duty(structure)
        token = await self._login(professional)
        if token is not None:
            self._of(structure).tokens[self._days] = token
        colleagues = self._colleagues(structure)
        await self._look_up(structure, colleagues[self._days % len(colleagues)])
        async with asyncio.TaskGroup() as lanes:
            lanes.create_task(self._feed_lane(structure, professional, [act for act in acts if act.kind == "feed"]))
            lanes.create_task(self._mail_lane(structure, professional, token, [act for act in acts if act.kind == "message"]))

    async def _feed_lane(self, structure: Structure, author: Professional, acts: list[Act]) -> None:
        insi, dmp = self._insi(structure), self._dmp(structure, author)
        for act in acts:
            if act.search:
                await self.doors.send(insi.search(act.person), structure)
            existence = await self.doors.send(dmp.existence(act.person), structure)
            if existence.value == "open":
                await self._feed(dmp, structure, act.person)

    async def _feed(self, dmp: DmpUser, structure: Structure, person: Person) -> Reading:
        call = dmp.feed(person)
        reading = await self.doors.send(call, structure)
        if reading.ok and call.unit is not None:
            self._of(structure).fed = (person, call.unit)
        return reading

    async def _mail_lane(self, structure: Structure, author: Professional, token: str | None, acts: list[Act]) -> None:
        if token is None or not acts:
            return
        mail = MailUser(self.world, structure, author, self.control.clock)
        others = self._colleagues(structure)
        recipients = [mail.recipient(act.person, act.to, others) for act in acts]
        for colleague in others:
            if colleague.mailbox in recipients and colleague.mailbox not in self._of(structure).known:
                await self._look_up(structure, colleague)
        messages = [mail.message(recipient, self._reference()) for recipient in recipients]
        await self.doors.mail(mail.mailbox, token).run(messages)

    async def _look_up(self, structure: Structure, colleague: Professional) -> None:
        """Before a first message to somebody, the Annuaire says that the address is theirs (CHK-ANN-03)."""
        if (await self.doors.send(AnnuaireUser(self.world).mailbox(colleague))).ok:
            self._of(structure).known.add(colleague.mailbox)

    async def _login(self, professional: Professional) -> str | None:
        """PSC's four calls, as long as each one succeeds; the access token."""
        psc = PscUser(self.world, professional, self._draw)
        call, verifier = psc.authorize()
        page = await self.doors.send(call)
        code = await self.doors.send(psc.login(page.value)) if page.ok else page
        token = await self.doors.send(psc.token(code.value, verifier)) if code.ok else code
        if not token.ok:
            return None
        await self.doors.send(psc.userinfo(token.value))
        return str(token.value)

    async def _incident(self, incident: Incident) -> None:
        structure = self.world.structure(incident.finess_et)
        if incident.operation.startswith("MSS."):
            await self._mail_incident(incident, structure)
        elif incident.operation.startswith("DMP."):
            await self._dmp_incident(incident, structure)
        else:
            await self._insi_incident(incident, structure)

    async def _insi_incident(self, incident: Incident, structure: Structure) -> None:
        insi = self._insi(structure)
        if incident.why == failures.MALFORMED_SOAP:
            call = insi.malformed()
        elif incident.why == failures.CR_02:
            call = insi.ambiguous(next(person for person in self.world.persons if person.insi == "ambiguous"))
        else:
            assert incident.person is not None
            kinds = {failures.CR_01: insi.nobody, failures.INSI_FAULT: insi.faulty, failures.UPSTREAM_TIMEOUT: insi.search}
            call = kinds[incident.why](incident.person)
        if incident.why == failures.UPSTREAM_TIMEOUT:
            await self._arm_timeout(incident.operation)
        await self.doors.send(call, structure)

    async def _dmp_incident(self, incident: Incident, structure: Structure) -> None:
        dmp = self._dmp(structure, self._on_duty(structure))
        if incident.why == failures.MALFORMED_SOAP:
            await self.doors.send(dmp.malformed(), structure)
            return
        if incident.why == failures.DUPLICATE_UNIQUE_ID:
            await self._feed_again(structure)
            return
        assert incident.person is not None, "the sandbox has nobody with a closed DMP"
        await self.doors.send(dmp.existence(incident.person), structure)
        signer = self._signer(structure.auth_cli) if incident.why == failures.VIHF_REFUSED else None
        await self.doors.send(dmp.feed(incident.person, signer=signer), structure)

    async def _feed_again(self, structure: Structure) -> None:
        """A software that lost the answer, or its head: the same identifiers a second time."""
        owner = structure if self._of(structure).fed else self._who_fed()
        if owner is None:  # no feed was accepted: the failure that was planned is missed, and the reconciliation says so
            return
        fed = self._of(owner).fed
        assert fed is not None
        person, unique_id = fed
        await self.doors.send(self._dmp(owner, self._on_duty(owner)).feed(person, unique_id=unique_id), owner)

    def _who_fed(self) -> Structure | None:
        fed = [finess_et for finess_et, memory in self._memory.items() if memory.fed]
        return self.world.structure(fed[0]) if fed else None

    async def _mail_incident(self, incident: Incident, structure: Structure) -> None:
        author = self._on_duty(structure)
        mail = MailUser(self.world, structure, author, self.control.clock)
        if incident.why == failures.EXPIRED_TOKEN:
            await self.doors.mail(mail.mailbox, self._old_token(structure)).run([])
            return
        token = await self._login(author)
        if token is None:
            return
        recipients = {failures.UNKNOWN_MAILBOX: mail.unknown(), failures.FOREIGN_DOMAIN: mail.foreign()}
        colleague = self._colleagues(structure)[0]
        recipient = recipients.get(incident.why) or colleague.mailbox
        if recipient == colleague.mailbox and recipient not in self._of(structure).known:
            await self._look_up(structure, colleague)
        if incident.why == failures.UPSTREAM_TIMEOUT:
            await self._arm_timeout(incident.operation)
        message = mail.message(recipient, self._reference())
        await self.doors.mail(mail.mailbox, token).run([message])
        if incident.resent:  # in another session: the door closed the one whose answer was lost
            await self.doors.mail(mail.mailbox, token).run([message])

    def _old_token(self, structure: Structure) -> str:
        """A token of a day gone by: this ESSMS's own, or another's."""
        memories = [self._of(structure), *self._memory.values()]
        return next(token for memory in memories for day, token in memory.tokens.items() if day < self._days)

    async def _arm_timeout(self, operation: str) -> None:
        """The service acts and says nothing for longer than the gateway waits."""
        await self.control.arm(operation=operation, kind="timeout", for_next=1, delay_s=self.deadline_s + 1)

    def _reference(self) -> str:
        self._messages += 1
        return f"demo.{self.seed}.{self._messages}"

    def _of(self, structure: Structure) -> Memory:
        return self._memory.setdefault(structure.finess_et, Memory())

    def _on_duty(self, structure: Structure) -> Professional:
        staff = self.world.staff(structure.finess_et)
        return staff[self._days % len(staff)]

    def _colleagues(self, structure: Structure) -> list[Professional]:
        return [one for one in self.world.professionals if one.structure != structure.finess_et]

    def _insi(self, structure: Structure) -> InsiUser:
        return InsiUser(self.world, structure, self.control.clock)

    def _dmp(self, structure: Structure, author: Professional) -> DmpUser:
        return DmpUser(self.world, structure, author, self._signer(structure.sign), self.control.clock, self.numbers)

    def _signer(self, pem: Pem) -> Signer:
        if pem not in self._signers:
            self._signers[pem] = load_signer(pem.cert, pem.key)
        return self._signers[pem]
