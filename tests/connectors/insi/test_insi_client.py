from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta

import pytest
from lxml import etree

from connectors.insi import codes, errors, messages
from connectors.insi.authentication import Authentication, Organisation, Professional, ProSanteConnect
from connectors.insi.client import InsiClient, Person, search_plan
from connectors.wire import soap
from connectors.wire.clock import SystemClock
from connectors.wire.http import Answer, Headers, NotSent
from tests.connectors.insi.samples import DARTAGNAN, DATA, NESSI, OK, answer_of

TRAITS = messages.Traits("CORSE", "ANTHONY", "M", "1980-03-02")
CR = (
    b'<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Body><RESULTAT xmlns="http://www.cnamts.fr/INSiResultat">'
    b"<CR><CodeCR>%s</CodeCR><LibelleCR>x</LibelleCR></CR></RESULTAT></e:Body></e:Envelope>"
)


class Noon(SystemClock):
    def real(self) -> datetime:
        return datetime(2026, 3, 2, 12, tzinfo=UTC)


class Wire:
    """Answers each request in turn and keeps what was sent."""

    def __init__(self, *answers: Answer | Exception) -> None:
        self._answers = list(answers)
        self.sent: list[bytes] = []
        self.headers: Headers = []

    async def send(
        self, method: str, url: str, *, headers: Headers | None = None, body: bytes = b"", timeout_s: float = 15.0
    ) -> Answer:
        assert (method, url) == ("POST", "https://insi.test/lps")
        self.sent.append(body)
        self.headers = headers or []
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def searched(self) -> list[tuple[str | None, str | None]]:
        bodies = [etree.fromstring(body).find(f".//{codes.ROOT_TRAITS}") for body in self.sent]
        return [
            (body.findtext(f"{{{codes.TRAITS}}}Prenom"), body.findtext(f"{{{codes.TRAITS}}}LieuNaissance"))
            for body in bodies
            if body is not None
        ]


def client(wire: Wire, authentication: Authentication | None = None, clock: Noon | None = None) -> InsiClient:
    software = messages.Software("SOCLEDUI0001", "DUI", "2.3", "44444444-4444-4444-8444-444444444444")
    caller = authentication or Organisation("1130000018")
    return InsiClient(wire, "https://insi.test/lps", software=software, authentication=caller, clock=clock or Noon())


def found() -> Answer:
    return Answer(200, [], (DATA / "answer-00.xml").read_bytes())


def cr(code: bytes) -> Answer:
    return Answer(200, [], CR % code)


def fault(name: str) -> Answer:
    return Answer(500, [], (DATA / name).read_bytes())


async def test_an_attempt_has_the_identity_and_the_bytes() -> None:
    wire = Wire(found())

    attempt = await client(wire).search_traits(TRAITS)

    exchange = attempt.exchange
    assert (attempt.service_code, attempt.cr, exchange.http_status) == ("CR00", "00", 200)
    assert attempt.identity is not None and attempt.identity.birth_name == "CORSE"
    assert exchange.answered() is exchange.reply
    assert [exchange.request] == wire.sent
    assert b"2026-03-02T12:00:00.000Z" in exchange.request and exchange.message_id.encode() in exchange.request
    assert dict(wire.headers)[b"content-type"].decode() == f'application/soap+xml; charset=utf-8; action="{codes.ACTION_TRAITS}"'


@pytest.mark.parametrize(
    ("name", "code", "kind"),
    [("fault-application.xml", "insi_102", errors.Unavailable), ("fault-gateway.xml", "desir_550", errors.NotAuthorised)],
)
async def test_a_fault_is_an_attempt_that_can_be_raised(name: str, code: str, kind: type[errors.InsiError]) -> None:
    attempt = await client(Wire(fault(name))).search_traits(TRAITS)

    assert (attempt.service_code, attempt.cr, attempt.identity, attempt.exchange.http_status) == (code, None, None, 500)
    with pytest.raises(kind) as caught:
        attempt.exchange.answered()
    assert (caught.value.service_code, caught.value.http_status) == (code, 500)


