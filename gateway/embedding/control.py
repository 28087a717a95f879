"""One request to the control API of a sandbox that runs on this machine."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import orjson

from connectors.wire.asking import ask
from connectors.wire.http import Answer

#: Longer than any answer takes: a route may wait a minute, the gateway up to five seconds for its calls.
_TIMEOUT_S = 75.0


def send(
    base: str, key: str, method: str, path: str, body: Mapping[str, Any] | None = None, query: Mapping[str, object] | None = None
) -> Answer:
    """The answer, whatever its status. A parameter that is None is left out. Raises UpstreamError."""
    given = {name: value for name, value in (query or {}).items() if value is not None}
    url = base + path + (f"?{urlencode(given)}" if given else "")
    headers = [(b"X-Socle-Control-Key", key.encode("ascii")), (b"Content-Type", b"application/json")]
    sent = orjson.dumps(body) if body is not None else b""
    return ask(method, url, headers=headers, body=sent, timeout_s=_TIMEOUT_S)


def detail(answer: Answer) -> str:
    """Why it refused, in French."""
    try:
        return str(orjson.loads(answer.body)["detail"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {answer.status}"
