"""Makes a sandbox: certificates, population, manifest (docs/architecture.md). Made once; a second call keeps it."""
from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from mocks.sandbox.kept import read
from mocks.sandbox.papers import write_manifest
from mocks.sandbox.pki import Made, Subject, make_pki, public_hosts, renew_server
from mocks.sandbox.population import FILE_NAME, write
from mocks.sandbox.seeding import seed_population, white_list
from mocks.sandbox.structures import DEFAULT_TENANT, Structure, read_structures

DEFAULT_SEED = 1


class AlreadyMade(ValueError):
    """The folder holds a sandbox made from something else; the message is French and says what to do."""


def init(
    data: Path, *, structures: Any = None, seed: int | None = None, persons: int | None = None, total: int | None = None
) -> dict[str, Any]:
    """The manifest of the sandbox in ``data``, which is made if there is none.

    structures  rows of a structures file, None for the two fictitious ones
    persons     accompanied persons of each structure that does not say its own number
    total       the same for all of these structures together
    An existing sandbox is kept; AlreadyMade is raised when what is asked differs from what it was made from.
    Raises InvalidStructures.
    """
    sandbox = data / "sandbox"
    asked = any(one is not None for one in (structures, seed, persons, total))
    wanted = read_structures(structures, persons=persons, total=total)
    existing = sandbox / "sandbox.json"
    if existing.exists():
        manifest: dict[str, Any] = orjson.loads(existing.read_bytes())
        made_from = _made_from(wanted, manifest["seed"] if seed is None else seed)
        if asked and manifest["made_from"] != made_from:
            raise AlreadyMade(
                f"Le dossier {data} contient déjà un bac à sable fait avec d'autres structures ou une autre graine. "
                "Choisissez un autre dossier, ou supprimez celui-ci pour le refaire."
            )
        _with_population(sandbox)
        return _with_public_hosts(sandbox, manifest)
    return _make(sandbox, wanted, _made_from(wanted, DEFAULT_SEED if seed is None else seed))


def _make(sandbox: Path, structures: list[Structure], made_from: dict[str, Any]) -> dict[str, Any]:
    sandbox.mkdir(parents=True, exist_ok=True)
    sandbox.chmod(0o700)
    subjects = [Subject(structure.finess_et, structure.struct_id, structure.name) for structure in structures]
    made = make_pki(sandbox, subjects, password=secrets.token_hex(8), hosts=public_hosts())
    seed_population(sandbox / FILE_NAME, structures, seed=made_from["seed"])
    manifest = _manifest(structures, made, made_from)
    # Written last, and whole: a sandbox with a manifest is complete.
    write_manifest(sandbox, manifest)
    return manifest


def _with_population(sandbox: Path) -> None:
    """A sandbox made when people were kept in JSON keeps its people."""
    former = sandbox / "population.json"
    if former.exists() and not (sandbox / FILE_NAME).exists():
        people = read(former)
        write(sandbox / FILE_NAME, people["persons"], people["professionals"], people["mailboxes"], seed=people["seed"])
        former.unlink()


def _with_public_hosts(sandbox: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    """A host added to SOCLE_PUBLIC_HOSTS since gets a new server certificate; nothing else changes."""
    known = manifest["pki"]["server"]["hosts"]
    added = [host for host in public_hosts() if host not in known]
    if added:
        manifest["pki"]["server"] = renew_server(sandbox, [*known, *added])
        write_manifest(sandbox, manifest)
    return manifest


def _made_from(structures: Sequence[Structure], seed: int) -> dict[str, Any]:
    return {"seed": seed, "structures": [asdict(structure) for structure in structures]}


def _manifest(structures: Sequence[Structure], made: Made, made_from: dict[str, Any]) -> dict[str, Any]:
    tenants = sorted({structure.tenant for structure in structures} | {DEFAULT_TENANT})
    return {
        "version": 1, "simulated": True, "seed": made_from["seed"], "made_from": made_from,
        "pki": made.pki,
        "idam": "SOCLEDUI0001", "nil": "SOCLE0001", "dmp_homologation": "SOCLE-DMP-0001",
        "control_key": secrets.token_urlsafe(24), "admin_key": secrets.token_urlsafe(24),
        "tenants": [{"id": tenant, "product": f"DUI {tenant}", "version": "1.0.0"} for tenant in tenants],
        "structures": [{**structure_row(structure), **made.structures[structure.finess_et]} for structure in structures],
        "psc_clients": [client for tenant in tenants for client in psc_clients(tenant)],
        "annuaire_keys": [{"key": str(uuid.uuid4()), "tenant": tenant} for tenant in tenants],
        "own_keys": [own_key(one, (row.finess_et for row in structures if row.tenant == one)) for one in tenants],
        "white_list": white_list(structures),
    }  # fmt: skip


def structure_row(structure: Structure) -> dict[str, Any]:
    return {
        "finess_et": structure.finess_et, "finess_ej": structure.finess_ej, "struct_id": structure.struct_id,
        "name": structure.name, "sector": structure.sector, "category": structure.category, "tenant": structure.tenant,
        "mailboxes": [{"address": structure.contact, "type": "ORG"}, {"address": structure.application, "type": "APP"}],
    }  # fmt: skip


def psc_clients(tenant: str) -> list[dict[str, Any]]:
    """The DUI's own client, on real time, and the one that replays months on business time (design §7)."""
    own = {
        "client_id": tenant, "client_secret": secrets.token_urlsafe(24), "tenant": tenant, "auth": "secret",
        "redirect_uris": ["http://127.0.0.1:8700/retour", "http://localhost:8700/retour"], "follows_business_time": False,
    }  # fmt: skip
    replay = {**own, "client_id": f"{tenant}-rejeu", "client_secret": secrets.token_urlsafe(24), "follows_business_time": True}
    return [own, replay]


def own_key(tenant: str, structures: Iterable[str]) -> dict[str, Any]:
    """The Bearer key with which a tenant's DUI calls the gateway's own doors, for its own structures (FINESS ET)."""
    return {"key": secrets.token_urlsafe(24), "tenant": tenant, "structures": list(structures)}
