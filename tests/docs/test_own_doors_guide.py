"""The curl commands of docs/portes-simples.md, run as they are written against a sandbox."""
from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path

import orjson
import pytest

from mocks.sandbox.build import init
from tests.gateway.doors.own.bench import TOKEN, open_bench

GUIDE = Path(__file__).parents[2] / "docs" / "portes-simples.md"


async def run(command: str, **environment: str) -> dict[str, object]:
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", command, env={**os.environ, **environment}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, error = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0, error.decode()
    content: dict[str, object] = orjson.loads(out)
    return content


async def test_every_command_of_the_guide_succeeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = re.findall(r"^```sh\n(.+?)^```", GUIDE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    init(tmp_path / "made")  # the two fictitious structures that everybody gets
    async with open_bench(tmp_path / "made", tmp_path / "data", monkeypatch) as bench:
        environment = {"PORTE": bench.urls["console"], "CLE": bench.key(), "JETON": TOKEN}
        told = [await run(command, **environment) for command in commands]
        assert [one.get("statut") for one in told] == ["found", "QUAL", None, "QUAL", "accepte", "accepte"]
        assert (told[1]["resultat"], told[2]["bilan"]) == ("OK", {"ok": 1, "ko": 0})
        assert [one["outcome"] for one in bench.entries()] == ["ok"] * 8
        bench.reconciles()
