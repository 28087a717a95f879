"""What a DUI knows before it starts: the sandbox manifest and the population (docs/architecture.md), and who is asked to
play. Read once; nothing here talks to anyone."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw
import orjson

CITIZEN_DOMAIN = "patient.mssante.fr"


@dataclass(frozen=True, slots=True)
class Person:
    """A fictitious person: local identity, and what the sandbox says that the services will answer."""

    matricule: str = field(repr=False)
    oid: str
    birth_name: str = field(repr=False)
    first_names: tuple[str, ...] = field(repr=False)
    sex: str
    birth_date: str = field(repr=False)
    birth_place: str = field(repr=False)
    dmp: str  # active, none, closed, opposed
    mes: str  # open, none, closed
    insi: str  # found, ambiguous, none
    structure: str | None

    @property
    def can_be_fed(self) -> bool:
        """A qualified INS and an open DMP: what feeding needs."""
        return self.insi == "found" and self.dmp == "active"

    @property
    def mailbox(self) -> str:
        return f"{self.matricule}@{CITIZEN_DOMAIN}"


@dataclass(frozen=True, slots=True)
class Professional:
    """One who works in an ESSMS: national identity, own mailbox, mailboxes of the structure that this one may open."""

    rpps: str
    id_nat: str
    family: str
    given: str
    profession: str
    profession_oid: str
    profession_label: str
    role: str
    role_label: str
    structure: str
    mailbox: str
    may_open: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pem:
    """A certificate and its key, PEM files."""

    cert: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Structure:
    """An ESSMS as the sandbox made it: identifiers, certificates of its DUI, mailboxes."""

    finess_et: str
    finess_ej: str
    struct_id: str
    name: str
    sector: str
    category: str
    tenant: str
    auth_cli: Pem
    sign: Pem
    mailboxes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PscClient:
    client_id: str
    client_secret: str = field(repr=False)
    redirect_uri: str


@dataclass(frozen=True, slots=True)
class World:
    """Everything the players share. ``clients``: by tenant, the PSC client whose tokens live on business time (design §7)."""

    ca: Path
    seed: int
    idam: str
    nil: str
    dmp_homologation: str
    control_key: str = field(repr=False)
    annuaire_key: str = field(repr=False)
    clients: Mapping[str, PscClient]
    structures: tuple[Structure, ...]
    persons: tuple[Person, ...]
    professionals: tuple[Professional, ...]
    white_list: tuple[str, ...]

    def structure(self, finess_et: str) -> Structure:
        return next(one for one in self.structures if one.finess_et == finess_et)

    def psc_of(self, professional: Professional) -> PscClient:
        """That of whoever has the structure: a professional logs in to no other tenant's (decision 0055)."""
        return self.clients[self.structure(professional.structure).tenant]

    def of(self, finess_et: str) -> tuple[Person, ...]:
        return tuple(one for one in self.persons if one.structure == finess_et)

    def staff(self, finess_et: str) -> tuple[Professional, ...]:
        return tuple(one for one in self.professionals if one.structure == finess_et)


def load(data: Path) -> World:
    """The world of one data folder; FileNotFoundError when ``python -m mocks init`` was not run there."""
    sandbox = data / "sandbox"
    manifest = orjson.loads((sandbox / "sandbox.json").read_bytes())
    people = apsw.Connection(str(sandbox / "population.sqlite3"), flags=apsw.SQLITE_OPEN_READONLY)
    return World(
        ca=sandbox / manifest["pki"]["ca"],
        seed=manifest["seed"],
        idam=manifest["idam"],
        nil=manifest["nil"],
        dmp_homologation=manifest["dmp_homologation"],
        control_key=manifest["control_key"],
        annuaire_key=manifest["annuaire_keys"][0]["key"],
        clients={row["id"]: _psc_client(manifest["psc_clients"], row["id"]) for row in manifest["tenants"]},
        structures=tuple(_structure(one, sandbox) for one in manifest["structures"]),
        persons=tuple(_person(one) for one in _rows(people, "persons")),
        professionals=tuple(_professional(one) for one in _rows(people, "professionals WHERE structure IS NOT NULL")),
        white_list=tuple(manifest["white_list"]),
    )


def _rows(people: apsw.Connection, table: str) -> Iterator[dict[str, Any]]:
    return (orjson.loads(row) for (row,) in people.execute(f"SELECT row FROM {table} ORDER BY rank"))  # noqa: S608


def _psc_client(clients: list[dict[str, Any]], tenant: str) -> PscClient:
    """A DUI that jumps through months needs tokens that follow business time; any secret client does otherwise."""
    secret = [one for one in clients if one["auth"] == "secret" and one["tenant"] == tenant]
    chosen = next((one for one in secret if one.get("follows_business_time")), secret[0])
    return PscClient(chosen["client_id"], chosen["client_secret"], chosen["redirect_uris"][0])


def _structure(one: dict[str, Any], sandbox: Path) -> Structure:
    return Structure(
        finess_et=one["finess_et"], finess_ej=one["finess_ej"], struct_id=one["struct_id"], name=one["name"],
        sector=one["sector"], category=one["category"], tenant=one["tenant"],
        auth_cli=Pem(sandbox / one["auth_cli"]["cert"], sandbox / one["auth_cli"]["key"]),
        sign=Pem(sandbox / one["sign"]["cert"], sandbox / one["sign"]["key"]),
        mailboxes=tuple(box["address"] for box in one["mailboxes"]),
    )  # fmt: skip


def _person(one: dict[str, Any]) -> Person:
    return Person(
        matricule=one["matricule"], oid=one["oid"], birth_name=one["birth_name"], first_names=tuple(one["first_names"]),
        sex=one["sex"], birth_date=one["birth_date"], birth_place=one["birth_place"], dmp=one["dmp"], mes=one["mes"],
        insi=one["insi"], structure=one["structure"],
    )  # fmt: skip


def _professional(one: dict[str, Any]) -> Professional:
    return Professional(
        rpps=one["rpps"], id_nat=one["id_nat"], family=one["family"], given=one["given"], profession=one["profession"],
        profession_oid=one["profession_oid"], profession_label=one["profession_label"], role=one["role"],
        role_label=one["role_label"], structure=one["structure"], mailbox=one["mailbox"], may_open=tuple(one["may_open"]),
    )  # fmt: skip
