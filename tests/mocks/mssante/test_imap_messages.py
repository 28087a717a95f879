"""An open mailbox at the simulated operator: what is read, flagged, filed, waited for, and what two sessions tell each other."""
from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from mocks.mssante.app import MssanteMock
from mocks.mssante.behaviour import SIZE_LIMIT
from mocks.sandbox.world import World
from tests.mocks.mssante.bench import COLLEAGUE, SHARED, dialogue, message, serving, xoauth2
from tests.mocks.mssante.imap_bench import Imap, deliver, reading

PARTS = (
    "From: =?utf-8?q?H=C3=B4pital?= <hoda.fictif@ch-test.mssante.fr>\r\nTo: a@x.fr,\r\n b@x.fr\r\nSubject: XDM/1.0/DDM+CR\r\n"
    "Date: Mon, 02 Mar 2026 09:00:00 +0100\r\nMessage-ID: <m1@ch-test.mssante.fr>\r\nMIME-Version: 1.0\r\n"
    'Content-Type: multipart/mixed; boundary="b1"\r\n\r\npreambule\r\n'
    "--b1\r\nContent-Type: text/plain; charset=UTF-8\r\n\r\nBonjour\r\n\r\n"
    '--b1\r\nContent-Type: application/zip; name="IHE_XDM.zip"\r\nContent-Transfer-Encoding: base64\r\n'
    'Content-Disposition: attachment; filename="IHE_XDM.zip"\r\n\r\nUEsDBA==\r\n'
    "--b1\r\nContent-Type: message/rfc822\r\n\r\nSubject: dedans\r\n\r\ninterieur\r\n\r\n--b1--\r\nfin\r\n"
)


@pytest.fixture
def mock(world: World) -> MssanteMock:
    return MssanteMock(world)


@contextlib.asynccontextmanager
async def selected(mock: MssanteMock, folder: str = "INBOX", verb: str = "SELECT") -> AsyncIterator[Imap]:
    async with reading(mock) as imap:
        await imap.login()
        await imap.says(f"{verb} {folder}")
        yield imap


@pytest.fixture
async def imap(mock: MssanteMock) -> AsyncIterator[Imap]:
    """Three messages are in the box that it selected."""
    for _ in range(3):
        deliver(mock)
    async with selected(mock) as talk:
        yield talk


async def flags(imap: Imap, numbers: str = "1:*") -> list[bytes]:
    return [line.partition(b"FLAGS ")[2] for line in (await imap.says(f"FETCH {numbers} FLAGS"))[:-1]]


async def test_what_submission_accepted_is_in_the_inbox(mock: MssanteMock) -> None:
    async with serving(mock.connected) as port, dialogue(port) as smtp:
        await smtp.login()
        await smtp.send(message(), "250", COLLEAGUE)
    async with reading(mock) as imap:
        await imap.login(COLLEAGUE, "hoda")
        assert b"* 1 EXISTS" in await imap.says("SELECT INBOX")
        [line, _] = await imap.says("FETCH 1 BODY.PEEK[]")
        kept = mock.store.inbox(COLLEAGUE)[0]
        assert kept in line and kept.startswith(b"Return-Path:") and b"\\Seen" not in line
    async with reading(mock) as sender:  # submission fills nobody's Sent folder
        await sender.login()
        assert b"(MESSAGES 0)" in (await sender.says("STATUS Sent (MESSAGES)"))[0]


