"""The three layouts in which requirements and proofs are exchanged, and our own (programme-indicateurs §11.3, -2 §10).

A layout is a header row and rows of texts; a reader knows it by that row, never by a count of columns. The official files have
one requirement a row, or one step; what a check cites several times is therefore repeated.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

Item = dict[str, Any]
Row = Sequence[str]

FAMILIES = {
    "INS": "Identité nationale de santé", "DMP": "Dossier médical partagé", "MSS": "Messagerie sécurisée de santé",
    "PSC": "Pro Santé Connect", "ANN": "Annuaire Santé", "JRN": "Journal et tableaux de bord",
}  # fmt: skip
_CONVERGENCE = (
    "Périmètre", "ID", "Chapitre", "Fonction", "Exigence", "Commentaire", "Profil", "N° scénario", "Scénario de conformité",
    "N° preuve", "Preuve", "Profil historique", "Criticité", "Ordre",
)  # fmt: skip
OURS = ("Résultat", "Nb observations", "Nb écarts", "Première preuve")
_MAX_REQUIREMENTS, _MAX_PROOFS = 10, 8
_REM = (
    "Profil", "Scénario", "Référence", "Priorité", "Situation", "Référence de l'étape", "N° étape", "Détail de l'étape",
    *(f"Exigence {n}" for n in range(1, _MAX_REQUIREMENTS + 1)),
    "Critères vérifiés",
    *(name for n in range(1, _MAX_PROOFS + 1) for name in (f"Numéro de preuve {n}", f"Preuve {n}")),
)  # fmt: skip
_MOST_PROOFS_OF_A_SCENARIO = 10
_SCENARIOS = (
    "Exigence conditionnelle OUI/NON", "Profil", "ID Section", "Section", "Bloc", "Fonction", "Nature", "N° exigence", "Énoncé",
    "N° scénario", "Scénario",
    *(name for n in range(1, _MOST_PROOFS_OF_A_SCENARIO + 1) for name in (f"N° preuve {n}", f"Preuve {n}")),
)  # fmt: skip
_PLAIN = (
    "contrôle", "titre", "résultat", "observations", "écarts", "lieu", "attendu", "trouvé", "exigences", "première preuve",
)  # fmt: skip
_PROXY = "applicabilité au DUI : par procuration, le REM du DUI n'a pas été lu"
_HEADER = {"raison_sociale": "--vendor-name", "nom_commercial": "--product", "version_logiciel": "--version"}


@dataclass(frozen=True, slots=True)
class Layout:
    """``columns`` of the header row; ``rows`` of a run, as ``run --json`` gives it."""

    columns: tuple[str, ...]
    rows: Callable[[Item], Iterable[Row]]


def _convergence(run: Item) -> Iterator[Row]:
    """One row a proof, for each requirement; without a proof, one row with an empty one, as the official export does."""
    order = 0
    for check in run["controles"]:
        first = check["preuves"][0] if check["preuves"] else ""
        ours = (check["etat"], str(check["observations"]), str(check["ecarts"]), first)
        scenario = f"{check['id']}.01"
        comment = f"{check['id']} : {check['texte']} {_said(check)} ({_PROXY})"
        for cited in check["exigences"]:
            order += 1
            for n, proof in enumerate(check["preuves"] or [None], start=1):
                yield (
                    "Socle", cited["id"], FAMILIES[check["famille"]], check["titre"], cited["libelle"], comment, check["profil"],
                    scenario, check["scenario"], f"{scenario}.{n:02d}" if proof else "", _proof(proof, run), "",
                    check["criticite"], str(order), *ours,
                )  # fmt: skip


def _scenarios(run: Item) -> Iterator[Row]:
    """One row a scenario, for each requirement, with its proofs side by side."""
    for check in run["controles"]:
        scenario = f"{check['id']}.01"
        proofs = [cell for n, one in enumerate(check["preuves"][:_MOST_PROOFS_OF_A_SCENARIO], start=1)
                  for cell in (f"{scenario}.{n:02d}", _proof(one, run))]  # fmt: skip
        for cited in check["exigences"]:
            yield (
                "NON" if check["profil"] == "Général" else "OUI", check["profil"], check["famille"], FAMILIES[check["famille"]],
                "Socle", check["titre"], "EXIGENCE" if check["criticite"] == "MAJOR" else "PRECONISATION", cited["id"],
                cited["libelle"], scenario, f"{check['scenario']} Attendu : {check['attendu']}. {_said(check)}",
                *_padded(proofs, 2 * _MOST_PROOFS_OF_A_SCENARIO),
            )  # fmt: skip


def _rem(run: Item) -> Iterator[Row]:
    """One row a step, with its requirements and its proofs. A check has one step: play its scenario."""
    for number, check in enumerate(run["controles"], start=1):
        reference = f"SCN_{check['famille']}.{number:02d}"
        cited = [one["id"] for one in check["exigences"]][:_MAX_REQUIREMENTS]
        proofs = [cell for n, one in enumerate(check["preuves"][:_MAX_PROOFS], start=1)
                  for cell in (f"{reference}.{n:02d}", _proof(one, run))]  # fmt: skip
        yield (
            check["profil"], check["titre"], reference, "1" if check["criticite"] == "MAJOR" else "2",
            FAMILIES[check["famille"]], f"{reference}.1", "1", check["scenario"], *_padded(cited, _MAX_REQUIREMENTS),
            f"{check['id']} : {check['texte']} {_said(check)}", *_padded(proofs, 2 * _MAX_PROOFS),
        )  # fmt: skip


def _plain(run: Item) -> Iterator[Row]:
    """One row a check."""
    for check in run["controles"]:
        worst = first_finding(check) or {"lieu": "", "attendu": "", "trouve": ""}
        first = check["preuves"][0] if check["preuves"] else ""
        cited = ", ".join(one["id"] for one in check["exigences"])  # ECO first, as the catalogue lists them
        yield (
            check["id"], check["titre"], check["etat"], str(check["observations"]), str(check["ecarts"]),
            worst["lieu"] or check["lieu"], worst["attendu"] or check["attendu"], worst["trouve"], cited, first,
        )  # fmt: skip


LAYOUTS = {
    "convergence": Layout((*_CONVERGENCE, *OURS), _convergence),
    "exigences": Layout(_SCENARIOS, _scenarios),
    "rem": Layout(_REM, _rem),
    "csv": Layout(_PLAIN, _plain),
}


def header(run: Item) -> Iterator[tuple[str, str]]:
    """What every proof must show of its run, and what it was judged by."""
    for name, value in run["entete"].items():
        yield name, value or ""
    rules = run["regles"]
    yield "regles", f"{rules['nom']} {rules['version']} sha256:{rules['sha256']}"


def warnings(run: Item) -> Iterator[Row]:
    """(level, subject, text): what keeps the file from being handed in as it is."""
    for name, option in _HEADER.items():
        if not run["entete"].get(name):
            yield "ERROR", name, f"absent : chaque preuve doit le porter ({option})"
    if run["simule"]:
        yield "WARNING", "environnement", "données simulées : ces preuves ne valent pas homologation"
    for check in run["controles"]:
        if check["etat"] == "non_conforme":
            yield "ERROR", check["id"], sentence(first_finding(check))
        elif check["etat"] == "non_observe":
            found = first_finding(check)
            yield "WARNING", check["id"], "non observé : " + (found["trouve"] if found else "aucun appel")
        for cited in check["exigences"]:
            if cited["statut"] != "en_vigueur":
                replaced = f", remplacée par {cited['remplacee_par']}" if cited["remplacee_par"] else ""
                yield "WARNING", check["id"], f"{cited['id']} : {cited['statut']}{replaced}"


def first_finding(check: Item) -> Item | None:
    """The first one of the check's own state."""
    return next((one for one in check["constats"] if one["etat"] == check["etat"]), None)


