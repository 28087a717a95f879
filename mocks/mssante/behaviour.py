"""What the simulated operator answers: functions of (session, input), no socket, no clock, no disk.

Source: reference mssante §5.2, §5.3, §16; RFC 5321, 3207, 4954, 3461. The texts are ours and say that this is a simulation.
"""
from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field, replace

from connectors.nomenclatures.mssante import XOAUTH2_REFUSAL, domain_of, normalise
from mocks.mssante import sasl
from mocks.mssante.commands import BadParameter, BadSyntax, parse_hello, parse_mail, parse_rcpt
from mocks.mssante.directory import Claims, Directory

SIZE_LIMIT = 10 * 1024 * 1024  # bytes; operator dependent, 10 MB is the usual assumption (mssante §5.1)
MAX_RECIPIENTS = 500

_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")


@dataclass(frozen=True, slots=True)
class Reply:
    code: int
    lines: tuple[str, ...]

    @property
    def enhanced(self) -> str:
        """The enhanced status code (RFC 3463) with which it begins, empty when it has none."""
        found = _ENHANCED.match(self.lines[0])
        return found[0] if found else ""

    def wire(self) -> bytes:
        last = len(self.lines) - 1
        return "".join(f"{self.code}{' ' if i == last else '-'}{text}\r\n" for i, text in enumerate(self.lines)).encode("ascii")


def say(code: int, text: str) -> Reply:
    return Reply(code, (text,))


S220_GREETING = say(220, "localhost ESMTP MSSante - simulation Socle, bac a sable")
S220_TLS = say(220, "2.0.0 Ready to start TLS")
S221_BYE = say(221, "2.0.0 Bye")
S235_LOGGED_IN = say(235, "2.7.0 Logged in")
S250_OK = say(250, "2.0.0 Ok")
S250_SENDER = say(250, "2.1.0 Sender ok")
S250_RECIPIENT = say(250, "2.1.5 Recipient ok")
S334_CONTINUE = say(334, "")
S334_REFUSED = say(334, base64.b64encode(XOAUTH2_REFUSAL).decode("ascii"))
S354_GO = say(354, "End data with <CR><LF>.<CR><LF>")
S421_IDLE = say(421, "4.4.2 Idle for too long, closing")
S452_TOO_MANY = say(452, "4.5.3 Too many recipients")
S500_UNKNOWN = say(500, "5.5.1 Command not recognised")
S500_TOO_LONG = say(500, "5.5.6 Line too long, closing")
S501_SYNTAX = say(501, "5.5.4 Syntax error in parameters")
S501_SASL = say(501, "5.5.2 Cannot decode the SASL response")
S501_CANCELLED = say(501, "5.7.0 Authentication cancelled")
S502_NOT_HERE = say(502, "5.5.1 Command not implemented")
S503_ORDER = say(503, "5.5.1 Bad sequence of commands")
S504_MECHANISM = say(504, "5.5.4 Mechanism not offered here, use XOAUTH2")
S521_BARE = say(521, "5.5.2 Bare CR or LF received, closing")
S530_TLS = say(530, "5.7.0 Must issue a STARTTLS command first")
S530_AUTH = say(530, "5.7.0 Authentication required")
S535_REFUSED = say(535, "5.7.8 Authentication failed")
S550_UNKNOWN = say(550, "5.1.1 Mailbox unknown in the sandbox directory")
S550_OUTSIDE = say(550, "5.7.1 Domain absent from the white list")
S550_FROM = say(550, "5.7.1 From header is not the authenticated mailbox")
S552_SIZE = say(552, "5.3.4 Message size exceeds the fixed limit")
S553_SENDER = say(553, "5.7.1 Sender is not the authenticated mailbox")
S554_NO_RECIPIENT = say(554, "5.5.1 No valid recipients")
S554_EIGHT_BIT = say(554, "5.6.7 8-bit header and no SMTPUTF8")
S554_NO_FROM = say(554, "5.6.0 One From header with one address is required")
S555_PARAMETER = say(555, "5.5.4 Parameter not recognised")


@dataclass(frozen=True, slots=True)
class Session(sasl.Opening):
    """One connection. ``sender`` is None outside a transaction and empty for the null reverse-path."""

    hello: str | None = None
    sender: str | None = field(default=None, repr=False)
    recipients: tuple[str, ...] = field(default=(), repr=False)

    def without_transaction(self) -> Session:
        return replace(self, sender=None, recipients=())


