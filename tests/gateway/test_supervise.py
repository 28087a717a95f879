"""A deployment's run file, the exit codes of its children, and what is said of a damaged sandbox."""
from __future__ import annotations

import shutil
import socket
from pathlib import Path

import orjson
import pytest

from gateway import supervise
from gateway.grappes.registry import Registry
from gateway.sandbox_folder import damage
from gateway.supervise import RUN_FILE, ChildFailed, PortTaken, Supervisor, make_sandbox


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import asyncio

    data = tmp_path_factory.mktemp("data")
    asyncio.run(make_sandbox(data))
    return data


@pytest.fixture
def data(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "data"))


async def test_a_start_that_is_refused_leaves_the_run_file_of_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / RUN_FILE).write_bytes(b'{"pid":1,"ports":{}}')
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(supervise, "FIXED_PORTS", {name: taken.getsockname()[1] for name in supervise.SERVED})
        with pytest.raises(PortTaken):
            await Supervisor(tmp_path, fixed=True).start()
    assert (tmp_path / RUN_FILE).read_bytes() == b'{"pid":1,"ports":{}}'


@pytest.mark.parametrize(("code", "expected"), [(4, 4), (2, 2), (1, 3), (-9, 3), (None, 3)])
def test_a_command_ends_with_the_code_of_the_child_that_refused(code: int | None, expected: int) -> None:
    assert ChildFailed("texte", code).code == expected


async def test_a_whole_sandbox_is_kept_and_has_a_registry(data: Path) -> None:
    before = (data / "sandbox" / "sandbox.json").read_bytes()
    await make_sandbox(data)
    assert damage(data) is None
    assert (data / "sandbox" / "sandbox.json").read_bytes() == before
    structures = {one["finess_et"] for one in orjson.loads(before)["structures"]}
    grappe = Registry.load(data / "gateway" / "grappes").grappes["bac-a-sable"]
    assert {one.finess_et for one in grappe.essms} == structures
    assert all(one.mailboxes and one.persons for one in grappe.essms)


async def test_a_registry_already_there_is_left_alone(data: Path) -> None:
    path = data / "gateway" / "grappes" / "bac-a-sable.json"
    path.rename(path.with_name("autre.json"))
    await make_sandbox(data)
    assert [one.name for one in path.parent.iterdir()] == ["autre.json"]


@pytest.mark.parametrize(
    ("file", "content", "named"),
    [
        ("sandbox.json", b"{oops", "sandbox/sandbox.json est illisible"),
        ("sandbox.json", b"{}", "sandbox/sandbox.json est illisible"),
        ("population.sqlite3", b"[]", "sandbox/population.sqlite3 est illisible"),
        ("pki/server.key", None, "sandbox/pki/server.key manque"),
    ],
)
async def test_a_damaged_sandbox_is_named_before_anything_starts(
    data: Path, file: str, content: bytes | None, named: str
) -> None:
    path = data / "sandbox" / file
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(ChildFailed, match=named) as failed:
        await make_sandbox(data)
    assert failed.value.code == 2


async def test_a_host_added_since_is_put_on_the_server_certificate(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOCLE_PUBLIC_HOSTS", "dui.example")
    await make_sandbox(data)
    assert "dui.example" in orjson.loads((data / "sandbox" / "sandbox.json").read_bytes())["pki"]["server"]["hosts"]


async def test_an_address_that_cannot_be_listened_on_is_not_told_as_a_port_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOCLE_BIND", "192.0.2.1")
    with pytest.raises(PortTaken, match=r"Écoute impossible sur 192\.0\.2\.1 \(console\)"):
        await Supervisor(tmp_path).start()


async def test_a_registry_file_that_is_wrong_is_told_by_its_name_alone(data: Path) -> None:
    (data / "gateway" / "grappes" / "x.json").write_bytes(b"{oops")
    with pytest.raises(ChildFailed, match=r"\(code 2\)\. Registre des grappes, x\.json") as failed:
        await Supervisor(data).start()
    assert failed.value.code == 2
