"""``POST /ins/verification`` and lots of them: what a KO does to an identity, what the journal keeps of it, what is refused."""
from __future__ import annotations

from copy import deepcopy
from typing import Any

import orjson
import pytest

from gateway.doors.own.examples import REQUESTS
from mocks.insi.lots import Lot
from tests.gateway.doors.own.bench import STRUCTURES, Bench, said

UNIT, LOTS = "/ins/verification", "/ins/verification/lots"
FINESS_ET = STRUCTURES[0]["finess_et"]
QUAL: dict[str, Any] = REQUESTS[UNIT]["identite"]
RECUP = {name: value for name, value in QUAL.items() if name != "piece"}


def changed(identity: dict[str, Any], part: str, **members: Any) -> dict[str, Any]:
    copy = deepcopy(identity)
    copy[part] |= members
    return copy


UNLIKE = {"sexe": "M"}


async def verify(bench: Bench, identity: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    answer = await bench.post(UNIT, {"finess_et": FINESS_ET, "identite": identity})
    return answer.status, said(answer)


async def test_a_ko_takes_the_ins_away_and_is_found_in_the_journal_by_its_person(bench: Bench) -> None:
    typed = changed(QUAL, "traits", nom_naissance="Adrun", prenoms=["Zoé"])  # normalised for INSi, given back as typed
    status, held = await verify(bench, typed)
    assert (status, held["resultat"], held["code_service"]) == (200, "OK", "CR00 OK")
    assert (held["statut_avant"], held["statut"], held["identite"]["ins"]) == ("QUAL", "QUAL", QUAL["ins"])
    assert held["identite"]["traits"]["prenoms"] == ["Zoé"] and held["provenance"]["methode"] == "INSI"

    for before, states in ((QUAL, ("QUAL", "VALI")), (RECUP, ("RECUP", "PROV"))):
        status, told = await verify(bench, changed(before, "traits", **UNLIKE))
        assert (status, told["resultat"], told["statut_avant"], told["statut"]) == (200, "KO", *states)
        assert told["identite"]["ins"] is None and (told["identite"]["piece"] is None) == (before is RECUP)
        assert f"redescend à {states[1]}" in told["suite"] and "liste de travail" in told["suite"]

    entries = bench.entries()
    assert [(one["operation"], one["outcome"], one["service_code"], one["ins_status"]) for one in entries] == [
        ("INS.VERIFICATION", "ok", "CR00 OK", "qualifiee"), ("INS.VERIFICATION", "refused", "CR00 KO", "validee"),
        ("INS.VERIFICATION", "refused", "CR00 KO", "provisoire"),
    ]  # fmt: skip
    assert len({one["person_ref"] for one in entries}) == 1 and entries[0]["person_ref"]
    assert all(len(one["exchanges"]) == 1 and one["flags"] == [] and one["finess_et"] == FINESS_ET for one in entries)
    written = orjson.dumps(entries).decode()
    assert not any(value in written for value in (QUAL["ins"]["matricule"], "ADRUN", "1975-12-31"))
    assert bench.received("INS.VERIFICATION") == 3


async def test_what_cannot_be_verified_is_refused_before_insi(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    doubted = {"traits": QUAL["traits"], "ins": QUAL["ins"], "attributs": ["DOUT"]}
    test_oid = changed(QUAL, "ins", oid="1.2.250.1.213.1.4.10")
    status, told = await verify(bench, doubted)
    assert (status, told["type"], told["regle"]) == (409, "docs/errors.md#probleme-identitovigilance", "EXI SI 09")
    for identity, place in (
        ({"traits": QUAL["traits"]}, "identite.ins"),
        (changed(QUAL, "ins", matricule="275126322074975"), "identite.ins.matricule"),
        (changed(QUAL, "traits", nom_naissance="ADRUN2"), "identite.traits.nom_naissance"),
        (QUAL | {"statut": "QUAL"}, "identite.statut"),
    ):
        status, told = await verify(bench, identity)
        assert (status, [one["champ"] for one in told["champs"]]) == (422, [place])
        assert "275126322074975" not in orjson.dumps(told).decode()
    assert (await verify(bench, test_oid))[1]["resultat"] == "KO"  # the twin: not production
    assert bench.gateway is not None
    monkeypatch.setattr(bench.gateway.road, "environment", "production")
    status, told = await verify(bench, test_oid)
    assert (status, told["champs"]) == (422, [{"champ": "identite.ins.oid", "raison": "identité d'essai"}])
    lot = {"finess_et": FINESS_ET, "identites": [{"id": "a", "identite": QUAL}, {"id": "b", "identite": test_oid}]}
    assert said(await bench.post(LOTS, lot))["champs"][0]["champ"] == "identites.1.identite.ins.oid"
    assert bench.world.trace.counts()["received"] == {"INS.VERIFICATION": 1}


@pytest.mark.parametrize(
    ("path", "operation", "code", "status", "slug"),
    [
        (UNIT, "INS.VERIFICATION", "insi_102", 503, "indisponible"),
        (UNIT, "INS.VERIFICATION", "desir_550", 502, "service-interdit"),
        (LOTS, "INS.LOT_DEPOT", "desir_1020", 503, "indisponible"),
    ],
)
async def test_a_fault_is_no_ko(bench: Bench, path: str, operation: str, code: str, status: int, slug: str) -> None:
    """An identity must not lose its INS because INSi is down."""
    bench.arm(operation, "soap", value=code)
    answer = await bench.post(path, REQUESTS[path])
    told = said(answer)
    assert (answer.status, told["type"], told["code_service"]) == (status, f"docs/errors.md#probleme-{slug}", code)
    assert "resultat" not in told and "identite" not in told
    [entry] = bench.entries()
    assert (entry["operation"], entry["service_code"], entry["ins_status"], entry["person_ref"]) == (operation, code, None, None)


async def test_a_lot_is_deposited_awaited_and_retrieved(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong, names = changed(QUAL, "traits", **UNLIKE), ("c", "a", "b")
    items = [{"id": name, "identite": wrong if name == "a" else QUAL} for name in names]
    deposited = await bench.post(LOTS, {"finess_et": FINESS_ET, "identites": items})
    lot = said(deposited)["lot"]
    place, ours = f"{LOTS}/{lot}/resultats", {"finess_et": FINESS_ET}
    assert (deposited.status, said(deposited)["code_service"]) == (200, "CR00")

    with monkeypatch.context() as slow:
        slow.setattr(Lot, "is_done", lambda *_: False)
        running = said(await bench.post(place, ours))
    assert (running["etat"], running["resultats"], running["bilan"]) == ("EN_COURS", [], {"ok": 0, "ko": 0})
    assert "pas fini" in running["suite"]
    done = said(await bench.post(place, ours))
    assert (done["lot"], done["etat"], done["bilan"]) == (lot, "TERMINE", {"ok": 2, "ko": 1})
    assert done["resultats"] == [{"id": "c", "resultat": "OK"}, {"id": "a", "resultat": "KO"}, {"id": "b", "resultat": "OK"}]
    assert done["suite"].startswith("1 KO") and "liste de travail" in done["suite"]

    theirs = await bench.post(place, {"finess_et": STRUCTURES[1]["finess_et"]}, key=bench.key("autre-editeur"))
    nobodys = await bench.post(f"{LOTS}/inconnu/resultats", ours)
    for answer in (theirs, nobodys):
        told = said(answer)
        assert (answer.status, told["type"], told["code_service"]) == (422, "docs/errors.md#probleme-refus", "CR01")
    entries = bench.entries()
    assert [(one["operation"], one["outcome"], one["service_code"], one["tenant"]) for one in entries] == [
        ("INS.LOT_DEPOT", "ok", "CR00", "dui-exemple"),
        *[("INS.LOT_RETRAIT", "ok", "CR00", "dui-exemple")] * 2,
        ("INS.LOT_RETRAIT", "refused", "CR01", "autre-editeur"), ("INS.LOT_RETRAIT", "refused", "CR01", "dui-exemple"),
    ]  # fmt: skip
    assert not any(one["person_ref"] for one in entries) and QUAL["ins"]["matricule"] not in orjson.dumps(entries).decode()
    assert (bench.received("INS.LOT_DEPOT"), bench.received("INS.LOT_RETRAIT")) == (1, 4)


async def test_a_lot_that_is_none_is_refused_before_insi(bench: Bench) -> None:
    item = {"id": "a", "identite": QUAL}
    doubted = {"id": "b", "identite": {"traits": QUAL["traits"], "ins": QUAL["ins"], "attributs": ["FICT"]}}
    many = [item | {"id": f"p{number}"} for number in range(1001)]
    for identities, place, reason in (
        ([], "identites", "trop peu d'éléments"), (many, "identites", "trop d'éléments"),
        ([item, item], "identites", "un même id deux fois"), ([item | {"id": "275 12"}], "identites.0.id", "forme refusée"),
    ):  # fmt: skip
        answer = await bench.post(LOTS, {"finess_et": FINESS_ET, "identites": identities})
        assert (answer.status, said(answer)["champs"]) == (422, [{"champ": place, "raison": reason}])
    told = said(await bench.post(LOTS, {"finess_et": FINESS_ET, "identites": [item, doubted]}))
    assert (told["status"], told["regle"], told["rang"]) == (409, "EXI SI 09", 2)
    twice = said(await bench.post(f"{LOTS}/x/resultats", {"finess_et": FINESS_ET, "lot": "y"}))
    assert twice["champs"] == [{"champ": "lot", "raison": "déjà dans l'adresse"}]
    assert (await bench.post(f"{LOTS}/x/y/resultats", {"finess_et": FINESS_ET})).status == 404
    assert bench.world.trace.counts()["received"] == {}
    assert (await bench.post(LOTS, {"finess_et": FINESS_ET, "identites": many[:1000]})).status == 200
