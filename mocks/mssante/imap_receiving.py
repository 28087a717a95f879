"""One IMAP command received whole: its lines and literals, within what this server is ready to hold (RFC 3501 §4.3, RFC 7888)."""
from __future__ import annotations

import re

from mocks.mssante.behaviour import SIZE_LIMIT
from mocks.mssante.imap_commands import name_of
from mocks.mssante.imap_reading import Text
from mocks.mssante.wire import TooLong, Wire

AUTH_LIMIT = 12_288  # bytes of a command until the mailbox is open: a token fits
_LIMIT = 65_536  # afterwards, literals included, the message of an APPEND aside

_LITERAL = re.compile(rb"\{([0-9]{1,10})(\+?)\}\Z")


class TooBig(Exception):
    """A literal that the client has not sent, for it was not invited to."""


def limit_of(*, opened: bool) -> int:
    """Bytes of one line, and of one command without the message of an APPEND."""
    return _LIMIT if opened else AUTH_LIMIT


async def read_text(wire: Wire, line: bytes, *, opened: bool) -> Text:
    """The whole of the command whose first line this is. Raises TooBig, and TooLong for what was sent without an invitation."""
    left = limit_of(opened=opened) - len(line)
    message = SIZE_LIMIT if opened and name_of(line) == "APPEND" else 0
    literals: list[bytes] = []
    last = line  # the end of the command so far: looking through all of it for each literal takes the square of their number
    while (literal := _LITERAL.search(last)) is not None:
        size, waits = int(literal[1]), not literal[2]
        if size <= left:
            left -= size
        elif size <= message:
            message = 0
        else:
            raise TooBig if waits else TooLong
        if waits:
            await wire.write(b"+ Ready for literal data\r\n")
        literals.append(await wire.take(size))
        last = await wire.line(limit_of(opened=opened))
        left -= len(last)
        if left < 0:
            raise TooLong
        line += b"\r\n" + last
    return Text(line, tuple(literals))
