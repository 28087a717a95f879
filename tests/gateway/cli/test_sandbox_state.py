"""`socle sandbox state|snapshot|load|reset` as their reader sees them, over the control API itself."""
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

from connectors.wire.http import Answer
from gateway.cli import sandbox_control
from gateway.cli.main import app
from gateway.supervise import RUN_FILE
from mocks.dmp.app import DmpMock
from mocks.mssante.app import MssanteMock
from mocks.psc.app import PscMock
from mocks.sandbox import snapshots
from mocks.sandbox.build import init
from mocks.sandbox.control import Control
from mocks.sandbox.frame import KEY_HEADER
from mocks.sandbox.world import World

WIDTHS = (80, 100)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("data")
    init(data, persons=2)
    (data / RUN_FILE).write_bytes(orjson.dumps({"ports": {"mock-control": 1}}))
    return data


@pytest.fixture
def world(made: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Its control API, asked without a socket."""
    world = World.load(made, ports={})
    mocks: dict[str, Any] = {"psc": PscMock(world), "dmp": DmpMock(world), "mssante": MssanteMock(world)}
    control = Control(world, mocks).app

    async def answered(key: str, method: str, path: str, body: Any, query: Any) -> Answer:
        given = {name: value for name, value in (query or {}).items() if value is not None}
        transport = httpx.ASGITransport(control)
        async with httpx.AsyncClient(transport=transport, base_url="http://control", headers={KEY_HEADER: key}) as client:
            said = await client.request(method, path, json=body, params=given)
        return Answer(said.status_code, [], said.content)

    def send(_base: str, key: str, method: str, path: str, body: Any = None, query: Any = None) -> Answer:
        return asyncio.run(answered(key, method, path, body, query))

    monkeypatch.setattr(sandbox_control, "send", send)
    yield world
    for one in snapshots.snapshots(made):
        snapshots.remove(world, one.name)
    snapshots.empty(world, mocks)
    world.population.forget_added()
    world.trace.close()


def run(world: World, *words: str, columns: int = 80) -> Result:
    return CliRunner().invoke(app, ["sandbox", *words, "--data", str(world.data)], env={"COLUMNS": str(columns)})


def done(world: World, *words: str, columns: int = 80) -> str:
    result = run(world, *words, columns=columns)
    assert result.exit_code == 0, result.stderr
    assert max(map(len, result.stdout.splitlines()), default=0) <= columns, result.stdout
    return result.stdout


def refused(world: World, *words: str) -> str:
    result = run(world, *words)
    assert (result.exit_code, result.stderr.count("\n"), result.stdout) == (2, 1, "")
    return result.stderr


def test_nothing_yet_is_said_and_then_counted(world: World) -> None:
    for words in (("state",), ("state", "documents"), ("state", "messages"), ("state", "sessions"), ("state", "requests")):
        assert done(world, *words) == "Rien.\n"
    done(world, "load", "dmp-garni")
    [header, row] = [line.split() for line in done(world, "state", "documents").splitlines()][:2]
    assert header[0] == "uniqueId" and row


def test_what_names_a_document_is_never_cut_short(world: World) -> None:
    done(world, "load", "dmp-garni")
    known = [one["unique_id"] for one in orjson.loads(done(world, "state", "documents", "--json"))["documents"]]
    shown = done(world, "state", "documents").splitlines()
    width = shown[0].index("temps métier")
    assert "".join(line[:width].strip() for line in shown[1:]) == "".join(known)


@pytest.mark.parametrize("columns", WIDTHS)
def test_every_set_fits_the_terminal_and_can_be_loaded(world: World, columns: int) -> None:
    listed = done(world, "load", columns=columns)
    names = [line.split()[0] for line in listed.splitlines() if line[:1].strip()]
    assert set(names) == set(orjson.loads(run(world, "load", "--json").stdout)["datasets"])
    for name in names:
        assert done(world, "load", name).startswith("jeu en place : ")
        for what in ("documents", "messages", "requests", "sessions"):
            done(world, "state", what, columns=columns)


def test_a_snapshot_is_kept_listed_put_back_and_removed(world: World) -> None:
    assert done(world, "snapshot", "list") == "Aucun instantané.\n"
    done(world, "load", "dmp-garni")
    before = orjson.loads(done(world, "state", "documents", "--json"))["documents"]
    assert before and done(world, "snapshot", "save", "avant-essai").startswith("instantané « avant-essai » gardé")
    done(world, "reset")
    assert done(world, "state", "documents") == "Rien.\n"
    [row] = done(world, "snapshot", "list").splitlines()
    assert row.startswith("avant-essai ") and "effets gardés : " in row
    assert "remis : sessions closes, temps métier inchangé" in done(world, "snapshot", "restore", "avant-essai")
    assert orjson.loads(done(world, "state", "documents", "--json"))["documents"] == before
    assert done(world, "snapshot", "remove", "avant-essai") == "instantané « avant-essai » retiré\n"
    assert done(world, "snapshot", "list") == "Aucun instantané.\n"


def test_what_cannot_be_is_one_french_line(world: World, tmp_path: Path) -> None:
    done(world, "snapshot", "save", "essai")
    assert "existe déjà" in refused(world, "snapshot", "save", "essai")
    assert "Aucun instantané « autre »" in refused(world, "snapshot", "restore", "autre")
    assert "Aucun instantané « autre »" in refused(world, "snapshot", "remove", "autre")
    assert "« name » n'a pas la forme attendue : ^[a-z]" in refused(world, "snapshot", "save", "Nom Avec Espaces")
    assert "Aucun jeu fourni de ce nom" in refused(world, "load", "inconnu")
    assert "Aucun service simulé « fax »" in refused(world, "state", "mock", "fax")
    for name, content, said in (("absent.json", None, "ne se lit pas (introuvable)"), ("casse.json", b"{", "n'est pas du JSON"),
                                ("liste.json", b"[]", "un objet JSON est attendu")):  # fmt: skip
        if content is not None:
            (tmp_path / name).write_bytes(content)
        assert said in refused(world, "load", str(tmp_path / name))


def test_a_count_that_is_not_reached_ends_with_1(world: World) -> None:
    few = run(world, "state", "documents", "--at-least", "1")
    assert few.exit_code == 1 and few.stderr == "Il n'y en a que 0 : moins que demandé par --at-least.\n"
    done(world, "load", "dmp-garni")
    done(world, "state", "documents", "--at-least", "1")


def test_a_reset_forgets_who_was_added_unless_told_to_keep(world: World) -> None:
    added = {"birth_name": "AJOUTEE", "first_names": ["LINA"], "sex": "F", "birth_date": "1980-01-02", "birth_place": "13055"}
    people = len(list(world.population.persons()))

    def add() -> None:
        sandbox_control.ask(world.data, "POST", "/people", {"persons": [added]})
        assert len(list(world.population.persons())) == people + 1

    add()
    done(world, "reset", "--keep-people")
    assert len(list(world.population.persons())) == people + 1
    done(world, "reset")
    assert len(list(world.population.persons())) == people
    add()
    assert "remis à zéro" in done(world, "reset")


def test_without_a_sandbox_the_command_says_where_it_looked(tmp_path: Path) -> None:
    for words in (("reset",), ("load",), ("state",), ("snapshot", "list")):
        result = CliRunner().invoke(app, ["sandbox", *words, "--data", str(tmp_path)])
        assert result.exit_code == 3 and str(tmp_path) in result.stderr
