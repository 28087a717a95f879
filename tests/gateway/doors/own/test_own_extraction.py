"""``POST /dui/extraction``: counts and dates only, of one's own ESSMS only, each file counted for what it says, once."""
from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from connectors.wire.clock import SystemClock
from connectors.wire.http import Answer, Client
from gateway.app import Gateway
from gateway.doors.own.dui import HEADER, ExtractionDoor
from gateway.grappes.changes import CHANGES, apply_all
from gateway.grappes.extraction import extractions, latest
from gateway.usage.source import journal_of
from tests.gateway.doors.own.bench import STRUCTURES, Bench, said

PATH = "/dui/extraction"
MINE, OTHER = (str(one["finess_et"]) for one in STRUCTURES)
LINE = f"{MINE};2025-10-01;2025-10-31;12;11;9;10;2025-11-03;extraction"


def csv_of(*lines: str) -> bytes:
    return "\r\n".join((HEADER, *lines, "")).encode()


async def send(bench: Bench, content: bytes, **more: str) -> Answer:
    return await bench.post(PATH, content, headers=[(b"content-type", b"text/csv")], **more)


def standing(bench: Bench) -> dict[str, int]:
    """Active files of the extractions that stand, by window's first day."""
    with journal_of(bench.settings.journal) as connection:
        found = latest(extractions(connection, "bac_a_sable"))
    return {since.isoformat(): one.extraction.active_files for (_, since, _), one in found.items()}


async def test_a_file_is_an_entry_with_its_counts(bench: Bench) -> None:
    answer = await send(bench, csv_of(LINE))
    assert (answer.status, said(answer)) == (
        201, {"statut": "recue", "lignes": 1, "remarques": [], "entree": said(answer)["entree"]}
    )  # fmt: skip
    [entry] = bench.entries("DUI.EXTRACTION")
    assert entry["id"] == said(answer)["entree"]
    assert (entry["kind"], entry["service"], entry["outcome"], entry["flags"]) == ("call", "DUI", "ok", [])
    assert (entry["tenant"], entry["finess_et"], entry["attribution"], entry["exchanges"]) == ("dui-exemple", MINE, "appel", [])
    [row] = entry["detail"]["rows"]
    assert (row["finess_et"], row["from"], row["to"], row["active_files"]) == (MINE, "2025-10-01", "2025-11-01", 11)
    assert (entry["counts_for"], bench.units()) == ([], [])  # a rate of the DUI is no count of calls
    assert standing(bench) == {"2025-10-01": 11}


async def test_the_same_again_has_no_other_effect_and_says_so(bench: Bench) -> None:
    first = said(await send(bench, csv_of(LINE)))["entree"]
    corrected = said(await send(bench, csv_of(LINE.replace(";11;", ";10;"))))
    assert (corrected["statut"], standing(bench)) == ("recue", {"2025-10-01": 10})
    again = await send(bench, csv_of("", LINE))  # the first file, spaced otherwise
    assert (again.status, said(again)["statut"], said(again)["premiere"]) == (200, "deja_recue", first)
    assert standing(bench) == {"2025-10-01": 10}
    [remark] = said(again)["remarques"]
    assert remark.startswith(f"{MINE}, 10/2025 : c'est l'extraction du ") and "qui compte" in remark
    last = bench.entries("DUI.EXTRACTION")[-1]
    assert (last["outcome"], last["replays"], list(last["detail"])) == ("ok", first, ["digest"])
    await asyncio.gather(*(send(bench, csv_of(LINE.replace(";11;", ";12;"))) for _ in range(3)))
    assert (len(bench.entries("DUI.EXTRACTION")), standing(bench)) == (6, {"2025-10-01": 12})
    counting = said(await send(bench, csv_of(LINE.replace(";11;", ";12;"))))
    assert (counting["statut"], counting["remarques"]) == ("deja_recue", [])


async def test_a_file_that_claims_another_s_essms_is_refused_whole_recorded_and_not_counted(bench: Bench) -> None:
    answer = await send(bench, csv_of(LINE, LINE.replace(MINE, OTHER)))
    told = said(answer)
    assert (answer.status, told["type"], told["lignes"]) == (403, "docs/errors.md#probleme-structure", [3])
    [entry] = bench.entries("DUI.EXTRACTION")
    assert (entry["outcome"], entry["flags"], entry["finess_et"]) == ("unauthorised", ["V-STRUCTURE"], None)
    assert entry["detail"] is None
    assert standing(bench) == {}
    unknown = await send(bench, csv_of(LINE.replace(MINE, "750832156")))  # a stranger learns nothing of the registry
    assert (unknown.status, said(unknown)["detail"]) == (403, told["detail"])
    theirs = await send(bench, csv_of(LINE.replace(MINE, OTHER)), key=bench.key("autre-editeur"))
    assert (theirs.status, standing(bench)) == (201, {"2025-10-01": 11})


