"""Verification of an INS, one by one and by lot."""
from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from lxml import etree

from mocks.insi import behaviour, lots, verification, wire
from mocks.insi.callers import ByCertificate
from mocks.insi.lots import Lots
from mocks.insi.operations import DEPOSIT, RETRIEVE, VERIFY
from mocks.insi.scenarios import Circumstances
from mocks.insi.state import Register
from tests.mocks.insi.conftest import IDAM, population, request

UNIT = "{http://www.cnamts.fr/INSiLot2/REPUnitaire}"
LOT = "{http://www.cnamts.fr/INSiLot2/REPLot}"
ACTIVE, PAST, NIR, NIA = "109076322083489", "209076322083439", "1.2.250.1.213.1.4.8", "1.2.250.1.213.1.4.9"
TRAITS = {"NomNaissance": "ECETINSI", "Prenom": "PIERRE-ALAIN", "Sexe": "M", "DateNaissance": "2009-07-14"}
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
EHPAD, OTHER = ByCertificate("INSI-AUTO", "1130000018"), ByCertificate("INSI-AUTO", "1130000026")


def individual(matricule: str = ACTIVE, oid: str = NIR, *, id: str = "", ns: str = "REQUnitaire", **traits: str | None) -> str:
    said = {name: value for name, value in {**TRAITS, **traits}.items() if value is not None}
    order = ("NomNaissance", "Prenom", "ListePrenom", "Sexe", "DateNaissance", "LieuNaissance")
    written = "".join(f"<v:{name}>{said[name]}</v:{name}>" for name in order if name in said)
    own = f" Id={id!r}" if id else ""
    return (
        f'<v:IndividuVerifie xmlns:v="http://www.cnamts.fr/INSiLot2/{ns}"{own}><v:INSFourni><v:IdIndividu>'
        f"<v:NumIdentifiant>{matricule[:13]}</v:NumIdentifiant><v:Cle>{matricule[13:]}</v:Cle></v:IdIndividu><v:OID>{oid}</v:OID>"
        f"</v:INSFourni><v:TraitsIdentiteIndividu>{written}</v:TraitsIdentiteIndividu></v:IndividuVerifie>"
    )


def unit(matricule: str = ACTIVE, oid: str = NIR, **traits: str | None) -> bytes:
    held = individual(matricule, oid, **traits)
    body = f'<u:RequeteUnitaire xmlns:u="http://www.cnamts.fr/INSiLot2/REQUnitaire">{held}</u:RequeteUnitaire>'
    return request(action=VERIFY.action, body=body)


def deposit(*individuals: str) -> bytes:
    body = f'<l:RequeteLot xmlns:l="http://www.cnamts.fr/INSiLot2/REQLot">{"".join(individuals)}</l:RequeteLot>'
    return request(action=DEPOSIT.action, body=body)


def retrieve(lot_id: str) -> bytes:
    body = f'<RequeteRetrait xmlns="http://www.cnamts.fr/INSiLot2/REQLot"><IdLot>{lot_id}</IdLot></RequeteRetrait>'
    return request(action=RETRIEVE.action, body=body)


def one(id: str, **change: str) -> str:
    return individual(id=id, ns="REQLot", **change)


def ask(register: Register, body: bytes, caller: ByCertificate = EHPAD, at: datetime = NOON) -> behaviour.Reply:
    return behaviour.answer(wire.read(body, None), caller, register, Circumstances(at, at))


def said(reply: behaviour.Reply) -> tuple[str | None, ...]:
    """IdLot left out: CodeCR, Etat, then each result with its Id."""
    root = etree.fromstring(reply.body).find(f".//{LOT}REPLot")
    assert root is not None
    results = [f"{line.get('Id')}:{line.text}" for line in root.findall(f"{LOT}Resultat")]
    return (root.findtext(f"{LOT}CR/{LOT}CodeCR"), root.findtext(f"{LOT}Etat"), *results)


