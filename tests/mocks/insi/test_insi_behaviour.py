"""One test per claim of mocks/insi/ledger.toml that needs no socket."""
from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from mocks.insi import behaviour, wire
from mocks.insi.callers import ByCertificate
from mocks.insi.operations import BY_TRAITS
from mocks.insi.state import Register
from tests.mocks.insi.conftest import strict_contexts

R = "{http://www.cnamts.fr/INSiResultat}"
S = "{http://www.w3.org/2003/05/soap-envelope}"
ERREUR = "{urn:siram}Erreur"

Make = Callable[..., bytes]
RegisterWith = Callable[..., Register]


def ask(request: bytes, register: Register, cn: str | None = "INSI-AUTO", action: str | None = None) -> behaviour.Reply:
    return behaviour.answer(wire.read(request, action), ByCertificate(cn), register)


def field(reply: behaviour.Reply, path: str) -> str | None:
    return etree.fromstring(reply.body).findtext(".//" + "/".join(f"{R}{step}" for step in path.split("/")))


def erreur(reply: behaviour.Reply) -> etree._Element:
    found = etree.fromstring(reply.body).find(f".//{ERREUR}")
    assert found is not None
    return found


def value(reply: behaviour.Reply, path: str) -> str | None:
    return etree.fromstring(reply.body).findtext(".//" + "/".join(f"{S}{step}" for step in path.split("/")))


def test_one_person_gives_the_active_ins_and_the_reference_traits(make: Make, register: Register) -> None:
    reply = ask(make(NomNaissance="PROVISOIRE", Prenom="MATRICULE"), register)

    assert (reply.status, reply.code, field(reply, "CR/CodeCR"), field(reply, "CR/LibelleCR")) == (200, "CR00", "00", "OK")
    assert field(reply, "INSACTIF/IdIndividu/NumIdentifiant") == "1090763220888"
    assert field(reply, "INSACTIF/IdIndividu/Cle") == "35"
    assert field(reply, "INSACTIF/OID") == "1.2.250.1.213.1.4.9"  # a NIA, known by its OID alone
    assert [etree.QName(child).localname for child in etree.fromstring(reply.body).find(f".//{R}TIQ")] == [
        "NomNaissance", "ListePrenom", "Sexe", "DateNaissance", "LieuNaissance",
    ]  # fmt: skip


def test_traits_hold_the_list_of_first_names_and_no_first_name(make: Make, register: Register) -> None:
    reply = ask(make(), register)

    assert field(reply, "TIQ/ListePrenom") == "PIERRE-ALAIN MURIEL FLORIANT"
    assert field(reply, "TIQ/Prenom") is None


def test_former_ins_come_with_their_odd_dates(make: Make, register: Register) -> None:
    reply = ask(make(), register)

    assert field(reply, "INSACTIF/IdIndividu/NumIdentifiant") == "1090763220834"
    assert field(reply, "INSHISTO/IdIndividu/NumIdentifiant") == "2090763220834"
    assert (field(reply, "INSHISTO/DateDeb"), field(reply, "INSHISTO/DateFin")) == ("2019-03-01", "2019-02-28")


def test_nobody_gets_no_individu(make: Make, register: Register) -> None:
    reply = ask(make(NomNaissance="INCONNU"), register)

    assert (reply.status, reply.code, field(reply, "CR/CodeCR")) == (200, "CR01", "01")
    assert field(reply, "CR/LibelleCR") == "Aucune identite trouvee"
    assert field(reply, "INDIVIDU") is None


def test_several_people_get_no_matricule(make: Make, register: Register) -> None:
    several = make(NomNaissance="DE VINCI", Prenom="LEONARDO", DateNaissance="2014-02-01")
    one = make(NomNaissance="DE VINCI", Prenom="LEONARDO", DateNaissance="2014-02-01", LieuNaissance="63220")

    reply = ask(several, register)

    assert (reply.status, reply.code, field(reply, "CR/LibelleCR")) == (200, "CR02", "Plusieurs identites trouvees")
    assert b"NumIdentifiant" not in reply.body
    assert ask(one, register).code == "CR00"


