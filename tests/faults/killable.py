"""``python -m tests.faults.killable``: the gateway itself, which kills itself at the point that a test armed.

SOCLE_TEST_KILL_AT names a folder. While its file ``armed`` holds ``<point> <operation>``, the process dies (SIGKILL) when a
call of that operation reaches that point. Only this module reads it: the gateway has no such hook, it is patched from outside.

Importing the gateway costs more than starting it. So this process imports and patches once, then forks a gateway at the start
and at each file ``start`` (JSON: its environment), and says in ``state``: ``ready <pid>``, ``dead <wait status>``.
"""
from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from connectors.dmp.client import DmpAsker
from connectors.wire import http
from gateway import __main__
from gateway.doors.mail.conversation import Conversation
from gateway.doors.mail.upstream import Upstream
from gateway.doors.native import NativeApp
from gateway.journal.journal import Journal
from gateway.journal.record import Record

FEED, MESSAGE = "DMP.TD2.1", "MSS.SOUMISSION"
POINTS = (
    "before-intent", "intent-durable", "first-byte", "last-byte", "answer-read", "before-entry", "entry-durable",
    "answer-released",
)  # fmt: skip
SETTLEMENT_POINTS = ("settlement-asked", "settlement-durable")

_FOLDER = Path(os.environ["SOCLE_TEST_KILL_AT"]) if "SOCLE_TEST_KILL_AT" in os.environ else Path(os.devnull)
_POLL_S = 0.02
_FLUSH_S = 0.02
_feeding: ContextVar[bool] = ContextVar("feeding", default=False)


def armed(point: str, operation: str | None) -> bool:
    return (_FOLDER / "armed").read_text() == f"{point} {operation}"


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def at(point: str, operation: str | None) -> None:
    if armed(point, operation):
        die()


def sent(point: str, operation: str) -> None:
    """The same once what was written has left; the loop stands still meanwhile, so that no answer is read."""
    if armed(point, operation):
        time.sleep(_FLUSH_S)
        die()


def patch_journal() -> None:
    intend, write = Journal.intend, Journal.write

    async def killable_intend(self: Journal, record: Record, *rest: Any) -> Any:
        at("before-intent", record.operation)
        result = await intend(self, record, *rest)
        at("intent-durable", record.operation)
        return result

    async def killable_write(self: Journal, *records: Record) -> Any:
        calls = [record.operation for record in records if record.kind == "call"]
        for operation in calls:
            at("before-entry", operation)
        result = await write(self, *records)
        for operation in calls:
            at("entry-durable", operation)
        for record in records:
            if record.kind == "settlement":
                at("settlement-durable", record.operation)
        return result

    Journal.intend, Journal.write = killable_intend, killable_write  # type: ignore[method-assign]


def patch_http() -> None:
    send, call = http.Client.send, NativeApp.__call__

    async def killable_send(self: http.Client, method: str, url: str, **named: Any) -> Any:
        _feeding.set(url.endswith("/repository"))
        result = await send(self, method, url, **named)
        if url.endswith("/repository"):
            at("answer-read", FEED)
        return result

    async def killable_body(self: Any, writer: Any) -> None:
        half = len(self._value) // 2 if _feeding.get() and armed("first-byte", FEED) else len(self._value)
        await writer.write(self._value[:half])
        if _feeding.get():
            sent("first-byte", FEED)
            sent("last-byte", FEED)
        self.handed = True

    async def killable_call(self: NativeApp, scope: Any, *rest: Any) -> None:
        await call(self, scope, *rest)
        if str(scope.get("path")).endswith("/repository"):
            sent("answer-released", FEED)

    http.Client.send = killable_send  # type: ignore[method-assign,assignment]
    http._Body.write = killable_body  # type: ignore[method-assign]
    NativeApp.__call__ = killable_call  # type: ignore[method-assign]


def patch_mail() -> None:
    write, end_data, data = Upstream.write, Upstream.end_data, Conversation._data

    async def killable_write(self: Upstream, content: bytes) -> None:
        await write(self, content)
        if b"\r\n\r\n" in content:  # the content of a message: no command has an empty line
            sent("first-byte", MESSAGE)

    async def killable_end(self: Upstream) -> Any:
        if armed("last-byte", MESSAGE):
            await write(self, b".\r\n")
            sent("last-byte", MESSAGE)
        result = await end_data(self)
        at("answer-read", MESSAGE)
        return result

    async def killable_data(self: Conversation, *rest: Any) -> None:
        await data(self, *rest)
        sent("answer-released", MESSAGE)

    Upstream.write, Upstream.end_data = killable_write, killable_end  # type: ignore[method-assign]
    Conversation._data = killable_data  # type: ignore[method-assign]


def patch_settlement() -> None:
    ask = DmpAsker.ask

    async def killable_ask(self: DmpAsker, blob: bytes) -> Any:
        result = await ask(self, blob)
        at("settlement-asked", FEED)
        return result

    DmpAsker.ask = killable_ask  # type: ignore[method-assign]


def patch_announcement() -> None:
    announce = __main__._announce

    def telling(name: str | None, url: str | None) -> None:
        announce(name, url)
        if name is None:
            say(f"ready {os.getpid()}")

    __main__._announce = telling


def say(state: str) -> None:
    (_FOLDER / "state.new").write_text(state)
    (_FOLDER / "state.new").replace(_FOLDER / "state")


def nursery() -> int:
    """Fork gateways one after the other until SIGTERM, or until whoever started this is gone."""
    children: list[int] = []
    stopping: list[int] = []

    def stop(number: int, _frame: object) -> None:
        stopping.append(number)
        for pid in children:
            os.kill(pid, signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    environment: dict[str, str] | None = {}
    while environment is not None and not stopping:
        pid = os.fork()
        if pid == 0:
            os.environ.update(environment)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os._exit(__main__.main())
        children[:] = [pid]
        _, status = os.waitpid(pid, 0)
        children.clear()
        say(f"dead {status}")
        environment = next_start(stopping)
    return 0


def next_start(stopping: list[int]) -> dict[str, str] | None:
    """The environment of the next gateway; None when there will be none."""
    start = _FOLDER / "start"
    while not stopping and not select.select([sys.stdin], [], [], _POLL_S)[0]:  # readable: end of file, the parent is gone
        if start.exists():
            environment: dict[str, str] = json.loads(start.read_text())
            start.unlink()
            return environment
    return None


if __name__ == "__main__":
    for patch in (patch_journal, patch_http, patch_mail, patch_settlement, patch_announcement):
        patch()
    sys.exit(nursery())
