"""Faults armed on the reading of a mailbox: what each step answers, what is lost on the pipe, what it all leaves behind."""
from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from mocks.mssante.app import MssanteMock
from mocks.mssante.imap_faults import STEP_OF, cut_short
from mocks.sandbox.codes import IMAP, steps_of
from mocks.sandbox.faults import Fault
from mocks.sandbox.network_faults import garbage
from mocks.sandbox.world import World
from tests.mocks.mssante.bench import SHARED, xoauth2
from tests.mocks.mssante.imap_bench import Imap, deliver, reading

CHALLENGE = b"+ eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiYmVhcmVyIiwic2NvcGUiOiJtYWlsIn0="


@pytest.fixture
def mock(world: World) -> MssanteMock:
    return MssanteMock(world)


@pytest.fixture
async def imap(mock: MssanteMock) -> AsyncIterator[Imap]:
    """A message is in the box that it selected."""
    deliver(mock)
    async with reading(mock) as talk:
        await talk.login()
        await talk.says("SELECT INBOX")
        yield talk


def arm(world: World, kind: str, value: str = "", step: str = "", **more: object) -> None:
    world.faults.arm_json({"id": "panne-1", "operation": IMAP, "kind": kind, "value": value, "step": step, **more})


def trash(mock: MssanteMock) -> int:
    return len(mock.room.open(SHARED).folders["Trash"].messages)


async def test_a_session_refused_at_its_first_command(mock: MssanteMock, world: World) -> None:
    arm(world, "status", "BYE UNAVAILABLE")
    async with reading(mock):
        pass  # a probe that only connects meets nothing
    async with reading(mock) as imap:
        await imap.raw(b"a CAPABILITY\r\n")
        assert await imap.hears() == b"* BYE [UNAVAILABLE] Service closing (panne injectee panne-1)"
        await imap.gone()
    assert len(world.faults) == 0
    async with reading(mock) as imap:
        await imap.says("CAPABILITY")


COMMANDS = {
    "list": "LIST \"\" *", "select": "SELECT INBOX", "search": "SEARCH ALL", "fetch": "FETCH 1 FLAGS",
    "store": "STORE 1 +FLAGS (\\Seen)", "copy": "COPY 1 Trash", "move": "MOVE 1 Trash", "append": "APPEND Trash {3+}\r\na\r\n",
    "expunge": "EXPUNGE", "idle": "IDLE",
}  # fmt: skip


@pytest.mark.parametrize("step", COMMANDS)
async def test_a_command_refused_does_nothing_and_says_by_which_fault(
    mock: MssanteMock, world: World, imap: Imap, step: str
) -> None:
    assert set(COMMANDS) | {"session", "auth"} == set(steps_of(IMAP)) == set(STEP_OF.values()) | {"session"}
    await imap.says("STORE 1 +FLAGS (\\Deleted)")
    before = mock.state()["mailboxes"]
    arm(world, "status", "NO SERVERBUG", step)
    assert (await imap.says(COMMANDS[step], "NO [SERVERBUG]"))[-1].endswith(b"(panne injectee panne-1)")
    assert (mock.state()["mailboxes"], len(world.faults)) == (before, 0)
    assert [one.code for one in world.requests][-1] == f"{COMMANDS[step].split(' ')[0]} NO SERVERBUG"
    if step != "idle":
        await imap.says(COMMANDS[step])


async def test_bad_and_bye_in_the_middle_of_a_session(world: World, imap: Imap) -> None:
    arm(world, "status", "BAD", "select")
    await imap.says("SELECT INBOX", "BAD Command refused")
    arm(world, "status", "BYE", "fetch")
    await imap.leaves("FETCH 1 FLAGS", "Service closing (panne injectee panne-1)")


async def test_a_refused_identity_and_a_service_that_is_not_there_are_told_apart(mock: MssanteMock, world: World) -> None:
    async with reading(mock) as imap:
        await imap.starttls()
        arm(world, "status", "NO", "auth")
        await imap.raw(f"x AUTHENTICATE XOAUTH2 {xoauth2(SHARED, 'nadia')}\r\n".encode())
        assert await imap.hears() == CHALLENGE
        await imap.raw(b"\r\n")
        await imap.until(b"x", "NO [AUTHENTICATIONFAILED]")
        arm(world, "status", "NO UNAVAILABLE", "auth")
        await imap.says(f"AUTHENTICATE XOAUTH2 {xoauth2(SHARED, 'nadia')}", "NO [UNAVAILABLE]")
        await imap.says("SELECT INBOX", "BAD Not authenticated")
        await imap.says(f"AUTHENTICATE XOAUTH2 {xoauth2(SHARED, 'nadia')}")


