"""Whose request is being answered: the tenant that its credential names. What is counted and shown by tenant reads it here.

Set by whoever reads the credential (mocks/sandbox/web.py for HTTP, a mail conversation once it is opened) for the task that
answers; nobody's until then.
"""
from __future__ import annotations

from contextvars import ContextVar

_WHOSE: ContextVar[str | None] = ContextVar("whose", default=None)


def whose() -> str | None:
    return _WHOSE.get()


def answer_for(tenant: str | None) -> None:
    """From now on in this task, what is answered is this tenant's; None for nobody's."""
    _WHOSE.set(tenant)
