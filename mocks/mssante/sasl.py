"""Who opens a mailbox, by which SASL exchange: the same at submission and at reading (mssante §5.3). No socket, no reply code."""
from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

from connectors.nomenclatures.mssante import normalise
from mocks.mssante.directory import Claims, Directory, entitled

APPLICATIVE = ("EXTERNAL", "PLAIN")


@dataclass(frozen=True, slots=True)
class Opening:
    """One connection until its mailbox is open.

    struct_id   of the client's certificate, when it showed one that names a structure
    mechanisms  of SASL, as offered
    """

    tls: bool = False
    struct_id: str | None = None
    mechanisms: tuple[str, ...] = ("XOAUTH2",)
    mailbox: str | None = field(default=None, repr=False)


S = TypeVar("S", bound=Opening)


def on_certificate(session: S, struct_id: str | None, applicative: tuple[str, ...]) -> S:
    """TLS has begun. A certificate that names a structure may open an applicative mailbox (mssante §5.3)."""
    return session if struct_id is None else replace(session, struct_id=struct_id, mechanisms=("XOAUTH2", *applicative))


@dataclass(frozen=True, slots=True)
class Verdict:
    """The mailbox that opens, or why none does."""

    mailbox: str | None = field(default=None, repr=False)
    why: Literal["", "cancelled", "unreadable", "refused"] = ""


_CANCELLED, _UNREADABLE, _REFUSED = Verdict(why="cancelled"), Verdict(why="unreadable"), Verdict(why="refused")


def xoauth2(response: bytes, directory: Directory, claims: Claims) -> Verdict:
    """``user=<mailbox>^Aauth=Bearer <token>^A^A`` in base64."""
    text = _text(response)
    if isinstance(text, Verdict):
        return text
    fields = text.split("\x01")
    if len(fields) != 4 or fields[2:] != ["", ""] or not fields[0].startswith("user="):
        return _UNREADABLE
    scheme, _, token = fields[1].removeprefix("auth=").partition(" ")
    mailbox = normalise(fields[0].removeprefix("user="))
    if not fields[1].startswith("auth=") or scheme.lower() != "bearer" or not entitled(directory, claims(token), mailbox):
        return _REFUSED
    return Verdict(mailbox)


def applicative(mechanism: str, response: bytes, struct_id: str | None, directory: Directory) -> Verdict:
    """PLAIN or EXTERNAL behind a structure's certificate: only its own applicative mailboxes. The password is not read."""
    text = _text(b"" if response == b"=" else response)  # "=" is the empty initial response
    if isinstance(text, Verdict):
        return text
    own = directory.applicative.get(struct_id or "", frozenset())
    if mechanism == "PLAIN":
        fields = text.split("\0")
        if len(fields) != 3:
            return _UNREADABLE
        mailbox = normalise(fields[1])
    else:  # EXTERNAL: the certificate alone, or the mailbox that it is to open
        mailbox = normalise(text) if text else next(iter(own)) if len(own) == 1 else ""
    return Verdict(mailbox) if mailbox in own else _REFUSED


def _text(response: bytes) -> str | Verdict:
    """What a response says, or what is wrong with one that cancels or cannot be read."""
    if response == b"*":
        return _CANCELLED
    try:
        return base64.b64decode(response, validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError):
        return _UNREADABLE
