"""One submission, from MAIL to the answer to end-of-data, as its journal record. No socket, no disk.

Source: design §5 (outcomes, doubts), §8 (mail doors); reference mssante §13.3 (what a message sent is).
"""
from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from connectors.mssante.codes import AUTH_CODES, SYNTAX_CODES, Reply, Stage, flag_of
from connectors.nomenclatures.mssante import domain_of, is_for_test_only, is_usager
from gateway.access.callers import Caller
from gateway.doors.mail.content import Headers
from gateway.doors.mail.upstream import Answer, Lost
from gateway.grappes.registry import Registry
from gateway.journal.record import Count, Doubt, Dui, Exchange, Intent, Named, Outcome, Recipients, Record
from gateway.operations import OPERATIONS

OPERATION = OPERATIONS["MSS.SOUMISSION"]
MAX_RECIPIENTS = 100  # whose addresses are held while the message passes

#: Why no answer was read → who is at fault.
LOST_FLAGS = {
    "connect": "E-RESEAU", "tls": "E-RESEAU", "closed": "E-RESEAU", "timeout": "G-DELAI", "garbage": "N-ILLISIBLE",
    "ours": "G-INTERNE",
}  # fmt: skip
_FAULT = re.compile(r"panne injectee ([A-Za-z0-9._-]{1,64})", re.IGNORECASE)


def outcome_of(reply: Reply) -> Outcome:
    """What a negative reply makes of a call: the service refused, could not, or read a mistake of the software."""
    if reply.code in AUTH_CODES:
        return "unauthorised"
    if reply.code in SYNTAX_CODES:
        return "invalid"
    return "failed" if reply.transient else "refused"


def fault_of(reply: Reply) -> str | None:
    """The injected fault that the sandbox names in its own reply."""
    match = next((found for line in reply.lines if (found := _FAULT.search(line))), None)
    return match[1] if match else None