async def test_a_message_is_taken_apart_to_the_byte(mock: MssanteMock) -> None:
    content = deliver(mock, PARTS)
    async with selected(mock) as imap:
        sections = ("1", "2.MIME", "3.HEADER", "3.1", "4", "1.HEADER", "HEADER.FIELDS (to SUBJECT)")
        asked = " ".join(f"BODY.PEEK[{one}]" for one in sections)
        [line, _] = await imap.says(f"FETCH 1 (ENVELOPE BODYSTRUCTURE RFC822.SIZE INTERNALDATE {asked})")
        assert b"RFC822.SIZE %d " % len(content) in line and b'INTERNALDATE " 2-Mar-2026 09:30:00 +0100"' in line
        assert (
            b'ENVELOPE ("Mon, 02 Mar 2026 09:00:00 +0100" "XDM/1.0/DDM+CR" '
            b'(("=?utf-8?q?H=C3=B4pital?=" NIL "hoda.fictif" "ch-test.mssante.fr")) '
        ) in line
        assert b'((NIL NIL "a" "x.fr")(NIL NIL "b" "x.fr")) NIL NIL NIL "<m1@ch-test.mssante.fr>")' in line
        assert (
            b'BODYSTRUCTURE (("TEXT" "PLAIN" ("CHARSET" "UTF-8") NIL NIL "7BIT" 9 1 NIL NIL NIL NIL)'
            b'("APPLICATION" "ZIP" ("NAME" "IHE_XDM.zip") NIL NIL "BASE64" 8 NIL '
            b'("ATTACHMENT" ("FILENAME" "IHE_XDM.zip")) NIL NIL)'
            b'("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 30 (NIL "dedans" NIL NIL NIL NIL NIL NIL NIL NIL) '
            b'("TEXT" "PLAIN" ("CHARSET" "us-ascii") NIL NIL "7BIT" 11 1 NIL NIL NIL NIL) 3 NIL NIL NIL NIL) '
            b'"MIXED" ("BOUNDARY" "b1") NIL NIL NIL)'
        ) in line
        assert b"BODY[1] {9}\r\nBonjour\r\n BODY[2.MIME] {" in line and b"BODY[3.HEADER] {19}\r\nSubject: dedans\r\n\r\n" in line
        assert b"BODY[3.1] {11}\r\ninterieur\r\n BODY[4] NIL BODY[1.HEADER] NIL " in line
        assert b"BODY[HEADER.FIELDS (TO SUBJECT)] {49}\r\nTo: a@x.fr,\r\n b@x.fr\r\nSubject: XDM/1.0/DDM+CR\r\n\r\n)" in line
        [whole, _] = await imap.says("FETCH 1 (BODY.PEEK[]<0.10> BODY.PEEK[]<10.5> BODY.PEEK[]<99999.5> BODY)")
        assert b"BODY[]<0> {10}\r\n" + content[:10] + b" BODY[]<10> {5}\r\n" + content[10:15] in whole
        assert b"BODY[]<99999> {0}\r\n BODY (" in whole and b"FILENAME" not in whole


async def test_reading_a_body_marks_it_seen_and_peeking_does_not(imap: Imap, mock: MssanteMock) -> None:
    await imap.says("FETCH 1 (BODY.PEEK[] RFC822.HEADER RFC822.SIZE)")
    assert b"\\Seen" not in (await flags(imap))[0]
    for number, item in ((1, "BODY[TEXT]"), (2, "RFC822"), (3, "RFC822.TEXT")):
        [line, _] = await imap.says(f"FETCH {number} {item}")
        assert b"FLAGS (\\Seen" in line
    deliver(mock)
    async with selected(mock, verb="EXAMINE") as reader:
        assert b"\\Seen" not in (await reader.says("FETCH 4 (FLAGS BODY[])"))[0]
        assert b"(UNSEEN 1)" in (await reader.says("STATUS INBOX (UNSEEN)"))[0]
        await reader.says("STORE 4 FLAGS (\\Seen)", "NO")
        for command in ("EXPUNGE", "MOVE 1 Trash"):
            await reader.says(command, "NO")


async def test_flags_are_set_added_and_taken_away(imap: Imap, mock: MssanteMock) -> None:
    assert (await imap.says("STORE 2 +FLAGS (\\flagged $MDNSent)"))[0] == b"* 2 FETCH (FLAGS ($MDNSent \\Flagged \\Recent))"
    assert (await imap.says("UID STORE 2 -FLAGS.SILENT $MDNSent"))[0].startswith(b"a")
    assert (await imap.says("STORE 1:2 FLAGS (\\Answered)"))[:2] == [
        b"* 1 FETCH (FLAGS (\\Answered \\Recent))", b"* 2 FETCH (FLAGS (\\Answered \\Recent))",
    ]  # fmt: skip
    await imap.says("STORE 1 +FLAGS (\\Recent)", "BAD")
    await imap.says(f"STORE 1 +FLAGS ({' '.join(f'k{number}' for number in range(40))})", "NO [LIMIT]")
    again = MssanteMock(mock.world)
    assert [one.flags for one in again.room.open(SHARED).folders["INBOX"].messages.values()] == [
        frozenset({"\\Answered"}), frozenset({"\\Answered"}), frozenset(),
    ]  # fmt: skip


