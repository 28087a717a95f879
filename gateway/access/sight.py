"""What a reading key may see (design §5.7; decision 0036): what its vendor's software did, or what happened in its grappes' ESSMS
while they were members."""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from typing import Any, Literal

from gateway.access.rights import Key
from gateway.grappes.finess import zone_of
from gateway.grappes.model import Grappe
from gateway.grappes.registry import Registry
from gateway.journal.canonical import text_of
from gateway.journal.filters import Period, is_within

#: Why something is hidden, as the entries of refusals say it.
Hidden = Literal["editeur", "grappe"]
Within = tuple[tuple[str, Period], ...]


def within(key: Key, registry: Registry) -> Within | None:
    """The ESSMS that a key may see, each while it is a member of its grappe; None: the key is bound to no grappe."""
    if key.grappes is None:
        return None
    return places_of(registry.grappes[one] for one in sorted(key.grappes) if one in registry.grappes)


def places_of(grappes: Iterable[Grappe]) -> Within:
    """The ESSMS of these grappes, each while it is a member."""
    return tuple(
        (essms.finess_et, Period(_midnight(essms.finess_et, essms.member_from), _midnight(essms.finess_et, essms.member_until)))
        for grappe in grappes for essms in grappe.essms
    )  # fmt: skip


def hidden(key: Key, registry: Registry, entry: Mapping[str, Any]) -> Hidden | None:
    """Why this key may not see an entry (its JSON, read); None: it may."""
    if key.tenant is not None and entry["tenant"] != key.tenant:
        return "editeur"
    places = within(key, registry)
    return None if places is None or is_within(entry, places) else "grappe"


def of_another(key: Key, registry: Registry, *, tenant: str | None, finess_et: str | None) -> Hidden | None:
    """Why a question names somebody whom this key may not see; None: it may ask it."""
    if tenant is not None and key.tenant is not None and tenant != key.tenant:
        return "editeur"
    places = within(key, registry)
    if finess_et is not None and places is not None and finess_et not in {number for number, _ in places}:
        return "grappe"
    return None


def may_read(key: Key, grappe: str) -> bool:
    """Whether the rates of this grappe are the key's to read: never a vendor's, as a rate may come from several vendors."""
    return key.tenant is None and (key.grappes is None or grappe in key.grappes)


def _midnight(finess_et: str, day: date | None) -> str | None:
    return None if day is None else text_of(datetime.combine(day, time(), zone_of(finess_et)))
