"""The ledgers: what each mock claims about the real service, read from its ``ledger.toml``."""
from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

_MOCKS = Path(__file__).parents[1]

ASSUMED, NOT_YET = "assumed", "not-yet"

#: Every ledger, in the order in which people read about the services.
LEDGERS = ("insi", "dmp", "mssante", "psc", "annuaire", "sandbox")


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One claim. Either ``source``, or ``status`` with ``why``; the test checks it (tests/mocks/test_ledgers.py).

    says, why  French, shown to vendors by docs/fidelity.md
    source     "note#section" of the reference notes
    at         words by which the fact is found in that section, where the section also holds facts that nobody saw
    status     "assumed": done our way, the real one was not seen · "not-yet": not done · "": as the source says
    test       "tests/…::name"; none for what is not done
    magic      the data or the setting that brings it about
    code       what the service then answers, "" where it is no code
    tried      one command that shows it, "" where there is none (docs/magic-data.md)
    """

    id: str
    says: str
    source: str = ""
    at: str = ""
    status: str = ""
    why: str = ""
    test: str = ""
    magic: str = ""
    code: str = ""
    tried: str = ""


def read_ledger(name: str) -> tuple[Behaviour, ...]:
    """The claims of one mock, in the order of its file; TypeError for a field that does not exist."""
    rows = tomllib.loads((_MOCKS / name / "ledger.toml").read_text("utf-8"))["behaviour"]
    return tuple(Behaviour(**row) for row in rows)


def not_checked(name: str) -> list[str]:
    """Ids of what the real service checks or does, and this mock does not."""
    return [behaviour.id for behaviour in read_ledger(name) if behaviour.status == NOT_YET]