def on_hello(session: Session, argument: str, *, extended: bool) -> tuple[Session, Reply]:
    """EHLO and HELO end the transaction; the list differs before and after TLS (mssante §17.6)."""
    try:
        hello = parse_hello(argument)
    except BadSyntax:
        return session, S501_SYNTAX
    session = replace(session.without_transaction(), hello=hello)
    if not extended:
        return session, say(250, "localhost")
    offers = ["PIPELINING", f"SIZE {SIZE_LIMIT}", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN"]
    offers += [" ".join(["AUTH", *session.mechanisms])] if session.tls else ["STARTTLS"]
    return session, Reply(250, ("localhost simulation Socle", *offers))


def on_starttls(session: Session, argument: str, *, pipelined: bool) -> tuple[Session, Reply]:
    """Nothing said before TLS holds after it (RFC 3207 §4.2); bytes sent behind the command are an injection."""
    if session.tls:
        return session, S503_ORDER
    if argument:
        return session, S501_SYNTAX
    if pipelined:
        return session, say(554, "5.5.0 Data received behind STARTTLS, closing")
    return Session(tls=True), S220_TLS


def on_auth(session: Session, argument: str) -> Reply | bytes:
    """The SASL response to judge when it came with the command, else what to answer: 334 asks for it."""
    mechanism, _, initial = argument.partition(" ")
    if not session.tls:
        return S530_TLS
    if session.hello is None or session.mailbox is not None or session.sender is not None:
        return S503_ORDER
    if mechanism.upper() not in session.mechanisms:
        return S504_MECHANISM
    return initial.encode("ascii", "replace") if initial else S334_CONTINUE


def on_sasl(session: Session, response: bytes, directory: Directory, claims: Claims) -> tuple[Session, Reply]:
    """XOAUTH2: a refusal is a challenge first (mssante §5.3)."""
    return _opened(session, sasl.xoauth2(response, directory, claims), S334_REFUSED)


def on_applicative(session: Session, mechanism: str, response: bytes, directory: Directory) -> tuple[Session, Reply]:
    """PLAIN or EXTERNAL behind a structure's certificate."""
    return _opened(session, sasl.applicative(mechanism, response, session.struct_id, directory), S535_REFUSED)


def _opened(session: Session, verdict: sasl.Verdict, refused: Reply) -> tuple[Session, Reply]:
    if verdict.mailbox is not None:
        return replace(session, mailbox=verdict.mailbox), S235_LOGGED_IN
    return session, {"cancelled": S501_CANCELLED, "unreadable": S501_SASL}.get(verdict.why, refused)


def on_mail(session: Session, argument: str) -> tuple[Session, Reply]:
    """Only the authenticated mailbox sends, or the null path of a receipt (RFC 8098 §3)."""
    if not session.tls:
        return session, S530_TLS
    if session.mailbox is None:
        return session, S530_AUTH
    if session.sender is not None:
        return session, S503_ORDER
    try:
        path = parse_mail(argument)
    except BadSyntax:
        return session, S501_SYNTAX
    except BadParameter:
        return session, S555_PARAMETER
    if int(path.parameters.get("SIZE", "0")) > SIZE_LIMIT:
        return session, S552_SIZE
    if path.address not in ("", session.mailbox):
        return session, S553_SENDER
    return replace(session, sender=path.address, recipients=()), S250_SENDER


def on_rcpt(session: Session, argument: str, directory: Directory) -> tuple[Session, Reply]:
    """Domain outside the white list: 550 5.7.1. Mailbox that nobody has in a hosted domain: 550 5.1.1 (mssante §16)."""
    if not session.tls:
        return session, S530_TLS
    if session.sender is None:
        return session, S503_ORDER
    try:
        path = parse_rcpt(argument)
    except BadSyntax:
        return session, S501_SYNTAX
    except BadParameter:
        return session, S555_PARAMETER
    if len(session.recipients) >= MAX_RECIPIENTS:
        return session, S452_TOO_MANY
    known = directory.locate(path.address)
    if known == "outside":
        return session, S550_OUTSIDE
    if known == "unknown":
        return session, S550_UNKNOWN
    # A repeated recipient is one delivery, as everywhere.
    recipients = session.recipients if path.address in session.recipients else (*session.recipients, path.address)
    return replace(session, recipients=recipients), S250_RECIPIENT


def on_data(session: Session, argument: str) -> Reply:
    if not session.tls:
        return S530_TLS
    if argument:
        return S501_SYNTAX
    if session.sender is None:
        return S503_ORDER
    return S354_GO if session.recipients else S554_NO_RECIPIENT


def judge_headers(session: Session, raw_headers: bytes, from_addresses: list[str]) -> Reply | None:
    """The refusal of a message for its headers, or None. The From address must be the authenticated mailbox."""
    if not raw_headers.isascii():
        return S554_EIGHT_BIT
    if len(from_addresses) != 1 or not domain_of(from_addresses[0]):
        return S554_NO_FROM
    return S550_FROM if normalise(from_addresses[0]) != session.mailbox else None
