"""The filters that `socle journal list|tail|export` share: their options, and what they ask of the journal."""
from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from gateway.cli.common import BAD_INPUT, fail
from gateway.journal.filters import ALWAYS, Filters, Period, period
from gateway.journal.query import JournalReader
from gateway.journal.record import JournalError, Kind, Outcome
from gateway.journal.vault import Vault
from gateway.operations import OPERATIONS, Service
from gateway.settings import Environment

_REF = re.compile(r"[0-9a-f]{32}")
_MATRICULE_LENGTH = 15
Text = str | None
_OPTIONS = {"person_ref": "--person-ref", "professional_ref": "--professional-ref", "message_ref": "--message-ref",
            "document_ref": "--document-ref"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """What was typed. Each field is an option of the command."""

    kind: Annotated[Text, typer.Option("--kind", help="Nature : call, settlement, admin ou gap.")] = None
    service: Annotated[Text, typer.Option("--service", help="Service : INS, DMP, MSS, PSC, ANN ou DUI.")] = None
    operation: Annotated[Text, typer.Option("--operation", help="Identifiant d'opération, par exemple DMP.TD2.1.")] = None
    outcome: Annotated[Text, typer.Option("--outcome", help="Issue : ok, refused, in_doubt …")] = None
    flags: Annotated[list[str], typer.Option("--flag", metavar="FLAG", help="V-VIHF … ; répétable : l'un d'eux.")] = field(
        default_factory=list
    )
    tenant: Annotated[Text, typer.Option("--tenant", help="Éditeur.")] = None
    finess_et: Annotated[Text, typer.Option("--finess-et", "--finess", help="Numéro FINESS de l'établissement.")] = None
    environment: Annotated[Text, typer.Option("--environment", help="bac_a_sable, recette, charge ou production.")] = None
    start: Annotated[Text, typer.Option("--from", metavar="DATE", help="Temps métier : à partir de (AAAA-MM-JJ, Paris).")] = None
    end: Annotated[Text, typer.Option("--to", metavar="DATE", help="Temps métier : jusqu'à ce jour compris.")] = None
    recorded_start: Annotated[Text, typer.Option("--recorded-from", metavar="DATE", help="Inscrite à partir de.")] = None
    recorded_end: Annotated[Text, typer.Option("--recorded-to", metavar="DATE", help="Inscrite jusqu'à.")] = None
    person: Annotated[bool, typer.Option("--person", help="Lit le matricule INS (15 caractères) sur l'entrée standard.")] = False
    person_ref: Annotated[Text, typer.Option("--person-ref", help="Référence de la personne.")] = None
    professional_ref: Annotated[Text, typer.Option("--professional-ref", help="Référence du professionnel.")] = None
    message_ref: Annotated[Text, typer.Option("--message-ref", help="Référence du message.")] = None
    document_ref: Annotated[Text, typer.Option("--document-ref", help="Référence du document.")] = None
    settles: Annotated[Text, typer.Option("--settles", metavar="ID", help="Règlements de cette entrée.")] = None
    id_prefix: Annotated[Text, typer.Option("--id", metavar="DÉBUT", help="Début de l'identifiant.")] = None


def with_filters(command: Callable[..., None]) -> Callable[..., None]:
    """The command with every option of ``Asked`` before its own; it receives them as ``asked``."""
    own = [one for one in inspect.signature(command, eval_str=True).parameters.values() if one.name != "asked"]
    hints = inspect.get_annotations(Asked, eval_str=True)
    shared = [
        inspect.Parameter(item.name, inspect.Parameter.KEYWORD_ONLY, default=_default(item), annotation=hints[item.name])
        for item in fields(Asked)
    ]
    own = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own]

    def run(**given: Any) -> None:
        asked = Asked(**{item.name: given.pop(item.name) for item in fields(Asked)})
        command(asked=asked, **given)

    run.__doc__, run.__name__ = command.__doc__, command.__name__
    run.__annotations__ = {one.name: one.annotation for one in (*shared, *own)}
    run.__signature__ = inspect.Signature([*shared, *own])  # type: ignore[attr-defined]
    return run


