"""What our own doors answer and journal, on a real gateway in front of real mocks."""
from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from connectors.nomenclatures.mssante import usager_address
from connectors.wire import tls
from connectors.wire.http import Client
from gateway.access.callers import Access
from gateway.doors.own.examples import REQUESTS
from gateway.strangers import ALONE
from tests.gateway.doors.own.bench import STRUCTURES, Bench, said

SEARCH, FEED, LETTER = REQUESTS["/ins/recherche"], REQUESTS["/dmp/documents"], REQUESTS["/mss/messages"]
FINESS_ET, FINESS_EJ = STRUCTURES[0]["finess_et"], STRUCTURES[0]["finess_ej"]


def changed(body: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A copy with other members; ``patient__oid`` changes one inside another."""
    copy = {name: dict(value) if isinstance(value, dict) else value for name, value in body.items()}
    for name, value in changes.items():
        outer, _, inner = name.partition("__")
        if inner:
            copy[outer][inner] = value
        else:
            copy[outer] = value
    return copy


# --- who may call --------------------------------------------------------------------------------------------------------


async def test_without_a_good_key_nothing_is_forwarded_and_the_entry_says_so(bench: Bench) -> None:
    for path, key in product(REQUESTS, ("", "une-cle-devinee")):
        answer = await bench.post(path, REQUESTS[path], key=key, once="k1")
        assert (answer.status, answer.header("content-type")) == (401, "application/problem+json")
        assert answer.header("www-authenticate") == 'Bearer realm="socle"'
        assert said(answer)["type"] == "docs/errors.md#probleme-cle-acces"
    entries = bench.entries()
    assert len(entries) == 2 * len(REQUESTS) and {entry["operation"] for entry in entries} == {
        "INS.RECHERCHE_TRAITS", "INS.DECISION", "INS.VERIFICATION", "INS.LOT_DEPOT", "INS.LOT_RETRAIT", "DMP.TD2.1",
        "MSS.SOUMISSION",
    }  # fmt: skip
    for entry in entries:
        assert (entry["outcome"], entry["flags"], entry["tenant"]) == ("unauthorised", ["V-CLE-PORTE"], "inconnu")
    assert bench.world.trace.counts()["received"] == {}


async def test_a_key_acts_for_its_own_structures_only(bench: Bench) -> None:
    for path in REQUESTS:
        answer = await bench.post(path, REQUESTS[path], key=bench.key("autre-editeur"), once="k1")
        assert (answer.status, said(answer)["type"]) == (403, "docs/errors.md#probleme-structure")
        entry = bench.entries()[-1]
        assert (entry["outcome"], entry["flags"], entry["tenant"]) == ("unauthorised", ["V-STRUCTURE"], "autre-editeur")
    assert bench.world.trace.counts()["received"] == {}


async def test_a_mailbox_of_another_structure_cannot_send(bench: Bench) -> None:
    other = bench.world.manifest["structures"][1]["mailboxes"][0]["address"]
    answer = await bench.post("/mss/messages", changed(LETTER, bal=other), once="k1")
    assert (answer.status, said(answer)["type"]) == (403, "docs/errors.md#probleme-structure")
    assert bench.received("MSS.SESSION_SMTP") == 0


@pytest.mark.parametrize("path", ["/ins/recherche", "/ins/verification", "/ins/verification/lots", "/dmp/documents"])
async def test_a_structure_without_a_deposited_identity_is_refused(
    bench: Bench, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as withdrawn:  # looked up at each call: deposits change while the gateway runs
        withdrawn.setattr(Access, "tls_identity", lambda *_: None)
        answer = await bench.post(path, REQUESTS[path], once="k1")
    assert (answer.status, said(answer)["type"]) == (403, "docs/errors.md#probleme-identite")
    [entry] = bench.entries()
    assert (entry["outcome"], entry["flags"], entry["exchanges"]) == ("unauthorised", ["V-IDENTITE"], [])
    assert (await bench.post(path, REQUESTS[path], once="k1")).status in (200, 201)


@pytest.mark.parametrize(
    ("path", "method", "status", "operation", "flag"),
    [
        ("/ins/inconnue", "POST", 404, "INS.INCONNUE", "V-CHEMIN"),
        ("/dmp/documents", "GET", 405, "DMP.INCONNUE", "V-OPERATION"),
        ("/mss/messages", "PUT", 405, "MSS.INCONNUE", "V-OPERATION"),
    ],
)
async def test_what_is_not_a_door_is_journaled_as_unknown(
    bench: Bench, path: str, method: str, status: int, operation: str, flag: str
) -> None:
    answer = await bench.post(path, {}, method=method)
    [entry] = bench.entries()
    assert (answer.status, entry["operation"], entry["outcome"], entry["flags"]) == (status, operation, "invalid", [flag])


_WRONG_BODIES: list[tuple[Any, int, list[dict[str, str]] | None]] = [
    (b"{", 400, None),
    (b"[]", 400, None),
    ({**SEARCH, "nom": "ADRUN"}, 422, [{"champ": "nom", "raison": "inconnu"}]),
    ({**SEARCH, "date_naissance": "31/12/1975"}, 422, [{"champ": "date_naissance", "raison": "date illisible"}]),
    ({**SEARCH, "nom_naissance": "4DRUN"}, 422, [
        {"champ": "nom_naissance", "raison": "caractère ou ponctuation refusés par INSi"}]),
    ({"finess_et": FINESS_ET}, 422, [
        {"champ": name, "raison": "absent"} for name in ("nom_naissance", "prenoms", "sexe", "date_naissance")]),
]  # fmt: skip


async def test_a_body_that_cannot_be_used_names_its_fields_and_no_value(bench: Bench) -> None:
    for body, status, fields in _WRONG_BODIES:
        answer = await bench.post("/ins/recherche", body)
        assert (answer.status, said(answer).get("champs")) == (status, fields)
        entry = bench.entries()[-1]
        assert (entry["outcome"], entry["flags"]) == ("invalid", ["V-JSON" if status == 400 else "V-CHAMPS"])
        assert b"ADRUN" not in answer.body and b"4DRUN" not in answer.body
    assert len(bench.entries()) == len(_WRONG_BODIES)


async def test_the_same_doors_are_on_https_beside_the_annuaire(bench: Bench) -> None:
    context = tls.client_context(bench.world.path(bench.world.pki["ca"]))
    headers = [(b"authorization", f"Bearer {bench.key()}".encode())]
    async with Client(context) as client:
        answer = await client.send("POST", bench.urls["annuaire"] + "/ins/recherche", headers=headers, body=b"{}")
        fhir = await client.send("GET", bench.urls["annuaire"] + "/fhir/v2/Practitioner")
    assert (answer.status, fhir.header("content-type")) == (422, "application/fhir+json;charset=UTF-8")
    assert [entry["operation"] for entry in bench.entries()] == ["INS.RECHERCHE_TRAITS", "ANN.RECHERCHE"]


# --- INSi ------------------------------------------------------------------------------------------------------------------


async def test_a_search_of_several_attempts_is_one_entry(bench: Bench) -> None:
    """CR 01 with the first name alone, CR 00 with the second: two requests, one call."""
    body = changed(SEARCH, nom_naissance="Tchitchi", prenoms=["Ola", "Catarina"], date_naissance="1936-06-21")
    told = said(await bench.post("/ins/recherche", body))
    assert (told["statut"], [one["code"] for one in told["tentatives"]]) == ("found", ["CR01", "CR00"])
    assert told["ins"] == {"matricule": "2360663220836", "cle": "56", "oid": "1.2.250.1.213.1.4.8"}
    assert {"champ": "prenoms", "envoye": ["OLA", "CATARINA"], "recu": ["CATARINA", "BELLA"]} in told["differences"]

    [entry] = bench.entries()
    assert (entry["operation"], entry["outcome"], entry["service_code"]) == ("INS.RECHERCHE_TRAITS", "ok", "CR00")
    assert [one["code"] for one in entry["exchanges"]] == ["CR01", "CR00"]
    assert (entry["finess_et"], entry["finess_ej"], entry["attribution"]) == (FINESS_ET, FINESS_EJ, "appel")
    assert (entry["tenant"], entry["dui"]["product"], entry["dui"]["nil"]) == ("dui-exemple", "DUI dui-exemple", "SOCLE0001")
    assert entry["person_ref"] and "TCHITCHI" not in str(entry) and "2360663220836" not in str(entry)
    assert bench.received("INS.RECHERCHE_TRAITS") == 2
    bench.reconciles()


@pytest.mark.parametrize(
    ("changes", "status", "attempts"),
    [
        ({"nom_naissance": "INCONNU", "prenoms": ["SOLDAT"]}, "not_found", ["CR01"]),
        ({"nom_naissance": "DE VINCI", "prenoms": ["LEONARDO"], "sexe": "M", "date_naissance": "2014-02-01",
          "lieu_naissance": None}, "multiple", ["CR02"]),
    ],
)  # fmt: skip
async def test_no_ins_is_an_answer_without_identity(bench: Bench, changes: Any, status: str, attempts: list[str]) -> None:
    answer = await bench.post("/ins/recherche", changed(SEARCH, **changes))
    told = said(answer)
    assert (answer.status, told["statut"], [one["code"] for one in told["tentatives"]]) == (200, status, attempts)
    assert "ins" not in told
    assert [(entry["outcome"], entry["person_ref"]) for entry in bench.entries()] == [("refused", None)]


@pytest.mark.parametrize(
    ("fault", "status", "slug", "outcome", "flag"),
    [
        ("insi_19", 422, "trait", "invalid", "V-TRAITS"),
        ("desir_550", 502, "service-interdit", "unauthorised", "V-AUTORISATION"),
        ("insi_102", 503, "indisponible", "failed", "N-INDISPONIBLE"),
    ],
)
async def test_a_fault_of_insi_is_mapped_with_its_code(
    bench: Bench, fault: str, status: int, slug: str, outcome: str, flag: str
) -> None:
    bench.arm("INS.RECHERCHE_TRAITS", "soap", value=fault)
    answer = await bench.post("/ins/recherche", SEARCH)
    told = said(answer)
    assert (answer.status, told["type"], told["code_service"]) == (status, f"docs/errors.md#probleme-{slug}", fault)
    assert told.get("champs") == ([{"champ": "nom_naissance", "raison": "refusé par INSi"}] if slug == "trait" else None)
    [entry] = bench.entries()
    assert (entry["outcome"], entry["service_code"], entry["fault"]) == (outcome, fault, "panne-1")
    assert entry["flags"] == [flag, "F-INJECTION"]
    assert told["instance"] == f"urn:uuid:{entry['id']}"


async def test_a_slow_insi_is_a_504_in_our_words(bench: Bench) -> None:
    bench.arm("INS.RECHERCHE_TRAITS", "timeout", delay_s=3)
    answer = await bench.post("/ins/recherche", SEARCH)
    assert (answer.status, answer.header("x-socle-fault")) == (504, "G-DELAI")
    assert said(answer)["type"] == "docs/errors.md#probleme-delai"
    [entry] = bench.entries()
    assert (entry["outcome"], entry["flags"], len(entry["exchanges"])) == ("failed", ["G-DELAI"], 1)
    bench.reconciles()


# --- DMP -------------------------------------------------------------------------------------------------------------------


async def test_a_document_is_fed_attributed_and_counted_as_the_native_door_does(bench: Bench) -> None:
    answer = await bench.post("/dmp/documents", FEED, once="k1")
    told = said(answer)
    assert (answer.status, told["statut"], told["code_service"]) == (201, "accepte", "Success")
    [entry] = bench.entries()
    assert (entry["operation"], entry["outcome"], entry["document_type"]) == ("DMP.TD2.1", "ok", "80788-3")
    assert (entry["finess_et"], entry["finess_ej"], entry["attribution"]) == (FINESS_ET, FINESS_EJ, "metadonnee")
    assert (entry["ins_status"], entry["dui"]["version"], entry["flags"]) == ("qualifiee", "1.0.0", [])
    assert bench.units() == [("IND-DMP-01", FINESS_ET)]
    assert (bench.received("DMP.TD2.1"), bench.held("DMP.TD2.1")) == (1, 1)
    assert FEED["patient"]["matricule"] not in str(entry)


@pytest.mark.parametrize(("code", "label", "speciality", "system"), [
    ("21", "Pharmacien", "H", "1.2.250.1.71.4.2.6"), ("10", "Médecin", "SM26", "1.2.250.1.71.4.2.5"),
])  # fmt: skip
async def test_a_speciality_goes_in_the_vihf_and_in_the_author_s_concept(
    bench: Bench, code: str, label: str, speciality: str, system: str
) -> None:
    profession = {"code": code, "oid": "1.2.250.1.71.1.2.7", "libelle": label}
    role = {"code": speciality, "oid": system, "libelle": "Spécialité"}
    answer = await bench.post("/dmp/documents", changed(FEED, auteur__profession=profession, auteur__role=role), once="k1")
    assert answer.status == 201, said(answer)  # without the second role, the DMP has « Aucune spécialité dans le vihf »
    [document] = (bench.world.state_folder("dmp") / "documents").iterdir()
    assert f'code="G15_{code}/{speciality}"' in document.read_text()  # JDV_J01


async def test_the_test_oid_is_written_outside_production_only(bench: Bench) -> None:
    told = said(await bench.post("/dmp/documents", FEED, once="k1"))
    assert told["ins"] == {"oid_recu": "1.2.250.1.213.1.4.8", "oid_transmis": "1.2.250.1.213.1.4.10"}
    assert bench.gateway is not None
    bench.gateway.road.environment = "production"
    refused = await bench.post("/dmp/documents", FEED, once="k2")  # untouched, and this DMP wants the test one
    assert (refused.status, said(refused)["type"]) == (422, "docs/errors.md#probleme-refus")
    test_oid = changed(FEED, patient__oid="1.2.250.1.213.1.4.10")
    assert said(await bench.post("/dmp/documents", test_oid, once="k3"))["champs"] == [
        {"champ": "patient.oid", "raison": "identité d'essai"}
    ]
    assert bench.held("DMP.TD2.1") == 1


@pytest.mark.parametrize(
    ("kind", "value", "status", "slug", "outcome"),
    [
        ("soap", "XDSRepositoryBusy", 503, "indisponible", "failed"),
        ("soap", "XDSRegistryMetadataError", 422, "refus", "refused"),
        ("soap", "DMPAccessDeniedByRightsService", 502, "service-interdit", "unauthorised"),
        ("status", "503", 504, "perdue", "in_doubt"),
    ],
)
async def test_what_the_dmp_refuses_keeps_its_code(
    bench: Bench, kind: str, value: str, status: int, slug: str, outcome: str
) -> None:
    bench.arm("DMP.TD2.1", kind, value=value)
    answer = await bench.post("/dmp/documents", FEED, once="k1")
    assert (answer.status, said(answer)["type"]) == (status, f"docs/errors.md#probleme-{slug}")
    assert said(answer).get("code_service") == (value if kind == "soap" else f"HTTP {value}")
    [entry] = bench.entries()
    assert (entry["outcome"], bench.units()) == (outcome, [])
    assert "E-RESEAU" not in entry["flags"]  # the service did answer
    assert outcome != "in_doubt" or "même clé" in said(answer)["detail"]


_CANNOT_BE_FED: list[tuple[dict[str, Any], str]] = [
    ({"patient__matricule": "275126322074975"}, "patient"),
    ({"document__type": "00000-0"}, "document.type"),
    ({"document__pdf_base64": "JVBERi0="}, "document"),
    ({"document__titre": "Projet\x00"}, "document.titre"),
    ({"document__texte": ["un\x0bdeux"]}, "document.texte.0"),
    ({"auteur__nom": "DUPONT^^^&1.2.3&ISO"}, "auteur.nom"),
    ({"patient__nom_naissance": "ADRUN\nZOE"}, "patient.nom_naissance"),
    ({"document__texte": None, "document__pdf_base64": "AAAA"}, "document"),
]


async def test_a_document_that_cannot_be_fed_is_not_forwarded(bench: Bench) -> None:
    for changes, field in _CANNOT_BE_FED:
        answer = await bench.post("/dmp/documents", changed(FEED, **changes), once="k1")
        assert (answer.status, [one["champ"] for one in said(answer)["champs"]]) == (422, [field]), changes
    assert bench.received("DMP.TD2.1") == 0


# --- MSSanté ---------------------------------------------------------------------------------------------------------------


async def test_a_message_is_one_submission_and_one_session(bench: Bench) -> None:
    colleague = next(
        row["mailbox"] for row in bench.world.population.professionals() if row["structure"] == STRUCTURES[1]["finess_et"]
    )
    body = changed(LETTER, destinataires=[*LETTER["destinataires"], colleague, colleague.upper()], texte=".\n..deux\nfin")
    answer = await bench.post("/mss/messages", body, once="k1")
    told = said(answer)
    assert (answer.status, told["statut"]) == (201, "accepte")
    assert [one["accepte"] for one in told["destinataires"]] == [True, True]  # twice the same is one delivery
    sent, session = bench.entries()
    assert (sent["operation"], sent["outcome"], sent["channel"]) == ("MSS.SOUMISSION", "ok", "mss_pro")
    assert (sent["recipients"], sent["attribution"]) == ({"pro": 1, "citoyen": 1, "interne": 0, "refused": 0}, "bal")
    assert (sent["dui"]["nil"], sent["flags"]) == ("SOCLE0001", [])
    assert (session["operation"], session["outcome"], session["tenant"]) == ("MSS.SESSION_SMTP", "ok", "dui-exemple")
    assert bench.units() == [("IND-MSS-01", FINESS_ET)] and bench.held("MSS.SOUMISSION") == 1
    assert "patient.mssante.fr" not in str(sent) and b"patient.mssante.fr" not in answer.body
    bench.reconciles()


async def test_a_receipt_is_asked_of_the_operator(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from gateway.doors.mail.upstream import Upstream

    lines: list[bytes] = []
    command = Upstream.command

    async def noting(self: Upstream, line: bytes) -> Any:
        lines.append(line)
        return await command(self, line)

    monkeypatch.setattr(Upstream, "command", noting)
    told = said(await bench.post("/mss/messages", LETTER, once="k1"))
    envid = told["message_id"].strip("<>").partition("@")[0]
    assert any(line.startswith(b"MAIL FROM:") and line.endswith(f"RET=HDRS ENVID={envid}".encode()) for line in lines)
    assert any(line.startswith(b"RCPT TO:") and b"NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;" in line for line in lines)


@pytest.mark.parametrize("token", [None, "jeton-perime"])
async def test_without_a_good_psc_token_no_message_reaches_the_operator(bench: Bench, token: str | None) -> None:
    answer = await bench.post("/mss/messages", LETTER, once="k1", token=token)
    assert (answer.status, said(answer)["type"]) == (401, "docs/errors.md#probleme-jeton-psc")
    sent = bench.entries("MSS.SOUMISSION")
    assert [(entry["outcome"], entry["flags"], entry["exchanges"]) for entry in sent] == [("unauthorised", ["V-JETON"], [])]
    assert [entry["outcome"] for entry in bench.entries("MSS.SESSION_SMTP")] == ([] if token is None else ["unauthorised"])
    bench.reconciles()
    assert (await bench.post("/mss/messages", LETTER, once="k1")).status == 201  # the key was given back: nothing had left


async def test_a_refused_recipient_is_told_by_its_rank(bench: Bench) -> None:
    nobody = "personne.inconnue@" + LETTER["bal"].partition("@")[2]
    refused = await bench.post("/mss/messages", changed(LETTER, destinataires=[nobody]), once="k1")
    told = said(refused)
    assert (refused.status, told["type"], told["code_service"]) == (422, "docs/errors.md#probleme-refus", "550 5.1.1")
    assert told["destinataires"] == [{"rang": 1, "accepte": False, "code": "550 5.1.1"}]
    both = said(await bench.post("/mss/messages", changed(LETTER, destinataires=[nobody, *LETTER["destinataires"]]), once="k2"))
    assert [one["accepte"] for one in both["destinataires"]] == [False, True]
    assert [entry["outcome"] for entry in bench.entries("MSS.SOUMISSION")] == ["refused", "ok"]
    assert len(bench.units()) == 1
    bench.reconciles()


async def test_a_header_takes_one_line(bench: Bench) -> None:
    for field, end in product(("objet", "libelle"), "\n\r\x0b\x85\u2028"):
        answer = await bench.post("/mss/messages", changed(LETTER, **{field: f"un{end}Bcc: autre@ailleurs.example"}), once="k1")
        assert (answer.status, said(answer)["champs"][0]["champ"]) == (422, field)
    assert bench.received("MSS.SESSION_SMTP") == 0


async def test_an_operator_that_cannot_be_reached_leaves_the_key_free(bench: Bench) -> None:
    assert bench.gateway is not None
    reachable, bench.gateway.smtp.upstream = bench.gateway.smtp.upstream, ("127.0.0.1", 1)
    assert (await bench.post("/mss/messages", LETTER, once="k1")).status == 502
    bench.gateway.smtp.upstream = reachable
    assert (await bench.post("/mss/messages", LETTER, once="k1")).status == 201
    bench.reconciles()


def test_the_example_writes_to_the_person_of_the_example() -> None:
    assert LETTER["destinataires"] == [usager_address(FEED["patient"]["matricule"])]


async def test_a_flood_without_a_key_is_one_gap_entry_and_names_no_entry(bench: Bench) -> None:
    for number in range(ALONE + 3):
        answer = await bench.post("/ins/recherche", SEARCH, key="cle-inconnue")
        content = said(answer)
        assert (answer.status, content["indicateurs"]) == (401, ["V-CLE-PORTE"])
        named = (answer.header("x-socle-entree") is not None, "instance" in content)
        assert named == (number < ALONE, number < ALONE), number
    assert (await bench.post("/ins/recherche", SEARCH)).status == 200  # the twin, in the middle of the flood
    assert bench.gateway is not None
    await bench.gateway.gaps.flush()
    calls, gaps = [[one for one in bench.entries() if one["kind"] == kind] for kind in ("call", "gap")]
    assert [one["outcome"] for one in calls] == ["unauthorised"] * ALONE + ["ok"]
    told = [(one["detail"]["listener"], one["detail"]["why"], one["detail"]["count"]) for one in gaps]
    assert [one for one in told if one[1] == "V-CLE-PORTE"] == [("console", "V-CLE-PORTE", 3)]  # others: looks at a port
