"""The two keys of a deployment: K names values, K2 seals them (design §5.6)."""
from __future__ import annotations

import hmac
import os
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from gateway.journal.randomness import random_bytes
from gateway.journal.record import JournalUnsafe

_KEY_BYTES = 32
_NONCE_BYTES = 12


class Vault:
    """Keyed lookups and seals. Environments share the files and never a lookup: each has its own key derived from K."""

    def __init__(self, k: bytes, k2: bytes, environment: str) -> None:
        self._by_k = HMAC(hmac.digest(k, b"environment|" + environment.encode(), "sha256"), SHA256())
        self._by_k2 = HMAC(k2, SHA256())

    @classmethod
    def open(cls, folder: Path, environment: str, *, create: bool) -> Vault:
        """Read ``K`` and ``K2``, or make them (mode 0600, on disk before this returns).

        Raises JournalUnsafe when ``create`` is false and one is missing: new keys would cut every ref from its value.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return cls(_key(folder / "K", create), _key(folder / "K2", create), environment)

    def lookup(self, kind: str, value: str | bytes) -> bytes:
        """The keyed digest under which a value is found again: 32 bytes."""
        raw = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
        return _digest(self._by_k, b"%b|%b" % (kind.encode(), raw))

    def seal(self, name: str, value: bytes) -> bytes:
        """Nonce and ciphertext, under a key of ``name`` alone, so that no key seals more than a few values."""
        nonce = random_bytes(_NONCE_BYTES)
        return nonce + self._cipher(name).encrypt(nonce, value, None)

    def unseal(self, name: str, sealed: bytes) -> bytes:
        """Raises cryptography.exceptions.InvalidTag when ``sealed`` was made for another name or key."""
        return self._cipher(name).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None)

    def seal_alone(self, name: str, value: bytes) -> tuple[bytes, bytes]:
        """A key drawn for ``value`` alone, sealed under ``name``, and ``value`` sealed by it: without its key it is noise."""
        key, nonce = random_bytes(_KEY_BYTES), random_bytes(_NONCE_BYTES)
        return self.seal(name, key), nonce + AESGCM(key).encrypt(nonce, value, None)

    def unseal_alone(self, name: str, sealed_key: bytes, sealed: bytes) -> bytes:
        """Raises cryptography.exceptions.InvalidTag for another name, key or value."""
        return AESGCM(self.unseal(name, sealed_key)).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None)

    def _cipher(self, name: str) -> AESGCM:
        return AESGCM(_digest(self._by_k2, b"seal|" + name.encode()))


def _digest(keyed: HMAC, value: bytes) -> bytes:
    # A copy of what the key has begun costs a fifth of beginning again.
    copy = keyed.copy()
    copy.update(value)
    return copy.finalize()


def _key(path: Path, create: bool) -> bytes:
    if create and not path.exists():
        write_durably(path, os.urandom(_KEY_BYTES))
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        raise JournalUnsafe(f"the key file {path.name} of this journal is missing") from None
    if len(key) != _KEY_BYTES:
        raise JournalUnsafe(f"the key file {path.name} is damaged: {len(key)} bytes instead of {_KEY_BYTES}")
    return key


def write_durably(path: Path, content: bytes) -> None:
    """A small secret file, mode 0600: the old one or the new one is there, never a part, whatever happens."""
    draft = path.with_suffix(".new")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(fd, content)
        os.fsync(fd)
    finally:
        os.close(fd)
    draft.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the folder's own list of names durable."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
