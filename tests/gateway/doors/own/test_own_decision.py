"""``POST /ins/decision``: an identity goes through its states by the door, a rule is named, and nothing of it stays."""
from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.doors.own.examples import REQUESTS
from tests.gateway.doors.own.bench import Bench, said

EXAMPLE = REQUESTS["/ins/decision"]
TRAITS, INS, PIECE = EXAMPLE["evenement"]["traits"], EXAMPLE["evenement"]["ins"], EXAMPLE["identite"]["piece"]
PROV = {"traits": TRAITS}


async def decide(bench: Bench, identity: dict[str, Any], event: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    answer = await bench.post("/ins/decision", {"finess_et": EXAMPLE["finess_et"], "identite": identity, "evenement": event})
    return answer.status, said(answer)


async def test_an_identity_goes_from_typed_to_qualified_and_back(bench: Bench) -> None:
    states, identity = [], dict(PROV)
    for event in (
        {"type": "insi_refuse"},
        {"type": "insi_accepte", "traits": TRAITS, "ins": INS},
        {"type": "piece", "piece": PIECE, "traits": TRAITS},
        {"type": "verification", "valide": True},
        {"type": "piece_retiree"},
        {"type": "verification", "valide": False},
        {"type": "piece", "piece": PIECE, "traits": TRAITS},
        {"type": "modification", "traits": TRAITS | {"prenoms": ["ZOÉ-MARIE"]}},
        {"type": "attribut", "attribut": "DOUT"},
        {"type": "attribut_leve", "attribut": "DOUT"},
        {"type": "appli_vitale", "traits": TRAITS, "ins": INS},
    ):
        status, told = await decide(bench, identity, event)
        assert status == 200, told
        identity = told["identite"]
        states.append(told["statut"])
        assert told["matricule_diffusable"] == ("identifier" in told["patient"]) == (told["statut"] == "QUAL")
    assert states == ["PROV", "RECUP", "QUAL", "QUAL", "RECUP", "PROV", "VALI", "VALI", "PROV", "PROV", "QUAL"]


async def test_the_entry_has_the_status_and_the_person_by_ref_only(bench: Bench) -> None:
    await decide(bench, PROV, {"type": "insi_accepte", "traits": TRAITS, "ins": INS})
    [entry] = bench.entries()
    assert (entry["operation"], entry["outcome"], entry["ins_status"]) == ("INS.DECISION", "ok", "recuperee")
    assert entry["person_ref"] and entry["exchanges"] == [] and entry["counts_for"] == []
    assert entry["finess_et"] == EXAMPLE["finess_et"]
    written = orjson.dumps(entry).decode()
    assert not any(value in written for value in (INS["matricule"], TRAITS["nom_naissance"], TRAITS["date_naissance"]))
    assert bench.world.trace.counts()["received"] == {}


@pytest.mark.parametrize(("identity", "event", "rule", "traits"), [
    (PROV | {"attributs": ["DOUT"]}, {"type": "insi_accepte", "traits": TRAITS, "ins": INS}, "EXI ID 26", None),
    (PROV | {"piece": PIECE}, {"type": "insi_accepte", "traits": TRAITS | {"sexe": "M"}, "ins": INS}, "EXI ID 10", ["sexe"]),
    (PROV, {"type": "piece", "piece": PIECE | {"code": "AN"}, "traits": TRAITS}, "EXI SI 10", None),
    (PROV | {"attributs": ["FICT", "HOMA"]}, {"type": "insi_refuse"}, "EXI ID 24", None),
    (PROV | {"attributs": ["DOUT"], "ins": INS}, {"type": "insi_refuse"}, "EXI SI 09", None),
    (PROV, {"type": "verification", "valide": False}, "EXI SI 07", None),
])  # fmt: skip
async def test_a_rule_that_forbids_it_is_named(
    bench: Bench, identity: dict[str, Any], event: dict[str, Any], rule: str, traits: list[str] | None
) -> None:
    status, told = await decide(bench, identity, event)
    assert (status, told["type"], told["regle"]) == (409, "docs/errors.md#probleme-identitovigilance", rule)
    assert told.get("traits") == traits
    [entry] = bench.entries()
    assert (entry["outcome"], entry["flags"]) == ("invalid", ["V-IDENTITOVIGILANCE"])


@pytest.mark.parametrize(("identity", "event", "field"), [
    (PROV, {"type": "insi_accepte", "traits": TRAITS}, "evenement"),
    (PROV, {"type": "piece_retiree", "piece": PIECE}, "evenement.piece"),
    (PROV, {"type": "decision"}, "evenement.type"),
    (PROV | {"ins": INS | {"matricule": "275126322074975"}}, {"type": "insi_refuse"}, "identite.ins.matricule"),
    (PROV | {"ins": INS | {"oid": "1.2.250.1.213.1.4.13"}}, {"type": "insi_refuse"}, "identite.ins.oid"),
    (PROV | {"statut": "QUAL"}, {"type": "insi_refuse"}, "identite.statut"),
    ({"traits": TRAITS | {"nom_naissance": "AD€RUN"}}, {"type": "insi_refuse"}, "identite.traits.nom_naissance"),
    ({"traits": TRAITS | {"date_naissance": "1975-02-30"}}, {"type": "insi_refuse"}, "identite.traits.date_naissance"),
    ({"traits": TRAITS | {"prenoms": []}}, {"type": "insi_refuse"}, "identite.traits.prenoms"),
])  # fmt: skip
async def test_what_cannot_be_read_is_named_and_never_repeated(
    bench: Bench, identity: dict[str, Any], event: dict[str, Any], field: str
) -> None:
    status, told = await decide(bench, identity, event)
    assert (status, [one["champ"] for one in told["champs"]]) == (422, [field])
    assert "275126322074975" not in orjson.dumps(told).decode()
