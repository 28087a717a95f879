"""What every command of `socle sandbox` shares: one request to the control API of the sandbox that runs in a folder."""
from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson

from connectors.wire.http import Answer, Client, UpstreamError
from gateway.cli.common import BAD_INPUT, UNAVAILABLE, fail
from gateway.supervise import RUN_FILE

_TIMEOUT_S = 40.0


def ask(data: Path, method: str, path: str, body: dict[str, Any] | None = None, **query: object) -> dict[str, Any]:
    """The JSON of the answer. Ends the command with one French line when nothing runs there, or when it is refused."""
    said: dict[str, Any] = orjson.loads(ask_bytes(data, method, path, body, **query) or b"{}")
    return said


def ask_bytes(data: Path, method: str, path: str, body: dict[str, Any] | None = None, **query: object) -> bytes:
    """The same, for what is not JSON. A parameter that is None is left out."""
    given = {name: value for name, value in query.items() if value is not None}
    try:
        port = orjson.loads((data / RUN_FILE).read_bytes())["ports"]["mock-control"]
        key = orjson.loads((data / "sandbox" / "sandbox.json").read_bytes())["control_key"]
    except (OSError, ValueError, KeyError):
        fail(f"Aucun bac à sable ne tourne dans {data}. Lancez « socle up », ou indiquez son dossier par --data.", UNAVAILABLE)
    url = f"http://127.0.0.1:{port}{path}" + (f"?{urlencode(given)}" if given else "")
    try:
        answer = asyncio.run(_send(method, url, key, body))
    except UpstreamError as error:
        fail(f"Le bac à sable de {data} ne répond pas ({error.reason}). Relancez « socle up ».", UNAVAILABLE)
    if answer.status >= 400:
        fail(f"Refusé par le bac à sable : {_detail(answer)}", UNAVAILABLE if answer.status >= 500 else BAD_INPUT)
    return answer.body


def _detail(answer: Answer) -> object:
    try:
        return orjson.loads(answer.body).get("detail", answer.status)
    except ValueError:
        return answer.status


async def _send(method: str, url: str, key: str, body: dict[str, Any] | None) -> Answer:
    headers = [(b"X-Socle-Control-Key", key.encode("ascii")), (b"Content-Type", b"application/json")]
    sent = orjson.dumps(body) if body is not None else b""
    async with Client() as http:
        return await http.send(method, url, headers=headers, body=sent, timeout_s=_TIMEOUT_S)
