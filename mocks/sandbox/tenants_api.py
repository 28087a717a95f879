"""The tenants of the sandbox: each has its own structures, people, certificates, credentials (docs/bac-a-sable.md)."""
from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import Field

from mocks.sandbox.api import Asked, Refused, Told, refusals, with_body
from mocks.sandbox.console import tell_tenant
from mocks.sandbox.pki import IDENTITIES
from mocks.sandbox.structures import TENANT
from mocks.sandbox.tenancy import Tenancy, check_removable
from mocks.sandbox.tenants import MAX_STRUCTURES, Secrets, TenantRefused, rows_of
from mocks.sandbox.world import Mock, World

_PATTERN = f"^{TENANT.pattern}$"
_MAX_PERSONS = 1000
Name = Annotated[str, Path(pattern=_PATTERN, description="Éditeur.", examples=["editeur-b"])]


class TenantWish(Asked):
    name: str = Field(pattern=_PATTERN, description="Minuscules, chiffres et tirets.", examples=["editeur-b"])
    product: str | None = Field(None, min_length=1, max_length=100, description="Logiciel, dit au journal.", examples=["DUI B"])
    structures: int = Field(2, ge=1, le=MAX_STRUCTURES, description="Établissements fictifs, d'une même entité juridique.")
    persons: int = Field(25, ge=0, le=_MAX_PERSONS, description="Personnes accompagnées par établissement.")


class TenantTold(Told):
    name: str
    product: str
    structures: list[str] = Field(description="FINESS ET de ses établissements.")
    added: bool = Field(description="Ajouté à un bac à sable qui tournait : peut se retirer.")
    has_key: bool = Field(description="A une clé de contrôle à lui.")


class TenantsTold(Told):
    tenants: list[TenantTold]
    removed: list[str] = Field(description="Noms qui ont été ceux d'éditeurs retirés.")


class IdentityTold(Told):
    cn: str = Field(examples=["INSI-AUTO"])
    cert: str = Field(description="Chemin du certificat, PEM.")
    key: str = Field(description="Chemin de sa clé.")
    p12: str = Field(description="Chemin des deux, avec la chaîne.")
    password: str = Field(description="Du P12.")


class StructureTold(Told):
    finess_et: str
    finess_ej: str
    struct_id: str
    name: str
    mailboxes: list[str] = Field(description="Boîte organisationnelle, puis applicative.")
    identities: dict[str, IdentityTold] = Field(description="Par usage : auth_cli, auth_manu, sign.")


class ClientTold(Told):
    client_id: str
    client_secret: str
    redirect_uris: list[str]
    follows_business_time: bool = Field(description="Suit le temps métier, pour rejouer des mois.")


class TenantSecrets(Told):
    name: str
    control_key: str = Field(description="Clé de contrôle ; montrée cette fois seulement.")
    psc_clients: list[ClientTold]
    annuaire_key: str
    own_key: str = Field(description="Clé des portes simples de la passerelle (Bearer).")
    structures: list[StructureTold]


class TenantRemoved(Told):
    removed: str


def router(world: World, mocks: Mapping[str, Mock]) -> APIRouter:
    routes = APIRouter(tags=["Éditeurs"])
    tenancy, one_at_a_time = Tenancy(world, mocks), asyncio.Lock()

    def known(name: str) -> None:
        if name not in {row["id"] for row in world.manifest["tenants"]}:
            raise Refused(404, f"Aucun éditeur « {name} » dans le bac à sable : voyez GET /tenants.")

    @routes.get("/tenants", responses=refusals())
    async def tenants() -> TenantsTold:
        """Les éditeurs du bac à sable ; aucun secret n'est montré."""
        removed = [row["id"] for row in world.manifest.get("removed_tenants", ())]
        return TenantsTold(tenants=[_tenant(world, row) for row in world.manifest["tenants"]], removed=removed)

    @routes.post("/tenants", status_code=201, responses=with_body(409, 502))
    async def add(wish: TenantWish) -> TenantSecrets:
        """Ajoute un éditeur, ses établissements, leurs certificats, boîtes et personnes ; il peut appeler dès la réponse."""
        async with one_at_a_time:
            try:
                tenancy.check(wish.name)
                await _tell(world, "add", wish.name)
                made = await tenancy.add(
                    wish.name, structures=wish.structures, persons=wish.persons, product=wish.product
                )
            except TenantRefused as refused:
                raise Refused(409, str(refused)) from refused
        return _secrets(world, wish.name, made)

    @routes.post("/tenants/{name}/rotate", responses=refusals(404, 502))
    async def rotate(name: Name) -> TenantSecrets:
        """Change tous les secrets et certificats d'un éditeur ; les anciens sont refusés aussitôt."""
        async with one_at_a_time:
            known(name)
            await _tell(world, "rotate", name)
            made = await tenancy.rotate(name)
        return _secrets(world, name, made)

    @routes.delete("/tenants/{name}", responses=refusals(404, 409, 502))
    async def remove(name: Name) -> TenantRemoved:
        """Retire un éditeur : secrets refusés aussitôt, données oubliées des services ; ses entrées restent au journal."""
        async with one_at_a_time:
            known(name)
            try:
                check_removable(world.manifest, name)
            except TenantRefused as refused:
                raise Refused(409, str(refused)) from refused
            await _tell(world, "remove", name)
            await tenancy.remove(name)
        return TenantRemoved(removed=name)

    return routes


async def _tell(world: World, act: str, name: str) -> None:
    said = await tell_tenant(world.ports.get("console"), world.manifest["admin_key"], act=act, name=name)
    if said.result not in ("absent", "done"):
        raise Refused(502, f"La passerelle n'a pas confirmé ({said.text}) : rien n'a changé. Lisez son journal, puis réessayez.")


def _tenant(world: World, row: Mapping[str, Any]) -> TenantTold:
    structures = [one["finess_et"] for one in rows_of(world.manifest["structures"], row["id"])]
    return TenantTold(
        name=row["id"], product=row["product"], structures=structures,
        added=row.get("added", False), has_key="control_sha256" in row,
    )  # fmt: skip


def _secrets(world: World, name: str, made: Secrets) -> TenantSecrets:
    clients = rows_of(world.manifest["psc_clients"], name)
    columns = ("client_id", "client_secret", "redirect_uris", "follows_business_time")
    return TenantSecrets(
        name=name, control_key=made.control_key, annuaire_key=made.annuaire_key["key"], own_key=made.own_key["key"],
        psc_clients=[ClientTold(**{column: row[column] for column in columns}) for row in clients],
        structures=[_structure(world, row) for row in rows_of(world.manifest["structures"], name)],
    )  # fmt: skip


def _structure(world: World, row: Mapping[str, Any]) -> StructureTold:
    identities = {}
    for part, _, _ in IDENTITIES:
        files = {kind: str(world.path(row[part][kind])) for kind in ("cert", "key", "p12")}
        identities[part] = IdentityTold(cn=row[part]["cn"], password=row[part]["password"], **files)
    return StructureTold(
        finess_et=row["finess_et"], finess_ej=row["finess_ej"], struct_id=row["struct_id"], name=row["name"],
        mailboxes=[box["address"] for box in row["mailboxes"]], identities=identities,
    )  # fmt: skip