def test_more_first_names_tell_people_apart_too(make: Make, register: Register) -> None:
    both = make(NomNaissance="DE VINCI", Prenom="LEONARDO ANTONIO", DateNaissance="2014-02-01")
    assert field(ask(both, register), "TIQ/LieuNaissance") == "63113"


def test_a_person_unknown_to_the_service_is_nobody(make: Make, register: Register) -> None:
    assert ask(make(NomNaissance="HOUILLES", Prenom="PIERRE"), register).code == "CR01"


@pytest.mark.parametrize(
    ("first_name", "code"),
    [("CATARINA", "CR00"), ("CATARINA BELLA", "CR00"), ("OLA", "CR01"), ("BELLA", "CR01"), ("CATARINA BELLA OLA", "CR01")],
)
def test_first_names_are_a_prefix_of_the_list(make: Make, register: Register, first_name: str, code: str) -> None:
    request = make(NomNaissance="TCHITCHI", Prenom=first_name, Sexe="F", DateNaissance="1936-06-21")
    assert ask(request, register).code == code


def test_any_first_name_matches_under_the_switch(make: Make, register: Register, register_with: RegisterWith) -> None:
    request = make(NomNaissance="TCHITCHI", Prenom="BELLA", Sexe="F", DateNaissance="1936-06-21")

    assert ask(request, register).code == "CR01"
    assert ask(request, register_with(any_token=True)).code == "CR00"


@pytest.mark.parametrize(
    "change",
    [
        {"NomNaissance": "LE GALL"}, {"NomNaissance": "le-gall"}, {"Prenom": "Anne"}, {"Sexe": "F"},
        {"DateNaissance": "2009-07-15"}, {"LieuNaissance": "63221"},
    ],
)  # fmt: skip
def test_traits_are_compared_as_sent(make: Make, register: Register, change: dict[str, str]) -> None:
    twin = {"NomNaissance": "LE-GALL", "Prenom": "ANNE"}

    assert ask(make(**twin), register).code == "CR00"
    assert ask(make(**(twin | change)), register).code == "CR01"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"NomNaissance": None}, "insi_19"), ({"NomNaissance": ""}, "insi_19"), ({"NomNaissance": "A" * 101}, "insi_20"),
        ({"Prenom": None}, "insi_21"), ({"Prenom": "  "}, "insi_21"), ({"Prenom": "A" * 101}, "insi_22"),
        ({"Sexe": None}, "insi_23"), ({"Sexe": "I"}, "insi_24"), ({"Sexe": "m"}, "insi_24"),
        ({"DateNaissance": None}, "insi_25"), ({"DateNaissance": "14/07/2009"}, "insi_26"),
        ({"DateNaissance": "2009-02-30"}, "insi_26"), ({"LieuNaissance": "PARIS"}, "insi_27"),
        ({"LieuNaissance": "2C020"}, "insi_27"), ({"NomNaissance": None, "Sexe": "X"}, "insi_19"),
    ],
)  # fmt: skip
def test_each_field_has_its_fault(make: Make, register: Register, change: dict[str, str | None], code: str) -> None:
    reply = ask(make(**change), register)

    assert (reply.status, reply.code) == (500, code)
    assert (value(reply, "Code/Value"), value(reply, "Subcode/Value")) == ("S:Sender", "S:siram_10")
    assert (erreur(reply).get("code"), erreur(reply).get("severite"), erreur(reply).get("messageID")) == (code, "erreur", None)
    assert ask(make(), register).code == "CR00"


def test_the_two_known_labels_of_fields(make: Make, register: Register) -> None:
    assert erreur(ask(make(NomNaissance=None), register)).text == "Le champ nom de naissance est obligatoire"
    assert erreur(ask(make(Sexe="X"), register)).text == "Le format du champ sexe est incorrect"


