"""A call of the journal made again: a new call that names the first, or a refusal that says why (docs/journal-lecture.md)."""
from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from copy import deepcopy
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest
from typer.testing import CliRunner

from connectors.insi.authentication import Organisation
from connectors.insi.client import InsiClient
from connectors.insi.client import Person as Wanted
from connectors.insi.messages import Software
from connectors.wire import tls
from connectors.wire.http import Answer, Client
from gateway.cli.main import app
from gateway.doors.own.examples import REQUESTS
from gateway.journal.query import JournalReader
from gateway.rerunning import NotRerun, request_of
from tests.gateway.doors.own.bench import STRUCTURES, Bench, open_bench, said

SEARCH = REQUESTS["/ins/recherche"]
FULL = {"INS.RECHERCHE_TRAITS": "full", "INS.VERIFICATION": "full", "DMP.TD2.1": "full", "DMP.TD0.2": "full"}


@pytest.fixture
async def keeping(own_sandbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    """A gateway that keeps whole messages."""
    async with open_bench(own_sandbox, tmp_path / "data", monkeypatch, bodies=FULL) as bench:
        yield bench


async def send(bench: Bench, path: str, *, admin: bool = False, bearer: str | None = None, body: Any = None) -> Answer:
    headers = [(b"content-type", b"application/json")]
    if admin:
        headers.append((b"x-socle-admin-key", str(bench.world.manifest["admin_key"]).encode()))
    if bearer is not None:
        headers.append((b"authorization", f"Bearer {bearer}".encode()))
    async with Client() as client:
        raw = orjson.dumps(body) if body is not None else b""
        return await client.send("POST", bench.urls["console"] + path, headers=headers, body=raw, timeout_s=20)


async def key_of(bench: Bench, *rights: str, tenant: str | None = None, name: str = "lecture") -> str:
    new = {"name": name, "rights": list(rights), "tenant": tenant, "by": "test"}
    return str(said(await send(bench, "/admin/journal/keys", admin=True, body=new))["key"])


async def rerun(bench: Bench, entry_id: str) -> Answer:
    return await send(bench, "/admin/journal/rerun", admin=True, body={"entry": entry_id, "by": "exploitant"})


def calls(bench: Bench, operation: str = "INS.RECHERCHE_TRAITS") -> list[dict[str, Any]]:
    return [one for one in bench.entries(operation) if one["kind"] == "call"]


async def native_search(bench: Bench) -> None:
    """As a DUI that speaks INSi itself."""
    row, folder = bench.world.manifest["structures"][0], bench.settings.sandbox
    auth, ca = row["auth_cli"], folder / bench.world.manifest["pki"]["ca"]
    software = Software(str(bench.world.manifest["idam"]), "DUI Test", "1.0", str(uuid4()))
    async with Client(tls.client_context(ca, cert=folder / auth["cert"], key=folder / auth["key"])) as http:
        url, clock = bench.urls["insi"] + "/lps", bench.world.clock
        client = InsiClient(http, url, software=software, authentication=Organisation(row["struct_id"]), clock=clock)
        await client.search_person(Wanted("ADRUN", ("ZOE",), "F", "1975-12-31", "63220"))


async def test_a_native_search_is_made_again_by_the_normal_road(keeping: Bench) -> None:
    await native_search(keeping)
    [first] = calls(keeping)
    received = keeping.received("INS.RECHERCHE_TRAITS")
    answer = await rerun(keeping, first["id"])
    assert answer.status == 200, answer.body
    [_, again] = calls(keeping)
    assert said(answer) == {
        "entry": again["id"], "replays": first["id"], "outcome": "ok", "service_code": first["service_code"], "flags": [],
    }  # fmt: skip
    for name in ("tenant", "finess_et", "outcome", "service_code", "person_ref", "dui"):
        assert again[name] == first[name], name
    assert (again["replays"], len(again["exchanges"]), again["verdict"]) == (first["id"], 1, None)
    assert first["verdict"] is None or first["verdict"] != again["verdict"]
    assert keeping.received("INS.RECHERCHE_TRAITS") == received + 1
    [note] = [one["detail"] for one in keeping.entries() if (one["detail"] or {}).get("action") == "rerun"]
    assert note == {"action": "rerun", "by": "exploitant", "entry": first["id"], "call": again["id"]}
    assert keeping.units() == []


async def test_a_search_of_our_own_door_is_made_again_without_its_key(keeping: Bench) -> None:
    assert (await keeping.post("/ins/recherche", SEARCH)).status == 200
    [first] = calls(keeping)
    answer = await rerun(keeping, first["id"])
    assert answer.status == 200, answer.body
    [_, again] = calls(keeping)
    assert (again["replays"], again["outcome"], again["person_ref"]) == (first["id"], "ok", first["person_ref"])
    assert len(again["exchanges"]) == len(first["exchanges"])
    thrice = await rerun(keeping, again["id"])  # what was made again is kept too
    assert (thrice.status, said(thrice)["replays"]) == (200, again["id"])


async def test_a_verification_is_made_again_and_says_what_it_says_now(keeping: Bench) -> None:
    body = deepcopy(REQUESTS["/ins/verification"])
    assert (await keeping.post("/ins/verification", body)).status == 200
    del body["identite"]["piece"]  # its ``code`` is a secret to whoever keeps messages, and taken out
    assert (await keeping.post("/ins/verification", body)).status == 200
    partly, first = calls(keeping, "INS.VERIFICATION")
    assert "pas tout ce qui fut envoyé" in said(await rerun(keeping, partly["id"]))["detail"]
    told = said(await rerun(keeping, first["id"]))
    again = calls(keeping, "INS.VERIFICATION")[-1]
    assert (told["outcome"], told["service_code"], again["id"], again["replays"]) == ("ok", "CR00 OK", told["entry"], first["id"])
    assert (again["person_ref"], again["ins_status"]) == (first["person_ref"], "recuperee")
    assert keeping.received("INS.VERIFICATION") == 3


async def test_what_cannot_honestly_be_made_again_is_refused_with_its_reason(keeping: Bench) -> None:
    await keeping.post("/dmp/documents", REQUESTS["/dmp/documents"], once="k1")
    await keeping.post("/mss/messages", REQUESTS["/mss/messages"], once="k2")
    for path in ("/ins/decision", "/ins/verification/lots"):
        assert (await keeping.post(path, REQUESTS[path])).status == 200
    await key_of(keeping, "metadata")  # an entry that is no call
    before = keeping.world.trace.counts()["received"]
    for operation, reason in (
        ("DMP.TD2.1", "Un envoi ne se rejoue pas"), ("MSS.SOUMISSION", "Un envoi ne se rejoue pas"),
        ("MSS.SESSION_SMTP", "jamais gardé"), ("INS.LOT_DEPOT", "qui le dépose"),
        ("INS.DECISION", "ne demande rien"), (None, "n'est pas un appel"),
    ):  # fmt: skip
        entry = next(one for one in keeping.entries() if one["operation"] == operation)
        answer = await rerun(keeping, entry["id"])
        assert (answer.status, reason in said(answer)["detail"]) == (409, True), answer.body
    assert keeping.world.trace.counts()["received"] == before
    assert [one for one in keeping.entries() if (one["detail"] or {}).get("action") == "rerun"] == []
    assert (await rerun(keeping, str(uuid4()))).status == 404


async def test_what_was_not_kept_is_not_made_again(bench: Bench) -> None:
    await bench.post("/ins/recherche", SEARCH)
    answer = await rerun(bench, calls(bench)[0]["id"])
    assert (answer.status, "n'est pas gardée" in said(answer)["detail"]) == (409, True)


async def start_in_production(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside mocks, which a gateway of production does not accept (design §7): no other test of a call is possible."""
    bench.settings = bench.settings.model_copy(update={"environment": "production"})
    with monkeypatch.context() as patched:
        patched.setattr("gateway.app.check_start", lambda *_: None)
        await bench.start()


async def test_nothing_is_made_again_in_production_nor_across_environments(
    keeping: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await keeping.post("/ins/recherche", SEARCH)
    [first] = calls(keeping)
    await keeping.stop()
    keeping.settings = keeping.settings.model_copy(update={"environment": "recette"})
    await keeping.start()
    answer = await rerun(keeping, first["id"])
    assert (answer.status, "bac_a_sable" in said(answer)["detail"]) == (409, True)
    for allowed, status in ((False, 409), (True, 200)):
        await keeping.stop()
        keeping.settings = keeping.settings.model_copy(update={"rerun_in_production": allowed})
        await start_in_production(keeping, monkeypatch)
        await keeping.post("/ins/recherche", SEARCH)
        latest = [one for one in calls(keeping) if one["environment"] == "production"][-1]
        answer = await rerun(keeping, latest["id"])
        assert answer.status == status, (allowed, answer.body)
    keeping.settings = keeping.settings.model_copy(update={"environment": "bac_a_sable"})


async def test_a_key_of_its_vendor_with_the_right_may_and_no_other(keeping: Bench) -> None:
    await keeping.post("/ins/recherche", SEARCH)
    path = f"/api/journal/entries/{calls(keeping)[0]['id']}/rerun"
    for number, (rights, tenant, status) in enumerate((
        (("settle",), "dui-exemple", 200), (("metadata", "body", "export"), "dui-exemple", 403),
        (("settle",), "autre-editeur", 404),
    )):  # fmt: skip
        answer = await send(keeping, path, bearer=await key_of(keeping, *rights, tenant=tenant, name=f"k{number}"))
        assert answer.status == status, answer.body
    no_call = next(one["id"] for one in keeping.entries() if one["kind"] == "admin")
    refused = await send(keeping, f"/api/journal/entries/{no_call}/rerun", bearer=await key_of(keeping, "settle"))
    assert (refused.status, said(refused)["type"]) == (409, "docs/journal-lecture.md#probleme-rejeu")
    assert (await send(keeping, path)).status == 401
    assert len(calls(keeping)) == 2


async def test_a_structure_that_its_vendor_serves_no_more_is_not_acted_for(keeping: Bench) -> None:
    await native_search(keeping)
    [native] = calls(keeping)
    assert keeping.gateway is not None
    keeping.gateway.access._certificates.clear()
    answer = await rerun(keeping, native["id"])
    assert (answer.status, "n'a plus d'identité" in said(answer)["detail"]) == (409, True)
    assert keeping.gateway.access.acting("dui-exemple", STRUCTURES[0]["finess_et"], "INS") is None


async def test_the_command_asks_the_gateway_that_runs(keeping: Bench) -> None:
    await keeping.post("/ins/recherche", SEARCH)
    port = int(keeping.urls["console"].rpartition(":")[2])
    (keeping.settings.data / "run.json").write_bytes(orjson.dumps({"ports": {"console": port}}))
    words = ["journal", "rerun", calls(keeping)[0]["id"], "--data", str(keeping.settings.data)]
    done = await asyncio.to_thread(CliRunner().invoke, app, words)
    assert (done.exit_code, " refait : ok" in done.output) == (0, True), done.output
    await keeping.stop()
    silent = await asyncio.to_thread(CliRunner().invoke, app, words)
    assert (silent.exit_code, "Aucune passerelle" in silent.output) == (3, True), silent.output
    await keeping.start()


# --- what was kept ----------------------------------------------------------------------------------------------------


async def test_another_body_than_the_one_sent_is_not_passed_off_as_it(keeping: Bench) -> None:
    await native_search(keeping)
    [entry] = calls(keeping)
    assert keeping.gateway is not None
    with JournalReader(keeping.settings.journal) as reader:
        [kept] = [one for one in reader.kept_of(entry) if one.role == "request"]
    copy = orjson.loads(keeping.gateway.journal.vault.unseal_alone(kept.name, kept.key, kept.sealed))
    assert request_of(entry, copy, kept.salt).body == copy["body"]["data"].encode()  # the twin
    other = copy | {"body": copy["body"] | {"data": copy["body"]["data"].replace("ADRUN", "ADRUM")}}
    cut = copy | {"body": copy["body"] | {"truncated": {"kept": 1, "of": 2}}}
    for changed, reason in (
        (other, "empreinte"), (cut, "coupée"), (copy | {"body": None}, "coupée"),
        (copy | {"removed": ["en-tête authorization"]}, "expurgée"), (copy | {"removed": ["jeton JWT"]}, "expurgée"),
    ):  # fmt: skip
        with pytest.raises(NotRerun, match=reason):
            request_of(entry, changed, kept.salt)
