"""`socle sandbox people`: who is in the running sandbox and what for; one more, or a file of them (docs/population.md)."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import orjson
import typer

from gateway.cli.common import BAD_INPUT, AsJson, DataFolder, bytes_of, fail, print_json
from gateway.cli.csv_files import refuse
from gateway.cli.sandbox_control import ask
from gateway.exports.cells import BOM, csv_table, number_as_text, plain_text
from gateway.grappes.tables import Column, TableRefused, read_table
from gateway.os_errors import in_french

app = typer.Typer(no_args_is_help=True)

#: Columns of a CSV file, in order.
_PERSONS = (
    "matricule", "oid", "birth_name", "first_names", "sex", "birth_date", "birth_place", "used_name", "history", "dmp", "mes",
    "insi", "ouvrant_droit", "birth_rank", "structure", "owner", "source", "sert_a",
)  # fmt: skip
_PROFESSIONALS = (
    "rpps", "family", "given", "civility", "profession", "profession_oid", "role", "role_label", "structure", "mailbox",
    "may_open", "also_in", "owner", "id_nat", "source",
)  # fmt: skip
_NUMBERS = ("matricule", "ouvrant_droit", "birth_place", "rpps", "id_nat", "profession", "role", "structure")
#: Written and never read.
_TOLD = ("sert_a", "source", "id_nat")
_WARNING = "DONNÉES SIMULÉES : personnes fictives du bac à sable Socle"
_WARNED = (BOM + _WARNING).encode()
_SHOWN = 50
_PAGE = 1000

Professionals = Annotated[bool, typer.Option("--professionals", help="Les professionnels au lieu des personnes.")]
Output = Annotated[
    Path | None, typer.Option("-o", "--output", dir_okay=False, help="Tout, dans ce fichier : .csv ou .json selon son nom.")
]


@app.command("list")
def list_people(
    professionals: Professionals = False,
    name: Annotated[str, typer.Option("--name", help="Début du nom.")] = "",
    structure: Annotated[str, typer.Option("--structure", help="FINESS ET.")] = "",
    dmp: Annotated[str, typer.Option("--dmp", help="État du DMP : active, none, closed, opposed.")] = "",
    magic: Annotated[str, typer.Option("--magic", help="Situation provoquée, comme insi-ambigu (voir people situations).")] = "",
    source: Annotated[str, typer.Option("--source", help="published, generated ou added.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="Lignes affichées.")] = _SHOWN,
    output: Output = None,
    data: DataFolder = Path(".socle"),
    as_json: AsJson = False,
) -> None:
    """Liste les personnes du bac à sable et ce à quoi chacune sert, ou les écrit toutes dans un fichier."""
    filters = {"kind": "professionals" if professionals else "persons", "name": name, "structure": structure, "dmp": dmp,
               "situation": magic, "source": source}  # fmt: skip
    columns = _PROFESSIONALS if professionals else _PERSONS
    if output is not None:
        _check_name(output)
        rows = [row for page in _pages(data, filters) for row in page["people"]]
        content = _json(rows) if output.suffix == ".json" else _csv(columns, rows)
        _write(output, content)
        typer.echo(f"{len(rows)} ligne(s) dans {output}")
        return
    said = ask(data, "GET", f"/people?{urlencode({**_given(filters), 'limit': min(limit, _PAGE)})}")
    if as_json:
        print_json(said)
        return
    for row in said["people"]:
        typer.echo(_line_of_professional(row) if professionals else _line_of_person(row))
    total = said["counts"][filters["kind"]]
    if said["next"] is not None:
        typer.echo(f"… {len(said['people'])} affichée(s), {total} en tout : filtrez, ou -o FICHIER pour toutes.")
    else:
        typer.echo(f"{len(said['people'])} ligne(s) sur {total}.")


@app.command("situations")
def situations(data: DataFolder = Path(".socle"), as_json: AsJson = False) -> None:
    """Les situations que des personnes provoquent, pour --magic."""
    said = ask(data, "GET", "/people/situations")
    if as_json:
        print_json(said)
        return
    for name, text in said["situations"].items():
        typer.echo(f"{name:<20}{text}")


@app.command("show")
def show(
    number: Annotated[str, typer.Argument(metavar="NUMERO", help="Matricule, RPPS ou idNat_PS.")],
    data: DataFolder = Path(".socle"),
    as_json: AsJson = False,
) -> None:
    """Une personne ou un professionnel, et ce à quoi il sert."""
    said = ask(data, "GET", f"/people/{quote(number, safe='')}")
    if as_json:
        print_json(said)
        return
    for key, value in said["one"].items():
        if value not in (None, "", []) and key != "sert_a":
            typer.echo(f"{key:<18}{_cell(value)}")
    typer.echo("à quoi elle sert" if said["kind"] == "persons" else "à quoi il sert")
    for sentence in said["sert_a"]:
        typer.echo(f"  - {sentence}")


@app.command("add")
def add(
    fields: Annotated[
        list[str], typer.Argument(metavar="COLONNE=VALEUR…", help="Comme birth_name=DUPONT first_names='ANNE LISE'.")
    ],
    professionals: Professionals = False,
    data: DataFolder = Path(".socle"),
    as_json: AsJson = False,
) -> None:
    """Ajoute une personne à tous les services à la fois ; sans matricule (ou RPPS), le bac à sable en donne un."""
    columns = _readable(professionals)
    row: dict[str, str] = {}
    for one in fields:
        column, equals, value = one.partition("=")
        if not equals or column not in columns:
            fail(f"« {one[:60]} » : écrivez COLONNE=VALEUR ; colonnes : {', '.join(columns)}.", BAD_INPUT)
        row[column] = value

    def refused(said: dict[str, Any]) -> None:
        for one in said.get("lignes", ()):
            typer.echo(f"{one['colonne']} : {one['raison']}", err=True)
        if said.get("lignes"):
            fail("Rien n'a été ajouté : corrigez, puis relancez la même commande.", BAD_INPUT)

    _tell_added(ask(data, "POST", "/people", {_kind(professionals): [row]}, refused), professionals, as_json)


@app.command("import")
def import_people(
    file: Annotated[
        Path, typer.Argument(metavar="FICHIER", help="CSV (UTF-8, points-virgules) ou JSON, comme people list -o en écrit.")
    ],
    professionals: Professionals = False,
    data: DataFolder = Path(".socle"),
    as_json: AsJson = False,
) -> None:
    """Ajoute toutes les personnes d'un fichier, ou aucune : chaque ligne fausse est dite, avec sa colonne et la raison."""
    content = bytes_of(file)
    rows, lines = _from_json(file, content) if file.suffix == ".json" else _from_csv(file, content, professionals)
    kind = _kind(professionals)

    def refused(said: dict[str, Any]) -> None:
        for one in said.get("lignes", ()):
            typer.echo(f"{file.name}, ligne {lines[one['ligne'] - 1]}, colonne {one['colonne']} : {one['raison']}", err=True)
        if said.get("lignes"):
            fail(f"{file.name} : rien n'a été pris. Corrigez, puis relancez la même commande.", BAD_INPUT)

    _tell_added(ask(data, "POST", "/people", {kind: rows}, refused), professionals, as_json)


