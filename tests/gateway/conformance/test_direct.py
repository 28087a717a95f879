"""Values shown live: to the vendor who sent them, for a while, and nowhere on a disk."""
from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from connectors.wire.http import Answer, Client
from gateway.access.denials import Denials
from gateway.access.rights import Keys
from gateway.conformance.direct import MAX_AGE_S, MAX_KEPT, MAX_TENANTS, Direct
from gateway.conformance.facts import extract
from gateway.conformance.judging import judge_all
from gateway.conformance.live import Observer
from gateway.conformance.model import Call, Finding, Message
from gateway.doors.conformance_api import AskedDirect, DirectApi
from gateway.doors.own.examples import REQUESTS
from gateway.doors.reading import Gate
from gateway.journal.record import Record
from tests.connectors.dmp import samples
from tests.connectors.dmp.samples import Dui
from tests.gateway.conformance.test_pairs import PAIRS
from tests.gateway.conformance.world import EYES, authorize
from tests.gateway.doors.own.bench import Bench, open_bench

WRONG = Finding("non_conforme", "Subject", "autre", "5 caractères")
SECRET = "valeur-tres-reconnaissable"


class Clock:
    """Monotonic seconds, moved by hand."""

    at = 0.0

    def __call__(self) -> float:
        return self.at


def noted(direct: Direct, tenant: str = "a", call: str = "c1", **shown: list[str]) -> None:
    direct.note(tenant, call, "MSS.SOUMISSION", {"CHK-MSS-22": [WRONG, Finding("conforme")]}, shown)


def test_a_deviation_is_kept_with_what_stands_at_its_place() -> None:
    direct = Direct()
    noted(direct, Subject=["un", "deux"])
    [one] = direct.after("a")
    assert one.item() == {
        "n": 1, "entree": "c1", "operation": "MSS.SOUMISSION", "controle": "CHK-MSS-22", "lieu": "Subject", "attendu": "autre",
        "trouve": "5 caractères", "valeurs": ["un", "deux"],
    }  # fmt: skip
    assert direct.after("b") == [] == direct.after("a", 1)
    assert "deux" not in repr(one)


def test_it_is_bounded_in_number_in_tenants_and_in_time() -> None:
    clock = Clock()
    direct = Direct(clock)
    for number in range(MAX_KEPT + 5):
        noted(direct, call=str(number))
    assert [one.call for one in direct.after("a")][:1] == ["5"]
    for number in range(MAX_TENANTS):
        noted(direct, tenant=f"t{number}")
    assert direct.after("a") == []
    clock.at = MAX_AGE_S + 1
    assert direct.after("t1") == []
    noted(direct)
    direct.forget()
    assert direct.after("a") == []


async def test_who_waits_is_woken_by_the_next_one_and_by_the_end() -> None:
    direct = Direct()
    waiting = [asyncio.create_task(direct.more(direct.number, 5)) for _ in range(2)]
    await asyncio.sleep(0)
    noted(direct)
    async with asyncio.timeout(1):
        await asyncio.gather(*waiting)
        await direct.more(0, 5)  # there is one already
    last = asyncio.create_task(direct.more(direct.number, 5))
    await asyncio.sleep(0)
    direct.close()
    async with asyncio.timeout(1):
        await last


async def test_a_caller_whom_nobody_knows_is_shown_to_nobody() -> None:
    observer = Observer(EYES)
    for tenant in ("inconnu", "editeur-a"):
        await observer.observe(Record("PSC.AUTHORIZE", tenant=tenant), authorize(acr_values=SECRET))
    assert [one.tenant for one in observer.direct.after("editeur-a")] == ["editeur-a"]
    assert observer.direct.after("inconnu") == []


#: Places where nothing stands, or where what stands there would say no more than the finding.
_NOTHING_TO_SHOW = frozenset({
    "/Envelope/Body/RESULTAT/INDIVIDU/TIQ", "/ClinicalDocument/component/nonXMLBody/text", "IHE_XDM.zip",
    "/ClinicalDocument/recordTarget/patientRole/patient", "STARTTLS", "STARTTLS : certificat client", "AUTH",
    "/Envelope/Body/REPUnitaire/Resultat",
})  # fmt: skip


