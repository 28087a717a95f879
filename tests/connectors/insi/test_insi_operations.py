"""Search by card, verification and lots: what is written, what is read, and what is refused as unreadable."""
from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

from connectors.insi import answers, codes, messages
from connectors.insi.answers import Lot, Verification
from connectors.insi.contexts import Header
from connectors.insi.errors import Unreadable
from connectors.insi.identities import texts_of
from connectors.insi.messages import Individual, Ins, Person
from tests.connectors.insi.samples import CR, DARTAGNAN, NESSI, OK, SOFTWARE, STAMP, answer_of, canonical
from tests.connectors.insi.samples import reference as reference


def by_card() -> bytes:
    header = Header(SOFTWARE, "1750000001", STAMP)
    return header.envelope(codes.ACTION_VITALE, messages.vitale_body(NESSI), messages.vitale_coverage(NESSI))


def test_a_search_by_card_is_the_one_of_the_reference(reference: Path) -> None:
    sample = (reference / "samples" / "request-vitale.xml").read_bytes().replace(b"<wsse:Security/>", b"")

    assert canonical(by_card()) == canonical(sample)


@pytest.mark.parametrize(
    ("schema", "path"), [("insi-recvit", f".//{codes.ROOT_VITALE}"), ("ctxbam", f".//{{{codes.BAM}}}ContexteBAM")]
)
def test_a_search_by_card_is_valid_under_the_reference_schemas(reference: Path, schema: str, path: str) -> None:
    part = etree.fromstring(by_card()).find(path)
    assert part is not None
    etree.XMLSchema(etree.parse(reference / "schemas" / f"{schema}.xsd")).assertValid(part)


def test_a_verification_is_the_one_of_the_reference(reference: Path) -> None:
    sample = (reference / "samples" / "request-verification-ASSUMED.xml").read_bytes()

    assert canonical(etree.tostring(messages.verification_body(DARTAGNAN))) == canonical(sample)


def test_who_is_verified_is_read_as_it_was_written() -> None:
    sparse = Individual(Ins("1", None, "2"), Person("X", ("A", "B"), "F", "1990-01-01"))

    [(name, one)] = messages.read_individuals(messages.verification_body(DARTAGNAN))
    lot = messages.read_individuals(messages.deposit_body([("b", sparse), ("a", DARTAGNAN)]))

    assert (name, one.active, one.first_names) == (None, DARTAGNAN.ins, DARTAGNAN.person.first_names)
    assert (one.birth_name, one.sex, one.birth_date, one.birth_place) == (
        DARTAGNAN.person.birth_name, "M", "2001-06-17", "63220",
    )  # fmt: skip
    assert [(name, two.active, two.birth_place) for name, two in lot] == [("b", sparse.ins, None), ("a", DARTAGNAN.ins, "63220")]


def test_who_has_no_ins_is_not_read_as_somebody() -> None:
    body = messages.verification_body(DARTAGNAN)
    for name in ("OID", "NumIdentifiant"):
        changed = etree.fromstring(etree.tostring(body).replace(f":{name}>".encode(), b":Autre>"))
        assert messages.read_individuals(changed) == ()
    assert messages.read_individuals(messages.retrieval_body("lot-1")) == ()


def test_a_lot_has_one_to_a_thousand_names() -> None:
    thousand = [(f"p{number}", DARTAGNAN) for number in range(codes.LOT_MAX)]
    assert len(messages.deposit_body(thousand)) == codes.LOT_MAX  # the twin
    for wrong in ([], [*thousand, ("p1000", DARTAGNAN)], [("a", DARTAGNAN), ("a", DARTAGNAN)]):
        with pytest.raises(ValueError, match="1 to 1000"):
            messages.deposit_body(wrong)


