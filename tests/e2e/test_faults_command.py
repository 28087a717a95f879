"""`socle sandbox faults` and `inject` against a running sandbox, and the commands of docs/magic-data.md."""
from __future__ import annotations

import asyncio
import re
import shlex
from pathlib import Path
from typing import get_args

import orjson
import pytest
from click.testing import Result
from typer.testing import CliRunner

from connectors.wire.http import Client
from gateway.cli.main import app
from gateway.supervise import RUN_FILE
from mocks.sandbox.faults_api import Armable
from mocks.sandbox.ledger import Behaviour, read_ledger
from tests.e2e.faults_bench import FaultsBench

pytestmark = pytest.mark.asyncio(loop_scope="module")

FEED = "DMP.TD2.1"
ANSWER = b"<reponse>rendue telle quelle</reponse>"


# --- the command -----------------------------------------------------------------------------------------------------------


async def socle(bench: FaultsBench, *words: str) -> Result:
    """`socle sandbox …` against the control API of the bench."""
    data = bench.run / "data"
    (data / RUN_FILE).parent.mkdir(parents=True, exist_ok=True)
    (data / RUN_FILE).write_bytes(orjson.dumps({"ports": dict(bench.mocks.ports)}))
    return await asyncio.to_thread(CliRunner().invoke, app, ["sandbox", *words, "--data", str(data)])


async def test_the_command_arms_lists_and_clears(bench: FaultsBench) -> None:
    armed = await socle(bench, "faults", "arm", FEED, "business", "XDSRegistryBusy", "--for-next", "2", "--for", "30m",
                        "--caller", bench.structure().finess_et, "--id", "occupe")  # fmt: skip
    assert (armed.exit_code, armed.stdout) == (0, f"panne business armée sur {FEED} : occupe, 2 appel(s), 1800 s\n"), armed.stderr
    await bench.send(FEED)
    listed = (await socle(bench, "faults", "list")).stdout.splitlines()
    assert [line.split() for line in listed[:1]] == [["panne", "opération", "ce", "qu'elle", "fait", "pour", "reste", "touchés"]]
    line = listed[1].split()
    assert line[:6] == ["occupe", FEED, "business", "XDSRegistryBusy", bench.structure().finess_et, "1,"]
    assert 0 < int(line[6]) <= 1800 and line[7:] == ["s", "1"]
    told = orjson.loads((await socle(bench, "faults", "list", "--json")).stdout)["faults"]
    assert [(one["id"], one["left"], one["for_s"]) for one in told] == [("occupe", 1, 1800.0)]
    assert (await socle(bench, "faults", "clear", "occupe")).stdout == "panne occupe désarmée\n"
    assert "aucune panne « occupe » n'est armée" in (await socle(bench, "faults", "clear", "occupe")).stdout
    assert (await socle(bench, "faults")).stdout == "aucune panne armée\n"


async def test_the_older_flags_of_the_command_still_work(bench: FaultsBench) -> None:
    armed = await socle(bench, "faults", "--arm", f"{FEED}=reset", "--for-next", "2")
    assert (armed.exit_code, [one["left"] for one in bench.mocks.faults.to_json()]) == (0, [2]), armed.stderr
    assert (await socle(bench, "faults", "--clear")).stdout == "pannes désarmées\n"
    assert bench.mocks.faults.to_json() == []


async def test_the_command_tells_the_codes_and_refuses_another(bench: FaultsBench) -> None:
    codes = await socle(bench, "faults", "codes", FEED, "--json")
    assert {row["operation"] for row in orjson.loads(codes.stdout)["operations"]} == {FEED}
    shown = (await socle(bench, "faults", "codes", "PSC.USERINFO")).stdout
    assert "invalid_token" in shown and "(supposé)" in shown
    refused = await socle(bench, "faults", "arm", FEED, "business", "DMPIndisponible")
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1) and "XDSRegistryBusy" in refused.stderr
    unknown = await socle(bench, "faults", "codes", "DMP.TD9")
    assert unknown.exit_code == 2 and "opération inconnue" in unknown.stderr


async def test_the_command_injects_a_file_to_the_byte(bench: FaultsBench, tmp_path: Path) -> None:
    file = tmp_path / "reponse.xml"
    file.write_bytes(ANSWER)
    done = await socle(bench, "inject", "dmp", str(file), "--operation", FEED, "--no-acts", "--for-next", "1")
    assert (done.exit_code, done.stdout.split(" :")[0]) == (0, f"{file.stat().st_size} octets injectés"), done.stderr
    assert (await bench.send(FEED)).body == file.read_bytes()
    assert bench.entries(FEED)[0]["flags"] == ["N-ILLISIBLE", "F-INJECTION"]
    file.write_bytes(b"--b\r\n")
    for words, why in (
        (("dmp", str(file)), "--content-type"), (("imap", str(file)), "service inconnu"),
        (("psc", str(file), "--operation", FEED, "--content-type", "text/xml"), "n'est pas une opération du service psc"),
        (("psc", str(tmp_path / "absent")), "ne peut être lu"),
    ):  # fmt: skip
        refused = await socle(bench, "inject", *words)
        assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1) and why in refused.stderr, refused.stderr


# --- magic data ------------------------------------------------------------------------------------------------------------

ASKED = [claim for claim in read_ledger("insi") if claim.tried.startswith("curl") and "LENT" not in claim.magic]
CURLS = [pytest.param(claim, id=claim.id) for claim in ASKED]


@pytest.mark.parametrize("claim", CURLS)
async def test_a_magic_datum_gives_its_code_by_the_command_of_its_page(bench: FaultsBench, claim: Behaviour) -> None:
    words = shlex.split(claim.tried)
    key = next(row["key"] for row in bench.mocks.manifest["own_keys"] if "0B0990008" in row["structures"])
    headers = [(b"authorization", f"Bearer {key}".encode()), (b"content-type", b"application/json")]
    async with Client() as client:
        body = words[words.index("--data") + 1].encode()
        answer = await client.send("POST", bench.urls["console"] + "/ins/recherche", headers=headers, body=body, timeout_s=10)
    assert answer.status < 600 and claim.code in answer.body.decode(), answer.body


# --- the guide -------------------------------------------------------------------------------------------------------------

GUIDE = (Path(__file__).parents[2] / "docs" / "pannes.md").read_text("utf-8")
LINES = [line for block in re.findall(r"```sh\n(.+?)```", GUIDE, re.DOTALL) for line in block.splitlines()]
ARMED = [line for line in LINES if " inject " not in line]  # an injection wants a file


@pytest.mark.parametrize("line", ARMED)
async def test_each_command_of_the_guide_is_accepted(bench: FaultsBench, line: str) -> None:
    words = shlex.split(line)
    assert words[:2] == ["socle", "sandbox"]
    done = await socle(bench, *words[2:])
    assert done.exit_code == 0, done.stderr


async def test_the_guide_tells_every_kind(bench: FaultsBench) -> None:
    assert bench.mocks.faults.to_json() == []
    assert [kind for kind in get_args(Armable) if f"`{kind}" not in GUIDE and f" {kind}" not in GUIDE] == []
