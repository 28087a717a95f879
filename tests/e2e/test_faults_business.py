"""Official codes, injected answers and whom a fault touches, by the wire: the DUI, the entry, the equations."""
from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest

from connectors.dmp.messages import RegistryAnswer
from connectors.dmp.messages import read_answer as read_dmp
from connectors.insi.messages import read_answer as read_insi
from mocks.sandbox.codes import read_codes
from mocks.sandbox.world import World
from tests.e2e.faults_bench import FaultsBench

pytestmark = pytest.mark.asyncio(loop_scope="module")

FEED, SEARCH, MESSAGE = "DMP.TD2.1", "INS.RECHERCHE_TRAITS", "MSS.SOUMISSION"
MINE, OTHER = 0, 1


# --- official codes ------------------------------------------------------------------------------------------------------

SENT = (SEARCH, "DMP.TD0.2", FEED, "PSC.AUTHORIZE", "PSC.TOKEN", "PSC.USERINFO", "ANN.RECHERCHE")


@pytest.mark.parametrize("operation", SENT)
async def test_every_official_code_comes_by_the_wire_and_into_the_entry(bench: FaultsBench, operation: str) -> None:
    codes = [code for row in read_codes() if operation in row.operations for code in row.codes]
    for code in codes:
        await bench.arm(operation, "business", code)
        answer = await bench.send(operation)
        assert answer.header("x-socle-injected-fault") == "panne-1"
    entries = bench.entries(operation)
    assert len(codes) >= 2 and len(entries) == len(codes)
    said = [(entry["service_code"] or "").removeprefix("HTTP ").split(" ")[0] for entry in entries]
    assert said == codes
    assert {entry["outcome"] for entry in entries} <= {"refused", "failed", "unauthorised", "invalid"}
    assert all(entry["fault"] == "panne-1" and "F-INJECTION" in entry["flags"] for entry in entries)
    assert bench.held(FEED) == 0


async def test_a_code_that_nobody_published_is_refused_with_the_list(bench: FaultsBench) -> None:
    wanted = {"operation": FEED, "kind": "business", "value": "DMPIndisponible"}
    status, said = await bench.control("POST", "/faults", wanted)
    assert status == 422 and "XDSRepositoryBusy" in said["detail"] and "n'invente pas" in said["detail"]
    status, listed = await bench.control("GET", "/faults/codes")
    offered = next(one for one in listed["operations"] if one["operation"] == FEED)
    assert status == 200 and "XDSRepositoryBusy" in offered["meanings"][0]["codes"]
    assert bench.armings() == []


# --- whom ----------------------------------------------------------------------------------------------------------------


async def test_a_fault_for_one_structure_leaves_the_other_alone(bench: FaultsBench) -> None:
    for named in (bench.structure(OTHER).finess_et, "1" + bench.structure(OTHER).finess_et):
        await bench.arm(FEED, "business", "XDSRegistryBusy", caller=named, for_next=1)
        await bench.send(FEED, MINE)
        await bench.send(FEED, OTHER)
    entries = bench.entries(FEED)
    assert [(entry["finess_et"], entry["fault"]) for entry in entries] == [
        (bench.structure(MINE).finess_et, None), (bench.structure(OTHER).finess_et, "panne-1"),
    ] * 2  # fmt: skip


async def test_a_fault_for_one_tenant_by_certificate_and_by_client_id(bench: FaultsBench) -> None:
    await bench.arm(SEARCH, "business", "insi_111", tenant="autre-editeur", for_next=9)
    await bench.send(SEARCH, MINE)
    await bench.send(SEARCH, OTHER)
    assert [entry["fault"] for entry in bench.entries(SEARCH)] == [None, "panne-1"]
    client = bench.world.psc_of(bench.world.staff(bench.structure().finess_et)[0])
    await bench.arm("PSC.TOKEN", "business", "invalid_grant", caller=client.client_id)
    await bench.send("PSC.TOKEN")
    await bench.arm("ANN.RECHERCHE", "business", "429", caller=bench.world.annuaire_key)
    await bench.send("ANN.RECHERCHE")
    assert [bench.entries(one)[-1]["fault"] for one in ("PSC.TOKEN", "ANN.RECHERCHE")] == ["panne-1"] * 2


