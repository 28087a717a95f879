"""Checks of MSSanté (programme-indicateurs §14.3; reference mssante §5, §7)."""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gateway.conformance.facts.places import (
    ATTACHMENTS,
    AUTH,
    CERTIFICATE,
    MESSAGE_ID,
    STARTTLS,
    SUBJECT,
    X_MSS_CODECDA,
    X_MSS_INS,
    X_MSS_NIL,
    XDM_PATIENT,
    XDM_URI,
)
from gateway.conformance.model import Call, CallRule, FactValues, Finding, Run, RunRule
from gateway.conformance.rules.base import (
    TOO_LARGE,
    cdas,
    is_qualified,
    is_the_gateways,
    judged,
    non_applicable,
    non_conforme,
    non_observe,
)

MAIL, SESSION = "MSS.SOUMISSION", "MSS.SESSION_SMTP"
_OLD_TLS = frozenset({"SSLv2", "SSLv3", "TLSv1", "TLSv1.1"})
_APPLICATIVE = ("PLAIN", "EXTERNAL")


def the_link_is_tls_1_2(facts: FactValues, entry: Mapping[str, Any]) -> Iterable[Finding]:
    """CHK-MSS-01."""
    tls, place = facts["tls"], STARTTLS
    if facts["clear"]:
        return [non_conforme(place, "STARTTLS avant AUTH et MAIL", "commande envoyée en clair")]
    if tls["version"] in _OLD_TLS:
        return [non_conforme(place, "TLS 1.2 ou plus récent", tls["version"])]
    if tls["version"] is None:
        return [non_observe("aucune liaison TLS établie dans cette session")]
    return judged([], place, tls["version"])


def the_token_is_well_carried(facts: FactValues, entry: Mapping[str, Any]) -> Iterable[Finding]:
    """CHK-MSS-09."""
    auth, place = facts["auth"], AUTH
    if auth is None:
        return [non_observe("aucune authentification dans cette session")]
    if auth["mechanism"] in _APPLICATIVE:
        return [non_applicable("boîte aux lettres applicative")]
    if auth["mechanism"] != "XOAUTH2":
        return [non_conforme(place, "XOAUTH2", "autre mécanisme")]
    if not auth["form"]:
        found = "forme inattendue" if auth["mailbox"] else "adresse de BAL absente ou mal formée"
        return [non_conforme(place, "user=<BAL> ^A auth=Bearer <jeton> ^A ^A, en base64", found)]
    if auth["bearer"] != "jwt":
        return [non_conforme(place, "un jeton d'accès Pro Santé Connect", "ce n'est pas un JWT")]
    return judged([], place, "XOAUTH2, jeton Pro Santé Connect")


def the_certificate_opens_the_mailbox(facts: FactValues, entry: Mapping[str, Any]) -> Iterable[Finding]:
    """CHK-MSS-10. PLAIN as SQ1 reads the requirement, or EXTERNAL: which one operators want was not seen (mssante §19)."""
    auth, shown = facts["auth"], facts.get("certificate") or {"presented": False, "organisation": False}
    if auth is None:
        return [non_observe("aucune authentification dans cette session")]
    if auth["mechanism"] not in _APPLICATIVE:
        return [non_applicable("boîte aux lettres personnelle ou organisationnelle")]
    if not shown["presented"]:
        return [non_conforme(CERTIFICATE, "un certificat ORG AUTH_CLI", "absent")]
    if not shown["organisation"]:
        return [non_conforme(CERTIFICATE, "un certificat ORG AUTH_CLI", "certificat qui ne nomme pas de structure")]
    if not auth["form"]:
        expected = "la BAL comme identifiant" if auth["mechanism"] == "PLAIN" else "une réponse vide, ou la BAL"
        return [non_conforme(AUTH, expected, "autre identifiant, ou forme inattendue")]
    return judged([], AUTH, f"certificat ORG AUTH_CLI, {auth['mechanism']}")


def the_message_has_an_id(facts: FactValues, entry: Mapping[str, Any]) -> Iterable[Finding]:
    """CHK-MSS-13, first half: presence and form."""
    if not facts["whole"]:
        return [non_observe(TOO_LARGE)]
    found = facts["message_id"]
    if found["count"] != 1:
        return [non_conforme(MESSAGE_ID, "une fois", "absent" if not found["count"] else f"{found['count']} fois")]
    if not found["form"]:
        return [non_conforme(MESSAGE_ID, "<gauche@droite> (RFC 5322)", found["class"])]
    return judged([], MESSAGE_ID, "forme RFC 5322")


def the_id_is_unique(run: Run) -> Iterator[Finding]:
    """CHK-MSS-13, second half. The same message sent again keeps its id: it is a resend, not a new message."""
    contents: dict[str, tuple[str, Call]] = {}
    for call in run.calls(MAIL):
        if call.facts is None or call.facts["partial"] or not call.facts["whole"] or is_the_gateways(call.facts):
            continue
        if not call.facts["message_id"]["digest"]:
            continue
        name, content = call.facts["message_id"]["digest"], call.facts["content"]
        first, earlier = contents.setdefault(name, (content, call))
        if first != content:
            yield non_conforme(MESSAGE_ID, "un identifiant par message", "déjà pris par un autre message", earlier, call)


def the_documents_are_in_one_archive(facts: FactValues, entry: Mapping[str, Any]) -> Iterable[Finding]:
    """CHK-MSS-21."""
    if not facts["whole"]:
        return [non_observe(TOO_LARGE)]
    if not facts["documents"]:
        return [non_applicable("message sans document")]
    if facts["archives"] != 1:
        return [non_conforme(ATTACHMENTS, "une archive IHE_XDM.zip", f"{facts['archives']} archive(s)")]
    archive = facts["archive"]
    if not archive["readable"]:
        return [non_conforme("IHE_XDM.zip", "une archive lisible", f"illisible ({archive['reason']})")]
    return judged(_archive_faults(archive, facts["pdfs"]), "IHE_XDM.zip", "archive et PDF/A-1, une personne")


