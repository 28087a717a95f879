"""Checks of the journal itself and of what the DUI counts (programme-indicateurs §14.6)."""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gateway.conformance.facts.places import IDENTITIES
from gateway.conformance.model import Call, CallRule, FactValues, Finding, Run, RunRule
from gateway.conformance.rules.base import conforme, documents_of, every, non_applicable, non_conforme, non_observe

FEED, MAIL, SESSION = "DMP.TD2.1", "MSS.SOUMISSION", "MSS.SESSION_SMTP"
_JUDGED = frozenset({"ok", "refused", "in_doubt"})  # the caller was authenticated and the service spoke, or may have
_DIMENSIONS = ("finess_et", "canal", "type_document", "statut_ins", "issue")
_NEEDED = frozenset({"finess_et", "canal", "issue", "nombre"})
_IDENTIFIED = (("utilisateur", "professional_ref"), ("structure", "finess_et"))
_MOST_UNATTRIBUTED = 1  # percent
_STRANGER = "inconnu"  # tenant of a caller that no credential names
_NOTHING_DECLARED = "aucune extraction du DUI n'a été donnée (--declared)"
Key = tuple[str, ...]


def mail_actions_are_traced(run: Run) -> Iterator[Finding]:
    """CHK-JRN-01, on the gateway's side: author, time, kind, request and answer, and no content."""
    for call in run.calls(MAIL, SESSION):
        entry = call.entry
        if entry["outcome"] not in _JUDGED:
            yield non_applicable("action qui n'a pas été authentifiée, ou sans réponse")
            continue
        missing = [word for word, there in _traced(call) if not there]
        if missing:
            yield non_conforme("journal", "auteur, date, type, réponse", f"absent : {', '.join(missing)}", call)
        elif entry["bodies"]:
            yield non_conforme("journal", "aucun contenu de message", "contenu engagé dans l'entrée", call)
        else:
            yield conforme("journal", "auteur, date, type, réponse", call)


def _traced(call: Call) -> Iterator[tuple[str, bool]]:
    entry = call.entry
    yield "auteur", entry["professional_ref"] is not None or (_is_applicative(call) and entry["tenant"] != _STRANGER)
    yield "date", bool(entry["event_time"])
    yield "type", entry["operation"] is not None
    yield "réponse", entry["service_code"] is not None or entry["outcome"] == "in_doubt"


def _is_applicative(call: Call) -> bool:
    """The author of what an applicative mailbox sends is the structure of the certificate, which names the software too."""
    facts = call.facts or {}
    return bool(facts.get("applicative")) or (facts.get("auth") or {}).get("mechanism") in ("PLAIN", "EXTERNAL")


def dmp_calls_name_user_and_structure(run: Run) -> Iterator[Finding]:
    """CHK-JRN-02."""
    for call in run.calls("DMP.TD0.2", FEED, "DMP.TD3.1"):
        entry = call.entry
        if entry["outcome"] == "unauthorised" and not entry["exchanges"]:
            yield non_applicable("appel refusé avant d'être transmis")
            continue
        missing = [word for word, name in _IDENTIFIED if entry[name] is None]
        if missing:
            place, found = "VIHF : NameID ; authorInstitution", f"absent : {', '.join(missing)}"
            yield non_conforme(place, "utilisateur et structure", found, call)
        else:
            yield conforme("journal", "utilisateur et structure", call)


def account_events_are_traced(run: Run) -> Iterator[Finding]:
    """CHK-JRN-03, on what the DUI declares: no account lives in the gateway."""
    rows = (run.declared or {}).get("comptes")
    if rows is None:
        yield non_observe("aucun événement de compte n'a été donné (--declared)")
        return
    for number, row in enumerate(rows, start=1):
        missing = [name for name in ("date", "auteur", "nature", "resultat") if not row.get(name)]
        place = f"déclaration, compte {number}"
        if missing:
            yield non_conforme(place, "date, auteur, nature, résultat", f"absent : {', '.join(missing)}")
        else:
            yield conforme(place, "date, auteur, nature, résultat")


