"""The official codes that a business fault may answer: the ``[[code]]`` lines of the ledgers, by operation. None is invented."""
from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MOCKS = Path(__file__).parents[1]

MAIL = "MSS"

IMAP = "MSS.SESSION_IMAP"

#: Every operation that a mock recognises, and so may be touched.
_OPERATIONS = {
    "insi": (
        "INS.RECHERCHE_TRAITS", "INS.RECHERCHE_VITALE", "INS.VERIFICATION", "INS.LOT_DEPOT", "INS.LOT_RETRAIT", "INS.INCONNUE",
    ),
    "dmp": ("DMP.TD0.2", "DMP.TD2.1", "DMP.TD3.1", "DMP.INCONNUE"),
    "mssante": ("MSS.SOUMISSION", "MSS.SESSION_SMTP", IMAP),
    "psc": ("PSC.AUTHORIZE", "PSC.LOGIN", "PSC.TOKEN", "PSC.USERINFO", "PSC.DISCOVERY", "PSC.INCONNUE"),
    "annuaire": ("ANN.RECHERCHE", "ANN.INCONNUE"),
}

#: Steps of a session before its mailbox is open: nobody is known yet.
BEFORE_LOGIN = frozenset({"session", "auth", "tls"})

#: Where a fault may act in a mail dialogue; the first is what a fault that names none means.
STEPS = {
    "MSS.SOUMISSION": ("end", "mail", "rcpt", "data"), "MSS.SESSION_SMTP": ("session", "auth"),
    IMAP: (
        "session", "auth", "list", "select", "search", "fetch", "store", "copy", "move", "append", "expunge", "idle",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Codes:
    """Some codes of one meaning. Either ``source``, or ``status`` "assumed" with ``why``, as a line of behaviour.

    says   French, what it tells the software
    steps  of a mail dialogue, where it is answered
    """

    operations: tuple[str, ...]
    codes: tuple[str, ...]
    says: str
    steps: tuple[str, ...] = ()
    source: str = ""
    at: str = ""
    status: str = ""
    why: str = ""


def read_codes() -> tuple[Codes, ...]:
    """Every line of every ledger, in the order of the files."""
    return tuple(one for mock in _OPERATIONS for one in codes_in(mock))


@functools.cache
def codes_in(ledger: str) -> tuple[Codes, ...]:
    """The lines of one ledger, in its order; TypeError for a field that does not exist."""
    rows = tomllib.loads((_MOCKS / ledger / "ledger.toml").read_text("utf-8")).get("code", [])
    return tuple(_read(row) for row in rows)


def _read(row: dict[str, Any]) -> Codes:
    lists: dict[str, tuple[str, ...]] = {name: tuple(row.pop(name, ())) for name in ("operations", "codes", "steps")}
    return Codes(**lists, **row)  # type: ignore[arg-type]


def operations() -> tuple[str, ...]:
    return tuple(one for group in _OPERATIONS.values() for one in group)


def http_operations() -> tuple[str, ...]:
    return tuple(one for one in operations() if not one.startswith(f"{MAIL}."))


def steps_of(operation: str) -> tuple[str, ...]:
    return STEPS.get(operation, ())


def is_session(operation: str) -> bool:
    """Whether it begins before anything of the mail dialogue is known, its handshake included."""
    return operation.startswith(f"{MAIL}.SESSION_")


def default_step(operation: str) -> str:
    """Where a fault acts that names no step: empty for what is no mail dialogue."""
    return next(iter(steps_of(operation)), "")


def codes_of(operation: str, step: str = "") -> tuple[str, ...]:
    """What may be answered to this operation, at this step: the default one when it names none."""
    place = step or default_step(operation)
    rows = (row for row in read_codes() if operation in row.operations and (not row.steps or place in row.steps))
    return tuple(dict.fromkeys(code for row in rows for code in row.codes))
