"""IMAP against anything: a text, a message, a set of numbers, a run of commands; an answer or BadCommand, and nothing else."""
from __future__ import annotations

import re
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from mocks.mssante.imap_behaviour import SELECTED
from mocks.mssante.imap_boxes import Mailroom
from mocks.mssante.imap_commands import read_command, tag_of
from mocks.mssante.imap_faults import cut_short
from mocks.mssante.imap_folders import FOLDER_COMMANDS, Opened, _glob
from mocks.mssante.imap_items import Section
from mocks.mssante.imap_messages import MESSAGE_COMMANDS
from mocks.mssante.imap_reading import BadCommand, Cursor, Numbers, Text
from mocks.mssante.imap_search import BadCharset, Candidate, Places
from mocks.mssante.imap_structure import envelope, section, structure, take_apart
from mocks.mssante.imap_words import string
from mocks.mssante.state import Envelope, Reading, Store
from tests.mocks.mssante.bench import SHARED

_WORDS = st.sampled_from([
    b"FETCH", b"UID ", b"STORE", b"SEARCH", b"APPEND", b"LIST", b"STATUS", b"AUTHENTICATE", b"ID", b"1:*", b"2,4:3", b"FLAGS",
    b"+FLAGS", b"(", b")", b"BODY[", b"]", b"<0.5>", b"HEADER.FIELDS", b"1.2.MIME", b'"', b'"INBOX"', b"{3}\r\n", b"{2+}\r\n",
    b"\\Seen", b"NIL", b" ", b"OR", b"NOT", b"SUBJECT", b"CHARSET UTF-8", b"SINCE", b'"01-Feb-2026"',
    b'"01-Feb-2026 10:00:00 +0100"', b"*", b"%", b"\\", b"4294967296", b"0",
])  # fmt: skip
_SAID = st.lists(_WORDS | st.binary(max_size=6), max_size=14).map(lambda words: b"a1 " + b" ".join(words))
_LINES = _SAID | st.binary(max_size=60)


@settings(max_examples=150)
@given(_LINES, st.lists(st.binary(max_size=8), max_size=3))
@example(b"a1 FETCH 1 BODY[HEADER.FIELDS (A B)]<0.1>", [])
@example(b"a1 SEARCH OR (SEEN NOT 1) SUBJECT {3}\r\n", [b"abc"])
def test_any_text_is_a_command_or_bad(line: bytes, literals: list[bytes]) -> None:
    try:
        command = read_command(Text(line, tuple(literals)))
    except BadCommand as wrong:
        assert str(wrong).isascii() and "\n" not in str(wrong)
        return
    except BadCharset:
        return
    assert command.tag == tag_of(line) != "*" and command.name == command.name.upper()


_SETS = st.sampled_from(["1", "1:*", "2:3", "*", "3,1", "1:2,4"])
_ITEMS = st.sampled_from(["FLAGS", "ENVELOPE", "BODYSTRUCTURE", "BODY[]", "BODY.PEEK[HEADER]<0.9>", "RFC822", "(UID BODY)"])
_NAMED = st.sampled_from(["INBOX", "Sent", "Trash", "Ailleurs"])
_MARKS = st.sampled_from(["(\\Seen)", "()", "(\\Deleted $a)", "\\Flagged"])
_ACTS = st.one_of(
    st.builds("{}FETCH {} {}".format, st.sampled_from(["", "UID "]), _SETS, _ITEMS),
    st.builds("{}STORE {} {}FLAGS{} {}".format, st.sampled_from(["", "UID "]), _SETS, st.sampled_from(["", "+", "-"]),
              st.sampled_from(["", ".SILENT"]), _MARKS),
    st.builds("{}{} {} {}".format, st.sampled_from(["", "UID "]), st.sampled_from(["COPY", "MOVE"]), _SETS, _NAMED),
    st.builds("{} {}".format, st.sampled_from(["SELECT", "EXAMINE"]), _NAMED),
    st.builds("UID SEARCH {} NOT UID {}".format, _SETS, _SETS),
    st.sampled_from(["EXPUNGE", "UID EXPUNGE 1:*", "CLOSE", "UNSELECT", "STATUS Trash (MESSAGES UNSEEN RECENT)", "deliver"]),
)  # fmt: skip