async def test_an_invalid_field_is_named() -> None:
    body = (DATA / "fault-gateway.xml").read_bytes().replace(b"siram_100", b"siram_10").replace(b"desir_550", b"insi_24")
    attempt = await client(Wire(Answer(500, [], body))).search_traits(TRAITS)

    with pytest.raises(errors.InvalidTraits) as caught:
        attempt.exchange.answered()
    assert caught.value.trait == "sex"


def test_an_unknown_family_is_technical() -> None:
    assert codes.family("insi_108", None) is None
    assert errors.error_class(codes.family("insi_108", "siram_99")) is errors.Unavailable
    assert errors.error_class(codes.family("insi_24", None)) is errors.InvalidTraits  # the table helps when the subcode is lost


async def test_an_answer_that_is_not_soap_keeps_its_status() -> None:
    with pytest.raises(errors.Unreadable, match="root element is html") as caught:
        await client(Wire(Answer(502, [], b"<html/>"))).search_traits(TRAITS)
    assert caught.value.http_status == 502


async def test_a_transport_error_goes_through() -> None:
    with pytest.raises(NotSent, match="connect"):
        await client(Wire(NotSent("connect"))).search_traits(TRAITS)


def person(*first_names: str, birth_place: str | None = None) -> Person:
    return Person("X", first_names, "M", "1990-01-01", birth_place)


async def test_first_names_go_one_by_one_until_the_first_match() -> None:
    wire = Wire(cr(b"01"), found())

    search = await client(wire).search_person(person("OLA", "CATARINA", "BELLA"))

    assert wire.searched() == [("OLA", None), ("CATARINA", None)]
    assert [attempt.service_code for attempt in search.attempts] == ["CR01", "CR00"]


async def test_nobody_takes_all_first_names_joined_at_last() -> None:
    wire = Wire(*[cr(b"01")] * 4)

    await client(wire).search_person(person("PIERRE", "PAUL", "JACQUES", birth_place="63220"))

    assert [first for first, _ in wire.searched()] == ["PIERRE", "PAUL", "JACQUES", "PIERRE PAUL JACQUES"]


async def test_a_single_first_name_is_asked_once() -> None:
    wire = Wire(cr(b"01"))
    await client(wire).search_person(person("PIERRE"))
    assert wire.searched() == [("PIERRE", None)]


async def test_a_technical_fault_stops_the_search() -> None:
    wire = Wire(cr(b"01"), fault("fault-application.xml"))

    search = await client(wire).search_person(person("PIERRE", "PAUL", "JACQUES"))

    assert [attempt.service_code for attempt in search.attempts] == ["CR01", "insi_102"]

    narrowing = Wire(cr(b"02"), fault("fault-application.xml"))
    search = await client(narrowing).search_person(person("PIERRE", "PAUL", birth_place="63220"))
    assert [attempt.service_code for attempt in search.attempts] == ["CR02", "insi_102"]


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (["02", "00"], [("A", None), ("A B", None)]),
        (["02", "02", "00"], [("A", None), ("A B", None), ("A B", "63220")]),
        (["02", "01", "00"], [("A", None), ("A B", None), ("A", "63220")]),
        (["01", "02", "02", "02"], [("A", None), ("B", None), ("A B", None), ("A B", "63220")]),
        (["01", "01", "02", "00"], [("A", None), ("B", None), ("A B", None), ("A B", "63220")]),
    ],
)
def test_several_people_are_narrowed_never_chosen(answers: list[str], expected: list[tuple[str, str | None]]) -> None:
    plan = search_plan(person("A", "B", birth_place="63220"))
    asked = [next(plan)]
    for answer in answers:
        if answer == "00":
            break
        try:
            asked.append(plan.send(answer))
        except StopIteration:
            break

    assert [(traits.first_name, traits.birth_place) for traits in asked] == expected


async def test_several_people_without_a_birth_place_stay_several() -> None:
    wire = Wire(cr(b"02"))
    search = await client(wire).search_person(person("LEONARDO"))
    assert [attempt.cr for attempt in search.attempts] == ["02"]


