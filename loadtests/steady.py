"""Blocking senders for Locust: one connection kept per user, nothing ever sent twice (gevent makes them cooperative).

FastHttpUser would be quicker but may send a request again on a stale connection; a call that the generator did not count
would then reach the gateway. http.client never does. The connection is made before the call is counted, so that a
gateway which is starting again does not inflate what was sent.
"""
from __future__ import annotations

import http.client
import select
import smtplib
import ssl
from dataclasses import dataclass

from connectors.mssante.codes import Reply
from connectors.mssante.messages import Outgoing
from connectors.wire.http import Answer
from loadtests import calls, failures
from loadtests.calls import HttpCall, Reading
from loadtests.sent import SentFile
from loadtests.users.mail import SESSION, SUBMISSION, read_reply, unit_of

_PATIENCE_S = 40.0  # longer than a gateway takes to start again
_BROKEN = (OSError, http.client.HTTPException, smtplib.SMTPException)


@dataclass(slots=True)
class SteadyHttp:
    """One door, one TLS identity, one connection."""

    port: int
    context: ssl.SSLContext
    sent: SentFile
    _connection: http.client.HTTPSConnection | None = None

    def send(self, call: HttpCall) -> Reading:
        """Count, send, read. A connection that breaks leaves the call without an answer and is made anew next time."""
        connection = self._connected()
        if connection is None:
            self.sent.lost(failures.NO_CONNECTION)
            return Reading("connect", failures.NO_CONNECTION)
        with self.sent.call(call.operation, call.unit, len(call.body)) as sent:
            try:
                answer = _exchange(connection, call)
            except _BROKEN:
                self.close()
                self.sent.lost(failures.NO_ANSWER)
                return Reading("reset", failures.NO_ANSWER)
            reading = calls.read(call, answer)
            sent.read(reading.code, reading.why)
        if answer.header("connection") == "close":
            self.close()
        return reading

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self) -> http.client.HTTPSConnection | None:
        if self._connection is not None and _stale(self._connection):
            self.close()
        if self._connection is None:
            connection = http.client.HTTPSConnection("localhost", self.port, timeout=_PATIENCE_S, context=self.context)
            try:
                connection.connect()
            except OSError:
                return None
            self._connection = connection
        return self._connection


def _stale(connection: http.client.HTTPSConnection) -> bool:
    """Nothing is awaited on an idle connection: if there is something to read, it is the other side's goodbye."""
    return connection.sock is None or bool(select.select([connection.sock], [], [], 0)[0])


def _exchange(connection: http.client.HTTPSConnection, call: HttpCall) -> Answer:
    connection.putrequest(call.method, call.target, skip_accept_encoding=True)
    for name, value in call.headers:
        connection.putheader(name.decode("latin-1"), value)
    if call.body or call.method == "POST":
        connection.putheader("Content-Length", str(len(call.body)))
    connection.endheaders(call.body or None)
    response = connection.getresponse()
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.getheaders()]
    return Answer(response.status, headers, response.read())


@dataclass(slots=True)
class SteadyMail:
    """SMTP sessions on one door."""

    port: int
    context: ssl.SSLContext
    sent: SentFile

    def session(self, mailbox: str, token: str, messages: list[Outgoing]) -> list[Reading]:
        """Open, submit each message, QUIT: one call for the session, one for each message that got as far as MAIL."""
        readings: list[Reading] = []
        with self.sent.call(SESSION) as session:
            try:
                smtp = self._open(mailbox, token)
                for message in messages:
                    readings.append(self._submit(smtp, message))
                code, _ = smtp.quit()
                session.read(str(code))
            except smtplib.SMTPAuthenticationError as refused:
                session.read(str(refused.smtp_code), failures.EXPIRED_TOKEN)
            except _BROKEN:
                self.sent.lost(failures.NO_ANSWER)
        return readings

    def _open(self, mailbox: str, token: str) -> smtplib.SMTP:
        smtp = smtplib.SMTP("localhost", self.port, local_hostname="dui.invalid", timeout=_PATIENCE_S)
        smtp.starttls(context=self.context)
        smtp.ehlo_or_helo_if_needed()
        smtp.auth("XOAUTH2", lambda _challenge=None: f"user={mailbox}\x01auth=Bearer {token}\x01\x01")
        return smtp

    def _submit(self, smtp: smtplib.SMTP, message: Outgoing) -> Reading:
        with self.sent.call(SUBMISSION, unit_of(message), len(message.content)) as call:
            try:
                reading = read_reply(*_dialogue(smtp, message))
            except _BROKEN:
                self.sent.lost(failures.NO_ANSWER)
                raise
            call.read(reading.code, reading.why)
        return reading


def _dialogue(smtp: smtplib.SMTP, message: Outgoing) -> tuple[str, Reply]:
    """MAIL, one RCPT, DATA; the stage reached and the reply that decided."""
    code, text = smtp.mail(message.sender)
    if code >= 400:
        return "mail", _reply(code, text)
    code, text = smtp.rcpt(message.recipients[0])
    if code >= 400:
        smtp.rset()
        return "rcpt", _reply(code, text)
    try:
        code, text = smtp.data(message.content)
    except smtplib.SMTPDataError as refused:
        return "data", _reply(refused.smtp_code, refused.smtp_error)
    return "end", _reply(code, text)


def _reply(code: int, text: bytes | str) -> Reply:
    read = text.decode("ascii", "replace") if isinstance(text, bytes) else text
    return Reply(code, tuple(read.split("\n")))
