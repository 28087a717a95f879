"""`socle bench insi` on a few calls: real processes, every figure, and nothing left behind; what it measures with, apart."""
from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from connectors.wire.http import Answer
from gateway.bench import insi, insi_load
from gateway.bench.insi_load import Run
from gateway.bench.insi_rig import Call
from gateway.bench.processes import BenchFailed, cpu_s, resident_bytes
from gateway.cli.main import app

_CALL = Call("/lps", [], [b"un", b"deux"], b"trouve")


class _Service:
    """Answers at once; ``bodies`` what it was asked."""

    def __init__(self, status: int = 200, body: bytes = b"trouve") -> None:
        self.status, self.body, self.bodies = status, body, list[bytes]()

    async def send(self, _method: str, _url: str, *, body: bytes, **_rest: Any) -> Answer:
        self.bodies.append(body)
        return Answer(self.status, [], self.body)


@pytest.mark.peers  # beside nginx
def test_a_few_calls_through_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(insi_load, "CALLERS", 2)
    monkeypatch.setattr(insi, "_PEOPLE", 10)
    monkeypatch.setattr(insi, "_ROUNDS", 2)
    figures = {figure.name.removesuffix(".32"): figure for figure in insi.figures(tmp_path, [12])}
    speeds = {"simulateur_tls_mutuel", "simulateur_sans_tls", "relais", "porte_json"}
    names = {f"insi.{name}{kind}" for name in speeds for kind in ("", "_cpu")}
    held = {f"insi.{what}_{whose}.12" for what in ("memoire", "tenue") for whose in ("passerelle", "simulateur")}
    assert set(figures) == names | held | {"insi.relais_part"}
    assert all(figures[name].value > 0 and figures[name].body_bytes > 500 for name in names)
    wanted = {name: str(figure.target) for name, figure in figures.items() if figure.target}
    assert wanted == {
        "insi.simulateur_tls_mutuel_cpu": "≥ 1500", "insi.simulateur_sans_tls_cpu": "≥ 2500", "insi.relais_cpu": "≥ 600",
        "insi.relais_part": "ratio ≥ 0.15",
    }  # fmt: skip
    limit = figures["insi.relais_part"].limit
    assert limit is None or limit > figures["insi.relais_cpu"].value, "nginx costs less than what it is the limit of"
    assert list(tmp_path.iterdir()) == []


def test_without_nginx_the_limit_is_absent_and_said() -> None:
    speed = insi._Speed("relais", "https://x", _CALL, None, 1, None, "nginx", 600, 0.15)
    cpu, share, wall = insi._told(speed, Run(1200, 4.0, 1.5, 10), None)
    assert (cpu.value, cpu.holds, cpu.ratio) == (800, True, None)
    assert (share.value, share.holds, share.ratio, share.limit_is) == (800, None, None, insi._ABSENT)
    assert (wall.value, wall.target) == (300, None)
    assert [one.holds for one in insi._told(speed, Run(1200, 4.0, 1.5, 10), Run(1200, 1.0, 0.2, 10))] == [True, False, None]


def test_the_round_that_is_told_is_the_median_one() -> None:
    rounds = [Run(10, 1.0, cpu, 10) for cpu in (5.0, 1.0, 2.0)]
    assert insi._median(rounds) is rounds[2]


def test_the_slope_of_memory_is_that_of_all_samples() -> None:
    assert insi.slope_kb([(0, 50_000_000), (1000, 50_002_000), (2000, 50_004_000)]) == 2
    assert insi.slope_kb([(0, 9_000_000), (50_000, 9_000_000), (100_000, 9_000_000)]) == 0


def test_the_slope_has_a_target_once_the_caches_are_full() -> None:
    assert (insi.slope_target(49_999), str(insi.slope_target(50_000))) == (None, "< 1")


async def test_every_connection_is_made_before_the_clock_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    async def calls(_client: Any, _base: str, _call: Call, count: int, *_rest: Any) -> tuple[int, int]:
        asked.append(count)
        return count, 1

    monkeypatch.setattr(insi_load, "_calls", calls)
    for count in (100, 1_000, 50_000):
        await insi_load.run("", _CALL, None, os.getpid(), count, 1)
    assert asked == [insi_load.CALLERS, 100, 100, 1_000, 200, 50_000]


async def test_callers_make_the_calls_asked_and_stop_with_the_time() -> None:
    service = _Service()
    assert await insi_load._calls(service, "", _CALL, 70, 60, lambda _done: None) == (70, 3 + 6)  # type: ignore[arg-type]
    assert (service.bodies.count(b"un"), service.bodies.count(b"deux")) == (35, 35)
    late = _Service()
    made, _ = await insi_load._calls(late, "", _CALL, 10_000, 0, lambda _done: None)  # type: ignore[arg-type]
    assert made == len(late.bodies) == insi_load.CALLERS


@pytest.mark.parametrize("service", [_Service(500), _Service(body=b"personne")])
async def test_another_answer_stops_the_bench(service: _Service) -> None:
    with pytest.raises(BenchFailed, match="sans « trouve »"):
        await insi_load._calls(service, "https://x", _CALL, 5, 60, lambda _done: None)  # type: ignore[arg-type]


def test_the_processor_time_is_that_of_the_process() -> None:
    before, measured, after = time.process_time(), cpu_s(os.getpid()), time.process_time()
    assert before <= measured <= after
    assert 0 < resident_bytes(os.getpid(), "RssAnon") < resident_bytes(os.getpid())
    with pytest.raises(ProcessLookupError):
        cpu_s(2**22 + 1)  # above what Linux gives


def test_a_bench_that_cannot_work_is_one_french_line_and_exit_3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_folder: Path, _sizes: list[int]) -> list[Any]:
        raise BenchFailed("Le simulateur a répondu HTTP 500.")

    monkeypatch.setattr(insi, "_figures", broken)
    done = CliRunner().invoke(app, ["bench", "insi", "--data", str(tmp_path)])
    assert (done.exit_code, done.stderr) == (3, "Le simulateur a répondu HTTP 500.\n")
