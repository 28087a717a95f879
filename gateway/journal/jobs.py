"""What waits for the journal's disk, and how those who wait are told."""
from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from gateway.journal.refs import Lookups

if TYPE_CHECKING:
    from gateway.journal.store import Store

log = logging.getLogger(__name__)


class Job(NamedTuple):
    """Something to do in a transaction, who waits for it to be durable, and what is then true even if nobody waits.

    owed   the call has left: its room is kept, it is never refused for want of it while the ballast lasts
    named  the values that ``work`` will name, so that those of a whole group are looked up together
    """

    work: Callable[[Store], Any]
    named: Lookups
    owed: bool
    future: asyncio.Future[Any]
    then: Callable[[], None] | None


Done = list[tuple[Job, Any]]  # jobs whose transaction is on disk, each with its result


def deliver(done: Done) -> None:
    """Resolve the futures, with one wake-up for each event loop."""
    _tell(done, _resolve)


def refuse(batch: list[Job], error: Callable[[], Exception]) -> None:
    """Fail the futures, each with an error of its own."""
    _tell([(job, error()) for job in batch], _reject)


def _tell(told: list[tuple[Job, Any]], how: Callable[[list[tuple[Job, Any]]], None]) -> None:
    loops = {job.future.get_loop() for job, _ in told}
    for loop in loops:
        mine = told if len(loops) == 1 else [(job, what) for job, what in told if job.future.get_loop() is loop]
        try:
            loop.call_soon_threadsafe(how, mine)
        except RuntimeError:  # the loop is closed: nobody waits any more
            log.warning("journal_waiters_gone", extra={"count": len(mine)})


def _resolve(done: Done) -> None:
    for job, result in done:
        if job.then is not None:
            job.then()
        if not job.future.done():  # else its waiter was cancelled; the row is written all the same
            job.future.set_result(result)


def _reject(failed: list[tuple[Job, Exception]]) -> None:
    for job, error in failed:
        if not job.future.done():
            job.future.set_exception(error)