@pytest.mark.parametrize("kind", ["reset", "empty", "garbage", "half_close"])
async def test_the_answer_is_lost_and_the_message_has_moved(mock: MssanteMock, world: World, imap: Imap, kind: str) -> None:
    arm(world, kind, step="move")
    await imap.raw(b"x MOVE 1 Trash\r\n")
    if kind == "garbage":
        assert await imap.hears() == garbage("panne-1").removesuffix(b"\r\n")
    if kind == "half_close":
        assert (await imap.hears()).startswith(b"* OK [COPYUID")
    else:
        await imap.gone()
    assert trash(mock) == 1
    [noted] = [one for one in world.requests if one.fault == "panne-1"]
    assert (noted.status, noted.code) == (None, "")


async def test_the_answer_comes_late_or_byte_by_byte_and_whole(mock: MssanteMock, world: World, imap: Imap) -> None:
    late: dict[str, dict[str, object]] = {
        "timeout": {"delay_s": 0.01}, "latency": {"delay_s": 0.01}, "dribble": {}, "bandwidth": {"bytes_per_s": 50_000},
    }  # fmt: skip
    for kind, more in late.items():
        arm(world, kind, step="fetch", **more)
        heard = await imap.says("FETCH 1 (UID BODY.PEEK[])")
        assert mock.store.inbox(SHARED)[0] in heard[0] and heard[-1].endswith(b"(panne injectee panne-1)"), kind
    arm(world, "slow_close", step="fetch", delay_s=0.01)
    assert (await imap.says("FETCH 1 UID"))[-1].endswith(b"(panne injectee panne-1)")
    await imap.gone()


async def test_an_operator_that_never_answers(world: World, imap: Imap, mock: MssanteMock) -> None:
    arm(world, "timeout", step="copy")
    await imap.raw(b"x COPY 1 Trash\r\ny NOOP\r\n")
    imap.writer.write_eof() if imap.writer.can_write_eof() else imap.writer.close()
    await imap.gone()
    assert trash(mock) == 1


async def test_a_literal_is_cut_short(mock: MssanteMock, world: World, imap: Imap) -> None:
    size = len(mock.store.inbox(SHARED)[0])
    arm(world, "malformed", "truncated_literal", "fetch")
    await imap.raw(b"x FETCH 1 BODY.PEEK[]\r\ny NOOP\r\n")
    heard = b""
    while b"y OK" not in heard:
        heard += await imap.reader.readline()
    assert f"{{{size}}}\r\n".encode() in heard and mock.store.inbox(SHARED)[0][: size // 2] + b")\r\nx OK" in heard
    nested = b"* 1 FETCH (BODY[] {4}\r\n{2}\r ENVELOPE {2}\r\nab)\r\n"
    assert cut_short(nested) == b"* 1 FETCH (BODY[] {4}\r\n{2 ENVELOPE {2}\r\nab)\r\n"
    assert cut_short(b"a OK\r\n") == b"a OK\r\n"


async def test_a_handshake_is_refused_on_its_own_listener_only(mock: MssanteMock, world: World) -> None:
    world.faults.arm(Fault("panne-2", "MSS.SESSION_SMTP", "tls"))
    async with reading(mock) as imap:
        await imap.login()
    arm(world, "tls")
    async with reading(mock) as imap:
        with pytest.raises(OSError):  # ssl.SSLError is one; the alert itself is the process's to send (wire/serving.py)
            await imap.starttls()
    assert [one["id"] for one in world.faults.to_json()] == ["panne-2"]


async def test_a_fault_of_one_mailbox_leaves_the_others_alone(mock: MssanteMock, world: World, imap: Imap) -> None:
    arm(world, "status", "NO INUSE", "select", caller="hoda.fictif@ch-test.mssante.fr")
    await imap.says("SELECT INBOX")
    async with reading(mock) as other:
        await other.login("hoda.fictif@ch-test.mssante.fr", "hoda")
        await other.says("SELECT INBOX", "NO [INUSE]")


async def test_the_first_command_of_a_session_may_be_slow_or_cut(mock: MssanteMock, world: World) -> None:
    arm(world, "reset")
    async with reading(mock) as imap:
        await imap.raw(b"a NOOP\r\n")
        await imap.gone()
