"""What a vendor gets: its deviations only, each with what shows it."""
from __future__ import annotations

import csv
import io
from typing import Any

import orjson

from gateway.exports.vendor_pack import COLUMNS, vendor_csv, vendor_json

SHOWN = {
    "id": "0198-a", "journal": "1/42", "event_time": "2027-02-03T07:30:00.000000Z", "operation": "DMP.TD2.1",
    "outcome": "refused", "service_code": "=DMP", "flags": ["V-FORMAT"], "finess_et": "060790508", "exchanges": [],
    "messages": [{"role": "request", "start": "POST /x", "headers": [["Authorization", "***"]], "body": "<x/>"}],
}  # fmt: skip


def check(name: str, state: str, *findings: tuple[str, list[str]]) -> dict[str, Any]:
    cited = [{"id": "ECO.1.1.5"}, {"id": "MSS/va1.04"}]
    found = [{"etat": one, "lieu": "lieu", "attendu": "a", "trouve": "t", "entrees": ids} for one, ids in findings]
    return {"id": name, "titre": "titre", "criticite": "MAJOR", "exigences": cited, "etat": state, "constats": found}


RUN = {
    "entete": {"editeur": "x"}, "regles": {}, "resume": {},
    "controles": [
        check("CHK-DMP-01", "conforme", ("conforme", ["0198-a"])),
        check("CHK-DMP-02", "non_conforme", ("non_conforme", ["0198-a", "gone"]), ("conforme", ["0198-b"])),
        check("CHK-DMP-03", "non_conforme", ("non_conforme", [])),
    ],
}  # fmt: skip


def exchange(entry: str) -> dict[str, Any] | None:
    return SHOWN if entry == "0198-a" else None


def test_a_line_per_deviation_and_entry_with_its_correlation_id() -> None:
    header, *rows = csv.reader(io.StringIO(vendor_csv(RUN, exchange, None).decode("utf-8-sig"), newline=""), delimiter=";")
    assert header == list(COLUMNS)
    said = [dict(zip(header, row, strict=True)) for row in rows]
    assert [(row["controle"], row["identifiant_correlation"]) for row in said] == [
        ("CHK-DMP-02", "0198-a"), ("CHK-DMP-02", "gone"), ("CHK-DMP-03", ""),
    ]  # fmt: skip
    assert said[0] == said[0] | {
        "exigences": "ECO.1.1.5, MSS/va1.04", "journal": "1/42", "horodatage_local": "2027-02-03T08:30:00+01:00",
        "horodatage_utc": "2027-02-03T07:30:00Z", "code_service": "'=DMP", "finess_et": '="060790508"', "messages": "1",
    }  # fmt: skip


def test_the_json_has_the_redacted_exchanges_of_deviations_only() -> None:
    said = orjson.loads(vendor_json(RUN, exchange, "DONNÉES SIMULÉES"))
    assert [one["id"] for one in said["controles"]] == ["CHK-DMP-02", "CHK-DMP-03"]
    assert [one["etat"] for one in said["controles"][0]["constats"]] == ["non_conforme"]
    assert list(said["echanges"]) == ["0198-a"]
    assert said["echanges"]["0198-a"]["messages"][0]["headers"] == [["Authorization", "***"]]
    assert said["avertissement"] == "DONNÉES SIMULÉES"
