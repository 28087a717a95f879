"""The two keys of a deployment: K names values, K2 seals them (design §5.6)."""
from __future__ import annotations

import hmac
import os
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import get_args

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from gateway.journal.durable import sync_folder, write_durably
from gateway.journal.randomness import random_bytes
from gateway.journal.record import Environment, JournalUnsafe, Named

_KEY_BYTES = 32
_NONCE_BYTES = 12
_NEXT = "K2.next"
_PROFESSIONALS = 4096


class Vault:
    """Keyed lookups and seals. Environments share the files and never a lookup: each has its own key derived from K.

    While K2 is being changed there are two: the new one seals, both open (``resealing.py``, which alone calls ``begin``,
    ``resealed`` and ``end``, and keeps ``busy``).
    """

    def __init__(self, folder: Path, k: bytes, k2: bytes, k2_next: bytes | None, environment: str) -> None:
        self._folder, self.busy = folder, False
        self.shared = False  # other gateways use these files too, and may change K2
        self.names_by = hmac.digest(k, b"names", "sha256")  # which K this is, whatever the environment, and nothing of it
        self._by_k = HMAC(hmac.digest(k, b"environment|" + environment.encode(), "sha256"), SHA256())
        self._by_k2 = tuple(HMAC(key, SHA256()) for key in (k2_next, k2) if key is not None)  # the newest first
        # A few people make all the calls. Of nobody else is a value held in memory beyond its call: patients come and are erased.
        self._of_professional = lru_cache(_PROFESSIONALS)(self.lookup)

    @classmethod
    def open(cls, folder: Path, environment: str, *, create: bool) -> Vault:
        """Read ``K`` and ``K2``, or make them (mode 0600, on disk before this returns).

        Raises JournalUnsafe when ``create`` is false and one is missing: new keys would cut every ref from its value.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        k, k2, after = _key(folder / "K", create), _key(folder / "K2", create), folder / _NEXT
        return cls(folder, k, k2, _key(after, create=False) if after.exists() else None, environment)

    def everywhere(self) -> list[Vault]:
        """One for each environment, to find a person under every name that this deployment ever gave: keys are read again."""
        return [Vault.open(self._folder, environment, create=False) for environment in get_args(Environment)]

    def lookups(self, values: Iterable[Named]) -> dict[Named, bytes]:
        """``lookup`` of each, at half its price: every call of the gateway asks for a few."""
        keyed, found = self._by_k.copy, {}
        for named in values:
            if named[0] == "professional":
                found[named] = self._of_professional(*named)
            elif named not in found:
                digest = keyed()
                digest.update(f"{named[0]}|{named[1]}".encode("utf-8", "surrogatepass"))
                found[named] = digest.finalize()
        return found

    def lookup(self, kind: str, value: str | bytes) -> bytes:
        """The keyed digest under which a value is found again: 32 bytes."""
        if isinstance(value, bytes):
            return _digest(self._by_k, b"%b|%b" % (kind.encode(), value))
        return _digest(self._by_k, f"{kind}|{value}".encode("utf-8", "surrogatepass"))

    def seal(self, name: str, value: bytes) -> bytes:
        """Nonce and ciphertext, under a key of ``name`` alone, so that no key seals more than a few values."""
        nonce = random_bytes(_NONCE_BYTES)
        return nonce + _cipher(self._by_k2[0], name).encrypt(nonce, value, None)

    def unseal(self, name: str, sealed: bytes) -> bytes:
        """Raises cryptography.exceptions.InvalidTag when ``sealed`` was made for another name or key."""
        opened = self._opened(name, sealed)
        if opened is None and self.shared and self.follow():  # another gateway changes the key
            opened = self._opened(name, sealed)
        if opened is None:
            raise InvalidTag
        return opened

    def _opened(self, name: str, sealed: bytes) -> bytes | None:
        for key in self._by_k2:
            with suppress(InvalidTag):
                return _unsealed(key, name, sealed)
        return None

    def seal_alone(self, name: str, value: bytes) -> tuple[bytes, bytes]:
        """A key drawn for ``value`` alone, sealed under ``name``, and ``value`` sealed by it: without its key it is noise."""
        key, nonce = random_bytes(_KEY_BYTES), random_bytes(_NONCE_BYTES)
        return self.seal(name, key), nonce + AESGCM(key).encrypt(nonce, value, None)

    def unseal_alone(self, name: str, sealed_key: bytes, sealed: bytes) -> bytes:
        """Raises cryptography.exceptions.InvalidTag for another name, key or value."""
        return AESGCM(self.unseal(name, sealed_key)).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None)

    # --- another K2

    @property
    def rotating(self) -> bool:
        """Whether two keys are in use: a change that goes on, or that a dead process left."""
        return len(self._by_k2) > 1

    @property
    def key_name(self) -> str:
        """16 hexadecimal digits that name the key that seals, and say nothing of it."""
        return _digest(self._by_k2[0], b"name").hex()[:16]

    def begin(self) -> None:
        """Draw the next key, durable before it seals anything; nothing to do when there is one."""
        if not self.rotating:
            key = os.urandom(_KEY_BYTES)
            write_durably(self._folder / _NEXT, key)
            self._by_k2 = (HMAC(key, SHA256()), *self._by_k2)

    def follow(self) -> bool:
        """Take the keys as their files are now; whether they are others. Another gateway of the folder may change them."""
        after = self._folder / _NEXT
        kept = [_key(one, create=False) for one in (after, self._folder / "K2") if one.exists()]
        keys = tuple(HMAC(key, SHA256()) for key in dict.fromkeys(kept))
        names = [_digest(key, b"name") for key in (*keys, *self._by_k2)]
        if not keys or names[: len(keys)] == names[len(keys) :]:
            return False
        self._by_k2 = keys
        return True

    def resealed(self, name: str, sealed: bytes) -> bytes | None:
        """The same value under the newest key; None when it is already. Raises InvalidTag when no key opens it."""
        newest, *older = self._by_k2
        try:
            _unsealed(newest, name, sealed)
        except InvalidTag:
            if not older:
                raise
            return self.seal(name, _unsealed(older[0], name, sealed))
        return None

    def end(self) -> None:
        """The next key takes the place of the old one, of which nothing is left."""
        if self.rotating:
            (self._folder / _NEXT).replace(self._folder / "K2")
            sync_folder(self._folder)
            self._by_k2 = self._by_k2[:1]


def _cipher(keyed: HMAC, name: str) -> AESGCM:
    return AESGCM(_digest(keyed, b"seal|" + name.encode()))


def _unsealed(keyed: HMAC, name: str, sealed: bytes) -> bytes:
    return _cipher(keyed, name).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None)


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
        raise JournalUnsafe(f"la clé {path} manque : remettez la sienne, une autre n'ouvrirait rien (docs/securite.md)") from None
    if len(key) != _KEY_BYTES:
        raise JournalUnsafe(f"la clé {path} est abîmée ({len(key)} octets au lieu de {_KEY_BYTES}) : remettez la sienne")
    return key