@pytest.mark.parametrize("operation", [SEARCH, FEED, "DMP.TD0.2"])
async def test_a_fault_for_one_person_touches_no_other_and_its_number_goes_nowhere(bench: FaultsBench, operation: str) -> None:
    matricule, code = bench.person(number=1).matricule, "insi_102" if operation == SEARCH else "DMPAccessDeniedByRightsService"
    await bench.arm(operation, "business", code, person=matricule, for_next=9)
    for number in (0, 1, 0):
        await bench.send(operation, number=number)
    assert [entry["fault"] for entry in bench.entries(operation)] == [None, "panne-1", None]
    _, listed = await bench.control("GET", "/faults")
    assert [(one["left"], one["touched"], one["one_person"]) for one in listed["faults"]] == [(8, 1, True)]
    for told in (listed, bench.armings(), bench.entries(operation)):
        assert matricule not in str(told)


async def test_a_fault_for_one_usager_refuses_that_recipient(bench: FaultsBench) -> None:
    people = [one for one in bench.world.persons if one.mes == "open"][:2]
    await bench.arm(MESSAGE, "status", "550", step="rcpt", person=people[1].matricule, for_next=9)
    assert [await bench.mail(one.mailbox) for one in people] == ["250 2.0.0", "550 5.1.1"]
    assert [entry["fault"] for entry in bench.entries(MESSAGE)] == [None, "panne-1"]


async def test_nobody_outside_the_sandbox_is_held(bench: FaultsBench) -> None:
    for name, value in (("person", "255081416802538"), ("caller", "123456789"), ("tenant", "inconnu")):
        status, said = await bench.control("POST", "/faults", {"operation": SEARCH, "kind": "reset", name: value})
        assert status == 422 and f"« {name} »" in said["detail"] and value not in said["detail"]
    assert (await bench.control("GET", "/faults"))[1] == {"faults": []}


# --- injected answers ----------------------------------------------------------------------------------------------------

REGISTRY = "urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0"
BOUNDARY = 'multipart/related; type="application/xop+xml"; start="<r>"; start-info="application/soap+xml"; boundary="b"'


async def inject(bench: FaultsBench, operation: str, body: bytes, media: str, **other: Any) -> Any:
    encoded = base64.b64encode(body).decode()
    wanted = {"id": "panne-1", "operation": operation, "body_base64": encoded, "content_type": media, **other}
    status, said = await bench.control("POST", "/faults/injections", wanted)
    return said if status == 201 else pytest.fail(str(said))


def registry(status: str) -> bytes:
    body = f'<rs:RegistryResponse xmlns:rs="{REGISTRY}" status="urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:{status}"/>'
    return f'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body>{body}</s:Body></s:Envelope>'.encode()


async def test_an_injected_ins_answer_reaches_the_dui_to_the_byte(bench: FaultsBench) -> None:
    """CNDA test 2.07: the file says that nobody is found, in place of the real answer (insi §11.2)."""
    await bench.arm(SEARCH, "business", "CR01")
    file = (await bench.send(SEARCH)).body.replace(b"Aucune identite", b"Pas d'identite ")
    said = await inject(bench, SEARCH, file, "application/soap+xml; charset=utf-8")
    answer, after = await bench.send(SEARCH), await bench.send(SEARCH)
    assert (answer.body, answer.header("content-type")) == (file, "application/soap+xml; charset=utf-8")
    assert said["answer"]["size_bytes"] == len(file) and read_insi(after.body).service_code == "CR00"
    entry = bench.entries(SEARCH)[1]
    assert (entry["outcome"], entry["service_code"], entry["flags"]) == ("refused", "CR01", ["F-INJECTION"])


async def test_an_injected_answer_that_cannot_be_read_leaves_a_feed_in_doubt(bench: FaultsBench) -> None:
    await inject(bench, "DMP.*", b"<rs:", "application/soap+xml")
    answer = await bench.send(FEED)
    [entry] = bench.entries(FEED)
    assert (answer.body, entry["outcome"]) == (b"<rs:", "in_doubt")
    assert (entry["flags"], bench.held(FEED)) == (["N-ILLISIBLE", "F-INJECTION"], 1)


