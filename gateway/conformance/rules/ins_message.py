"""Checks of the INS that one message shows: the outcome of a verification, first names, the user, form and OID of an INS."""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from connectors.nomenclatures.oids import INS_OIDS, INS_SANDBOX_OIDS
from gateway.conformance.facts.places import (
    CDA_FIRST_NAME,
    CDA_PATIENT,
    ENTRY_PATIENT,
    EXISTENCE_PATIENT,
    GIVEN,
    GIVEN_FIRST_NAMES,
    LOT_GIVEN,
    LOT_RESULT,
    NAME_ID,
    OWN_MATRICULE,
    SET_PATIENT,
    VERIFIED,
    VIHF_PATIENT,
    XDM_PATIENT,
)
from gateway.conformance.model import Call, CallRule, FactValues, Finding, Run, RunRule
from gateway.conformance.rules.base import (
    TOO_LARGE,
    carries_ins,
    cdas,
    conforme,
    documents_of,
    is_the_gateways,
    judged,
    non_applicable,
    non_conforme,
    non_observe,
)
from gateway.conformance.rules.ins_steps import CHECK, DEPOSIT, EXISTENCE, FEED, RETRIEVAL, TO_INSI

_Places = Iterator[tuple[str, FactValues]]
_UNNAMED = "appel par certificat de structure : il ne nomme personne, l'utilisateur n'est que dans les traces du DUI"


def the_outcome_is_traced(facts: FactValues, entry: Mapping[str, Any]) -> Iterable[Finding]:
    """CHK-INS-03."""
    answer, lot = facts["answer"], entry["operation"] == RETRIEVAL
    if entry["operation"] == DEPOSIT:
        return []  # its outcome comes with the retrieval
    if answer["kind"] == "fault":
        return [non_applicable("le téléservice a répondu une erreur, sans résultat")]
    if answer["kind"] == "none":
        return [non_observe("aucune réponse du téléservice")]
    if lot and answer["kind"] == "lot" and answer["state"] != "TERMINE":
        return [non_applicable("lot encore en cours, ou inconnu du téléservice")]
    if lot and answer["kind"] == "lot":
        return [conforme(LOT_RESULT, f"{len(answer['results'])} résultat(s)")]
    place = LOT_RESULT if lot else VERIFIED
    if answer["kind"] != "check" or answer["holds"] is None:
        return [non_conforme(place, "un résultat OK ou KO conservé", "réponse illisible, ou sans résultat")]
    return [conforme(place, "OK" if answer["holds"] else "KO")]


def every_one_of_a_lot_has_its_outcome(run: Run) -> Iterator[Finding]:
    """CHK-INS-03: lots, from the deposit to the retrieval."""
    deposited: dict[str, tuple[set[str], Call]] = {}
    for call in run.calls(DEPOSIT, RETRIEVAL):
        if call.facts is None or call.facts["partial"]:
            continue
        answer = call.facts["answer"]
        lot = answer.get("lot")
        if call.entry["operation"] == DEPOSIT and lot is not None:
            deposited[lot] = {one["id"] for one in call.facts["asked"]["individuals"]}, call
        elif lot in deposited and answer["state"] == "TERMINE":
            wanted, first = deposited.pop(lot)
            told = {one for one, _ in answer["results"]}
            if wanted - told:
                found = f"{len(wanted & told)} résultat(s) pour {len(wanted)} personne(s)"
                yield non_conforme(LOT_RESULT, "un résultat OK ou KO par personne déposée", found, first, call)
    for _ in deposited:
        yield non_observe("lot déposé, dont le résultat n'a pas été retiré dans la fenêtre")


def the_list_starts_with_the_first_name(facts: FactValues, entry: Mapping[str, Any]) -> Iterable[Finding]:
    """CHK-INS-10 (EXI ID 10)."""
    if facts.get("whole") is False:
        return [non_observe(TOO_LARGE)]
    stated = [(place, said) for place, identity in _first_names(facts, str(entry["operation"]))
              if (said := identity.get("first_in_list")) is not None]  # fmt: skip
    if not stated:
        return [non_applicable("ce message ne donne pas à la fois un premier prénom et la liste des prénoms")]
    expected, found = "le premier de la liste des prénoms", "la liste commence autrement"
    wrong = [non_conforme(place, expected, found) for place, leads in stated if not leads]
    return judged(wrong, stated[0][0], "premier de la liste")


def _first_names(facts: FactValues, operation: str) -> _Places:
    if operation == CHECK:
        yield GIVEN_FIRST_NAMES, facts["asked"]["identity"]
    elif operation == DEPOSIT:
        yield from ((LOT_GIVEN, one["identity"]) for one in facts["asked"]["individuals"])
    else:
        yield from ((CDA_FIRST_NAME, cda["identity"]) for cda in cdas(documents_of(facts)))


