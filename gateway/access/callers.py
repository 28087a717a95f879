"""Whose call (design §8): tenant and structure from the credential that the protocol already carries."""
from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, KeysView, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson

from connectors.wire.tls import Stamp, stamp
from gateway.access.identities import Deposited, subject_of
from gateway.journal.record import Dui
from gateway.population import People

log = logging.getLogger(__name__)

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
    """Looks callers up: what the sandbox manifest names, and beside it the identities that structures deposited.

    Every table is keyed by what the protocol shows: fingerprint, mailbox, API key, client_id, structure; deposits by service
    and subject. The manifest is read again when it has changed: a tenant comes and goes while we run (decision 0048).

    changed  called then: what was made with an identity must be made again
    """

    _certificates: dict[str, Caller] = field(default_factory=dict)
    _mailboxes: dict[str, Caller] = field(default_factory=dict)
    _api_keys: dict[str, Caller] = field(default_factory=dict)
    _clients: dict[str, Caller] = field(default_factory=dict)
    _signers: dict[str, Identity] = field(default_factory=dict)
    _duis: dict[str, Dui] = field(default_factory=dict)
    _deposited: dict[tuple[str, str], Caller] = field(default_factory=dict)
    _deposited_signers: dict[str, Identity] = field(default_factory=dict)
    _structures: dict[str, Caller] = field(default_factory=dict)
    _people: People | None = None
    _sectors: dict[str, str] = field(default_factory=dict)
    _folder: Path | None = None
    _read: Stamp | None = None
    _store: Iterable[Deposited] = ()
    generation: int = 0  # of the manifest: grows when another one is read
    changed: Callable[[], None] = lambda: None

    @classmethod
    def from_manifest(cls, folder: Path) -> Access:
        """Read ``sandbox.json`` and the people beside it in ``folder`` (docs/architecture.md).

        Raises FileNotFoundError when the sandbox has not been made, ValueError when a file is unreadable.
        """
        path = folder / "sandbox.json"
        access = cls(_people=People.of(folder), _folder=folder, _read=stamp(path))
        access._take(orjson.loads(path.read_bytes()), folder)
        return access

    def fresh(self) -> int:
        """The manifest as it is now, read again if it has changed; its generation."""
        path = None if self._folder is None else self._folder / "sandbox.json"
        found = None if path is None else stamp(path)
        if path is None or found is None or found == self._read:
            return self.generation
        self._read = found
        following = Access(_people=self._people)
        try:
            following._take(orjson.loads(path.read_bytes()), path.parent)
        except (OSError, ValueError, KeyError, TypeError) as error:  # changed by hand, and wrong: the one in force stays
            log.warning("manifest_not_followed", extra={"error": type(error).__name__})
            return self.generation
        for table in ("_certificates", "_mailboxes", "_api_keys", "_clients", "_signers", "_duis", "_structures", "_sectors"):
            setattr(self, table, getattr(following, table))
        self.generation += 1
        self.use(self._store)
        self.changed()
        return self.generation

    def _take(self, manifest: Mapping[str, Any], folder: Path) -> None:
        duis = {row["id"]: Dui(manifest.get("nil"), row.get("product"), row.get("version")) for row in manifest["tenants"]}
        self._duis = duis
        for row in manifest["structures"]:
            self._structures[row["finess_et"]] = self._deposit(row, duis.get(row["tenant"], Dui()), folder)
            self._sectors[row["struct_id"]] = row["sector"]
        for table, rows, column in (
            (self._clients, manifest["psc_clients"], "client_id"),
            (self._api_keys, manifest["annuaire_keys"], "key"),
        ):
            for row in rows:
                table[row[column]] = Caller(tenant=row["tenant"], dui=duis.get(row["tenant"], Dui()))

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
        if "auth_manu" in row:  # the same structure by its other certificate, which is then what goes upstream
            manual = row["auth_manu"]
            by_hand = replace(caller, identity=Identity(folder / manual["cert"], folder / manual["key"]))
            self._certificates[manual["fingerprint"].lower()] = by_hand
        self._signers[row["struct_id"]] = Identity(folder / sign["cert"], folder / sign["key"])
        for box in row["mailboxes"]:
            self._mailboxes[box["address"].lower()] = caller
        return caller

    def use(self, deposited: Iterable[Deposited]) -> None:
        """From now on, exactly these identities are deposited beside the manifest's, and come before them."""
        self._store = deposited
        callers: dict[tuple[str, str], Caller] = {}
        signers: dict[str, Identity] = {}
        for one in deposited:
            if self._folder is not None and one.tenant not in self._duis:
                continue  # of a tenant that was removed
            identity = Identity(one.cert, one.key)
            if one.use == "sign":
                signers[one.struct_id] = identity
            else:
                callers[one.service, one.subject] = self._caller_of(one, identity)
        self._deposited, self._deposited_signers = callers, signers

    def tenants(self) -> KeysView[str]:
        """Those that the manifest names now."""
        self.fresh()
        return self._duis.keys()

    def sector(self, struct_id: str) -> str | None:
        """SAxx of a structure of the manifest."""
        self.fresh()
        return self._sectors.get(struct_id)

    def structure(self, struct_id: str) -> Caller | None:
        """The structure of this idNat_struct as the manifest knows it."""
        self.fresh()
        return self._structure(struct_id)

    def _structure(self, struct_id: str) -> Caller | None:
        return next((caller for caller in self._certificates.values() if caller.struct_id == struct_id), None)

    def _caller_of(self, one: Deposited, identity: Identity) -> Caller:
        known = self._structure(one.struct_id)
        if known is not None and known.tenant == one.tenant:
            return replace(known, identity=identity)
        finess_et = one.struct_id[1:] if one.struct_id.startswith("1") else None
        entitled = frozenset({one.finess_ej} if one.finess_ej else ())
        return Caller(one.tenant, one.struct_id, finess_et, entitled, self._duis.get(one.tenant, Dui()), identity)

    def by_certificate(self, der: bytes | None, service: str | None = None) -> Caller:
        """By SHA-256 fingerprint of the client's certificate, else by the subject of a deposit; UNKNOWN when neither is known.

        The door has already proved the certificate. A deposit for ``service`` under its subject is what goes upstream.
        """
        if der is None:
            return UNKNOWN
        self.fresh()
        caller = self._certificates.get(hashlib.sha256(der).hexdigest(), UNKNOWN)
        if service is None or not self._deposited:
            return caller
        deposited = self._deposited.get((service, subject_of(der)))
        if deposited is None:
            return caller
        return deposited if caller is UNKNOWN else replace(caller, identity=deposited.identity)

    def by_mailbox(self, address: str) -> Caller:
        """By MSSanté address, case-insensitive; UNKNOWN when no structure declares it."""
        self.fresh()
        shared = self._mailboxes.get(address.lower())
        if shared is not None or self._people is None:
            return shared or UNKNOWN
        return self._structures.get(self._people.structure_of_box(address) or "", UNKNOWN)

    def by_api_key(self, key: str) -> Caller:
        """By ESANTE-API-KEY."""
        self.fresh()
        return self._api_keys.get(key, UNKNOWN)

    def by_client_id(self, client_id: str) -> Caller:
        """By PSC client_id."""
        self.fresh()
        return self._clients.get(client_id, UNKNOWN)

    def workplace(self, finess_et: str) -> Caller | None:
        """A structure as who calls without showing its certificate names it: nothing of it is lent."""
        self.fresh()
        found = self._structures.get(finess_et)
        return None if found is None else replace(found, identity=None)

    def workplaces(self, id_nat: str) -> list[Caller]:
        """The structures where a professional of the sandbox works, the usual one first; nothing of theirs is lent."""
        row = None if self._people is None else self._people.professional(id_nat)
        places = [] if row is None else [row["structure"], *(one["structure"] for one in row["also_in"])]
        return [found for place in places if place and (found := self.workplace(place)) is not None]

    def acting(self, tenant: str, finess_et: str | None, service: str) -> Caller | None:
        """A structure of this tenant as it would call now, with the identity deposited for the service or the manifest's."""
        self.fresh()
        own = (caller for (name, _), caller in self._deposited.items() if name == service)
        mine = (one for one in (*own, *self._certificates.values()) if (one.tenant, one.finess_et) == (tenant, finess_et))
        return next((caller for caller in mine if finess_et is not None and caller.identity is not None), None)

    def tls_identity(self, struct_id: str, service: str = "DMP") -> Identity | None:
        """The ORG AUTH_CLI identity of a structure, for settlement and own doors: its deposit, else the manifest's."""
        self.fresh()
        own = (caller for (name, _), caller in self._deposited.items() if name == service)
        candidates = (*own, *self._certificates.values())
        return next((caller.identity for caller in candidates if caller.struct_id == struct_id and caller.identity), None)

    def signer(self, struct_id: str) -> Identity | None:
        """The ORG SIGN identity of a structure, for settlement and own doors: deposited, else the manifest's."""
        self.fresh()
        return self._deposited_signers.get(struct_id) or self._signers.get(struct_id)
