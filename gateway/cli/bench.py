"""`socle bench`: figures measured here, beside what the machine allows (design §9)."""
from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from gateway.bench import insi, journal, population, retention, store, usage
from gateway.bench.figure import Figure
from gateway.bench.processes import BenchFailed
from gateway.cli.common import BAD_INPUT, CHECK_FAILED, UNAVAILABLE, AsJson, DataFolder, fail, print_json
from gateway.journal.location import WrongStore
from gateway.journal.record import JournalError
from gateway.supervise import ChildFailed, PortTaken


@dataclass(frozen=True, slots=True)
class _Large:
    """An area measured at given sizes: how, how many entries (persons, calls) by default, how many bytes of disk each takes."""

    measure: Callable[[Path, list[int]], list[Figure]]
    entries: int
    room: int


_LARGE = {
    "usage": _Large(usage.figures, usage.ENTRIES, usage.ROOM_PER_ENTRY),
    "store": _Large(store.figures, store.ENTRIES, store.ROOM_PER_ENTRY),
    "population": _Large(population.figures, population.PERSONS, population.ROOM_PER_PERSON),
    "retention": _Large(retention.figures, retention.ENTRIES, retention.ROOM_PER_ENTRY),
    "insi": _Large(insi.figures, insi.CALLS, insi.ROOM_PER_CALL),
}
_AREAS = ("journal", *_LARGE)
_BY_DEFAULT = ("journal", "usage")  # the store's takes an hour
_WIDTH = 120
_ROOM = 512 * 1024 * 1024


def bench(
    area: Annotated[
        str | None, typer.Argument(metavar="[DOMAINE]", help=f"Domaine : {', '.join(_AREAS)} ; les deux premiers par défaut.")
    ] = None,
    data: DataFolder = Path(".socle"),
    scale: Annotated[float, typer.Option("--scale", min=0.01, max=10, help="Multiplie les nombres et les durées.")] = 1.0,
    entries: Annotated[
        list[int] | None,
        typer.Option(
            "--entries", min=1000, metavar="N", help="Entrées du journal (population : personnes ; insi : appels), répétable."
        ),
    ] = None,
    store_address: Annotated[
        str | None, typer.Option("--store", help="store : base PostgreSQL vide à remplir, au lieu d'un fichier SQLite.")
    ] = None,
    enforce: Annotated[bool, typer.Option("--enforce", help="Code de sortie 1 si une cible n'est pas tenue.")] = False,
    as_json: AsJson = False,
) -> None:
    """Mesure ce que coûte Socle sur cette machine, à côté de ce qu'elle permet. À lancer sur une machine au repos."""
    if area is not None and area not in _AREAS:
        fail(f"« {area} » : domaine inconnu ; possibles : {', '.join(_AREAS)}.", BAD_INPUT)
    if entries is not None and area not in _LARGE:
        fail(f"--entries ne vaut que pour socle bench {', '.join(_LARGE)}.", BAD_INPUT)
    if store_address is not None and area != "store":
        fail("--store ne vaut que pour « socle bench store ».", BAD_INPUT)
    if store_address is not None and entries is not None and len(entries) > 1:
        fail("--store : une base ne reçoit qu'un journal ; donnez une seule fois --entries.", BAD_INPUT)
    areas = _BY_DEFAULT if area is None else (area,)
    sizes = {name: entries or [round(_LARGE[name].entries * scale)] for name in areas if name in _LARGE}
    folder_is_new = not data.exists()
    data.mkdir(parents=True, exist_ok=True)
    try:
        _check_room(data, sizes, chosen=entries is not None)
        found = [figure for name in areas for figure in _measured(name, data, scale, sizes, store_address)]
    except FileExistsError:
        fail("--store : cette base contient déjà un journal ; donnez-en une vide.", BAD_INPUT)
    except (JournalError, WrongStore) as error:
        fail(f"--store : {str(error).rstrip('.')}.", BAD_INPUT)
    except ChildFailed as error:
        fail(str(error), error.code)
    except (BenchFailed, PortTaken) as error:
        fail(str(error), UNAVAILABLE)
    finally:
        if folder_is_new and not any(data.iterdir()):
            data.rmdir()
    if as_json:
        print_json([figure.as_json() for figure in found])
    else:
        console = Console()
        console.width = max(console.width, _WIDTH)  # a figure cut short says nothing
        console.print(_table(found))
    if enforce and any(figure.holds is False for figure in found):
        raise typer.Exit(CHECK_FAILED)


def _measured(name: str, data: Path, scale: float, sizes: dict[str, list[int]], address: str | None) -> list[Figure]:
    if name == "store":
        return store.figures(data, sizes[name], address)
    return _LARGE[name].measure(data, sizes[name]) if name in sizes else journal.figures(data, scale)


def _check_room(data: Path, sizes: dict[str, list[int]], *, chosen: bool) -> None:
    room = max([_ROOM, *(max(asked) * _LARGE[name].room for name, asked in sizes.items())])
    if shutil.disk_usage(data).free < room:
        where = f"libres dans {data} : faites de la place, ou changez de disque par --data"
        fail(f"Il faut {room >> 20} Mio {where}{', ou mesurez moins par --entries' if chosen else ''}.", BAD_INPUT)


def _table(found: list[Figure]) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("Mesure", "Valeur", "Unité", "Limite", "Rapport", "Cible", "Tenue"):
        table.add_column(title, justify="right" if title in ("Valeur", "Limite", "Rapport") else "left", no_wrap=True)
    for figure in found:
        held = {None: "", True: "oui", False: "NON"}[figure.holds]
        limit, ratio = ("" if number is None else f"{number:g}" for number in (figure.limit, figure.ratio))
        table.add_row(figure.name, f"{figure.value:g}", figure.unit, limit, ratio, str(figure.target or ""), held)
    return table
