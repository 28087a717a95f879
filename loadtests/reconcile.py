"""The equations of design §9, on counts that five different writers kept. Pure: files are read by ``read_run``.

    sent       the generator, before the bytes left          received   the mocks, one line per request
    answered   the generator, once the answer was read       held       the mocks, one line per distinct side effect
    journal, forwarded, in_doubt, in_doubt_held, counted     the gateway's journal, from its entries alone

The variant for a gateway killed on the way is decided in docs/decisions/0005-reconciliation-after-a-kill.md.
"""
from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

Counts = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Run:
    """What each writer counted, by operation id. ``problems``: lines that are not lines, in French."""

    sent: Counts
    answered: Counts
    journal: Counts
    forwarded: Counts
    received: Counts
    held: Counts
    counted: Counts
    in_doubt: Counts
    in_doubt_held: Counts
    intents: int = 0
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Equation:
    """One row of the reconciliation table: a named relation for one operation and whether it holds."""

    operation: str
    relation: str  # French, as printed
    left: int
    right: int
    slack: int = 0  # how far they may be apart; 0 outside a kill
    one_way: bool = False  # left may be below right by any amount

    @property
    def holds(self) -> bool:
        if self.one_way:
            return self.left <= self.right
        return abs(self.left - self.right) <= self.slack

    @property
    def gap(self) -> str:
        bound = f" (écart permis : {self.slack}, appels sans réponse)" if self.slack else ""
        return f"{self.operation} : {self.relation} — {self.left} contre {self.right}{bound}"


def equations(run: Run, *, killed: bool = False) -> list[Equation]:
    """Every equation of design §9, in the order of operation ids; ``killed`` takes the variant of decision 0005."""
    rows: list[Equation] = []
    for operation in sorted({*run.sent, *run.journal, *run.forwarded, *run.received, *run.held, *run.counted}):
        rows += _calls_after_kill(run, operation) if killed else _calls(run, operation)
        if operation in run.held or operation in run.counted or operation in run.in_doubt_held:
            rows.append(_effects(run, operation))
    return rows


def gaps(run: Run, *, killed: bool = False) -> list[str]:
    """What does not hold, in French; empty when the run is reconciled."""
    found = list(run.problems)
    if not any(run.sent.values()):
        found.append("aucun appel n'a été envoyé : il n'y a rien à rapprocher")
    if run.intents:
        found.append(f"{run.intents} intention(s) encore ouverte(s) au journal : la passerelle doit encore leur issue")
    return found + [row.gap for row in equations(run, killed=killed) if not row.holds]


def report(run: Run, found: list[str], *, killed: bool) -> dict[str, Any]:
    """The reconciliation as JSON: what each writer counted, every equation with its two sides, what does not hold."""
    return {
        "reconciled": not found,
        "gaps": found,
        "sent": dict(run.sent),
        "answered": dict(run.answered),
        "journal": dict(run.journal),
        "mocks": dict(run.received),
        "held": dict(run.held),
        "in_doubt": dict(run.in_doubt),
        "equations": [
            {"operation": row.operation, "relation": row.relation, "left": row.left, "right": row.right,
             "slack": row.slack, "holds": row.holds}
            for row in equations(run, killed=killed)
        ],
    }  # fmt: skip


def _calls(run: Run, operation: str) -> list[Equation]:
    return [
        Equation(operation, "envoyés = journal", _of(run.sent, operation), _of(run.journal, operation)),
        Equation(operation, "transmis = reçus", _of(run.forwarded, operation), _of(run.received, operation)),
    ]


def _calls_after_kill(run: Run, operation: str) -> list[Equation]:
    sent, answered, journal = (_of(counts, operation) for counts in (run.sent, run.answered, run.journal))
    return [
        Equation(operation, "répondus ≤ journal", answered, journal, one_way=True),
        Equation(operation, "journal ≤ envoyés", journal, sent, one_way=True),
        Equation(
            operation, "transmis ~ reçus", _of(run.forwarded, operation), _of(run.received, operation),
            slack=max(sent - answered, 0),
        ),
    ]  # fmt: skip


def _effects(run: Run, operation: str) -> Equation:
    right = _of(run.counted, operation) + _of(run.in_doubt_held, operation)
    return Equation(operation, "détenus = comptés + en doute détenus", _of(run.held, operation), right)


