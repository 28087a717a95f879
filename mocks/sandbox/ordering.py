"""From what a vendor asks to what the registration office makes: whose certificate, under what name, whether it may be."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from mocks.sandbox.api import Refused
from mocks.sandbox.authority import person_marks, person_name
from mocks.sandbox.orders import OTHER_USE, Kind, Order
from mocks.sandbox.pki import IDENTITIES, Subject, server_name
from mocks.sandbox.profiles import Profile
from mocks.sandbox.world import World

_NAMES = {part: cn for part, _, cn in IDENTITIES}
_OWN_DATES = ("expired", "not_yet_valid")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked, each field of the right form; see ``pki_api.Wish``."""

    profile: Profile
    structure: str | None = None
    name: str | None = None
    professional: str | None = None
    cn: str | None = None
    hosts: Sequence[str] = field(default=())
    days: int | None = None
    refused: Kind | None = None
    tenant: str | None = None


def order_of(world: World, wanted: Wanted) -> Order:
    """Raises Refused, in French."""
    if wanted.days is not None and wanted.refused in _OWN_DATES:
        raise Refused(422, f"« days » ne va pas avec « {wanted.refused} », dont les dates sont fixées.")
    if wanted.tenant is not None and wanted.tenant not in {row["id"] for row in world.manifest["tenants"]}:
        known = ", ".join(row["id"] for row in world.manifest["tenants"])
        raise Refused(422, f"Éditeur « {wanted.tenant} » inconnu ; possibles : {known}.")
    if wanted.profile == "server":
        return _server(wanted)
    return _person(world, wanted) if wanted.profile.startswith("ps_") else _organisation(world, wanted)


def _organisation(world: World, wanted: Wanted) -> Order:
    if wanted.structure is None:
        raise Refused(422, "Pour quelle structure ? Donnez son FINESS ET dans « structure ».")
    subject, tenant = _structure(world, wanted)
    cn = wanted.cn or (OTHER_USE if wanted.refused == "other_use" else _NAMES[wanted.profile])
    return Order(
        wanted.profile, subject.finess_et, subject.named(cn), cn, days=wanted.days, refused=wanted.refused, tenant=tenant
    )


def _structure(world: World, wanted: Wanted) -> tuple[Subject, str]:
    """How its certificates name it, and whose it is."""
    rows: list[dict[str, Any]] = world.manifest["structures"]
    row = next((row for row in rows if row["finess_et"] == wanted.structure), None)
    if row is not None:
        if wanted.tenant not in (None, row["tenant"]):
            raise Refused(422, f"La structure {wanted.structure} est à l'éditeur « {row['tenant']} », pas à « {wanted.tenant} ».")
        return Subject(row["finess_et"], row["struct_id"], row["name"]), row["tenant"]
    if wanted.name is None or wanted.tenant is None:
        said = f"La structure {wanted.structure} n'est pas du bac à sable"
        raise Refused(422, f"{said} : donnez son nom (« name ») et son éditeur (« tenant »).")
    return Subject(str(wanted.structure), f"1{wanted.structure}", wanted.name), wanted.tenant


def _person(world: World, wanted: Wanted) -> Order:
    if wanted.professional is None:
        raise Refused(422, "Pour quel professionnel ? Donnez son RPPS dans « professional ».")
    if wanted.refused == "other_use" or wanted.cn is not None:
        raise Refused(422, "Le CN d'une personne est son identifiant national : ni « cn » ni « other_use » ne vont avec elle.")
    one = world.population.professional(f"8{wanted.professional}")
    if one is None:
        raise Refused(422, f"Aucun professionnel du bac à sable n'a le RPPS {wanted.professional}.")
    subject = person_name(profession=one["profession_label"], family=one["family"], given=one["given"], id_nat=one["id_nat"])
    return Order(
        wanted.profile, one["id_nat"], subject, one["id_nat"], days=wanted.days, refused=wanted.refused, tenant=wanted.tenant,
        marks=person_marks(one["profession"]),
    )  # fmt: skip


def _server(wanted: Wanted) -> Order:
    if not wanted.hosts:
        raise Refused(422, "Pour quel serveur ? Donnez ses noms ou ses adresses dans « hosts ».")
    if wanted.refused == "other_use":
        raise Refused(422, "« other_use » est un nom d'AUTH_CLI : il ne va pas avec un serveur.")
    cn = wanted.cn or wanted.hosts[0]
    return Order(
        "server", "socle", server_name(cn), cn, days=wanted.days, refused=wanted.refused, tenant=wanted.tenant, hosts=wanted.hosts
    )
