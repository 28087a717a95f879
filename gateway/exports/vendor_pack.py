"""What a vendor gets: its checks that do not hold, each with the entries that show it and their redacted exchanges (§8).

``run`` is what ``conformance.running.run_item`` makes; an entry's id is the correlation id that its answers carried.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from gateway.exports.cells import csv_table, local_and_utc, number_as_text, plain_text
from gateway.exports.json_rates import to_bytes

Item = Mapping[str, Any]
#: The journal's entry of an id with its redacted copies under « messages »; None when nobody has it any more.
Exchange = Callable[[str], dict[str, Any] | None]

COLUMNS = (
    "controle", "intitule", "criticite", "exigences", "lieu", "attendu", "trouve", "identifiant_correlation", "journal",
    "horodatage_local", "horodatage_utc", "operation", "issue", "code_service", "signalements", "finess_et", "messages",
)  # fmt: skip


def failing(run: Item) -> list[Item]:
    return [check for check in run["controles"] if check["etat"] == "non_conforme"]


def vendor_csv(run: Item, exchange: Exchange, warning: str | None) -> bytes:
    """One line per deviation and entry that shows it."""
    return csv_table(COLUMNS, _lines(run, exchange), warning)


def vendor_json(run: Item, exchange: Exchange, warning: str | None) -> bytes:
    """The same, with the exchanges themselves."""
    checks = failing(run)
    entries = dict.fromkeys(entry for check in checks for found in _deviations(check) for entry in found["entrees"])
    shown = {entry: found for entry in entries if (found := exchange(entry)) is not None}
    return to_bytes({
        "avertissement": warning, "entete": run["entete"], "regles": run["regles"], "resume": run["resume"],
        "controles": [{**check, "constats": list(_deviations(check))} for check in checks],
        "echanges": shown,
    })  # fmt: skip


def _lines(run: Item, exchange: Exchange) -> Iterator[list[str]]:
    for check in failing(run):
        cited = ", ".join(one["id"] for one in check["exigences"])
        for found in _deviations(check):
            what = (check["id"], check["titre"], check["criticite"], cited, found["lieu"], found["attendu"], found["trouve"])
            for entry in found["entrees"] or [None]:
                yield [*map(plain_text, what), *_entry(entry, None if entry is None else exchange(entry))]


def _entry(entry_id: str | None, found: dict[str, Any] | None) -> list[str]:
    if found is None:
        return [entry_id or "", *[""] * 9]
    stamps = local_and_utc(datetime.fromisoformat(found["event_time"]))
    return [
        found["id"], found["journal"], *stamps, found["operation"], found["outcome"], plain_text(found["service_code"] or ""),
        " ".join(found["flags"]), number_as_text(found["finess_et"]), str(len(found["messages"])),
    ]  # fmt: skip


def _deviations(check: Item) -> Iterator[Item]:
    return (found for found in check["constats"] if found["etat"] == "non_conforme")
