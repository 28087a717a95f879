"""The journal in French, for a reader at a terminal: lines of a list, the sheet of one entry."""
from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import orjson

from gateway.cli.french import counted
from gateway.exports.journal_lines import local_time
from gateway.journal.units import Unit, units_of
from gateway.operations import OPERATIONS

Entry = Mapping[str, Any]
NARROW = 120  # columns below which a line keeps to 80
_ROW = re.compile(r"^\| (`?[^|]+?`?) \| (.+?) \|(?: (.+?) \|)?\s*$", re.MULTILINE)
_OUTCOMES = {
    "ok": "réussi", "refused": "refusé", "invalid": "invalide", "unauthorised": "non autorisé", "failed": "échec",
    "cut": "coupé", "in_doubt": "en doute", "succeeded": "réussi", "undecidable": "indécidable",
}  # fmt: skip
_KINDS = {"call": "appel", "settlement": "règlement", "admin": "administration", "gap": "lacune"}
_BASES = {"acknowledged": "réponse lue", "received": "appel reçu", "estimated": "estimée"}
_MARGIN = 14


@dataclass(frozen=True, slots=True)
class Meanings:
    """What docs/errors.md says: outcomes, and flags with what to do about them."""

    outcomes: Mapping[str, str]
    flags: Mapping[str, tuple[str, str]]


@cache
def meanings() -> Meanings:
    """Read from the page itself, so that the two cannot differ; empty where the page is not installed."""
    text = _page()
    found = [(row[1], row[2], row[3] or "") for row in _ROW.finditer(text)]
    outcomes = {name.strip("`"): sense for names, sense, more in found if not more for name in names.split(", ")}
    flags = {name: (sense, todo) for name, sense, todo in found if re.fullmatch(r"[VGNEF]-[A-Z-]+", name)}
    return Meanings(outcomes, flags)


def _page() -> str:
    for place in (resources.files("gateway") / "errors.md", Path(__file__).parents[2] / "docs" / "errors.md"):
        if place.is_file():
            return place.read_text(encoding="utf-8")
    return ""


# --- a list -------------------------------------------------------------------------------------------------------------------


def list_lines(entries: Iterable[Entry], width: int | None) -> Iterator[str]:
    """A header, then each entry on one line; in less than NARROW columns what does not fit goes on a second one.

    width  columns of the terminal; None when the output is not one: nothing is shortened and the whole id is there
    """
    wide, whole = width is None or width >= NARROW, width is None
    titles = ("Entrée", "Date et heure locales", "Opération", "Issue", "ET")
    yield _columns(*titles, "Identifiant" if whole else "", "Signalements" if wide else "")
    for entry in entries:
        yield from entry_lines(entry, wide=wide, whole=whole)


def entry_lines(entry: Entry, *, wide: bool, whole: bool) -> Iterator[str]:
    """One entry of a list or of a tail."""
    notes = " ".join(map(_printable, [*entry["flags"], *_gap(entry), *([entry["service_code"]] if _code_tells(entry) else [])]))
    place, moment = f"{entry['log']}/{entry['seq']}", f"{local_time(entry):%Y-%m-%d %H:%M:%S%z}"
    what = entry["operation"] or (entry["detail"] or {}).get("action") or _KINDS[entry["kind"]]
    shown_id, beside = entry["id"] if whole else "", notes if wide else ""
    yield _columns(place, moment, what, outcome(entry), entry["finess_et"] or "", shown_id, beside)
    if notes and not wide:
        yield from _wrapped(notes, 80, "            ")


def outcome(entry: Entry) -> str:
    """The outcome in one or two words."""
    if entry["outcome"] is None:
        return counted(int(entry["detail"].get("count", 0)), "appel", "appels") if entry["kind"] == "gap" else ""
    word = _OUTCOMES[entry["outcome"]]
    return f"réglé:{word}"[:12] if entry["kind"] == "settlement" else word


def _gap(entry: Entry) -> list[str]:
    """Where calls could not be recorded one by one, and why (docs/errors.md)."""
    detail = entry["detail"] or {}
    return [str(detail[name]) for name in ("listener", "why") if name in detail] if entry["kind"] == "gap" else []