async def test_what_came_back_otherwise_than_sent_is_a_difference() -> None:
    sought = Person("CORSE", ("ANTHONY",), "F", "1980-03-02")  # the answer has M, two first names, and a place

    search = await client(Wire(found())).search_person(sought)

    assert [(one.trait, one.sent, one.received) for one in search.differences] == [
        ("first_names", ("ANTHONY",), ("ANTHONY", "PAUL")), ("sex", "F", "M"),
    ]  # fmt: skip
    assert (await client(Wire(cr(b"01"))).search_person(sought)).differences == ()
    assert "CORSE" not in repr(search) and "ANTHONY" not in repr(search)


async def test_a_compressed_answer_is_read_and_kept_as_it_came() -> None:
    plain = found()
    packed = gzip.compress(plain.body)
    attempt = await client(Wire(Answer(200, [(b"content-encoding", b"gzip")], packed))).search_traits(TRAITS)
    assert (attempt.service_code, attempt.exchange.response) == ("CR00", packed)


def lot_answer(content: str) -> Answer:
    return Answer(200, [], answer_of(codes.ROOT_LOT, OK + content))


async def test_each_operation_has_its_action_and_its_root() -> None:
    verified = Answer(200, [], answer_of(codes.ROOT_VERIFIED, f"{OK}<Resultat>KO</Resultat>"))
    lots = ["", "<Etat>EN_COURS</Etat>", '<Etat>TERMINE</Etat><Resultat Id="a">OK</Resultat>']
    wire = Wire(found(), verified, *[lot_answer(f"<IdLot>L1</IdLot>{content}") for content in lots])
    one, said = client(wire), []

    assert (await one.search_card(NESSI)).answered().identity is not None
    said.append(wire.headers[0][1])
    assert (await one.verify(DARTAGNAN)).answered().holds is False
    said.append(wire.headers[0][1])
    assert (await one.deposit([("a", DARTAGNAN)])).answered().lot_id == "L1"
    said.append(wire.headers[0][1])
    assert [(await one.retrieve("L1")).answered().state for _ in range(2)] == ["EN_COURS", "TERMINE"]
    said.append(wire.headers[0][1])

    roots = [codes.ROOT_VITALE, codes.ROOT_VERIFY, codes.ROOT_DEPOSIT, codes.ROOT_RETRIEVE]
    actions = [codes.ACTION_VITALE, codes.ACTION_VERIFY, codes.ACTION_DEPOSIT, codes.ACTION_RETRIEVE]
    for body, root, action, header in zip(wire.sent, roots, actions, said, strict=False):
        message = soap.read_envelope(body)
        assert (message.body is not None and message.body.tag) == root
        assert message.text(soap.WSA, "Action") == action and f'action="{action}"'.encode() in header


async def test_an_answer_to_something_else_is_unreadable() -> None:
    with pytest.raises(errors.Unreadable, match="another operation's") as caught:
        await client(Wire(found())).verify(DARTAGNAN)
    assert caught.value.http_status == 200
    with pytest.raises(errors.Unreadable, match="without Etat"):  # as if the deposit were answered again
        await client(Wire(lot_answer("<IdLot>L1</IdLot>"))).retrieve("L1")


async def test_a_fault_of_a_verification_is_an_exchange_that_can_be_raised() -> None:
    exchange = await client(Wire(fault("fault-application.xml"))).verify(DARTAGNAN)
    assert (exchange.service_code, exchange.cr) == ("insi_102", None)
    with pytest.raises(errors.Unavailable):
        exchange.answered()


async def test_a_token_goes_in_the_headers_and_its_professional_in_both_contexts() -> None:
    wire = Wire(found())
    psc = ProSanteConnect("899900000000", "CN=899900000000", Professional("750000001", "SA30"), "jeton")

    await client(wire, psc, Noon(timedelta(days=1))).search_traits(TRAITS)

    assert (b"authorization", b"Bearer jeton") in wire.headers
    assert wire.sent[0].count(b"Emetteur>899900000000<") == 2 and b"jeton" not in wire.sent[0]
    assert b'IssueInstant="2026-03-02T12:00:00.000Z"' in wire.sent[0]  # real time: it expires with it
    assert wire.sent[0].count(b"Temps>2026-03-03T12:00:00.000Z<") == 2  # the contexts follow the sandbox's
