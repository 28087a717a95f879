"""Calls of our own doors as conformance sees them: what the gateway wrote is not the DUI's, what it was given is (0027)."""
from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from connectors.wire import tls
from connectors.wire.http import Client
from gateway.conformance.model import State
from gateway.conformance.rules import rule_set
from gateway.conformance.running import Result, run_rules
from gateway.conformance.window import JournalWindow
from gateway.doors.own.examples import REQUESTS
from mocks.sandbox.fault import Injected
from tests.connectors.dmp import samples
from tests.gateway.conformance.test_pairs import NO_SEX, ZEROS
from tests.gateway.conformance.world import PERSON, search
from tests.gateway.doors.insi_messages import ASKED, request
from tests.gateway.doors.own.bench import TOKEN, Bench, open_bench
from tests.gateway.journal.world import rows

Edit = Callable[[bytes], bytes]
SEARCH, FEED, LETTER = REQUESTS["/ins/recherche"], REQUESTS["/dmp/documents"], REQUESTS["/mss/messages"]


@pytest.fixture
async def bench(own_sandbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    async with open_bench(own_sandbox, tmp_path / "data", monkeypatch) as bench:
        yield bench


def facts(bench: Bench) -> list[dict[str, Any]]:
    return [orjson.loads(body) for (body,) in rows(bench.settings.journal, "SELECT body FROM facts ORDER BY pos")]


def judged(bench: Bench) -> dict[str, Result]:
    with JournalWindow.open(bench.settings.journal, "bac_a_sable") as window:
        return {one.rule.id: one for one in run_rules(window, rule_set("tout"))}


def states(bench: Bench) -> dict[str, State]:
    return {check: one.state for check, one in judged(bench).items()}


def with_pdf(pdf: bytes) -> dict[str, Any]:
    document = {"type": "80788-3", "titre": "Projet personnalisé", "pdf_base64": base64.b64encode(pdf).decode()}
    return {**FEED, "document": document}


async def test_a_search_is_judged_by_what_insi_answered(bench: Bench) -> None:
    assert (await bench.post("/ins/recherche", SEARCH)).status == 200
    [made], [entry] = facts(bench), bench.entries()
    assert (made["author"], made["answer"]["kind"], made["answer"]["code"]) == ("passerelle", "result", "00")
    assert entry["verdict"]["non_conforme"] == []
    found = states(bench)
    assert (found["CHK-INS-01"], found["CHK-INS-02"], found["CHK-JRN-09"]) == ("conforme", "conforme", "conforme")


async def test_a_search_without_an_answer_observes_nothing(bench: Bench) -> None:
    bench.arm("INS.RECHERCHE_TRAITS", "reset")
    assert (await bench.post("/ins/recherche", SEARCH)).status == 504
    [made] = facts(bench)
    assert made["answer"] == {"kind": "none"}
    assert states(bench)["CHK-INS-02"] == "non_observe"


async def test_a_call_that_wrote_no_message_has_no_facts(bench: Bench) -> None:
    await bench.post("/ins/recherche", {**SEARCH, "nom": "ADRUN"})
    assert facts(bench) == []
    assert states(bench)["CHK-INS-02"] == "non_observe"


async def test_the_identity_of_a_feed_is_the_duis_and_the_rest_the_gateways(bench: Bench) -> None:
    await bench.post("/ins/recherche", SEARCH)
    assert (await bench.post("/dmp/documents", FEED, once="k1")).status == 201
    found = states(bench)
    of_the_dui = ("CHK-DMP-02", "CHK-DMP-15", "CHK-INS-09")
    assert [found[check] for check in of_the_dui] == ["conforme"] * 3
    assert [found[check] for check in ("CHK-DMP-03", "CHK-DMP-04")] == ["non_applicable"] * 2


async def test_traits_that_insi_did_not_give_are_named_where_the_dui_wrote_them(bench: Bench) -> None:
    await bench.post("/ins/recherche", SEARCH)
    body = {**FEED, "patient": {**FEED["patient"], "prenoms": ["ZOELLE"]}}
    await bench.post("/dmp/documents", body, once="k1")
    found = judged(bench)["CHK-INS-09"]
    assert found.state == "non_conforme"
    assert {one.place for one in found.findings if one.state == "non_conforme"} == {"patient.prenoms"}


@pytest.mark.parametrize(("pdf", "state"), [("good", "conforme"), ("plain", "non_conforme")])
async def test_a_pdf_that_the_dui_gave_is_judged(bench: Bench, pdf: str, state: State) -> None:
    content = samples.pdf() if pdf == "good" else samples.pdf().replace(b"<pdfaid:part>1<", b"<pdfaid:part>2<")
    answer = await bench.post("/dmp/documents", with_pdf(content), once="k1")
    assert answer.status == 201
    found = judged(bench)["CHK-DMP-03"]
    assert (found.state, found.findings[0].place) == (state, "document.pdf_base64")
    [entry] = bench.entries()
    assert entry["verdict"]["non_conforme"] == ([] if state == "conforme" else ["CHK-DMP-03"])


async def test_the_course_of_an_identity_is_judged_by_what_the_dui_says_and_asks(bench: Bench) -> None:
    """Search, decision, verification, lot, feed; then a KO, and a doubt, that the DUI does not heed."""
    decide, verify = REQUESTS["/ins/decision"], REQUESTS["/ins/verification"]
    accepted = orjson.loads((await bench.post("/ins/recherche", SEARCH)).body)
    assert accepted["statut"] == "found"
    decided = orjson.loads((await bench.post("/ins/decision", decide)).body)
    assert decided["statut"] == "QUAL"
    identity = {name: decided["identite"][name] for name in verify["identite"]}
    left = orjson.loads((await bench.post("/ins/verification/lots", {
        "finess_et": SEARCH["finess_et"], "identites": [{"id": "l1", "identite": identity}],
    })).body)  # fmt: skip
    told = await bench.post(f"/ins/verification/lots/{left['lot']}/resultats", {"finess_et": SEARCH["finess_et"]})
    assert orjson.loads(told.body)["bilan"] == {"ok": 1, "ko": 0}
    assert (await bench.post("/dmp/documents", FEED, once="k1")).status == 201
    found = states(bench)
    conforming = [f"CHK-INS-{number:02d}" for number in (1, 2, 3, 9, 13, 15)]
    assert [found[check] for check in conforming] == ["conforme"] * len(conforming)
    assert (found["CHK-INS-10"], found["CHK-INS-14"]) == ("non_applicable", "non_observe")

    wrong = identity | {"traits": identity["traits"] | {"lieu_naissance": "63221"}}
    answer = await bench.post("/ins/verification", {"finess_et": SEARCH["finess_et"], "identite": wrong})
    assert orjson.loads(answer.body)["resultat"] == "KO"
    assert (await bench.post("/dmp/documents", FEED, once="k2")).status == 201
    doubt = {**decide, "evenement": {"type": "attribut", "attribut": "DOUT"}}
    assert orjson.loads((await bench.post("/ins/decision", doubt)).body)["statut"] == "PROV"
    await bench.post("/ins/recherche", SEARCH)
    results = judged(bench)
    [reuse] = results["CHK-INS-04"].findings
    assert (reuse.place, reuse.found) == ("patient.matricule", "INS portée après : vérification KO")
    assert results["CHK-INS-06"].state == "non_conforme"
    authors = {entry["operation"]: made["author"] for entry, made in zip(bench.entries(), facts(bench), strict=True)}
    assert (authors["INS.DECISION"], authors["INS.VERIFICATION"]) == ("dui", "passerelle")


@pytest.mark.parametrize(("change", "check"), [(ZEROS, "CHK-INS-07"), (NO_SEX, "CHK-INS-08")])
async def test_an_answer_that_may_not_be_reused_is_provoked_by_an_injection(bench: Bench, change: Edit, check: str) -> None:
    answer = search({**PERSON, "matricule": FEED["patient"]["matricule"]}, answer=change).response
    bench.arm("INS.RECHERCHE_TRAITS", "injection", answer=Injected(answer, media="application/soap+xml"))
    await bench.post("/ins/recherche", SEARCH)
    await bench.post("/dmp/documents", FEED, once="k1")
    found = judged(bench)[check]
    assert (found.state, found.findings[0].place) == ("non_conforme", "patient.matricule")


@pytest.mark.parametrize(("key", "failing"), [("89", []), ("90", ["CHK-INS-15"])])
async def test_a_verification_that_the_dui_wrote_is_judged_in_its_entry(bench: Bench, key: str, failing: list[str]) -> None:
    """The native door, beside ours: four checks read one message by itself."""
    path, pki, own = bench.world.path, bench.world.pki, bench.world.manifest["structures"][0]["auth_cli"]
    identity = tls.client_context(path(pki["ca"]), cert=path(own["cert"]), key=path(own["key"]))
    individual = replace(ASKED, ins=replace(ASKED.ins, key=key))
    body = request("INS.VERIFICATION", individual=individual)
    async with Client(identity) as dui:
        await dui.send("POST", bench.urls["insi"] + "/lps", headers=[(b"content-type", b"application/soap+xml")], body=body)
    [entry], [made] = bench.entries(), facts(bench)
    assert (entry["verdict"]["conforme"], entry["verdict"]["non_conforme"]) == (4 - 2 * len(failing), failing)
    assert (made["author"], made["asked"]["caller"]["by"], made["answer"]["holds"]) == ("dui", "structure", not failing)


async def test_a_letter_is_the_gateways_and_its_addresses_are_the_duis(bench: Bench) -> None:
    usager = f"{samples_matricule(bench)}@patient.mssante.fr"
    answer = await bench.post("/mss/messages", {**LETTER, "destinataires": [usager]}, once="k1", token=TOKEN)
    assert answer.status == 201
    message, session = facts(bench)
    assert (message["author"], session["author"], session["auth"]) == ("passerelle", "passerelle", None)
    found = states(bench)
    apart = ("CHK-MSS-01", "CHK-MSS-09", "CHK-MSS-10", "CHK-MSS-13", "CHK-MSS-21", "CHK-MSS-22", "CHK-MSS-23", "CHK-MSS-24")
    assert [found[check] for check in apart] == ["non_applicable"] * len(apart)
    assert found["CHK-JRN-09"] == "conforme"


async def test_a_run_says_why_a_check_does_not_apply(bench: Bench) -> None:
    await bench.post("/mss/messages", LETTER, once="k1", token=TOKEN)
    [finding] = judged(bench)["CHK-MSS-13"].findings
    assert finding.found == "message écrit par la passerelle (porte simple)"


def samples_matricule(bench: Bench) -> str:
    return next(str(row["matricule"]) for row in bench.world.population.persons() if row["mes"] == "open")