@pytest.mark.parametrize(
    ("content", "code", "holds"),
    [(f"{OK}<Resultat>OK</Resultat>", "CR00 OK", True), (f"{OK}<Resultat> KO </Resultat>", "CR00 KO", False),
     (f"{CR.format('01')}<Resultat>OK</Resultat>", "CR01", None)],
)  # fmt: skip
def test_a_verification_says_ok_or_ko_and_nothing_else(content: str, code: str, holds: bool | None) -> None:
    read = answers.read(answer_of(codes.ROOT_VERIFIED, content))

    assert isinstance(read, Verification)
    assert (read.service_code, read.holds) == (code, holds)


def test_a_lot_is_read_at_each_of_its_steps() -> None:
    def lot(content: str) -> Lot:
        read = answers.read(answer_of(codes.ROOT_LOT, content))
        assert isinstance(read, Lot)
        return read

    deposited = lot(f"{OK}<IdLot>L1</IdLot>")
    running = lot(f'{OK}<IdLot>L1</IdLot><Etat>EN_COURS</Etat><Resultat Id="b">KO</Resultat>')  # not all of them: none
    done = lot(f'{OK}<IdLot>L1</IdLot><Etat>TERMINE</Etat><Resultat Id="b">KO</Resultat><Resultat Id="a">OK</Resultat>')
    unknown = lot(CR.format("01"))

    assert (deposited.lot_id, deposited.state, deposited.results) == ("L1", None, ())
    assert (running.state, running.results) == ("EN_COURS", ())
    assert (done.state, done.results) == ("TERMINE", (("b", False), ("a", True)))
    assert (unknown.service_code, unknown.lot_id, unknown.state) == ("CR01", None, None)


@pytest.mark.parametrize(
    ("root", "content", "reason"),
    [
        (codes.ROOT_VERIFIED, OK, "neither OK nor KO"),
        (codes.ROOT_VERIFIED, f"{OK}<Resultat>PEUT-ETRE</Resultat>", "neither OK nor KO"),
        (codes.ROOT_VERIFIED, "<Resultat>OK</Resultat>", "REPUnitaire without CodeCR"),
        (codes.ROOT_LOT, OK, "without its IdLot"),
        (codes.ROOT_LOT, f"{OK}<IdLot>L1</IdLot><Etat>PERDU</Etat>", "no known Etat"),
        (codes.ROOT_LOT, f'{OK}<IdLot>L1</IdLot><Etat>TERMINE</Etat><Resultat Id="a"/>', "neither OK nor KO"),
        (codes.ROOT_LOT, f"{OK}<IdLot>L1</IdLot><Etat>TERMINE</Etat><Resultat>OK</Resultat>", "names nobody"),
        (codes.ROOT_LOT, f"{OK}<IdLot>L1</IdLot><Etat>TERMINE</Etat>" + 2 * '<Resultat Id="a">OK</Resultat>', "or one twice"),
        (codes.ROOT_VERIFY, OK, "carries neither"),
    ],
)
def test_an_answer_that_does_not_say_is_unreadable(root: str, content: str, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        answers.read(answer_of(root, content))


def test_the_answer_to_a_verification_is_not_the_one_to_a_search() -> None:
    with pytest.raises(Unreadable, match="not the one of a search"):
        answers.read_answer(answer_of(codes.ROOT_VERIFIED, f"{OK}<Resultat>OK</Resultat>"))


def test_texts_are_those_of_the_first_children_of_the_same_namespace() -> None:
    """Their order and their prefix say nothing (insi §5)."""
    holder = etree.fromstring('<a:TIQ xmlns:a="urn:a" xmlns:b="urn:b"><b:Sexe>F</b:Sexe><c:Sexe xmlns:c="urn:a"> M </c:Sexe>'
                              "<a:Sexe>F</a:Sexe><a:Nom> </a:Nom><a:Nom>X</a:Nom></a:TIQ>")  # fmt: skip

    assert texts_of(holder) == {"Sexe": "M", "Nom": None}
    assert texts_of(None) == {}
