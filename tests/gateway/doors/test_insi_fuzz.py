"""Whatever a DUI or INSi sends, the doors, the connector and the mock read it without failing, and the two ends agree."""
from __future__ import annotations

import contextlib

from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.insi import answers
from connectors.insi.authentication import Card, Professional, ProSanteConnect
from connectors.insi.contexts import Header
from connectors.insi.errors import Unreadable
from connectors.wire.http import Answer
from connectors.wire.saml import Signer
from gateway.access.callers import UNKNOWN, Access, Caller
from gateway.access.signers import Authorities
from gateway.doors.insi import InsiDoor, InsiOneWayDoor
from gateway.journal.record import Named, Record
from gateway.road import Request
from mocks.insi import behaviour, faults, wire
from mocks.insi.callers import ByCertificate
from mocks.insi.state import Register
from mocks.sandbox.authority import Authority, new_authority, new_key, person_name
from tests.gateway.doors.damage import damaged
from tests.gateway.doors.insi_messages import REQUESTS, SOFTWARE, STAMP, request

_CASES = settings(max_examples=80)
_KEY = new_key()
_AUTHORITY: Authority = new_authority(_KEY, _KEY)
_BEARER = "899999999999"
_CARD = Card(
    Signer(_AUTHORITY.mint("ps_sign", person_name(profession="I", family="X", given="Y", id_nat=_BEARER), _KEY).cert, _KEY),
    Professional("0B0990008", "SA07"),
)
_PSC = ProSanteConnect(_BEARER, "CN=X", Professional("0B0990008", "SA07"), "t")
SIGNED = request("INS.RECHERCHE_TRAITS", Header(SOFTWARE, _BEARER, STAMP, _CARD.security(STAMP.at)))
UNSIGNED = request("INS.VERIFICATION", Header(SOFTWARE, _BEARER, STAMP, _PSC.security(STAMP.at)))
ASKED = [*REQUESTS.values(), SIGNED, UNSIGNED]
PERSON = {
    "matricule": "109076322083489", "oid": "1.2.250.1.213.1.4.8", "birth_name": "ECETINSI", "first_names": ["PIERRE-ALAIN"],
    "sex": "M", "birth_date": "2009-07-14", "birth_place": "63220",
    "history": [{"matricule": "209076322083439", "oid": "1.2.250.1.213.1.4.8", "start": "2019-03-01", "end": "2019-02-28"}],
}  # fmt: skip
ANSWERED = [
    wire.result("00", "OK", PERSON), wire.result("01", "Aucune identite trouvee"), wire.verified(True), wire.verified(False),
    wire.lot("00", "OK", "lot-1"), wire.lot("00", "OK", "lot-1", "TERMINE", [("1", True), ("2", False)]),
    wire.application_fault(faults.FAULTS["insi_102"]), wire.gateway_fault(faults.FAULTS["desir_550"], "uuid:1"),
]  # fmt: skip
REGISTER = Register.of([PERSON | {"insi": "found"}], idams=[SOFTWARE.idam])
WORKPLACE = Caller("editeur", "10B0990008", "0B0990008")


class _Issuer(Authorities):
    """The one of the card, without a file."""

    def __init__(self) -> None:
        super().__init__(())

    def issued(self, certificate: x509.Certificate) -> bool:
        return certificate.issuer == _AUTHORITY.issuing.cert.subject


class Staffed(Access):
    """One professional, who holds the card."""

    def workplaces(self, id_nat: str) -> list[Caller]:
        return [WORKPLACE] if id_nat == _BEARER else []


DOORS = (InsiDoor("https://localhost:1"), InsiOneWayDoor("https://localhost:2", _Issuer()))


def asking(body: bytes, content_type: str = "") -> Request:
    headers = [(b"content-type", content_type.encode("latin-1")), (b"authorization", b"Bearer a.e30.c")]
    return Request("insi-oneway", "POST", "/lps", headers, body)


def read_by_the_mock(body: bytes, content_type: str = "") -> wire.Message | None:
    try:
        return wire.read(body, wire.action_parameter(content_type))
    except wire.NotSoap:
        return None


def test_every_message_is_read_before_it_is_damaged() -> None:
    """Else the properties below would hold of readers that refuse everything."""
    for body in ASKED:
        record = Record(None)
        DOORS[1].read(asking(body), record, WORKPLACE)
        assert record.operation != "INS.INCONNUE" and record.flags == []
    assert DOORS[1].identify(asking(SIGNED), Staffed()) is WORKPLACE
    assert [type(answers.read(one)).__name__ for one in ANSWERED] == [
        "Result", "Result", "Verification", "Verification", "Lot", "Lot", "Fault", "Fault",
    ]  # fmt: skip


@_CASES
@given(body=damaged(ASKED) | st.binary(max_size=60), content_type=st.text(st.characters(codec="latin-1"), max_size=60))
def test_no_request_breaks_a_door_or_divides_it_from_the_mock(body: bytes, content_type: str) -> None:
    known = read_by_the_mock(body, content_type)
    operation = None if known is None else known.operation
    for door in DOORS:
        record = Record(None)
        assert door.read(asking(body, content_type), record, WORKPLACE) is None
        assert record.operation == ("INS.INCONNUE" if operation is None else operation.id)
        assert bool(record.flags) is (operation is None)


@_CASES
@given(body=damaged([SIGNED]))
def test_whom_a_damaged_assertion_still_names_is_whom_it_named(body: bytes) -> None:
    """Damage outside of what is signed changes nothing; any other leaves nobody."""
    caller = DOORS[1].identify(asking(body), Staffed())
    assert caller in (WORKPLACE, UNKNOWN)
    if caller is WORKPLACE:
        record = Record(None)
        DOORS[1].read(asking(body), record, WORKPLACE)
        assert record.professional == Named("professional", _BEARER)


@_CASES
@given(body=damaged(ANSWERED) | st.binary(max_size=60), status=st.integers(200, 599), asked=st.sampled_from(sorted(REQUESTS)))
def test_no_answer_breaks_the_connector_or_a_door(body: bytes, status: int, asked: str) -> None:
    with contextlib.suppress(Unreadable):
        answers.read(body)
    record = Record(None)
    DOORS[0].read(asking(REQUESTS[asked]), record, WORKPLACE)
    DOORS[0].conclude(record, asking(REQUESTS[asked]), Answer(status, [], body))
    assert record.outcome in ("ok", "refused", "invalid", "unauthorised", "failed")
    assert (record.outcome in ("ok", "refused")) <= (record.flags == [])


@_CASES
@given(body=damaged(ASKED))
def test_no_request_breaks_the_mock(body: bytes) -> None:
    message = read_by_the_mock(body)
    if message is not None:
        reply = behaviour.answer(message, ByCertificate("INSI-AUTO", "10B0990008"), REGISTER)
        assert answers.read(reply.body).service_code == reply.code
