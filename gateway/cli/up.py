"""`socle up`: gateway and every mock on the fixed ports; `socle gateway` and `socle mock`: one part alone."""
from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from gateway.cli import identity
from gateway.cli.common import BAD_INPUT, REFUSED_TO_START, UNAVAILABLE, DataFolder, fail, print_json
from gateway.cli.sandbox_seed import Persons
from gateway.first_call import first_call
from gateway.journal.location import address_of
from gateway.supervise import RUN_FILE, ChildFailed, PortTaken, Supervisor, make_sandbox

_SECOND_SIGNAL_S = 5.0
Workers = Annotated[
    int, typer.Option("--workers", min=1, max=64, help="Passerelles sur les mêmes ports ; plus d'une demande PostgreSQL.")
]


def up(
    data: DataFolder = Path(".socle"),
    as_json: Annotated[bool, typer.Option("--json", help="Tout ce qu'il faut pour un premier appel, en JSON.")] = False,
    persons: Persons = None,
    free_ports: Annotated[bool, typer.Option("--free-ports", help="Des ports libres au lieu des ports fixes.")] = False,
    workers: Workers = 1,
) -> None:
    """Démarre la passerelle et tout le bac à sable ; Ctrl-C arrête tout."""
    _check_workers(data, workers)
    _check_alone(data)
    try:
        code = asyncio.run(_up(data.resolve(), as_json=as_json, fixed=not free_ports, workers=workers, persons=persons))
    except ChildFailed as error:
        fail(str(error), error.code)
    except PortTaken as error:
        fail(f"{error} Pour des ports libres : socle up --free-ports.", UNAVAILABLE)
    raise typer.Exit(code)


async def _up(data: Path, *, as_json: bool, fixed: bool, workers: int, persons: int | None) -> int:
    if not as_json and not (data / "sandbox" / "sandbox.json").exists():
        typer.echo(f"Préparation du bac à sable dans {data} …")
    await make_sandbox(data, persons=persons)
    supervisor = Supervisor(data, fixed=fixed, workers=workers, announce=_silent if as_json else _announce)
    stop = _stop_on_signals(supervisor)
    starting = asyncio.create_task(supervisor.start())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        return 0
    await starting
    if as_json:
        print_json(first_call(data, supervisor))
    else:
        typer.echo("prêt")
    return await _run(supervisor, stopping)


async def _run(supervisor: Supervisor, stopping: asyncio.Task[Any]) -> int:
    ended = asyncio.create_task(supervisor.until_child_ends())
    await asyncio.wait({stopping, ended}, return_when=asyncio.FIRST_COMPLETED)
    lost = ended.result() if ended.done() else None
    ended.cancel()
    await supervisor.stop()
    if lost is None:
        return 0
    typer.echo(f"Le processus « {lost} » s'est arrêté ; journal : {supervisor.children[lost].log}", err=True)
    return UNAVAILABLE


def _stop_on_signals(supervisor: Supervisor) -> asyncio.Event:
    """The first Ctrl-C stops in order; a second one within five seconds kills."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    first: list[float] = []

    def asked() -> None:
        if first and loop.time() - first[0] <= _SECOND_SIGNAL_S:
            supervisor.kill_now()
        if not first:
            with suppress(OSError):  # the same Ctrl-C ended who read what we say
                typer.echo("Arrêt en cours (Ctrl-C à nouveau pour tuer) …", err=True)
        first[:] = [loop.time()]
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked)
    return stop


def _announce(name: str, url: str) -> None:
    typer.echo(f"{name:<18} {url}")


def _announce_as_json(name: str, url: str) -> None:
    typer.echo(orjson.dumps({"ready": name, "url": url}))


def _silent(_name: str, _url: str) -> None:
    return None


gateway = typer.Typer(invoke_without_command=True)
gateway.add_typer(identity.app, name="identity", help="Identités que des structures déposent : certificat et clé.")


@gateway.callback()
def start_gateway(
    context: typer.Context,
    data: DataFolder = Path(".socle"),
    store: Annotated[
        str | None,
        typer.Option(metavar="ADRESSE", help="Journal sur PostgreSQL (postgresql://…), retenu par le dossier ; sinon SQLite."),
    ] = None,
    accept_fork: Annotated[
        bool, typer.Option("--accept-fork", help="Prend le journal tel qu'il est s'il contredit ses points de contrôle.")
    ] = False,
    workers: Workers = 1,
) -> None:
    """Démarre la passerelle seule, sur ses ports fixes ; ou gère les identités déposées."""
    if context.invoked_subcommand is None:
        if store is not None:
            os.environ["SOCLE_STORE"] = store  # it may hold a password, which a command line would show to everybody
        options = ["--accept-fork"] if accept_fork else []
        _check_workers(data, workers)
        if workers == 1:
            _become("gateway", "--data", str(data), *options)
        try:
            code = asyncio.run(_several(data.resolve(), workers, options))
        except (ChildFailed, PortTaken) as error:
            fail(str(error), error.code if isinstance(error, ChildFailed) else UNAVAILABLE)
        raise typer.Exit(code)


async def _several(data: Path, workers: int, options: Sequence[str]) -> int:
    """Gateways on the same listeners; what one of them would print is printed once."""
    supervisor = Supervisor(data, fixed=True, workers=workers, mocks=False, options=options, announce=_announce_as_json)
    stop = _stop_on_signals(supervisor)
    await supervisor.start()
    typer.echo(orjson.dumps({"pret": True}))
    return await _run(supervisor, asyncio.create_task(stop.wait()))


def _check_workers(data: Path, workers: int) -> None:
    if workers > 1 and address_of(data / "gateway") is None and not os.environ.get("SOCLE_STORE"):
        fail(
            f"--workers {workers} refusé : le journal de {data} est un fichier SQLite, qu'un seul processus écrit. "
            "Plusieurs passerelles demandent PostgreSQL (SOCLE_STORE ou --store, docs/plusieurs-passerelles.md), ou --workers 1.",
            BAD_INPUT,
        )


def _check_alone(data: Path) -> None:
    """Before anything starts: the mocks of two deployments would write in the same files."""
    try:
        running = orjson.loads((data / RUN_FILE).read_bytes())
        with socket.create_connection(("127.0.0.1", running["ports"]["mock-control"]), timeout=1):
            pass
    except (OSError, ValueError, KeyError):  # none, or what a killed one left
        return
    said = f"Socle tourne déjà dans {data} (processus {running['pid']}) : arrêtez-le par Ctrl-C avant de le relancer"
    fail(f"{said}, ou donnez un autre dossier par --data.", REFUSED_TO_START)


def mock(
    name: Annotated[
        str, typer.Argument(metavar="SERVICE", help="insi, dmp, mssante, psc, annuaire ; plusieurs séparés par des virgules.")
    ],
    data: DataFolder = Path(".socle"),
) -> None:
    """Démarre un service simulé seul, sur ses ports fixes."""
    _become("mocks", "serve", "--data", str(data), "--only", name)


def _become(module: str, *arguments: str) -> None:
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])  # noqa: S606 our own modules, no shell
