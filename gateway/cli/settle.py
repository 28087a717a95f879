"""`socle journal settle`: a person says what became of a call whose answer was lost (design §5.3)."""
from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.admin import act
from gateway.cli.common import BAD_INPUT, AsJson, DataFolder, fail, tell
from gateway.cli.journal import entry_named, open_reader
from gateway.journal.journal import Journal
from gateway.journal.record import NotInDoubt
from gateway.settings import Settings
from gateway.settling import Decision, decide

_DECISIONS: dict[str, Decision] = {one: one for one in ("succeeded", "failed", "undecidable")}
_SAID = {"succeeded": "réussi", "failed": "échoué", "undecidable": "indécidable"}


def settle(
    entry: Annotated[str, typer.Argument(metavar="ENTREE", help="Identifiant, son début, ou numéro comme 1/42.")],
    outcome: Annotated[str, typer.Option("--outcome", help="succeeded, failed ou undecidable.")],
    by: Annotated[str, typer.Option("--by", help="Nom de la personne qui décide ; gardé scellé.")],
    reason: Annotated[str, typer.Option("--reason", help="Sur quoi elle se fonde ; gardé scellé.")],
    data: DataFolder = Path(".socle"),
    as_json: AsJson = False,
) -> None:
    """Règle une entrée en doute sur la parole d'une personne ; une seule fois, sans retour."""
    if outcome not in _DECISIONS:
        fail(f"« {outcome} » : issue inconnue ; possibles : {', '.join(_DECISIONS)}.", BAD_INPUT)
    if not by.strip() or not reason.strip():
        fail("Un règlement porte le nom de qui décide (--by) et sa raison (--reason) : aucun ne peut être vide.", BAD_INPUT)
    with open_reader(data) as reader:
        entry = str(entry_named(reader, data, entry)["id"])
    refusal = _why_not(data, entry)
    if refusal is not None:
        fail(refusal, BAD_INPUT)

    async def alone(journal: Journal) -> dict[str, Any]:
        try:
            return await decide(journal, journal.clock, entry, _DECISIONS[outcome], by=by, reason=reason)
        except NotInDoubt:
            fail(_why_not(data, entry) or f"L'entrée {entry} n'est plus en doute.", BAD_INPUT)

    body = {"entry": entry, "outcome": outcome, "by": by, "reason": reason}
    done = act(data, Settings().environment, "/admin/settle", body, alone)
    tell(done, as_json, f"Entrée {entry} réglée : {_SAID[outcome]} (règlement {done['settlement']}).")


def _why_not(data: Path, entry_id: str) -> str | None:
    """Why this entry cannot be settled, in French; None when it can, or when nobody knows yet."""
    with open_reader(data) as reader:
        entry, later = reader.entry(entry_id), reader.settlements_of(entry_id)
    if entry is None:
        return f"Aucune entrée « {entry_id} » dans le journal de {data} : vérifiez l'identifiant (socle journal list)."
    if later:
        settled = later[0]
        said = f"{settled['outcome']}, le {settled['recorded_at']} (règlement {settled['id']})"
        return f"L'entrée {entry_id} est déjà réglée : {said}."
    if entry["outcome"] != "in_doubt":
        said = entry["outcome"] or entry["kind"]
        return f"L'entrée {entry_id} n'est pas en doute ({said}) : seul un appel « in_doubt » se règle."
    return None
