"""Signed notes and checkpoints as C2SP defines them (reference/README.md): text, empty line, signature lines.

Ed25519 only. Standard library and cryptography, nothing else: the verifier that the AMOA runs is built on this.
"""
from __future__ import annotations

import re
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SEED_BYTES = 32
_ED25519 = b"\x01"
ROOT_BYTES = 32
_KEY_BYTES, _ID_BYTES = 32, 4
_DASH = "\u2014 "
_NAME = re.compile(r"[^\s+]{1,255}")
_SIZE = re.compile(r"0|[1-9][0-9]{0,17}")
_MOST_SIGNATURES = 16
_NO_TEXT = re.compile("[\r\ud800-\udfff]")  # JSON can spell what no encoding can


class NoteError(ValueError):
    """The text is not a note, a key or a checkpoint."""


class OtherKey(NoteError):
    """The note bears no signature of this key."""


class ForgedNote(NoteError):
    """The note claims a signature of this key that the key did not make."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A verifier key; as text ``name+hex(id)+base64(0x01 ‖ key)``."""

    name: str
    raw: bytes

    @property
    def id(self) -> bytes:
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.raw).digest()[:_ID_BYTES]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{b64encode(_ED25519 + self.raw).decode()}"

    @classmethod
    def parse(cls, text: str) -> PublicKey:
        """Raises NoteError."""
        name, _, rest = text.strip().partition("+")
        identifier, _, encoded = rest.partition("+")
        raw = decode(encoded)
        if not _NAME.fullmatch(name) or raw[:1] != _ED25519 or len(raw) != 1 + _KEY_BYTES:
            raise NoteError("not a verifier key of the form name+id+key")
        key = cls(name, raw[1:])
        if key.id.hex() != identifier:
            raise NoteError("the id of this verifier key is not that of its key")
        return key

    def signed(self, text: bytes, signature: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, text)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class Signer:
    """A signing key: its name and its seed of 32 bytes."""

    name: str
    seed: bytes = field(repr=False)

    @property
    def public(self) -> PublicKey:
        return PublicKey(self.name, Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw())

    def sign(self, text: str) -> str:
        """The note of ``text``, which ends with a newline."""
        signature = Ed25519PrivateKey.from_private_bytes(self.seed).sign(text.encode())
        return f"{text}\n{_DASH}{self.name} {b64encode(self.public.id + signature).decode()}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A parsed note: its signed text, and (key name, key id, signature) of each signature line."""

    text: str
    signatures: tuple[tuple[str, bytes, bytes], ...]

    @classmethod
    def parse(cls, content: str) -> Note:
        """Raises NoteError."""
        text, gap, tail = content.rpartition("\n\n")
        lines = tail.split("\n")
        if not gap or lines.pop() != "" or not 0 < len(lines) <= _MOST_SIGNATURES or _NO_TEXT.search(content):
            raise NoteError("not a signed note")
        return cls(text + "\n", tuple(_signature(line) for line in lines))

    def check(self, key: PublicKey) -> str:
        """The text, once this key is known to have signed it. Raises OtherKey, ForgedNote."""
        mine = [signature for name, identifier, signature in self.signatures if (name, identifier) == (key.name, key.id)]
        if not mine:
            raise OtherKey(", ".join(f"{name}+{identifier.hex()}" for name, identifier, _ in self.signatures))
        if not any(key.signed(self.text.encode(), signature) for signature in mine):
            raise ForgedNote(str(key))
        return self.text


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree head: whose log, how many leaves, which root."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Extension lines are passed over, as the form allows them. Raises NoteError."""
        lines = text.split("\n")
        if len(lines) < 4 or not lines[0] or not _SIZE.fullmatch(lines[1]):
            raise NoteError("not a checkpoint")
        root = decode(lines[2])
        if len(root) != ROOT_BYTES:
            raise NoteError("the root of this checkpoint is not a SHA-256")
        return cls(lines[0], int(lines[1]), root)


def decode(text: str) -> bytes:
    """Base64, in its one canonical form. Raises NoteError."""
    try:
        raw = b64decode(text, validate=True)
    except ValueError:
        raise NoteError("not base64") from None
    if b64encode(raw).decode() != text:
        raise NoteError("not canonical base64")
    return raw


def encode(raw: bytes) -> str:
    return b64encode(raw).decode()


def _signature(line: str) -> tuple[str, bytes, bytes]:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not _NAME.fullmatch(name):
        raise NoteError("not a signature line")
    raw = decode(encoded)
    if len(raw) <= _ID_BYTES:
        raise NoteError("a signature line without signature")
    return name, raw[:_ID_BYTES], raw[_ID_BYTES:]
