"""The console of several gateways is one: whichever is asked, the leader does it, and every other one knows before the answer
(decision 0046)."""
from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import orjson

from connectors.wire.http import Answer, Client, Headers, UpstreamError
from gateway.among import Among, NotEverywhere
from gateway.journal.durable import write_durably

LEADER_NAME = "journal.leader"  # in the gateway's folder: where the leader's own console listens
RELOAD = "reload"  # what the others are told when files of the folder have changed
_FILES = ("/admin/identities", "/admin/grappes")  # their acts change files after their entry
_FORWARD_S = 300.0  # a change of key, an export of a large journal
_LOOK_EVERY_S = 1.0  # whether the one that was asked still leads
_MOST = 16 << 20

Message = MutableMapping[str, Any]
App = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]

_NO_LEADER = (
    "Aucune passerelle de ce journal ne mène pour l'instant, ou celle qui mène n'est pas joignable d'ici : rien n'a été changé "
    "par cette demande, sauf si elle l'avait déjà reçue. Vérifiez, puis recommencez dans quelques secondes."
)


def publish(folder: Path, port: int) -> None:
    """Say where the leader is asked."""
    write_durably(folder / LEADER_NAME, orjson.dumps({"url": f"http://127.0.0.1:{port}"}))


class OneConsole:
    """``app`` is the console of this gateway."""

    def __init__(self, app: App, among: Among) -> None:
        self._app, self._among, self._client = app, among, Client()

    async def close(self) -> None:
        await self._client.close()

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/admin/"):
            await self._among.fresh()
            await self._app(scope, receive, send)
        elif self._among.leading:
            await self.led(scope, receive, send)
        else:
            await self._forwarded(scope, receive, send)

    async def led(self, scope: Message, receive: Any, send: Any) -> None:
        """Do it here; what was done is answered once every gateway knows of it. Whoever no longer leads does nothing."""
        if not await self._among.leads():
            await _answer(send, 503, _NO_LEADER)
            return
        held: list[Message] = []

        async def hold(message: Message) -> None:
            held.append(message)

        await self._app(scope, receive, hold)
        if scope["method"] != "GET" and held and held[0].get("status", 500) < 400:
            try:
                if scope["path"].startswith(_FILES):
                    await self._among.tell({"action": RELOAD})
                await self._among.everywhere()
            except NotEverywhere as error:
                logs = ", ".join(map(str, error.logs))
                said = (
                    f"C'est fait et inscrit au journal, mais la passerelle du journal {logs} ne l'a pas encore appliqué : "
                    "elle le fera avant de servir, ou elle est arrêtée. Vérifiez-la ; ne recommencez pas."
                )
                await _answer(send, 503, said)
                return
        for message in held:
            await send(message)

    async def _forwarded(self, scope: Message, receive: Any, send: Any) -> None:
        body = await _body(receive)
        if body is None:
            await _answer(send, 413, "Demande trop longue.")
            return
        query = f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else ""
        headers: Headers = [(name, value) for name, value in scope["headers"] if name != b"host"]
        try:
            leader = self._leader()
            url = leader + scope["raw_path"].decode("latin-1") + query
            asked = asyncio.ensure_future(
                self._client.send(scope["method"], url, headers=headers, body=body, timeout_s=_FORWARD_S)
            )
            answer = await self._while_it_leads(asked, leader)
        except (OSError, UpstreamError):
            await _answer(send, 503, _NO_LEADER)
            return
        await _send(send, answer.status, answer.headers, answer.body)

    def _leader(self) -> str:
        """Raises OSError."""
        return str(orjson.loads((self._among.journal.folder / LEADER_NAME).read_bytes())["url"])

    async def _while_it_leads(self, asked: asyncio.Future[Answer], leader: str) -> Answer:
        """Whoever was stopped before it answered, and leads no more, will not answer. Raises OSError, UpstreamError."""
        try:
            while not (await asyncio.wait({asked}, timeout=_LOOK_EVERY_S))[0]:
                if self._leader() != leader:
                    raise TimeoutError(leader)
            return asked.result()
        finally:
            asked.cancel()


async def _body(receive: Any) -> bytes | None:
    """None when it is longer than any act."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > _MOST:
            return None
    return body


async def _answer(send: Any, status: int, said: str) -> None:
    await _send(send, status, [(b"content-type", b"application/json")], orjson.dumps({"detail": said}))


async def _send(send: Any, status: int, headers: Headers, body: bytes) -> None:
    kept = [(name, value) for name, value in headers if name.lower() not in (b"content-length", b"date", b"server")]
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*kept, length]})
    await send({"type": "http.response.body", "body": body})