async def test_a_reset_in_the_middle_of_a_command_leaves_nothing_of_it(mock: MssanteMock) -> None:
    async with selected(mock) as imap, reading(mock) as opening:
        await imap.raw(b"x APPEND Sent {3}\r\n")
        assert (await imap.hears()).startswith(b"+ ")
        await opening.starttls()
        await opening.raw(b"x AUTHENTICATE XOAUTH2\r\n")
        assert await opening.hears() == b"+ "
        mock.reset()
        deliver(mock)
        await imap.raw(b"a\r\n\r\n")
        assert (await imap.hears()).startswith(b"* BYE [UNAVAILABLE]")
        await opening.raw(xoauth2(SHARED, "nadia").encode() + b"\r\n")
        await opening.until(b"x")
        assert b"* OK [UIDNEXT 2] Next" in await opening.says("SELECT INBOX")
    again = MssanteMock(mock.world).room.open(SHARED)
    assert {name: len(folder.messages) for name, folder in again.folders.items() if folder.messages} == {"INBOX": 1}


async def test_a_reset_in_the_middle_of_an_answer_ends_it(mock: MssanteMock) -> None:
    """The answer is too long to go out at once: the rest of it finds no message."""
    big = message(COLLEAGUE) + "x" * 78 + "\r\n"
    for _ in range(12):
        deliver(mock, big + ("x" * 78 + "\r\n") * 12_000)
    async with selected(mock) as imap:
        await imap.raw(b"x FETCH 1:* BODY.PEEK[]\r\n")
        assert (await imap.hears()).startswith(b"* 1 FETCH")
        mock.reset()
        heard = await imap.until(b"x")
        assert len(heard) < 12
        await imap.leaves("NOOP", "[UNAVAILABLE]")


HOSPITAL = f"FROM {{{len('Hôpital'.encode())}+}}\r\nHôpital"


async def test_searches(imap: Imap, mock: MssanteMock) -> None:
    deliver(mock, PARTS)
    await imap.says("NOOP")
    await imap.says("STORE 2 +FLAGS (\\Seen $Traite)")
    found = {
        "ALL": b"1 2 3 4", "UNSEEN": b"1 3 4", "SEEN": b"2", "KEYWORD $traite": b"2", "UNKEYWORD $Traite 2:4": b"3 4",
        "SUBJECT xdm": b"4", HOSPITAL: b"4", 'HEADER X-MSS-NIL ""': b"1 2 3", "TEXT interieur": b"", "BODY bonjour": b"4",
        "OR SUBJECT xdm SEEN": b"2 4", "NOT (SEEN)": b"1 3 4", "UID 2:3": b"2 3", "2,4": b"2 4", "LARGER 500": b"4",
        "SMALLER 500 UNANSWERED": b"1 2 3", "SINCE 2-Mar-2026 BEFORE 3-Mar-2026": b"1 2 3 4", "ON 1-Mar-2026": b"",
        "SENTON 2-Mar-2026": b"4", "TO b@x.fr": b"4", "NEW": b"1 3 4", "OLD": b"", "TEXT Message-ID": b"1 2 3 4",
    }  # fmt: skip
    for keys, wanted in found.items():
        assert (await imap.says(f"SEARCH CHARSET UTF-8 {keys}"))[0] == b" ".join(filter(None, [b"* SEARCH", wanted])), keys
    assert (await imap.says("UID SEARCH SUBJECT Bonjour"))[0] == b"* SEARCH 1 2 3"
    await imap.says("SEARCH CHARSET KOI8-R ALL", "NO [BADCHARSET (US-ASCII UTF-8)]")
    for wrong in ("SEARCH", "SEARCH FROM", "SEARCH ON demain", "SEARCH " + "(" * 40 + "ALL" + ")" * 40, "SEARCH FLOU"):
        await imap.says(wrong, "BAD")


