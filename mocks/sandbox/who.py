"""Who calls, and for whom, as a fault may ask: the names of a caller, its tenant, the persons that its message is about."""
from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

from cryptography import x509

from mocks.sandbox.authority import struct_id_of
from mocks.sandbox.population import Population

_FORM = "application/x-www-form-urlencoded"
_CREDENTIALS = {"psc_clients": "client_id", "annuaire_keys": "key"}


@dataclass(frozen=True, slots=True)
class Who:
    """names: FINESS ET, struct_id and fingerprint of a certificate, client_id, API key, mailbox: whatever was shown."""

    names: frozenset[str] = field(default=frozenset(), repr=False)
    tenant: str | None = None
    persons: frozenset[str] = field(default=frozenset(), repr=False)


NOBODY = Who()


@dataclass(slots=True)
class Callers:
    """The callers that a manifest and a population declare.

    claims  those of an access token that the sandbox's PSC issued, else None
    """

    manifest: Mapping[str, Any] = field(repr=False)
    people: Population = field(repr=False)
    claims: Callable[[str], Mapping[str, Any] | None]

    def of_http(
        self, headers: Mapping[str, str], query: str, body: bytes, der: bytes | None, id_nat: str | None = None
    ) -> Who:
        """By certificate, else by the professional who signed the message, else ESANTE-API-KEY, else PSC client (Basic or access
        token, then form, then query): what proves comes before what anybody may write. ``headers``: names in lower case."""
        structure = self._structure(der) or self._employer(id_nat)
        return self._who([*filter(None, self._shown(headers, query, body)), *_names(structure, der)], structure, ())

    def tenant_of_http(
        self, headers: Mapping[str, str], query: str, body: bytes, der: bytes | None, id_nat: str | None = None
    ) -> str | None:
        """The tenant alone, without what else the caller is called: most calls meet no fault that asks."""
        return self._tenant(self._structure(der) or self._employer(id_nat), self._shown(headers, query, body))

    def of_mail(self, mailbox: str | None, der: bytes | None, persons: Iterable[str] = ()) -> Who:
        """By the mailbox that is open, and the certificate shown."""
        structure = self._structure(der) or (self._owner(mailbox) if mailbox else None)
        return self._who([*([mailbox] if mailbox else []), *_names(structure, der)], structure, persons)

    def knows(self, name: str) -> bool:
        """Whether the manifest declares a caller of this name."""
        declared: set[Any] = set()
        for one in self._rows("structures"):
            declared |= {one.get("finess_et"), one.get("struct_id"), *(box.get("address") for box in one.get("mailboxes", ()))}
            declared |= {one[use].get("fingerprint") for use in ("auth_cli", "sign") if use in one}
        for rows, column in _CREDENTIALS.items():
            declared |= {one.get(column) for one in self._rows(rows)}
        return name in declared or self.people.holds_box(name)

    def tenants(self) -> list[str]:
        rows = [*self._rows("tenants"), *({"id": one.get("tenant")} for one in self._rows("structures"))]
        return sorted({str(one["id"]) for one in rows if one.get("id")})

    def _who(self, names: Sequence[str], structure: Mapping[str, Any] | None, persons: Iterable[str]) -> Who:
        return Who(frozenset(names), self._tenant(structure, names), frozenset(persons))

    def _tenant(self, structure: Mapping[str, Any] | None, names: Iterable[str]) -> str | None:
        """That of the structure, else of the first name that is somebody's credential."""
        own = None if structure is None else structure.get("tenant")
        return own or next(filter(None, map(self._bearer, filter(None, names))), None)

    def _bearer(self, name: str) -> str | None:
        """Whose credential this is."""
        declared = (one for rows, column in _CREDENTIALS.items() for one in self._rows(rows) if one.get(column) == name)
        return next((str(one["tenant"]) for one in declared), None)

    def _rows(self, name: str) -> Iterable[Mapping[str, Any]]:
        rows: Iterable[Mapping[str, Any]] = self.manifest.get(name, ())
        return rows

    def _structure(self, der: bytes | None) -> Mapping[str, Any] | None:
        unit = None if der is None else _unit(der)
        return None if unit is None else self._one("struct_id", unit)

    def _owner(self, mailbox: str) -> Mapping[str, Any] | None:
        """The structure of a mailbox: its own, or that of the professional whose it is."""
        for one in self._rows("structures"):
            if any(box.get("address") == mailbox for box in one.get("mailboxes", ())):
                return one
        holder = self.people.holder(mailbox)
        return None if holder is None else self._one("finess_et", holder.get("structure"))

    def _employer(self, id_nat: str | None) -> Mapping[str, Any] | None:
        """The structure where a professional works first."""
        known = None if id_nat is None else self.people.professional(id_nat)
        return None if known is None else self._one("finess_et", known.get("structure"))

    def _one(self, column: str, value: str | None) -> Mapping[str, Any] | None:
        return next((one for one in self._rows("structures") if value is not None and one.get(column) == value), None)

    def _shown(self, headers: Mapping[str, str], query: str, body: bytes) -> Iterator[str]:
        """The names that a request gives itself, some of them empty."""
        yield headers.get("esante-api-key", "")
        scheme, _, value = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            yield _basic_user(value)
        elif scheme.lower() == "bearer":
            yield str((self.claims(value.strip()) or {}).get("azp", ""))
        form = body.decode("latin-1") if headers.get("content-type", "").lower().startswith(_FORM) else ""
        for text in filter(None, (form, query)):
            yield _field(text, "client_id")


def _names(structure: Mapping[str, Any] | None, der: bytes | None) -> set[str]:
    shown = set() if der is None else {_fingerprint(der)}
    return shown if structure is None else shown | {structure.get("finess_et", ""), structure.get("struct_id", "")} - {""}


@lru_cache(maxsize=1024)
def _fingerprint(der: bytes) -> str:
    return hashlib.sha256(der).hexdigest()


@lru_cache(maxsize=1024)
def _unit(der: bytes) -> str | None:
    """The structure that a certificate names; one that cannot be read names none."""
    try:
        return struct_id_of(x509.load_der_x509_certificate(der))
    except ValueError:
        return None


def _basic_user(encoded: str) -> str:
    try:
        return unquote_plus(base64.b64decode(encoded.strip(), validate=True).decode("latin-1").partition(":")[0])
    except (binascii.Error, ValueError):
        return ""


def _field(text: str, name: str) -> str:
    try:
        return dict(parse_qsl(text, max_num_fields=100)).get(name, "")
    except ValueError:
        return ""
