"""A tenant that is added to a sandbox that runs calls by every door at once; removed, it is refused at every door at once."""
from __future__ import annotations

import base64
import smtplib
import ssl
import subprocess
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit
from urllib.request import Request, urlopen

import orjson
import pytest

from gateway.journal.query import Filters, JournalReader
from tests.e2e.test_up import ROOT, SOCLE, Up, read_json, start, stop


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    data = tmp_path_factory.mktemp("tenants")
    process = start(data, "--json")
    yield Up(process, read_json(process), data)
    if process.poll() is None:
        stop(process)


class Tenant:
    """What `socle sandbox tenant add --json` printed, used as its software would; each door answers with what it said."""

    def __init__(self, up: Up, said: dict[str, Any]) -> None:
        self.up, self.said, self.structure = up, said, said["structures"][0]

    def _context(self, *, bear: bool) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.up.said["confiance"]["ca_pem"])
        if bear:
            identity = self.structure["identities"]["auth_cli"]
            context.load_cert_chain(identity["cert"], identity["key"])
        return context

    def _ask(self, base: str, path: str, body: bytes | None, headers: dict[str, str], *, bear: bool = False) -> str:
        request = Request(self.up.said["bases"][base] + path, data=body, headers=headers)
        context = None if request.type == "http" else self._context(bear=bear)
        try:
            with urlopen(request, context=context, timeout=20) as answer:
                return f"{answer.status} {answer.read().decode()}"
        except HTTPError as refused:
            with refused:
                return f"{refused.code} {refused.read().decode()}"
        except OSError as cut:  # the handshake, or what follows it under TLS 1.3
            return f"tls {cut}"

    def insi(self) -> str:
        body = (ROOT / "docs" / "exemples" / "insi-recherche.xml").read_bytes()
        return self._ask("insi", "", body, {"Content-Type": "application/soap+xml; charset=utf-8"}, bear=True)

    def annuaire(self) -> str:
        return self._ask("annuaire", "/Practitioner?_count=1", None, {"ESANTE-API-KEY": self.said["annuaire_key"]})

    def own(self, body: bytes = b"{}") -> str:
        return self._ask("console", "/ins/recherche", body, {"Authorization": f"Bearer {self.said['own_key']}"})

    def psc(self, client_id: str | None = None) -> str:
        client = self.said["psc_clients"][0]
        form = {
            "grant_type": "authorization_code", "code": "inconnu", "redirect_uri": client["redirect_uris"][0],
            "client_id": client_id or client["client_id"], "client_secret": client["client_secret"],
        }  # fmt: skip
        sent = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._ask("psc", "/protocol/openid-connect/token", urlencode(form).encode(), sent)

    def opened(self, mailbox: str | None = None) -> tuple[smtplib.SMTP, str]:
        """A session of its applicative mailbox, which its certificate opens, or of another one; what AUTH was answered."""
        client = smtplib.SMTP("localhost", urlsplit(self.up.said["bases"]["smtp"]).port or 0, timeout=20)
        try:
            client.starttls(context=self._context(bear=True))
            client.ehlo("dui.test")
            address = base64.b64encode((mailbox or self.structure["mailboxes"][1]).encode()).decode()
            code, text = client.docmd("AUTH", f"EXTERNAL {address}")
        except BaseException:
            client.close()
            raise
        return client, f"{code} {text.decode()}"

    def mail(self, mailbox: str | None = None) -> str:
        try:
            client, said = self.opened(mailbox)
            with client:
                return said
        except (OSError, smtplib.SMTPException) as cut:
            return f"tls {cut}"

    def control(self) -> str:
        return self._ask("controle", "/clock", None, {"X-Socle-Control-Key": self.said["control_key"]})

    def everywhere(self) -> dict[str, str]:
        doors = (self.insi, self.annuaire, self.own, self.psc, self.mail, self.control)
        return {door.__name__: door()[:400] for door in doors}


def tenant(up: Up, *arguments: str) -> dict[str, Any]:
    command = [*SOCLE, "sandbox", "tenant", *arguments, "--json", "--data", str(up.data)]
    done = subprocess.run(command, capture_output=True, cwd=ROOT, check=True, timeout=60)
    said: dict[str, Any] = orjson.loads(done.stdout)
    return said