async def test_an_essms_that_went_to_another_entity_is_no_longer_the_key_s(bench: Bench) -> None:
    assert bench.gateway is not None
    registrar = bench.gateway.registrar
    changes = CHANGES.validate_python([{"kind": "membre", "finess_et": MINE, "finess_ej": STRUCTURES[1]["finess_ej"]}])
    await registrar.change("bac-a-sable", lambda grappe: apply_all(grappe, changes), by="amoa")
    answer = await send(bench, csv_of(LINE))
    assert (answer.status, said(answer)["lignes"], standing(bench)) == (403, [2], {})


@pytest.mark.parametrize("content, line, why", [
    (csv_of(LINE.replace(";11;", ";-1;")), 2, "nombre négatif."),
    (csv_of(LINE.replace(";9;", ";12;")), 2, "plus grand que dossiers_actifs, dont c'est une partie."),
    (csv_of(LINE.replace("2025-11-03", "2025-10-31")), 2, "période non close"),
    (csv_of(LINE).replace(b";", b","), 1, "séparateur « , », « ; » attendu."),
    (b"", 1, "fichier vide."),
    (b'{"finess_et": "0B0990008"}', 1, "colonne inconnue"),
])
async def test_a_file_that_cannot_be_counted_is_refused_by_line(bench: Bench, content: bytes, line: int, why: str) -> None:
    answer = await send(bench, content)
    told = said(answer)
    assert (answer.status, told["type"], told["lignes"][0]["ligne"]) == (422, "docs/errors.md#probleme-extraction", line)
    assert told["lignes"][0]["raison"].startswith(why)
    [entry] = bench.entries("DUI.EXTRACTION")
    assert (entry["outcome"], entry["flags"], entry["detail"]) == ("invalid", ["V-EXTRACTION"], None)
    assert standing(bench) == {}


async def test_names_are_refused_and_kept_nowhere(bench: Bench) -> None:
    answer = await send(bench, f"{HEADER};nom_usager\r\n{LINE};MARTIN-CANARI\r\n".encode())
    assert (answer.status, "parle de personnes" in said(answer)["lignes"][0]["raison"]) == (422, True)
    assert b"CANARI" not in answer.body
    await bench.stop()
    files = [path for path in bench.settings.journal.rglob("*") if path.is_file()]
    assert [path for path in files if b"CANARI" in path.read_bytes()] == []


async def test_a_file_of_tomorrow_is_refused_by_business_time(bench: Bench) -> None:
    assert bench.gateway is not None
    clock = bench.gateway.clock
    assert isinstance(clock, SystemClock)
    tomorrow = (datetime.now(UTC) + timedelta(days=2)).date().isoformat()
    late = csv_of(LINE.replace("2025-11-03", tomorrow))
    assert said(await send(bench, late))["lignes"][0]["raison"] == "date à venir."
    clock.jump(timedelta(days=3), clock.version + 1)
    assert (await send(bench, late)).status == 201


async def test_without_a_key_with_another_method_or_another_path_nothing_is_taken(bench: Bench) -> None:
    assert (await send(bench, csv_of(LINE), key="")).status == 401
    assert (await send(bench, csv_of(LINE), method="PUT")).status == 405
    assert (await bench.post("/dui/autre", csv_of(LINE))).status == 404
    assert standing(bench) == {}
    assert [entry["operation"] for entry in bench.entries("DUI.INCONNUE")] == ["DUI.INCONNUE"] * 2  # the method, the path


async def test_the_document_s_example_is_taken(bench: Bench) -> None:
    async with Client() as client:
        document = json.loads((await client.send("GET", bench.urls["console"] + "/portes/openapi.json")).body)
    described = document["paths"][PATH]["post"]
    assert described["requestBody"]["content"]["text/csv"]["examples"]["exemple"]["value"] == ExtractionDoor.example
    past = ExtractionDoor.example.replace("2026-1", "2025-1")  # before whatever day it is
    told = said(await send(bench, past.encode()))
    assert told.keys() == ExtractionDoor.answer.keys()


async def test_a_registry_edited_by_hand_is_a_version_once_the_gateway_has_started(bench: Bench) -> None:
    await bench.stop()
    path = bench.settings.journal / "grappes" / "bac-a-sable.json"

    async def started() -> int:
        gateway = Gateway.open(bench.settings)
        seen: list[int] = []

        async def until_stopped() -> None:
            seen.append(gateway.registry.version_of("bac-a-sable"))

        await gateway.run(lambda *_: None, until_stopped)
        return seen[0]

    assert await started() == 1
    path.write_bytes(path.read_bytes().replace(b"SAVS LA PASSERELLE", b"SAVS LE PONT"))
    assert await started() == 2
    assert await started() == 2
    changes = [entry["detail"] for entry in bench.entries() if (entry["detail"] or {}).get("action") == "registry"]
    assert [(one["by"], one["change"]) for one in changes] == [("fichier", ["essms_modifie", "fichier_modifie"])]
