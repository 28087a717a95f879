"""Whose a request is: what proves it comes before what anybody may write in it."""
from __future__ import annotations

import base64
from typing import Any

import pytest

from mocks.sandbox.population import Population
from mocks.sandbox.who import Callers

MANIFEST = {
    "structures": [],
    "psc_clients": [{"client_id": f"de-{tenant}", "tenant": tenant} for tenant in "abc"],
    "annuaire_keys": [{"key": f"cle-{tenant}", "tenant": tenant} for tenant in "abc"],
}
FORM = {"content-type": "application/x-www-form-urlencoded"}
BASIC = {"authorization": "Basic " + base64.b64encode(b"de-b:secret").decode()}
BEARER = {"authorization": "Bearer jeton-b"}


@pytest.mark.parametrize(
    ("headers", "query", "body", "tenant"),
    [
        ({"esante-api-key": "cle-b"}, "client_id=de-a", b"", "b"),
        (BASIC, "client_id=de-a", b"", "b"),
        (BEARER, "client_id=de-a", b"", "b"),
        ({**FORM, **BASIC}, "", b"client_id=de-a", "b"),
        (FORM, "client_id=de-b", b"client_id=de-a", "a"),
        ({"content-type": "Application/X-WWW-Form-URLencoded"}, "client_id=de-b", b"client_id=de-a", "a"),
        (FORM, "", b"client_id=de-a", "a"),
        ({}, "client_id=de-a", b"", "a"),
        ({}, "client_id=inconnu", b"", None),
        ({"authorization": "Bearer vole"}, "", b"", None),
        ({}, "", b"client_id=de-a", None),
    ],
)
def test_the_tenant_of_a_request(headers: dict[str, str], query: str, body: bytes, tenant: str | None) -> None:
    tokens: dict[str, dict[str, Any]] = {"jeton-b": {"azp": "de-b"}}
    callers = Callers(MANIFEST, Population.holding(), tokens.get)
    who = callers.of_http(headers, query, body, None)
    assert (who.tenant, callers.tenant_of_http(headers, query, body, None)) == (tenant, tenant)
    assert {"de-a"} & who.names == ({"de-a"} if "de-a" in query or (headers.get("content-type") and body) else set())