@pytest.mark.parametrize("form", ["soap", "mtom"])
async def test_an_injected_registry_answer_is_read_as_the_service_s(bench: FaultsBench, form: str) -> None:
    body, media = registry("Success"), "application/soap+xml; charset=UTF-8"
    if form == "mtom":
        body, media = b"--b\r\nContent-Type: application/xop+xml\r\nContent-ID: <r>\r\n\r\n" + body + b"\r\n--b--\r\n", BOUNDARY
    await inject(bench, FEED, body, media)
    answer = await bench.send(FEED)
    assert (answer.body, read_dmp(answer.header("content-type"), answer.body)) == (body, RegistryAnswer(True))
    [entry] = bench.entries(FEED)
    assert (entry["outcome"], entry["flags"], bench.held(FEED)) == ("ok", ["F-INJECTION"], 1)


async def test_a_service_told_not_to_act_keeps_nothing(bench: FaultsBench) -> None:
    await inject(bench, FEED, registry("Failure"), "application/soap+xml", acts=False)
    await bench.send(FEED)
    assert (bench.entries(FEED)[0]["outcome"], bench.held(FEED)) == ("refused", 0)


async def test_json_services_answer_the_bytes_with_their_status(bench: FaultsBench) -> None:
    token, outcome = b'{"access_token": "x",  "n": 1}', orjson.dumps({"resourceType": "OperationOutcome", "issue": []})
    await inject(bench, "PSC.*", token, "application/json")
    await inject(bench, "ANN.RECHERCHE", outcome, "application/fhir+json", status=503, id="panne-2")
    first, second = await bench.send("PSC.TOKEN"), await bench.send("ANN.RECHERCHE")
    assert [(one.status, one.body) for one in (first, second)] == [(200, token), (503, outcome)]
    assert [bench.entries(one)[0]["fault"] for one in ("PSC.TOKEN", "ANN.RECHERCHE")] == ["panne-1", "panne-2"]


@pytest.mark.parametrize(
    ("changes", "status", "reason"),
    [
        ({"body_base64": "%%%"}, 422, "base64"),
        ({"content_type": "text"}, 422, "type de média"),
        ({"content_type": "text/xml\r\nX-A: b"}, 422, "type de média"),
        ({"status": 99}, 422, "status"),
        ({"operation": MESSAGE}, 422, "SMTP n'en a pas"),
        ({"body_base64": base64.b64encode(b"x" * (2 * 1024 * 1024 + 1)).decode()}, 422, "2097152 octets"),
        ({"body_base64": "A" * 4_000_000}, 413, "longue"),
    ],
)
async def test_what_may_not_be_injected(bench: FaultsBench, changes: dict[str, Any], status: int, reason: str) -> None:
    wanted = {"operation": SEARCH, "body_base64": "PGEvPg==", "content_type": "text/xml", **changes}
    got, said = await bench.control("POST", "/faults/injections", wanted)
    assert got == status and reason in said["detail"]
    assert (await bench.control("GET", "/faults"))[1] == {"faults": []}


async def test_every_equation_of_the_reconciliation_held_under_all_of_them(bench: FaultsBench) -> None:
    """Sent = journal, forwarded = received, held = counted + in doubt and held: of all that the tests above did."""
    await bench.reconciles()


# --- what the journal says, and what ends a fault ---------------------------------------------------------------------------


async def test_services_that_start_again_have_no_fault(bench: FaultsBench) -> None:
    await bench.arm(SEARCH, "reset", for_next=9)
    again = World.load(bench.run / "data", ports={})
    assert (len(bench.mocks.faults), again.faults.to_json()) == (1, [])
    again.trace.close()


async def test_arming_and_disarming_are_entries_that_say_codes_only(bench: FaultsBench) -> None:
    matricule = bench.person().matricule
    await bench.arm(SEARCH, "dribble", person=matricule)
    await inject(bench, "PSC.*", b"<secret/>", "text/xml", id="reponse")
    await bench.control("DELETE", "/faults?id=reponse")
    assert (await bench.control("POST", "/reset"))[0] == 200
    assert (await bench.control("GET", "/faults"))[1] == {"faults": []}
    told = [(one["fault"], one["operation"], one["kind"], one["armed"]) for one in bench.armings()]
    assert told == [
        ("panne-1", SEARCH, "dribble", True), ("reponse", "PSC.*", "injection", True),
        ("reponse", "PSC.*", "injection", False), ("panne-1", SEARCH, "dribble", False),
    ]  # fmt: skip
    assert not any(secret in str(bench.armings()) for secret in (matricule, "secret", "PHNlY3JldC8+"))