def the_extraction_counts_what_passed(run: Run) -> Iterator[Finding]:
    """CHK-JRN-04: equal counts for each combination of what the extraction distinguishes."""
    rows = _sendings(run)
    if rows is None:
        yield non_observe(_NOTHING_DECLARED)
        return
    shared = [name for name in _DIMENSIONS if all(name in row for row in rows)]
    declared: Counter[Key] = Counter()
    for row in rows:
        declared[tuple(str(row[name] or "") for name in shared)] += int(row["nombre"])
    seen: Counter[Key] = Counter()
    proofs: dict[Key, Call] = {}
    for call, values in _sent(run):
        key = tuple(values[name] for name in shared)
        seen[key] += 1
        proofs.setdefault(key, call)
    for key in sorted(declared.keys() | seen.keys()):
        place = " ; ".join(f"{name} {value or '(vide)'}" for name, value in zip(shared, key, strict=True))
        of = [proofs[key]] if key in proofs else []
        if declared[key] == seen[key]:
            yield conforme(place, f"{seen[key]}", *of)
        else:
            yield non_conforme(place, f"{seen[key]} au journal", f"{declared[key]} à l'extraction", *of)


def failures_are_counted_as_failures(run: Run) -> Iterator[Finding]:
    """CHK-JRN-05: by channel, when a failure was seen to pass."""
    rows = _sendings(run)
    if rows is None:
        yield non_observe(_NOTHING_DECLARED)
        return
    seen: Counter[tuple[str, str]] = Counter()
    proofs: dict[str, Call] = {}
    for call, values in _sent(run):
        seen[values["canal"], values["issue"]] += 1
        if values["issue"] == "echec":
            proofs.setdefault(values["canal"], call)
    declared: Counter[tuple[str, str]] = Counter()
    for row in rows:
        declared[str(row["canal"]), str(row["issue"])] += int(row["nombre"])
    for channel in ("dmp", "mss_pro", "mss_citoyenne"):
        if channel not in proofs:
            yield non_observe(f"aucun échec n'a été provoqué sur le canal {channel}")
        elif not declared[channel, "echec"] or declared[channel, "succes"] > seen[channel, "succes"]:
            expected = "l'échec parmi les échecs, et seulement là"
            yield non_conforme(channel, expected, f"{declared[channel, 'echec']} échec(s) à l'extraction", proofs[channel])
        else:
            yield conforme(channel, "échec compté comme tel", proofs[channel])


def the_sequence_has_no_hole(run: Run) -> Iterator[Finding]:
    """CHK-JRN-06: positions that follow one another in each log, and a tree that is still the one of its signed checkpoint."""
    last: dict[int, Call] = {}
    number = 0
    for call in run.entries():
        number += 1
        log, seq = int(call.entry["log"]), int(call.entry["seq"])
        before = last.get(log)
        if before is not None and seq != int(before.entry["seq"]) + 1:
            yield non_conforme("journal : seq", "une suite sans trou ni retour", f"journal {log}, après un saut", before, call)
        last[log] = call
    if number:
        yield conforme("journal : seq", f"{number} entrées à la suite")
    yield from _proved(run.proof_faults())


def _proved(faults: list[str] | None) -> Iterator[Finding]:
    if faults is None:
        yield non_observe("aucun point de contrôle signé à comparer")
        return
    for fault in faults:
        yield non_conforme("journal : preuve", "l'arbre du dernier point de contrôle signé", fault)
    if not faults:
        yield conforme("journal : preuve", "arbre conforme au dernier point de contrôle signé")


