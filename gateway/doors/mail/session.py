"""One SMTP session as its journal record: how it opened, who it was for, how it ended. No socket, no disk."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from connectors.mssante.codes import Reply, flag_of
from gateway.access.callers import UNKNOWN, Caller
from gateway.conformance.facts.places import AUTH, STARTTLS
from gateway.conformance.model import Author
from gateway.doors.mail.commands import Bearer
from gateway.doors.mail.submission import LOST_FLAGS, fault_of, outcome_of
from gateway.doors.mail.upstream import Answer, Lost
from gateway.journal.record import Dui, Exchange, Named, Outcome, Record

#: Why a handshake fails that is not the certificate's fault; any other reason is V-TLS.
_TLS_FLAGS: dict[str | None, Outcome] = {"V-TLS-PROFIL": "invalid", "V-CONFIANCE": "invalid", "G-LISTE": "failed"}


@dataclass(slots=True)
class Session:
    """The first thing that went wrong names the outcome; without one, a session that said QUIT is ``ok``, else ``cut``."""

    record: Record
    author: Author = "dui"  # who speaks to the operator
    tls_version: str | None = None
    clear: bool = False  # AUTH or MAIL was tried before TLS
    auth: dict[str, Any] | None = field(default=None, repr=False)  # form of the last SASL response
    login: str | None = field(default=None, repr=False)  # of it, the mechanism and the name given
    certificate: dict[str, bool] | None = None  # what the client showed in its handshake
    _wrong: Outcome | None = None

    def __post_init__(self) -> None:
        self.record.outcome = "cut"

    @property
    def why(self) -> str:
        """In one code: what went wrong first, else that the DUI left."""
        return self.record.flags[0] if self.record.flags else "smtp_cut"

    def greeted(self, answer: Answer) -> None:
        """The operator's first words; anything but 220 ends the session."""
        self._exchanged(answer)
        if answer.reply.code != 220:
            self._refused(answer.reply)

    def unreachable(self, lost: Lost, reply: Reply, fault: str | None = None) -> None:
        """No connection to the operator, or none that could be encrypted. ``fault``: the injected one that did it."""
        if lost.reason != "connect":
            self.record.exchanges.append(Exchange(None, lost.upstream_us))
        self.record.service_code = reply.service_code
        self._went_wrong("failed", LOST_FLAGS["connect"])
        self.record.injected(fault)

    def authenticated(self, caller: Caller, bearer: Bearer | None, answer: Answer) -> None:
        """The last answer to an AUTH, accepted or not."""
        self._exchanged(answer)
        if answer.reply.positive or self.record.tenant == UNKNOWN.tenant:
            self.record.tenant = caller.tenant
            self.record.dui = Dui(None, caller.dui.product, caller.dui.version)
        if answer.reply.positive:
            if self._wrong == "unauthorised":  # the second token was the good one; the flag stays
                self._wrong, self.record.outcome, self.record.service_code = None, "cut", None
            if bearer is not None and bearer.professional is not None:
                self.record.professional = Named("professional", bearer.professional)
            self.record.injected(fault_of(answer.reply))
        elif answer.reply.code == 334:  # a challenge, then nothing
            self.record.service_code = answer.reply.service_code
            self._went_wrong("unauthorised", "V-JETON")
        else:
            self._refused(answer.reply)

    def facts(self) -> dict[str, Any]:
        """What conformance reads in a session."""
        return {
            "author": self.author, "tls": {"version": self.tls_version}, "clear": self.clear, "auth": self.auth,
            "certificate": self.certificate,
        }  # fmt: skip

    def shown(self) -> dict[str, list[str]]:
        """What may be shown live of it, to the DUI's own vendor only."""
        return {AUTH: [] if self.login is None else [self.login], STARTTLS: [self.tls_version or "en clair"]}

    def without_identity(self, reply: Reply) -> None:
        """An applicative mailbox was asked for and no identity can be lent: nothing was forwarded (design §8)."""
        self.record.service_code = reply.service_code
        self._went_wrong("unauthorised", "V-IDENTITE")

    def quit(self, answer: Answer) -> None:
        if self._wrong is None:
            self.record.outcome, self.record.service_code = "ok", answer.reply.service_code

    def left(self) -> None:
        """The DUI left, or said nothing for too long."""
        if self._wrong is None:
            self.record.outcome = "cut"

    def invalid(self, flag: str, reply: Reply | None) -> None:
        """The door closed the session on broken framing."""
        self.record.service_code = reply.service_code if reply else None
        self._went_wrong("invalid", flag)

    def without_tls(self, why: str | None) -> None:
        """The handshake failed. ``why``: the code of docs/errors.md when it has one (``handshakes.why_failed``)."""
        if why is not None and why.startswith("V-CERT-"):
            self._went_wrong("unauthorised", why)
        else:
            self._went_wrong(_TLS_FLAGS.get(why, "invalid"), why if why in _TLS_FLAGS else "V-TLS")

    def lost(self, lost: Lost, fault: str | None = None) -> None:
        """The operator left or fell silent in the middle of the session. ``fault``: the injected one that did it."""
        self._went_wrong("failed", LOST_FLAGS[lost.reason])
        self.record.injected(fault)

    def _refused(self, reply: Reply) -> None:
        self.record.service_code = reply.service_code
        self._went_wrong(outcome_of(reply), flag_of("auth", reply))
        self.record.injected(fault_of(reply))

    def _went_wrong(self, outcome: Outcome, flag: str | None) -> None:
        if self._wrong is None:
            self._wrong = self.record.outcome = outcome
        if flag is not None:
            self.record.flag(flag)

    def _exchanged(self, answer: Answer) -> None:
        self.record.exchanges.append(Exchange(answer.reply.service_code, answer.upstream_us))
