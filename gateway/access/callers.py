"""Whose call (design §8): tenant and structure from the credential that the protocol already carries."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gateway.journal.record import Dui


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate and key, PEM files, that the gateway presents upstream or signs with."""

    cert: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling. ``tenant`` is ``inconnu`` when no credential names one.

    struct_id   idNat_struct of the certificate's OU or of the mailbox's structure: ``1`` + FINESS
    entitled_ej legal entities (FINESS EJ) for which this caller may be counted
    identity    the deposited certificate of the same subject, presented upstream by mutual TLS
    """

    tenant: str = "inconnu"
    struct_id: str | None = None
    finess_et: str | None = None
    entitled_ej: frozenset[str] = frozenset()
    dui: Dui = Dui()
    identity: Identity | None = None


UNKNOWN = Caller()


class Access:
    """Looks callers up in the sandbox manifest (sandbox.json) and the deposited identities."""

    def by_certificate(self, der: bytes | None) -> Caller:
        """By SHA-256 fingerprint of the client's certificate; UNKNOWN when absent or not deposited."""
        raise NotImplementedError

    def by_mailbox(self, address: str) -> Caller:
        """By MSSanté address, case-insensitive; UNKNOWN when no structure declares it."""
        raise NotImplementedError

    def by_api_key(self, key: str) -> Caller:
        """By ESANTE-API-KEY."""
        raise NotImplementedError

    def by_client_id(self, client_id: str) -> Caller:
        """By PSC client_id."""
        raise NotImplementedError
