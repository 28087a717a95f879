"""Layouts of a run (programme-indicateurs §11.3, -2 §10): Convergence, scenario REM, plain CSV, JUnit.

CSV: UTF-8 with BOM, « ; », CRLF. What a proof asks for stands above the header row: a reader finds the layout by that row,
never by a count of columns. The same run gives the same bytes.
"""
from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import orjson
from lxml import etree

from gateway.exports.cells import BOM, plain_text
from gateway.usage.measure import SIMULATED

Item = dict[str, Any]

CONVERGENCE = (
    "Périmètre", "ID", "Chapitre", "Fonction", "Exigence", "Commentaire", "Profil", "N° scénario", "Scénario de conformité",
    "N° preuve", "Preuve", "Profil historique", "Criticité", "Ordre",
)  # fmt: skip
OURS = ("Résultat", "Nb observations", "Nb écarts", "Première preuve")
MAX_REQUIREMENTS, MAX_PROOFS = 10, 8
REM = (
    "Profil", "Scénario", "Référence", "Priorité", "Situation", "Référence de l'étape", "N° étape", "Détail de l'étape",
    *(f"Exigence {n}" for n in range(1, MAX_REQUIREMENTS + 1)),
    "Critères vérifiés",
    *(name for n in range(1, MAX_PROOFS + 1) for name in (f"Numéro de preuve {n}", f"Preuve {n}")),
)  # fmt: skip
PLAIN = (
    "contrôle", "titre", "résultat", "observations", "écarts", "lieu", "attendu", "trouvé", "exigences", "première preuve",
)  # fmt: skip

_FAMILIES = {
    "INS": "Identité nationale de santé", "DMP": "Dossier médical partagé", "MSS": "Messagerie sécurisée de santé",
    "PSC": "Pro Santé Connect", "ANN": "Annuaire Santé", "JRN": "Journal et tableaux de bord",
}  # fmt: skip
_PROXY = "Applicabilité au DUI : par procuration, le REM du DUI n'a pas été lu."


def convergence(run: Item) -> bytes:
    """One row a proof; a check without a proof has one row with an empty one, as the official export does."""
    return _csv(run, (*CONVERGENCE, *OURS), _convergence_rows(run))


def rem(run: Item) -> bytes:
    """One row a step, with its requirements and its proofs. A check has one step: play its scenario."""
    return _csv(run, REM, (_rem_row(check, run, n) for n, check in enumerate(run["controles"], start=1)))


def plain(run: Item) -> bytes:
    """One row a check."""
    return _csv(run, PLAIN, (_plain_row(check) for check in run["controles"]))


def json(run: Item) -> bytes:
    return orjson.dumps(run, option=orjson.OPT_INDENT_2) + b"\n"