@pytest.mark.parametrize("pair", PAIRS, ids=[f"{one.check}-{one.name}" for one in PAIRS])
def test_every_deviation_of_one_message_has_its_value_to_show(pair: Any, dui: Dui, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: dict[str, list[str]] = {}

    def remember(message: Message, seq: int = 0, **entry: Any) -> Call:
        made = extract(message, EYES)
        assert made is not None
        shown.update(made.shown)
        return Call({"operation": message.operation, "environment": "bac_a_sable", "id": "x", "outcome": "ok"}, made.values)

    monkeypatch.setattr("tests.gateway.conformance.test_pairs.called", remember)
    calls = [one for one in pair.broken(dui).held if one.facts is not None]
    places = {
        finding.place
        for call in calls
        for finding in judge_all(call.facts, call.entry).get(pair.check, [])  # type: ignore[arg-type]
        if finding.state == "non_conforme"
    }
    assert places <= shown.keys() | _NOTHING_TO_SHOW


# --- over HTTP


@pytest.fixture
async def bench(own_sandbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    async with open_bench(own_sandbox, tmp_path / "data", monkeypatch) as bench:
        yield bench


async def key_of(bench: Bench, name: str, rights: list[str], tenant: str | None) -> str:
    asked = {"name": name, "rights": rights, "tenant": tenant, "by": "test"}
    headers = [(b"content-type", b"application/json"), (b"x-socle-admin-key", bench.world.manifest["admin_key"].encode())]
    async with Client() as client:
        answer = await client.send(
            "POST", bench.urls["console"] + "/admin/journal/keys", headers=headers, body=orjson.dumps(asked), timeout_s=5
        )
    return str(orjson.loads(answer.body)["key"])


async def read(bench: Bench, key: str, query: str = "follow=false") -> Answer:
    async with Client() as client:
        headers = [(b"authorization", f"Bearer {key}".encode())]
        return await client.send("GET", f"{bench.urls['console']}/api/conformite/direct?{query}", headers=headers, timeout_s=5)


async def feed_a_plain_pdf(bench: Bench) -> dict[str, Any]:
    pdf = samples.pdf().replace(b"<pdfaid:part>1<", b"<pdfaid:part>2<")
    document = {"type": "80788-3", "titre": SECRET, "pdf_base64": base64.b64encode(pdf).decode()}
    answer = await bench.post("/dmp/documents", {**REQUESTS["/dmp/documents"], "document": document}, once="k1")
    told: dict[str, Any] = orjson.loads(answer.body)
    return told


async def test_an_own_door_tells_its_dui_and_keeps_nothing(bench: Bench) -> None:
    told = await feed_a_plain_pdf(bench)
    assert told["ecarts"] == [{
        "controle": "CHK-DMP-03", "lieu": "document.pdf_base64", "attendu": "PDF/A-1", "trouve": "PDF", "valeurs": [],
    }]  # fmt: skip
    async with Client() as client:
        described = orjson.loads((await client.send("GET", bench.urls["console"] + "/portes/openapi.json", timeout_s=5)).body)
    assert set(described["components"]["schemas"]["Ecart"]["required"]) == set(told["ecarts"][0])
    again = await feed_a_plain_pdf(bench)
    assert again == {name: value for name, value in told.items() if name != "ecarts"}


async def test_only_the_vendor_who_sent_it_reads_it(bench: Bench) -> None:
    await feed_a_plain_pdf(bench)
    mine = await key_of(bench, "mine", ["body"], "dui-exemple")
    lines = (await read(bench, mine)).body.splitlines()
    assert [orjson.loads(line)["controle"] for line in lines] == ["CHK-DMP-03"]
    assert (await read(bench, mine, f"follow=false&after={orjson.loads(lines[0])['n']}")).body == b""
    readings = [entry["detail"] for entry in bench.entries(None) if (entry["detail"] or {}).get("action") == "live_read"]
    assert readings == [{"action": "live_read", "by": "mine"}] * 2
    other = await key_of(bench, "other", ["body"], "autre-editeur")
    assert (await read(bench, other)).body == b""
    for name, rights, tenant, slug in (
        ("all", ["body", "metadata", "export"], None, "droit"), ("meta", ["metadata"], "dui-exemple", "droit"),
    ):  # fmt: skip
        answer = await read(bench, await key_of(bench, name, rights, tenant))
        assert (answer.status, orjson.loads(answer.body)["type"].rpartition("-")[2]) == (403, slug)
    assert (await read(bench, "aucune")).status == 401
    assert (await read(bench, mine, "valeur=1")).status == 400


async def test_a_follower_hears_what_comes_and_that_it_still_listens() -> None:
    direct = Direct()
    gate = Gate(Keys(), Denials(None, None))  # type: ignore[arg-type]
    lines = DirectApi(gate, direct, None, None, beat_s=0.02)._lines("a", AskedDirect())  # type: ignore[arg-type]
    assert await anext(lines) == b"\n"
    waiting = asyncio.ensure_future(anext(lines))
    noted(direct, tenant="b")
    noted(direct, call="c2")
    async with asyncio.timeout(1):
        assert orjson.loads(await waiting)["entree"] == "c2"
        direct.close()
        assert [line async for line in lines] == []


async def test_a_follower_is_let_go_when_the_gateway_stops(bench: Bench) -> None:
    await feed_a_plain_pdf(bench)
    following = asyncio.create_task(read(bench, await key_of(bench, "mine", ["body"], "dui-exemple"), "follow=true"))
    assert bench.gateway is not None
    bench.gateway.observer.direct.close()
    async with asyncio.timeout(5):
        [line] = (await following).body.splitlines()
    assert orjson.loads(line)["operation"] == "DMP.TD2.1"


async def test_no_file_of_the_gateway_holds_a_value(bench: Bench) -> None:
    assert bench.gateway is not None
    observer, record = bench.gateway.observer, Record("PSC.AUTHORIZE", tenant="dui-exemple", outcome="ok")
    await observer.observe(record, authorize(acr_values=SECRET))
    await bench.gateway.journal.write(record)
    key = await key_of(bench, "mine", ["body"], "dui-exemple")
    assert SECRET in (await read(bench, key)).body.decode()
    files = [path for path in bench.settings.journal.rglob("*") if path.is_file()]
    assert files and not [path for path in files if SECRET.encode() in path.read_bytes()]


async def test_an_erasure_takes_the_values_away(bench: Bench) -> None:
    await feed_a_plain_pdf(bench)
    assert bench.gateway is not None
    assert bench.gateway.observer.direct.after("dui-exemple")
    headers = [(b"x-socle-admin-key", bench.world.manifest["admin_key"].encode())]
    body = orjson.dumps({"matricule": REQUESTS["/dmp/documents"]["patient"]["matricule"], "by": "test"})
    async with Client() as client:
        answer = await client.send("POST", bench.urls["console"] + "/admin/erasure", headers=headers, body=body, timeout_s=5)
    assert answer.status == 200
    assert bench.gateway.observer.direct.after("dui-exemple") == []
