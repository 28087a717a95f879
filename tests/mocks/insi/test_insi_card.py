"""Search by the data of a carte Vitale: by the beneficiary's own number, or by the one of the *ouvrant droit* and the rank."""
from __future__ import annotations

import pytest
from lxml import etree

from mocks.insi import behaviour, wire
from mocks.insi.callers import ByCertificate
from mocks.insi.operations import BY_CARD
from mocks.insi.state import Register
from tests.mocks.insi.conftest import IDAM, person, request

R = "{http://www.cnamts.fr/INSiResultat}"
MOTHER, CHILD, TWIN = "277076322082910", "110086322083060", "110086322083157"


@pytest.fixture
def family() -> Register:
    """A mother with two children of one day on her card, and somebody with a past number."""
    born, on_card = {"birth_date": "2010-08-07"}, {"ouvrant_droit": MOTHER}
    past = {"matricule": "209076322083439", "oid": "1.2.250.1.213.1.4.8", "start": None, "end": None}
    return Register.of([
        person("NESSI", "RUTH", matricule=MOTHER, sex="F", birth_date="1977-07-14"),
        person("NESSI", "MICHELANGELO", matricule=CHILD, birth_rank=1, **born, **on_card),
        person("NESSI", "RAPHAEL", matricule=TWIN, birth_rank=2, **born, **on_card),
        person("NESSI", "DONATELLO", matricule="110086322083254", insi="none", birth_rank=3, **born, **on_card),
        person("ECETINSI", "PIERRE", matricule="109076322083489", history=[past]),
    ], idams=[IDAM])  # fmt: skip


def card(own: str | None = None, holder: str | None = None, *, key: bool = True, **said: str) -> bytes:
    """RECVITALE; matricules are fifteen characters, whose key may be left out."""
    numbers = "".join(
        f"<{name}><NumIdentifiant>{value[:13]}</NumIdentifiant>{f'<Cle>{value[13:]}</Cle>' if key else ''}</{name}>"
        for name, value in (("MatriculeIndividu", own), ("MatriculeOD", holder)) if value is not None
    )  # fmt: skip
    rest = "".join(f"<{name}>{value}</{name}>" for name, value in said.items())
    return request(action=BY_CARD.action, body=f'<RECVITALE xmlns="http://www.cnamts.fr/INSiRecVit">{numbers}{rest}</RECVITALE>')


def ask(register: Register, body: bytes) -> behaviour.Reply:
    return behaviour.answer(wire.read(body, None), ByCertificate("INSI-AUTO"), register)


def found(reply: behaviour.Reply) -> str:
    number = etree.fromstring(reply.body).findtext(f".//{R}INSACTIF/{R}IdIndividu/{R}NumIdentifiant")
    return f"{reply.code} {number}" if number else reply.code


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (card(MOTHER, MOTHER, NomNaissance="NESSI", DateNaissance="1977-07-14", RangNaissance="1"), f"CR00 {MOTHER[:13]}"),
        (card(MOTHER, DateNaissance="1977-07-14", key=False), f"CR00 {MOTHER[:13]}"),
        (card(CHILD, MOTHER, DateNaissance="2010-08-07", RangNaissance="9"), f"CR00 {CHILD[:13]}"),
        (card(None, MOTHER, DateNaissance="1977-07-14"), f"CR00 {MOTHER[:13]}"),
        (card(None, MOTHER, DateNaissance="2010-08-07", RangNaissance="2"), f"CR00 {TWIN[:13]}"),
        (card(None, MOTHER, DateNaissance="2010-08-07"), "CR02"),
        (card(None, MOTHER, DateNaissance="2010-08-07", RangNaissance="3"), "CR01"),
        (card("209076322083439", DateNaissance="2009-07-14"), "CR00 1090763220834"),
        (card("277076322082911", DateNaissance="1977-07-14"), "CR01"),
        (card(MOTHER, DateNaissance="1977-07-15"), "CR01"),
        (card(MOTHER, NomNaissance="DE VINCI", DateNaissance="1977-07-14"), "CR01"),
        (card(MOTHER, DateNaissance="1977-15-40"), "CR01"),
    ],
)  # fmt: skip
def test_a_card_finds_its_beneficiary(family: Register, body: bytes, told: str) -> None:
    assert found(ask(family, body)) == told


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (card(DateNaissance="1977-07-14"), "ni MatriculeIndividu ni MatriculeOD"), (card(MOTHER), "DateNaissance"),
        (card(MOTHER, DateNaissance="14/07/1977"), "DateNaissance"), (card("27707632208", DateNaissance="1977-07-14"), "treize"),
        (card(MOTHER, RangNaissance="1", DateNaissance="1977-07-14"), "mal placé"),
        (card(MOTHER, DateNaissance="1977-07-14", Sexe="F"), "élément inconnu"),
    ],
)  # fmt: skip
def test_a_card_that_cannot_be_read_is_refused_without_an_invented_code(family: Register, body: bytes, why: str) -> None:
    body = body.replace(b"<Cle></Cle>", b"")
    reply = ask(family, body)

    assert (reply.status, reply.code) == (500, "siram_10")
    assert why in reply.body.decode() and b"Erreur" not in reply.body


def test_a_card_tells_a_fault_whom_it_is_about(family: Register) -> None:
    message = wire.read(card(None, MOTHER, DateNaissance="2010-08-07", RangNaissance="1"), None)
    assert behaviour.sought(message, family) == [CHILD]
