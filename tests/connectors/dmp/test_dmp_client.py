"""The client over a transport that answers what the test wrote, and what settlement concludes from it."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest

from connectors.dmp.client import BASE_PATH, Deposited, DmpAsker, DmpClient
from connectors.dmp.codes import MEANINGS, meaning
from connectors.dmp.errors import DmpUnreadable
from connectors.dmp.requests import read_envelope, read_request
from connectors.nomenclatures import xds
from connectors.nomenclatures.xds import NS_QUERY, NS_RIM
from connectors.wire.clock import SystemClock
from connectors.wire.http import Answer, NoAnswer, NotSent
from tests.connectors.dmp.samples import LPS, Dui
from tests.connectors.dmp.test_dmp_messages import envelope, existence, fault, registry


def found(*ids: str, status: str = xds.SUCCESS) -> bytes:
    refs = "".join(f'<ObjectRef id="{one}"/>' for one in ids)
    return envelope(
        f'<q:AdhocQueryResponse xmlns:q="{NS_QUERY}" status="{status}">'
        f'<RegistryObjectList xmlns="{NS_RIM}">{refs}</RegistryObjectList></q:AdhocQueryResponse>'
    )


@dataclass
class Wire:
    """A transport: ``reply`` is the body of its answer, or what it raises."""

    reply: bytes | Exception
    sent: list[tuple[str, str, Any, bytes]] = field(default_factory=list)

    async def send(self, method: str, url: str, *, headers: Any = None, body: bytes = b"", timeout_s: float = 15.0) -> Answer:
        self.sent.append((method, url, headers, body))
        if isinstance(self.reply, Exception):
            raise self.reply
        return Answer(200, [(b"content-type", b"application/soap+xml")], self.reply)


async def test_each_transaction_goes_to_its_endpoint(dui: Dui) -> None:
    urls = []
    for call, reply, verb in (
        (dui.existence(), existence(), "existence"),
        (dui.feed(), registry(xds.SUCCESS), "feed"),
        (dui.lookup("1.2"), found(), "lookup"),
    ):
        wire = Wire(reply)
        await getattr(DmpClient(f"https://dmp.test:1{BASE_PATH}", wire), verb)(call)
        [(method, url, headers, body)] = wire.sent
        assert (method, headers, body) == ("POST", call.headers, call.body)
        urls.append(url)
    assert urls == [f"https://dmp.test:1{BASE_PATH}{one}" for one in ("patients", "repository", "registry")]


async def test_an_answer_to_another_question_is_unreadable(dui: Dui) -> None:
    with pytest.raises(DmpUnreadable, match="not-a-registry-answer"):
        await DmpClient("https://dmp.test", Wire(existence())).feed(dui.feed())


def blob(dui: Dui, *unique_ids: str, **other: Any) -> bytes:
    asked = {"matricule": "269054958815780", "oid": xds.OID_INS_TEST, "unique_ids": unique_ids}
    return orjson.dumps({**asked, "struct_id": dui.structure["struct_id"], **other})


def asker(dui: Dui, wire: Wire | None) -> DmpAsker:
    deposited = None if wire is None else Deposited(wire, dui.signer, "SA17")
    return DmpAsker("https://dmp.test", SystemClock(), LPS, lambda _: deposited)


@pytest.mark.parametrize(
    ("reply", "conclusion"),
    [
        (found("urn:uuid:1", "urn:uuid:2"), "found"),
        (found(), "not_found"),
        (found("urn:uuid:1"), "unknown"),  # one of two: a set is registered whole or not at all
        (found(status=xds.FAILURE), "unknown"),
        (fault("Sender", "s:DMPInvalidCertificate"), "unknown"),
        (b"<html>", "unknown"),
        (NoAnswer("timeout"), "unknown"),
        (NotSent("connect"), "unknown"),
    ],
)
async def test_what_settlement_concludes(dui: Dui, reply: bytes | Exception, conclusion: str) -> None:
    assert await asker(dui, Wire(reply)).ask(blob(dui, "1.2.3", "1.2.4")) == conclusion


async def test_settlement_asks_in_the_name_of_the_structure_for_exactly_these_documents(dui: Dui) -> None:
    wire = Wire(found())
    await asker(dui, wire).ask(blob(dui, "1.2.3"))
    [(_, url, headers, body)] = wire.sent
    assert url.endswith("/registry")
    seen = read_request(read_envelope(dict(headers)[b"content-type"].decode(), body))
    assert (seen.kind, seen.patient) == ("search", ("269054958815780", xds.OID_INS_TEST))
    assert b"('1.2.3')" in body


async def test_without_a_deposited_identity_nothing_is_asked(dui: Dui) -> None:
    assert await asker(dui, None).ask(blob(dui, "1.2.3")) == "unknown"


async def test_a_structure_s_connection_is_kept(dui: Dui) -> None:
    wires = [Wire(found()), Wire(found())]
    made = iter([Deposited(wire, dui.signer, "SA17") for wire in wires])
    asker = DmpAsker("https://dmp.test", SystemClock(), LPS, lambda _: next(made))
    for _ in range(2):
        assert await asker.ask(blob(dui, "1.2.3")) == "not_found"
    assert [len(wire.sent) for wire in wires] == [2, 0]


async def test_without_documents_nothing_is_asked(dui: Dui) -> None:
    wire = Wire(found())
    assert await asker(dui, wire).ask(blob(dui)) == "unknown"
    assert wire.sent == []


def test_every_meaning_says_what_to_do_in_a_french_sentence() -> None:
    for code, known in MEANINGS.items():
        assert known.text.endswith("."), code
    assert meaning("XDSNothingOfTheKind") is None
