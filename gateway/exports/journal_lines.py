"""Entries as lines of a file, one at a time: CSV for a French spreadsheet, NDJSON for programs (programme-indicateurs §6.4).

Outside production the first line says that the data are simulated, and so does each line of the CSV.
"""
from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Literal

import orjson

from gateway.exports.cells import BOM, number_as_text, or_empty, plain_text
from gateway.grappes.finess import zone_of
from gateway.journal.filters import PARIS
from gateway.journal.units import units_of
from gateway.usage.measure import PRODUCTION, SIMULATED

Format = Literal["csv", "ndjson"]
Row = tuple[bytes, dict[str, Any]]
COLUMNS = (
    "entree", "event_id", "nature", "horodatage_local", "horodatage_utc", "base_horaire", "enregistre_utc", "environnement",
    "simulation", "editeur", "dui_produit", "dui_version", "service", "operation", "resultat", "code_retour", "signalements",
    "finess_et", "finess_ej", "source_attribution", "utilisateur", "patient_pseudo", "statut_ins", "type_document", "canal",
    "message_id", "documents", "destinataires_pro", "destinataires_citoyens", "destinataires_internes",
    "destinataires_refuses", "echanges", "passerelle_us", "amont_us", "journal_us", "indicateurs_comptes", "panne", "rejeu_de",
    "regle", "detail",
)  # fmt: skip


def warning_for(environments: Iterable[str]) -> str | None:
    """What must be said of entries of these environments; None when all are of production."""
    simulated = sorted(set(environments) - {PRODUCTION})
    return f"{SIMULATED} (environnement {', '.join(simulated)})" if simulated else None


def local_time(entry: Mapping[str, Any]) -> datetime:
    """Business time of an entry in the zone of its ESSMS, else in Europe/Paris."""
    zone = PARIS if entry["finess_et"] is None else zone_of(entry["finess_et"])
    return datetime.fromisoformat(entry["event_time"]).astimezone(zone)


def lines(
    rows: Iterable[Row], form: Format, warning: str | None, snapshot: Mapping[str, Any] | None = None
) -> Iterator[bytes]:
    """The file, piece by piece. ``snapshot``: the last one (``proof.snapshot.told``), of which a CSV says nothing."""
    return _csv(rows, warning) if form == "csv" else _ndjson(rows, warning, snapshot)


def first_line(warning: str | None, snapshot: Mapping[str, Any] | None = None) -> bytes:
    """Of an NDJSON: what the lines after it are."""
    told = {"socle": "journal", "version": 1, "simulated": warning is not None, "avertissement": warning, "snapshot": snapshot}
    return orjson.dumps(told) + b"\n"


def _ndjson(rows: Iterable[Row], warning: str | None, snapshot: Mapping[str, Any] | None) -> Iterator[bytes]:
    """A first line about the file, then the canonical JSON of each entry, byte for byte as in the journal."""
    yield first_line(warning, snapshot)
    for body, _ in rows:
        yield body + b"\n"


def _csv(rows: Iterable[Row], warning: str | None) -> Iterator[bytes]:
    head = ([] if warning is None else [[warning]]) + [list(COLUMNS)]
    yield BOM.encode() + b"".join(map(_line, head))
    for _, entry in rows:
        yield _line(_cells(entry))


def _line(cells: Iterable[str]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=";", lineterminator="\r\n").writerow(cells)
    return text.getvalue().encode("utf-8", "replace")


def _cells(entry: Mapping[str, Any]) -> list[str]:
    recipients = entry["recipients"] or {}
    latencies = entry["latencies_us"]
    texts = (entry["tenant"], entry["dui"]["product"], entry["dui"]["version"])
    return [
        f"{entry['log']}/{entry['seq']}",
        entry["id"],
        entry["kind"],
        local_time(entry).isoformat(timespec="microseconds"),
        entry["event_time"],
        entry["time_basis"],
        entry["recorded_at"],
        entry["environment"],
        "non" if entry["environment"] == PRODUCTION else "oui",
        *(plain_text(text or "") for text in texts),
        entry["service"] or "",
        entry["operation"] or "",
        entry["outcome"] or "",
        plain_text(entry["service_code"] or ""),
        " ".join(entry["flags"]),
        number_as_text(entry["finess_et"]),
        number_as_text(entry["finess_ej"]),
        entry["attribution"] or "",
        entry["professional_ref"] or "",
        entry["person_ref"] or "",
        entry["ins_status"] or "",
        plain_text(entry["document_type"] or ""),
        entry["channel"] or "",
        entry["message_ref"] or "",
        " ".join(entry["document_refs"]),
        *(or_empty(recipients.get(name)) for name in ("pro", "citoyen", "interne", "refused")),
        str(len(entry["exchanges"])),
        *(str(latencies[name]) for name in ("gateway", "upstream", "journal")),
        " ".join(sorted({unit.indicator for unit in units_of(dict(entry))})),
        entry["fault"] or "",
        entry["replays"] or "",
        entry["settles"] or "",
        "" if entry["detail"] is None else plain_text(orjson.dumps(entry["detail"]).decode()),
    ]
