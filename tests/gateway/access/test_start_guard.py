"""A gateway does not start beside what belongs to another environment; the twin of each refusal starts (design §7)."""
from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from gateway.access.identities import IdentityRefused, IdentityStore
from gateway.access.profile import Profile
from gateway.access.start_guard import WrongProfile, check_start
from gateway.app import Gateway
from gateway.settings import Settings
from tests.gateway.access.nationals import OTHER, PRODUCTION, SANDBOX, TEST, candidate_of, issuer, leaf, write

ROOT = Path(__file__).parents[3]
REAL = {
    "INS": "https://services-ps-tlsm.ameli.fr", "INS-ONEWAY": "https://services-ps.ameli.fr",
    "DMP": "https://lps2.dmp.gouv.fr", "PSC": "https://auth.esw.esante.gouv.fr",
    "PSC-WALLET": "https://wallet.esw.esante.gouv.fr", "ANN": "https://gateway.api.esante.gouv.fr",
    "MSS": "smtp://smtp.operateur.fr:587",
}  # fmt: skip


@pytest.fixture
def sandbox(own_sandbox: Path, tmp_path: Path) -> Path:
    shutil.copytree(own_sandbox / "sandbox", tmp_path / "sandbox")
    return tmp_path


@pytest.fixture
def real(sandbox: Path) -> Path:
    """The same folder whose every certificate is of the national authority."""
    reissue(sandbox / "sandbox", PRODUCTION, hosts=("passerelle.hopital.fr", "localhost"))
    return sandbox


def reissue(folder: Path, names: tuple[str, str], hosts: tuple[str, ...]) -> None:
    manifest = orjson.loads((folder / "sandbox.json").read_bytes())
    write(issuer(names), folder / manifest["pki"]["ca"])
    server = manifest["pki"]["server"]
    write(leaf(names, "server", hosts), folder / server["cert"], folder / server["key"])
    for row in manifest["structures"]:
        for use in ("auth_cli", "auth_manu", "sign"):
            write(leaf(names, "sign" if use == "sign" else "auth_cli"), folder / row[use]["cert"], folder / row[use]["key"])


def guarded(data: Path, environment: str, upstreams: dict[str, str]) -> None:
    manifest = orjson.loads((data / "sandbox" / "sandbox.json").read_bytes())
    settings = Settings(data=data, environment=environment, upstreams=upstreams)  # type: ignore[arg-type]
    store = IdentityStore(settings.identities)
    check_start(Profile(environment), settings.sandbox, manifest, settings.upstreams, store)


def refused(data: Path, environment: str, upstreams: dict[str, str]) -> str:
    with pytest.raises(WrongProfile) as error:
        guarded(data, environment, upstreams)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Gateway]]:
    made: list[Gateway] = []
    yield made
    for gateway in made:
        asyncio.run(gateway.journal.close())


def test_a_production_of_production_opens_and_calls_the_real_services(real: Path, opened: list[Gateway]) -> None:
    gateway = Gateway.open(Settings(data=real, environment="production", upstreams=REAL))  # type: ignore[arg-type]
    opened.append(gateway)
    assert (gateway.smtp.upstream, gateway.deposits.profile.environment) == (("smtp.operateur.fr", 587), "production")
    assert gateway._upstream("DMP") == REAL["DMP"] and gateway._behind("DMP") == ("lps2.dmp.gouv.fr", 443)


def test_a_sandbox_of_mocks_opens(sandbox: Path, opened: list[Gateway]) -> None:
    gateway = Gateway.open(Settings(data=sandbox))
    opened.append(gateway)
    assert gateway._behind("INS") == ("localhost", gateway.ports["mock-insi"])


def test_production_refuses_a_service_that_is_simulated_or_of_tests(real: Path) -> None:
    for service, url in (("INS", "https://localhost:9101"), ("DMP", "https://127.1:9111"), ("MSS", "smtp://mail.bac-a-sable.fr"),
                         ("PSC", "https://auth.bas.psc.esante.gouv.fr")):  # fmt: skip
        why = refused(real, "production", {**REAL, service: url})
        assert f"(service {service})" in why and "SOCLE_UPSTREAMS" in why
    guarded(real, "production", REAL)


def test_production_refuses_mocks_by_default_before_any_journal(real: Path) -> None:
    with pytest.raises(WrongProfile, match="service INS"):
        Gateway.open(Settings(data=real, environment="production"))
    assert not (real / "gateway").exists()


