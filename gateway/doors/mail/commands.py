"""What the SMTP door reads of commands and capabilities. Pure; it relays lines as they are and rewrites none."""
from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import orjson

from connectors.nomenclatures.mssante import is_address, normalise

#: Commands that go upstream as typed. STARTTLS is the door's own; anything else is 502 (design §8).
RELAYED = frozenset({"EHLO", "HELO", "AUTH", "MAIL", "RCPT", "DATA", "RSET", "NOOP", "QUIT"})
#: Those that may come before the DUI's side is encrypted.
BEFORE_TLS = frozenset({"EHLO", "HELO", "RSET", "NOOP", "QUIT", "STARTTLS"})
#: Those that need an EHLO since the connection or since STARTTLS.
AFTER_HELLO = frozenset({"AUTH", "MAIL", "RCPT", "DATA"})

_UNDERSTOOD = frozenset({"SIZE", "PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN"})
#: Behind a structure's certificate only: they open its applicative mailboxes (mssante §5.3).
APPLICATIVE = ("EXTERNAL", "PLAIN")
_MECHANISMS = ("XOAUTH2",)
#: Operators forgive spaces that RFC 5321 does not have: what they take is read all the same.
_PATH = re.compile(rb"^(?:MAIL +FROM|RCPT +TO): *<([^<>]*)>", re.IGNORECASE)
_SUBJECT = re.compile(r"[0-9A-Za-z/.-]{1,64}")


@dataclass(frozen=True, slots=True)
class Bearer:
    """What a SASL response names; the token itself is not kept."""

    mailbox: str = field(repr=False)
    professional: str | None = field(repr=False)  # SubjectNameID, national id of the bearer


def verb_of(line: bytes) -> str:
    """The upper-case first word; empty when it is not ASCII."""
    word = line.partition(b" ")[0]
    return word.decode("ascii").upper() if word.isascii() else ""


def address_of(line: bytes) -> str | None:
    """The normalised address of MAIL or RCPT, empty for the null path; None when the line has no readable one."""
    match = _PATH.match(line)
    if match is None or not match[1].isascii():
        return None
    address = match[1].decode("ascii")
    return normalise(address) if address == "" or is_address(address) else None


def offer(lines: Iterable[str], *, tls: bool, lent: bool = False) -> list[str]:
    """The EHLO list shown to the DUI: upstream's, less what the door does not understand (design §8).

    lent  a structure's identity is presented to the operator: its mechanisms may be used
    """
    wanted = (*_MECHANISMS, *APPLICATIVE) if lent else _MECHANISMS
    first, *rest = lines
    offered = [first]
    for line in rest:
        keyword, _, arguments = line.upper().partition(" ")
        if keyword in _UNDERSTOOD:
            offered.append(line)
        elif keyword == "AUTH" and tls and (mechanisms := [one for one in wanted if one in arguments.split()]):
            offered.append(" ".join(["AUTH", *mechanisms]))
    return offered if tls else [*offered, "STARTTLS"]


def size_limit(lines: Iterable[str], default: int) -> int:
    """The SIZE that upstream declares, in bytes; ``default`` when it declares none, or 0 (no fixed limit)."""
    for line in lines:
        keyword, _, value = line.upper().partition(" ")
        if keyword == "SIZE" and value.isdecimal() and 0 < int(value) < default:
            return int(value)
    return default


def mechanism_of(line: bytes) -> str:
    """The upper-case mechanism of an AUTH command; empty when there is none in ASCII."""
    word = _words(line)[1:2]
    return word[0].decode("ascii").upper() if word and word[0].isascii() else ""


def initial_response(line: bytes) -> bytes | None:
    """The SASL response that came with AUTH, if any."""
    words = _words(line)
    return words[2] if len(words) == 3 and mechanism_of(line) in (*_MECHANISMS, *APPLICATIVE) else None


def _words(line: bytes) -> list[bytes]:
    return [word for word in line.split(b" ") if word]


def named_by(mechanism: str, response: bytes) -> Bearer | None:
    """Whom a SASL response names; None when it names nobody that can be read."""
    return bearer_of(response) if mechanism == "XOAUTH2" else _mailbox_of(mechanism, response)


def bearer_of(response: bytes) -> Bearer | None:
    """Mailbox and bearer of an XOAUTH2 response; None when it cannot be read. The operator judges it, not the door."""
    try:
        user, auth, *_ = base64.b64decode(response, validate=True).decode("ascii").split("\x01")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
    mailbox = normalise(user.removeprefix("user="))
    if not user.startswith("user=") or not is_address(mailbox):
        return None
    return Bearer(mailbox, _subject(auth.rpartition(" ")[2]))


def _mailbox_of(mechanism: str, response: bytes) -> Bearer | None:
    """The mailbox of PLAIN (RFC 4616) or EXTERNAL (RFC 4422); behind them no professional is known."""
    try:
        text = base64.b64decode(response, validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError):
        return None
    fields = text.split("\0")
    if mechanism == "PLAIN":
        text = fields[1] if len(fields) == 3 else ""
    return Bearer(normalise(text), None) if is_address(text) else None


def _subject(token: str) -> str | None:
    """SubjectNameID of a PSC access token (reference psc-annuaire §5.3), unverified: worth something after a 235 only."""
    try:
        payload = token.split(".")[1]
        claims = orjson.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError):  # binascii.Error and orjson's are ValueErrors
        return None
    subject = claims.get("SubjectNameID") if isinstance(claims, dict) else None
    return subject if isinstance(subject, str) and _SUBJECT.fullmatch(subject) else None
