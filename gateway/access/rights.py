"""Who may read the journal and the rates over HTTP: named keys, each with some of five rights, perhaps bound to one vendor or
to grappes (design §5.7; decision 0036).

The journal itself is where keys live: each is an admin entry, adding and removing alike, so that nobody can have had a key
without an entry that says so. An entry holds the SHA-256 of 32 random bytes, from which no key can be found again.
"""
from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from gateway.grappes.versions import may_name
from gateway.journal.journal import Journal
from gateway.journal.query import JournalReader

#: metadata: entries without what they stand for; body: kept messages and the names behind refs; settle: decide of a call in
#: doubt, make a call again; export: whole files; usage: rates, aggregated by ESSMS at least.
Right = Literal["metadata", "body", "settle", "export", "usage"]
RIGHTS: tuple[Right, ...] = get_args(Right)
#: An AMOA follows its grappes: it opens no message and no name, and decides of no call.
_OF_GRAPPES: frozenset[Right] = frozenset({"metadata", "export", "usage"})
ACTION = "key"  # of the admin entries from which a restarted gateway takes its keys
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")
_PREFIX = "socle-journal-"
_BEARER = "bearer "


class KeyRefused(ValueError):
    """This key cannot be added or removed; the text is French."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key without its secret. ``tenant``: the only vendor whose entries it shows; None shows all. ``grappes``: those whose
    rates, and entries of whose ESSMS, it shows; None shows all."""

    name: str
    rights: frozenset[Right]
    tenant: str | None
    digest: str = field(repr=False)  # SHA-256 of the secret, hex
    grappes: frozenset[str] | None = None

    def may(self, right: Right) -> bool:
        return right in self.rights

    def item(self) -> dict[str, Any]:
        """For a list: everything but the digest."""
        rights = [right for right in RIGHTS if right in self.rights]
        grappes = None if self.grappes is None else sorted(self.grappes)
        return {"name": self.name, "rights": rights, "tenant": self.tenant, "grappes": grappes}


@dataclass(slots=True)
class Keys:
    """The keys in force."""

    _by_digest: dict[str, Key] = field(default_factory=dict, repr=False)

    @classmethod
    def from_journal(cls, reader: JournalReader) -> Keys:
        """As the admin entries leave them."""
        keys = cls()
        for entry in reader.acts():
            if (entry["detail"] or {}).get("action") == ACTION:
                keys.take(entry["detail"])
        return keys

    def take(self, detail: dict[str, Any]) -> None:
        """Do what one admin entry says."""
        if detail["change"] == "added":
            grappes = None if (named := detail.get("grappes")) is None else frozenset(named)  # absent before decision 0036
            key = Key(detail["name"], frozenset(detail["rights"]), detail["tenant"], detail["sha256"], grappes)
            self._by_digest[key.digest] = key
        elif detail["change"] == "rotated":
            rotated = [replace(key, digest=detail["sha256"]) for key in self.all() if key.name == detail["name"]]
            others = [key for key in self.all() if key.name != detail["name"]]
            self._by_digest = {key.digest: key for key in (*others, *rotated)}
        else:
            self._by_digest = {digest: key for digest, key in self._by_digest.items() if key.name != detail["name"]}

    def all(self) -> list[Key]:
        """By name."""
        return sorted(self._by_digest.values(), key=lambda key: key.name)

    def named(self, name: str) -> Key | None:
        return next((key for key in self._by_digest.values() if key.name == name), None)

    def bearer(self, authorization: str | None) -> Key | None:
        """By the value of the Authorization header; None when it is not one of our keys. Time tells nothing of a secret."""
        text = authorization or ""
        if text[: len(_BEARER)].lower() != _BEARER:
            return None
        return self._by_digest.get(_digest(text[len(_BEARER) :].strip()))


async def add(
    keys: Keys, journal: Journal, *, name: str, rights: Iterable[str], tenant: str | None, by: str,
    grappes: Iterable[str] = (),
) -> str:  # fmt: skip
    """Make a key, note it, and return its secret, which is nowhere else. Raises KeyRefused, JournalFull, JournalStopped.

    ``grappes``: none binds the key to none, and it then shows them all.
    """
    rights, bound = set(rights), sorted(set(grappes))
    asked = [right for right in RIGHTS if right in rights]
    unknown = rights - set(RIGHTS)
    if not _NAME.fullmatch(name):
        raise KeyRefused("Nom de clé : lettres minuscules, chiffres, point et tiret, 40 caractères au plus.")
    if unknown or not asked:
        raise KeyRefused(f"Droits : un ou plusieurs parmi {', '.join(RIGHTS)}.")
    if keys.named(name) is not None:
        raise KeyRefused(f"La clé « {name} » existe déjà : retirez-la d'abord, ou choisissez un autre nom.")
    _check_bounds(asked, tenant, bound)
    secret = _PREFIX + secrets.token_urlsafe(32)
    detail: dict[str, Any] = {"change": "added", "name": name, "rights": asked, "tenant": tenant, "sha256": _digest(secret)}
    if bound:
        detail["grappes"] = bound
    await _note(keys, journal, detail | {"by": by})
    return secret


def _check_bounds(asked: Iterable[Right], tenant: str | None, grappes: list[str]) -> None:
    if tenant is not None and grappes:
        raise KeyRefused("Une clé est liée à un éditeur ou à des grappes, pas aux deux : faites deux clés.")
    if tenant is not None and "usage" in asked:
        raise KeyRefused(
            "Un taux d'usage suit l'ESSMS chez tous ses éditeurs : une clé liée à un éditeur ne le lit pas. "
            "Retirez le droit « usage », ou liez la clé à des grappes."
        )
    if grappes and (beyond := [right for right in asked if right not in _OF_GRAPPES]):
        raise KeyRefused(
            f"Une clé liée à des grappes n'a pas le droit « {beyond[0]} » : elle ne lit ni messages ni noms, et ne décide "
            f"d'aucun appel. Droits possibles : {', '.join(right for right in RIGHTS if right in _OF_GRAPPES)}."
        )
    if not all(map(may_name, grappes)):
        raise KeyRefused("Grappe : donnez son identifiant, tel que le montre socle grappe list.")


async def remove(keys: Keys, journal: Journal, *, name: str, by: str) -> None:
    """Take a key away and note it. Raises KeyRefused when there is none of this name, JournalFull, JournalStopped."""
    if keys.named(name) is None:
        raise KeyRefused(f"Aucune clé « {name} » : voyez socle journal key list.")
    await _note(keys, journal, {"change": "removed", "name": name, "by": by})


async def rotate(keys: Keys, journal: Journal, *, name: str, by: str) -> str:
    """Another secret for the same key, returned; the old one opens nothing any more. Raises as ``remove``."""
    if keys.named(name) is None:
        raise KeyRefused(f"Aucune clé « {name} » : voyez socle journal key list.")
    secret = _PREFIX + secrets.token_urlsafe(32)
    await _note(keys, journal, {"change": "rotated", "name": name, "sha256": _digest(secret), "by": by})
    return secret


async def _note(keys: Keys, journal: Journal, detail: dict[str, Any]) -> None:
    detail = {"action": ACTION, **detail}
    await journal.write(journal.admin(detail))
    keys.take(detail)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
