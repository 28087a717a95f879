"""Whose call (design §8): tenant and structure from the credential that the protocol already carries."""
from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from gateway.journal.record import Dui

UNKNOWN_TENANT = "inconnu"


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate and its key, PEM files, that the gateway presents upstream or signs with."""

    cert: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling. ``tenant`` is ``inconnu`` when no credential names one.

    struct_id   idNat_struct of the certificate's OU or of the mailbox's structure: ``1`` + FINESS
    entitled_ej legal entities (FINESS EJ) for which this caller may be counted
    identity    the deposited certificate of the same subject, presented upstream by mutual TLS
    """

    tenant: str = UNKNOWN_TENANT
    struct_id: str | None = None
    finess_et: str | None = None
    entitled_ej: frozenset[str] = frozenset()
    dui: Dui = field(default_factory=Dui)
    identity: Identity | None = None


UNKNOWN = Caller()


@dataclass(slots=True)
class Access:
    """Looks callers up among the deposited identities; built once from the sandbox manifest.

    Every table is keyed by what the protocol shows: fingerprint, mailbox, API key, client_id, structure.
    """

    _certificates: dict[str, Caller] = field(default_factory=dict)
    _mailboxes: dict[str, Caller] = field(default_factory=dict)
    _api_keys: dict[str, Caller] = field(default_factory=dict)
    _clients: dict[str, Caller] = field(default_factory=dict)
    _signers: dict[str, Identity] = field(default_factory=dict)

    @classmethod
    def from_manifest(cls, folder: Path) -> Access:
        """Read ``sandbox.json`` and ``population.json`` in ``folder`` (docs/architecture.md).

        Raises FileNotFoundError when the sandbox has not been made, ValueError when a file is not JSON.
        """
        manifest = orjson.loads((folder / "sandbox.json").read_bytes())
        people = orjson.loads((folder / "population.json").read_bytes())
        access = cls()
        duis = {row["id"]: Dui(manifest.get("nil"), row.get("product"), row.get("version")) for row in manifest["tenants"]}
        structures: dict[str, Caller] = {}
        for row in manifest["structures"]:
            structures[row["finess_et"]] = access._deposit(row, duis.get(row["tenant"], Dui()), folder)
        for professional in people["professionals"]:
            caller = structures.get(professional.get("structure"))
            if caller is not None:
                access._mailboxes[professional["mailbox"].lower()] = caller
        for table, rows, column in (
            (access._clients, manifest["psc_clients"], "client_id"),
            (access._api_keys, manifest["annuaire_keys"], "key"),
        ):
            for row in rows:
                table[row[column]] = Caller(tenant=row["tenant"], dui=duis.get(row["tenant"], Dui()))
        return access

    def _deposit(self, row: Mapping[str, Any], dui: Dui, folder: Path) -> Caller:
        auth, sign = row["auth_cli"], row["sign"]
        caller = Caller(
            tenant=row["tenant"],
            struct_id=row["struct_id"],
            finess_et=row["finess_et"],
            entitled_ej=frozenset({row["finess_ej"]}),
            dui=dui,
            identity=Identity(folder / auth["cert"], folder / auth["key"]),
        )
        self._certificates[auth["fingerprint"].lower()] = caller
        self._signers[row["struct_id"]] = Identity(folder / sign["cert"], folder / sign["key"])
        for box in row["mailboxes"]:
            self._mailboxes[box["address"].lower()] = caller
        return caller

    def by_certificate(self, der: bytes | None) -> Caller:
        """By SHA-256 fingerprint of the client's certificate; UNKNOWN when absent or not deposited."""
        if der is None:
            return UNKNOWN
        return self._certificates.get(hashlib.sha256(der).hexdigest(), UNKNOWN)

    def by_mailbox(self, address: str) -> Caller:
        """By MSSanté address, case-insensitive; UNKNOWN when no structure declares it."""
        return self._mailboxes.get(address.lower(), UNKNOWN)

    def by_api_key(self, key: str) -> Caller:
        """By ESANTE-API-KEY."""
        return self._api_keys.get(key, UNKNOWN)

    def by_client_id(self, client_id: str) -> Caller:
        """By PSC client_id."""
        return self._clients.get(client_id, UNKNOWN)

    def by_structure(self, struct_id: str) -> Caller:
        """Who calls with the deposited identity of a structure; UNKNOWN when it deposited none."""
        return next((caller for caller in self._certificates.values() if caller.struct_id == struct_id), UNKNOWN)

    def tls_identity(self, struct_id: str) -> Identity | None:
        """The deposited ORG AUTH_CLI identity of a structure, for settlement and own doors."""
        return self.by_structure(struct_id).identity

    def signer(self, struct_id: str) -> Identity | None:
        """The deposited ORG SIGN identity of a structure, for settlement and own doors."""
        return self._signers.get(struct_id)
