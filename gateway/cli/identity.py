"""`socle gateway identity`: what a structure deposits with the running gateway (design §8, « TLS and identities »)."""
from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from connectors.wire.clock import SystemClock
from gateway.access.identities import (
    SERVICES,
    USES,
    Candidate,
    Deposited,
    IdentityRefused,
    IdentityStore,
    check,
    from_p12,
    from_pem,
    pem_of,
)
from gateway.cli.admin import need_gateway, post
from gateway.cli.common import BAD_INPUT, AsJson, DataFolder, bytes_of, fail, print_json, tell
from gateway.settings import Settings

app = typer.Typer(no_args_is_help=True)

By = Annotated[str | None, typer.Option("--by", help="Qui agit ; gardé scellé. L'utilisateur du système par défaut.")]


@app.command("add")
def add(
    service: Annotated[str, typer.Option("--service", help="INS, DMP ou MSS (boîte applicative).")],
    use: Annotated[str, typer.Option("--use", help="auth : AUTH_CLI, présenté au service ; sign : SIGN.")] = "auth",
    cert: Annotated[Path | None, typer.Option("--cert", help="Certificat PEM.")] = None,
    key: Annotated[Path | None, typer.Option("--key", help="Clé privée PEM.")] = None,
    p12: Annotated[Path | None, typer.Option("--p12", help="Certificat et clé en P12, à la place.")] = None,
    password_file: Annotated[Path | None, typer.Option("--password-file", help="Mot de passe ; - : entrée standard.")] = None,
    tenant: Annotated[str | None, typer.Option("--tenant", help="Éditeur, si la structure est inconnue du bac à sable.")] = None,
    finess_ej: Annotated[str | None, typer.Option("--finess-ej", help="FINESS EJ de cette structure inconnue.")] = None,
    by: By = None,
    data: DataFolder = Path(".socle"),
    as_json: AsJson = False,
) -> None:
    """Dépose une identité ; la passerelle s'en sert aussitôt, et l'inscrit au journal."""
    _known("service", service, SERVICES)
    _known("usage", use, USES)
    try:
        candidate = _read(cert, key, p12, _password(password_file))
        check(candidate, use, SystemClock().real())
    except IdentityRefused as refused:
        fail(f"Identité refusée : {refused}", BAD_INPUT)
    need_gateway(data)  # it writes the entry and uses the identity at once
    certificate, private = pem_of(candidate)
    body = {
        "service": service, "use": use, "cert": certificate.decode(), "key": private.decode(), "tenant": tenant,
        "finess_ej": finess_ej, "by": by or getpass.getuser(),
    }  # fmt: skip
    said = post(data, "/admin/identities", body)
    replaced = f" ; remplace {', '.join(said['replaces'])}" if said["replaces"] else ""
    tell(said, as_json, f"Identité {said['name']} déposée pour la structure {said['struct_id']}{replaced}.")


@app.command("list")
def list_identities(data: DataFolder = Path(".socle"), as_json: AsJson = False) -> None:
    """Liste les identités déposées, sans leurs clés."""
    found = list(IdentityStore(Settings(data=data).identities))
    if as_json:
        print_json([one.about() for one in found])
    elif found:
        Console().print(_table(found))
    else:
        typer.echo("Aucune identité déposée ; celles du bac à sable n'ont pas à l'être.")


@app.command("remove")
def remove(
    name: Annotated[str, typer.Argument(metavar="NOM", help="Nom donné par « list ».")],
    by: By = None,
    data: DataFolder = Path(".socle"),
    as_json: AsJson = False,
) -> None:
    """Retire une identité ; sa clé est effacée."""
    need_gateway(data)
    said = post(data, "/admin/identities/remove", {"name": name, "by": by or getpass.getuser()})
    tell(said, as_json, f"Identité {name} retirée.")


def _read(cert: Path | None, key: Path | None, p12: Path | None, password: bytes | None) -> Candidate:
    if p12 is not None and cert is None and key is None:
        return from_p12(bytes_of(p12), password)
    if cert is None or key is None or p12 is not None:
        fail("Donnez --cert et --key, ou bien --p12 seul.", BAD_INPUT)
    return from_pem(bytes_of(cert), bytes_of(key), password)


def _password(path: Path | None) -> bytes | None:
    if path is None:
        return None
    text = sys.stdin.buffer.readline() if str(path) == "-" else bytes_of(path)
    return text.rstrip(b"\r\n")


def _known(what: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        fail(f"« {value} » : {what} inconnu ; possibles : {', '.join(allowed)}.", BAD_INPUT)


def _table(found: list[Deposited]) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("Nom", "Service", "Usage", "Structure", "Éditeur", "Valable jusqu'au", "Sujet"):
        table.add_column(title, overflow="fold")
    now = SystemClock().real().isoformat()
    for one in found:
        until = one.not_after[:10] + (" (expirée)" if one.not_after < now else "")
        table.add_row(one.name, one.service, one.use, one.struct_id, one.tenant, until, one.subject)
    return table
