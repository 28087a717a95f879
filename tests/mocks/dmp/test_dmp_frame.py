"""Frame, endpoints, counting and armed faults (reference dmp §2)."""
from __future__ import annotations

import re
from dataclasses import replace

import pytest
from lxml import etree

from connectors.dmp.client import DmpCall
from connectors.dmp.errors import DmpFault
from connectors.dmp.messages import Existence, RegistryAnswer, read_answer
from connectors.nomenclatures.xds import NS_SOAP, NS_WSA
from mocks.sandbox.faults import FAULT_HEADER, Fault
from mocks.sandbox.ledger import not_checked
from mocks.sandbox.world import World
from tests.connectors.dmp.samples import Dui
from tests.mocks.dmp.conftest import Dmp

OPEN = Existence("open", "OK")
WSA = f"{{{NS_WSA}}}"
SOAP_11 = b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><a/></e:Body></e:Envelope>'


def edited(call: DmpCall, pattern: str, replacement: str) -> DmpCall:
    body, made = re.subn(pattern.encode(), replacement.encode(), call.body, flags=re.DOTALL)
    assert made, pattern
    return replace(call, body=body)


def without(call: DmpCall, name: str) -> DmpCall:
    root = etree.fromstring(call.body)
    [header] = root.iter(f"{WSA}{name}")
    header.getparent().remove(header)  # type: ignore[union-attr]
    return replace(call, body=etree.tostring(root))


@pytest.mark.parametrize("name", ["MessageID", "To", "ReplyTo", "Action"])
async def test_each_addressing_header_is_required(dmp: Dmp, dui: Dui, name: str) -> None:
    assert await dmp.ask(dui.existence()) == OPEN  # the twin: its To is empty, as in the samples
    fault = await dmp.refusal(without(dui.existence(), name))
    assert fault.text == "A required header representing a Message Addressing Property is not present"


async def test_must_understand_without_a_namespace_is_accepted(dmp: Dmp, dui: Dui) -> None:
    root = etree.fromstring(dui.existence().body)
    for header in root.iter(f"{WSA}Action", f"{WSA}ReplyTo"):
        del header.attrib[f"{{{NS_SOAP}}}mustUnderstand"]
        header.set("mustUnderstand", "true")
    assert await dmp.ask(replace(dui.existence(), body=etree.tostring(root))) == OPEN


async def test_the_body_routes_whatever_the_action_says(dmp: Dmp, dui: Dui, world: World) -> None:
    call = edited(dui.existence(), r">urn:hl7-org:v3:PRPA_IN201307UV02<", ">urn:another:action<")
    assert await dmp.ask(call) == OPEN
    assert world.trace.counts()["received"] == {"DMP.TD0.2": 1}


async def test_answers_relate_to_their_request(dmp: Dmp, dui: Dui) -> None:
    call = dui.existence()
    asked = etree.fromstring(call.body).findtext(f".//{WSA}MessageID")
    for sent, action in ((call, "urn:hl7-org:v3:PRPA_IN201308UV02"), (dui.feed(), None)):
        told = etree.fromstring((await dmp.post(sent)).content)
        assert told.findtext(f".//{WSA}To") == "http://www.w3.org/2005/08/addressing/anonymous"
        assert told.findtext(f".//{WSA}MessageID", "").startswith("urn:uuid:")
        if action is not None:
            assert told.findtext(f".//{WSA}Action") == action
            assert told.findtext(f".//{WSA}RelatesTo") == asked


@pytest.mark.parametrize(
    ("body", "code", "text"),
    [
        (b"<s:Envelope xmlns:s=", "Sender", "mal formé"),
        (b"<a/>", "Sender", "SOAP 1.2"),
        (b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "Sender", "DOCTYPE"),
        (SOAP_11, "VersionMismatch", "1.1"),
    ],
)
async def test_a_message_that_is_not_soap_1_2_is_refused(
    dmp: Dmp, dui: Dui, world: World, body: bytes, code: str, text: str
) -> None:
    fault = await dmp.refusal(replace(dui.existence(), body=body))
    assert (fault.code, text in fault.text) == (code, True)
    assert world.trace.counts()["received"] == {"DMP.INCONNUE": 1}


async def test_a_broken_multipart_is_refused(dmp: Dmp, dui: Dui, world: World) -> None:
    call = dui.feed()
    fault = await dmp.refusal(replace(call, body=call.body[:-20]))
    assert "MIME" in fault.text
    assert await dmp.ask(call) == RegistryAnswer(True)  # the twin
    assert world.trace.counts()["received"] == {"DMP.INCONNUE": 1, "DMP.TD2.1": 1}


async def test_a_body_at_another_endpoint_is_refused(dmp: Dmp, dui: Dui) -> None:
    fault = await dmp.refusal(replace(dui.existence(), endpoint="registry"))
    assert "point d'accès" in fault.text


