"""Whatever a DUI or a service sends, the PSC and Annuaire doors read it without failing."""
from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.wire.http import Answer
from gateway.access.callers import Access
from gateway.doors.annuaire import AnnuaireDoor
from gateway.doors.psc import PscDoor
from gateway.journal.record import Record
from gateway.road import Request

DOORS = (PscDoor("https://localhost:1", "https://localhost:2"), AnnuaireDoor("https://localhost:3"))
OPERATIONS = {"PSC": ("PSC.TOKEN", "PSC.USERINFO", "PSC.AUTHORIZE", "PSC.LOGIN"), "ANN": ("ANN.RECHERCHE", "ANN.INCONNUE")}

bodies = st.binary(max_size=60) | st.sampled_from(
    [b"client_id=a&client_id=b", b"{}", b"[]", b'{"id_token":"a.%%.c"}', b"[" * 2000]
)
targets = st.text(st.characters(codec="latin-1"), max_size=30).map(lambda text: "/" + text) | st.sampled_from(
    ["//[", "/auth?client_id=%"]
)
credentials = st.sampled_from(["Basic ", "Bearer ", ""]).flatmap(
    lambda scheme: st.text(st.characters(codec="latin-1"), max_size=20).map(lambda text: (scheme + text).encode("latin-1"))
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["psc", "psc-wallet"]), targets, credentials, bodies)
def test_no_request_breaks_a_door(listener: str, target: str, credential: bytes, body: bytes) -> None:
    headers = [
        (b"authorization", credential),
        (b"content-type", b"application/x-www-form-urlencoded"),
        (b"esante-api-key", credential),
    ]
    for door in DOORS:
        request = Request(listener, "POST", target, headers, body)
        caller = door.identify(request, Access())
        record = Record(None)
        assert door.read(request, record, caller) is None
        assert record.operation is not None and door.upstream(request).endswith(target)


@settings(max_examples=200, deadline=None)
@given(st.integers(200, 599), targets, bodies, st.sampled_from([b"application/json", b"application/jwt", b""]))
def test_no_answer_breaks_a_door(status: int, location: str, body: bytes, media: bytes) -> None:
    headers = [(b"location", location.encode("latin-1")), (b"content-type", media), (b"www-authenticate", b'Bearer error="')]
    for door in DOORS:
        for operation in OPERATIONS[door.service]:
            record = Record(operation)
            door.conclude(record, Request("psc", "GET", "/", [], b""), Answer(status, headers, body))
            assert record.outcome in ("ok", "refused", "invalid", "unauthorised", "failed") and record.service_code
