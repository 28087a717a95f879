"""Who may call our own doors: a Bearer key names a tenant and the structures it may act for (design §8, « Whose call »).

The keys themselves are not kept: a table of their SHA-256, so that a lookup takes the same time whatever was guessed.
"""
from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson

from gateway.access.callers import Access, Caller
from gateway.journal.record import Dui
from gateway.operations import Service


@dataclass(frozen=True, slots=True)
class Structure:
    """One ESSMS for which a key may act: its caller as every door knows it, and what messages say of it."""

    caller: Caller
    name: str
    sector: str  # SAxx

    def lent(self, access: Access, service: Service) -> Structure:
        """With the identity that it has deposited for this service now: deposits change while we run."""
        identity = access.tls_identity(self.caller.struct_id or "", service)
        return replace(self, caller=replace(self.caller, identity=identity))


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """Who bears a key."""

    tenant: str
    dui: Dui
    structures: Mapping[str, Structure]  # by FINESS ET


@dataclass(slots=True)
class OwnKeys:
    """Those of the sandbox manifest, list ``own_keys`` (docs/architecture.md), as ``access`` follows it."""

    _folder: Path
    _access: Access
    _generation: int
    _holders: dict[bytes, KeyHolder] = field(default_factory=dict, repr=False)

    @classmethod
    def from_manifest(cls, folder: Path, access: Access) -> OwnKeys:
        """``folder`` is the sandbox's. A structure of another tenant than the key's is left out: a key never crosses."""
        keys = cls(folder, access, access.fresh())
        keys._read()
        return keys

    def _read(self) -> None:
        manifest: dict[str, Any] = orjson.loads((self._folder / "sandbox.json").read_bytes())
        duis = {row["id"]: Dui(manifest.get("nil"), row.get("product"), row.get("version")) for row in manifest["tenants"]}
        known: dict[str, Structure] = {}
        for row in manifest["structures"]:
            caller = self._access.structure(row["struct_id"])
            if caller is not None:
                known[row["finess_et"]] = Structure(caller, row["name"], row["sector"])
        self._holders = {}
        for row in manifest.get("own_keys", []):
            tenant = row["tenant"]
            mine = {et: known[et] for et in row["structures"] if et in known and known[et].caller.tenant == tenant}
            self._holders[_digest(row["key"])] = KeyHolder(tenant, duis.get(tenant, Dui()), mine)

    def _fresh(self) -> None:
        generation = self._access.fresh()
        if generation != self._generation:
            self._generation = generation
            self._read()

    def structure(self, tenant: str, finess_et: str | None) -> Structure | None:
        """The structure, if some key of this tenant acts for it."""
        self._fresh()
        holders = (holder for holder in self._holders.values() if holder.tenant == tenant and finess_et in holder.structures)
        return next((holder.structures[str(finess_et)] for holder in holders), None)

    def holder(self, authorization: str | None) -> KeyHolder | None:
        """By the value of the Authorization header; None when it is not a Bearer key that we gave."""
        self._fresh()
        scheme, _, key = (authorization or "").partition(" ")
        return self._holders.get(_digest(key.strip())) if scheme.lower() == "bearer" else None


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