@pytest.mark.parametrize("change", [{"NomNaissance": "D’ARTAGNAN"}, {"Prenom": "ZOÉ"}])
def test_strict_refuses_names_that_are_not_normalised(
    make: Make, register: Register, register_with: RegisterWith, change: dict[str, str]
) -> None:
    strict, header = register_with(strict=True), strict_contexts("")
    assert ask(make(**change), register).code == "CR01"
    assert ask(make(header=header, **change), strict).code in ("insi_20", "insi_22")
    assert ask(make(header=header), strict).code == "CR00"


@pytest.mark.parametrize("cn", ["INSI-AUTO", "INSI-MANU"])
def test_both_names_of_certificate_are_accepted(make: Make, register: Register, cn: str) -> None:
    assert ask(make(), register, cn).code == "CR00"


@pytest.mark.parametrize("cn", ["insi-auto", "INSI‑AUTO", "INSI-AUTO ", "EHPAD", None])
def test_another_certificate_name_is_desir_560(make: Make, register: Register, cn: str | None) -> None:
    reply = ask(make(), register, cn)

    assert (reply.status, reply.code, value(reply, "Subcode/Value")) == (500, "desir_560", "soap:siram_100")
    assert erreur(reply).text == "Vous ne disposez pas des droits suffisants pour accéder à ce service"


def test_an_unknown_software_is_desir_550(make: Make, header: Callable[..., str], register: Register) -> None:
    reply = ask(make(header=header("AUTRE")), register)

    assert (reply.status, reply.code) == (500, "desir_550")
    assert (value(reply, "Code/Value"), value(reply, "Subcode/Value")) == ("soap:Sender", "soap:siram_100")
    assert erreur(reply).text == "Numéro d'autorisation du logiciel inconnu."
    assert erreur(reply).get("messageID") == "uuid:1"


def test_an_idam_without_its_repository_is_unknown(make: Make, header: Callable[..., str], register: Register) -> None:
    assert ask(make(header=header().replace('R="4"', "")), register).code == "desir_550"


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "",
        lambda text: text.replace("ContexteBAM", "Contexte"), lambda text: text.replace("ContexteLPS", "Contexte"),
        lambda text: text.replace("<b:COUVERTURE/>", ""), lambda text: text.replace(' Version="1.0"', ""),
        lambda text: text.replace("<l:Id>1</l:Id>", ""), lambda text: text.replace("b:Temps", "b:Date"),
    ],
)  # fmt: skip
def test_an_incomplete_context_is_refused_without_an_invented_code(
    make: Make, header: Callable[..., str], register: Register, change: Callable[[str], str]
) -> None:
    reply = ask(make(header=change(header())), register)

    assert (reply.status, reply.code, value(reply, "Subcode/Value")) == (500, "siram_10", "soap:siram_10")
    assert b"Erreur" not in reply.body


def test_the_leniency_of_the_real_service(make: Make, header: Callable[..., str], register: Register) -> None:
    """Extra headers, Version 1.0, foreign Emetteur, empty Security, any order: conftest's request has most of them."""
    security = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
    extra = f'<Security xmlns="{security}"/><w:To>http://www.w3.org/2005/08/addressing/anonymous</w:To><w:ReplyTo/>'

    assert ask(make(header=extra + header()), register).code == "CR00"


def test_checks_go_in_order(make: Make, header: Callable[..., str], register: Register) -> None:
    everything = {"action": "urn:other", "NomNaissance": None}

    assert ask(make(header="", **everything), register, "EHPAD").code == "desir_560"
    assert ask(make(header="", **everything), register).code == "siram_10"
    assert ask(make(header=header("AUTRE"), **everything), register).code == "desir_550"
    assert ask(make(**everything), register).code == "Sender"
    assert ask(make(NomNaissance=None, LieuNaissance="?"), register).code == "insi_19"


@pytest.mark.parametrize(
    ("action", "parameter", "searches"),
    [
        (BY_TRAITS.action, None, True), (None, BY_TRAITS.action, True), (None, None, True),
        (BY_TRAITS.action, "urn:other", True), ("urn:other", BY_TRAITS.action, False), (None, "urn:other", False),
    ],
)  # fmt: skip
def test_the_operation_comes_from_the_action_then_its_parameter_then_the_body(
    make: Make, register: Register, action: str | None, parameter: str | None, searches: bool
) -> None:
    request = make(action=action)

    assert (wire.read(request, parameter).operation is BY_TRAITS) is searches
    assert ask(request, register, action=parameter).code == ("CR00" if searches else "Sender")


