"""What every command of `socle sandbox` shares: one request to the control API of the sandbox that runs in a folder."""
from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from connectors.wire.http import UpstreamError
from gateway.cli.common import BAD_INPUT, UNAVAILABLE, fail
from gateway.embedding.control import detail, send
from gateway.supervise import RUN_FILE

#: A tenant's control key, in place of the administrator's that the manifest holds.
_KEY = "SOCLE_CONTROL_KEY"
_ADDRESS = re.compile(r"GET (/[a-z/-]*[a-z])")
_LISTS = {
    "/documents": "state documents", "/messages": "state messages", "/sessions": "state sessions", "/people": "people list",
    "/people/situations": "people situations", "/pki/certificates": "pki list", "/tenants": "tenant list",
    "/snapshots": "snapshot list",
}  # fmt: skip
_WORDS = {
    "/openapi.json": "« socle sandbox --help »", "demandez « alone »": "ajoutez --alone",
    "donnez X-Socle-Control-Key (« control_key » du manifeste sandbox.json)": f"vérifiez {_KEY}, ou retirez-la",
}  # fmt: skip

Refused = Callable[[dict[str, Any]], None]


def ask(
    data: Path, method: str, path: str, body: dict[str, Any] | None = None, refused: Refused | None = None, **query: object
) -> dict[str, Any]:
    """The JSON of the answer. Ends the command with one French line when nothing runs there, or when it is refused.

    refused  told of the problem first, when it has more to say than its one line
    """
    said: dict[str, Any] = orjson.loads(ask_bytes(data, method, path, body, refused, **query) or b"{}")
    return said


def ask_bytes(
    data: Path, method: str, path: str, body: dict[str, Any] | None = None, refused: Refused | None = None, **query: object
) -> bytes:
    """The same, for what is not JSON. A parameter that is None is left out."""
    try:
        port = orjson.loads((data / RUN_FILE).read_bytes())["ports"]["mock-control"]
        key = os.environ.get(_KEY) or orjson.loads((data / "sandbox" / "sandbox.json").read_bytes())["control_key"]
    except (OSError, ValueError, KeyError):
        fail(f"Aucun bac à sable ne tourne dans {data}. Lancez « socle up », ou indiquez son dossier par --data.", UNAVAILABLE)
    try:
        answer = send(f"http://127.0.0.1:{port}", key, method, path, body, query)
    except UpstreamError as error:
        fail(f"Le bac à sable de {data} ne répond pas ({error.reason}). Relancez « socle up ».", UNAVAILABLE)
    if answer.status >= 400 and refused is not None and answer.body.startswith(b"{"):
        refused(orjson.loads(answer.body))
    if answer.status >= 400:
        said = in_commands(detail(answer))
        fail(f"Refusé par le bac à sable : {said}", UNAVAILABLE if answer.status >= 500 else BAD_INPUT)
    return answer.body


def in_commands(said: str) -> str:
    """What the control API says, with our commands in place of its addresses."""
    for words, ours in _WORDS.items():
        said = said.replace(words, ours)
    return _ADDRESS.sub(lambda found: f"« socle sandbox {_LISTS[found[1]]} »" if found[1] in _LISTS else found[0], said)
