"""Certificates of the sandbox: issued, listed, revoked while everything runs (docs/certificats.md)."""
from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import Field

from mocks.sandbox.api import Asked, Refused, Told, refusals, with_body
from mocks.sandbox.authority import now
from mocks.sandbox.console import tell_deposit, tell_withdrawal
from mocks.sandbox.office import AlreadyRevoked, Office, UnknownCertificate
from mocks.sandbox.ordering import Wanted, order_of
from mocks.sandbox.orders import FOREIGN, MAX_DAYS, Kind
from mocks.sandbox.papers import key_pem, pem_of, read_pair
from mocks.sandbox.register import Issued, Register
from mocks.sandbox.viewing import ADMINISTRATORS, ANOTHERS, NotYours, view
from mocks.sandbox.world import Mock, World

#: Services that ask for the certificate of a structure, for which the gateway presents a deposited identity.
_SERVICES = ("INS", "DMP", "MSS")

Profile = Literal["auth_cli", "sign", "server", "ps_auth", "ps_sign"]
Reason = Literal["unspecified", "key_compromise", "superseded", "cessation_of_operation"]
State = Literal["valid", "revoked", "expired", "not_yet_valid"]
Structure = Annotated[str, Field(pattern=r"^[0-9A-Z]{9}$", description="FINESS ET.", examples=["0B0990008"])]
Tenant = Annotated[str, Field(max_length=64, description="Éditeur.", examples=["editeur-demo"])]
Name = Annotated[
    str,
    Path(pattern=r"^[0-9A-Za-z._-]{1,120}$", description="Nom, numéro de série ou empreinte.", examples=["0B0990008.auth_cli"]),
]


class Certificate(Told):
    name: str = Field(description="Unique ; ses fichiers s'appellent ainsi.", examples=["0B0990008.auth_cli"])
    profile: Profile
    refused: str | None = Field(description="Pourquoi un pair doit le refuser, s'il est fait pour l'être.", examples=["expired"])
    state: State = Field(description="En ce moment, au temps réel.")
    ours: bool = Field(description="Émis par une autorité de ce bac à sable.")
    cn: str = Field(examples=["INSI-AUTO"])
    subject: str = Field(description="Sujet, RFC 4514.")
    struct_id: str | None = Field(description="OU d'une organisation : 1 + FINESS.", examples=["10B0990008"])
    tenant: str | None = Field(description="Éditeur dont il est, s'il est d'un éditeur.")
    serial: str = Field(description="Numéro de série, hexadécimal.")
    fingerprint: str = Field(description="SHA-256 du DER, hexadécimal.")
    not_before: str
    not_after: str
    revoked_at: str | None
    reason: str | None = Field(description="Motif de révocation (RFC 5280).")
    files: dict[str, str] = Field(description="Chemins par sorte : cert, chain, key, p12.")


class Certificates(Told):
    certificates: list[Certificate]


class Delivered(Certificate):
    password: str = Field(description="Du P12 ; donné cette fois seulement.")
    deposited: list[str] = Field(description="Services auxquels la passerelle le présente désormais.", examples=[["INS", "DMP"]])
    note: str | None = Field(description="Pourquoi il n'est pas déposé, quand il devait l'être.")


class Revoked(Certificate):
    withdrawn: list[str] = Field(description="Services pour lesquels la passerelle ne le présente plus.")


class Wish(Asked):
    profile: Profile = Field("auth_cli", description="AUTH_CLI, SIGN ou serveur ; « ps » pour une personne.")
    structure: Structure | None = None
    name: str | None = Field(None, min_length=1, max_length=200, description="Nom d'une structure inconnue du bac à sable.")
    professional: str | None = Field(None, pattern=r"^[0-9]{11}$", description="RPPS d'un professionnel du bac à sable.")
    cn: str | None = Field(None, pattern=r"^[0-9A-Za-z._-]{1,64}$", description="INSI-AUTO par défaut.", examples=["INSI-MANU"])
    hosts: list[Annotated[str, Field(pattern=r"^[0-9A-Za-z.:-]{1,253}$")]] = Field(
        default_factory=list, max_length=20, description="Noms et adresses d'un serveur."
    )
    days: int | None = Field(None, ge=1, le=MAX_DAYS, description="Durée de validité ; trois ans par défaut.", examples=[30])
    refused: Kind | None = Field(None, description="Certificat qu'un pair doit refuser, pour cette raison.")
    tenant: Tenant | None = None
    deposit: bool = Field(True, description="Déposer un AUTH_CLI à la passerelle, pour INSi, le DMP et les boîtes applicatives.")


class Withdrawal(Asked):
    reason: Reason = Field("unspecified", description="Motif, tel que la liste le dira.")


