"""`socle sandbox pki`: certificates of the running sandbox, issued, listed, revoked (docs/certificats.md)."""
from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.console import Console
from rich.table import Table

from gateway.cli.common import BAD_INPUT, AsJson, DataFolder, fail, print_json
from gateway.cli.sandbox_control import ask

app = typer.Typer(no_args_is_help=True)

_PROFILES = {
    "auth_cli": "AUTH_CLI", "sign": "SIGN", "server": "serveur", "ps_auth": "personne, authentification",
    "ps_sign": "personne, signature",
}  # fmt: skip
_SHORT = {"auth_cli": "AUTH_CLI", "sign": "SIGN", "server": "serveur", "ps_auth": "personne", "ps_sign": "personne (SIGN)"}
_STATES = {"valid": "valable", "revoked": "révoqué", "expired": "expiré", "not_yet_valid": "pas encore valable"}
_REFUSED = {
    "foreign": "autorité étrangère", "expired": "expiré", "not_yet_valid": "pas encore valable", "revoked": "révoqué",
    "other_use": "autre nom (CN)", "wrong_usage": "autre usage", "weak_key": "clé faible", "other_branch": "autre branche",
}  # fmt: skip
_REASONS = ("unspecified", "key_compromise", "superseded", "cessation_of_operation")
_PATH = "/pki/certificates"


@app.command("issue")
def issue(
    structure: Annotated[str | None, typer.Option("--structure", help="FINESS ET de la structure.")] = None,
    profile: Annotated[str, typer.Option("--profile", help=f"Profil : {', '.join(_PROFILES)}.")] = "auth_cli",
    cn: Annotated[str | None, typer.Option("--cn", help="Nom : INSI-AUTO par défaut, INSI-MANU …")] = None,
    professional: Annotated[str | None, typer.Option("--professional", help="RPPS, pour ps_auth et ps_sign.")] = None,
    host: Annotated[list[str] | None, typer.Option("--host", help="Nom ou adresse d'un serveur ; plusieurs fois.")] = None,
    days: Annotated[int | None, typer.Option("--days", min=1, max=1095, help="Jours de validité ; trois ans par défaut.")] = None,
    refused: Annotated[str | None, typer.Option("--refused", help=f"À refuser : {', '.join(_REFUSED)}.")] = None,
    tenant: Annotated[str | None, typer.Option("--tenant", help="Éditeur ; celui de la structure par défaut.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="Nom d'une structure inconnue du bac à sable.")] = None,
    deposit: Annotated[bool, typer.Option("--deposit/--no-deposit", help="Dépose un AUTH_CLI à la passerelle.")] = True,
    data: DataFolder = Path(".socle"),
    as_json: AsJson = False,
) -> None:
    """Émet un certificat et écrit ses fichiers ; le mot de passe du P12 n'est montré qu'ici."""
    _known("--profile", profile, tuple(_PROFILES))
    if refused is not None:
        _known("--refused", refused, tuple(_REFUSED))
    wish = {
        "profile": profile, "structure": structure, "cn": cn, "professional": professional, "hosts": host or [], "days": days,
        "refused": refused, "tenant": tenant, "name": name, "deposit": deposit,
    }  # fmt: skip
    said = ask(data, "POST", _PATH, {key: value for key, value in wish.items() if value is not None})
    if as_json:
        print_json(said)
        return
    typer.echo(f"Certificat {said['name']} émis ({_use(said)}), valable jusqu'au {said['not_after'][:10]}.")
    typer.echo("".join(f"  {kind:<6} {path}\n" for kind, path in said["files"].items()), nl=False)
    typer.echo(f"  mot de passe du P12, montré cette fois seulement : {said['password']}")
    if said["deposited"]:
        typer.echo(f"Déposé à la passerelle pour {', '.join(said['deposited'])} : appelez avec lui dès maintenant.")
    if said["note"]:
        typer.echo(said["note"])


@app.command("list")
def list_certificates(
    structure: Annotated[str | None, typer.Option("--structure", help="FINESS ET.")] = None,
    tenant: Annotated[str | None, typer.Option("--tenant", help="Éditeur.")] = None,
    state: Annotated[str | None, typer.Option("--state", help=f"État : {', '.join(_STATES)}.")] = None,
    data: DataFolder = Path(".socle"),
    as_json: AsJson = False,
) -> None:
    """Liste les certificats émis par le bac à sable, révoqués et expirés compris."""
    if state is not None:
        _known("--state", state, tuple(_STATES))
    found = ask(data, "GET", _PATH, structure=structure or None, tenant=tenant or None, state=state)["certificates"]
    if as_json:
        print_json(found)
    elif found:
        Console().print(_table(found))
    else:
        typer.echo("Aucun certificat ne répond à cette demande.")


@app.command("revoke")
def revoke(
    name: Annotated[str, typer.Argument(metavar="NOM", help="Nom, numéro de série ou empreinte, comme « list » les donne.")],
    reason: Annotated[str, typer.Option("--reason", help=f"Motif : {', '.join(_REASONS)}.")] = "unspecified",
    data: DataFolder = Path(".socle"),
    as_json: AsJson = False,
) -> None:
    """Révoque un certificat : listes, OCSP, portes et services simulés le refusent aussitôt."""
    _known("--reason", reason, _REASONS)
    said = ask(data, "POST", f"{_PATH}/{quote(name, safe='')}/revoke", {"reason": reason})
    if as_json:
        print_json(said)
        return
    taken = f" Retiré de la passerelle ({', '.join(said['withdrawn'])})." if said["withdrawn"] else ""
    typer.echo(f"Certificat {said['name']} révoqué ; toute nouvelle connexion le refuse.{taken}")


def _use(row: dict[str, Any]) -> str:
    use = f"{_PROFILES[row['profile']]} {row['cn']}"
    return f"{use}, à refuser : {_REFUSED[row['refused']]}" if row["refused"] else use


def _table(found: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    owners = len({row["tenant"] for row in found if row["tenant"]}) > 1
    for title in ("Nom", "Usage", "État", "Jusqu'au", *(["Éditeur"] if owners else [])):
        table.add_column(title, overflow="fold")
    for row in found:
        state = _STATES[row["state"]] if row["ours"] else "autorité étrangère"
        since = f" ({row['revoked_at'][:10]})" if row["revoked_at"] else ""
        use = f"{_SHORT.get(row['profile'], '')} {row['cn']}".strip()
        table.add_row(row["name"], use, state + since, row["not_after"][:10], *([row["tenant"] or ""] if owners else []))
    return table


def _known(option: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        fail(f"{option} : « {value} » est inconnu ; possibles : {', '.join(allowed)}.", BAD_INPUT)
