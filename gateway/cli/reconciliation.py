"""The gateway's side of a reconciliation (design §9), for `socle demo` and `socle load run`.

Counts come from the journal's entries and usage units, read again each time; they are written beside the generator's own
files, and ``python -m loadtests reconcile`` compares them: nothing here knows what was sent.
"""
from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from gateway.journal.connection import Connection
from gateway.journal.database import open_for_reading
from gateway.journal.journal import FILE_NAME
from gateway.journal.query import JournalReader
from gateway.journal.units import units_of
from gateway.journal.vault import Vault
from gateway.operations import OPERATIONS

COUNTS_FILE = "journal-counts.json"
_TIMEOUT_S = 60.0
_SIDE_EFFECTS = {row.id for row in OPERATIONS.values() if row.side_effect}


@dataclass(slots=True)
class _Effects:
    """The side effects of one operation, each named by its own key (documents or message): counted, or in doubt."""

    counted: set[str] = field(default_factory=set)
    in_doubt: dict[str, str] = field(default_factory=dict)  # → ref of the business key, which a mock knows too


def write_counts(run: Path, environment: str) -> dict[str, Any]:
    """Count the journal of a run folder again, into ``journal-counts.json``.

    ``counted``: accepted side effects, those of the usage units and those that belong to no ESSMS.
    ``in_doubt_held``: doubts of which a mock holds the effect, found through the seals that only the gateway can open.
    Raises JournalError when there is no journal, or none that this version reads.
    """
    folder = run / "data" / "gateway"
    with JournalReader(folder) as reader, reader.snapshot():
        by_operation, intents = reader.counts(), reader.intents()
    held = _held(run / "data" / "mocks" / "held.jsonl")
    journal = open_for_reading(folder / FILE_NAME)
    try:
        effects = _effects(journal)
        vault = Vault.open(folder / "keys", environment, create=False)
        counts = {
            "journal": {op: row["journal"] for op, row in by_operation.items()},
            "forwarded": {op: row["forwarded"] for op, row in by_operation.items()},
            "in_doubt": {op: row["in_doubt"] for op, row in by_operation.items() if row["in_doubt"]},
            "recovered": {op: row["recovered"] for op, row in by_operation.items() if row["recovered"]},
            "counted": {op: len(found.counted) for op, found in effects.items()},
            "in_doubt_held": {op: len(_names(journal, vault, found) & held) for op, found in effects.items() if found.in_doubt},
            "intents": intents,
        }
    finally:
        journal.close()
    (run / COUNTS_FILE).write_bytes(orjson.dumps(counts, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    return counts


def reconcile(run: Path, *, killed: bool = False) -> dict[str, Any]:
    """What ``python -m loadtests reconcile`` says of the run folder (keys: loadtests/reconcile.py, ``report``)."""
    command = [sys.executable, "-m", "loadtests", "reconcile", str(run), "--json", *(["--killed"] if killed else [])]
    done = subprocess.run(command, capture_output=True, timeout=_TIMEOUT_S, check=False)  # noqa: S603 our own module
    if done.returncode not in (0, 1):
        raise RuntimeError(done.stderr.decode("utf-8", "replace").strip().splitlines()[-1])
    report: dict[str, Any] = orjson.loads(done.stdout)
    return report


def _effects(journal: Connection) -> dict[str, _Effects]:
    """Accepted effects and doubts. An accepted effect of an ESSMS counts only while its usage unit is there."""
    effects = {operation: _Effects() for operation in _SIDE_EFFECTS}
    table = set(journal.execute("SELECT log, seq FROM usage_units"))
    doubts = dict(journal.execute("SELECT entry_id, key_ref FROM doubts"))
    for entry in _entries(journal):
        found, key = effects[entry["operation"]], _key(entry)
        if entry["outcome"] in ("ok", "succeeded"):
            if (entry["log"], entry["seq"]) in table or not units_of(entry):
                found.counted.add(key)
        elif entry["id"] in doubts:
            found.in_doubt[key] = doubts[entry["id"]] or ""
    for found in effects.values():
        found.in_doubt = {key: ref for key, ref in found.in_doubt.items() if key not in found.counted}
    return {operation: found for operation, found in effects.items() if found.counted or found.in_doubt}


def _entries(journal: Connection) -> Iterator[dict[str, Any]]:
    marks = ", ".join("?" * len(_SIDE_EFFECTS))
    sql = f"SELECT body FROM entries WHERE operation IN ({marks}) ORDER BY pos"  # noqa: S608 - placeholders only
    for (body,) in journal.execute(sql, tuple(_SIDE_EFFECTS)):
        yield orjson.loads(body)


def _key(entry: dict[str, Any]) -> str:
    """The ref that names the effect: of the message, else of the first document."""
    return str(entry["message_ref"] or (entry["document_refs"] or [entry["id"]])[0])


def _names(journal: Connection, vault: Vault, effects: _Effects) -> set[str]:
    """The names that mocks give to the effects in doubt: digests of a message's key, or of a submission set's uniqueId."""
    names = set()
    for ref in effects.in_doubt.values():
        sealed = journal.execute("SELECT sealed FROM refs WHERE ref = ?", (ref,)).get
        if sealed is not None:
            value = vault.unseal(ref, sealed)
            names |= {hashlib.sha256(name).hexdigest() for name in (value, value.split(b"\n")[0])}
    return names


def _held(path: Path) -> set[str]:
    """Units of the mocks' ledger; a line that cannot be read is the comparison's to report."""
    found = set()
    for line in path.read_bytes().splitlines() if path.is_file() else ():
        with suppress(orjson.JSONDecodeError, KeyError, TypeError):
            found.add(str(orjson.loads(line)["unit"]))
    return found
