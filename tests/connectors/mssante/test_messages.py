"""Messages that a DUI submits: headers, encodings, and the receipt asked for in the envelope."""
from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from email import message_from_bytes
from email.policy import SMTP as SMTP_POLICY

import pytest

from connectors.mssante.messages import Draft, build_message, personal_label, xtext

DRAFT = Draft(
    sender="infirmerie@ehpad-test.mssante.fr", label="EHPAD Test - Infirmerie", recipients=("hoda.fictif@ch-test.mssante.fr",),
    subject="Réunion d'équipe", text="Bonjour,\nà demain.\n", nil="TEST0001", reference="20261121.0001",
    date=datetime(2026, 11, 21, 10, 15, tzinfo=timezone(timedelta(hours=1))),
)  # fmt: skip


def test_the_headers_of_a_text_message() -> None:
    built = build_message(DRAFT)
    parsed = message_from_bytes(built.content, policy=SMTP_POLICY)
    assert built.message_id == parsed["Message-ID"] == "<20261121.0001@ehpad-test.mssante.fr>"
    assert parsed["From"] == "EHPAD Test - Infirmerie <infirmerie@ehpad-test.mssante.fr>"
    assert (parsed["X-MSS-NIL"], parsed["Subject"]) == ("TEST0001", "Réunion d'équipe")
    assert parsed["Date"] == "Sat, 21 Nov 2026 10:15:00 +0100"
    assert not [name for name in ("X-MSS-CODECDA", "X-MSS-INS", "X-MSS-MES", "Disposition-Notification-To") if name in parsed]
    assert parsed.get_content_charset() == "utf-8" and parsed.get_content() == "Bonjour,\r\nà demain.\r\n"


def test_the_wire_is_ascii_and_crlf_only() -> None:
    content = build_message(DRAFT).content
    assert content.isascii()
    assert content.count(b"\r\n") == content.count(b"\n") == content.count(b"\r")
    assert b"Subject: =?utf-8?" in content


def test_the_same_draft_gives_the_same_bytes() -> None:
    assert build_message(DRAFT) == build_message(DRAFT)
    assert build_message(DRAFT).content != build_message(replace(DRAFT, reference="20261121.0002")).content


def test_what_may_be_asked_of_the_reader() -> None:
    built = build_message(replace(DRAFT, ask_reading=True, no_answer=True, reply_to="secretariat@ehpad-test.mssante.fr"))
    parsed = message_from_bytes(built.content, policy=SMTP_POLICY)
    assert parsed["Disposition-Notification-To"] == DRAFT.sender
    assert (parsed["X-MSS-MES"], parsed["Reply-To"]) == ("FIN", "secretariat@ehpad-test.mssante.fr")


def test_a_delivery_receipt_is_asked_by_the_envelope() -> None:
    built = build_message(DRAFT, ask_delivery=True)
    assert built.mail_options == ("RET=HDRS", "ENVID=20261121.0001")
    assert built.rcpt_options("a+b@c.fr") == ("NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;a+2Bb@c.fr")
    assert (build_message(DRAFT).mail_options, build_message(DRAFT).rcpt_options("a@c.fr")) == ((), ())


def test_xtext() -> None:
    assert (xtext("a=b+c é"), xtext("plain")) == ("a+3Db+2Bc+20+C3+A9", "plain")


@pytest.mark.parametrize(
    "change", [{"sender": "sans-domaine"}, {"recipients": ("a b@c.fr",)}, {"nil": "deux mots"}, {"nil": ""}, {"sender": "é@c.fr"}]
)
def test_what_cannot_be_sent_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="not a"):
        build_message(replace(DRAFT, **change))  # type: ignore[arg-type]


def test_labels() -> None:
    assert personal_label("Marie", "Martin", title="Dr", entity="Cabinet Medical") == "Dr_Marie_MARTIN_Cabinet Medical"
    assert personal_label("Jean", "Dupont") == "Jean_DUPONT"