@pytest.mark.parametrize("body", ["", '<RECVITALE xmlns="http://www.cnamts.fr/INSiRecVit"/>'])
def test_a_body_that_is_not_the_one_of_the_action_is_refused(make: Make, register: Register, body: str) -> None:
    assert ask(make(body=body), register).code == "Sender"


@pytest.mark.parametrize(
    "children",
    ["<Sexe>M</Sexe><Prenom>A</Prenom>", "<Ville>X</Ville>", '<Prenom xmlns="urn:x">A</Prenom>', "<Sexe>M</Sexe><Sexe>M</Sexe>"],
)
def test_a_body_outside_its_schema_is_refused(make: Make, register: Register, children: str) -> None:
    body = f'<RECSANSVITALE xmlns="http://www.cnamts.fr/INSiRecSans">{children}</RECSANSVITALE>'

    assert ask(make(body=body), register).code == "siram_10"
    assert ask(make(body=body.replace(children, "")), register).code == "insi_19"  # the twin: in its schema, and empty


def test_several_first_name_elements_are_one_list(make: Make, register: Register) -> None:
    request = make(Prenom="PIERRE-ALAIN").replace(b"<Sexe>", b"<Prenom>MURIEL</Prenom><Sexe>")
    assert ask(request, register).code == "CR00"


@pytest.mark.parametrize(
    ("name", "code", "prefix", "lang", "severity"),
    [
        ("FAUTE INSI102", "insi_102", "S:Receiver", "en", "fatal"),
        ("FAUTE DESIR1020", "desir_1020", "soap:Sender", "fr", "fatale"),
    ],
)
def test_a_magic_name_gets_its_fault_in_its_shape(
    make: Make, register: Register, name: str, code: str, prefix: str, lang: str, severity: str
) -> None:
    reply = ask(make(NomNaissance=name), register)

    assert (reply.status, reply.code, value(reply, "Code/Value")) == (500, code, prefix)
    assert f'Text xml:lang="{lang}"'.encode() in reply.body
    assert (erreur(reply).get("code"), erreur(reply).get("severite")) == (code, severity)


def test_a_slow_name_waits_then_answers(make: Make, register: Register) -> None:
    assert ask(make(NomNaissance="LENT"), register).delay_s == 4.0
    assert ask(make(), register).delay_s == 0.0


@pytest.mark.parametrize(("rule", "code"), [("cr01", "CR01"), ("insi_102", "insi_102"), ("desir_1020", "desir_1020")])
def test_an_unknown_person_gets_what_the_switch_says(make: Make, register_with: RegisterWith, rule: str, code: str) -> None:
    register = register_with(unknown_person=rule)

    assert ask(make(NomNaissance="INCONNU"), register).code == code
    assert ask(make(), register).code == "CR00"


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:-4], lambda data: b'<!DOCTYPE e [<!ENTITY x SYSTEM "file:///etc/hostname">]>' + data,
        lambda data: data.replace(b"2003/05/soap-envelope", b"2001/12/soap-envelope"),
        lambda data: data.replace(b"http://www.w3.org/2003/05/soap-envelope", b"http://schemas.xmlsoap.org/soap/envelope/"),
        lambda data: b"", lambda data: data + b" " * wire.MAX_BYTES,
    ],
)  # fmt: skip
def test_broken_unsafe_or_other_xml_is_not_soap(make: Make, change: Callable[[bytes], bytes]) -> None:
    wire.read(make(), None)  # the twin

    with pytest.raises(wire.NotSoap):
        wire.read(change(make()), None)


def test_an_echoed_message_id_cannot_inject_markup(make: Make, header: Callable[..., str], register: Register) -> None:
    request = make(header=header("AUTRE")).replace(b"uuid:1", b"&quot;&lt;x/&gt;&amp;")
    assert erreur(ask(request, register)).get("messageID") == '"<x/>&'