@settings(max_examples=60)
@given(st.lists(_ACTS, min_size=4, max_size=12))
def test_any_run_of_commands_is_answered_and_found_again(acts: list[str]) -> None:
    """Two sessions take turns; what each believes of its folder is what is there, and a restart finds the same."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        room = Mailroom(store, Path(folder), 1)
        sessions = [Opened(room.open(SHARED), room.uid_validity) for _ in range(2)]
        come(store)
        for turn, act in enumerate(["SELECT INBOX", "SELECT INBOX", *acts]):
            if act == "deliver":
                come(store)
            else:
                obey(sessions[turn % 2], act)
        for opened in sessions:
            if opened.view is not None:
                opened.view.news(expunged=True)
                held = opened.view.folder.messages
                assert opened.view.uids == list(held) and opened.view.told == {uid: one.flags for uid, one in held.items()}
        again = Mailroom(Store(Path(folder)), Path(folder), 2)
        assert again.uid_validity == room.uid_validity
        for name, one in again.open(SHARED).folders.items():
            before = room.open(SHARED).folders[name]
            assert (one.messages, one.uid_next) == (before.messages, before.uid_next)
            assert all(room.open(SHARED).content(message) for message in one.messages.values())


def come(store: Store) -> None:
    content = b"Subject: essai\r\n\r\ntexte\r\n"
    at = datetime(2026, 3, 2, tzinfo=UTC)
    store.deliver(store.next_queue_id(), Envelope("a@b.fr", {SHARED: "delivered"}, "x"), Reading.of(content), content, at)


def obey(opened: Opened, act: str) -> None:
    command = read_command(Text(b"a1 " + act.encode()))
    if opened.view is None and command.name in SELECTED:
        return
    try:
        reply = {**FOLDER_COMMANDS, **MESSAGE_COMMANDS}[command.name](opened, command)
    except BadCommand:  # a place that does not exist
        return
    for line in reply.untagged:
        assert line.startswith(b"* ") and balanced(line.partition(b"FETCH ")[2] or b"()")


_HEADERS = st.sampled_from([
    b'Content-Type: multipart/mixed; boundary="b"\r\n', b"Content-Type: message/rfc822\r\n", b"Content-Type: ;;=\r\n",
    b"Content-Type: multipart/digest; boundary=b\r\n", b"Content-Type: text/plain; charset=x\r\n", b": vide\r\n",
    b"Content-Disposition: attachment; filename*=utf-8''%C3\r\n", b"Date: hier\r\n", b"Subject: \xff\xfe\r\n folded\r\n",
    b"From: =?utf-8?q?=C3?= <a@b>, x: y;\r\n",
])  # fmt: skip
_BODIES = st.sampled_from([b"\r\n--b\r\n", b"--b--\r\n", b"\r\n", b"--b \r\n", b"texte\r\n", b"--b", b"--bc\r\n"])
MESSAGES = st.lists(_HEADERS | _BODIES | st.binary(max_size=10), max_size=25).map(b"".join)


def balanced(answer: bytes) -> bool:
    """Whether what a client reads of it is whole: literals of the length they say, quotes and parentheses closed."""
    depth = at = 0
    while at < len(answer):
        if literal := re.compile(rb"\{(\d+)\}\r\n").match(answer, at):
            at = literal.end() + int(literal[1])
        elif quoted := re.compile(rb'"(?:[^"\\\r\n\x80-\xff]|\\["\\])*"').match(answer, at):
            at = quoted.end()
        else:
            depth += {b"(": 1, b")": -1}.get(answer[at : at + 1], 0)
            if depth < 0 or answer[at] in b'"\r\n' or answer[at] > 126:
                return False
            at += 1
    return depth == 0 and at == len(answer)


@settings(max_examples=80)
@given(MESSAGES)
def test_any_message_is_taken_apart_without_a_byte_lost(content: bytes) -> None:
    message = take_apart(content)
    assert message.header + message.body == content == section(message, Section())
    for answer in (envelope(message), structure(message, extended=True), structure(message, extended=False)):
        assert balanced(answer), answer
    for number, part in enumerate(message.parts if message.is_multipart else (), start=1):
        assert section(message, Section((number,))) == part.body in content
        assert section(message, Section((number,), "MIME")) == part.header in content
    assert section(message, Section((len(message.parts) + 2,))) is None
    fields = Section((), "HEADER.FIELDS", ("FROM", "SUBJECT"))
    assert len(section(message, fields) or b"") <= len(message.header) + 2
    assert balanced(b"(" + string(content) + b")") and cut_short(string(content)[:-1]) is not None


@settings(max_examples=60)
@given(st.lists(st.tuples(*[st.none() | st.integers(1, 30)] * 2), min_size=1, max_size=6), st.sets(st.integers(1, 30)))
def test_a_set_chooses_what_a_list_of_numbers_would(ranges: list[tuple[int | None, int | None]], held: set[int]) -> None:
    numbers = sorted(held)
    last = max(numbers, default=0)
    wanted: set[int] = set()
    for pair in ranges:
        low, high = sorted(last if end is None else end for end in pair)
        wanted |= {number for number in numbers if low <= number <= high}
    assert Numbers(tuple(ranges)).among(numbers) == sorted(wanted)


WIDE = b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'


def test_hostile_sets_patterns_searches_and_parts_cost_little() -> None:
    """Each of these is as long as a line may be, or deeper and wider than any message, and is answered at once."""
    numbers = Cursor(Text(b"1:*," * 16_000 + b"1")).numbers()
    assert numbers.among(range(1, 20_001)) == list(range(1, 20_001))
    deep, wide = take_apart(b"Content-Type: message/rfc822\r\n\r\n" * 5_000), take_apart(WIDE + b"--b\r\n\r\n\r\n" * 3_000)
    assert balanced(structure(deep, extended=True)) and section(deep, Section((1,) * 50)) is None
    assert len(wide.parts) == 999 and balanced(structure(wide, extended=True))
    assert _glob("*%" * 30_000 + "z").fullmatch("Sent" * 10) is None
    search = read_command(Text(b"a1 SEARCH " + b"1:* " * 499 + b"1:*")).given
    places = Places(tuple(range(1, 201)))
    one = Candidate(200, 200, frozenset(), False, datetime.now(UTC), 1, lambda: b"")
    assert search(one, places) and len(places._chosen) == 500
