"""Checks of the DMP (programme-indicateurs §14.2)."""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gateway.conformance.facts.places import (
    CDA_BODY,
    CDA_MEDIA,
    CDA_PATIENT,
    CDA_REPRESENTATION,
    ENTRY_PATIENT,
    OWN_MATRICULE,
    OWN_PDF,
    PATIENT_ROLE,
    SET_PATIENT,
    VIHF_PATIENT,
)
from gateway.conformance.model import Call, CallRule, FactValues, Finding, Run, RunRule
from gateway.conformance.rules.base import (
    QUALIFYING,
    conforme,
    is_ins,
    is_the_gateways,
    judged,
    names,
    non_applicable,
    non_conforme,
    non_observe,
)

FEED = "DMP.TD2.1"


def validated_documents_are_fed(run: Run) -> Iterator[Finding]:
    """CHK-DMP-01: against the documents that the DUI declares validated in the same window."""
    declared = (run.declared or {}).get("documents")
    if declared is None or run.key is None:
        yield non_observe("aucune liste des documents validés n'a été donnée (--declared)")
        return
    fed: dict[str, Call] = {}
    for call in run.calls(FEED):
        if call.facts is not None and (call.ok or run.settled(call.id) == "succeeded"):
            fed.update(dict.fromkeys(_unique_ids(call.facts), call))
    for number, row in enumerate(declared, start=1):
        proof = fed.get(run.key("document", str(row["unique_id"])))
        place = f"déclaration, document {number}"
        if proof is not None:
            yield conforme(place, "une soumission réussie", proof)
        elif row.get("bloque"):
            yield conforme(place, "blocage déclaré par l'utilisateur")
        else:
            yield non_conforme(place, "une soumission réussie, ou un blocage tracé", "aucune soumission réussie")


def the_ins_is_qualified(facts: FactValues, entry: Mapping[str, Any]) -> Iterable[Finding]:
    """CHK-DMP-02."""
    place = OWN_MATRICULE if is_the_gateways(facts) else ENTRY_PATIENT
    wrong = [
        non_conforme(place, "matricule de 15 caractères, clé juste, OID d'INS", _said(document["entry"]["patient"]))
        for document in facts["documents"]
        if not is_ins(document["entry"]["patient"])
    ]
    return judged(wrong, place, "INS qualifiée") if facts["documents"] else [non_observe("aucun document lu dans le lot")]


def the_document_is_n1(facts: FactValues, entry: Mapping[str, Any]) -> Iterable[Finding]:
    """CHK-DMP-03. Of a document that the gateway made, only a PDF that the DUI gave is the DUI's."""
    if is_the_gateways(facts):
        return _given_pdf(facts)
    found = [finding for document in facts["documents"] if (finding := _n1(document)) is not None]
    return found or [non_observe("aucun document lu dans le lot")]


def _given_pdf(facts: FactValues) -> list[Finding]:
    if "pdf" not in facts["given"]:
        return [non_applicable("document écrit par la passerelle (porte simple)")]
    wrong = [
        non_conforme(OWN_PDF, "PDF/A-1", document["cda"]["pdf"] or "absent")
        for document in facts["documents"]
        if document["cda"]["kind"] == "cda" and document["cda"]["pdf"] != "PDF/A-1"
    ]
    return judged(wrong, OWN_PDF, "PDF/A-1")


def _n1(document: FactValues) -> Finding | None:
    cda = document["cda"]
    if cda["kind"] == "signature" or (cda["kind"] != "cda" and document["entry"]["signature"]):
        return None
    if cda["kind"] != "cda":
        return non_conforme("/ClinicalDocument", "un CDA R2", "absent ou illisible")
    if cda["level"] == "N3":
        return non_applicable("document structuré (N3)")
    if cda["level"] is None:
        return non_conforme("/ClinicalDocument/component/nonXMLBody", "un corps non structuré", "absent")
    if cda["media"] != "application/pdf":
        return non_conforme(CDA_MEDIA, "application/pdf", cda["media"] or "absent")
    if not cda["base64"]:
        return non_conforme(CDA_REPRESENTATION, "B64, contenu en base64", "contenu non décodable")
    if cda["pdf"] != "PDF/A-1":
        return non_conforme(CDA_BODY, "PDF/A-1", cda["pdf"])
    return conforme(CDA_BODY, "PDF/A-1 en base64")


