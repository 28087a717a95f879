"""`socle load run`: a load on a private sandbox, reconciled, gateway killed on the way if asked (design §9)."""
from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli import runs
from gateway.cli.common import BAD_INPUT, CHECK_FAILED, UNAVAILABLE, AsJson, fail, print_json
from gateway.cli.demo import reconciliation_table
from gateway.os_errors import in_french
from gateway.supervise import ChildFailed, PortTaken, Supervisor
from gateway.usage.measure import SIMULATED

app = typer.Typer(no_args_is_help=True)

_ENVIRONMENT = "charge"
_PATIENCE_S = 90.0  # beyond the duration: Locust's own stop-timeout is thirty seconds
_DURATION = re.compile(r"(\d{1,4})(s|m)?")
_LONGEST_S = 600


@dataclass(frozen=True, slots=True)
class Wanted:
    users: int
    duration_s: int
    calls: int
    seed: int
    kill_at_s: int | None


@app.callback()
def load() -> None:
    """Tests de charge."""


@app.command("run")
def run(
    users: Annotated[int, typer.Option(min=1, max=200, help="Utilisateurs simultanés.")] = 20,
    duration: Annotated[str, typer.Option(help="Durée : 30s, 2m ; dix minutes au plus.")] = "30s",
    kill_gateway_at: Annotated[str | None, typer.Option(help="Tuer la passerelle (SIGKILL) après cette durée.")] = None,
    calls: Annotated[int, typer.Option(min=1, max=1_000_000, help="Nombre d'appels au plus.")] = 100_000,
    seed: Annotated[int, typer.Option(min=0, help="Graine des tirages.")] = 1,
    enforce: Annotated[bool, typer.Option("--enforce", help="Sortie 1 si un seuil de latence est dépassé.")] = False,
    as_json: AsJson = False,
) -> None:
    """Charge un bac à sable privé par tous les protocoles, puis réconcilie les comptes."""
    kill_at_s = None if kill_gateway_at is None else _seconds(kill_gateway_at)
    wanted = Wanted(users, _seconds(duration), calls, seed, kill_at_s)
    if kill_at_s is not None and kill_at_s >= wanted.duration_s:
        fail(f"--kill-gateway-at {kill_gateway_at} vient après la fin ({duration}) : donnez un instant plus court.", BAD_INPUT)
    if find_spec("locust") is None:
        fail("Locust n'est pas installé : installez Socle avec son option « load » (socle[load]).", UNAVAILABLE)
    folder = runs.new_folder("load")
    if not as_json:
        typer.echo(f"{SIMULATED} (environnement {_ENVIRONMENT})")
        typer.echo(f"{users} utilisateurs pendant {wanted.duration_s} s. Tout est gardé dans {folder}")
    try:
        summary, report = asyncio.run(_load(folder, wanted))
    except (ChildFailed, PortTaken) as error:
        fail(str(error), error.code if isinstance(error, ChildFailed) else UNAVAILABLE)
    except runs.NoRoom as error:
        fail(str(error), UNAVAILABLE)
    except runs.GeneratorFailed as error:
        fail(str(error), CHECK_FAILED)
    except OSError as error:
        fail(f"Écriture impossible dans {error.filename or folder} : {in_french(error)}.", UNAVAILABLE)
    result = _result(summary, report, wanted, folder)
    if as_json:
        print_json(result)
    else:
        _print(result, report)
    raise typer.Exit(CHECK_FAILED if not result["reconciled"] or (enforce and result["thresholds_exceeded"]) else 0)


async def _load(folder: Path, wanted: Wanted) -> tuple[dict[str, Any], dict[str, Any]]:
    await runs.prepare(folder, wanted.seed)
    supervisor = Supervisor(folder / "data", settings={"SOCLE_ENVIRONMENT": _ENVIRONMENT, **runs.NO_QUESTIONS})
    await supervisor.start()
    asked = ["load", "--users", str(wanted.users), "--duration", str(wanted.duration_s), "--calls", str(wanted.calls)]
    asked += ["--seed", str(wanted.seed), *(["--killed"] if wanted.kill_at_s is not None else [])]
    killing = asyncio.create_task(_kill_and_restart(supervisor, wanted.kill_at_s))
    try:
        summary = await runs.generate(folder, supervisor, *asked, timeout_s=wanted.duration_s + _PATIENCE_S)
        await killing
        await runs.until_no_intent(folder)
    finally:
        killing.cancel()
        await supervisor.stop()
    return summary, runs.verify(folder, _ENVIRONMENT, killed=wanted.kill_at_s is not None)


async def _kill_and_restart(supervisor: Supervisor, after_s: int | None) -> None:
    """SIGKILL the gateway by its pid, then start it again on the same sockets: callers wait in the backlog."""
    if after_s is None:
        return
    await asyncio.sleep(after_s)
    await supervisor.kill("gateway")
    await supervisor.launch("gateway")


def _seconds(text: str) -> int:
    read = _DURATION.fullmatch(text)
    seconds = int(read[1]) * (60 if read[2] == "m" else 1) if read else 0
    if not 1 <= seconds <= _LONGEST_S:
        fail(f"Durée « {text} » : donnez des secondes (30s) ou des minutes (2m), dix minutes au plus.", BAD_INPUT)
    return seconds


def _result(summary: dict[str, Any], report: dict[str, Any], wanted: Wanted, folder: Path) -> dict[str, Any]:
    """The keys of design §9, then what a load run adds."""
    return {
        "simulated": True, "avertissement": SIMULATED, "environment": _ENVIRONMENT, "seed": wanted.seed, "users": wanted.users,
        "duration_s": wanted.duration_s, "killed_at_s": wanted.kill_at_s,
        "sent": report["sent"], "answered": report["answered"], "journal": report["journal"], "mocks": report["mocks"],
        "held": report["held"], "in_doubt": report["in_doubt"], "reconciled": report["reconciled"], "gaps": report["gaps"],
        "failures": summary["failures"], "requests_per_second": summary["requests_per_second"], "rates": [],
        "latencies_ms": summary["latencies_ms"], "mean_body_bytes": summary["mean_body_bytes"],
        "thresholds_exceeded": summary["thresholds_exceeded"], "generator_cpu_s": summary["generator_cpu_s"],
        "took_s": summary["took_s"], "machine": summary["machine"],
        "files": [str(folder / name) for name in ("summary.json", "sent.jsonl", "answered.jsonl", "journal-counts.json")],
    }  # fmt: skip


def _print(result: dict[str, Any], report: dict[str, Any]) -> None:
    typer.echo(f"\n{'Opération':<22}{'réponses':>9}{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}{'max ms':>9}")
    for operation, row in result["latencies_ms"].items():
        numbers = "".join(f"{row[name]:>9.1f}" for name in ("p50", "p95", "p99", "max"))
        typer.echo(f"{operation:<22}{row['count']:>9}{numbers}")
    machine = result["machine"]
    typer.echo(
        f"\n{result['requests_per_second']} appels par seconde ; le générateur a pris {result['generator_cpu_s']} s de processeur"
        f" en {result['took_s']} s.\n{machine['system']}, {machine['cpus']} processeurs, Python {machine['python']},"
        f" Locust {machine['locust']}, Socle {machine['socle']} ; {machine['note']}."
    )
    for reason, number in result["failures"].items():
        typer.echo(f"  {number:>5}  {reason}")
    for line in result["thresholds_exceeded"]:
        typer.echo(f"Seuil dépassé : {line}")
    typer.echo("\n" + reconciliation_table(report))
