"""The Ed25519 key that signs checkpoints: ``keys/signing``, a seed of 32 bytes, mode 0600 (docs/securite.md).

A new key waits in ``keys/signing.next`` until log 0 names it; whichever of the two moments a crash falls between, the key
that log 0 names last is the one in use after the next opening.
"""
from __future__ import annotations

import os
from pathlib import Path

from gateway.journal.durable import sync_folder, write_durably
from gateway.journal.proof.notes import SEED_BYTES, PublicKey, Signer

SIGNING, NEXT = "signing", "signing.next"


class SigningKey:
    """The key files of one journal's folder."""

    def __init__(self, keys: Path) -> None:
        self._keys = keys

    def present(self, name: str) -> Signer | None:
        """The key in use; None when its file is missing or damaged."""
        return _read(self._keys / SIGNING, name)

    def prepare(self, name: str) -> Signer:
        """A new key, on disk and not in use yet."""
        seed = os.urandom(SEED_BYTES)
        write_durably(self._keys / NEXT, seed)
        return Signer(name, seed)

    def promote(self) -> None:
        """Put the prepared key in use; the one before is gone."""
        (self._keys / NEXT).replace(self._keys / SIGNING)
        sync_folder(self._keys)

    def settle(self, named: PublicKey) -> Signer | None:
        """Finish what a crash interrupted: the key that log 0 names last, or None when no file holds it."""
        prepared = _read(self._keys / NEXT, named.name)
        if prepared is not None and prepared.public == named:
            self.promote()
        else:
            (self._keys / NEXT).unlink(missing_ok=True)
        present = self.present(named.name)
        return present if present is not None and present.public == named else None


def _read(path: Path, name: str) -> Signer | None:
    try:
        seed = path.read_bytes()
    except FileNotFoundError:
        return None
    return Signer(name, seed) if len(seed) == SEED_BYTES else None
