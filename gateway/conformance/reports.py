"""Files of a run: each layout as CSV or as a workbook, JUnit, JSON. The same run gives the same bytes.

CSV: UTF-8 with BOM, « ; », CRLF; what a proof asks for stands above the header row. Workbook: the table on the sheet
« Exigences », what it rests on and what is wrong with it on the two behind, as the official export names them.
"""
from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import orjson
from lxml import etree

from gateway.conformance.layouts import LAYOUTS, Layout, first_finding, header, sentence, warnings
from gateway.exports.cells import csv_bytes, plain_text
from gateway.exports.workbook import Column, workbook
from gateway.usage.measure import SIMULATED

Item = dict[str, Any]

_WIDE = 42
_LONG = frozenset({
    "Exigence", "Commentaire", "Scénario de conformité", "Preuve", "Énoncé", "Scénario", "Détail de l'étape", "Critères vérifiés",
    *(f"Preuve {n}" for n in range(1, 11)),
})  # fmt: skip


def table(run: Item, layout: Layout) -> bytes:
    """One layout as CSV."""
    rows: list[list[str]] = [] if _warning(run) is None else [[str(_warning(run))]]
    rows += [[name, plain_text(value)] for name, value in header(run)]
    rows += [[], list(layout.columns)]
    rows += [[plain_text(cell) for cell in row] for row in layout.rows(run)]
    return csv_bytes(rows)


def book(run: Item, layout: Layout) -> bytes:
    """One layout as a workbook."""
    columns = [Column(name, _WIDE if name in _LONG else 16, "wrap" if name in _LONG else "") for name in layout.columns]
    made_at = datetime.fromisoformat(run["entete"]["genere_le"])
    with workbook(made_at, f"Conformité, {run['regles']['libelle']}", _warning(run)) as (pages, content):
        pages.sheet("Exigences", columns, layout.rows(run))
        pages.sheet("En-tête", (Column("Rubrique", 22), Column("Valeur", 90, "wrap")), header(run))
        pages.sheet("WARNING-ERROR", (Column("Niveau", 12), Column("Objet", 22), Column("Message", 100, "wrap")), warnings(run))
    return content.getvalue()


def json(run: Item) -> bytes:
    return orjson.dumps(run, option=orjson.OPT_INDENT_2) + b"\n"


def junit(run: Item) -> bytes:
    """A deviation is a failure; what was not observed, or does not apply, is skipped."""
    rules, top, counts = run["regles"], run["entete"], run["resume"]
    suite = etree.Element(
        "testsuite", name=f"{rules['nom']} {rules['version']}", tests=str(len(run["controles"])), timestamp=top["genere_le"],
        failures=str(counts["non_conforme"]), errors="0", skipped=str(counts["non_observe"] + counts["non_applicable"]),
    )  # fmt: skip
    properties = etree.SubElement(suite, "properties")
    for name, value in header(run):
        etree.SubElement(properties, "property", name=name, value=value)
    for check in run["controles"]:
        name = f"{check['id']} {check['titre']}"
        case = etree.SubElement(suite, "testcase", classname=f"{rules['nom']}.{check['famille']}", name=name)
        worst = first_finding(check)
        if check["etat"] == "non_conforme":
            failure = etree.SubElement(case, "failure", type="non_conforme", message=sentence(worst))
            failure.text = "\n".join(_told(one) for one in check["constats"] if one["etat"] == "non_conforme")
        elif check["etat"] != "conforme":
            etree.SubElement(case, "skipped", message=check["etat"] + (f" : {worst['trouve']}" if worst else ""))
    return etree.tostring(suite, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def build(run: Item, name: str, *, as_book: bool = False) -> bytes:
    """The file of one format. ValueError: this one is no workbook."""
    if name in LAYOUTS:
        return book(run, LAYOUTS[name]) if as_book else table(run, LAYOUTS[name])
    if as_book:
        raise ValueError(name)
    return _OTHERS[name](run)


def _told(finding: Item) -> str:
    entries = ", ".join(finding["entrees"])
    return sentence(finding) + (f" (entrée {entries})" if entries else "")


def _warning(run: Item) -> str | None:
    return f"{SIMULATED} (environnement {run['entete']['environnement']})" if run["simule"] else None


_OTHERS: dict[str, Callable[[Item], bytes]] = {"junit": junit, "json": json}
FORMATS = (*LAYOUTS, *_OTHERS)