def _columns(place: str, moment: str, what: str, result: str, finess_et: str, shown_id: str, notes: str) -> str:
    line = f"{place:<9} {moment:<24} {_printable(what):<20.20} {result:<12} {_printable(finess_et):<9}"
    return f"{line} {shown_id:<36} {notes}".rstrip() if shown_id else f"{line} {notes}".rstrip()


def _code_tells(entry: Entry) -> bool:
    return entry["service_code"] is not None and entry["outcome"] not in ("ok", "succeeded")


# --- one entry ----------------------------------------------------------------------------------------------------------------


def sheet(entry: Entry, later: Iterable[Entry], settled: Entry | None, counted: Callable[[Unit], bool], width: int) -> str:
    """Everything about one entry.

    later    settlements of it; ``settled`` the entry that it settles, if it is one
    counted  whether a unit is in the usage table now
    """
    later = list(later)
    rows = [
        ("Entrée", [f"{entry['log']}/{entry['seq']} · {entry['id']}"]),
        ("Quoi", [_what(entry)]),
        ("Qui", list(_who(entry))),
        ("Quand", list(_when(entry))),
        ("Issue", [_result(entry)]),
        ("Code", [] if entry["service_code"] is None else [f"{_printable(entry['service_code'])} (celui du service)"]),
        ("Signalements", [_flag(flag) for flag in [*entry["flags"], *_gap(entry)[-1:]]]),
        ("Échanges", list(_exchanges(entry))),
        ("Durées", [_latencies(entry)] if entry["kind"] == "call" else []),
        ("Contenus", [f"{one['role']} : {one['size_bytes']} octets, engagement {one['commitment']}" for one in entry["bodies"]]),
        ("Compté", list(_counted(entry, later, counted))),
        ("Règlements", list(_chain(entry, later, settled))),
        ("Verdict", [] if entry["verdict"] is None else [_json(entry["verdict"])]),
        ("Détail", [] if entry["detail"] is None else [_json(entry["detail"])]),
    ]
    return "\n".join(line for title, texts in rows for line in _section(title, texts, width))


def _section(title: str, texts: list[str], width: int) -> Iterator[str]:
    for number, text in enumerate(texts):
        head = f"{title if number == 0 else '':<{_MARGIN}}"
        for place, line in enumerate(_wrapped(text, width - _MARGIN, "")):
            yield (head if place == 0 else " " * _MARGIN) + line


def _what(entry: Entry) -> str:
    operation = OPERATIONS.get(entry["operation"] or "")
    label = f"{operation.label} ({operation.id})" if operation else entry["operation"] or ""
    channel = {"mss_pro": "vers des professionnels", "mss_citoyenne": "vers un usager"}.get(entry["channel"] or "", "")
    recipients = entry["recipients"]
    sent = "" if recipients is None else "destinataires : " + ", ".join(f"{count} {name}" for name, count in recipients.items())
    parts = (
        _KINDS[entry["kind"]], label, _printable(entry["document_type"] or ""), channel, sent,
        f"environnement {entry['environment']}",
    )  # fmt: skip
    return " · ".join(part for part in parts if part)


def _who(entry: Entry) -> Iterator[str]:
    dui = entry["dui"]
    product = " ".join(_printable(part) for part in (dui["product"], dui["version"]) if part)
    yield " · ".join(part for part in (f"éditeur {entry['tenant']}", product, dui["nil"] and f"NIL {dui['nil']}") if part)
    if entry["finess_et"] or entry["attribution"]:
        yield f"ESSMS {entry['finess_et'] or '—'} · EJ {entry['finess_ej'] or '—'} · attribution {entry['attribution'] or '—'}"
    for name, field in (("professionnel", "professional_ref"), ("personne", "person_ref"), ("message", "message_ref")):
        if entry[field] is not None:
            yield f"{name} {entry[field]}"
    for ref in entry["document_refs"]:
        yield f"document {ref}"


def _when(entry: Entry) -> Iterator[str]:
    local = local_time(entry)
    basis = f" · {_BASES[entry['time_basis']]}" if entry["kind"] in ("call", "settlement") else ""  # an act awaits no answer
    yield f"{local:%d/%m/%Y %H:%M:%S} ({local.tzinfo}, {local:%z}) · {entry['event_time']}{basis}"
    jumps = f" · horloge du bac à sable avancée {entry['clock_version']} fois" if entry["clock_version"] else ""
    yield f"inscrite le {entry['recorded_at']}{jumps}"


