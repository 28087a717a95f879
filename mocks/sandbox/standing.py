"""Whose a mail session is, and whether it may still go on: who opened it may be removed, or given other secrets, meanwhile."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mocks.sandbox.who import Who
from mocks.sandbox.whose import answer_for
from mocks.sandbox.world import World


class Standing:
    """Of one session. A token or a certificate is looked at once, when the session opens; its tenant, each time ``good`` is."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._client: str | None = None
        self._marks: dict[str, str | None] = {}

    def claims(self, token: str) -> dict[str, Any] | None:
        """``World.psc_claims``, remembering to whose client the token was given."""
        found = self._world.psc_claims(token)
        self._client = None if found is None else str(found.get("azp", ""))
        return found

    def opened(self, who: Who, operation: str) -> None:
        """The session is open, for ``who``: from now on, what is answered is that tenant's, this session included."""
        clients = self._world.manifest.get("psc_clients", ())
        bearer = next((row["tenant"] for row in clients if row["client_id"] == self._client), None)
        tenants = [tenant for tenant in (who.tenant, bearer) if tenant is not None]
        self._marks = {tenant: _mark(self._world.manifest, tenant) for tenant in tenants}
        answer_for(next(iter(tenants), None))
        self._world.trace.claimed(operation)

    @property
    def good(self) -> bool:
        """Whether the tenants of the mailbox and of the client are there, with the secrets that they had."""
        return all(_mark(self._world.manifest, tenant) == mark for tenant, mark in self._marks.items())


def _mark(manifest: Mapping[str, Any], tenant: str) -> str | None:
    """What changes with a tenant's secrets; None when it is not there."""
    rows = manifest.get("tenants", ())
    return next((str(row.get("control_sha256", "")) for row in rows if row["id"] == tenant), None)