def lot_of(reply: behaviour.Reply) -> str:
    return etree.fromstring(reply.body).findtext(f".//{LOT}IdLot") or ""


def test_the_result_is_ok_or_ko_and_never_the_right_values(register: Register) -> None:
    holds, fails = ask(register, unit()), ask(register, unit(PAST))

    for reply, result in ((holds, "OK"), (fails, "KO")):
        root = etree.fromstring(reply.body)
        assert (reply.status, reply.code) == (200, f"CR00 {result}")
        assert (root.findtext(f".//{UNIT}CodeCR"), root.findtext(f".//{UNIT}Resultat")) == ("00", result)
    assert ACTIVE[:13].encode() not in fails.body


@pytest.mark.parametrize(
    ("change", "result"),
    [
        ({}, "OK"), ({"LieuNaissance": "63220", "ListePrenom": "PIERRE-ALAIN MURIEL FLORIANT"}, "OK"),
        ({"Prenom": "PIERRE-ALAIN MURIEL"}, "OK"), ({"Prenom": None, "ListePrenom": "PIERRE-ALAIN MURIEL FLORIANT"}, "OK"),
        ({"matricule": PAST}, "KO"), ({"matricule": "109076322083488"}, "KO"), ({"oid": NIA}, "KO"),
        ({"oid": "1.2.250.1.213.1.4.10"}, "KO"), ({"NomNaissance": "ECETINSY"}, "KO"), ({"Prenom": "MURIEL"}, "KO"),
        ({"ListePrenom": "PIERRE-ALAIN MURIEL"}, "KO"), ({"Sexe": "F"}, "KO"), ({"DateNaissance": "2009-07-15"}, "KO"),
        ({"LieuNaissance": "63221"}, "KO"), ({"matricule": "109076322083999"}, "KO"),
    ],
)  # fmt: skip
def test_only_the_active_ins_with_every_trait_equal_holds(register: Register, change: dict[str, str], result: str) -> None:
    assert ask(register, unit(**change)).code == f"CR00 {result}"


def test_an_ins_of_somebody_unknown_to_the_service_does_not_hold() -> None:
    rows = [{**row, "insi": "none"} if row["birth_name"] == "ECETINSI" else row for row in population()]
    assert ask(Register.of(rows, idams=[IDAM]), unit()).code == "CR00 KO"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"NomNaissance": None}, "insi_19"), ({"Prenom": None}, "insi_21"), ({"Sexe": "I"}, "insi_24"),
        ({"DateNaissance": "2009-02-30"}, "insi_26"), ({"LieuNaissance": "PARIS"}, "insi_27"),
    ],
)  # fmt: skip
def test_the_traits_of_a_verification_have_the_faults_of_a_search(
    register: Register, change: dict[str, str | None], code: str
) -> None:
    assert ask(register, unit(**change)).code == code
    assert ask(register, deposit(one("1"), one("2", **change))).code == code  # type: ignore[arg-type]
    assert register.lots.counts()["lots"] == 0


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body.replace(b"<v:Cle>89</v:Cle>", b""), lambda body: body.replace(b"1090763220834", b"109076322083"),
        lambda body: body.replace(f"<v:OID>{NIR}</v:OID>".encode(), b"<v:OID>NIR</v:OID>"),
        lambda body: body.replace(b"INSFourni", b"INS"), lambda body: body.replace(b"v:Sexe", b"v:Genre"),
        lambda body: body.replace(b"</u:RequeteUnitaire>", b"<u:Autre/></u:RequeteUnitaire>"),
        lambda body: body.replace(b"<v:INSFourni>", b"<o:INSFourni xmlns:o='urn:autre'/><v:INSFourni>"),
    ],
)  # fmt: skip
def test_an_ins_that_cannot_be_read_is_refused_without_an_invented_code(
    register: Register, change: Callable[[bytes], bytes]
) -> None:
    reply = ask(register, change(unit()))
    assert (reply.status, reply.code, b"Erreur" in reply.body) == (500, "siram_10", False)