def the_call_names_its_user(facts: FactValues, entry: Mapping[str, Any]) -> Iterable[Finding]:
    """CHK-INS-14: of an assertion; a structure's certificate names nobody (insi §2.2)."""
    caller = facts["asked"].get("caller") or {"by": "structure"}
    if caller["by"] == "structure":
        return [non_observe(_UNNAMED)]
    if caller["user"]["kind"] is None:
        return [non_conforme(NAME_ID, "l'identifiant national d'un professionnel", "absent")]
    return [conforme(NAME_ID, "utilisateur nommé")]


def declared_calls_name_a_user_and_exchanges_a_partner(run: Run) -> Iterator[Finding]:
    """CHK-INS-14, on what the DUI declares of its own traces."""
    declared = run.declared or {}
    yield from _named(declared, "appels_insi", "utilisateur")
    yield from _named(declared, "echanges_ins", "partenaire")
    if "appels_insi" in declared:
        passed, traced = sum(1 for _ in run.calls(*TO_INSI)), len(declared["appels_insi"])
        if traced < passed:
            yield non_conforme("déclaration, appels_insi", f"les {passed} appels du journal", f"{traced} tracé(s)")


def _named(declared: Mapping[str, Any], rows: str, field: str) -> Iterator[Finding]:
    if rows not in declared:
        yield non_observe(f"aucune trace du DUI n'a été donnée (--declared, {rows})")
    for number, row in enumerate(declared.get(rows, ()), start=1):
        place = f"déclaration, {rows} {number}"
        yield conforme(place, f"{field} nommé") if row[field] else non_conforme(place, f"un {field}", "absent")


def the_ins_is_well_formed(facts: FactValues, entry: Mapping[str, Any]) -> Iterable[Finding]:
    """CHK-INS-15: of the INS that the message carries; a verification carries one, well formed or not."""
    if facts.get("whole") is False:
        return [non_observe(TOO_LARGE)]
    operation = str(entry["operation"])
    carried = [(place, one) for place, one in _carried(facts, operation) if operation in (CHECK, DEPOSIT) or carries_ins(one)]
    if not carried:
        return [non_applicable("aucune INS dans ce message")]
    places = (OWN_MATRICULE if is_the_gateways(facts) and operation not in (CHECK, DEPOSIT) else place for place, _ in carried)
    wrong = [finding for place, (_, one) in zip(places, carried, strict=True) for finding in _ill_formed(place, one, entry)]
    return judged(dict.fromkeys(wrong), carried[0][0], f"{len(carried)} INS bien formée(s)")


def _ill_formed(place: str, identity: FactValues, entry: Mapping[str, Any]) -> Iterator[Finding]:
    if not identity["form"]:
        found = "absent" if identity["ins"] is None else "forme ou clé fausse"
        yield non_conforme(place, "matricule de 15 caractères, clé juste", found)
    if identity["oid"] not in INS_OIDS:
        yield non_conforme(place, "l'OID d'une INS", "autre OID" if identity["oid"] else "absent")
    elif entry["environment"] == "production" and identity["oid"] in INS_SANDBOX_OIDS:
        yield non_conforme(place, "un OID de production", "OID de test ou de démonstration")


def _carried(facts: FactValues, operation: str) -> _Places:
    if operation == CHECK:
        yield GIVEN, facts["asked"]["identity"]
    elif operation == DEPOSIT:
        yield from ((LOT_GIVEN, one["identity"]) for one in facts["asked"]["individuals"])
    elif operation == EXISTENCE:
        yield EXISTENCE_PATIENT, facts["patient"]
    if facts.get("vihf", {}).get("present"):
        yield VIHF_PATIENT, facts["vihf"]["patient"]
    if facts.get("set", {}).get("patient"):
        yield SET_PATIENT, facts["set"]["patient"]
    for document in documents_of(facts):
        yield ENTRY_PATIENT if operation == FEED else XDM_PATIENT, document["entry"]["patient"]
        if document["cda"]["kind"] == "cda":
            yield CDA_PATIENT, document["cda"]["identity"]


CALL: dict[str, CallRule] = {
    "CHK-INS-03": the_outcome_is_traced,
    "CHK-INS-10": the_list_starts_with_the_first_name,
    "CHK-INS-14": the_call_names_its_user,
    "CHK-INS-15": the_ins_is_well_formed,
}
RUN: dict[str, RunRule] = {
    "CHK-INS-03": every_one_of_a_lot_has_its_outcome,
    "CHK-INS-14": declared_calls_name_a_user_and_exchanges_a_partner,
}