@pytest.mark.parametrize("environment", ["bac_a_sable", "recette", "charge"])
def test_elsewhere_a_real_service_is_refused(sandbox: Path, environment: str) -> None:
    for service, url in REAL.items():
        if service != "MSS":  # an operator's own name says nothing
            assert "de la production nationale" in refused(sandbox, environment, {service: url})
    guarded(sandbox, environment, {"PSC": "https://auth.bas.psc.esante.gouv.fr", "MSS": REAL["MSS"]})


@pytest.mark.parametrize("what", ["ca", "server", "auth_cli", "auth_manu", "sign"])
@pytest.mark.parametrize(("environment", "stranger"), [("production", TEST), ("recette", PRODUCTION)])
def test_one_certificate_of_the_other_environment_is_enough(
    real: Path, what: str, environment: str, stranger: tuple[str, str]
) -> None:
    upstreams = REAL if environment == "production" else {}
    folder = real / "sandbox"
    own = PRODUCTION if environment == "production" else OTHER
    reissue(folder, own, ("localhost",))
    guarded(real, environment, upstreams)
    manifest = orjson.loads((folder / "sandbox.json").read_bytes())
    path = {"ca": manifest["pki"]["ca"], "server": manifest["pki"]["server"]["cert"]}.get(what)
    path = path or manifest["structures"][-1][what]["cert"]
    write(issuer(stranger) if what == "ca" else leaf(stranger), folder / path)
    assert f"({path})" in refused(real, environment, upstreams)


@pytest.mark.parametrize(
    ("environment", "own", "stranger"), [("production", PRODUCTION, TEST), ("bac_a_sable", OTHER, PRODUCTION)]
)
def test_a_deposited_identity_of_the_other_environment_is_refused(
    real: Path, environment: str, own: tuple[str, str], stranger: tuple[str, str]
) -> None:
    upstreams = REAL if environment == "production" else {}
    reissue(real / "sandbox", own, ("localhost",))
    store = IdentityStore(real / "gateway" / "identities")
    store.commit(store.prepare(candidate_of(own), "DMP", "auth", "dui-exemple", None))
    guarded(real, environment, upstreams)
    store.commit(store.prepare(candidate_of(stranger), "INS", "auth", "dui-exemple", None))
    assert "(ins-auth-" in refused(real, environment, upstreams)


@pytest.mark.parametrize(
    ("environment", "own", "stranger"), [("production", PRODUCTION, SANDBOX), ("recette", OTHER, PRODUCTION)]
)
def test_an_identity_of_the_other_environment_cannot_be_deposited(
    real: Path, opened: list[Gateway], environment: str, own: tuple[str, str], stranger: tuple[str, str]
) -> None:
    reissue(real / "sandbox", own, ("localhost",))
    upstreams = REAL if environment == "production" else {}
    gateway = Gateway.open(Settings(data=real, environment=environment, upstreams=upstreams))  # type: ignore[arg-type]
    opened.append(gateway)

    async def both() -> None:
        with pytest.raises(IdentityRefused, match=f"« {environment} » : le certificat a été émis par une autorité"):
            await gateway.deposits.add(candidate_of(stranger), "DMP", "auth", by="essai", tenant="dui-exemple")
        await gateway.deposits.add(candidate_of(own), "DMP", "auth", by="essai", tenant="dui-exemple")

    asyncio.run(both())
    assert len(list(gateway.deposits.store)) == 1


def test_a_sandbox_does_not_answer_under_the_name_of_a_real_service(sandbox: Path) -> None:
    folder = sandbox / "sandbox"
    reissue(folder, OTHER, ("localhost", "dui.hopital.fr"))
    guarded(sandbox, "bac_a_sable", {})
    reissue(folder, OTHER, ("localhost", "lps2.dmp.gouv.fr"))
    assert "SOCLE_PUBLIC_HOSTS" in refused(sandbox, "bac_a_sable", {})


def test_the_command_says_it_in_one_line_and_ends_with_2(sandbox: Path) -> None:
    environment = {**os.environ, "SOCLE_DATA": str(sandbox), "SOCLE_ENVIRONMENT": "production", "SOCLE_PORTS": ""}
    called = [sys.executable, "-m", "gateway"]
    done = subprocess.run(called, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr.count("\n"), done.stdout) == (2, 1, "")
    assert "« production » (service INS) : l'hôte localhost est d'un bac à sable" in done.stderr
