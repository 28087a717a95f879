"""What an armed fault makes of an answer of IMAP: NO, BAD or BYE, or other bytes. The text names the fault."""
from __future__ import annotations

import re
from dataclasses import replace
from typing import get_args

from mocks.mssante.imap_behaviour import Reply, Status
from mocks.sandbox.fault import Fault

#: Where a fault may act, by command; a command that is not here is touched as the first of a session only.
STEP_OF = {
    "AUTHENTICATE": "auth", "LIST": "list", "LSUB": "list", "STATUS": "list", "SELECT": "select", "EXAMINE": "select",
    "SEARCH": "search", "FETCH": "fetch", "STORE": "store", "COPY": "copy", "MOVE": "move", "APPEND": "append",
    "EXPUNGE": "expunge", "CLOSE": "expunge", "IDLE": "idle",
}  # fmt: skip

_TEXTS: dict[Status, str] = {"OK": "", "NO": "Not done", "BAD": "Command refused", "BYE": "Service closing"}
_LITERAL = re.compile(rb"\{([1-9][0-9]*)\}\r\n")


def refusal(fault: Fault, step: str) -> Reply | None:
    """The reply of a fault that answers a status; None for another."""
    if fault.kind not in ("status", "business", "soap"):
        return None
    wanted, _, code = fault.value.partition(" ")
    status: Status = next((one for one in get_args(Status)[1:] if one == wanted), "NO")
    if (status, step, code) == ("NO", "auth", ""):
        code = "AUTHENTICATIONFAILED"
    return named(Reply(status, _TEXTS[status], code), fault)


def named(reply: Reply, fault: Fault) -> Reply:
    """The reply, saying which fault touched it."""
    return replace(reply, text=f"{reply.text} (panne injectee {fault.id})")


def cut_short(answer: bytes) -> bytes:
    """The answer with half of its longest literal: fewer bytes than it says, and the rest of the dialogue in their place."""
    longest, at = max(((int(one[1]), one.end()) for one in _literals(answer)), default=(0, 0))
    return answer[: at + longest // 2] + answer[at + longest :]


def _literals(answer: bytes) -> list[re.Match[bytes]]:
    """What only looks like a literal inside one is none."""
    found, at = [], 0
    while (one := _LITERAL.search(answer, at)) is not None:
        found.append(one)
        at = one.end() + int(one[1])
    return found