def junit(run: Item) -> bytes:
    """A deviation is a failure; what was not observed, or does not apply, is skipped."""
    rules, header, counts = run["regles"], run["entete"], run["resume"]
    suite = etree.Element(
        "testsuite", name=f"{rules['nom']} {rules['version']}", tests=str(len(run["controles"])), timestamp=header["genere_le"],
        failures=str(counts["non_conforme"]), errors="0", skipped=str(counts["non_observe"] + counts["non_applicable"]),
    )  # fmt: skip
    properties = etree.SubElement(suite, "properties")
    for name, value in _header(run):
        etree.SubElement(properties, "property", name=name, value=value)
    for check in run["controles"]:
        name = f"{check['id']} {check['titre']}"
        case = etree.SubElement(suite, "testcase", classname=f"{rules['nom']}.{check['famille']}", name=name)
        worst = _first_finding(check)
        if check["etat"] == "non_conforme":
            failure = etree.SubElement(case, "failure", type="non_conforme", message=_sentence(worst))
            failure.text = "\n".join(_sentence(one) for one in check["constats"] if one["etat"] == "non_conforme")
        elif check["etat"] != "conforme":
            etree.SubElement(case, "skipped", message=check["etat"] + (f" : {worst['trouve']}" if worst else ""))
    return etree.tostring(suite, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _convergence_rows(run: Item) -> Iterator[Sequence[str]]:
    for order, check in enumerate(run["controles"], start=1):
        first = check["preuves"][0] if check["preuves"] else ""
        ours = (check["etat"], str(check["observations"]), str(check["ecarts"]), first)
        scenario = f"{check['id']}.01"
        for n, proof in enumerate(check["preuves"] or [None], start=1):
            yield (
                "Socle", _cited(check), _FAMILIES[check["famille"]], check["titre"], check["texte"], _PROXY, check["profil"],
                scenario, check["scenario"], f"{scenario}.{n:02d}" if proof else "", _proof(proof, run), "", check["criticite"],
                str(order), *ours,
            )  # fmt: skip


def _rem_row(check: Item, run: Item, number: int) -> Sequence[str]:
    reference = f"SCN_{check['famille']}.{number:02d}"
    cited = [one["id"] for one in check["exigences"]][:MAX_REQUIREMENTS]
    proofs = [cell for n, one in enumerate(check["preuves"][:MAX_PROOFS], start=1)
              for cell in (f"{reference}.{n:02d}", _proof(one, run))]  # fmt: skip
    result = f"Résultat : {check['etat']}, {check['ecarts']} écart(s) sur {check['observations']}."
    return (
        check["profil"], check["titre"], reference, "1" if check["criticite"] == "MAJOR" else "2", _FAMILIES[check["famille"]],
        f"{reference}.1", "1", check["scenario"], *_padded(cited, MAX_REQUIREMENTS),
        f"{check['id']} : {check['texte']} {result}", *_padded(proofs, 2 * MAX_PROOFS),
    )  # fmt: skip


def _plain_row(check: Item) -> Sequence[str]:
    worst = _first_finding(check) or {"lieu": check["lieu"], "attendu": check["attendu"], "trouve": ""}
    first = check["preuves"][0] if check["preuves"] else ""
    return (
        check["id"], check["titre"], check["etat"], str(check["observations"]), str(check["ecarts"]),
        worst["lieu"] or check["lieu"], worst["attendu"] or check["attendu"], worst["trouve"], _cited(check), first,
    )  # fmt: skip


def _first_finding(check: Item) -> Item | None:
    return next((one for one in check["constats"] if one["etat"] == check["etat"]), None)


def _sentence(finding: Item | None) -> str:
    return "" if finding is None else f"{finding['lieu']} : attendu {finding['attendu']} ; trouvé {finding['trouve']}"


def _cited(check: Item) -> str:
    """ECO first, as the catalogue lists them."""
    return ", ".join(one["id"] for one in check["exigences"])


def _proof(entry: str | None, run: Item) -> str:
    """The entry, when, and by whom; company and version are in the header of the file."""
    if entry is None:
        return ""
    shown = run["preuves"].get(entry)
    if shown is None:
        return f"entrée {entry}"
    user = f", {shown['utilisateur']}" if shown["utilisateur"] else ""
    return f"entrée {entry} ({shown['journal']}), {shown['operation']}, {shown['horodatage']}{user}"


def _header(run: Item) -> Iterator[tuple[str, str]]:
    for name, value in run["entete"].items():
        yield name, value or ""
    rules = run["regles"]
    yield "regles", f"{rules['nom']} {rules['version']} sha256:{rules['sha256']}"


def _csv(run: Item, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
    if run["simule"]:
        writer.writerow([f"{SIMULATED} (environnement {run['entete']['environnement']})"])
    writer.writerows((name, plain_text(value)) for name, value in _header(run))
    writer.writerow([])
    writer.writerow(columns)
    writer.writerows([plain_text(cell) for cell in row] for row in rows)
    return (BOM + text.getvalue()).encode()


def _padded(cells: list[str], length: int) -> list[str]:
    return cells + [""] * (length - len(cells))


FORMATS = {"convergence": convergence, "rem": rem, "csv": plain, "junit": junit, "json": json}