def _default(item: Field[Any]) -> Any:
    return item.default if item.default_factory is MISSING else item.default_factory()


def filters_of(asked: Asked, reader: JournalReader, data: Path) -> Filters:
    """Ends the command with one line for a value that cannot be asked."""
    _among("nature inconnue", asked.kind, get_args(Kind))
    _among("opération inconnue", asked.operation, OPERATIONS)
    _among("issue inconnue", asked.outcome, get_args(Outcome))
    _among("service inconnu", asked.service, get_args(Service))
    _among("environnement inconnu", asked.environment, get_args(Environment))
    for name, option in _OPTIONS.items():
        _check_ref(option, getattr(asked, name))
    return Filters(
        kind=asked.kind, service=asked.service, operation=asked.operation, outcome=asked.outcome, finess_et=asked.finess_et,
        tenant=asked.tenant, settles=asked.settles, environment=asked.environment, professional_ref=asked.professional_ref,
        message_ref=asked.message_ref, document_ref=asked.document_ref, id_prefix=asked.id_prefix, flags=tuple(asked.flags),
        person_refs=_persons(asked, reader, data), event=period_of(asked.start, asked.end),
        recorded=period_of(asked.recorded_start, asked.recorded_end),
    )  # fmt: skip


def _persons(asked: Asked, reader: JournalReader, data: Path) -> tuple[str, ...] | None:
    if not asked.person:
        return None if asked.person_ref is None else (asked.person_ref,)
    if asked.person_ref is not None:
        fail("--person et --person-ref : donnez l'un ou l'autre.", BAD_INPUT)
    if sys.stdin.isatty():
        typer.echo("Matricule INS (15 caractères) : ", nl=False, err=True)
    matricule = sys.stdin.readline().replace(" ", "").strip().upper()
    if len(matricule) != _MATRICULE_LENGTH or not matricule.isalnum():
        fail(f"Entrée standard : un matricule de 15 caractères est attendu, {len(matricule)} lus.", BAD_INPUT)
    vaults = _vaults(data)
    try:
        reader.insist_on_keys(vaults[0])
    except JournalError as error:
        fail(f"Le journal de {data} : {error}.", BAD_INPUT)
    return reader.refs_of(vault.lookup("person", matricule) for vault in vaults)


def _vaults(data: Path) -> list[Vault]:
    """One for each environment: they share the keys' files and never a lookup."""
    folder = data / "gateway" / "keys"
    try:
        return Vault.open(folder, "production", create=False).everywhere()
    except (JournalError, OSError):
        fail(f"Les clés du journal sont illisibles dans {folder} : sans elles une personne ne se retrouve pas.", BAD_INPUT)


def period_of(start: str | None, end: str | None) -> Period:
    """From two options. Ends the command with one line for what is no period."""
    if start is None and end is None:
        return ALWAYS
    try:
        found = period(start, end)
    except ValueError as error:
        fail(f"« {error} » : date attendue, comme 2026-03-02, 2026-03-02T09:30 ou 2026-03-02T09:30:00Z.", BAD_INPUT)
    if found.empty:
        fail(f"« {start} » à « {end} » : la période finit avant d'avoir commencé.", BAD_INPUT)
    return found


def _among(what: str, value: str | None, allowed: Any) -> None:
    if value is not None and value not in allowed:
        fail(f"« {value} » : {what} ; possibles : {', '.join(allowed)}.", BAD_INPUT)


def _check_ref(option: str, value: str | None) -> None:
    if value is not None and not _REF.fullmatch(value):  # it is not printed: it may be a matricule
        hint = " ; un matricule se donne par --person, sur l'entrée standard" if option == "--person-ref" else ""
        fail(f"{option} : une référence a 32 chiffres hexadécimaux (socle journal show){hint}.", BAD_INPUT)