def _pages(data: Path, filters: dict[str, str]) -> Iterator[dict[str, Any]]:
    after: int | None = 0
    while after is not None:
        page = ask(data, "GET", f"/people?{urlencode({**_given(filters), 'limit': _PAGE, 'after': after})}")
        yield page
        after = page["next"]


def _given(filters: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in filters.items() if value}


def _check_name(output: Path) -> None:
    if output.suffix not in (".csv", ".json"):
        fail(f"-o {output} : un nom en .csv ou en .json est attendu, il dit la forme du fichier.", BAD_INPUT)


def _write(output: Path, content: bytes) -> None:
    try:
        output.write_bytes(content)
    except OSError as error:
        fail(f"{output} ne peut être écrit : {in_french(error)}. Changez de dossier par -o.", BAD_INPUT)


def _json(rows: list[dict[str, Any]]) -> bytes:
    return orjson.dumps(rows, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _csv(columns: tuple[str, ...], rows: list[dict[str, Any]]) -> bytes:
    lines = ([(number_as_text if name in _NUMBERS else plain_text)(_cell(row.get(name))) for name in columns] for row in rows)
    return csv_table(columns, lines, _WARNING)


def _cell(value: Any) -> str:
    """A list is written with spaces; a past matricule with its OID, another activity by its structure."""
    if isinstance(value, list):
        return " ".join(_cell(one) for one in value)
    if isinstance(value, dict):
        return f"{value['matricule']}/{value['oid']}" if "matricule" in value else str(value["structure"])
    return "" if value is None else str(value)


def _from_csv(file: Path, content: bytes, professionals: bool) -> tuple[list[dict[str, str]], list[int]]:
    columns = _PROFESSIONALS if professionals else _PERSONS
    above = int(content.startswith(_WARNED))  # a spreadsheet may have put « ; » after the warning
    try:
        rows = read_table(content.partition(b"\n")[2] if above else content, [Column(name, required=False) for name in columns])
    except TableRefused as refused:
        refuse(file, refused)
    kept = [({name: cell for name, cell in row.cells.items() if cell and name not in _TOLD}, row.line + above) for row in rows]
    return [row for row, _ in kept], [line for _, line in kept]


def _from_json(file: Path, content: bytes) -> tuple[list[dict[str, Any]], list[int]]:
    try:
        rows = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        fail(f"{file.name}, ligne {error.lineno} : ce n'est pas du JSON.", BAD_INPUT)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        fail(f"{file.name} : une liste JSON d'objets est attendue, un par personne.", BAD_INPUT)
    return rows, list(range(1, len(rows) + 1))


def _kind(professionals: bool) -> str:
    return "professionals" if professionals else "persons"


def _readable(professionals: bool) -> list[str]:
    return [name for name in (_PROFESSIONALS if professionals else _PERSONS) if name not in _TOLD]


def _tell_added(said: dict[str, Any], professionals: bool, as_json: bool) -> None:
    if as_json:
        print_json(said)
        return
    for row in said[_kind(professionals)]:
        typer.echo(_line_of_professional(row) if professionals else _line_of_person(row))
    typer.echo(f"{len(said[_kind(professionals)])} ajout(s), dans tous les services.")


def _line_of_person(row: dict[str, Any]) -> str:
    first_names = " ".join(row["first_names"])
    who = f"{row['matricule']}  {row['birth_name']} {first_names}  {row['sex']} {row['birth_date']} {row['birth_place']}"
    return f"{who}  [{' '.join(row['sert_a'])}]"


def _line_of_professional(row: dict[str, Any]) -> str:
    place = row["structure"] or "sans structure"
    trade = row["profession_label"] or row["origin"]
    return f"{row['id_nat']}  {row['family']} {row['given']}  {trade}  {place}  {row['mailbox'] or ''}".rstrip()

