"""Submission to an operator as a DUI does it: STARTTLS, then XOAUTH2 with a PSC token, or the certificate of the structure for
an applicative mailbox; one message at a time.

Source: reference mssante §5.2 (sequence), §5.3 (SASL). Nothing is retried here: a token refusal, a reply and a lost answer
call for different things from the caller.
"""
from __future__ import annotations

import ssl
from collections.abc import Awaitable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, TypeVar

import aiosmtplib

from connectors.mssante.codes import Reply
from connectors.mssante.errors import InDoubt, Refused, TokenRefused, Unavailable
from connectors.mssante.messages import Outgoing

Mechanism = Literal["XOAUTH2", "EXTERNAL", "PLAIN"]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Operator:
    """Where an operator (or the gateway's door) takes messages. ``tls`` must verify the server."""

    host: str
    port: int
    tls: ssl.SSLContext = field(repr=False)
    hello: str = "dui.invalid"
    timeout_s: float = 90.0


@dataclass(frozen=True, slots=True)
class Submitted:
    """How far a submission went. ``reply`` is the last decisive answer; ``recipients`` one reply per address tried."""

    stage: Literal["mail", "rcpt", "data", "end"]
    reply: Reply
    recipients: dict[str, Reply] = field(default_factory=dict, repr=False)

    @property
    def accepted(self) -> bool:
        """True when the operator took the message for one recipient at least."""
        return self.stage == "end" and self.reply.positive


class SubmissionClient:
    """One SMTP session. ``async with SubmissionClient(operator, mailbox, token) as client: await client.submit(message)``.

    mechanism  EXTERNAL or PLAIN for an applicative mailbox: ``operator.tls`` then shows the structure's certificate, and
               ``token`` is a password, empty where the operator asks for none
    """

    def __init__(self, operator: Operator, mailbox: str, token: str = "", *, mechanism: Mechanism = "XOAUTH2") -> None:
        self._operator, self._mailbox, self._token, self._mechanism = operator, mailbox, token, mechanism
        self._smtp = aiosmtplib.SMTP(
            hostname=operator.host, port=operator.port, local_hostname=operator.hello, timeout=operator.timeout_s,
            start_tls=False, use_tls=False, tls_context=operator.tls,
        )  # fmt: skip

    async def __aenter__(self) -> SubmissionClient:
        try:
            await self.open()
        except BaseException:
            self._smtp.close()
            raise
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Connect, go over to TLS and authenticate. Raises TokenRefused, Refused or Unavailable."""
        await _step("connect", self._smtp.connect())
        await _step("connect", self._smtp.ehlo())
        await _step("tls", self._smtp.starttls())
        await _step("connect", self._smtp.ehlo())
        await _step("auth", self._login())

    async def _login(self) -> aiosmtplib.SMTPResponse:
        if self._mechanism == "XOAUTH2":
            return await self._smtp.auth_xoauth2(self._mailbox, self._token)
        if self._mechanism == "PLAIN":
            return await self._smtp.auth_plain(self._mailbox, self._token)
        answer = await self._smtp.execute_command(b"AUTH", b"EXTERNAL", b"=")  # the certificate says which mailbox
        if answer.code != 235:
            raise aiosmtplib.SMTPAuthenticationError(answer.code, answer.message)
        return answer

    async def submit(self, message: Outgoing) -> Submitted:
        """Submit one message. Raises Unavailable when it cannot have left, InDoubt when it left and no answer came."""
        try:
            reply = await _step("mail", self._smtp.mail(message.sender, options=message.mail_options))
        except Refused as refused:
            return Submitted("mail", refused.reply)
        recipients: dict[str, Reply] = {}
        for address in message.recipients:
            try:
                recipients[address] = _reply(await _step("rcpt", self._smtp.rcpt(address, options=message.rcpt_options(address))))
            except Refused as refused:
                recipients[address] = refused.reply
        if not any(reply.positive for reply in recipients.values()):
            await _step("rcpt", self._smtp.rset())
            return Submitted("rcpt", list(recipients.values())[-1], recipients)
        try:
            reply = await _step("end", self._smtp.data(message.content))
        except Refused as refused:
            return Submitted("end", refused.reply, recipients)
        except Unavailable as lost:
            raise InDoubt(lost.reason) from lost
        return Submitted("end", _reply(reply), recipients)

    async def close(self) -> None:
        """Say QUIT if the session still stands, then close."""
        try:
            if self._smtp.is_connected:
                await self._smtp.quit()
        except (aiosmtplib.SMTPException, OSError):
            pass  # the session is over either way
        finally:
            self._smtp.close()


def _reply(response: aiosmtplib.SMTPResponse) -> Reply:
    return Reply(response.code, tuple(response.message.split("\n")))


async def _step(stage: str, step: Awaitable[_T]) -> _T:
    try:
        return await step
    except aiosmtplib.SMTPResponseException as error:
        kind = TokenRefused if stage == "auth" and error.code == 535 else Refused
        raise kind(stage, Reply(error.code, tuple(error.message.split("\n")))) from error
    except aiosmtplib.SMTPTimeoutError as error:
        raise Unavailable(stage, "timeout") from error
    except ssl.SSLError as error:
        raise Unavailable(stage, "tls") from error
    except aiosmtplib.SMTPConnectError as error:
        raise Unavailable(stage, "connect") from error
    except (aiosmtplib.SMTPException, OSError) as error:
        raise Unavailable(stage, "closed") from error