@dataclass(slots=True)
class Submission:
    """mailbox   the authenticated one, else the envelope's
    sender    the envelope's; empty for a receipt, None when only the operator can read it
    """

    record: Record
    caller: Caller
    sender: str | None = field(repr=False)
    mailbox: str = field(repr=False)
    written_to: list[str] = field(default_factory=list, repr=False)  # recipients that the operator accepted
    _refusal: tuple[Stage, Reply] | None = None

    def __post_init__(self) -> None:
        self.record.tenant = self.caller.tenant
        self.record.dui = Dui(None, self.caller.dui.product, self.caller.dui.version)
        self.record.recipients = Recipients()

    @property
    def recipients(self) -> Recipients:
        assert self.record.recipients is not None
        return self.record.recipients

    @property
    def accepted(self) -> int:
        return self.recipients.pro + self.recipients.citoyen + self.recipients.interne

    @property
    def key(self) -> Named | None:
        """Sender mailbox and Message-ID (design §6); None when the message has no usable Message-ID."""
        return self.record.message

    def answered(self, stage: Stage, answer: Answer) -> None:
        """Note one exchange with the operator; a refusal is remembered until something better is known."""
        self.record.exchanges.append(Exchange(answer.reply.service_code, answer.upstream_us))
        self.refuse(stage, answer.reply)
        self.record.injected(fault_of(answer.reply))

    def refuse(self, stage: Stage, reply: Reply) -> None:
        """What the operator refused; nothing for another reply."""
        if reply.code < 400:
            return
        # DATA without a recipient says nothing that the refused RCPT has not said better.
        if stage == "data" and self.recipients.refused and not self.accepted:
            return
        self._refusal = (stage, reply)
        flag = flag_of(stage, reply)
        if flag is not None:
            self.record.flag(flag)

    def rcpt_answered(self, address: str | None, answer: Answer) -> None:
        self.answered("rcpt", answer)
        if answer.reply.positive and address is not None and len(self.written_to) < MAX_RECIPIENTS:
            self.written_to.append(address)
        if not answer.reply.positive:
            self.recipients.refused += 1
        elif address is not None and is_usager(address):
            self.recipients.citoyen += 1
        elif address is not None and domain_of(address) == domain_of(self.mailbox):
            self.recipients.interne += 1
        else:
            self.recipients.pro += 1

    def complete(self, headers: Headers, commitment: bytes, registry: Registry, at: datetime, deadline_s: float) -> Intent:
        """The whole content has been read: say what the message is, before the final dot may go."""
        record = self.record
        # Any other value is the client's own text, and has no place in clear in an entry (design §5.6).
        declared = headers.nil if headers.nil == self.caller.dui.nil else None
        record.dui = Dui(declared, record.dui.product, record.dui.version)
        if headers.nil is None:
            record.flag("V-NIL")
        if headers.message_id is None:
            record.flag("V-MESSAGE-ID")
        else:
            record.message = Named("message", f"{self.mailbox}\n{headers.message_id}")
        record.channel = "mss_citoyenne" if self.recipients.citoyen == self.accepted else "mss_pro"
        if self.sender != "" and not headers.report and not self._for_test_only:
            # Accepted is sent, Message-ID or not: the call's own id then names the unit.
            unit = record.message or Named("message", f"{self.mailbox}\n{record.id}")
            record.counts_for = [Count(str(OPERATION.indicator), unit)]
        record.event_time, record.time_basis = at, "estimated"
        self._attribute(registry, at)
        return Intent(self.key, deadline_s, commitment)

    @property
    def _for_test_only(self) -> bool:
        return len(self.written_to) == self.accepted and is_for_test_only(self.written_to)

    def concluded(self, answer: Answer, registry: Registry, at: datetime) -> None:
        """The operator answered the end of data."""
        if answer.reply.positive:
            self._refusal = None
            self.record.outcome = "ok"
        self.answered("end", answer)
        self.record.service_code = answer.reply.service_code
        self._dated(registry, at)
        if not answer.reply.positive:
            self._refused()

    def in_doubt(self, lost: Lost) -> None:
        """The final dot left and no answer was read: the event keeps the time at which it left."""
        self.record.outcome, self.record.service_code, self.record.time_basis = "in_doubt", None, "estimated"
        self.record.exchanges.append(Exchange(None, lost.upstream_us))
        self.record.flag(LOST_FLAGS[lost.reason])

    def late(self, answer: Answer, at: datetime) -> Record:
        """The operator's word on a message whose DUI was already told that nobody knows: a settlement, dated now."""
        accepted = answer.reply.positive
        late = Record(
            OPERATION.id, kind="settlement", outcome="succeeded" if accepted else "failed", settles=self.record.id,
            event_time=at, clock_version=self.record.clock_version, service_code=answer.reply.service_code,
            exchanges=[Exchange(answer.reply.service_code, answer.upstream_us)],
            detail={"how": "late", "by": "passerelle"},
        )  # fmt: skip
        flag = None if accepted else flag_of("end", answer.reply)
        if flag is not None:
            late.flag(flag)
        late.injected(fault_of(answer.reply))
        return late

    def lost_before_end(self, lost: Lost, registry: Registry, at: datetime) -> None:
        """The operator broke before the final dot: nothing of this message can have an effect."""
        self.record.outcome = "failed"
        self.record.exchanges.append(Exchange(None, lost.upstream_us))
        self.record.flag(LOST_FLAGS[lost.reason])
        self.record.injected(lost.fault)
        self._dated(registry, at)

    def refused_here(self, outcome: Outcome, flag: str, reply: Reply, registry: Registry, at: datetime) -> None:
        """The door itself said no: to MAIL, or to a content of which the operator will see no end."""
        self.record.outcome, self.record.service_code = outcome, reply.service_code
        self.record.flag(flag)
        self._dated(registry, at)

    def abandoned(self, registry: Registry, at: datetime) -> None:
        """RSET, QUIT, another MAIL or the end of the connection: refused if something was, else cut by the DUI."""
        self._dated(registry, at)
        if self._refusal is not None and (self._refusal[0] != "rcpt" or self.accepted == 0):
            self._refused()
        else:
            self.record.outcome = "cut"

    def superseding(self, doubts: Sequence[Doubt], *, same_content: bool) -> list[Record]:
        """The resend was accepted: settle what was in doubt, counted once, at the time of this one (design §5.3)."""
        if doubts:
            self.record.replays = doubts[0].entry_id
        if not same_content:
            self.record.flag("V-MESSAGE-ID-REUTILISE")
        return [
            Record(
                OPERATION.id, kind="settlement", outcome="succeeded", settles=doubt.entry_id, event_time=self.record.event_time,
                clock_version=self.record.clock_version, detail={"how": "superseded", "by": self.record.id},
            )
            for doubt in doubts
        ]  # fmt: skip

    def _refused(self) -> None:
        assert self._refusal is not None
        _, reply = self._refusal
        self.record.outcome, self.record.service_code = outcome_of(reply), reply.service_code
        self.record.counts_for = []

    def _dated(self, registry: Registry, at: datetime) -> None:
        self.record.event_time, self.record.time_basis = at, "acknowledged"
        self._attribute(registry, at)

    def _attribute(self, registry: Registry, at: datetime) -> None:
        found = registry.attribute_mailbox(self.mailbox, self.caller, at)
        self.record.finess_et, self.record.finess_ej, self.record.attribution = found.finess_et, found.finess_ej, found.source