def test_a_text_with_markup_is_escaped() -> None:
    body = wire.result("00", "OK", {
        "matricule": "109076322083489", "oid": "1.2.250.1.213.1.4.8", "birth_name": "A<&B", "first_names": ["C"], "sex": "M",
        "birth_date": "2009-07-14", "birth_place": None,
    })  # fmt: skip
    assert etree.fromstring(body).findtext(f".//{R}NomNaissance") == "A<&B"
    assert b"LieuNaissance" not in body


def test_an_answer_is_one_line_with_three_prefixes(make: Make, register: Register) -> None:
    soap = "http://www.w3.org/2003/05/soap-envelope"

    nobody = ask(make(NomNaissance="INCONNU"), register).body.decode()
    fault = ask(make(Sexe="X"), register).body.decode()
    gateway = ask(make(), register, "EHPAD").body.decode()

    assert nobody == (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<soap:Envelope xmlns:soap="{soap}">'
        f'<env:Body xmlns:S="{soap}" xmlns:env="{soap}">'
        '<RESULTAT xmlns="http://www.cnamts.fr/INSiResultat" xmlns:ns0="http://www.cnamts.fr/INSiRecVit" '
        'xmlns:ns1="http://www.cnamts.fr/INSiRecSans"><CR><CodeCR>01</CodeCR><LibelleCR>Aucune identite trouvee</LibelleCR></CR>'
        "</RESULTAT></env:Body></soap:Envelope>"
    )
    assert [text.count("\n") for text in (nobody, fault, gateway)] == [1, 1, 1]
    assert '<S:Fault xmlns:ns4="http://schemas.xmlsoap.org/soap/envelope/"><S:Code><S:Value>S:Sender</S:Value>' in fault
    assert '<siram:Erreur severite="erreur" code="insi_24" xmlns:siram="urn:siram">' in fault
    assert f'<env:Body xmlns:env="{soap}"><soap:Fault><soap:Code><soap:Value>soap:Sender</soap:Value>' in gateway
    assert '<siram:Erreur code="desir_560" messageID="uuid:1" severite="erreur" xmlns:siram="urn:siram">' in gateway


@pytest.mark.parametrize(
    ("sample", "traits"),
    [
        ("response-00-histo.xml", {}), ("response-00-nia.xml", {"NomNaissance": "PROVISOIRE", "Prenom": "MATRICULE"}),
        ("response-01.xml", {"NomNaissance": "INCONNU"}),
        ("response-02.xml", {"NomNaissance": "DE VINCI", "Prenom": "LEONARDO", "DateNaissance": "2014-02-01"}),
        ("fault-insi-102.xml", {"NomNaissance": "FAUTE INSI102"}), ("fault-desir-1020.xml", {"NomNaissance": "FAUTE DESIR1020"}),
        ("fault-desir-550.xml", {"header": "AUTRE"}),
    ],
)  # fmt: skip
def test_answers_have_the_bytes_of_the_live_service(
    make: Make, header: Callable[..., str], register: Register, persons: list[Any], sample: str, traits: dict[str, str]
) -> None:
    folder = os.environ.get("SOCLE_REFERENCE_DATA")
    if not folder:
        pytest.skip("SOCLE_REFERENCE_DATA does not name the folder of reference data")
    if "header" in traits:
        traits = {**traits, "header": header(traits["header"])}
    if "PROVISOIRE" in traits.values():
        register = Register.of([{**row, "birth_date": "2009-07-01"} for row in persons], idams=["SOCLEDUI0001"])
        traits = {**traits, "DateNaissance": "2009-07-01"}
    request = make(**traits).replace(b"uuid:1", b"uuid:0d9cf7f2-6f0f-4c1b-9f0e-6f3f1a0f9b11")

    expected = (Path(folder) / "insi" / "samples" / sample).read_bytes()

    assert ask(request, register).body == expected.rstrip(b"\n")
