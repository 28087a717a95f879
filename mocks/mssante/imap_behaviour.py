"""What the simulated operator answers over IMAP before a mailbox is open: functions of (session, input), no socket, no disk.

Source: reference mssante §5.2 to §5.4, §16; RFC 3501, 4959, 2177, 5530. The texts are ours and say that this is a simulation.
"""
from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from connectors.nomenclatures.mssante import XOAUTH2_REFUSAL
from mocks.mssante import sasl
from mocks.mssante.behaviour import SIZE_LIMIT
from mocks.mssante.directory import Claims, Directory
from mocks.mssante.sasl import Opening

Status = Literal["OK", "NO", "BAD", "BYE"]


@dataclass(frozen=True, slots=True)
class Reply:
    """The end of one command. ``untagged``: the lines before it, without their CRLF, made as they are sent.

    BYE has no tag and ends the connection · code  in brackets, as ``TRYCREATE``, empty for none
    """

    status: Status
    text: str
    code: str = ""
    untagged: Iterable[bytes] = field(default=(), repr=False)

    @property
    def verdict(self) -> str:
        """What the control API shows of it: its status, with its code when it refuses."""
        return self.status if self.status == "OK" or not self.code else f"{self.status} {self.code}"

    def wire(self, tag: str) -> bytes:
        who = "*" if self.status == "BYE" else tag
        named = f"[{self.code}] {self.text}" if self.code else self.text
        return f"{who} {self.status} {named}\r\n".encode("ascii")


def ok(text: str, code: str = "", untagged: Iterable[bytes] = ()) -> Reply:
    return Reply("OK", text, code, untagged)


def no(text: str, code: str = "") -> Reply:
    return Reply("NO", text, code)


def bad(text: str) -> Reply:
    return Reply("BAD", text)


def bye(text: str, code: str = "") -> Reply:
    return Reply("BYE", text, code)


_LIST = ("IMAP4rev1", "SASL-IR", "ID", "ENABLE", "IDLE", "LITERAL+")
_OPEN = ("NAMESPACE", "UNSELECT", "UIDPLUS", "MOVE", "SPECIAL-USE", "QUOTA", f"APPENDLIMIT={SIZE_LIMIT}")

CHALLENGE = base64.b64encode(XOAUTH2_REFUSAL)
#: Commands of each state (RFC 3501 §6): any, before the mailbox is open, once it is, once a folder is selected.
ANY = frozenset({"CAPABILITY", "NOOP", "LOGOUT", "ID"})
BEFORE = frozenset({"STARTTLS", "AUTHENTICATE", "LOGIN"})
SELECTED = frozenset({"CHECK", "CLOSE", "UNSELECT", "EXPUNGE", "SEARCH", "FETCH", "STORE", "COPY", "MOVE"})

LOGGED_OUT = ok("Logged out", untagged=(b"* BYE Logging out",))
BEGIN_TLS = ok("Begin TLS negotiation now")
REFUSED = no("Authentication failed", "AUTHENTICATIONFAILED")
INJECTION = bye("Data received behind STARTTLS, closing")
BARE = bye("Bare CR or LF received, closing")
TOO_LONG = bye("Command too long, closing")
TOO_BIG = no("Literal too large", "TOOBIG")
CHARSET = no("Unknown charset", "BADCHARSET (US-ASCII UTF-8)")
IDLE_TOO_LONG = bye("Idle for too long, closing")
TOO_MANY = bye("Too many errors, closing")
RESET = bye("The sandbox was reset, closing", "UNAVAILABLE")
WITHDRAWN = bye("Who opened this mailbox has gone or has other secrets, closing", "EXPIRED")
_CLEAR = no("STARTTLS comes first", "PRIVACYREQUIRED")


def capabilities(session: Opening) -> bytes:
    """The list differs before TLS, before the mailbox is open, and after (mssante §5.3)."""
    if session.mailbox is not None:
        return " ".join((*_LIST, *_OPEN)).encode("ascii")
    offers = [f"AUTH={name}" for name in session.mechanisms]
    return " ".join((*_LIST, *([] if session.tls else ["STARTTLS"]), "LOGINDISABLED", *offers)).encode("ascii")


def greeting(session: Opening) -> bytes:
    return b"* OK [CAPABILITY " + capabilities(session) + b"] MSSante - simulation Socle, bac a sable\r\n"


def misplaced(session: Opening, name: str, *, selected: bool) -> Reply | None:
    """The refusal of a command that this state does not have."""
    if name in ANY:
        return None
    if name in BEFORE:
        return bad("Already authenticated") if session.mailbox is not None else None
    if session.mailbox is None:
        return bad("Not authenticated")
    return bad("No mailbox is selected") if name in SELECTED and not selected else None


def on_starttls(session: Opening, *, pipelined: bool) -> tuple[Opening, Reply]:
    """Nothing said before TLS holds after it; bytes sent behind the command are an injection (RFC 3501 §6.2.1)."""
    if session.tls:
        return session, bad("TLS has begun already")
    return (session, INJECTION) if pipelined else (Opening(tls=True), BEGIN_TLS)


def may_authenticate(session: Opening, mechanism: str) -> Reply | None:
    """The refusal of a mechanism before its exchange begins."""
    if not session.tls:
        return _CLEAR
    return None if mechanism in session.mechanisms else no("Mechanism not offered here, use XOAUTH2", "CANNOT")


def on_login(session: Opening) -> Reply:
    return no("LOGIN is disabled, use AUTHENTICATE") if session.tls else _CLEAR


def on_sasl(session: Opening, mechanism: str, response: bytes, directory: Directory, claims: Claims) -> tuple[Opening, Reply]:
    """A refused token is a challenge first: the caller says it (mssante §5.3)."""
    if mechanism == "XOAUTH2":
        verdict = sasl.xoauth2(response, directory, claims)
    else:
        verdict = sasl.applicative(mechanism, response, session.struct_id, directory)
    if verdict.mailbox is None:
        other = {"cancelled": bad("Authentication cancelled"), "unreadable": bad("Cannot decode the SASL response")}
        return session, other.get(verdict.why, REFUSED)
    session = replace(session, mailbox=verdict.mailbox)
    return session, ok("Logged in", untagged=[b"* CAPABILITY " + capabilities(session)])