def _of(counts: Counts, operation: str) -> int:
    return counts.get(operation, 0)


@dataclass(slots=True)
class _Lines:
    """Lines of one file; what cannot be read is a gap, never skipped."""

    problems: list[str] = field(default_factory=list)

    def read(self, path: Path, *required: str) -> list[dict[str, Any]]:
        if not path.is_file():
            self.problems.append(f"{path.name} : fichier absent de l'exécution")
            return []
        rows = []
        for number, line in enumerate(path.read_bytes().splitlines(), 1):
            row = _parsed(line)
            if row is None or any(key not in row for key in required):
                self.problems.append(f"{path.name}, ligne {number} : illisible")
            else:
                rows.append(row)
        return rows


def read_run(folder: Path) -> Run:
    """Counts of one run folder, from its files only: ``sent.jsonl``, ``answered.jsonl``, ``journal-counts.json`` and
    the mocks' ``data/mocks/received.jsonl`` and ``held.jsonl``. What is missing or unreadable is in ``problems``."""
    lines = _Lines()
    sent = lines.read(folder / "sent.jsonl", "n", "op")
    answered = lines.read(folder / "answered.jsonl", "n", "op")
    received = lines.read(folder / "data/mocks/received.jsonl", "op")
    held = lines.read(folder / "data/mocks/held.jsonl", "op", "unit")
    journal = _journal_counts(folder / "journal-counts.json", lines.problems)
    lines.problems += _not_sent(sent, answered) + _twice_held(held) + _other_effects(sent, answered, held)
    return Run(
        sent=_by_operation(sent), answered=_by_operation(answered), received=_by_operation(received), held=_by_operation(held),
        journal=journal.get("journal", {}), forwarded=journal.get("forwarded", {}), counted=journal.get("counted", {}),
        in_doubt=journal.get("in_doubt", {}), in_doubt_held=journal.get("in_doubt_held", {}),
        intents=journal.get("intents", 0), problems=tuple(lines.problems),
    )  # fmt: skip


def _journal_counts(path: Path, problems: list[str]) -> dict[str, Any]:
    value = _parsed(path.read_bytes()) if path.is_file() else None
    if value is None:
        problems.append(f"{path.name} : absent ou illisible, relancez `socle demo --check` sur ce dossier")
        return {}
    return value


def _not_sent(sent: Iterable[dict[str, Any]], answered: Iterable[dict[str, Any]]) -> list[str]:
    """Every answer belongs to one call that was counted before it left."""
    operations = {row["n"]: row["op"] for row in sent}
    seen: set[int] = set()
    found = []
    for row in answered:
        if operations.get(row["n"]) != row["op"] or row["n"] in seen:
            found.append(f"answered.jsonl : l'appel n° {row['n']} ({row['op']}) n'a pas été envoyé, ou a deux réponses")
        seen.add(row["n"])
    return found


def _twice_held(held: Iterable[dict[str, Any]]) -> list[str]:
    """held.jsonl has one line per *distinct* side effect: the same unit twice is a forged or broken ledger."""
    counts = Counter((row["op"], row["unit"]) for row in held)
    return [f"held.jsonl : une unité de {operation} y figure {n} fois" for (operation, _), n in counts.items() if n > 1]


def _other_effects(sent: list[dict[str, Any]], answered: list[dict[str, Any]], held: list[dict[str, Any]]) -> list[str]:
    """Unit by unit: what the DUI was told is done is held, and what is held was sent. A mock names a unit by its digest."""
    names = {row["n"]: (row["op"], _name(row["unit"])) for row in sent if row.get("unit") is not None}
    done = {names[row["n"]] for row in answered if row.get("why") is None and row["n"] in names}
    kept = {(row["op"], row["unit"]) for row in held}
    lost, forged = (Counter(op for op, _ in units) for units in (done - kept, kept - set(names.values())))
    return [f"{op} : {n} effet(s) annoncé(s) réussi(s) au DUI, qu'aucun service ne détient" for op, n in sorted(lost.items())] + [
        f"{op} : {n} effet(s) détenu(s) que personne n'a envoyé(s)" for op, n in sorted(forged.items())
    ]


def _name(unit: str) -> str:
    return hashlib.sha256(unit.encode()).hexdigest()


def _by_operation(rows: Iterable[dict[str, Any]]) -> Counter[str]:
    return Counter(row["op"] for row in rows)


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None
