"""`socle sandbox faults`, `socle sandbox inject`: what the simulated services do wrong, armed and disarmed (docs/pannes.md)."""
from __future__ import annotations

import base64
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from gateway.cli.common import BAD_INPUT, AsJson, DataFolder, fail, print_json, tell
from gateway.cli.sandbox import seconds
from gateway.cli.sandbox_control import ask
from gateway.operations import OPERATIONS
from gateway.os_errors import in_french

app = typer.Typer(invoke_without_command=True)

_MAX_ANSWER = 2 * 1024 * 1024
_SERVICES = {
    "insi": ("INS.RECHERCHE_TRAITS", "application/soap+xml; charset=utf-8"),
    "dmp": ("DMP.*", "application/soap+xml; charset=UTF-8"),
    "psc": ("PSC.*", "application/json"),
    "annuaire": ("ANN.RECHERCHE", "application/fhir+json;charset=UTF-8"),
}
_NAMES = ("INS.*", "DMP.*", "PSC.*", "ANN.*")

ForNext = Annotated[int | None, typer.Option("--for-next", min=1, help="Nombre d'appels touchés ; 1 par défaut.")]
Lasting = Annotated[str | None, typer.Option("--for", help="Durée armée : 3d, 12h, 30m ou 45s.")]
Rate = Annotated[float, typer.Option("--rate", help="Part des appels touchés, de 0 exclu à 1.")]
Seed = Annotated[int | None, typer.Option("--seed", min=0, help="Graine des tirages : la même rend les mêmes.")]
Tenant = Annotated[str | None, typer.Option("--tenant", help="Seuls les appels de cet éditeur.")]
Caller = Annotated[
    str | None,
    typer.Option("--caller", help="Seul cet appelant : FINESS ET, struct_id, empreinte, client_id, boîte ou clé d'API."),
]
Person = Annotated[str | None, typer.Option("--person", help="Seuls les appels sur cette personne du bac à sable (matricule).")]
Named = Annotated[str | None, typer.Option("--id", help="Nom de la panne, repris par les entrées du journal.")]


@app.callback()
def faults(
    context: typer.Context,
    arm_: Annotated[str | None, typer.Option("--arm", help="Opération et panne, comme DMP.TD2.1=timeout.")] = None,
    for_next: Annotated[int, typer.Option("--for-next", min=1, help="Nombre d'appels touchés.")] = 1,
    delay_s: Annotated[float, typer.Option("--delay", min=0, help="Retard d'un « timeout », en secondes.")] = 60.0,
    clear_: Annotated[bool, typer.Option("--clear", help="Désarme toutes les pannes.")] = False,
    data: DataFolder = Path(".socle"),
    as_json: AsJson = False,
) -> None:
    """Liste, arme ou désarme les pannes du bac à sable."""
    if context.invoked_subcommand is not None:
        return
    if clear_:
        clear(None, data, as_json)
    elif arm_ is None:
        listed(data, as_json)
    else:
        operation, _, kind = arm_.partition("=")
        if not kind:
            fail(f"« {arm_} » : écrivez OPERATION=PANNE, par exemple DMP.TD2.1=timeout.", BAD_INPUT)
        _arm(data, as_json, {"operation": operation, "kind": kind, "for_next": for_next, "delay_s": delay_s})


@app.command("list")
def listed(data: DataFolder = Path(".socle"), as_json: AsJson = False) -> None:
    """Les pannes armées : ce qu'il leur reste, ce qu'elles ont touché."""
    said = ask(data, "GET", "/faults")
    if as_json or not said["faults"]:
        tell(said, as_json, "aucune panne armée")
        return
    table = Table(box=None, pad_edge=False)
    for title in ("panne", "opération", "ce qu'elle fait", "pour", "reste", "touchés"):
        table.add_column(title, justify="right" if title in ("reste", "touchés") else "left")
    for fault in said["faults"]:
        table.add_row(
            fault["id"], fault["operation"], _does(fault), _whom(fault), _left(fault), str(fault["touched"])
        )
    Console(highlight=False, markup=False, width=130).print(table)


