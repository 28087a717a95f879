"""What the doors show to conformance: a session and a message by SMTP, on sockets."""
from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from gateway.conformance.live import Observer, eyes_of
from gateway.doors.mail.content import MAX_READ, Content
from gateway.road import Request
from tests.connectors.dmp.samples import Dui
from tests.gateway.doors.smtp_bench import smtp_bench
from tests.gateway.journal.world import rows
from tests.gateway.road_bench import road_bench
from tests.mocks.mssante.bench import COLLEAGUE, SHARED, message


def facts(folder: Path) -> dict[str, dict[str, object]]:
    found = rows(folder / "gateway", "SELECT operation, facts.body FROM facts JOIN entries ON entries.pos = facts.pos")
    return {operation: orjson.loads(body) for operation, body in found}


async def test_a_session_and_its_message_are_observed(tmp_path: Path) -> None:
    async with smtp_bench(tmp_path) as bench:
        bench.door.observer = Observer(eyes_of(bench.journal.vault, None))
        async with bench.dui() as smtp:
            await smtp.send(message(), 250, COLLEAGUE)
            await smtp.says("QUIT", 221)
        seen = facts(tmp_path)
        [sent] = bench.entries()
        [session] = bench.entries("MSS.SESSION_SMTP")
    assert seen["MSS.SESSION_SMTP"]["tls"] == {"version": "TLSv1.3"}
    assert seen["MSS.SESSION_SMTP"]["auth"] == {"mechanism": "XOAUTH2", "form": True, "mailbox": True, "bearer": "autre"}
    assert seen["MSS.SESSION_SMTP"]["clear"] is False
    assert [one["class"] for one in seen["MSS.SOUMISSION"]["recipients"]] == ["pro"]  # type: ignore[index]
    assert seen["MSS.SOUMISSION"]["message_id"]["form"] is True  # type: ignore[index]
    assert (session["verdict"]["conforme"], session["verdict"]["non_conforme"]) == (1, ["CHK-MSS-09"])  # a token of the bench
    assert sent["verdict"]["non_conforme"] == []
    assert sent["verdict"]["conforme"] == 2  # Message-ID; NIL as deposited, no CDA


async def test_a_mail_before_tls_is_observed(tmp_path: Path) -> None:
    async with smtp_bench(tmp_path) as bench:
        bench.door.observer = Observer(eyes_of(bench.journal.vault, None))
        async with bench.dui(login=False) as smtp:
            await smtp.says("EHLO dui", 250)
            await smtp.says(f"MAIL FROM:<{SHARED}>", 530)
            await smtp.says("QUIT", 221)
        [session] = bench.entries("MSS.SESSION_SMTP")
    assert session["verdict"]["non_conforme"] == ["CHK-MSS-01"]


@pytest.mark.parametrize(("listener", "seen"), [("dmp", ["DMP.TD2.1"]), ("annuaire", []), ("console", [])])
async def test_only_what_a_dui_says_on_a_native_door_is_observed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dui: Dui, listener: str, seen: list[str]
) -> None:
    monkeypatch.setenv("SOCLE_PORTS", "{}")
    call = dui.feed()
    async with road_bench(tmp_path / "gateway") as world:
        world.road.observer = Observer(eyes_of(world.journal.vault, None))
        await world.road.carry(world.door, Request(listener, "POST", "/feed", call.headers, call.body))
        [entry] = world.entries()
        assert entry["outcome"] == "ok"
        assert list(facts(tmp_path)) == seen
        assert (entry["verdict"] is not None) is bool(seen)


async def test_without_an_observer_nothing_changes(tmp_path: Path) -> None:
    async with smtp_bench(tmp_path) as bench:
        async with bench.dui() as smtp:
            await smtp.send(message(), 250, COLLEAGUE)
        [sent] = bench.entries()
        assert (sent["verdict"], facts(tmp_path)) == (None, {})


def read(data: bytes, size: int) -> Content:
    content = Content(64 * 1024 * 1024)
    for at in range(0, len(data), size):
        content.feed(data[at : at + size])
    assert content.done
    return content


def test_a_message_is_read_as_it_was_written_whatever_the_pieces() -> None:
    written = b".first\r\nSubject: x\r\n\r\n..\r\n.a\r\nend\r\n"
    stuffed = b"..first\r\nSubject: x\r\n\r\n...\r\n..a\r\nend\r\n.\r\n"
    for size in range(1, len(stuffed) + 1):
        assert read(stuffed, size).whole() == written, size


def test_a_message_beyond_the_bound_is_not_held() -> None:
    line = b"x" * 998 + b"\r\n"
    many = MAX_READ // len(line)
    assert read(b"\r\n" + line * (many - 1) + b".\r\n", 1 << 20).whole() is not None
    assert read(b"\r\n" + line * (many + 2) + b".\r\n", 1 << 20).whole() is None
