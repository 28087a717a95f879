"""Private runs of a demonstration or a load test: their folder, their processes, what everybody wrote (design §9).

A run folder keeps everything: ``data/`` (sandbox, journal, mocks), the generator's own files, the counts, the exports.
"""
from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from gateway.cli import reconciliation
from gateway.grappes.install import structures_of
from gateway.grappes.model import Grappe
from gateway.journal.query import JournalReader
from gateway.sandbox_folder import install_grappe
from gateway.supervise import Supervisor, last_line, make_sandbox
from gateway.usage.recount import recount

SUMMARY_FILE = "summary.json"
#: Settlement asks nothing during a run: its questions are requests to the mocks that no DUI sent.
NO_QUESTIONS = {"SOCLE_SETTLE_RETRY_S": "86400"}
_INTENTS_S = 30.0  # design §9: the generator's last calls have so long to be settled
_POLL_S = 0.1
_ROOM_MIB = 300  # the journal's own reserve, its entries, the documents that the simulated DMP keeps
_PERSONS_UNDECLARED = 10  # an ESSMS without a declared number has people all the same


class NoRoom(RuntimeError):
    """The disk cannot hold a run; the text is French and says how much is needed."""


class GeneratorFailed(RuntimeError):
    """The generator ended before its plan; the text is French and names its log."""


def new_folder(kind: str) -> Path:
    """``<data folder>/<kind>/<UTC time>``, kept after the run; the data folder is SOCLE_DATA, ``.socle`` by default."""
    return Path(os.environ.get("SOCLE_DATA", ".socle")) / kind / datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")


async def prepare(run: Path, seed: int, grappe: Grappe | None = None) -> None:
    """A sandbox under ``run/data`` and its registry file: of the grappe's ESSMS, or of fictitious ones.

    Raises ChildFailed, NoRoom.
    """
    data = run / "data"
    data.mkdir(parents=True)
    _check_room(run)
    structures = None
    if grappe is not None:
        wanted = [{**one, "persons": one["persons"] or _PERSONS_UNDECLARED} for one in structures_of(grappe)]
        structures = run / "structures.json"
        structures.write_bytes(orjson.dumps(wanted, option=orjson.OPT_INDENT_2))
    await make_sandbox(data, structures=structures, seed=seed)
    install_grappe(data, grappe)


def _check_room(run: Path) -> None:
    """A journal without room refuses every call: a run that starts so would only say that nothing was counted."""
    free = shutil.disk_usage(run).free >> 20
    if free < _ROOM_MIB:
        said = f"Il faut {_ROOM_MIB} Mo libres pour une exécution ; il en reste {free} Mo dans {run.parent}."
        raise NoRoom(f"{said} Libérez de la place.")


async def generate(
    run: Path, supervisor: Supervisor, *arguments: str, timeout_s: float, said: Callable[[str], None] = lambda _line: None
) -> dict[str, Any]:
    """Run ``python -m loadtests <arguments>`` against the supervised doors; its summary. Raises GeneratorFailed.

    said  told of each line that the generator prints
    """
    log = run / "data" / "logs" / "loadtests.log"
    environment = {**os.environ, **supervisor.settings, "SOCLE_PORTS": orjson.dumps(supervisor.ports).decode()}
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "loadtests", *arguments, "--data", str(run / "data"), "--run", str(run), env=environment,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=errors,
        )  # fmt: skip
    try:
        async with asyncio.timeout(timeout_s):
            code = await _listen(process, said)
    except TimeoutError:
        raise GeneratorFailed(f"Le générateur n'a pas fini en {timeout_s:.0f} s. Journal : {log}") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if code:
        raise GeneratorFailed(f"Le générateur s'est arrêté (code {code}). {last_line(log)} Journal : {log}")
    summary: dict[str, Any] = orjson.loads((run / SUMMARY_FILE).read_bytes())
    return summary


async def _listen(process: asyncio.subprocess.Process, said: Callable[[str], None]) -> int:
    """Pass every line on until the process ends; its exit code."""
    assert process.stdout is not None
    async for line in process.stdout:
        said(line.decode("utf-8", "replace").rstrip())
    return await process.wait()


async def until_no_intent(run: Path) -> None:
    """Wait until the journal owes nothing, at most thirty seconds: what is left then is a gap of the reconciliation."""
    with JournalReader(run / "data" / "gateway") as reader:
        for _ in range(int(_INTENTS_S / _POLL_S)):
            if not reader.intents():
                return
            await asyncio.sleep(_POLL_S)


def verify(run: Path, environment: str, *, killed: bool = False) -> dict[str, Any]:
    """Count the journal again, compare with every other file of the run, recount the usage units.

    The report of loadtests/reconcile.py, whose ``gaps`` also hold what the recount found. Raises JournalError.
    """
    reconciliation.write_counts(run, environment)
    report = reconciliation.reconcile(run, killed=killed)
    recounted = recount(run / "data" / "gateway")
    if recounted.gap_count:
        names = ", ".join(sorted({gap.kind for gap in recounted.gaps}))
        report["gaps"].append(f"recomptage : {recounted.gap_count} unité(s) d'usage en désaccord avec les entrées ({names})")
    report["reconciled"] = not report["gaps"]
    return report
