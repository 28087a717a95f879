"""Each check, on whole messages: the message as it should be conforms, one mutation does not."""
from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from connectors.nomenclatures.oids import INS_NIA
from connectors.wire import cda
from gateway.conformance.facts.mss import sasl_facts
from gateway.conformance.model import Call, Message
from gateway.conformance.rules import catalogue, rule_set
from gateway.conformance.running import Result, run_rules
from tests.connectors.dmp import samples
from tests.connectors.dmp.samples import Dui
from tests.gateway.conformance.world import (
    ACCEPTED,
    CARD,
    CIVIL,
    COLLEAGUE,
    ENTRY,
    HELD_INS,
    MATRICULE,
    OTHER,
    PERSON,
    RECEIVED,
    RPPS,
    STRANGER,
    Letter,
    Memory,
    authorize,
    bare,
    by_assertion,
    by_card,
    called,
    decision,
    directory,
    document_of,
    feed,
    feed_of,
    lot,
    plain,
    search,
    session,
    token,
    verification,
)

XOAUTH2 = "user={user}\x01auth=Bearer {token}\x01\x01"


@dataclass(frozen=True)
class Pair:
    """``whole`` conforms; ``broken`` does not, at ``place``, where ``found`` is said."""

    check: str
    whole: Callable[[Dui], Memory]
    broken: Callable[[Dui], Memory]
    place: str
    found: str
    name: str = field(default="")


def window(*calls: Call | Message, **known: Any) -> Memory:
    return Memory([one if isinstance(one, Call) else called(one, seq) for seq, one in enumerate(calls)], **known)