@app.command("codes")
def codes(
    operation: Annotated[str | None, typer.Argument(metavar="OPERATION", help="Une seule opération ; toutes sans elle.")] = None,
    data: DataFolder = Path(".socle"),
    as_json: AsJson = False,
) -> None:
    """Les codes officiels qu'une panne « business » peut rendre."""
    said = ask(data, "GET", "/faults/codes")
    chosen = [one for one in said["operations"] if operation in (None, one["operation"])]
    if not chosen:
        known = ", ".join(one["operation"] for one in said["operations"])
        fail(f"« {operation} » : opération inconnue ; possibles : {known}.", BAD_INPUT)
    if as_json:
        print_json({"operations": chosen})
        return
    table = Table(box=None, pad_edge=False)
    for title in ("opération", "étape", "codes", "ce qu'ils disent"):
        table.add_column(title, overflow="fold", no_wrap=title == "opération")
    for one in chosen:
        for meaning in one["meanings"]:
            sure = "" if meaning["source"] else " (supposé)"
            table.add_row(one["operation"], " ".join(meaning["steps"]), " ".join(meaning["codes"]), meaning["says"] + sure)
    Console(highlight=False, markup=False, width=130).print(table)


@app.command("arm")
def arm(
    operation: Annotated[
        str, typer.Argument(metavar="OPERATION", help="Opération touchée, ou SERVICE.* (INS.*, DMP.*, PSC.*, ANN.*).")
    ],
    kind: Annotated[str, typer.Argument(metavar="PANNE", help="timeout, latency, bandwidth, dribble, reset, empty, garbage, "
                                             "half_close, slow_close, tls, status, malformed ou business.")],
    value: Annotated[str, typer.Argument(metavar="VALEUR", help="Statut (IMAP : NO, BAD ou BYE), code officiel ou forme.")] = "",
    for_next: ForNext = None,
    lasting: Lasting = None,
    rate: Rate = 1.0,
    seed: Seed = None,
    delay_s: Annotated[float, typer.Option("--delay", min=0, help="Attente ou pause, en secondes.")] = 0.0,
    law: Annotated[str | None, typer.Option("--law", help="Loi de « latency » : fixed, uniform ou lognormal.")] = None,
    min_s: Annotated[float | None, typer.Option("--min", help="Loi uniform, en secondes.")] = None,
    max_s: Annotated[float | None, typer.Option("--max", help="Loi uniform, en secondes.")] = None,
    median_s: Annotated[float | None, typer.Option("--median", help="Loi lognormal, en secondes.")] = None,
    p95_s: Annotated[float | None, typer.Option("--p95", help="Loi lognormal, en secondes.")] = None,
    cap_s: Annotated[float | None, typer.Option("--cap", help="Plafond de la loi lognormal, en secondes.")] = None,
    bytes_per_s: Annotated[int | None, typer.Option("--bytes-per-s", help="Débit de « bandwidth ».")] = None,
    retry_after_s: Annotated[int | None, typer.Option("--retry-after", help="Retry-After de « status », en secondes.")] = None,
    step: Annotated[str | None, typer.Option("--step", help="Étape SMTP ou IMAP : docs/pannes.md.")] = None,
    tenant: Tenant = None,
    caller: Caller = None,
    person: Person = None,
    id_: Named = None,
    data: DataFolder = Path(".socle"),
    as_json: AsJson = False,
) -> None:
    """Arme une panne, pour N appels ou un temps."""
    asked = {
        "operation": operation, "kind": kind, "value": value, "delay_s": delay_s, "law": law, "min_s": min_s, "max_s": max_s,
        "median_s": median_s, "p95_s": p95_s, "cap_s": cap_s, "bytes_per_s": bytes_per_s, "retry_after_s": retry_after_s,
        "step": step, **_reach(for_next, lasting, rate, seed, tenant, caller, person, id_),
    }  # fmt: skip
    _arm(data, as_json, {name: given for name, given in asked.items() if given is not None})


@app.command("clear")
def clear(
    fault: Annotated[str | None, typer.Argument(metavar="NOM", help="Une seule panne ; toutes sans elle.")] = None,
    data: DataFolder = Path(".socle"),
    as_json: AsJson = False,
) -> None:
    """Désarme toutes les pannes, ou une seule."""
    armed = fault is None or any(one["id"] == fault for one in ask(data, "GET", "/faults")["faults"])
    said = ask(data, "DELETE", "/faults", id=fault)
    one = f"panne {fault} désarmée" if armed else f"aucune panne « {fault} » n'est armée : voyez « socle sandbox faults list »"
    tell(said, as_json, "pannes désarmées" if fault is None else one)