async def test_a_message_is_moved_copied_and_expunged_under_stable_uids(imap: Imap, mock: MssanteMock) -> None:
    validity = mock.room.uid_validity
    assert f"[COPYUID {validity} 1,3 1:2]".encode() in (await imap.says("COPY 1,3 Trash"))[-1]
    assert await imap.says("UID MOVE 2 Trash") == [
        f"* OK [COPYUID {validity} 2 3] Moved".encode(), b"* 2 EXPUNGE", b"a5 OK Move completed",
    ]  # fmt: skip
    await imap.says("COPY 1 Nulle-part", "NO [NONEXISTENT]")
    await imap.says("UID MOVE 77 Trash", "OK No message there")
    await imap.says("FETCH 3 UID", "BAD")
    await imap.says("STORE 1:2 +FLAGS.SILENT (\\Deleted)")
    assert (await imap.says("UID EXPUNGE 3"))[0] == b"* 2 EXPUNGE"
    assert (await imap.says("EXPUNGE"))[0] == b"* 1 EXPUNGE"
    deliver(mock)
    assert {b"* 1 EXISTS", b"* 1 RECENT"} < set(await imap.says("NOOP"))
    assert (await imap.says("UID FETCH 1:* FLAGS"))[0] == b"* 1 FETCH (UID 4 FLAGS (\\Recent))"
    assert len(mock.store.inbox(SHARED)) == 4, "what the operator accepted, the control API still shows"
    again = MssanteMock(mock.world)
    inbox, trash = (again.room.open(SHARED).folders[name] for name in ("INBOX", "Trash"))
    assert (list(inbox.messages), list(trash.messages), inbox.uid_next) == ([4], [1, 2, 3], 5)
    assert again.room.uid_validity == validity


async def test_closing_expunges_and_unselecting_does_not(imap: Imap) -> None:
    await imap.says("STORE 1 +FLAGS (\\Deleted)")
    await imap.says("UNSELECT")
    await imap.says("FETCH 1 FLAGS", "BAD No mailbox is selected")
    assert b"* 3 EXISTS" in await imap.says("SELECT INBOX")
    assert await imap.says("CLOSE") == [b"a8 OK Done"]
    assert b"* 2 EXISTS" in await imap.says("EXAMINE INBOX")
    await imap.says("CHECK")


async def test_a_copy_is_appended_to_the_sent_folder(mock: MssanteMock, imap: Imap) -> None:
    validity = mock.room.uid_validity
    done = await imap.append(message().encode(), more='(\\Seen) "01-Feb-2026 10:00:00 +0100" ')
    assert f"[APPENDUID {validity} 1]".encode() in done
    await imap.raw(b"x APPEND Sent {3}\r\n")
    assert (await imap.hears()).startswith(b"+ ")
    await imap.raw(b"a\r\n\r\n")
    assert b"[APPENDUID" in (await imap.until(b"x"))[-1]
    await imap.says("SELECT Sent")
    [line, _] = await imap.says("FETCH 1 (FLAGS INTERNALDATE BODY.PEEK[])")
    assert b'(FLAGS (\\Recent \\Seen)' in line.replace(b"\\Seen \\Recent", b"\\Recent \\Seen")
    assert b'"01-Feb-2026 10:00:00 +0100"'.replace(b"01", b" 1", 1) in line and message().encode() in line
    await imap.append(b"Subject: a\n\nb\n", ends="NO Bare CR or LF")
    await imap.append(b"\0\r\n", ends="BAD")
    await imap.append(b"a\r\n", "Ailleurs", ends="NO [NONEXISTENT]")
    assert [one.code for one in mock.world.requests][-1] == "APPEND NO NONEXISTENT"


async def test_the_folders_are_fixed_and_say_what_they_are_for(imap: Imap) -> None:
    listed = await imap.says('LIST "" "*"')
    assert listed[:-1] == [
        b'* LIST (\\HasNoChildren) "/" "INBOX"', b'* LIST (\\HasNoChildren \\Drafts) "/" "Drafts"',
        b'* LIST (\\HasNoChildren \\Sent) "/" "Sent"', b'* LIST (\\HasNoChildren \\Trash) "/" "Trash"',
    ]  # fmt: skip
    assert (await imap.says('LIST "" ""'))[0] == b'* LIST (\\Noselect) "/" ""'
    assert len(await imap.says('LSUB "" %')) == 5 and len(await imap.says("LIST S *nt")) == 2
    assert (await imap.says('LIST "" inbox'))[0].endswith(b'"INBOX"')
    assert (await imap.says("NAMESPACE"))[0] == b'* NAMESPACE (("" "/")) NIL NIL'
    await imap.says("SUBSCRIBE Sent")
    for command in ("CREATE Archives", "DELETE Sent", "RENAME Sent Envoyes", "UNSUBSCRIBE Sent"):
        await imap.says(command, "NO [CANNOT]")
    for command in ("SELECT Archives", "STATUS Archives (MESSAGES)", "SUBSCRIBE Archives", "GETQUOTAROOT Archives"):
        await imap.says(command, "NO [NONEXISTENT]")
    await imap.says("FETCH 1 FLAGS", "BAD No mailbox is selected")  # a SELECT that fails leaves none selected
    assert b"* ENABLED" in await imap.says("ENABLE CONDSTORE")


