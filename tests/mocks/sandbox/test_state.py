"""What a vendor's own tests may ask of the mocks: messages, documents, requests, sessions; and waiting for them."""
import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mocks.dmp.app import DmpMock
from mocks.dmp.state import Stored
from mocks.mssante.app import MssanteMock
from mocks.mssante.opened import open_message
from mocks.mssante.state import Envelope, Kept, Reading
from mocks.psc.app import PscMock
from mocks.psc.state import Session
from mocks.sandbox.build import init
from mocks.sandbox.control import Control
from mocks.sandbox.fault import Fault
from mocks.sandbox.frame import KEY_HEADER
from mocks.sandbox.world import World

MESSAGE = (
    b"From: <cadre@a.mssante.fr>\r\nTo: <b@a.mssante.fr>\r\nMessage-ID: <1@a.mssante.fr>\r\n"
    b"Subject: =?utf-8?q?R=C3=A9sultat?=\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
    b"--x\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\ntr\xe8s bien\r\n"
    b"--x\r\nContent-Type: application/zip; name=IHE_XDM.ZIP\r\nContent-Transfer-Encoding: base64\r\n"
    b"Content-Disposition: attachment; filename=IHE_XDM.ZIP\r\n\r\nUEs=\r\n--x--\r\n"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("data")
    init(data, persons=1)
    return data


@pytest.fixture
def world(made: Path) -> Iterator[World]:
    world = World.load(made, ports={})
    yield world
    world.trace.close()


@pytest.fixture
def operator(world: World) -> Iterator[MssanteMock]:
    mock = MssanteMock(world)
    yield mock
    mock.reset()


@pytest.fixture
def dmp(world: World) -> Iterator[DmpMock]:
    mock = DmpMock(world)
    yield mock
    mock.reset()


@pytest.fixture
def psc(world: World) -> PscMock:
    return PscMock(world)


@pytest.fixture
async def api(world: World, operator: MssanteMock, dmp: DmpMock, psc: PscMock) -> AsyncIterator[httpx.AsyncClient]:
    app = Control(world, {"mssante": operator, "dmp": dmp, "psc": psc}).app
    headers = {KEY_HEADER: world.manifest["control_key"]}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://control", headers=headers) as client:
        yield client


def take(operator: MssanteMock, *to: str, sender: str = "cadre@a.mssante.fr", content: bytes = MESSAGE) -> Kept:
    """One message that the operator accepts, as at the end of its data."""
    envelope = Envelope(sender, dict.fromkeys(to, "delivered"), "dui.test")
    store = operator.store
    kept = store.deliver(store.next_queue_id(), envelope, Reading.of(content), content, operator.world.clock.business())
    operator.world.requests.note("mssante", "MSS.SOUMISSION", 250, "2.0.0")
    return kept


def document(number: int, *, matricule: str = "275126322074974", set_id: str = "1.2.9", type_code: str = "34112-3") -> Stored:
    return Stored(
        unique_id=f"1.2.3.{number}", entry_uuid=f"urn:uuid:{number}", logical_id=f"urn:uuid:{number}", set_id=set_id,
        matricule=matricule, oid="1.2.250.1.213.1.4.10", struct_id="1420786572", type_code=type_code, class_code="11",
        title="CR", hash="00", size=6, stored_at="2026-03-02T09:30:00.000+00:00",
    )  # fmt: skip


async def json(api: httpx.AsyncClient, path: str, **params: Any) -> Any:
    return (await api.get(path, params=params)).raise_for_status().json()


async def test_messages_are_found_by_recipient_sender_and_message_id(api: httpx.AsyncClient, operator: MssanteMock) -> None:
    take(operator, "b@a.mssante.fr", "c@a.mssante.fr")
    take(operator, "d@a.mssante.fr", sender="autre@a.mssante.fr", content=MESSAGE.replace(b"<1@", b"<2@"))
    every = await json(api, "/messages")
    assert [row["id"] for row in every["messages"]] == ["SIM00000002", "SIM00000001"], "latest first"
    assert (every["total"], every["reached"]) == (2, True)
    for wanted, found in (
        ({"to": "C@a.mssante.fr"}, ["SIM00000001"]), ({"sender": "autre@A.mssante.fr"}, ["SIM00000002"]),
        ({"message_id": "2@a.mssante.fr"}, ["SIM00000002"]), ({"message_id": "<1@a.mssante.fr>"}, ["SIM00000001"]),
        ({"to": "d@a.mssante.fr", "message_id": "1@a.mssante.fr"}, []), ({"limit": 1}, ["SIM00000002"]),
    ):  # fmt: skip
        assert [row["id"] for row in (await json(api, "/messages", **wanted))["messages"]] == found, wanted


async def test_a_message_is_opened_and_given_as_it_was_delivered(api: httpx.AsyncClient, operator: MssanteMock) -> None:
    kept = take(operator, "b@a.mssante.fr", "c@a.mssante.fr")
    opened = await json(api, f"/messages/{kept.queue_id}")
    headers = {row["name"]: row["value"] for row in opened["headers"]}
    assert (headers["Subject"], headers["Delivered-To"]) == ("Résultat", "b@a.mssante.fr")
    assert (opened["text"].strip(), opened["html"]) == ("très bien", "")
    assert [(part["name"], part["content_type"], part["size_bytes"]) for part in opened["attachments"]] == [
        ("IHE_XDM.ZIP", "application/zip", 2)
    ]
    raw = await api.get(f"/messages/{kept.queue_id}/raw", params={"recipient": "c@a.mssante.fr"})
    assert raw.headers["Content-Type"] == "message/rfc822"
    assert raw.content.endswith(MESSAGE) and b"Delivered-To: c@a.mssante.fr\r\n" in raw.content
    stranger = await api.get(f"/messages/{kept.queue_id}/raw", params={"recipient": "d@a.mssante.fr"})
    assert stranger.status_code == 404 and "destinataire" in stranger.json()["detail"]


async def test_a_deleted_message_is_gone_after_a_restart_too_and_its_id_is_not_given_again(
    api: httpx.AsyncClient, operator: MssanteMock
) -> None:
    first, second = take(operator, "b@a.mssante.fr"), take(operator, "c@a.mssante.fr")
    assert (await api.delete(f"/messages/{second.queue_id}")).json() == {"deleted": 1}
    assert (await api.get(f"/messages/{second.queue_id}")).status_code == 404
    assert (await api.delete("/messages", params={"to": "personne@a.mssante.fr"})).json() == {"deleted": 0}
    again = MssanteMock(operator.world)
    assert [kept.queue_id for kept in again.store.messages()] == [first.queue_id]
    assert again.store.inbox("c@a.mssante.fr") == []
    assert again.store.next_queue_id() == "SIM00000003"
    assert (await api.delete("/messages")).json() == {"deleted": 1}
    slip = await api.delete("/messages", params={"too": "b@a.mssante.fr"})
    assert slip.status_code == 422 and "possibles pour cette route : message_id, sender, to" in slip.json()["detail"]


async def test_documents_and_sets_are_found_by_person(api: httpx.AsyncClient, dmp: DmpMock) -> None:
    signature = document(3, type_code="urn:oid:1.3.6.1.4.1.19376.1.2.1.1.1")
    dmp.documents.add([(document(1), b"<un/>"), (signature, b"<sig/>")])
    dmp.documents.add([(document(2, matricule="autre", set_id="1.2.10"), b"<deux/>")])
    assert (await json(api, "/documents"))["total"] == 3
    mine = await json(api, "/documents", matricule="275126322074974", type_code="34112-3")
    assert [row["unique_id"] for row in mine["documents"]] == ["1.2.3.1"]
    sets = await json(api, "/submission-sets", matricule="275126322074974")
    assert [(row["set_id"], row["documents"]) for row in sets["submission_sets"]] == [("1.2.9", ["1.2.3.1", "1.2.3.3"])]
    assert (await json(api, "/documents/1.2.3.2"))["matricule"] == "autre"
    content = await api.get("/documents/1.2.3.2/content")
    assert (content.headers["Content-Type"], content.content) == ("application/xml", b"<deux/>")
    absent = await api.get("/documents/1.2.3.9/content")
    assert absent.status_code == 404 and "uniqueId" in absent.json()["detail"]


async def test_waiting_ends_when_there_are_enough(api: httpx.AsyncClient, operator: MssanteMock) -> None:
    take(operator, "b@a.mssante.fr")
    waiting = asyncio.create_task(json(api, "/messages", to="b@a.mssante.fr", at_least=2, wait_s=60))
    await asyncio.sleep(0.05)
    take(operator, "c@a.mssante.fr")
    await asyncio.sleep(0.05)
    assert not waiting.done(), "a message to somebody else is not the one that is waited for"
    take(operator, "b@a.mssante.fr")
    found = await asyncio.wait_for(waiting, 10)
    assert (found["total"], found["reached"]) == (2, True)


async def test_waiting_in_vain_says_so(api: httpx.AsyncClient, operator: MssanteMock) -> None:
    take(operator, "b@a.mssante.fr")
    found = await json(api, "/messages", to="b@a.mssante.fr", at_least=2, wait_s=0.01)
    assert (found["total"], found["reached"]) == (1, False)
    assert (await json(api, "/documents", at_least=1))["reached"] is False
    endless = await api.get("/messages", params={"at_least": 1, "wait_s": 61})
    assert endless.status_code == 422 and "« wait_s » est un nombre d'au plus 60" in endless.json()["detail"]


async def test_requests_are_told_by_code_and_number(api: httpx.AsyncClient, world: World) -> None:
    world.requests.note("insi", "INS.RECHERCHE_TRAITS", 200, "CR00")
    world.requests.note("insi", "INS.RECHERCHE_TRAITS", 500, "insi_102", Fault("fault-1", "INS.RECHERCHE_TRAITS", "business"))
    world.requests.note("psc", "PSC.TOKEN", 400, "invalid_grant")
    assert [row["code"] for row in (await json(api, "/requests"))["requests"]] == ["invalid_grant", "insi_102", "CR00"]
    [found] = (await json(api, "/requests", mock="insi", after=1))["requests"]
    assert (found["number"], found["status"], found["code"], found["fault"]) == (2, 500, "insi_102", "fault-1")
    assert (await json(api, "/requests", operation="PSC.TOKEN", code="invalid_grant"))["total"] == 1
    await api.post("/reset")
    assert (await json(api, "/requests"))["total"] == 0


async def test_only_the_last_requests_are_kept(world: World) -> None:
    for _ in range(2_010):
        world.requests.note("insi", "INS.RECHERCHE_TRAITS", 200, "CR00")
    kept = list(world.requests)
    assert (len(kept), kept[0].number, kept[-1].number) == (2_000, 11, 2_010)


async def test_sessions_show_no_token_and_can_be_ended(api: httpx.AsyncClient, world: World, psc: PscMock) -> None:
    now = int(world.clock.real().timestamp())
    client = world.manifest["psc_clients"][0]["client_id"]
    session = Session("sid-1", client, "8012345", "CARD", "openid scope_all", "nonce-1", now, now, refresh_jti="jti-1")
    psc._state.sessions.put(session.id, session)
    psc._state.sessions.put("sid-2", Session("sid-2", client, "8012345", "CARD", "openid", "n", now - 20_000, now - 20_000))
    shown = await api.get("/sessions")
    first, second = shown.json()["sessions"]
    assert (first["id"], first["alive"], first["refreshable"]) == ("sid-1", True, True)
    assert (second["alive"], second["refreshable"]) == (False, False)
    assert "jti-1" not in shown.text and "nonce-1" not in shown.text
    assert (await api.delete("/sessions/sid-1")).json() == {"ended": "sid-1"}
    assert psc._state.sessions.get("sid-1") is None
    assert (await api.delete("/sessions/sid-1")).status_code == 404


async def test_a_mock_that_does_not_run_here_is_named(world: World) -> None:
    app = Control(world, {}).app
    headers = {KEY_HEADER: world.manifest["control_key"]}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://control", headers=headers) as api:
        for path, name in (("/messages", "mssante"), ("/documents", "dmp"), ("/submission-sets", "dmp"), ("/sessions", "psc")):
            absent = await api.get(path)
            assert absent.status_code == 404 and f"« {name} » ne tourne pas ici" in absent.json()["detail"]


HEADERS = st.sampled_from(
    [b"Content-Type: multipart/mixed; boundary=x", b"Content-Type: text/plain; charset=nope", b"Subject: =?utf-8?b?!!?=",
     b"Content-Transfer-Encoding: base64", b"Content-Disposition: attachment; filename*=utf-8''%ff", b"\xff: \xfe",
     b"Subject: =?utf-7?q?+2AA-?=", b"Content-Type: message/rfc822", b"Content-Type: text/html; charset=\"utf-16", b"Subject:"]
)  # fmt: skip
LINES = st.sampled_from([b"--x", b"--x--", b"", b"abc=", b"\xe9\x00"])


@settings(derandomize=True, database=None, max_examples=150)
@given(st.lists(HEADERS, max_size=5), st.lists(LINES | HEADERS, max_size=8))
def test_any_bytes_can_be_opened_and_shown(headers: list[bytes], lines: list[bytes]) -> None:
    opened = open_message(b"\r\n".join([*headers, b"", *lines]))
    values = (value for pair in opened.headers for value in pair)
    for text in (opened.text, opened.html, *values, *(part.name for part in opened.attachments)):
        text.encode()


def test_parts_in_parts_without_end_are_opened_without_their_parts() -> None:
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(3_000))
    assert open_message(b"Subject: oui\r\n" + deep).headers[0] == ("Subject", "oui")