def welcomed(answers: dict[str, str]) -> bool:
    good = {"insi": "200 ", "annuaire": "200 ", "own": "422 ", "mail": "235 "}
    assert {name: answers[name][: len(start)] for name, start in good.items()} == good, answers
    assert answers["psc"].startswith("400 ") and "invalid_grant" in answers["psc"], answers  # but its code
    return True


def refused(answers: dict[str, str]) -> bool:
    wrong = {"insi": "tls ", "annuaire": "401 ", "own": "401 ", "psc": "401 ", "mail": "tls ", "control": "401 "}
    assert {name: answers[name][: len(start)] for name, start in wrong.items()} == wrong, answers
    assert "invalid_client" in answers["psc"] or "unauthorized_client" in answers["psc"], answers
    return True


def test_a_tenant_calls_as_soon_as_it_is_there_and_no_more_once_it_is_gone(up: Up) -> None:
    first = Tenant(up, tenant(up, "add", "editeur-b", "--structures", "1", "--persons", "2"))
    assert welcomed(first.everywhere())
    session, said = first.opened()
    with session:
        assert said.startswith("235 ") and session.mail(first.structure["mailboxes"][1])[0] == 250
        session.rset()
        second = Tenant(up, tenant(up, "rotate", "editeur-b"))
        late = session.mail(first.structure["mailboxes"][1])
    assert late[0] == 530 and b"5.7.0" in late[1], late
    assert refused(first.everywhere()) and welcomed(second.everywhere())
    assert tenant(up, "remove", "editeur-b", "--yes") == {"removed": "editeur-b"}
    assert refused(second.everywhere())
    with JournalReader(up.data / "gateway") as reader:
        acts = [entry["detail"] for _, entry in reader.select(Filters(kind="admin"))]
        calls = [entry for _, entry in reader.select(Filters(kind="call"))]
    assert [one["act"] for one in acts if one["action"] == "tenant"] == ["add", "rotate", "remove"]
    nobodys = [one["count"] for one in acts if one["action"] == "access_denied" and one["why"] == {"cle_controle": one["count"]}]
    assert 1 <= sum(nobodys) <= 2, "the former control keys, the second when its minute is over"
    mine = [(one["service"], one["outcome"]) for one in calls if one["tenant"] == "editeur-b"]
    assert mine.count(("INS", "ok")) == 2 and mine.count(("ANN", "ok")) == 2, mine
    refusals = [one["outcome"] for one in calls if one["tenant"] == "inconnu" and one["service"] in ("ANN", "PSC", "INS")]
    assert len(refusals) >= 4 and "ok" not in refusals, refusals
    structure = first.structure["finess_et"]
    assert {one["finess_et"] for one in calls if one["service"] == "INS" and one["tenant"] == "editeur-b"} <= {structure, None}


def test_with_what_is_anothers_a_tenant_gets_what_the_service_answers_to_a_thief(up: Up) -> None:
    thief, others = Tenant(up, tenant(up, "add", "editeur-c", "--structures", "1", "--persons", "1")), up.said
    mail = thief.mail(others["bal"][1]["address"])
    assert mail.startswith("535 "), mail
    psc = thief.psc(others["psc"]["client_id"])
    assert psc.startswith("401 "), psc
    traits = {"nom_naissance": "ESSAI", "prenoms": ["LOU"], "sexe": "F", "date_naissance": "1950-02-03"}
    own = thief.own(orjson.dumps({"finess_et": others["structure"]["finess_et"], **traits}))
    assert own.startswith("403 ") and "n'agit pas pour ce FINESS" in own, own
    assert welcomed(thief.everywhere())
    with JournalReader(up.data / "gateway") as reader:
        calls = [entry for _, entry in reader.select(Filters(kind="call"))]
    refusals = [(one["service"], one["outcome"]) for one in calls if one["outcome"] in ("unauthorised", "refused", "invalid")]
    assert {"PSC", "INS", "MSS"} <= {service for service, _ in refusals[-12:]}, calls[-12:]
