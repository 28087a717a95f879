"""What a tenant of the sandbox is made of: a name, structures of its own in the fictitious range, credentials (decision 0048).

Pure: nothing is written, nothing is minted.
"""
from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from connectors.nomenclatures.identifiers import luhn_key
from connectors.nomenclatures.mssante import domain_of
from mocks.sandbox.build import own_key, psc_clients
from mocks.sandbox.structures import DOMAIN, TENANT, Structure

MAX_STRUCTURES = 20
_KINDS = (("EHPAD", "SA17", "500"), ("SAVS", "SA16", "446"), ("FOYER", "SA16", "252"))
_RANGE, _FIRST, _END = "0B099", 100, 1000  # the numbers below are those of the first structures (mocks/sandbox/structures.py)
#: Whose entries are nobody's, or the gateway's; under which secrets that are none of ours are noted.
_RESERVED = {"inconnu", "passerelle", "inconnue"}
_REPLAY = "-rejeu"

Manifest = Mapping[str, Any]


class TenantRefused(ValueError):
    """This tenant cannot be made; the text is French."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """What a tenant bears, besides its certificates. The control key is shown once: the manifest holds its digest."""

    control_key: str = field(repr=False)
    psc_clients: list[dict[str, Any]] = field(repr=False)
    annuaire_key: dict[str, Any] = field(repr=False)
    own_key: dict[str, Any] = field(repr=False)


def check_name(name: str, manifest: Manifest) -> None:
    """Raises TenantRefused. A name that was one is never given again: its entries are still in the journal."""
    if not TENANT.fullmatch(name) or name in _RESERVED or name.endswith(_REPLAY):
        raise TenantRefused("Nom d'éditeur : minuscules, chiffres et tirets, 40 caractères au plus, sans « -rejeu » à la fin.")
    taken = {row["id"] for row in manifest["tenants"]} | {row["client_id"] for row in manifest["psc_clients"]}
    if name in taken:
        raise TenantRefused(f"L'éditeur « {name} » existe déjà : choisissez un autre nom, ou changez ses secrets (rotate).")
    if name in (row["id"] for row in manifest.get("removed_tenants", ())):
        raise TenantRefused(f"« {name} » a été le nom d'un éditeur, dont les entrées restent au journal : prenez-en un autre.")


def structures_of(name: str, count: int, persons: int, taken: Iterable[str]) -> list[Structure]:
    """Establishments of one legal entity, under numbers that nobody has. Raises TenantRefused when none is left."""
    free = _free(set(taken))
    try:
        legal = next(free)
        numbers = [next(free) for _ in range(count)]
    except StopIteration:
        raise TenantRefused("Le bac à sable n'a plus de numéros FINESS fictifs : refaites-en un dans un autre dossier.") from None
    return [_structure(name, rank, number, legal, persons) for rank, number in enumerate(numbers, start=1)]


def numbers_in(manifest: Manifest) -> set[str]:
    """FINESS of every structure that is or was here."""
    rows = [*manifest["structures"], *(one for gone in manifest.get("removed_tenants", ()) for one in gone["structures"])]
    return {row[column] for row in rows for column in ("finess_et", "finess_ej")}


def new_secrets(name: str, structures: Iterable[str]) -> Secrets:
    """``structures``: FINESS ET for which its own key acts."""
    annuaire = {"key": str(uuid.uuid4()), "tenant": name}
    return Secrets(secrets.token_urlsafe(24), psc_clients(name), annuaire, own_key(name, structures))


def digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def with_secrets(manifest: Manifest, name: str, made: Secrets) -> dict[str, Any]:
    """The manifest with these in place of those that the tenant had."""
    former = {row["client_id"]: row for row in manifest["psc_clients"]}
    clients = [{**former.get(row["client_id"], row), "client_secret": row["client_secret"]} for row in made.psc_clients]
    return {
        **manifest,
        "tenants": [
            {**row, "control_sha256": digest(made.control_key)} if row["id"] == name else row for row in manifest["tenants"]
        ],
        "psc_clients": [*_others(manifest["psc_clients"], name), *clients],
        "annuaire_keys": [*_others(manifest["annuaire_keys"], name), made.annuaire_key],
        "own_keys": [*_others(manifest.get("own_keys", ()), name), made.own_key],
    }


def without(manifest: Manifest, name: str) -> dict[str, Any]:
    """The manifest as the tenant leaves it: what it had cannot become another's."""
    gone = rows_of(manifest["structures"], name)
    domains = domains_of(gone)
    kept = ("finess_et", "finess_ej", "struct_id", "mailboxes")
    left = {"id": name, "structures": [{column: row[column] for column in kept} for row in gone]}
    columns = ("psc_clients", "annuaire_keys", "own_keys", "structures")
    return {
        **manifest, **{column: _others(manifest.get(column, ()), name) for column in columns},
        "tenants": [row for row in manifest["tenants"] if row["id"] != name],
        "white_list": [domain for domain in manifest["white_list"] if domain not in domains],
        "removed_tenants": [*manifest.get("removed_tenants", ()), left],
    }  # fmt: skip


def rows_of(rows: Iterable[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """Those of a tenant, among rows of a manifest."""
    return [row for row in rows if row["tenant"] == name]


def domains_of(structures: Iterable[Mapping[str, Any]]) -> set[str]:
    """Domains of the mailboxes of these rows of a manifest."""
    return {domain_of(box["address"]) for row in structures for box in row.get("mailboxes", ())}


def _others(rows: Iterable[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [row for row in rows if row["tenant"] != name]


def _free(taken: set[str]) -> Iterator[str]:
    for index in range(_FIRST, _END):
        body = f"{_RANGE}{index}"
        if (number := body + luhn_key(body)) not in taken:
            yield number


def _structure(name: str, rank: int, finess_et: str, finess_ej: str, persons: int) -> Structure:
    kind, sector, category = _KINDS[(rank - 1) % len(_KINDS)]
    domain = f"{name}-{finess_et.lower()}.{DOMAIN}"
    return Structure(finess_et, finess_ej, f"{kind} {rank} {name.upper()}", sector, category, persons, name, domain)