def every_success_has_its_essms(run: Run) -> Iterator[Finding]:
    """CHK-JRN-07."""
    if not run.project:
        yield non_observe("aucune grappe n'est installée")
        return
    total, apart, strangers = 0, 0, 0
    for call in run.calls(FEED, MAIL):
        if not (call.ok or run.settled(call.id) == "succeeded"):
            continue
        total += 1
        if call.entry["finess_et"] is None:
            apart += 1
        elif call.entry["finess_et"] not in run.project:
            strangers += 1
            yield non_conforme("journal : finess_et", "un ESSMS de la grappe", "un autre établissement", call)
    if not total:
        yield non_observe("aucun envoi réussi dans la fenêtre")
    elif apart * 100 >= total * _MOST_UNATTRIBUTED and apart:
        yield non_conforme("journal : attribution", "moins de 1 % de succès non attribués", f"{apart} sur {total}")
    elif not strangers:
        yield conforme("journal : attribution", f"{total - apart} succès attribués sur {total}")


def the_recount_agrees(run: Run) -> Iterator[Finding]:
    """CHK-JRN-08: usage units rebuilt from the entries alone equal those that the rates count."""
    gaps = run.recount_gaps()
    if gaps is None:
        yield non_observe("le recomptage n'a pas pu être fait")
    elif gaps:
        yield non_conforme("usage_units", "les unités que les entrées donnent", f"{gaps} écart(s)")
    else:
        yield conforme("usage_units", "unités recomptées égales")


def only_fictitious_people(facts: FactValues, entry: Mapping[str, Any]) -> Iterable[Finding]:
    """CHK-JRN-09: ``known`` says whether a well-formed matricule or RPPS is of the sandbox's population."""
    if entry["environment"] == "production":
        return [non_applicable("environnement de production")]
    known = [one for one in every(facts, "known") if one is not None]
    if not known:
        return [non_applicable("aucune identité dans cet appel")]
    if not all(known):
        return [non_conforme(IDENTITIES, "une identité du jeu de données", "identité valide, inconnue du jeu de données")]
    return [conforme(IDENTITIES, "fictives")]


def _sendings(run: Run) -> list[Mapping[str, Any]] | None:
    rows = (run.declared or {}).get("envois")
    return None if rows is None else [row for row in rows if row.keys() >= _NEEDED]


def _sent(run: Run) -> Iterator[tuple[Call, dict[str, str]]]:
    """Each sending that has an issue, in the words of the extraction. Cut before it left, or still in doubt: none."""
    for call in run.calls(FEED, MAIL):
        issue = _issue(call, run)
        if issue is None:
            continue
        entry = call.entry
        channel = "dmp" if entry["operation"] == FEED else entry["channel"] or "mss_pro"
        yield call, {
            "finess_et": entry["finess_et"] or "", "canal": channel, "type_document": _type(call),
            "statut_ins": _status(call), "issue": issue,
        }  # fmt: skip


def _issue(call: Call, run: Run) -> str | None:
    outcome = call.entry["outcome"]
    if outcome == "in_doubt":
        return {"succeeded": "succes", "failed": "echec"}.get(run.settled(call.id) or "")
    return {"ok": "succes", "cut": None}.get(outcome, "echec")


def _type(call: Call) -> str:
    if call.entry["operation"] == FEED:
        return call.entry["document_type"] or ""
    held = [one["cda"].get("code") for one in documents_of(call.facts or {})]
    return next((code for code in held if code), "")


def _status(call: Call) -> str:
    if call.entry["operation"] == FEED:
        return call.entry["ins_status"] or ""
    return {"O": "qualifiee", "N": "non_qualifiee"}.get((call.facts or {}).get("x_mss_ins") or "", "")


CALL: dict[str, CallRule] = {"CHK-JRN-09": only_fictitious_people}
RUN: dict[str, RunRule] = {
    "CHK-JRN-01": mail_actions_are_traced,
    "CHK-JRN-02": dmp_calls_name_user_and_structure,
    "CHK-JRN-03": account_events_are_traced,
    "CHK-JRN-04": the_extraction_counts_what_passed,
    "CHK-JRN-05": failures_are_counted_as_failures,
    "CHK-JRN-06": the_sequence_has_no_hole,
    "CHK-JRN-07": every_success_has_its_essms,
    "CHK-JRN-08": the_recount_agrees,
}
