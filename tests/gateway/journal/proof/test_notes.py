"""Signed notes, against the example that their specification's implementations share, and against forgers."""
from __future__ import annotations

import pytest

from gateway.journal.proof.notes import Checkpoint, ForgedNote, Note, NoteError, OtherKey, PublicKey, Signer

#: The public example of signed notes: one text, one key, one signature.
KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
NOTE = (
    "This is an example message.\n\n"
    "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
SIGNER = Signer("socle/essai", bytes(range(32)))
HEAD = Checkpoint("socle/essai", 42, bytes(range(32)))


def test_the_public_example() -> None:
    assert Note.parse(NOTE).check(PublicKey.parse(KEY)) == "This is an example message.\n"
    assert str(PublicKey.parse(KEY)) == KEY


def test_what_is_signed_is_read_back() -> None:
    note = SIGNER.sign(HEAD.text())
    assert Checkpoint.parse(Note.parse(note).check(SIGNER.public)) == HEAD
    assert note == SIGNER.sign(HEAD.text())  # the same bytes each time
    assert PublicKey.parse(f" {SIGNER.public}\n") == SIGNER.public
    assert "seed" not in repr(SIGNER)


def test_a_changed_text_is_forged() -> None:
    with pytest.raises(ForgedNote):
        Note.parse(SIGNER.sign(HEAD.text()).replace("\n42\n", "\n43\n")).check(SIGNER.public)


def test_another_key_is_named() -> None:
    other = Signer("socle/essai", bytes(32))
    with pytest.raises(OtherKey, match=other.public.id.hex()):
        Note.parse(other.sign(HEAD.text())).check(SIGNER.public)


def test_a_stranger_may_sign_beside_us() -> None:
    """Cosignatures of witnesses are lines of their own: ours still holds."""
    line = Signer("temoin.test/a", bytes(32)).sign(HEAD.text()).split("\n\n")[1]
    assert Note.parse(SIGNER.sign(HEAD.text()) + line).check(SIGNER.public) == HEAD.text()


@pytest.mark.parametrize("text", [
    "", "\n\n", "text\n", "text\n\n", "text\n\nnot a signature\n", "text\n\n— name\n", "text\n\n— name AAAA\n",
    "text\r\n\n— name AAAAAAAA\n", "text\n\n— na+me AAAAAAAA\n", "text\n\n— name AAAAAAA\n", "text\n\n— name AAAAAAAA",
    "text\n\n" + "— name AAAAAAAA\n" * 17,
])  # fmt: skip
def test_what_is_not_a_note(text: str) -> None:
    with pytest.raises(NoteError):
        Note.parse(text)


@pytest.mark.parametrize("text", [
    "", "a\n1\n", "\n1\nAAAA\n", "a\n01\n" + "A" * 43 + "=\n", "a\n-1\n" + "A" * 43 + "=\n", "a\n1\nAAAA\n",
    "a\n" + "9" * 30 + "\n" + "A" * 43 + "=\n", "a\n1\n" + "A" * 42 + "B=\n", "a\n٣\n" + "A" * 43 + "=\n",
])  # fmt: skip
def test_what_is_not_a_checkpoint(text: str) -> None:
    with pytest.raises(NoteError):
        Checkpoint.parse(text)


@pytest.mark.parametrize("text", [
    "", "a+b", KEY.replace("530d", "530e"), KEY[:-4], "a b+00000000+AQ==", KEY.replace("foo", "bar"),
])  # fmt: skip
def test_what_is_not_a_key(text: str) -> None:
    with pytest.raises(NoteError):
        PublicKey.parse(text)
