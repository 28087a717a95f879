"""What is wrong in a call of INSi, at both native doors and at ours: the right fault or French refusal, an entry, and nobody's
matricule or name in a log or an entry. Real sockets, from the DUI to the simulated service."""
from __future__ import annotations

import asyncio
import base64
import logging
import shutil
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from connectors.insi import answers, messages
from connectors.insi.authentication import Authentication, Card, Organisation, Professional, ProSanteConnect
from connectors.insi.contexts import Header, new_stamp
from connectors.insi.errors import Unreadable
from connectors.wire import soap, tls
from connectors.wire.http import Client
from connectors.wire.saml import load_signer
from connectors.wire.serving import take_refused
from mocks.sandbox.office import Office
from mocks.sandbox.ordering import Wanted, order_of
from tests.gateway.doors.insi_messages import ASKED, SOFTWARE, request
from tests.gateway.doors.own.bench import TOKEN, Bench, open_bench

Change = Callable[[bytes], bytes]
_PRIVATE = ("1090763220834", "109076322083489", "ECETINSI", "PIERRE-ALAIN", "MURIEL", TOKEN)


@dataclass
class Caller:
    """One DUI at one door: what it shows by TLS, by its messages and by its headers."""

    bench: Bench
    listener: str
    authentication: Authentication
    context: ssl.SSLContext

    def message(self, operation: str, *, age: timedelta = timedelta(), **other: Any) -> bytes:
        at = self.bench.world.clock.real() - age
        who = self.authentication
        software = replace(SOFTWARE, idam=str(self.bench.world.manifest["idam"]))
        return request(operation, Header(software, who.emetteur, new_stamp(at), who.security(at)), **other)

    async def send(self, body: bytes, *, method: str = "POST", path: str = "/lps", media: str = soap.content_type()) -> str:
        """What a DUI reads: the code of INSi, or HTTP's; with the gateway's flag when the gateway answered by itself."""
        headers = [(b"content-type", media.encode()), *self.authentication.headers()]
        async with Client(self.context) as http:
            answer = await http.send(method, self.bench.urls[self.listener] + path, headers=headers, body=body, timeout_s=20)
        try:
            told = answers.read(answer.body).service_code
        except Unreadable:
            told = f"HTTP {answer.status}"
        return " ".join(filter(None, (told, answer.header("x-socle-fault"))))

    def last(self) -> tuple[Any, ...]:
        entry = self.bench.entries()[-1]
        return entry["operation"].removeprefix("INS."), entry["outcome"], entry["service_code"], *entry["flags"]