def sentence(finding: Item | None) -> str:
    return "" if finding is None else f"{finding['lieu']} : attendu {finding['attendu']} ; trouvé {finding['trouve']}"


def _said(check: Item) -> str:
    return f"Résultat : {check['etat']}, {check['ecarts']} écart(s) sur {check['observations']}."


def _proof(entry: str | None, run: Item) -> str:
    """Who made the software, which one, when, what and by whom: a proof leaves its file (-2 §10)."""
    if entry is None:
        return ""
    top = run["entete"]
    software = " ".join(filter(None, (top.get("nom_commercial"), top.get("version_logiciel"))))
    by = ", ".join(filter(None, (top.get("raison_sociale"), software)))
    shown = run["preuves"].get(entry)
    if shown is None:
        return " ; ".join(filter(None, (by, f"entrée {entry}")))
    login = f", connecté le {shown['connexion']}" if shown.get("connexion") else ""
    user = f"{shown['utilisateur']}{login}" if shown["utilisateur"] else ""
    what = f"{shown['operation']} ({shown['issue']}) le {shown['horodatage']}"
    return " ; ".join(filter(None, (by, what, user, f"entrée {entry} ({shown['journal']})")))


def _padded(cells: list[str], length: int) -> list[str]:
    return cells + [""] * (length - len(cells))
