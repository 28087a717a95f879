"""One request to a server of this machine, for a command that waits for it: by httpx, as what it costs does not count here."""
from __future__ import annotations

import ssl

import httpx

from connectors.wire.http import Answer, Headers, NoAnswer, NotSent


def ask(method: str, url: str, *, headers: Headers, body: bytes = b"", timeout_s: float) -> Answer:
    """Plain HTTP; nothing is retried or followed, and no proxy of the environment is used.

    timeout_s  without a byte of the answer
    Raises NotSent (``connect``) or NoAnswer (``timeout``, ``reset``, ``garbage``).
    """
    nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusted: making httpx's own context reads the system's whole store
    try:
        with httpx.Client(transport=httpx.HTTPTransport(verify=nobody, trust_env=False), timeout=timeout_s) as client:
            answer = client.request(method, url, headers=headers, content=body)
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise NotSent("connect") from error
    except httpx.TimeoutException as error:
        raise NoAnswer("timeout") from error
    except httpx.HTTPError as error:
        raise NoAnswer("garbage" if isinstance(error, httpx.RemoteProtocolError) else "reset") from error
    return Answer(answer.status_code, list(answer.headers.raw), answer.content)
