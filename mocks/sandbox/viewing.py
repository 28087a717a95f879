"""Whose key asks the control API, and what of the sandbox is its own (decision 0048).

The administrator's sees everything. A tenant's sees its own, and routes that are not listed here refuse it: a new route is
closed to tenants until somebody says what of it is theirs.
"""
from __future__ import annotations

import hmac
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from connectors.nomenclatures.mssante import domain_of
from mocks.sandbox.api import Refused
from mocks.sandbox.console import tell_refusal
from mocks.sandbox.tenants import digest, domains_of, rows_of
from mocks.sandbox.who import Callers
from mocks.sandbox.world import World

ANOTHERS, ADMINISTRATORS = "d_un_autre", "administrateur"
_OWNER = "json_extract(CAST(row AS TEXT), '$.owner')"

#: What a tenant may ask; each of these routes shows and changes its own only.
_OPEN: dict[str, frozenset[str]] = {
    "/messages": frozenset({"GET", "DELETE"}), "/messages/{name}": frozenset({"GET", "DELETE"}),
    "/messages/{name}/raw": frozenset({"GET"}), "/documents": frozenset({"GET"}), "/submission-sets": frozenset({"GET"}),
    "/documents/{unique_id}": frozenset({"GET"}), "/documents/{unique_id}/content": frozenset({"GET"}),
    "/sessions": frozenset({"GET"}), "/sessions/{session_id}": frozenset({"DELETE"}), "/psc/redirects": frozenset({"POST"}),
    "/people": frozenset({"GET", "POST"}), "/people/situations": frozenset({"GET"}), "/people/{number}": frozenset({"GET"}),
    "/people/added": frozenset({"DELETE"}), "/pki/certificates": frozenset({"GET", "POST"}),
    "/pki/certificates/{name}/revoke": frozenset({"POST"}), "/faults": frozenset({"GET", "POST", "DELETE"}),
    "/faults/codes": frozenset({"GET"}), "/faults/injections": frozenset({"POST"}), "/clock": frozenset({"GET"}),
    "/state": frozenset({"GET"}), "/state/{mock}": frozenset({"GET"}), "/requests": frozenset({"GET"}),
    "/reset": frozenset({"POST"}), "/datasets": frozenset({"GET", "POST"}), "/datasets/{name}": frozenset({"POST"}),
    "/snapshots": frozenset({"GET", "POST"}), "/snapshots/{name}": frozenset({"DELETE"}),
    "/snapshots/{name}/restore": frozenset({"POST"}),
}  # fmt: skip
#: Besides, who has the sandbox alone: nobody else is disturbed.
_OPEN_ALONE: dict[str, frozenset[str]] = {"/clock": frozenset({"POST"})}


class NotYours(Refused):
    """What is asked is another tenant's, or the administrator's: noted. ``why`` is a code."""

    def __init__(self, status: int, text: str, why: str) -> None:
        super().__init__(status, text)
        self.why = why


@dataclass(frozen=True, slots=True)
class View:
    """Of a tenant, or of the administrator when ``tenant`` is None."""

    tenant: str | None = None
    finess: frozenset[str] = field(default=frozenset())
    struct_ids: frozenset[str] = field(default=frozenset())
    domains: frozenset[str] = field(default=frozenset())
    clients: frozenset[str] = field(default=frozenset())

    def box(self, *addresses: str) -> bool:
        """Whether one of these mailboxes is its own."""
        return self.tenant is None or any(domain_of(address) in self.domains for address in addresses)

    def structure(self, struct_id: str | None) -> bool:
        return self.tenant is None or struct_id in self.struct_ids

    def client(self, client_id: str) -> bool:
        return self.tenant is None or client_id in self.clients

    def owned(self, tenant: str | None) -> bool:
        return self.tenant is None or tenant == self.tenant

    def meets(self, row: Mapping[str, Any]) -> bool:
        """Whether this row of the population may be shown: everybody's, or its own."""
        return self.tenant is None or self.works(row) or not (row.get("owner") or row.get("structure"))

    def met(self) -> tuple[str, tuple[str, ...]]:
        """The same as ``meets``, as SQL over the rows of the population, with its values."""
        if self.tenant is None:
            return "1", ()
        mine = ", ".join(f"'{finess}'" for finess in sorted(self.finess))
        return f"(ifnull({_OWNER}, '') = ? OR structure IN ({mine}) OR ({_OWNER} IS NULL AND structure IS NULL))", (self.tenant,)

    def works(self, row: Mapping[str, Any]) -> bool:
        return row.get("owner") == self.tenant or row.get("structure") in self.finess

    def tenant_for(self, wanted: str | None) -> str | None:
        """Whose what is made will be. Raises NotYours."""
        if self.tenant is None or wanted in (None, self.tenant):
            return wanted if self.tenant is None else self.tenant
        raise NotYours(403, f"« tenant » : cette clé n'agit que pour « {self.tenant} » ; retirez ce champ.", ANOTHERS)


EVERYBODY = View()
_ASKING: ContextVar[View] = ContextVar("asking", default=EVERYBODY)


def view() -> View:
    """Of whoever is being answered."""
    return _ASKING.get()


def ask_as(seen: View) -> None:
    _ASKING.set(seen)


def view_of(world: World, tenant: str) -> View:
    """What is a tenant's now."""
    rows = rows_of(world.manifest["structures"], tenant)
    clients = frozenset(row["client_id"] for row in rows_of(world.manifest["psc_clients"], tenant))
    finess, ids = (frozenset(row[column] for row in rows) for column in ("finess_et", "struct_id"))
    return View(tenant, finess, ids, frozenset(domains_of(rows)), clients)


def bearer(world: World, key: str) -> View | None:
    """Whose key this is; None for nobody's."""
    if hmac.compare_digest(key.encode("latin-1"), str(world.manifest["control_key"]).encode("latin-1")):
        return EVERYBODY
    hashed = digest(key)
    found = (
        row["id"] for row in world.manifest["tenants"]
        if "control_sha256" in row and hmac.compare_digest(hashed, row["control_sha256"])
    )  # fmt: skip
    tenant = next(found, None)
    return None if tenant is None else view_of(world, tenant)


def may(world: World, seen: View, method: str, template: str | None) -> bool:
    """Whether this key may ask for this route, whatever is then shown of it. An address that is none is nobody's secret."""
    if seen.tenant is None or template is None:
        return True
    alone = len(world.manifest["tenants"]) == 1 and method in _OPEN_ALONE.get(template, ())
    return alone or method in _OPEN.get(template, ())


async def note_refusal(world: World, why: str) -> None:
    """Have the gateway note that whoever is being answered asked for what is not its own."""
    name = view().tenant
    if name is not None:
        await tell_refusal(world.ports.get("console"), world.manifest["admin_key"], name=name, why=why)


def known_callers(world: World, seen: View) -> Callers:
    """Who may be named in a fault of this key: its own callers."""
    if seen.tenant is None:
        return Callers(world.manifest, world.population, world.psc_claims)
    columns = ("structures", "psc_clients", "annuaire_keys")
    manifest = {column: rows_of(world.manifest[column], seen.tenant) for column in columns}
    return Callers({**manifest, "tenants": [{"id": seen.tenant}]}, world.population, world.psc_claims)
