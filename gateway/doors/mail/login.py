"""Who a SMTP session is for: the certificate that its client showed, and the AUTH exchange, relayed as it is (design §8)."""
from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from gateway.access.callers import UNKNOWN, Caller
from gateway.access.identities import structure_named
from gateway.conformance.facts.mss import sasl_facts, sasl_shown
from gateway.doors.mail import replies
from gateway.doors.mail.commands import APPLICATIVE, Bearer, initial_response, mechanism_of, named_by
from gateway.doors.mail.session import Session
from gateway.doors.mail.stream import Closed, LineStream
from gateway.doors.mail.submissions import Submissions
from gateway.doors.mail.upstream import Answer, Lost, Upstream

if TYPE_CHECKING:
    from gateway.doors.mail.smtp import SmtpDoor

LINE_LIMIT = 12_288  # AUTH lines carry a token (RFC 4954 §4); the operator judges the others


class LeftInChallenge(Exception):
    """The DUI or the operator left after a challenge that refused: the session is over, and has been judged."""


class Login:
    """Of one session. ``lent``: the operator is shown the identity of the DUI's own structure."""

    def __init__(self, door: SmtpDoor, dui: LineStream, session: Session, submissions: Submissions) -> None:
        self._door, self._dui, self._session, self._submissions = door, dui, session, submissions
        self._structure: Caller = UNKNOWN

    @property
    def lent(self) -> bool:
        return self._structure.identity is not None and self._door.tls_for is not None

    def proved(self) -> None:
        """TLS has begun with the DUI: what it showed there is what the operator is to be shown."""
        der = self._dui.client_der
        self._structure = self._door.access.by_certificate(der, "MSS")
        self._session.certificate = {"presented": der is not None, "organisation": structure_named(der) is not None}

    def operator_tls(self) -> ssl.SSLContext:
        identity, tls_for = self._structure.identity, self._door.tls_for
        return self._door.client_tls if identity is None or tls_for is None else tls_for(identity)

    async def auth(self, line: bytes, operator: Upstream) -> bytes:
        """Pass the exchange as it is, up to the last reply, which is returned; the response is read in memory and forgotten.

        Raises Lost, LeftInChallenge, and whatever the DUI's side does.
        """
        mechanism, response = mechanism_of(line), initial_response(line)
        if mechanism in APPLICATIVE and not self.lent:
            self._note(mechanism, response)
            self._session.without_identity(replies.NO_CERTIFICATE)
            return replies.wire(replies.NO_CERTIFICATE)
        bearer = named_by(mechanism, response) if response else None
        answer = await operator.command(line)
        challenged: Answer | None = None
        while answer.reply.code == 334:
            challenged = answer
            await self._dui.send(answer.raw, self._door.idle_s)
            try:
                line = await self._dui.line(LINE_LIMIT, self._door.idle_s)
                bearer = bearer or named_by(mechanism, line)
                answer = await operator.command(line)
            except (Closed, Lost) as gone:
                # A challenge after the token is a refusal. Some operators leave then without a 535 (mssante §5.3), and
                # some clients without the empty line that ends it (curl).
                if response is None or (isinstance(gone, Lost) and gone.reason != "closed"):
                    raise
                self._judge(mechanism, response, bearer, challenged)
                raise LeftInChallenge from gone
            response = response or line
        self._judge(mechanism, response, bearer, answer)
        return answer.raw

    def _judge(self, mechanism: str, response: bytes | None, bearer: Bearer | None, answer: Answer) -> None:
        self._note(mechanism, response)
        applicative = mechanism in APPLICATIVE
        caller = self._door.access.by_mailbox(bearer.mailbox) if bearer else UNKNOWN
        self._door.heard(answer.reply)
        self._session.authenticated(self._structure if applicative else caller, bearer, answer)
        if answer.reply.positive:
            self._submissions.bearer, self._submissions.applicative = bearer, applicative

    def _note(self, mechanism: str, response: bytes | None) -> None:
        self._session.auth, self._session.login = sasl_facts(mechanism, response), sasl_shown(mechanism, response)
