"""What the control API says to the gateway: business time is about to jump, a fault is armed or disarmed (design §7)."""
from __future__ import annotations

import asyncio
import http.client
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import orjson

#: Longer than the gateway waits for its calls in flight before it answers 409.
_TIMEOUT_S = 40.0
_TOUCHED_S = 2.0  # a fault happens all the same
_AUTHOR = "bac-a-sable"


@dataclass(frozen=True, slots=True)
class Told:
    """What came of it. ``absent``: nobody listens · ``done``: it did · ``busy``: it refused, 409 ·
    ``unclear``: any other answer, or none in time. ``text`` is the gateway's own, for a refusal."""

    result: Literal["absent", "done", "busy", "unclear"]
    text: str = ""


async def tell_clock(port: int | None, admin_key: str, *, offset_s: float, version: int) -> Told:
    """Ask the gateway on its console to move business time; never raises."""
    return await _tell(port, admin_key, "/admin/clock", {"offset_s": offset_s, "version": version})


async def tell_fault(port: int | None, admin_key: str, fault: Mapping[str, object], *, armed: bool) -> Told:
    """Tell the gateway that a fault is armed or disarmed, so that its journal says so; never raises."""
    said = {name: fault[name] for name in ("id", "operation", "kind")}
    return await _tell(port, admin_key, "/admin/fault", {**said, "armed": armed})


async def tell_touched(port: int | None, admin_key: str, *, fault: str, operation: str, lost: str) -> Told:
    """Tell the gateway that a fault may leave a call without the answer that alone could name it; never raises.

    lost  how: ``timeout``, the answer comes late or never · ``reset``, the connection ends before it
    """
    said = {"id": fault, "operation": operation, "kind": lost}
    return await _tell(port, admin_key, "/admin/fault/touched", said, _TOUCHED_S)


async def tell_deposit(port: int | None, admin_key: str, *, service: str, cert: str, key: str, tenant: str | None) -> Told:
    """Deposit a structure's identity for a service (PEM texts), so that the gateway presents it there; never raises."""
    said = {"service": service, "use": "auth", "cert": cert, "key": key, "tenant": tenant, "by": _AUTHOR}
    return await _tell(port, admin_key, "/admin/identities", said)


async def tell_withdrawal(port: int | None, admin_key: str, name: str) -> Told:
    """Take back a deposit by its name; ``busy`` when there is none of this name. Never raises."""
    return await _tell(port, admin_key, "/admin/identities/remove", {"name": name, "by": _AUTHOR})


async def tell_sandbox(port: int | None, admin_key: str, *, act: str, name: str | None, tenant: str | None = None) -> Told:
    """Ask the gateway to wait until no call is in flight and to write in its journal what becomes of the mocks; never raises.

    tenant  whose part alone is meant: the entry is written, and nobody waits for the calls of others
    """
    return await _tell(port, admin_key, "/admin/sandbox", {"act": act, "name": name, "tenant": tenant})


async def tell_tenant(port: int | None, admin_key: str, *, act: str, name: str) -> Told:
    """Have written in the gateway's journal what becomes of a tenant, and taken back what it had there; never raises."""
    return await _tell(port, admin_key, "/admin/tenants", {"act": act, "name": name})


async def tell_refusal(port: int | None, admin_key: str, *, name: str, why: str, count: int = 1) -> Told:
    """Have noted that a tenant asked for what is not its own, ``count`` times; never raises."""
    return await _tell(port, admin_key, "/admin/tenants/denied", {"name": name, "why": why, "count": count}, _TOUCHED_S)


async def _tell(
    port: int | None, admin_key: str, path: str, said: Mapping[str, object], timeout_s: float = _TIMEOUT_S
) -> Told:
    if port is None:
        return Told("absent")
    return await asyncio.to_thread(_post, port, admin_key, path, orjson.dumps(said), timeout_s)


def _post(port: int, admin_key: str, path: str, body: bytes, timeout_s: float) -> Told:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.connect()
    except OSError:
        return Told("absent")
    try:
        headers = {"Content-Type": "application/json", "X-Socle-Admin-Key": admin_key}
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        return _read(answer.status, answer.read(65536))
    except (OSError, http.client.HTTPException) as error:
        return Told("unclear", type(error).__name__)
    finally:
        connection.close()


def _read(status: int, body: bytes) -> Told:
    if 200 <= status < 300:
        return Told("done")
    if status == 409:
        return Told("busy", _detail(body))
    return Told("unclear", f"HTTP {status}")


def _detail(body: bytes) -> str:
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    return str(answer.get("detail", "")) if isinstance(answer, dict) else ""
