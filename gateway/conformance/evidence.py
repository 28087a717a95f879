"""What a proof must show of one call: when, what, where in the journal, which test professional (programme-indicateurs-2 §10)."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag

from gateway.journal.canonical import moment_of
from gateway.journal.filters import PARIS, Filters, Period
from gateway.journal.query import JournalReader
from gateway.journal.record import JournalError
from gateway.journal.vault import Vault
from gateway.population import People

_EFFORT = 2_000  # look-ups for one proof
_NOT_FICTITIOUS = "professionnel hors du jeu de données : non imprimé"


class Evidence:
    """Describes entries of one journal. A professional is named only when the sandbox's population has him."""

    def __init__(self, reader: JournalReader, folder: Path, environment: str, people: People | None) -> None:
        self._reader = reader
        self._people = people
        try:
            self._unseal: Callable[[str, bytes], bytes] | None = Vault.open(folder / "keys", environment, create=False).unseal
        except (JournalError, OSError):
            self._unseal = None

    def describe(self, entry_id: str) -> Mapping[str, Any] | None:
        """``horodatage`` is local, with its offset: ECO.4.1.2 asks for local time. None when the entry is unknown."""
        entry = self._reader.entry(entry_id)
        if entry is None:
            return None
        return {
            "horodatage": _local(entry["event_time"]),
            "operation": entry["operation"],
            "issue": entry["outcome"],
            "journal": f"{entry['log']}/{entry['seq']}",
            "finess_et": entry["finess_et"],
            "utilisateur": self._user(entry),
            "connexion": self._login(entry),
        }

    def _login(self, entry: Mapping[str, Any]) -> str | None:
        """Local time of the last Pro Santé Connect exchange that named this professional before; None when none did."""
        ref = entry["professional_ref"]
        if ref is None or entry["service"] == "PSC":
            return None
        asked = Filters(
            service="PSC", outcome="ok", tenant=entry["tenant"], professional_ref=ref, event=Period(end=entry["event_time"])
        )
        found = self._reader.entries(asked, limit=1, effort=_EFFORT).entries
        return _local(found[0]["event_time"]) if found else None

    def _user(self, entry: Mapping[str, Any]) -> str | None:
        ref = entry["professional_ref"]
        sealed = self._reader.names_of(dict(entry)).get(ref) if ref is not None else None
        if sealed is None or self._unseal is None:
            return None
        try:
            id_nat = self._unseal(ref, sealed).decode()
        except (InvalidTag, UnicodeDecodeError):
            return None
        return _named(None if self._people is None else self._people.professional(id_nat))


def _local(moment: str) -> str:
    return moment_of(moment).astimezone(PARIS).isoformat(timespec="milliseconds")


def _named(one: dict[str, Any] | None) -> str:
    if one is None:
        return _NOT_FICTITIOUS
    number = f"RPPS {one['rpps']}" if one["rpps"] else one["id_nat"]
    return f"{number}, {one['family']} {one['given']}"
