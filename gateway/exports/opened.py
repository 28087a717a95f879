"""The formats that need more than the measures: they open the entries of the journal (TBB, COPROJ, vendors).

Nothing is read that the vector of the measures does not cover; a conformance run judges the calls of the windows.
"""
from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import orjson
from cryptography.exceptions import InvalidTag

from gateway.conformance.evidence import Evidence
from gateway.conformance.model import Vendor
from gateway.conformance.rules import ALL, RuleSet, rule_set
from gateway.conformance.running import Header, run_item, run_rules
from gateway.conformance.window import JournalWindow
from gateway.exports.cells import PARIS
from gateway.exports.coproj import coproj_csv, coproj_xlsx
from gateway.exports.edition import Edition
from gateway.exports.manifest import File
from gateway.exports.tbb import tbb_csv, tbb_xlsx
from gateway.exports.vendor_pack import vendor_csv, vendor_json
from gateway.journal.canonical import text_of
from gateway.journal.connection import Connection
from gateway.journal.filters import Period
from gateway.journal.query import JournalReader
from gateway.journal.record import JournalError
from gateway.journal.store import POS_BITS
from gateway.journal.vault import Vault
from gateway.population import people_if_any
from gateway.usage.activity import Activity, activity, psc_users
from gateway.usage.counting import Counting
from gateway.usage.ins import InsLine, ins_lines
from gateway.usage.measure import PRODUCTION
from gateway.usage.source import journal_of
from gateway.usage.tbb import dashboard

_SAID = ("id", "event_time", "operation", "outcome", "service_code", "flags", "finess_et", "exchanges")
FORMATS = ("tbb", "coproj", "editeur")


def opened_files(data: Path, edition: Edition, formats: Iterable[str]) -> list[File]:
    """The files of these formats. ``data``: the data folder. Raises JournalError, apsw.Error."""
    wanted = [name for name in FORMATS if name in set(formats)]
    if not wanted:
        return []
    with _Opened.open(data, edition) as journal:
        makers: dict[str, Callable[[], Iterator[File]]] = {
            "tbb": journal.tbb, "coproj": journal.coproj, "editeur": journal.vendors,
        }  # fmt: skip
        return [file for name in wanted for file in makers[name]()]


@dataclass
class _Opened:
    data: Path
    edition: Edition
    _db: Connection
    _reader: JournalReader
    _counting: Counting = field(init=False)

    def __post_init__(self) -> None:
        self._counting = Counting(self._db, self.edition.environment, self.edition.last.vector)

    @classmethod
    @contextmanager
    def open(cls, data: Path, edition: Edition) -> Iterator[_Opened]:
        with journal_of(data / "gateway") as connection, JournalReader(data / "gateway") as reader, connection:
            yield cls(data, edition, connection, reader)

    def tbb(self) -> Iterator[File]:
        month = self.edition.last_windows[-1].last_day.replace(day=1)
        found = dashboard(self._db, self._counting, [one.finess_et for one in self.edition.grappe.essms], month)
        yield File(self.edition.name("tbb", "csv"), tbb_csv(self.edition, found))
        yield File(self.edition.name("tbb", "xlsx"), tbb_xlsx(self.edition, found))

    def coproj(self) -> Iterator[File]:
        yield File(self.edition.name("coproj", "csv"), coproj_csv(self.edition, self._activities))
        yield File(self.edition.name("coproj", "xlsx"), coproj_xlsx(self.edition, self._activities, self._ins, self._runs))

    @cached_property
    def _ins(self) -> list[InsLine]:
        window, folder = self.edition.last_windows[-1], self.data / "gateway"
        return ins_lines(folder, self.edition.environment, self.edition.grappe, window, self._counting.vector)

    def vendors(self) -> Iterator[File]:
        """A pair of files for each vendor whose software sent something for the grappe."""
        for tenant, run in self._runs.items():
            name, exchange = f"editeur-{_slug(tenant)}", cache(self._exchange)  # both files show the same entries
            yield File(self.edition.name(name, "csv"), vendor_csv(run, exchange, self.edition.warning))
            yield File(self.edition.name(name, "json"), vendor_json(run, exchange, self.edition.warning))

    @cached_property
    def _days(self) -> tuple[date, date]:
        return self.edition.windows[0].start, self.edition.last_windows[0].end

    @cached_property
    def _activities(self) -> list[Activity]:
        connected = psc_users(self._reader, self._counting)
        return [
            activity(self._db, self._counting, one, *self._days, connected, self._value_of) for one in self.edition.grappe.essms
        ]

    @cached_property
    def _runs(self) -> dict[str, dict[str, Any]]:
        return {tenant: self._run(tenant) for tenant in sorted({name for one in self._activities for name in one.tenants})}

    def _run(self, tenant: str) -> dict[str, Any]:
        edition, folder = self.edition, self.data / "gateway"
        starts, ends = (window.bounds(PARIS) for window in (edition.windows[0], edition.last_windows[0]))
        event = Period(text_of(starts[0]), text_of(ends[1]))
        people = None if edition.environment == PRODUCTION else people_if_any(self.data / "sandbox")
        evidence = Evidence(self._reader, folder, edition.environment, people)
        header = Header(Vendor(tenant), edition.environment, tenant, event, edition.as_of)
        last = max((log << POS_BITS | size - 1 for log, size in self._counting.vector), default=-1)
        rules = _of_vendors()
        with JournalWindow.open(folder, edition.environment, event=event, tenant=tenant, until=last) as window:
            return run_item(header, rules, run_rules(window, rules), evidence.describe)

    @cached_property
    def _vault(self) -> Vault | None:
        try:
            return Vault.open(self.data / "gateway" / "keys", self.edition.environment, create=False)
        except (JournalError, OSError):
            return None

    def _value_of(self, ref: str) -> str | None:
        sealed = self._db.execute("SELECT sealed FROM refs WHERE ref = ?", (ref,)).get
        if sealed is None or self._vault is None:
            return None
        try:
            return self._vault.unseal(ref, sealed).decode("utf-8", "replace")
        except InvalidTag:
            return None

    def _exchange(self, entry_id: str) -> dict[str, Any] | None:
        """Codes of the entry, never its references; the redacted copies kept, without their bodies where persons are real."""
        entry = self._reader.entry(entry_id)
        if entry is None:
            return None
        said = {name: entry[name] for name in _SAID}
        return {**said, "journal": f"{entry['log']}/{entry['seq']}", "messages": self._copies(entry)}

    def _copies(self, entry: dict[str, Any]) -> list[dict[str, Any]]:
        if self._vault is None:
            return []
        found = []
        for kept in self._reader.kept_of(entry):
            try:
                copy = orjson.loads(self._vault.unseal_alone(kept.name, kept.key, kept.sealed))
            except InvalidTag:
                continue
            body = {} if self.edition.environment == PRODUCTION else {"body": copy["body"]}
            found.append({"role": kept.role, "start": copy["start"], "headers": copy["headers"], **body})
        return found


def _of_vendors() -> RuleSet:
    """Every check but those of the journal itself, which are ours and read it whole."""
    known = rule_set(ALL)
    return replace(known, rules=tuple(rule for rule in known.rules if rule.family != "JRN"))


def _slug(tenant: str) -> str:
    """A tenant as part of a file name; two tenants never share one."""
    plain = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in tenant.lower())[:40]
    return plain if plain == tenant else f"{plain}-{hashlib.sha256(tenant.encode()).hexdigest()[:8]}"