def router(world: World, _mocks: Mapping[str, Mock]) -> APIRouter:
    routes = APIRouter(tags=["Certificats"])
    office = Office(world.path("."))

    @routes.get("/pki/certificates", responses=refusals())
    async def certificates(
        tenant: Annotated[str | None, Query(max_length=64, description="De cet éditeur.")] = None,
        structure: Annotated[str | None, Query(max_length=16, description="De ce FINESS ET.")] = None,
        state: Annotated[State | None, Query(description="Dans cet état.")] = None,
    ) -> Certificates:
        """Les certificats du bac à sable, dans l'ordre de leur émission."""
        at, rows = now(), await asyncio.to_thread(office.rows)
        told = [Certificate(**_told(world, row, at)) for row in rows]
        shown = [one for one in told if view().owned(one.tenant)]
        wanted = {"tenant": tenant, "struct_id": structure and f"1{structure}", "state": state}
        return Certificates(
            certificates=[one for one in shown if all(value in (None, getattr(one, key)) for key, value in wanted.items())]
        )

    @routes.post("/pki/certificates", status_code=201, responses=with_body())
    async def issue(wish: Wish) -> Delivered:
        """Émet un certificat et écrit ses fichiers ; un AUTH_CLI est déposé à la passerelle, qui le connaît aussitôt."""
        _check_own(wish)
        wanted = Wanted(**{**wish.model_dump(exclude={"deposit"}), "tenant": view().tenant_for(wish.tenant)})
        row, password = await asyncio.to_thread(office.issue, order_of(world, wanted))
        deposited, note = await _deposit(world, row) if wish.deposit and _serves(row) else ([], None)
        return Delivered(**_told(world, row, now()), password=password, deposited=deposited, note=note)

    @routes.post("/pki/certificates/{name}/revoke", responses=with_body(404, 409))
    async def revoke(name: Name, wanted: Withdrawal) -> Revoked:
        """Révoque un certificat : les listes, OCSP, les portes et les services simulés le savent aussitôt."""
        found = Register(await asyncio.to_thread(office.rows)).find(name)
        if found is not None and not view().owned(str(_told(world, found, now())["tenant"])):
            raise NotYours(404, f"Le bac à sable n'a émis aucun certificat « {name} » : voyez GET /pki/certificates.", ANOTHERS)
        try:
            row = await asyncio.to_thread(office.revoke, name, wanted.reason)
        except UnknownCertificate as unknown:
            raise Refused(404, f"Le bac à sable n'a émis aucun certificat « {name} » : voyez GET /pki/certificates.") from unknown
        except AlreadyRevoked as already:
            raise Refused(409, f"Le certificat « {name} » est déjà révoqué, depuis le {already.args[0]}.") from already
        withdrawn = await _withdraw(world, row) if _serves(row) else []
        return Revoked(**_told(world, row, now()), withdrawn=withdrawn)

    return routes


def _check_own(wish: Wish) -> None:
    """A tenant has certificates of its own structures, and of the professionals who work there. Raises NotYours."""
    seen = view()
    if seen.tenant is None:
        return
    if wish.profile == "server":
        raise NotYours(403, "Un certificat de serveur est à l'administrateur du bac à sable.", ADMINISTRATORS)
    if wish.profile.startswith("ps_"):
        raise NotYours(403, "Un certificat de personne est à l'administrateur du bac à sable.", ADMINISTRATORS)
    if wish.structure is not None and wish.structure not in seen.finess:
        raise NotYours(403, "« structure » : cet établissement n'est pas à vous ; voyez GET /pki/certificates.", ANOTHERS)


def _serves(row: Issued) -> bool:
    """Whether a gateway may present it to the services."""
    return row.profile == "auth_cli" and row.refused is None and row.branch != FOREIGN


async def _deposit(world: World, row: Issued) -> tuple[list[str], str | None]:
    pair = read_pair(world.path(row.files["cert"].removesuffix(".pem")))
    done: list[str] = []
    for service in _SERVICES:
        told = await tell_deposit(
            world.ports.get("console"), world.manifest["admin_key"], service=service, cert=pem_of(pair.cert).decode(),
            key=key_pem(pair.key).decode(), tenant=row.tenant,
        )  # fmt: skip
        if told.result != "done":
            return done, _WHY_NOT if told.result == "absent" else f"La passerelle ne l'a pas pris : {told.text}"
        done.append(service)
    return done, None


_WHY_NOT = "La passerelle ne tourne pas : déposez-le par « socle gateway identity add » quand elle tournera."


async def _withdraw(world: World, row: Issued) -> Sequence[str]:
    told = {
        service: await tell_withdrawal(
            world.ports.get("console"), world.manifest["admin_key"], f"{service.lower()}-auth-{row.fingerprint[:16]}"
        )
        for service in _SERVICES
    }
    return [service for service, one in told.items() if one.result == "done"]


def _told(world: World, row: Issued, at: datetime) -> dict[str, object]:
    owner = next((one["tenant"] for one in world.manifest["structures"] if one["struct_id"] == row.struct_id), None)
    known = {
        "name", "profile", "refused", "cn", "subject", "struct_id", "serial", "fingerprint", "not_before", "not_after",
        "revoked_at", "reason",
    }  # fmt: skip
    return {
        **{name: getattr(row, name) for name in known}, "state": row.state(at), "ours": row.branch != FOREIGN,
        "tenant": row.tenant or owner, "files": {kind: str(world.path(file)) for kind, file in row.files.items()},
    }  # fmt: skip