def header_metadata_and_vihf_agree(facts: FactValues, entry: Mapping[str, Any]) -> Iterable[Finding]:
    """CHK-DMP-04."""
    if not facts["documents"]:
        return [non_observe("aucun document lu dans le lot")]
    return judged(_disagreements(facts), CDA_PATIENT, "même personne partout, en-tête complet")


def _disagreements(facts: FactValues) -> Iterator[Finding]:
    stated = facts["documents"][0]["entry"]["patient"]
    vihf = facts["vihf"]
    if not vihf["present"] or _who(vihf["patient"]) != _who(stated):
        yield non_conforme(VIHF_PATIENT, "le patient des métadonnées", "absent ou autre")
    if facts["set"]["patient"] is None or _who(facts["set"]["patient"]) != _who(stated):
        yield non_conforme(SET_PATIENT, "le patient du document", "absent ou autre")
    for document in facts["documents"]:
        if _who(document["entry"]["patient"]) != _who(stated):
            yield non_conforme(ENTRY_PATIENT, "un seul patient dans le lot", "autre patient")
        if document["cda"]["kind"] == "cda":
            yield from _header(document["cda"]["identity"], document["entry"]["patient"])


def _header(identity: FactValues, stated: FactValues) -> Iterator[Finding]:
    if _who(identity) != _who(stated):
        yield non_conforme(CDA_PATIENT, "le patient des métadonnées", "absent ou autre")
    missing = QUALIFYING - set(identity["present"])
    if missing:
        yield non_conforme(f"{PATIENT_ROLE}/patient", "les traits de l'INS", f"absent : {names(missing)}")


def a_document_is_fed_once(run: Run) -> Iterator[Finding]:
    """CHK-DMP-15: one success by uniqueId, and by setId and versionNumber."""
    seen: dict[str, Call] = {}
    for call in run.calls(FEED):
        if call.facts is None or not (call.ok or run.settled(call.id) == "succeeded"):
            continue
        marks = [*_unique_ids(call.facts), *_versions(call.facts)]
        earlier = next((seen[mark] for mark in marks if mark in seen), None)
        if earlier is None:
            yield conforme("DocumentEntry : ExternalIdentifier uniqueId", "alimenté une fois", call)
        else:
            place, expected = "DocumentEntry uniqueId ; CDA setId et versionNumber", "un document alimenté une seule fois"
            yield non_conforme(place, expected, "déjà alimenté avec succès", earlier, call)
        seen.update({mark: call for mark in marks if mark not in seen})


def _unique_ids(facts: FactValues) -> list[str]:
    return [one["entry"]["unique_id"] for one in facts.get("documents", []) if one["entry"]["unique_id"]]


def _versions(facts: FactValues) -> list[str]:
    return [version for one in facts.get("documents", []) if (version := one["cda"].get("version"))]


def _who(patient: FactValues) -> tuple[str | None, str | None]:
    return patient["ins"], patient["oid"]


def _said(patient: FactValues) -> str:
    if patient["ins"] is None:
        return "absent"
    return "clé ou longueur fausse" if not patient["form"] else "OID qui n'est pas celui d'une INS"


CALL: dict[str, CallRule] = {
    "CHK-DMP-02": the_ins_is_qualified,
    "CHK-DMP-03": the_document_is_n1,
    "CHK-DMP-04": header_metadata_and_vihf_agree,
}
RUN: dict[str, RunRule] = {"CHK-DMP-01": validated_documents_are_fed, "CHK-DMP-15": a_document_is_fed_once}
