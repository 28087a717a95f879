"""Tokens that a DUI carries, read in memory to say whose call it is: never checked, never to authorise it (design §8)."""
from __future__ import annotations

import base64
from typing import Any

import orjson


def json_object(body: bytes) -> dict[str, Any]:
    """The members of a JSON object; none of anything else."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def claims(token: str) -> dict[str, Any]:
    """The claims of a JWT; none of anything else."""
    parts = token.strip().split(".")
    if len(parts) != 3:
        return {}
    try:
        return json_object(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return {}


def bearing_client(authorization: str | None) -> str | None:
    """The PSC client to which the access token of an Authorization header was given (``azp``)."""
    scheme, _, token = (authorization or "").partition(" ")
    client = claims(token).get("azp") if scheme.lower() == "bearer" else None
    return client if isinstance(client, str) and client else None