async def test_reading_administrative_data_is_not_simulated(dmp: Dmp, dui: Dui, world: World) -> None:
    await dmp.refusal(edited(dui.existence(), '"TEST_EXST"', '"CNSLT_DATA"'))
    assert world.trace.counts()["received"] == {"DMP.INCONNUE": 1}


@pytest.mark.parametrize(
    ("change", "method", "status"),
    [
        ({"endpoint": "habilitations"}, "POST", 404),
        ({}, "PUT", 405),
        ({"headers": [(b"content-type", b"text/xml")]}, "POST", 415),
    ],
)
async def test_what_http_refuses_is_counted_by_its_body(
    dmp: Dmp, dui: Dui, world: World, change: dict[str, object], method: str, status: int
) -> None:
    reply = await dmp.post(replace(dui.existence(), **change), method=method)  # type: ignore[arg-type]
    assert (reply.status_code, reply.headers["x-socle-mock"]) == (status, "dmp")
    assert world.trace.counts()["received"] == {"DMP.TD0.2": 1}


async def test_what_http_refuses_is_refused_under_an_armed_fault_too(dmp: Dmp, dui: Dui, world: World) -> None:
    armed(world, "status", operation="DMP.TD0.2", value="503", for_next=2)
    assert (await dmp.post(replace(dui.existence(), endpoint="habilitations"))).status_code == 404
    assert (await dmp.post(dui.existence())).status_code == 503


def armed(world: World, kind: str, operation: str = "DMP.TD2.1", **other: object) -> None:
    world.faults.arm(Fault("panne-1", operation, kind, **other))  # type: ignore[arg-type]


async def test_a_late_answer_comes_after_the_document_is_kept(dmp: Dmp, dui: Dui, world: World) -> None:
    armed(world, "timeout", delay_s=40.0)
    reply = await dmp.post(dui.feed())
    assert dmp.slept == [40.0]
    assert reply.headers[FAULT_HEADER] == "panne-1"
    assert world.trace.counts()["held"] == {"DMP.TD2.1": 1}
    assert FAULT_HEADER not in (await dmp.post(dui.feed(2))).headers  # it disarmed itself


async def test_a_status_keeps_nothing(dmp: Dmp, dui: Dui, world: World) -> None:
    armed(world, "status", value="503")
    reply = await dmp.post(dui.feed())
    assert (reply.status_code, reply.headers[FAULT_HEADER]) == (503, "panne-1")
    assert world.trace.counts() == {"received": {"DMP.TD2.1": 1}, "held": {}}


async def test_a_business_fault_is_told_in_the_channel_of_its_code(dmp: Dmp, dui: Dui, world: World) -> None:
    armed(world, "soap", value="XDSRepositoryBusy")
    assert await dmp.ask(dui.feed()) == RegistryAnswer(False, (("XDSRepositoryBusy", "panne armée"),))
    armed(world, "soap", operation="DMP.TD0.2", value="DMPAccessDeniedByRightsService")
    reply = await dmp.post(dui.existence())
    with pytest.raises(DmpFault) as raised:
        read_answer(reply.headers["content-type"], reply.content)
    assert (raised.value.code, raised.value.subcode) == ("Sender", "DMPAccessDeniedByRightsService")
    assert world.trace.counts()["held"] == {}


async def test_replies_name_what_is_not_checked(dmp: Dmp, dui: Dui) -> None:
    reply = await dmp.post(dui.existence())
    assert (reply.headers["x-socle-mock"], reply.headers["x-socle-not-checked"]) == ("dmp", ", ".join(not_checked("dmp")))


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [(r'start="<root@dui>"', "start*=utf-8''%3Croot%40dui%3E"), (r'boundary="([^"]*)"', r'boundary="\1 "')],
    ids=["RFC 2231", "space at the end"],
)
async def test_a_content_type_that_readers_understand_differently_is_refused_and_counted(
    dmp: Dmp, dui: Dui, world: World, pattern: str, replacement: str
) -> None:
    call = dui.feed()
    content_type, made = re.subn(pattern, replacement, dict(call.headers)[b"content-type"].decode())
    assert made
    fault = await dmp.refusal(replace(call, headers=[(b"content-type", content_type.encode())]))
    assert (fault.code, "MIME" in fault.text) == ("Sender", True)
    assert sum(world.trace.counts()["received"].values()) == 1


async def test_the_headers_of_a_part_are_bounded(dmp: Dmp, dui: Dui) -> None:
    long = "X: " + "a" * 9000 + r"\r\nContent-ID: <document01"
    fault = await dmp.refusal(edited(dui.feed(), "Content-ID: <document01", long))
    assert "trop longs" in fault.text
