"""The FHIR Patient: the reference's own example, what the profile asks of each status, and that no INS leaves unqualified."""
from __future__ import annotations

import os
from dataclasses import replace
from datetime import date
from pathlib import Path

import orjson
import pytest
from fhir.resources.R4B.patient import Patient

from gateway.identitovigilance.fhir_patient import patient
from gateway.identitovigilance.identity import Attribute, Identity, Ins, marked
from tests.gateway.identitovigilance.test_identity import INS, PROV, QUAL, RECUP, VALI


@pytest.mark.parametrize("identity", [PROV, RECUP, VALI, QUAL, marked(QUAL, Attribute.DOUTEUSE)], ids=lambda one: one.status)
def test_it_is_a_patient_and_holds_an_ins_only_when_qualified(identity: Identity) -> None:
    resource = patient(identity)
    assert Patient.model_validate(resource).birthDate == identity.traits.birth_date
    parts = {part["url"]: part for part in resource["extension"][0]["extension"]}
    assert parts["identityStatus"]["valueCoding"]["code"] == identity.status
    assert ("validationMode" in parts) == (identity.evidence is not None)
    assert ("dateInterrogationINSi" in parts) == (identity.ins is not None)
    assert (INS.matricule in orjson.dumps(resource).decode()) == (identity.status == "QUAL")


@pytest.mark.parametrize(("oid", "code", "use"), [
    ("1.2.250.1.213.1.4.8", "INS-NIR", "official"), ("1.2.250.1.213.1.4.9", "INS-NIA", "temp"),
    ("1.2.250.1.213.1.4.10", "INS-NIR-TEST", "official"), ("1.2.250.1.213.1.4.11", "INS-NIR-DEMO", "official"),
])  # fmt: skip
def test_the_kind_of_ins_names_its_slice(oid: str, code: str, use: str) -> None:
    [identifier] = patient(replace(QUAL, ins=Ins(INS.matricule, oid, INS.obtained_on)))["identifier"]
    assert (identifier["system"], identifier["use"]) == (f"urn:oid:{oid}", use)
    assert identifier["type"]["coding"][0]["code"] == code


def test_a_doubt_is_said() -> None:
    parts = patient(marked(QUAL, Attribute.DOUTEUSE))["extension"][0]["extension"]
    assert [part["valueCoding"]["code"] for part in parts if part["url"] == "comment"] == ["DOUT"]


def test_a_sex_that_is_neither_is_unknown() -> None:
    assert patient(replace(PROV, traits=replace(PROV.traits, sex="I")))["gender"] == "unknown"


def test_the_example_of_the_reference() -> None:
    folder = os.environ.get("SOCLE_REFERENCE_DATA")
    if not folder:
        pytest.skip("SOCLE_REFERENCE_DATA does not name the folder of reference data")
    example = orjson.loads((Path(folder) / "insi" / "fhir-patient-qualified.json").read_bytes())
    day = date(2026, 11, 21)
    assert QUAL.evidence is not None
    dated = replace(QUAL, ins=replace(INS, obtained_on=day), evidence=replace(QUAL.evidence, checked_on=day))
    made = patient(dated)
    ours = {"resourceType", "meta", "extension", "gender", "birthDate"}  # the rest of it is partly the DUI's
    assert {name: made[name] for name in ours} == {name: example[name] for name in ours}
    assert (made["identifier"], made["name"]) == (example["identifier"][:1], example["name"][:1])