def swap(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    def change(body: bytes) -> bytes:
        assert old in body
        return body.replace(old, new)

    return change


def without(pattern: bytes) -> Callable[[bytes], bytes]:
    def change(body: bytes) -> bytes:
        changed, made = re.subn(pattern, b"", body, count=1, flags=re.DOTALL)
        assert made
        return changed

    return change


def auth(user: str = "infirmerie@ehpad.mssante.fr", bearer: str = "a.b.c", mechanism: str = "XOAUTH2") -> dict[str, Any]:
    return sasl_facts(mechanism, base64.b64encode(XOAUTH2.format(user=user, token=bearer).encode()))


def applicative(
    mechanism: str = "PLAIN", login: str = "dui@ehpad.mssante.fr", *, presented: bool = True, organisation: bool = True
) -> Call:
    """A session that a structure's certificate opens."""
    response = f"\0{login}\0secret" if mechanism == "PLAIN" else login
    certificate = {"presented": presented, "organisation": presented and organisation}
    return session(auth=sasl_facts(mechanism, base64.b64encode(response.encode()) or b"="), certificate=certificate)


def sendings(**counts: int) -> Mapping[str, Any]:
    row = {"finess_et": "0B0990008", "type_document": "", "statut_ins": ""}
    rows = [{**row, "canal": "mss_pro", "issue": issue, "nombre": number} for issue, number in counts.items()]
    return {"envois": rows}


def mailing(seq: int, outcome: str = "ok", **entry: Any) -> Call:
    return bare("MSS.SOUMISSION", seq, outcome=outcome, channel="mss_pro", **entry)


def exchanged(**more: Any) -> dict[str, Any]:
    return {"declared": {"echanges_ins": [RECEIVED | more]}}


def traced(*users: str) -> dict[str, Any]:
    return {"declared": {"appels_insi": [{"date": RECEIVED["date"], "utilisateur": one} for one in users]}}


DOUBTFUL = {"type": "attribut", "attribut": "DOUT"}
REFUTED = {"type": "verification", "valide": False}
PROVED = {"type": "piece", "piece": CARD, "traits": CIVIL}
ZEROS = swap(b">1969-05-22</DateNaissance>", b">1969-00-00</DateNaissance>")
NO_SEX = without(rb"<Sexe>[^<]*</Sexe>")
OTHER_FIRST = swap(b'qualifier="BR">ALICE<', b'qualifier="BR">MARIE<')

MAIL_HEADER = "/ClinicalDocument/recordTarget/patientRole"
PAIRS = [
    Pair("CHK-INS-01", lambda d: window(search()), lambda d: window(called(search(), outcome="refused")), "CodeCR", "CR00"),
    Pair("CHK-INS-02", lambda d: window(search()),
         lambda d: window(search(answer=without(rb"<DateNaissance>[^<]*</DateNaissance>"))), "INDIVIDU/TIQ", "date de naissance"),
    Pair("CHK-INS-02", lambda d: window(search()),
         lambda d: window(search(answer=swap(b">00</CodeCR>", b">03</CodeCR>"))), "CodeCR", "code inconnu", "unknown code"),
    Pair("CHK-INS-05", lambda d: window(plain(d, ins="N").sent()), lambda d: window(Letter(d, ins="N").sent()),
         "patientId", "OID d'INS"),
    Pair("CHK-INS-05", lambda d: window(plain(d, ins="N").sent()),
         lambda d: window(plain(d, ins="N").sent(f"{MATRICULE}@patient.mssante.fr")), "RCPT TO", "usager", "address"),
    Pair("CHK-INS-05", lambda d: window(plain(d, ins="N").sent()),
         lambda d: window(plain(d, ins="N", subject=f"Dossier {MATRICULE}").sent()), "Subject", "matricule", "subject"),
    Pair("CHK-INS-09", lambda d: window(search(), feed(d)),
         lambda d: window(search({**PERSON, "birth_date": "1969-05-23"}), feed(d)), "birthTime", "autre valeur"),
    Pair("CHK-INS-09", lambda d: window(search(), Letter(d).sent()),
         lambda d: window(search(), Letter(d, cda_edit=swap(b">EXEMPLE<", b">EXEMPLAIRE<")).sent()), "family", "autre", "mail"),
    Pair("CHK-INS-09", lambda d: window(search(), feed(d)),
         lambda d: window(search(), feed(d, edit=swap(b"PID-8|F", b"PID-8|M"))), "sourcePatientInfo", "autre valeur", "metadata"),
    Pair("CHK-INS-09", lambda d: window(search(), feed(d)),
         lambda d: window(search({**PERSON, "oid": INS_NIA}), feed(d)), "id/@root", "autre OID", "nature"),
    Pair("CHK-INS-01", lambda d: window(search(), by_card()), lambda d: window(search(), called(by_card(), 1, outcome="refused")),
         "CodeCR", "CR00", "card"),
    Pair("CHK-INS-03", lambda d: window(verification(), verification(holds=False)),
         lambda d: window(verification(answer=swap(b">OK<", b">PEUT-ETRE<"))), "REPUnitaire/Resultat", "illisible"),
    Pair("CHK-INS-03", lambda d: window(*lot((PERSON, True), (OTHER, False))),
         lambda d: window(*lot((PERSON, True), (OTHER, True), answer=without(rb"<([a-z0-9]+:)?Resultat [^>]*>OK</[^>]*>"))),
         "REPLot/Resultat", "1 résultat(s) pour 2", "lot"),
    Pair("CHK-INS-04", lambda d: window(search(), verification(holds=False), plain(d).sent()),
         lambda d: window(search(), verification(holds=False), feed(d)), "patientId", "vérification KO"),
    Pair("CHK-INS-04", lambda d: window(search(), verification(holds=False), plain(d, ins="N").sent()),
         lambda d: window(search(), verification(holds=False), plain(d).sent(f"{MATRICULE}@patient.mssante.fr")),
         "RCPT TO", "vérification KO", "address"),
    Pair("CHK-INS-04", lambda d: window(verification(holds=False), decision(REFUTED, ins=HELD_INS, piece=CARD), plain(d).sent()),
         lambda d: window(verification(holds=False), decision(PROVED, ins=HELD_INS), plain(d).sent()),
         "identite.ins", "vérification KO", "status"),
    Pair("CHK-INS-04", lambda d: window(*lot((OTHER, False), (PERSON, True)), feed(d)),
         lambda d: window(*lot((OTHER, True), (PERSON, False)), feed(d)), "patientId", "vérification KO", "lot"),
    Pair("CHK-INS-06", lambda d: window(decision(DOUBTFUL), search(OTHER)), lambda d: window(decision(DOUBTFUL), search()),
         "/Envelope/Body", "douteuse"),
    Pair("CHK-INS-06", lambda d: window(decision(DOUBTFUL, ins=HELD_INS), verification(OTHER)),
         lambda d: window(decision(DOUBTFUL, ins=HELD_INS), by_card()), "/Envelope/Body", "douteuse", "card"),
    Pair("CHK-INS-07", lambda d: window(search(answer=ZEROS), plain(d).sent()), lambda d: window(search(answer=ZEROS), feed(d)),
         "patientId", "date de naissance avec 00"),
    Pair("CHK-INS-07", lambda d: window(search(answer=ZEROS), plain(d).sent()),
         lambda d: window(search(answer=ZEROS), decision(ACCEPTED)), "identite.ins", "avec 00", "accepted"),
    Pair("CHK-INS-08", lambda d: window(search(answer=NO_SEX), plain(d).sent()),
         lambda d: window(search(answer=NO_SEX), Letter(d).sent()), "patientRole/id", "absent de la réponse d'INSi : sexe"),
    Pair("CHK-INS-10", lambda d: window(feed(d)), lambda d: window(feed_of(d, OTHER_FIRST(document_of(d)))),
         "given[@qualifier='BR']", "commence autrement"),
    Pair("CHK-INS-10", lambda d: window(Letter(d).sent()), lambda d: window(Letter(d, cda_edit=OTHER_FIRST).sent()),
         "given[@qualifier='BR']", "commence autrement", "mail"),
    Pair("CHK-INS-10", lambda d: window(verification()),
         lambda d: window(verification(edit=swap(b":Prenom>ALICE<", b":Prenom>MARIE<"))), "Prenom", "commence autrement",
         "verified"),
    Pair("CHK-INS-11", lambda d: window(verification(), feed(d), **exchanged()),
         lambda d: window(feed(d), verification(), **exchanged()), "patientId", "sans vérification"),
    Pair("CHK-INS-12", lambda d: window(verification(holds=False), plain(d).sent(), **exchanged()),
         lambda d: window(verification(holds=False), feed(d), **exchanged()), "patientId", "vérification KO"),
    Pair("CHK-INS-12", lambda d: window(verification(holds=False), plain(d).sent(), **exchanged()),
         lambda d: window(verification(holds=False), decision(PROVED, ins=HELD_INS), **exchanged()),
         "identite.ins", "vérification KO", "created"),
    Pair("CHK-INS-13", lambda d: window(search(), decision(ACCEPTED, piece=CARD), feed(d)),
         lambda d: window(search(), decision(ACCEPTED), feed(d)), "patientId", "RECUP"),
    Pair("CHK-INS-13", lambda d: window(verification(), decision(PROVED, ins=HELD_INS), Letter(d).sent(), **exchanged()),
         lambda d: window(decision(PROVED, ins=HELD_INS), Letter(d).sent(), **exchanged()),
         "patientRole/id", "sans échange INSi propre", "received"),
    Pair("CHK-INS-14", lambda d: window(by_assertion(f"8{RPPS}")), lambda d: window(by_assertion("")), "NameID", "absent"),
    Pair("CHK-INS-14", lambda d: window(by_assertion("3330784507/12", "PSC")), lambda d: window(by_assertion(" ", "PSC")),
         "NameID", "absent", "psc"),
    Pair("CHK-INS-14", lambda d: window(search(), **traced("educ.12")), lambda d: window(search(), **traced("")),
         "appels_insi 1", "absent", "trace"),
    Pair("CHK-INS-14", lambda d: window(search(), search(), **traced("educ.12", "educ.12")),
         lambda d: window(search(), search(), **traced("educ.12")), "appels_insi", "1 tracé", "untraced"),
    Pair("CHK-INS-14", lambda d: window(**exchanged()), lambda d: window(**exchanged(partenaire="")), "echanges_ins 1", "absent",
         "partner"),
    Pair("CHK-INS-15", lambda d: window(verification(), feed(d)),
         lambda d: window(verification(edit=swap(b":Cle>80<", b":Cle>81<"))), "INSFourni", "clé fausse"),
    Pair("CHK-INS-15", lambda d: window(*lot((PERSON, True))),
         lambda d: window(*lot(({**PERSON, "oid": "1.2.250.1.213.1.4.13"}, True))), "INSFourni", "autre OID", "lot"),
    Pair("CHK-INS-15", lambda d: window(called(verification(), environment="production")),
         lambda d: window(called(feed(d), environment="production")), "patientId", "test ou de démonstration", "production"),
    Pair("CHK-DMP-01", lambda d: window(feed(d), declared={"documents": [{"unique_id": f"{samples.ROOT}.3.1"}]}),
         lambda d: window(feed(d), declared={"documents": [{"unique_id": f"{samples.ROOT}.3.2"}]}), "document 1", "aucune"),
    Pair("CHK-DMP-02", lambda d: window(feed(d)),
         lambda d: window(feed(d, edit=swap(MATRICULE.encode(), b"269054958815781"))), "patientId", "clé"),
    Pair("CHK-DMP-03", lambda d: window(feed(d)), lambda d: window(feed(d, pdf=b"%PDF-1.7 simple")), "text", "PDF"),
    Pair("CHK-DMP-03", lambda d: window(feed(d)),
         lambda d: window(feed_of(d, document_of(d).replace(b'representation="B64"', b'representation="TXT"'))),
         "@representation", "non décodable", "representation"),
    Pair("CHK-DMP-04", lambda d: window(feed(d)),
         lambda d: window(feed_of(d, document_of(d).replace(MATRICULE.encode(), STRANGER.encode()))), "patientRole/id", "autre"),
    Pair("CHK-DMP-04", lambda d: window(feed(d)),
         lambda d: window(feed_of(d, without(rb"<birthTime[^>]*/>")(document_of(d)))), "patient", "date de naissance", "trait"),
    Pair("CHK-DMP-04", lambda d: window(feed(d)),
         lambda d: window(feed(d, edit=swap(f"<saml2:AttributeValue>{MATRICULE}".encode(),
                                                f"<saml2:AttributeValue>{STRANGER}".encode()))), "resource-id", "autre", "vihf"),
    Pair("CHK-DMP-15", lambda d: window(feed(d, 1), feed(d, 2)), lambda d: window(feed(d, 1), feed(d, 1)),
         "uniqueId", "déjà alimenté"),
    Pair("CHK-DMP-15", lambda d: window(feed(d, 1), feed(d, 2, version=2)),
         lambda d: window(feed(d, 1), feed(d, 2, set_id=f"{samples.ROOT}.4.1")), "setId", "déjà alimenté", "version"),
    Pair("CHK-MSS-01", lambda d: window(session()), lambda d: window(session(tls={"version": "TLSv1.1"})), "STARTTLS", "TLSv1.1"),
    Pair("CHK-MSS-01", lambda d: window(session()), lambda d: window(session(clear=True)), "STARTTLS", "en clair", "clear"),
    Pair("CHK-MSS-09", lambda d: window(session(auth=auth())), lambda d: window(session(auth=auth(mechanism="LOGIN"))),
         "AUTH", "autre mécanisme"),
    Pair("CHK-MSS-09", lambda d: window(session(auth=auth())), lambda d: window(session(auth=auth(user="infirmerie"))),
         "AUTH", "adresse de BAL", "mailbox"),
    Pair("CHK-MSS-09", lambda d: window(session(auth=auth())), lambda d: window(session(auth=auth(bearer="opaque"))),
         "AUTH", "JWT", "bearer"),
    Pair("CHK-MSS-10", lambda d: window(applicative()), lambda d: window(applicative(presented=False)), "certificat", "absent"),
    Pair("CHK-MSS-10", lambda d: window(applicative()), lambda d: window(applicative(organisation=False)),
         "certificat", "ne nomme pas", "no structure"),
    Pair("CHK-MSS-10", lambda d: window(applicative()), lambda d: window(applicative(login="infirmerie")),
         "AUTH", "autre identifiant", "login"),
    Pair("CHK-MSS-10", lambda d: window(applicative("EXTERNAL", "")), lambda d: window(applicative("EXTERNAL", "infirmerie")),
         "AUTH", "forme inattendue", "external"),
    Pair("CHK-MSS-13", lambda d: window(plain(d).sent()), lambda d: window(plain(d, message_id=None).sent()),
         "Message-ID", "absent"),
    Pair("CHK-MSS-13", lambda d: window(plain(d).sent()), lambda d: window(plain(d, message_id="<m1>").sent()),
         "Message-ID", "4 caractères", "form"),
    Pair("CHK-MSS-13", lambda d: window(plain(d).sent(), plain(d).sent()),
         lambda d: window(plain(d).sent(), plain(d, text="Autre.").sent()), "Message-ID", "autre message", "unique"),
    Pair("CHK-MSS-21", lambda d: window(Letter(d).sent()),
         lambda d: window(Letter(d, archives=0, others=(("projet.pdf", "application/pdf", samples.pdf()),)).sent()),
         "pièces jointes", "0 archive"),
    Pair("CHK-MSS-21", lambda d: window(Letter(d).sent()), lambda d: window(Letter(d, pdf=b"%PDF-1.7").sent()),
         "pièces jointes", "0 PDF/A-1", "pdf"),
    Pair("CHK-MSS-21", lambda d: window(Letter(d).sent()),
         lambda d: window(Letter(d, pdf=cda.pdf_a1("Autre", ["Texte."], at=samples.NOW)).sent()), "pièces jointes", "autre PDF",
         "other pdf"),
    Pair("CHK-MSS-21", lambda d: window(Letter(d).sent()),
         lambda d: window(Letter(d, cda_edit=swap(MATRICULE.encode(), STRANGER.encode())).sent()),
         "patientId", "2 personnes", "two"),
    Pair("CHK-MSS-21", lambda d: window(Letter(d).sent()),
         lambda d: window(Letter(d, metadata_edit=swap(b"DOC0001", b"DOC0009")).sent()), "URI", "introuvable", "uri"),
    Pair("CHK-MSS-21", lambda d: window(Letter(d).sent()), lambda d: window(Letter(d, archives=2).sent()),
         "pièces jointes", "2 archive", "two archives"),
    Pair("CHK-MSS-22", lambda d: window(Letter(d).sent()), lambda d: window(Letter(d, subject="PROJET EXEMPLE ALICE").sent()),
         "Subject", "20 caractères, majuscules"),
    Pair("CHK-MSS-22", lambda d: window(Letter(d).sent()),
         lambda d: window(Letter(d, subject="XDM/1.0/DDM+PROJET DUPONT ALICE").sent()), "Subject", "autre nom", "other name"),
    Pair("CHK-MSS-23", lambda d: window(Letter(d).sent()), lambda d: window(Letter(d, ins="N").sent()), "X-MSS-INS", "N"),
    Pair("CHK-MSS-23", lambda d: window(Letter(d).sent()), lambda d: window(plain(d, ins="O").sent()), "X-MSS-INS", "O", "alone"),
    Pair("CHK-MSS-23", lambda d: window(Letter(d, ins="N", cda_edit=without(rb"<birthTime[^>]*/>")).sent()),
         lambda d: window(Letter(d, cda_edit=without(rb"<birthTime[^>]*/>")).sent()), "X-MSS-INS", "O", "not qualified"),
    Pair("CHK-MSS-24", lambda d: window(Letter(d).sent()), lambda d: window(Letter(d, nil=None).sent()), "X-MSS-NIL", "absent"),
    Pair("CHK-MSS-24", lambda d: window(Letter(d).sent()), lambda d: window(Letter(d, nil="TEST0002").sent()),
         "X-MSS-NIL", "autre référence", "other"),
    Pair("CHK-MSS-24", lambda d: window(Letter(d).sent()), lambda d: window(Letter(d, codecda="34112-3").sent()),
         "X-MSS-CODECDA", "1 code(s) pour 1 CDA", "codecda"),
    Pair("CHK-MSS-24", lambda d: window(plain(d).sent()), lambda d: window(plain(d, codecda="34112-3").sent()),
         "X-MSS-CODECDA", "1 code(s)", "codecda alone"),
    Pair("CHK-PSC-01", lambda d: window(authorize()), lambda d: window(authorize(response_type="token")),
         "response_type", "token"),
    Pair("CHK-PSC-01", lambda d: window(token()), lambda d: window(token(grant_type="password")),
         "grant_type", "password", "grant"),
    Pair("CHK-PSC-02", lambda d: window(authorize()), lambda d: window(authorize(acr_values="eidas2")), "acr_values", "eidas2"),
    Pair("CHK-PSC-02", lambda d: window(authorize()), lambda d: window(authorize(acr_values="")),
         "acr_values", "absent", "absent"),
    Pair("CHK-ANN-03", lambda d: window(directory(COLLEAGUE), plain(d).sent()),
         lambda d: window(directory("autre@ch-test.mssante.fr"), plain(d).sent()), "RCPT TO", "jamais rendue"),
    Pair("CHK-JRN-01", lambda d: window(mailing(0)), lambda d: window(mailing(0, professional_ref=None)), "journal", "auteur"),
    Pair("CHK-JRN-01", lambda d: window(mailing(0, "refused")),
         lambda d: window(mailing(0, "refused", bodies=[{"role": "request"}])), "journal", "contenu", "content"),
    Pair("CHK-JRN-02", lambda d: window(bare("DMP.TD0.2")), lambda d: window(bare("DMP.TD0.2", finess_et=None)),
         "authorInstitution", "structure"),
    Pair("CHK-JRN-03",
         lambda d: window(declared={"comptes": [{"date": "2026-11-02", "auteur": "x", "nature": "creation", "resultat": "ok"}]}),
         lambda d: window(declared={"comptes": [{"date": "2026-11-02", "auteur": "", "nature": "creation", "resultat": "ok"}]}),
         "compte 1", "auteur"),
    Pair("CHK-JRN-04", lambda d: window(mailing(0), mailing(1, "refused"), declared=sendings(succes=1, echec=1)),
         lambda d: window(mailing(0), mailing(1, "refused"), declared=sendings(succes=2)), "succes", "2 à l'extraction"),
    Pair("CHK-JRN-05", lambda d: window(mailing(0), mailing(1, "failed"), declared=sendings(succes=1, echec=1)),
         lambda d: window(mailing(0), mailing(1, "failed"), declared=sendings(succes=2, echec=0)), "mss_pro", "0 échec"),
    Pair("CHK-JRN-05", lambda d: window(mailing(0), mailing(1, "failed"), declared=sendings(succes=1, echec=1)),
         lambda d: window(mailing(0), mailing(1, "failed"), declared=sendings(succes=2, echec=1)), "mss_pro", "1 échec", "twice"),
    Pair("CHK-JRN-06", lambda d: window(bare(None, 0), bare(None, 1)), lambda d: Memory([bare(None, 0), bare(None, 2)]),
         "seq", "saut"),
    Pair("CHK-JRN-06", lambda d: window(bare(None, 0), proof=[]), lambda d: window(bare(None, 0), proof=["autre racine"]),
         "preuve", "autre racine", "rewritten"),
    Pair("CHK-JRN-07", lambda d: window(mailing(0)), lambda d: window(mailing(0, finess_et="130784507")), "finess_et", "autre"),
    Pair("CHK-JRN-07", lambda d: window(mailing(0)), lambda d: window(mailing(0), mailing(1, finess_et=None)),
         "attribution", "1 sur 2", "unattributed"),
    Pair("CHK-JRN-07", lambda d: window(*map(mailing, range(100)), mailing(100, finess_et=None)),
         lambda d: window(*map(mailing, range(99)), mailing(99, finess_et=None)), "attribution", "1 sur 100", "one percent"),
    Pair("CHK-JRN-08", lambda d: window(), lambda d: window(gaps=2), "usage_units", "2 écart"),
    Pair("CHK-JRN-09", lambda d: window(search()),
         lambda d: window(search({**PERSON, "matricule": STRANGER})), "identités", "inconnue"),
    Pair("CHK-JRN-09", lambda d: window(Letter(d).sent()),
         lambda d: window(Letter(d).sent(COLLEAGUE, f"{STRANGER}@patient.mssante.fr")), "identités", "inconnue", "one of two"),
]  # fmt: skip


def judged(check: str, memory: Memory) -> Result:
    [found] = run_rules(memory, replace(rule_set("tout"), rules=(catalogue()[check],)))
    return found


def deviations(found: Result) -> list[tuple[str, str]]:
    return [(one.place, one.found) for one in found.findings if one.state == "non_conforme"]


@pytest.mark.parametrize("pair", PAIRS, ids=[f"{one.check}-{one.name}" for one in PAIRS])
def test_the_whole_message_passes_and_one_mutation_fails(pair: Pair, dui: Dui) -> None:
    whole = judged(pair.check, pair.whole(dui))
    assert (whole.state, deviations(whole)) == ("conforme", [])
    broken = judged(pair.check, pair.broken(dui))
    assert broken.state == "non_conforme"
    assert any(pair.place in place and pair.found in found for place, found in deviations(broken)), deviations(broken)


def test_every_check_has_a_pair() -> None:
    assert {pair.check for pair in PAIRS} == set(catalogue())


def test_no_finding_says_a_value(dui: Dui) -> None:
    """Names, dates, matricules, addresses and ids never reach a finding."""
    said = repr([judged(pair.check, pair.broken(dui)).findings for pair in PAIRS])
    for secret in ("EXEMPLE", "ALICE", "1969", MATRICULE, STRANGER, COLLEAGUE, "m1@", "TEST0002", "DUPONT", "22/05"):
        assert secret not in said, secret


def test_the_entry_of_the_world_has_the_fields_that_rules_read() -> None:
    assert {"professional_ref", "finess_et", "bodies", "service_code", "event_time"} <= ENTRY.keys()
