"""A small sandbox for the tests of Pro Santé Connect and of the Annuaire: real certificates, four professionals."""
from __future__ import annotations

import shutil
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from connectors.wire.clock import SystemClock
from connectors.wire.serving import Running, Service
from connectors.wire.tls import client_context
from mocks.psc.keys import load_keys
from mocks.sandbox.faults import Faults
from mocks.sandbox.pki import Made, Subject, make_pki
from mocks.sandbox.population import Population
from mocks.sandbox.trace import Trace
from mocks.sandbox.world import World

REDIRECT = "https://dui.example/callback?vendor=1"
SECRET_CLIENT, CERT_CLIENT, BOTH_CLIENT, DEMO_CLIENT = "dui-secret", "dui-cert", "dui-both", "dui-demo"
SECRET = "s3cret/+&é"
NURSE, EDUCATOR, ROLE, DOCTOR = "899700990015", "899700990023", "899700990031", "899700990007"
API_KEY = "0b1f3f2e-2f0a-4f0e-9d55-6a4f4a1c0001"

STRUCTURES = [
    {
        "finess_et": "0B0990016", "finess_ej": "0B0990008", "name": "EHPAD LES AJONCS", "sector": "SA17", "category": "500",
        "tenant": "alpha",
        "mailboxes": [
            {"address": "accueil@ehpad-ajoncs.mssante.example", "type": "ORG"},
            {"address": "dui@ehpad-ajoncs.mssante.example", "type": "APP"},
        ],
    },
    {
        "finess_et": "0B0990024", "finess_ej": "0B0990008", "name": "SESSAD LES AJONCS", "sector": "SA16", "category": "182",
        "tenant": "beta",
        "mailboxes": [{"address": "accueil@sessad-ajoncs.mssante.example", "type": "ORG"}],
    },
]  # fmt: skip

_COLUMNS = ("id_nat", "given", "family", "profession", "profession_oid", "role", "structure", "mailbox")
_ROWS = [
    (NURSE, "Sacha", "TESTIDE", "60", "1.2.250.1.71.1.2.7", "FON-33", "0B0990016", "sacha.testide@pro.mssante.example"),
    (EDUCATOR, "Camille", "TESTEDUC", "51", "1.2.250.1.213.1.6.1.4", "326", "0B0990024", "camille@pro.mssante.example"),
    (ROLE, "Dominique", "TESTROLE", "99", "1.2.250.1.213.1.6.1.140", "350", "0B0990016", "dominique@pro.mssante.example"),
    (DOCTOR, "Zoé", "TESTMÉD", "10", "1.2.250.1.71.1.2.7", "FON-33", None, "zoe.testmed@pro.mssante.example"),
]
#: Whoever works somewhere is of alpha, whose clients they log in to, wherever that is.
PROFESSIONALS: list[dict[str, Any]] = [
    {**dict(zip(_COLUMNS, row, strict=True)), "rpps": row[0][1:], "civility": "MME", "may_open": [], "owner": row[6] and "alpha"}
    for row in _ROWS
]


@cache
def _shared(base: Path) -> tuple[Path, Made, Path]:
    """Certificates and realm keys take seconds to make: once for a run, whichever folder's tests ask first."""
    data, realm = base / "psc-annuaire", base / "psc-realm"
    realm.mkdir(parents=True)
    load_keys(realm, SystemClock())
    subjects = [Subject(s["finess_et"], "1" + s["finess_et"], s["name"]) for s in STRUCTURES]
    return data, make_pki(data / "sandbox", subjects, password="socle", hosts=["localhost", "127.0.0.1"]), realm


@pytest.fixture(scope="session")
def made_pki(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Made]:
    data, made, _ = _shared(tmp_path_factory.getbasetemp())
    return data, made


@pytest.fixture(scope="session")
def realm_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder holding the realm's keys; a sandbox of its own would make them at its first start."""
    return _shared(tmp_path_factory.getbasetemp())[2]


def _client(client_id: str, auth: str, **more: Any) -> dict[str, Any]:
    return {"client_id": client_id, "client_secret": SECRET, "redirect_uris": [REDIRECT], "tenant": "alpha", "auth": auth, **more}


@pytest.fixture
def world(made_pki: tuple[Path, Made], realm_keys: Path, tmp_path: Path) -> World:
    """A new sandbox: shared certificates and keys, its own state and trace."""
    data, made = made_pki
    shutil.copytree(realm_keys, tmp_path / "mocks" / "psc")
    (tmp_path / "sandbox").symlink_to(data / "sandbox")
    structures = [{**s, "struct_id": "1" + s["finess_et"], **made.structures[s["finess_et"]]} for s in STRUCTURES]
    manifest = {
        "version": 1, "simulated": True, "seed": 1, "pki": made.pki, "structures": structures,
        "psc_clients": [
            _client(SECRET_CLIENT, "secret"), _client(CERT_CLIENT, "tls_client_auth"), _client(BOTH_CLIENT, "secret+cert"),
            _client(DEMO_CLIENT, "secret", follows_business_time=True),
        ],
        "annuaire_keys": [{"key": API_KEY, "tenant": "alpha"}],
    }  # fmt: skip
    clock = SystemClock()
    return World(
        tmp_path,
        manifest,
        Population.holding(professionals=PROFESSIONALS),
        clock,
        {},
        Trace(tmp_path / "mocks", clock),
        Faults(1),
    )


@asynccontextmanager
async def serving(world: World, services: Sequence[Service], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[dict[str, str]]:
    """The services on free ports, their URLs by listener; the world knows the ports, as a supervisor tells it."""
    monkeypatch.setenv("SOCLE_PORTS", "{}")  # no listener has a fixed port: each binds a free one
    running = await Running.start(services)
    try:
        for name, url in running.urls.items():
            world.ports[name] = int(url.rsplit(":", 1)[1])
        yield running.urls
    finally:
        await running.stop(grace_s=1)
        world.trace.close()


def trust(world: World, identity: dict[str, str] | None = None) -> ssl.SSLContext:
    """A caller's TLS: the sandbox's authority, and a certificate of the manifest if one is given."""
    ca = world.path(world.pki["ca"])
    if identity is None:
        return client_context(ca)
    return client_context(ca, cert=world.path(identity["cert"]), key=world.path(identity["key"]))


def jump(world: World, **delta: float) -> None:
    """Business time leaps forward."""
    world.clock.jump(world.clock.offset + timedelta(**delta), world.clock.version + 1)
