"""How a DUI reads answers: the gateway's own word first, then the service's; nothing readable is a failure, not a crash."""
from __future__ import annotations

from pathlib import Path

import pytest

from connectors.mssante.codes import Reply
from connectors.wire.http import Answer
from loadtests import calls, failures
from loadtests.calls import HttpCall, Reading
from loadtests.sent import SentFile
from loadtests.users.dmp import read_feed
from loadtests.users.insi import read_search
from loadtests.users.mail import read_reply
from loadtests.users.psc import Page, read_code, read_page

SEARCH = HttpCall("INS.RECHERCHE_TRAITS", "insi", "POST", "/lps", read_search)


def cr(code: str) -> Answer:
    body = (
        '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body>'
        '<RESULTAT xmlns="http://www.cnamts.fr/INSiResultat"><CR><CodeCR>{}</CodeCR><LibelleCR>x</LibelleCR></CR></RESULTAT>'
        "</s:Body></s:Envelope>"
    )
    return Answer(200, [], body.format(code).encode())


@pytest.mark.parametrize(("code", "why"), [("01", failures.CR_01), ("02", failures.CR_02)])
def test_a_cr_code_is_a_reason(code: str, why: str) -> None:
    assert calls.read(SEARCH, cr(code)) == Reading(f"CR{code}", why)


def test_the_gateways_own_refusal_is_read_before_the_body() -> None:
    late = Answer(504, [(b"X-Socle-Fault", b"G-DELAI")], cr("01").body)
    assert calls.read(SEARCH, late) == Reading("G-DELAI", failures.UPSTREAM_TIMEOUT)
    full = Answer(503, [(b"x-socle-fault", b"G-PLEIN")], b"")
    assert calls.read(SEARCH, full) == Reading("G-PLEIN", failures.OTHER)


def test_an_unreadable_answer_is_a_failure_of_its_own() -> None:
    reading = calls.read(SEARCH, Answer(200, [], b"<html>"))
    assert (reading.code, reading.ok) == ("HTTP 200", False)
    assert reading.why == f"{failures.OTHER} (Unreadable)"


@pytest.mark.parametrize(
    ("error", "why"),
    [
        ("XDSDuplicateUniqueIdInRegistry", failures.DUPLICATE_UNIQUE_ID),
        ("DMPClosed", failures.DMP_CLOSED),
        ("XDSRegistryBusy", failures.OTHER),
    ],
)
def test_a_registry_failure_comes_in_http_200(error: str, why: str) -> None:
    body = (
        '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body>'
        '<rs:RegistryResponse xmlns:rs="urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0" '
        'status="urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Failure"><rs:RegistryErrorList>'
        f'<rs:RegistryError errorCode="{error}" codeContext="x" severity="x"/></rs:RegistryErrorList></rs:RegistryResponse>'
        "</s:Body></s:Envelope>"
    )
    answer = Answer(200, [(b"content-type", b"application/soap+xml")], body.encode())
    assert read_feed(answer) == Reading(error, why)


@pytest.mark.parametrize(
    ("stage", "reply", "why"),
    [
        ("end", Reply(250, ("2.0.0 Ok",)), None),
        ("rcpt", Reply(550, ("5.1.1 Unknown",)), failures.UNKNOWN_MAILBOX),
        ("rcpt", Reply(550, ("5.7.1 Outside",)), failures.FOREIGN_DOMAIN),
        ("end", Reply(451, ("4.4.2 Unknown state",)), failures.UPSTREAM_TIMEOUT),
        ("mail", Reply(250, ("2.1.0 Ok",)), failures.OTHER),  # a message that stopped there was not sent
    ],
)
def test_an_smtp_reply_means_what_its_stage_says(stage: str, reply: Reply, why: str | None) -> None:
    assert read_reply(stage, reply).why == why


def test_a_login_page_gives_its_form_and_a_page_without_one_is_refused() -> None:
    page = b'<form method="post" action="/auth/login?client_id=a&amp;b=1"><input type="hidden" name="login_id" value="abc">'
    read = read_page(Answer(200, [(b"set-cookie", b"AUTH_SESSION_ID=s; Path=/auth; Secure")], page))
    assert read.value == Page("/auth/login?client_id=a&b=1", "abc", "AUTH_SESSION_ID=s")
    assert read_page(Answer(400, [], b"<h1>Connexion impossible</h1>")).why == failures.OTHER


def test_the_code_is_in_the_way_back() -> None:
    back = Answer(302, [(b"location", b"http://127.0.0.1:8700/retour?state=s&code=a.b.c")], b"")
    assert read_code(back).value == "a.b.c"
    refused = Answer(302, [(b"location", b"http://127.0.0.1:8700/retour?error=access_denied")], b"")
    assert read_code(refused).why == failures.OTHER


def test_failures_are_counted_by_reason(tmp_path: Path) -> None:
    sent = SentFile(tmp_path)
    for why in (None, failures.CR_01, failures.CR_01):
        with sent.call(SEARCH.operation, body_bytes=10) as call:
            call.read("x", why)
    sent.lost(failures.NO_ANSWER)
    sent.close()
    assert sent.failures == {failures.CR_01: 2, failures.NO_ANSWER: 1}
    assert sent.mean_body_bytes() == {SEARCH.operation: 10}
    assert len(sent.latencies_ms[SEARCH.operation]) == 3