@pytest.mark.parametrize(
    ("part", "count", "opened"), [(b";" * 200, 1000, True), (b";" * 20_000, 1, True), (b";" * 20_000, 2, False)]
)
def test_parameters_that_would_take_long_are_not_read(part: bytes, count: int, opened: bool) -> None:
    parts = (b"--a\r\nContent-Type: text/plain" + part + b"\r\n\r\nTexte\r\n") * count
    shown = open_message(b"Subject: oui\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n" + parts + b"--a--\r\n")
    assert (shown.headers[0], shown.text) == (("Subject", "oui"), "Texte" if opened else "")


@pytest.mark.parametrize(("lines", "opened"), [(90_000, True), (110_000, False)])
def test_lines_that_would_be_tried_against_too_many_boundaries_are_not_read(lines: int, opened: bool) -> None:
    holders = b"".join(b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (one, one) for one in range(50))
    shown = open_message(b"Subject: oui\r\n" + holders + b"\r\nTexte\r\n" + b"--x\r\n" * lines)
    assert (shown.headers[0], shown.text.startswith("Texte")) == (("Subject", "oui"), opened)


@pytest.mark.parametrize(("words", "decoded"), [(4_000, True), (5_000, False)])
def test_encoded_words_that_would_take_long_are_shown_as_they_are(words: int, decoded: bool) -> None:
    [(_, value)] = open_message(b"Subject: " + b"=?utf-8?q?a?= " * words + b"\r\n\r\nTexte").headers
    assert (value == "a" * words) is decoded