async def test_the_quota_grows_with_what_is_kept(imap: Imap, mock: MssanteMock, monkeypatch: pytest.MonkeyPatch) -> None:
    used = mock.room.open(SHARED).used_bytes()
    [root, quota, _] = await imap.says("GETQUOTAROOT INBOX")
    assert (root, quota) == (b'* QUOTAROOT "INBOX" ""', b'* QUOTA "" (STORAGE %d 1048576)' % -(-used // 1024))
    assert (await imap.says('GETQUOTA ""'))[0] == quota
    await imap.says("GETQUOTA autre", "NO")
    for module in ("imap_folders", "imap_messages"):
        monkeypatch.setattr(f"mocks.mssante.{module}.QUOTA_BYTES", used + 10)
    await imap.append(b"x" * 20 + b"\r\n", ends="NO [OVERQUOTA]")
    await imap.says("COPY 1 Trash", "NO [OVERQUOTA]")
    await imap.says("MOVE 1 Trash")


async def test_two_sessions_tell_each_other(imap: Imap, mock: MssanteMock) -> None:
    async with selected(mock) as other:
        assert await flags(other) == [b"())", b"())", b"())"], "the first one took \\Recent"
        await imap.says("STORE 3 +FLAGS (\\Seen)")
        await imap.says("STORE 1 +FLAGS.SILENT (\\Deleted)")
        await imap.says("EXPUNGE")
        deliver(mock)
        told = await other.says("SEARCH ALL")  # places may not move under a SEARCH
        assert b"* SEARCH 2 3" in told and not [line for line in told if line.endswith(b"EXPUNGE")]
        assert b"* 3 FETCH (UID 3 FLAGS (\\Seen))" in told and b"* 4 EXISTS" in told
        assert await other.says("FETCH 1 FLAGS") == [b"a6 OK Fetch completed"], "who is gone has no line"
        assert (await other.says("NOOP"))[0] == b"* 1 EXPUNGE"
        assert [line.partition(b")")[0] for line in (await other.says("FETCH 1:* UID"))[:-1]] == [
            b"* 1 FETCH (UID 2", b"* 2 FETCH (UID 3", b"* 3 FETCH (UID 4",
        ]  # fmt: skip


async def test_idle_tells_at_once(imap: Imap, mock: MssanteMock) -> None:
    await imap.raw(b"i IDLE\r\n")
    assert await imap.hears() == b"+ idling"
    deliver(mock)
    assert (await imap.hears(), await imap.hears()) == (b"* 4 EXISTS", b"* 4 RECENT")
    async with selected(mock) as other:
        await other.says("MOVE 1 Trash")
    assert await imap.hears() == b"* 1 EXPUNGE"
    await imap.raw(b"done\r\n")
    await imap.until(b"i", "OK Idle completed")
    await imap.raw(b"j IDLE\r\n")
    assert await imap.hears() == b"+ idling"
    await imap.raw(b"k NOOP\r\n")
    await imap.until(b"j", "BAD Expected DONE")


async def test_what_the_control_api_deletes_leaves_the_inbox(imap: Imap, mock: MssanteMock) -> None:
    first, second, _ = mock.store.messages()
    mock.store.delete(first)
    assert (await imap.says("NOOP"))[0] == b"* 1 EXPUNGE"
    mock.store.narrow(second, {})
    again = MssanteMock(mock.world)  # opened later, it finds the same
    assert list(again.room.open(SHARED).folders["INBOX"].messages) == [3]


async def test_a_reset_ends_the_sessions_and_changes_uidvalidity(imap: Imap, mock: MssanteMock, world: World) -> None:
    before = mock.room.uid_validity
    async with selected(mock) as waiting:
        await waiting.raw(b"i IDLE\r\n")
        assert await waiting.hears() == b"+ idling"
        mock.reset()
        assert (await waiting.hears()).startswith(b"* BYE [UNAVAILABLE]")
        await waiting.gone()
    await imap.leaves("NOOP", "[UNAVAILABLE]")
    assert mock.room.uid_validity > before
    deliver(mock)
    async with reading(mock) as again:
        await again.login()
        assert {b"* 1 EXISTS", b"* OK [UIDNEXT 2] Next"} < set(await again.says("SELECT INBOX"))
    mock.reload()
    assert MssanteMock(world).room.uid_validity == mock.room.uid_validity > before + 1
    assert list(mock.room.open(SHARED).folders["INBOX"].messages) == [1]


@pytest.mark.parametrize(
    ("command", "bye"),
    [
        ("NOOP\nx", "Bare CR or LF"), ("NOOP\rx", "Bare CR or LF"), ("NOOP " + "x" * 70_000, "Command too long"),
        (f"APPEND Sent {{{SIZE_LIMIT * 2}+}}", "Command too long"), ("SELECT {99999+}", "Command too long"),
        ("SELECT {65000+}\r\n" + "x" * 65_000 + " {65000+}", "Command too long"),
        ("SELECT {0+}\r\n" + "x" * 60_000 + "{0+}\r\n" + "x" * 60_000, "Command too long"),
        ("APPEND {70000+}\r\n" + "x" * 70_000 + " {70000+}", "Command too long"),
    ],
)  # fmt: skip
async def test_what_is_too_long_or_no_line_ends_the_connection(imap: Imap, command: str, bye: str) -> None:
    await imap.leaves(command, bye)


async def test_a_literal_that_is_too_large_is_not_invited(imap: Imap) -> None:
    await imap.says(f"APPEND Sent {{{SIZE_LIMIT + 70_000}}}", "NO [TOOBIG]")
    await imap.says("SELECT {70000}", "NO [TOOBIG]")
    await imap.raw(b"x SELECT {5}\r\n")
    assert (await imap.hears()).startswith(b"+ ")
    await imap.raw(b"INBOX\r\n")
    await imap.until(b"x", "OK [READ-WRITE]")


async def test_before_the_mailbox_is_open_little_is_held(mock: MssanteMock) -> None:
    async with reading(mock) as imap:
        await imap.says("LOGIN {20000}", "NO [TOOBIG]")
        await imap.leaves(f"AUTHENTICATE XOAUTH2 {'A' * 13_000}", "Command too long")


@pytest.mark.parametrize(
    "command",
    [
        "", "FLOU", "UID NOOP", "NOOP x", "SELECT", 'SELECT "INBOX', "SELECT é", "STORE 1 FLAGS", "STATUS INBOX (FLOU)",
        'ID ("a")', "FETCH 0 FLAGS", "FETCH 1 (FLAGS", "FETCH 99 FLAGS", "FETCH 1 FLOU", "FETCH 4294967296 FLAGS",
        'LIST (SPECIAL-USE) "" "*"', "FETCH 1 BODY[MIME]", "FETCH 1 BODY[0]", "FETCH 1 BODY[]<0.0>",
        "FETCH 1 BODY[HEADER.FIELDS ()]",
        "FETCH 1 (" + "FLAGS " * 101 + "FLAGS)", "APPEND Sent", 'APPEND Sent "x"',
        'APPEND Sent "31-Feb-2026 10:00:00 +0100" {3+}\r\na\r\n',
    ],
)  # fmt: skip
async def test_a_wrong_command_is_bad_and_the_session_goes_on(imap: Imap, command: str) -> None:
    await imap.says(command, "BAD")
    await imap.says("NOOP")


async def test_too_many_errors_end_the_connection(imap: Imap) -> None:
    for _ in range(50):
        await imap.says("FLOU", "BAD")
    await imap.leaves("FLOU", "Too many errors")


async def test_a_tag_that_cannot_be_answered_to_is_a_star(imap: Imap) -> None:
    await imap.raw(b'"x" NOOP\r\n')
    assert (await imap.hears()).startswith(b"* BAD ")
    await imap.raw(b"\xff\xfe NOOP\r\n")
    assert (await imap.hears()).startswith(b"* BAD ")


async def test_who_opened_it_has_other_secrets_or_is_gone(mock: MssanteMock, world: World) -> None:
    world.manifest["tenants"] = [{"id": "dui-exemple", "control_sha256": "avant"}]
    world.manifest["structures"][0]["tenant"] = "dui-exemple"
    async with selected(mock) as imap:
        await imap.says("NOOP")
        world.manifest["tenants"] = [{"id": "dui-exemple", "control_sha256": "apres"}]
        await imap.leaves("FETCH 1:* FLAGS", "[EXPIRED]")


async def test_an_idle_session_costs_nothing_when_it_leaves(mock: MssanteMock) -> None:
    async with selected(mock) as imap:
        await imap.raw(b"i IDLE\r\n")
        assert await imap.hears() == b"+ idling"
    for _ in range(100):
        if not mock.room.open(SHARED)._watchers:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("somebody still watches")
