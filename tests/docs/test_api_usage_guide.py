"""The curl commands of docs/api-usage.md, run as they are written against a console on a socket."""
from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path

import openpyxl
import orjson
import pytest

from connectors.wire.serving import HttpService, Running
from gateway.doors.journal_asked import PROBLEMS
from gateway.doors.usage_api import MEDIA_TYPES
from gateway.doors.usage_asked import AskedRates
from tests.gateway.doors.usage_world import MINE, UsageWorld
from tests.gateway.usage.world import CARMES

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "api-usage.md").read_text("utf-8")
DOORS = ROOT / "gateway" / "doors"


async def run(command: str, folder: Path, **environment: str) -> str:
    process = await asyncio.create_subprocess_exec(
        "bash", "-ec", command, env={**os.environ, **environment}, cwd=folder, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, error = await asyncio.wait_for(process.communicate(), 30)
    assert (process.returncode, error) == (0, b""), (command, error.decode())
    return out.decode()


async def test_every_command_of_the_guide_succeeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOCLE_PORTS", "{}")
    world = UsageWorld(tmp_path / "gateway")
    here = tmp_path / "here"
    here.mkdir()
    running = await Running.start([HttpService("console", world.app)])
    try:
        await world.fill()
        key = await world.key("amoa-sud", "usage", "metadata", grappes=(MINE,))
        given = {"PORTE": running.urls["console"], "CLE": key["Authorization"].removeprefix("Bearer ")}
        commands = re.findall(r"^```sh\n(.+?)^```", GUIDE, re.MULTILINE | re.DOTALL)
        rates, again, file, detail = [await run(command, here, **given) for command in commands]
    finally:
        await running.stop(1)
        await world.close()
    [carmes] = [one for one in orjson.loads(rates)["rates"] if (one["finess_et"], one["indicator"]) == (CARMES, "IND-DMP-01")]
    assert carmes["numerator"] == 3
    assert orjson.loads(again) == {"status": 304}
    assert orjson.loads((here / "taux.json").read_bytes()) == orjson.loads(rates)
    [book] = [name for name in file.split() if name.endswith(".xlsx")]
    assert openpyxl.load_workbook(here / book).sheetnames
    assert [line["why"] for line in orjson.loads(detail)["lines"]] == ["compte"] * 3


def test_the_guide_names_every_parameter_file_and_problem() -> None:
    for name, item in AskedRates.model_fields.items():
        assert f"`{item.alias or name}`" in GUIDE, name
    for form in MEDIA_TYPES:
        assert f"| `/api/usage/exports/{form}` |" in GUIDE
    named = set(re.findall(r"`([a-z-]+)`", GUIDE.partition("## Erreurs")[2]))
    sources = [DOORS / f"{name}.py" for name in ("reading", "usage_api", "usage_asked", "usage_moment")]
    raised = {slug for path in sources for slug in re.findall(r'Problem\(\s*"([a-z-]+)"', path.read_text("utf-8"))}
    assert named == raised <= PROBLEMS.keys()
