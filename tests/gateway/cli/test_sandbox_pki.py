"""`socle sandbox pki` as its reader sees it, over the control API itself."""
from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from click.testing import Result
from typer.testing import CliRunner

from gateway.cli import sandbox_pki
from gateway.cli.common import BAD_INPUT, fail
from gateway.cli.main import app
from mocks.sandbox.build import init
from mocks.sandbox.control import KEY_HEADER, Control
from mocks.sandbox.world import World


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    data = tmp_path_factory.mktemp("data")
    init(data, persons=2)
    world = World.load(data)
    yield world
    world.trace.close()


@pytest.fixture(autouse=True)
def _in_process(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control API without its socket."""

    async def send(method: str, path: str, body: dict[str, Any] | None, query: dict[str, Any]) -> httpx.Response:
        given = {name: value for name, value in query.items() if value is not None}
        key = {KEY_HEADER: world.manifest["control_key"]}
        transport = httpx.ASGITransport(Control(world, {}).app)
        async with httpx.AsyncClient(transport=transport, base_url="http://control", headers=key) as client:
            return await client.request(method, path, json=body, params=given)

    def ask(_data: Path, method: str, path: str, body: dict[str, Any] | None = None, **query: Any) -> dict[str, Any]:
        answer = asyncio.run(send(method, path, body, query))
        said: dict[str, Any] = answer.json()
        if answer.status_code >= 400:
            fail(f"Refusé par le bac à sable : {said['detail']}", BAD_INPUT)
        return said

    monkeypatch.setattr(sandbox_pki, "ask", ask)


def pki(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["sandbox", "pki", *arguments], env={"COLUMNS": "80"})


def done(*arguments: str) -> str:
    result = pki(*arguments)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def test_what_is_issued_is_shown_once_with_its_password(world: World) -> None:
    out = done("issue", "--structure", "0B0990008", "--cn", "INSI-MANU", "--days", "2").splitlines()
    assert out[0].startswith("Certificat 0B0990008-authentification-insi-manu-") and "(AUTH_CLI INSI-MANU)" in out[0]
    files = dict(line.split(maxsplit=1) for line in out[1:5])
    assert {kind: Path(path).is_file() for kind, path in files.items()} == dict.fromkeys(("cert", "key", "p12", "chain"), True)
    assert out[5].startswith("  mot de passe du P12, montré cette fois seulement : ")
    assert "socle gateway identity add" in out[6], "no gateway runs here"
    assert out[5].rsplit(" ", 1)[1] not in done("list") + done("list", "--json")


def test_the_list_fits_a_terminal_and_says_what_each_is_for(world: World) -> None:
    done("issue", "--structure", "0B0990008", "--refused", "weak_key")
    out = done("list")
    assert max(map(len, out.splitlines())) <= 80
    assert "0B0990008.auth_cli" in out and "INSI-AUTO" in out and "SIGN SOCLE-SIGN" in out
    for state in ("valable", "expiré", "pas encore", "révoqué", "étrangère"):
        assert state in out
    rows = orjson.loads(done("list", "--state", "expired", "--json"))
    assert [row["name"] for row in rows] == ["refused-expired"]
    assert done("list", "--structure", "0B0990099") == "Aucun certificat ne répond à cette demande.\n"


def test_a_revocation_is_said_and_is_not_made_twice(world: World) -> None:
    assert done("revoke", "0B0990016.sign", "--reason", "superseded").startswith("Certificat 0B0990016.sign révoqué")
    again = pki("revoke", "0B0990016.sign")
    assert (again.exit_code, again.stderr.count("\n"), "déjà révoqué" in again.stderr) == (2, 1, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("issue", "--profile", "laid"), "--profile : « laid » est inconnu ; possibles : auth_cli, sign"),
        (("issue", "--structure", "0B0990008", "--refused", "laid"), "--refused : « laid »"),
        (("issue",), "Donnez son FINESS ET"),
        (("list", "--state", "laid"), "--state : « laid »"),
        (("revoke", "0B0990008.auth_cli", "--reason", "laid"), "--reason : « laid »"),
        (("revoke", "../../root"), "Refusé par le bac à sable"),
        (("revoke", "personne"), "aucun certificat « personne »"),
    ],
)
def test_a_wrong_word_is_one_line_that_says_what_to_write(arguments: tuple[str, ...], said: str) -> None:
    result = pki(*arguments)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert said in result.stderr