def _result(entry: Entry) -> str:
    if entry["outcome"] is None:
        return "sans objet"
    said = meanings().outcomes.get(entry["outcome"]) if entry["kind"] == "call" else None
    return f"{entry['outcome']} : {said or _OUTCOMES[entry['outcome']]}"


def _flag(flag: str) -> str:
    sense, todo = meanings().flags.get(flag, ("voir docs/errors.md", "—"))
    return f"{flag} : {sense}" + ("" if todo in ("", "—") else f". Que faire : {todo}.")


def _exchanges(entry: Entry) -> Iterator[str]:
    if not entry["exchanges"] and entry["kind"] == "call":
        yield "aucun : la passerelle a répondu elle-même"
    for number, exchange in enumerate(entry["exchanges"], start=1):
        code = "rien de lisible" if exchange["code"] is None else _printable(exchange["code"])
        yield f"{number} : {code} en {_ms(exchange['upstream_us'])}"


def _latencies(entry: Entry) -> str:
    found = entry["latencies_us"]
    return f"passerelle {_ms(found['gateway'])} · service {_ms(found['upstream'])} · journal {_ms(found['journal'])}"


def _counted(entry: Entry, later: list[Entry], counted: Callable[[Unit], bool]) -> Iterator[str]:
    worth = [(one, unit) for one in (entry, *later) for unit in units_of(dict(one))]
    for one, unit in worth:
        place = "" if one is entry else f" par son règlement {one['log']}/{one['seq']}"
        if counted(unit):
            yield f"oui{place} : {unit.indicator}, ESSMS {unit.finess_et}, unité {unit.unit_ref}"
        else:
            yield f"non{place} : {unit.indicator}, unité {unit.unit_ref} déjà comptée par une entrée antérieure"
    if not worth:
        yield f"non : {_why_not(entry, later)}"


def _why_not(entry: Entry, later: list[Entry]) -> str:
    if entry["kind"] not in ("call", "settlement"):
        return "ce n'est pas un appel"
    if not entry["counts_for"]:
        return "cet appel n'alimente aucun indicateur"
    if entry["outcome"] == "in_doubt" and not later:
        return "issue inconnue ; le sera si un règlement le prouve"
    if entry["outcome"] not in ("ok", "succeeded"):
        return f"l'appel n'a pas réussi ({(later[0] if later else entry)['outcome']})"
    return f"sans établissement ({entry['attribution'] or 'aucun'})"


def _chain(entry: Entry, later: list[Entry], settled: Entry | None) -> Iterator[str]:
    if settled is not None:
        yield f"règle l'entrée {settled['log']}/{settled['seq']} · {settled['id']} ({settled['outcome']})"
    for one in later:
        detail = one["detail"] or {}
        how = ", ".join(_printable(str(detail[name])) for name in ("how", "by") if name in detail)
        yield f"réglée le {one['recorded_at']} : {_OUTCOMES[one['outcome']]} ({how}) · {one['log']}/{one['seq']} · {one['id']}"
    if entry["replays"] is not None:
        yield f"rejoue l'entrée {entry['replays']}"
    if entry["fault"] is not None:
        yield f"touchée par la panne injectée {_printable(entry['fault'])}"
    if entry["outcome"] == "in_doubt" and not later:
        yield "aucun pour l'instant"


def _ms(microseconds: int) -> str:
    return f"{microseconds / 1000:.1f} ms".replace(".", ",")


def _json(value: Any) -> str:
    return _printable(orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode())


def _printable(text: str) -> str:
    """Nothing here may move a terminal's cursor."""
    return "".join(char if char.isprintable() else "·" for char in text)


def _wrapped(text: str, width: int, indent: str) -> Iterator[str]:
    """Lines of at most ``width`` columns, cut between words; a word longer than that stays whole."""
    line = ""
    for word in text.split():
        if line and len(indent) + len(line) + 1 + len(word) > width:
            yield indent + line
            line = word
        else:
            line = f"{line} {word}".strip()
    if line:
        yield indent + line
