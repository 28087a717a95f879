"""The examples of the OpenAPI document are played against the sandbox, and the document says what is served."""
from __future__ import annotations

import json
import re
from typing import Any

import pytest
from fhir.resources.R4B.patient import Patient

from connectors.nomenclatures.identifiers import is_matricule
from connectors.wire.http import Client
from gateway.doors.own.examples import ANSWERS, REQUESTS
from gateway.doors.own.problem import KINDS
from tests.gateway.doors.own.bench import Bench, said


def shape(value: Any) -> Any:
    """Names and types of a JSON value, whatever it says."""
    if isinstance(value, dict):
        return {name: shape(item) for name, item in value.items()}
    return [shape(item) for item in value[:1]] if isinstance(value, list) else type(value).__name__


@pytest.mark.parametrize("path", REQUESTS)
async def test_an_example_is_answered_as_the_document_says(bench: Bench, path: str) -> None:
    place = path
    if "{lot}" in path:  # its name is drawn by the service
        lot = said(await bench.post("/ins/verification/lots", REQUESTS["/ins/verification/lots"]))["lot"]
        place = path.format(lot=lot)
    answer = await bench.post(place, REQUESTS[path], once="exemple-1")
    told, expected = said(answer), ANSWERS[path]
    assert answer.status == (200 if path.startswith("/ins/") else 201), told
    assert shape(told) == shape(expected)
    for stable in ("statut", "code_service", "ins", "traits", "tentatives", "destinataires", "identite", "suite", "resultats"):
        assert told.get(stable) == expected.get(stable)
    bench.reconciles()


async def test_the_document_describes_every_door_and_every_problem(bench: Bench) -> None:
    async with Client() as client:
        document = json.loads((await client.send("GET", bench.urls["console"] + "/portes/openapi.json")).body)
    files = {"/dui/extraction"}  # test_own_extraction.py
    assert set(document["paths"]) - files == set(REQUESTS) == set(ANSWERS)
    for path in REQUESTS:
        item = document["paths"][path]
        schema = item["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert set(REQUESTS[path]) <= set(schema["properties"]) and set(schema["required"]) <= set(REQUESTS[path])
        places = {one["name"]: one["example"] for one in item["post"]["parameters"] if one["in"] == "path"}
        assert set(places) == set(re.findall(r"{(\w+)}", path)) and path.format(**places).count("{") == 0
        headers = {one["name"] for one in item["post"]["parameters"] if one["in"] == "header"}
        assert ("Idempotency-Key" in headers, "X-PSC-Token" in headers) == (not path.startswith("/ins/"), path == "/mss/messages")
    assert len(document["components"]["schemas"]["Probleme"]["properties"]["type"]["enum"]) == len(KINDS)
    assert bench.entries() == []  # reading the documentation is not a call


async def test_a_search_answers_a_fhir_patient_with_the_former_ins(bench: Bench) -> None:
    """Published test identity: one former INS."""
    traits = {"nom_naissance": "ECETINSI", "prenoms": ["PIERRE-ALAIN"], "sexe": "M", "date_naissance": "2009-07-14"}
    told = said(await bench.post("/ins/recherche", {"finess_et": REQUESTS["/ins/recherche"]["finess_et"], **traits}))
    patient = Patient.model_validate(told["patient"])
    [active, *former] = patient.identifier
    assert (active.use, active.value) == ("official", told["ins"]["matricule"] + told["ins"]["cle"])
    valid = [one for one in told["historique"] if is_matricule(one["matricule"] + one["cle"])]
    assert [(one.use, one.value) for one in former] == [("old", one["matricule"] + one["cle"]) for one in valid] != []
    assert patient.birthDate.isoformat() == "2009-07-14"
    nobody = said(await bench.post("/ins/recherche", REQUESTS["/ins/recherche"] | {"prenoms": ["PERSONNE"]}))
    assert (nobody["statut"], "patient" in nobody) == ("not_found", False)
