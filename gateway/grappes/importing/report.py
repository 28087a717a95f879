"""What a check found: rows for JSON, and a table for a terminal with what is to be decided under it."""
from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from gateway.grappes.importing.checking import Checked, Establishment
from gateway.grappes.importing.legal import Entity
from gateway.grappes.importing.places import column_letters

_STATUTS = {"confirme": "confirmé", "corrige_propose": "proposé", "a_verifier": "à vérifier"}

_TYPED_WIDTH = 17  # a SIRET with its spaces; what is longer is whole under the table
_WHAT_NEXT = (
    "Rien n'est corrigé sans vous. Pour décider : socle grappe import … --accept LIGNE=NUMERO:raison --by ORGANISME, ou un "
    "fichier préparé par socle grappe check … --decisions FICHIER et rendu par import --confirm FICHIER."
)


def as_json(grappes: Sequence[Checked]) -> dict[str, Any]:
    """``establishments`` and ``entites_juridiques`` of every grappe, one list each; « retenu » is a proposal until confirmed."""
    return {
        "establishments": [_establishment(one.grappe, row) for one in grappes for row in one.establishments],
        "entites_juridiques": [_entity(one.grappe, row) for one in grappes for row in one.entities],
        "grappes": [
            {
                "grappe": one.grappe, "fichiers": list(one.documents), "etablissements": len(one.establishments),
                "statuts": {name: _count(one, name) for name in _STATUTS},
                "erreurs": list(one.errors), "alertes": list(one.alerts), "remarques": list(one.remarks),
            }
            for one in grappes
        ],
    }  # fmt: skip


def as_text(grappes: Sequence[Checked], width: int) -> str:
    """Plain text, no colour; no figure is cut from 80 columns on."""
    text = io.StringIO()
    console = Console(file=text, width=width, color_system=None, highlight=False, markup=False, emoji=False)
    for one in grappes:
        _print(console, one)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


def decision_of(one: Establishment) -> str:
    """One line for a person who has to decide: which row, why, and which numbers are possible."""
    typed = f"saisi «\u00a0{_unbroken(one.saisi)}\u00a0»" if one.saisi.strip() else "sans numéro"
    kept = f"proposé {one.verdict.retenu}" if one.verdict.statut == "corrige_propose" else "à vérifier"
    said = f"{_row(one)} : {typed}, {kept} ({one.verdict.regle}) ; {one.verdict.justification}."
    choices = [number for number in one.verdict.choix if number != one.verdict.retenu]
    said += f" Numéros possibles : {', '.join(choices)}." if choices else ""
    place = next((cell.place for cell in one.typed if cell.text.strip()), one.typed[0].place if one.typed else None)
    return said + (f" Voir {place}." if place is not None else "")


def _row(one: Establishment) -> str:
    return f"ligne {one.ligne}, {one.label}"


def _unbroken(typed: str) -> str:
    return "\u00a0".join(typed.split())


def _plural(checked: Checked, statut: str) -> str:
    label = _STATUTS[statut]
    return label + "s" if label.endswith("é") and _count(checked, statut) > 1 else label


def _count(checked: Checked, statut: str) -> int:
    return sum(one.verdict.statut == statut for one in checked.establishments)


def _establishment(grappe: str, one: Establishment) -> dict[str, Any]:
    return {
        "grappe": grappe, "ligne": one.ligne, "etablissement": one.name, "organisme": one.og, "ville": one.ville,
        "code_postal": one.postcode, "saisi": one.saisi, "retenu": one.verdict.retenu, "statut": one.verdict.statut,
        "regle": one.verdict.regle, "justification": one.verdict.justification, "choix": list(one.verdict.choix),
        "finess_ej": one.entity.verdict.retenu if one.entity is not None else None,
        "personnes": one.persons, "projet": one.projet, "sons": one.sons, "categorie": one.category,
        "sources": [
            {
                "fichier": typed.place.document, "ligne": typed.place.line, "saisi": typed.text,
                "colonne": None if typed.place.column is None else column_letters(typed.place.column),
            }
            for typed in one.typed
        ],
        "alertes": list(one.alerts), "remarques": list(one.remarks),
    }  # fmt: skip


def _entity(grappe: str, one: Entity) -> dict[str, Any]:
    return {
        "grappe": grappe, "entite": one.name, "saisi": list(one.saisi), "retenu": one.verdict.retenu,
        "finess_ej_retenu": one.verdict.retenu, "statut": one.verdict.statut, "regle": one.verdict.regle,
        "justification": one.verdict.justification, "choix": list(one.verdict.choix), "porteur": one.is_porteur,
    }  # fmt: skip


def _print(console: Console, one: Checked) -> None:
    counts = ", ".join(f"{_count(one, name)} {_plural(one, name)}" for name in _STATUTS if _count(one, name))
    console.print(f"{one.grappe} — {len(one.establishments)} établissements : {counts}")
    console.print(_table(one))
    if one.entities:
        console.print("Entités juridiques")
        console.print(_entities(one))
    undecided = [row for row in one.establishments if row.verdict.statut != "confirme"]
    _section(console, "À décider", map(decision_of, undecided))
    settled = [row for row in one.establishments if row.verdict.regle in ("R2", "R4") and row.verdict.statut == "confirme"]
    reasons = (f"{_row(row)} : {row.verdict.justification}" for row in settled)
    _section(console, "Tableaux divergents, départagés par la clé", reasons)
    unsure = [row for row in one.entities if row.verdict.statut != "confirme"]
    doubts = (f"{row.verdict.retenu} ({row.name}) : {row.verdict.justification}" for row in unsure)
    _section(console, "Entités juridiques à vérifier", doubts)
    told = (f"{_row(row)} : {alert}" for row in one.establishments for alert in row.alerts)
    _section(console, "Selon FINESS", (*told, *one.alerts))
    said = (f"{_row(row)} : {remark}" for row in one.establishments for remark in row.remarks)
    _section(console, "Remarques", (*one.remarks, *said))
    _section(console, "À corriger dans les fichiers", one.errors)
    if undecided:
        console.print(_WHAT_NEXT)


def _section(console: Console, title: str, lines: Iterable[str]) -> None:
    found = list(lines)
    if found:
        console.print(f"{title} :")
        table = Table.grid(padding=(0, 1, 0, 0))
        for line in found:
            table.add_row("-", line)
        console.print(table)
        console.print()


def _table(one: Checked) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("Ligne", justify="right", no_wrap=True)
    table.add_column("Établissement", overflow="fold")
    for title in ("Saisi", "Retenu"):
        table.add_column(title, no_wrap=True, overflow="ellipsis", max_width=_TYPED_WIDTH)
    if any(row.persons is not None for row in one.establishments):
        table.add_column("Pers.", justify="right", no_wrap=True)
    for title in ("Statut", "Règle"):
        table.add_column(title, no_wrap=True)
    for row in one.establishments:
        cells = [str(row.ligne), row.label, " ".join(row.saisi.split()) or "—", row.verdict.retenu or "—"]
        if len(table.columns) == len(cells) + 3:
            cells.append("?" if row.persons is None else str(row.persons))
        table.add_row(*cells, _STATUTS[row.verdict.statut], row.verdict.regle)
    return table


def _entities(one: Checked) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("Entité", overflow="fold")
    table.add_column("Saisi", overflow="fold", min_width=9)
    for title in ("Retenu", "Statut", "Règle"):
        table.add_column(title, no_wrap=True)
    for row in one.entities:
        name = row.name or "(sans nom)"
        table.add_row(name, ", ".join(row.saisi), row.verdict.retenu, _STATUTS[row.verdict.statut], row.verdict.regle)
    return table
