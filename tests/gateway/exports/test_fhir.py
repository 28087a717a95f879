"""The FHIR bundle: what base R4 asks of it, and what a reader takes from it."""
from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
import pytest
from fhir.resources.R4B.bundle import Bundle

from gateway.exports.edition import Edition
from gateway.exports.fhir_reports import bundle
from gateway.usage.indicators import INDICATORS
from tests.gateway.exports.world import AS_OF, FIRST, MONTH, ROOT, edition, grappe, measure

Resource = dict[str, Any]
EDITION = edition()
SAID: Resource = orjson.loads(bundle(EDITION))


def resources(kind: str, said: Resource = SAID) -> list[Resource]:
    return [entry["resource"] for entry in said["entry"] if entry["resource"]["resourceType"] == kind]


def reports(*rows: object) -> list[Resource]:
    one = Edition(tuple(rows), grappe(), "Socle 0.1.0")  # type: ignore[arg-type]
    return resources("MeasureReport", orjson.loads(bundle(one)))


def populations(report: Resource) -> dict[str, int]:
    return {part["code"]["coding"][0]["code"]: part["count"] for part in report["group"][0]["population"]}


def test_the_structure_is_one_that_fhir_models_accept() -> None:
    read = Bundle.model_validate_json(bundle(EDITION))
    assert len(read.entry) == len(SAID["entry"])


def test_it_announces_r4() -> None:
    [software] = resources("CapabilityStatement")
    assert software["document"][0]["mode"] == "producer"  # cpb-1: what it produces is required
    assert (software["fhirVersion"], software["software"]) == ("4.0.1", {"name": "Socle", "version": "0.1.0"})


def test_one_report_per_essms_indicator_and_window() -> None:
    found = Counter(
        (one["subject"]["identifier"]["value"], one["measure"], one["period"]["start"]) for one in resources("MeasureReport")
    )
    assert len(found) == len(grappe().essms) * len(INDICATORS) * 2
    assert set(found.values()) == {1}


def test_messages_over_persons_are_a_ratio_and_the_others_proportions() -> None:
    scoring = {one["identifier"][0]["value"]: one["scoring"]["coding"][0]["code"] for one in resources("Measure")}
    assert scoring == {"IND-MSS-01": "ratio"} | dict.fromkeys(set(INDICATORS) - {"IND-MSS-01"}, "proportion")
    known = {f"{one['url']}|{one['version']}" for one in resources("Measure")}
    assert {one["measure"] for one in resources("MeasureReport")} == known


def test_a_score_keeps_all_its_digits() -> None:
    [report] = reports(measure("IND-DMP-01", numerator=6996, denominator=9999))
    assert report["group"][0]["measureScore"] == {"value": 6996 / 9999}
    assert populations(report) == {"denominator": 9999, "numerator": 6996}
    assert (report["status"], report["type"], "contained" in report) == ("complete", "summary", False)


def test_without_denominator_there_is_an_error_and_its_reason_never_a_score() -> None:
    [report] = reports(measure("IND-DMP-01", denominator=None, denominator_since=None, status="non_calculable"))
    assert (report["status"], "measureScore" in report["group"][0]) == ("error", False)
    assert populations(report) == {"numerator": 40}
    [outcome] = report["contained"]
    assert (outcome["resourceType"], outcome["issue"][0]["severity"]) == ("OperationOutcome", "error")
    assert "n'est pas 0 %" in outcome["issue"][0]["details"]["text"]
    assert {"reference": f"#{outcome['id']}"} in [one.get("valueReference") for one in report["extension"]]


def test_a_denominator_of_zero_is_no_score_either() -> None:
    [report] = reports(measure("IND-MSS-01", denominator=0, status="non_calculable"))
    assert (report["status"], populations(report)["denominator"], "measureScore" in report["group"][0]) == ("error", 0, False)


@pytest.mark.parametrize("status, said", [("provisoire", "pending"), ("hors_champ", "complete")])
def test_what_is_not_final_says_why(status: str, said: str) -> None:
    [report] = reports(measure("IND-MSS-01", status=status))
    assert (report["status"], report["contained"][0]["issue"][0]["severity"]) == (said, "information")


def test_strata_give_channel_ins_status_and_document_type() -> None:
    report = next(one for one in resources("MeasureReport") if "stratifier" in one["group"][0])
    found = {one["code"][0]["text"]: one["stratum"] for one in report["group"][0]["stratifier"]}
    assert set(found) == {"canal", "statut_ins", "type_document"}
    assert [one["value"]["text"] for one in found["type_document"]] == ["11490-0", "absent"]
    assert found["canal"][0]["population"][0]["count"] == populations(report)["numerator"]


def test_addresses_are_made_of_ids_and_both_depend_on_the_content_only() -> None:
    assert len({entry["fullUrl"] for entry in SAID["entry"]}) == len(SAID["entry"])
    for entry in SAID["entry"]:
        assert entry["fullUrl"] == f"urn:uuid:{UUID(entry['resource']['id'])}"
    assert bundle(edition()) == bundle(EDITION)
    other = reports(measure("IND-MSS-01", version=1))[0]["id"]
    assert other != reports(measure("IND-MSS-01", version=2))[0]["id"]


def test_subjects_are_in_the_bundle_under_their_bare_finess() -> None:
    known = {entry["fullUrl"]: entry["resource"] for entry in SAID["entry"]}
    for report in resources("MeasureReport"):
        number = report["subject"]["identifier"]["value"]
        finess, struct_id = known[report["subject"]["reference"]]["identifier"]
        assert finess == {"system": "https://finess.esante.gouv.fr", "value": number}
        assert (len(number), struct_id["value"]) == (9, f"1{number}")


def test_dates_are_those_of_the_measure_local_with_their_offset() -> None:
    assert {one["date"] for one in resources("MeasureReport")} == {"2027-03-01T00:30:00+01:00"}
    assert datetime.fromisoformat(SAID["timestamp"]) == AS_OF
    [reunion] = reports(measure("IND-MSS-01", finess_et="970400001"))
    assert reunion["date"] == "2027-03-01T03:30:00+04:00"
    assert {tuple(one["period"].values()) for one in resources("MeasureReport")} == {
        (window.start.isoformat(), window.last_day.isoformat()) for window in (FIRST, MONTH)
    }


def test_test_data_are_tagged_everywhere_and_real_data_nowhere() -> None:
    assert all(entry["resource"]["meta"]["tag"][0]["code"] == "HTEST" for entry in SAID["entry"])
    real = orjson.loads(bundle(edition("production")))
    assert "HTEST" not in orjson.dumps(real).decode()


def test_a_report_says_what_it_depends_on() -> None:
    [report] = reports(replace(measure("IND-MSS-01"), registry_version=7))
    said = {one["url"].rpartition("/")[2]: next(iter([*one.values()][1:])) for one in report["extension"]}
    assert said["racine-instantane"] == ROOT
    assert (said["version-mesure"], said["version-registre"], said["environnement"]) == ("v2", "7", "bac_a_sable")
