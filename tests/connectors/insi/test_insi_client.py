from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from lxml import etree

from connectors.insi import codes, errors, messages
from connectors.insi.authentication import Organisation
from connectors.insi.client import InsiClient, Person, search_plan
from connectors.wire.clock import SystemClock
from connectors.wire.http import Answer, Headers, NotSent

DATA = Path(__file__).parent / "data"
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


def client(wire: Wire) -> InsiClient:
    software = messages.Software("SOCLEDUI0001", "DUI", "2.3", "44444444-4444-4444-8444-444444444444")
    return InsiClient(wire, "https://insi.test/lps", software=software, authentication=Organisation("1130000018"), clock=Noon())


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