@pytest.fixture(scope="module")
def with_a_card(own_sandbox: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sandbox of the other tests, and the card of a professional in it."""
    folder = tmp_path_factory.mktemp("card")
    shutil.copytree(own_sandbox / "sandbox", folder / "sandbox")
    return folder


@pytest.fixture
async def bench(with_a_card: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    async with open_bench(with_a_card, tmp_path / "data", monkeypatch) as bench:
        yield bench


def by_certificate(bench: Bench) -> Caller:
    row, folder = bench.world.manifest["structures"][0], bench.settings.sandbox
    auth, ca = row["auth_cli"], folder / bench.world.pki["ca"]
    context = tls.client_context(ca, cert=folder / auth["cert"], key=folder / auth["key"])
    return Caller(bench, "insi", Organisation(row["struct_id"]), context)


def bearer(bench: Bench) -> dict[str, Any]:
    structure = bench.world.manifest["structures"][0]["finess_et"]
    return next(one for one in bench.world.population.professionals() if one["structure"] == structure)


def one_way(bench: Bench, authentication: Authentication) -> Caller:
    return Caller(bench, "insi-oneway", authentication, tls.client_context(bench.settings.sandbox / bench.world.pki["ca"]))


def by_card(bench: Bench) -> Caller:
    person = bearer(bench)
    row, _ = Office(bench.world.data / "sandbox").issue(order_of(bench.world, Wanted("ps_sign", professional=person["rpps"])))
    files = {kind: bench.settings.sandbox / row.files[kind] for kind in ("cert", "key")}
    return one_way(bench, Card(load_signer(files["cert"], files["key"]), Professional(person["structure"], "SA07")))


def by_token(bench: Bench, token: str = TOKEN) -> Caller:
    person = bearer(bench)
    return one_way(bench, ProSanteConnect(person["id_nat"], "CN=X", Professional(person["structure"], "SA07"), token))


def swapped(old: str, new: str) -> Change:
    def change(body: bytes) -> bytes:
        assert old.encode() in body, old
        return body.replace(old.encode(), new.encode(), 1)

    return change


def without(name: str, namespace: str) -> Change:
    return swapped(f"{namespace}:{name}", f"{namespace}:Autre{name}")


def doctype(declared: str, used: str = "") -> Change:
    """``declared`` in a DOCTYPE, and ``used`` in a trait."""

    def change(body: bytes) -> bytes:
        body = body.replace(b"?>", f"?><!DOCTYPE x [{declared}]>".encode(), 1)
        return body.replace(b"ECETINSI", (used or "ECETINSI").encode(), 1)

    return change


_BOMB = '<!ENTITY a0 "ah">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
SEARCH, VERIFY, UNKNOWN = "RECHERCHE_TRAITS", "VERIFICATION", "INCONNUE"
UNREADABLE = ("Sender", (UNKNOWN, "invalid", "Sender", "V-SOAP"))
NO_OPERATION = ("Sender", (UNKNOWN, "invalid", "Sender", "V-OPERATION"))
NO_IDAM = ("desir_550", (SEARCH, "unauthorised", "desir_550", "V-AUTORISATION"))
NO_CONTEXT = ("siram_10", (SEARCH, "invalid", "siram_10", "V-SOAP"))


def trait(code: str) -> tuple[str, tuple[str, ...]]:
    return code, (SEARCH, "invalid", code, "V-TRAITS")


#: What is done to a search, then what the DUI reads and what the journal holds, at both doors.
MESSAGES: dict[str, tuple[Change, str, tuple[str, ...]]] = {
    name: (change, *told) for name, change, told in (
        ("cut short", lambda body: body[:-30], UNREADABLE),
        ("empty", lambda _: b"", UNREADABLE),
        ("not XML", lambda _: b'{"nom": "ECETINSI"}', UNREADABLE),
        ("a DOCTYPE", doctype(""), UNREADABLE),
        ("XXE of a file", doctype('<!ENTITY e SYSTEM "file:///etc/hostname">', "&e;"), UNREADABLE),
        ("XXE of an address", doctype('<!ENTITY % e SYSTEM "http://127.0.0.1:9/"> %e;'), UNREADABLE),
        ("an entity bomb", doctype(_BOMB, "&a9;"), UNREADABLE),
        ("10 MB", swapped("ECETINSI", "ECETINSI" * 1_250_000), UNREADABLE),
        ("100,000 levels", lambda body: body.replace(b"<t:NomNaissance>", b"<t:N>" * 100_000, 1), UNREADABLE),
        ("bytes that are no UTF-8", lambda body: body.replace(b"ECETINSI", b"\xff\xfe", 1), UNREADABLE),
        ("a NUL", swapped("ECETINSI", "&#0;"), UNREADABLE),
        ("SOAP 1.1", lambda body: body.replace(soap.SOAP12.encode(), soap.SOAP11.encode()), UNREADABLE),
        ("no Body", lambda body: body.replace(b"soap:Body", b"soap:Corps"), UNREADABLE),
        ("an action of nobody", swapped("rechercherInsAvecTraits", "deviner"), NO_OPERATION),
        ("no ContexteLPS", lambda body: body.replace(b"lps:ContexteLPS", b"lps:Autre"), NO_CONTEXT),
        ("no ContexteBAM", lambda body: body.replace(b"bam:ContexteBAM", b"bam:Autre"), NO_CONTEXT),
        ("an unknown IDAM", swapped('R="4">', 'R="4">X'), NO_IDAM),
        ("no birth name", swapped(">ECETINSI<", "><"), trait("insi_19")),
        ("no first name", swapped(">PIERRE-ALAIN<", "> <"), trait("insi_21")),
        ("a third sex", swapped(":Sexe>M<", ":Sexe>I<"), trait("insi_24")),
        ("no date", swapped(">2009-07-14<", "><"), trait("insi_25")),
        ("a date of no calendar", swapped("2009-07-14", "2009-02-30"), trait("insi_26")),
        ("characters that INSi does not know", swapped(">ECETINSI<", ">Écétinsi_😀<"), ("CR01", (SEARCH, "refused", "CR01"))),
    )
}  # fmt: skip
SENT: dict[str, tuple[dict[str, str], str, tuple[str, ...]]] = {
    "another type": ({"media": "text/xml; charset=utf-8"}, "HTTP 415", (SEARCH, "invalid", "HTTP 415", "V-SOAP")),
    "no type": ({"media": ""}, "HTTP 415", (SEARCH, "invalid", "HTTP 415", "V-SOAP")),
    "GET": ({"method": "GET"}, "HTTP 405", (UNKNOWN, "invalid", "HTTP 405", "V-OPERATION")),
    "another path": ({"path": "/109076322083489"}, "HTTP 404", (SEARCH, "invalid", "HTTP 404", "V-SOAP")),
}


async def test_each_operation_passes_either_door_and_is_counted_alike_by_the_service(bench: Bench) -> None:
    wanted = {
        "INS.RECHERCHE_TRAITS": ("CR00", "ok"), "INS.RECHERCHE_VITALE": ("CR00", "ok"), "INS.VERIFICATION": ("CR00 OK", "ok"),
        "INS.LOT_DEPOT": ("CR00", "ok"), "INS.LOT_RETRAIT": ("CR01", "refused"),
    }  # fmt: skip
    for caller in (by_certificate(bench), by_card(bench)):
        told = {operation: (await caller.send(caller.message(operation)), caller.last()) for operation in wanted}
        assert told == {name: (code, (name[4:], outcome, code)) for name, (code, outcome) in wanted.items()}, caller.listener
    assert [bench.received(operation) for operation in wanted] == [2] * 5
    assert [entry["person_ref"] is not None for entry in bench.entries()] == [True, True, True, False, False] * 2


async def test_each_door_refuses_what_is_wrong_and_writes_an_entry(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    found: dict[str, Any] = {}
    wanted: dict[str, Any] = {}
    for caller in (by_certificate(bench), by_card(bench)):
        whole = caller.message("INS.RECHERCHE_TRAITS")
        assert (await caller.send(whole), caller.last()) == ("CR00", (SEARCH, "ok", "CR00"))
        for name, (change, told, entry) in MESSAGES.items():
            where = f"{caller.listener}, {name}"
            wanted[where], found[where] = (told, entry), (await caller.send(change(whole)), caller.last())
        for name, (how, told, entry) in SENT.items():
            where = f"{caller.listener}, {name}"
            wanted[where], found[where] = (told, entry), (await caller.send(whole, **how), caller.last())

    assert found == wanted
    entries = bench.entries()
    assert len([one for one in entries if one["kind"] == "call"]) == 2 + len(wanted)
    assert {one["tenant"] for one in entries if one["kind"] == "call"} <= {"dui-exemple", "inconnu"}
    assert kept_in(bench, caplog) == []


def kept_in(bench: Bench, caplog: pytest.LogCaptureFixture) -> list[str]:
    """What must be nowhere, and is in a log at its finest or in an entry. No process turns on the access log of its server."""
    logged = [str(vars(record)) for record in caplog.records if record.name != "uvicorn.access"]
    written = "".join(logged) + orjson.dumps(bench.entries()).decode()
    return [one for one in (*_PRIVATE, bearer(bench)["id_nat"]) if one in written]


def whose(bench: Bench) -> tuple[Any, ...]:
    """Of the last entry: vendor, structure, whether a professional is named."""
    entry = bench.entries()[-1]
    return entry["tenant"], entry["finess_et"], entry["professional_ref"] is not None


MINE, NOBODY = ("dui-exemple", "0B0990008", True), ("inconnu", None, False)
REFUSED = ("siram_100", (SEARCH, "unauthorised", "siram_100", "V-AUTORISATION"))


async def test_an_assertion_that_the_service_refuses_is_its_vendors_only_if_it_proves_it(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    card, token = by_card(bench), by_token(bench)
    known = bench.world.psc_claims
    client = next(row["client_id"] for row in bench.world.manifest["psc_clients"] if row["tenant"] == MINE[0])
    mine = "h." + base64.urlsafe_b64encode(orjson.dumps({"azp": client})).decode().rstrip("=") + ".s"
    bench.world.psc_claims = lambda shown: known(TOKEN) if shown == mine else known(shown)
    operation, good = "INS.RECHERCHE_TRAITS", ("CR00", (SEARCH, "ok", "CR00"))
    signed = card.message(operation)
    identifier = bearer(bench)["id_nat"]
    told: list[Any] = []
    for caller, body in (
        (card, signed), (by_token(bench, mine), by_token(bench, mine).message(operation)), (token, token.message(operation)),
        (card, card.message(operation, age=timedelta(minutes=61))), (card, by_certificate(bench).message(operation)),
        (card, signed.replace(f"{identifier}</NameID>".encode(), b"899999999999</NameID>")),
        (card, signed.replace(b"0B0990008</AttributeValue>", b"0B0990016</AttributeValue>")),
        (by_token(bench, "autre"), token.message(operation)), (card, token.message(operation)),
    ):  # fmt: skip
        told.append(((await caller.send(body), caller.last()), whose(bench)))

    assert told == [
        (good, MINE), (good, MINE), (good, NOBODY), (REFUSED, MINE), (REFUSED, NOBODY), (REFUSED, NOBODY), (REFUSED, NOBODY),
        (REFUSED, NOBODY), (REFUSED, NOBODY),
    ]  # fmt: skip
    assert kept_in(bench, caplog) == []


async def test_a_verification_says_of_an_impossible_key_or_date_that_it_does_not_hold(bench: Bench) -> None:
    caller = by_certificate(bench)
    whole = messages.Person("ECETINSI", ("PIERRE-ALAIN", "MURIEL", "FLORIANT"), "M", "2009-07-14", "63220")
    told: dict[str, Any] = {}
    for name, key, born in (("whole", "89", "2009-07-14"), ("key", "12", "2009-07-14"), ("day", "89", "2009-07-15")):
        asked = messages.Individual(replace(ASKED.ins, key=key), replace(whole, birth_date=born))
        told[name] = await caller.send(caller.message("INS.VERIFICATION", individual=asked)), caller.last()
    persons = [entry["person_ref"] for entry in bench.entries()]

    ko = ("CR00 KO", (VERIFY, "refused", "CR00 KO"))
    assert told == {"whole": ("CR00 OK", (VERIFY, "ok", "CR00 OK")), "key": ko, "day": ko}
    assert persons[0] == persons[2] and None not in persons and persons[1] != persons[0]


async def test_a_call_that_somebody_signed_is_not_made_again_in_his_place(
    with_a_card: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = {"INS.RECHERCHE_TRAITS": "full", "INS.VERIFICATION": "full"}
    async with open_bench(with_a_card, tmp_path / "data", monkeypatch, bodies=kept) as bench:
        card, alone = by_card(bench), by_certificate(bench)
        for caller in (card, alone):
            for operation in kept:
                await caller.send(caller.message(operation))
        answers = [await again(bench, entry["id"]) for entry in bench.entries()]

    assert [status for status, _ in answers] == [409, 409, 200, 200]
    assert all("l'assertion d'un professionnel" in why for _, why in answers[:2])


async def again(bench: Bench, entry: str) -> tuple[int, str]:
    key = str(bench.world.manifest["admin_key"]).encode()
    async with Client() as http:
        answer = await http.send(
            "POST", bench.urls["console"] + "/admin/journal/rerun", timeout_s=20, body=orjson.dumps({"entry": entry, "by": "x"}),
            headers=[(b"content-type", b"application/json"), (b"x-socle-admin-key", key)],
        )  # fmt: skip
    return answer.status, answer.body.decode()


@pytest.mark.parametrize("listener", ["insi", "insi-oneway"])
async def test_a_request_that_stops_on_the_way_is_cut_or_counted_and_never_forwarded(bench: Bench, listener: str) -> None:
    caller = by_certificate(bench) if listener == "insi" else by_token(bench)
    port = int(bench.urls[listener].rpartition(":")[2])
    take_refused()
    for half in (b"X: 1090763", b"Content-Length: 99\r\n\r\n<"):
        _, writer = await asyncio.open_connection("localhost", port, ssl=caller.context)
        writer.write(b"POST /lps HTTP/1.1\r\nHost: localhost\r\n" + half)
        await writer.drain()
        writer.close()
        await writer.wait_closed()
    for _ in range(300):
        if bench.entries():
            break
        await asyncio.sleep(0.01)

    [entry] = bench.entries()
    tenant = "dui-exemple" if listener == "insi" else "inconnu"
    assert (entry["outcome"], entry["flags"], entry["exchanges"], entry["tenant"]) == ("cut", ["V-COUPURE"], [], tenant)
    assert take_refused() == {(listener, "http_no_request"): 1}
    assert bench.received("INS.INCONNUE") == 0


CIVIL = {
    "nom_naissance": "ECETINSI", "prenoms": ["PIERRE-ALAIN", "MURIEL", "FLORIANT"], "sexe": "M", "date_naissance": "2009-07-14",
    "lieu_naissance": "63220",
}  # fmt: skip
WANTED = {"finess_et": "0B0990008", **CIVIL}
HELD: dict[str, Any] = {
    "finess_et": "0B0990008",
    "identite": {
        "traits": CIVIL, "methode": "INSI",
        "ins": {"matricule": "109076322083489", "oid": "1.2.250.1.213.1.4.8", "obtenue_le": "2026-01-05"},
    },
}  # fmt: skip


def held(**wrong: Any) -> dict[str, Any]:
    """An identity whose INS is ``wrong``."""
    identity: dict[str, Any] = HELD["identite"]
    return HELD | {"identite": identity | {"ins": identity["ins"] | wrong}}


#: A path and what is sent, then the status, the problem and the flag.
OURS: dict[str, tuple[str, Any, int, str, str]] = {
    "broken JSON": ("/ins/verification", b'{"finess_et": "0B09', 400, "json", "V-JSON"),
    "a list": ("/ins/recherche", [WANTED], 400, "json", "V-JSON"),
    "nothing": ("/ins/verification", b"", 400, "json", "V-JSON"),
    "bytes that are no UTF-8": ("/ins/recherche", b'{"finess_et": "\xff"}', 400, "json", "V-JSON"),
    "levels": ("/ins/verification", b"[" * 200_000, 400, "json", "V-JSON"),
    "10 MB": ("/ins/recherche", WANTED | {"nom_naissance": "ECETINSI" * 1_250_000}, 422, "champs", "V-CHAMPS"),
    "an unknown field": ("/ins/recherche", WANTED | {"surnom": "ECETINSI"}, 422, "champs", "V-CHAMPS"),
    "a date of no calendar": ("/ins/recherche", WANTED | {"date_naissance": "2009-02-30"}, 422, "champs", "V-CHAMPS"),
    "forbidden characters": ("/ins/recherche", WANTED | {"nom_naissance": "ECETINSI_1"}, 422, "champs", "V-CHAMPS"),
    "a NUL": ("/ins/recherche", WANTED | {"prenoms": ["PIERRE\0ALAIN"]}, 422, "champs", "V-CHAMPS"),
    "a place of no code": ("/ins/recherche", WANTED | {"lieu_naissance": "PARIS"}, 422, "champs", "V-CHAMPS"),
    "an impossible key": ("/ins/verification", held(matricule="109076322083412"), 422, "champs", "V-CHAMPS"),
    "an OID of nothing": ("/ins/verification", held(oid="1.2.3"), 422, "champs", "V-CHAMPS"),
    "somebody else's structure": ("/ins/verification", HELD | {"finess_et": "0B0990016"}, 403, "structure", "V-STRUCTURE"),
}


async def test_our_doors_refuse_in_french_and_write_an_entry(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for path, good in (("/ins/recherche", WANTED), ("/ins/verification", HELD)):
        assert (await bench.post(path, good)).status == 200, path
    found: dict[str, Any] = {}
    for name, (path, body, *_) in OURS.items():
        answer = await bench.post(path, body)
        problem = orjson.loads(answer.body)
        assert answer.header("content-type") == "application/problem+json" and problem["detail"], name
        assert not any(one in answer.body.decode() for one in ("ECETINSI", "1090763220834")), name
        flags = bench.entries()[-1]["flags"]
        found[name] = (answer.status, problem["type"].rpartition("probleme-")[2], *flags)

    assert found == {name: told[2:] for name, told in OURS.items()}
    assert len(bench.entries()) == 2 + len(OURS)
    assert kept_in(bench, caplog) == []
