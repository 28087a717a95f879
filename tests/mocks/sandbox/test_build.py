import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from connectors.wire.tls import client_context, server_context
from mocks.sandbox.build import AlreadyMade, init
from mocks.sandbox.population import FILE_NAME, Population
from mocks.sandbox.world import World


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    init(folder, persons=12)
    return folder


def contents(data: Path) -> dict[str, bytes]:
    return {str(path.relative_to(data)): path.read_bytes() for path in data.rglob("*") if path.is_file()}


def test_a_second_init_changes_nothing(data: Path) -> None:
    before = contents(data)
    assert init(data) == init(data, persons=12) == orjson.loads((data / "sandbox" / "sandbox.json").read_bytes())
    assert contents(data) == before


ONE = [{"finess_et": "0B0990008", "finess_ej": "0B0990107", "name": "SEULE"}]


@pytest.mark.parametrize("other", [{"seed": 7}, {"persons": 13}, {"structures": ONE}])
def test_another_sandbox_is_never_written_over_this_one(data: Path, other: dict[str, Any]) -> None:
    before = contents(data)
    with pytest.raises(AlreadyMade, match="Choisissez un autre dossier"):
        init(data, **other)
    assert contents(data) == before


def test_a_new_public_host_changes_the_server_s_certificate_alone(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(data, copy)
    before = contents(copy)
    monkeypatch.setenv("SOCLE_PUBLIC_HOSTS", "socle.example")
    manifest = init(copy)
    changed = {name for name, content in contents(copy).items() if before[name] != content}
    files = {"sandbox/pki/server.pem", "sandbox/pki/server.key", "sandbox/pki/register.json", "sandbox/sandbox.json"}
    assert changed == files
    assert manifest["pki"]["server"]["hosts"] == ["localhost", "127.0.0.1", "::1", "socle.example"]
    pki = copy / "sandbox" / "pki"
    for host in ("localhost", "socle.example"):
        verify = ["openssl", "verify", "-CAfile", pki / "ca.pem", "-purpose", "sslserver", "-verify_hostname", host]
        assert subprocess.run([*verify, pki / "server.pem"], capture_output=True, timeout=20, check=False).returncode == 0
    renewed = contents(copy)
    init(copy)
    assert contents(copy) == renewed


def test_every_file_that_the_manifest_names_exists(data: Path) -> None:
    world = World.load(data)
    named = [value for value in _values(world.manifest) if value.startswith("pki/")]
    assert len(named) > 15
    assert all(world.path(value).is_file() for value in named)


def test_secrets_are_this_sandbox_s_and_hidden(data: Path, tmp_path: Path) -> None:
    manifest, other = init(data), init(tmp_path, persons=12)
    assert manifest["control_key"] != other["control_key"]
    assert manifest["psc_clients"][0]["client_secret"] != other["psc_clients"][0]["client_secret"]
    assert (data / "sandbox" / "sandbox.json").stat().st_mode & 0o777 == 0o600
    assert manifest["control_key"] not in repr(World.load(data))


def test_the_population_is_the_seed_s_alone(data: Path, tmp_path: Path) -> None:
    init(tmp_path, persons=12)
    assert (tmp_path / "sandbox" / FILE_NAME).read_bytes() == (data / "sandbox" / FILE_NAME).read_bytes()


def test_a_sandbox_made_when_people_were_kept_in_json_keeps_them(data: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(data, copy)
    made = Population.open(data / "sandbox" / FILE_NAME)
    people = {"persons": list(made.persons())[-3:], "professionals": made.professionals()[:1], "mailboxes": made.correspondents()}
    (copy / "sandbox" / FILE_NAME).unlink()
    (copy / "sandbox" / "population.json").write_bytes(orjson.dumps({"version": 1, "simulated": True, "seed": 1, **people}))
    init(copy)
    kept = World.load(copy).population
    assert (list(kept.persons()), kept.professionals()) == (people["persons"], people["professionals"])
    assert not (copy / "sandbox" / "population.json").exists()


def test_the_tls_contexts_of_the_house_take_the_files_as_they_are(data: Path) -> None:
    world = World.load(data)
    identity = world.manifest["structures"][0]["auth_cli"]
    server = server_context(
        world.path(world.pki["server"]["cert"]), world.path(world.pki["server"]["key"]), client="required",
        ca=world.path(world.pki["ca"]), crl=world.path(world.pki["crl"]),
    )  # fmt: skip
    client = client_context(world.path(world.pki["ca"]), cert=world.path(identity["cert"]), key=world.path(identity["key"]))
    assert len(server.get_ca_certs()) == len(client.get_ca_certs()) == 2


def test_base_url_is_the_gateway_s_door_when_there_is_one(data: Path) -> None:
    both = World.load(data, ports={"psc": 8444, "mock-psc": 9131, "smtp": 8587})
    assert (both.base_url("psc"), both.base_url("mock-psc")) == ("https://localhost:8444", "https://localhost:8444")
    assert both.base_url("smtp").startswith("smtp://")
    alone = World.load(data, ports={"mock-psc": 9131})
    assert alone.base_url("psc") == "https://localhost:9131"
    with pytest.raises(KeyError):
        alone.base_url("dmp")


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    command = [sys.executable, "-m", "mocks", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_init_from_a_file_of_structures(tmp_path: Path) -> None:
    rows = [{"finess_et": "130786502", "finess_ej": "130804289", "name": "RESIDENCE L'EVECHE", "sector": "SA17",
             "category": "202", "persons": 2}]  # fmt: skip
    (tmp_path / "structures.json").write_bytes(orjson.dumps(rows))
    done = run("init", "--data", "d", "--structures", "structures.json", "--seed", "3", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    manifest = orjson.loads((tmp_path / "d" / "sandbox" / "sandbox.json").read_bytes())
    assert (manifest["seed"], [s["finess_et"] for s in manifest["structures"]]) == (3, ["130786502"])
    assert run("init", "--data", "d", "--structures", "structures.json", "--seed", "3", cwd=tmp_path).returncode == 0
    again = run("init", "--data", "d", "--seed", "4", cwd=tmp_path)
    assert again.returncode == 2 and "Choisissez un autre dossier" in again.stderr


def test_a_wrong_file_of_structures_is_one_french_line(tmp_path: Path) -> None:
    (tmp_path / "structures.json").write_text("[{]")
    broken = run("init", "--data", "d", "--structures", "structures.json", cwd=tmp_path)
    assert (broken.returncode, broken.stderr.count("\n")) == (2, 1) and "n'est pas du JSON" in broken.stderr
    absent = run("init", "--data", "d", "--structures", "absent.json", cwd=tmp_path)
    assert (absent.returncode, absent.stderr.count("\n")) == (2, 1) and "ne peut être lu" in absent.stderr
    assert not (tmp_path / "d").exists()


def _values(content: Any) -> list[str]:
    if isinstance(content, dict):
        return [text for value in content.values() for text in _values(value)]
    if isinstance(content, list):
        return [text for value in content for text in _values(value)]
    return [content] if isinstance(content, str) else []