def test_a_lot_is_kept_and_its_results_come_in_the_order_of_deposit(register: Register) -> None:
    put = ask(register, deposit(one("b"), one("a", matricule=PAST), one("c", LieuNaissance="63220")))

    assert (put.status, put.code, said(put)) == (200, "CR00", ("00", None))
    assert said(ask(register, retrieve(lot_of(put)))) == ("00", "TERMINE", "b:OK", "a:KO", "c:OK")


def test_a_lot_waits_for_business_time(register_with: Callable[..., Register]) -> None:
    register = register_with(batch_delay_s=3600.0)
    lot = lot_of(ask(register, deposit(one("1"))))

    assert said(ask(register, retrieve(lot), at=NOON + timedelta(seconds=3599))) == ("00", "EN_COURS")
    assert said(ask(register, retrieve(lot), at=NOON + timedelta(seconds=3600))) == ("00", "TERMINE", "1:OK")


def test_another_structure_s_lot_is_as_unknown_as_none(register: Register) -> None:
    lot = lot_of(ask(register, deposit(one("1"))))

    for reply in (ask(register, retrieve(lot), OTHER), ask(register, retrieve("inconnu"))):
        assert (reply.status, reply.code, said(reply)) == (200, "CR01", ("01", None))
    assert said(ask(register, retrieve(lot)))[0] == "00"


@pytest.mark.parametrize(
    "body",
    [
        deposit(), deposit(one("1"), one("1")), deposit(individual(ns="REQLot")), deposit(one("x" * 65)),
        deposit(individual(id="1")), deposit(one("1"), "<autre/>"), retrieve(""), retrieve("x" * 65),
    ],
)
def test_a_lot_out_of_its_form_is_refused_whole(register: Register, body: bytes) -> None:
    assert ask(register, body).code == "siram_10"
    assert register.lots.counts() == {"lots": 0, "individuals": 0}


def test_a_lot_has_a_thousand_individuals_at_most(register: Register) -> None:
    ids = [str(number) for number in range(verification.MAX_INDIVIDUALS + 1)]
    assert ask(register, deposit(*map(one, ids))).code == "siram_10"
    assert ask(register, deposit(*map(one, ids[1:]))).code == "CR00"


def test_a_structure_keeps_its_last_lots_and_all_of_them_the_last_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lots, "KEPT", 5)
    monkeypatch.setattr(lots, "KEPT_EACH", 2)
    held = Lots(tmp_path)
    mine = [held.deposit("a", [("1", True)], NOON).id for _ in range(3)]
    others = [held.deposit(owner, [("1", True)], NOON).id for owner in "bcde"]

    assert [held.find(one, "a") is not None for one in mine] == [False, False, True]
    assert [held.find(one, owner) is not None for one, owner in zip(others, "bcde", strict=True)] == [True] * 4
    assert held.counts()["lots"] == len(list(tmp_path.iterdir())) == 5


def test_lots_outlive_the_process_without_any_trait(tmp_path: Path, register: Register) -> None:
    register.lots = Lots(tmp_path)
    lot = lot_of(ask(register, deposit(one("1"), one("2", matricule=PAST))))
    register.lots = Lots(tmp_path)

    assert said(ask(register, retrieve(lot))) == ("00", "TERMINE", "1:OK", "2:KO")
    [path] = tmp_path.iterdir()
    assert b"ECETINSI" not in path.read_bytes() and ACTIVE[:13].encode() not in path.read_bytes()
    assert path.stat().st_mode & 0o077 == 0
    register.lots.clear()
    assert list(tmp_path.iterdir()) == [] and ask(register, retrieve(lot)).code == "CR01"


def test_a_verification_tells_a_fault_whom_it_is_about(register: Register) -> None:
    asked = [behaviour.sought(wire.read(body, None), register) for body in (unit(), deposit(one("1"), one("2", matricule=PAST)))]
    assert asked == [[ACTIVE], [ACTIVE, PAST]]