def _archive_faults(archive: FactValues, pdfs: list[FactValues]) -> Iterator[Finding]:
    held = cdas(archive["documents"])
    if not archive["metadata"]:
        yield non_conforme("IHE_XDM/*/METADATA.XML", "présent", "absent")
    if not held:
        yield non_conforme("IHE_XDM.zip", "au moins un CDA", "aucun CDA lu")
    if any(not one["uri"] for one in archive["documents"]):
        yield non_conforme(XDM_URI, "un fichier de l'archive", "fichier introuvable")
    if any(one["hash"] is False or one["size"] is False for one in archive["documents"]):
        yield non_conforme("METADATA.XML : Slots hash et size", "ceux du fichier", "différents")
    persons = len(_persons(archive["documents"]))
    if persons > 1:
        yield non_conforme(XDM_PATIENT, "une seule personne", f"{persons} personnes")
    if len(pdfs) < len(held) or any(one["kind"] != "PDF/A-1" for one in pdfs):
        yield non_conforme(ATTACHMENTS, "chaque document en PDF/A-1", f"{_good(pdfs)} PDF/A-1 pour {len(held)} CDA")
    attached = {one["content"] for one in pdfs}
    if any(one["pdf_content"] is not None and one["pdf_content"] not in attached for one in held):
        yield non_conforme(ATTACHMENTS, "le PDF encapsulé dans le CDA de niveau 1", "autre PDF")


def _persons(documents: list[FactValues]) -> set[str]:
    stated = {one["entry"]["patient"]["ins"] for one in documents}
    in_headers = {cda["identity"]["ins"] for cda in cdas(documents)}
    return {one for one in stated | in_headers if one is not None}


def _good(pdfs: list[FactValues]) -> int:
    return sum(one["kind"] == "PDF/A-1" for one in pdfs)


def the_subject_names_the_document(facts: FactValues, entry: Mapping[str, Any]) -> Iterable[Finding]:
    """CHK-MSS-22."""
    if not facts["whole"]:
        return [non_observe(TOO_LARGE)]
    if not facts["archives"]:
        return [non_applicable("message sans archive IHE_XDM")]
    subject = facts["subject"]
    expected = "XDM/1.0/DDM+<libellé> <NOM> <prénom> [<date de naissance>]"
    if not subject["marker"] or not subject["form"]:
        return [non_conforme(SUBJECT, expected, subject["class"])]
    if subject["person"] is False:
        return [non_conforme(SUBJECT, f"{expected}, de la personne de l'archive", "autre nom ou autre prénom")]
    return judged([], SUBJECT, "forme attendue")


def x_mss_ins_agrees(facts: FactValues, entry: Mapping[str, Any]) -> Iterable[Finding]:
    """CHK-MSS-23."""
    if not facts["whole"]:
        return [non_observe(TOO_LARGE)]
    said, archive = facts["x_mss_ins"], facts["archive"]
    if archive is not None and not archive["readable"]:
        return [non_observe("archive illisible : rien à comparer")]
    held = [] if archive is None else cdas(archive["documents"])
    if not held and said is None:
        return [non_applicable("message sans archive IHE_XDM")]
    expected = None if not held else "O" if all(is_qualified(one["identity"]) for one in held) else "N"
    if said != expected:
        return [non_conforme(X_MSS_INS, expected or "absent sans archive", said or "absent")]
    return judged([], X_MSS_INS, str(said))


def nil_and_codecda_are_there(facts: FactValues, entry: Mapping[str, Any]) -> Iterable[Finding]:
    """CHK-MSS-24."""
    if not facts["whole"]:
        return [non_observe(TOO_LARGE)]
    return judged([*_nil_faults(facts["nil"]), *_codecda_faults(facts["codecda"])], "X-MSS-NIL ; X-MSS-CODECDA", "attendus")


def _nil_faults(nil: FactValues) -> Iterator[Finding]:
    if nil["count"] != 1 or not nil["form"]:
        found = "absent" if not nil["count"] else nil["class"] if nil["count"] == 1 else f"{nil['count']} fois"
        yield non_conforme(X_MSS_NIL, "la référence du produit, une fois", found)
    elif nil["declared"] is False:
        yield non_conforme(X_MSS_NIL, "la référence du produit déclaré", "autre référence")


def _codecda_faults(codecda: FactValues) -> Iterator[Finding]:
    if codecda["held"] and not codecda["agrees"]:
        expected = "le code de chaque CDA de l'archive"
        yield non_conforme(X_MSS_CODECDA, expected, f"{codecda['named']} code(s) pour {codecda['held']} CDA")
    elif codecda["present"] and not codecda["held"]:
        yield non_conforme(X_MSS_CODECDA, "absent sans CDA", f"{codecda['named']} code(s)")


CALL: dict[str, CallRule] = {
    "CHK-MSS-01": the_link_is_tls_1_2,
    "CHK-MSS-09": the_token_is_well_carried,
    "CHK-MSS-10": the_certificate_opens_the_mailbox,
    "CHK-MSS-13": the_message_has_an_id,
    "CHK-MSS-21": the_documents_are_in_one_archive,
    "CHK-MSS-22": the_subject_names_the_document,
    "CHK-MSS-23": x_mss_ins_agrees,
    "CHK-MSS-24": nil_and_codecda_are_there,
}
RUN: dict[str, RunRule] = {"CHK-MSS-13": the_id_is_unique}