def inject(
    service: Annotated[
        str, typer.Argument(metavar="SERVICE", help="insi, dmp, psc ou annuaire, ou leur code : INS, DMP, PSC, ANN.")
    ],
    file: Annotated[Path, typer.Argument(metavar="FICHIER", help="Corps de la réponse, rendu à l'octet près ; 2 Mio au plus.")],
    for_next: ForNext = None,
    lasting: Lasting = None,
    operation: Annotated[str | None, typer.Option("--operation", help="Une seule opération du service.")] = None,
    status: Annotated[int, typer.Option("--status", help="Statut HTTP de la réponse.")] = 200,
    content_type: Annotated[str | None, typer.Option("--content-type", help="Content-Type de la réponse.")] = None,
    acts: Annotated[bool, typer.Option("--acts/--no-acts", help="Le service fait, ou non, son travail avant.")] = True,
    rate: Rate = 1.0,
    seed: Seed = None,
    tenant: Tenant = None,
    caller: Caller = None,
    person: Person = None,
    id_: Named = None,
    data: DataFolder = Path(".socle"),
    as_json: AsJson = False,
) -> None:
    """Fait rendre un fichier par un service simulé, en place de sa réponse (essais CNDA)."""
    name = next((name for name, (every, _) in _SERVICES.items() if service.lower() in (name, every[:3].lower())), None)
    if name is None:
        fail(f"« {service} » : service inconnu ; possibles : {', '.join(_SERVICES)}, ou INS, DMP, PSC, ANN.", BAD_INPUT)
    every, media = _SERVICES[name]
    body = _read(file)
    if body.startswith(b"--") and content_type is None:
        fail(f"« {file} » est une réponse multipart : donnez son Content-Type, boundary comprise, par --content-type.", BAD_INPUT)
    asked = {
        "operation": operation or every, "body_base64": base64.b64encode(body).decode("ascii"), "status": status, "acts": acts,
        "content_type": content_type or media, **_reach(for_next, lasting, rate, seed, tenant, caller, person, id_),
    }  # fmt: skip
    if not asked["operation"].startswith(every[:4]):
        fail(f"« {operation} » n'est pas une opération du service {service} ({every[:4]}…).", BAD_INPUT)
    said = ask(data, "POST", "/faults/injections", {name: given for name, given in asked.items() if given is not None})
    tell(said, as_json, f"{len(body)} octets injectés : {said['id']} sur {said['operation']}, {_times(said)}")


def _arm(data: Path, as_json: bool, asked: dict[str, Any]) -> None:
    if asked["operation"] not in (*OPERATIONS, *_NAMES):
        fail(f"« {asked['operation']} » : opération inconnue ; possibles : {', '.join([*OPERATIONS, *_NAMES])}.", BAD_INPUT)
    said = ask(data, "POST", "/faults", asked)
    tell(said, as_json, f"panne {said['kind']} armée sur {said['operation']} : {said['id']}, {_times(said)}")


def _reach(
    for_next: int | None, lasting: str | None, rate: float, seed: int | None, tenant: str | None, caller: str | None,
    person: str | None, id_: str | None,
) -> dict[str, Any]:  # fmt: skip
    for_s = None if lasting is None else seconds(lasting)
    return {
        "for_next": for_next, "for_s": for_s, "rate": rate, "seed": seed, "tenant": tenant, "caller": caller, "person": person,
        "id": id_,
    }  # fmt: skip


def _read(file: Path) -> bytes:
    try:
        if file.stat().st_size > _MAX_ANSWER:
            fail(f"« {file} » est trop long : {_MAX_ANSWER} octets au plus.", BAD_INPUT)
        return file.read_bytes()
    except OSError as error:
        fail(f"« {file} » ne peut être lu ({in_french(error)}).", BAD_INPUT)


def _does(fault: dict[str, Any]) -> str:
    numbers = ("delay_s", "min_s", "max_s", "median_s", "p95_s", "cap_s", "bytes_per_s", "retry_after_s", "step")
    given = [f"{name}={fault[name]}" for name in numbers if fault[name]]
    share = [f"{fault['rate'] * 100:g} % des appels"] if fault["rate"] < 1 else []
    sent = [f"{fault['answer']['size_bytes']} octets, HTTP {fault['answer']['status']}"] if fault["answer"] else []
    return " ".join([fault["kind"], *([fault["value"]] if fault["value"] else []), *given, *sent, *share])


def _whom(fault: dict[str, Any]) -> str:
    named = [one for one in (fault["tenant"], fault["caller"], "une personne" if fault["one_person"] else None) if one]
    return ", ".join(named) or "tous"


def _left(fault: dict[str, Any]) -> str:
    calls = [] if fault["left"] > 900_000 else [str(fault["left"])]
    return ", ".join([*calls, *([] if fault["left_s"] is None else [f"{fault['left_s']:.0f} s"])])


def _times(fault: dict[str, Any]) -> str:
    calls = "tous les appels" if fault["for_next"] > 900_000 else f"{fault['for_next']} appel(s)"
    return calls if fault["for_s"] is None else f"{calls}, {fault['for_s']:g} s"
