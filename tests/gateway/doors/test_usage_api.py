"""The rates over HTTP: what they say, tags that change when and only when the answer may, files that leave an entry."""
from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import openpyxl
import pytest

import gateway.doors.usage_moment as usage_moment
from gateway.doors.journal_asked import PROBLEMS
from gateway.doors.usage_api import MEDIA_TYPES, Form
from gateway.doors.usage_asked import matches, still_moving
from gateway.grappes.reading import example
from gateway.grappes.registry import Registry
from gateway.usage.closing import Closer
from gateway.usage.measure import SIMULATED
from tests.gateway.doors.usage_world import MINE, OTHER, THEIR_ET, UsageWorld, of_another, of_mine
from tests.gateway.usage.world import CARMES, fed

MARCH = f"/api/usage/taux?grappe={MINE}&mois=2027-03&from=2026-12"
FORMS = ("csv", "xlsx", "json", "fhir", "ars", "copil")

EXTENSIONS = {"csv": "csv", "xlsx": "xlsx", "json": "json", "fhir": "json", "ars": "csv", "copil": "pdf"}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[UsageWorld]:
    world = UsageWorld(tmp_path)
    await world.fill()
    yield world
    await world.close()


def problem(answer: httpx.Response, slug: str) -> dict[str, Any]:
    said: dict[str, Any] = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (said["type"], said["status"], said["title"]) == (f"docs/journal-lecture.md#probleme-{slug}", *PROBLEMS[slug])
    assert answer.status_code == PROBLEMS[slug][0]
    return said


def row(content: dict[str, Any], indicator: str, finess_et: str | None) -> dict[str, Any]:
    [found] = [one for one in content["rates"] if one["indicator"] == indicator
               and one["finess_et"] == finess_et and (finess_et or one["level"] == "grappe")]  # fmt: skip
    return found


# --- rates --------------------------------------------------------------------------------------------------------------------


async def test_a_months_rates(world: UsageWorld) -> None:
    key = await world.key("amoa", "usage", grappes=(MINE,))
    answer = await world.get(MARCH, key)
    said = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert (said["simulated"], said["environment"]) == (True, "bac_a_sable")
    assert said["avertissement"] == f"{SIMULATED} (environnement bac_a_sable)"
    carmes = row(said, "IND-DMP-01", CARMES)
    assert (carmes["numerator"], carmes["denominator"], carmes["rate"], carmes["reached"]) == (3, 61, 4.9, False)
    assert (carmes["period_start"], carmes["period_end"], carmes["window"]) == ("2027-03-01", "2027-03-31", "mensuelle")
    assert row(said, "IND-MSS-01", CARMES)["numerator"] == 2
    assert row(said, "IND-DMP-01", None)["numerator"] == 3
    assert {one["grappe"] for one in said["rates"]} == {MINE}


async def test_without_a_month_every_window(world: UsageWorld) -> None:
    key = await world.key("amoa", "usage")
    said = (await world.get(f"/api/usage/taux?grappe={MINE}&from=2026-12&months=4", key)).json()
    windows = {(one["window"], one["period_start"]) for one in said["rates"]}
    assert windows == {("premiere", "2026-12-01"), ("mensuelle", "2027-03-01")}
    until_now = (await world.get(f"/api/usage/taux?grappe={MINE}&from=2026-12", key)).json()
    assert max(one["period_end"] for one in until_now["rates"]) == "2027-06-30"


async def test_a_first_period_that_runs_is_asked_by_its_last_month(world: UsageWorld) -> None:
    key = await world.key("amoa", "usage", "metadata")
    await world.journal.write(fed("289077500000777", "2027-06-02 09:00"))
    asked = f"grappe={MINE}&from=2027-05&mois=2027-07"
    said = (await world.get(f"/api/usage/taux?{asked}", key)).json()
    assert {(one["window"], one["period_start"], one["state"]) for one in said["rates"]} == {("premiere", "2027-05-01", "ouvert")}
    detail = await world.get(f"/api/usage/explain?{asked}&finess_et={CARMES}&indicateur=IND-DMP-01", key)
    assert detail.json()["numerator"] == row(said, "IND-DMP-01", CARMES)["numerator"] == 1


@pytest.mark.parametrize(("asked", "slug", "named"), [
    ("grappe=inconnue&mois=2027-03", "grappe", None),
    ("mois=2027-03", "parametre", ["grappe"]),
    (f"grappe={MINE}&mois=2027-13", "parametre", ["mois"]),
    (f"grappe={MINE}&moi=2027-03", "parametre", []),
    (f"grappe={MINE}&mois=2027-03&months=4", "parametre", ["months"]),
    (f"grappe={MINE}&from=2026-12&months=2", "parametre", ["months"]),
    (f"grappe={MINE}&version=1", "parametre", ["version"]),
    (f"grappe={MINE}&mois=2027-03&environment=essai", "parametre", ["environment"]),
    (f"grappe={MINE}&mois=2027-03&environment=production", "parametre", ["environment"]),  # nothing is there: no rate of 0 %
    (f"grappe={MINE}&mois=2029-01", "parametre", ["mois"]),
    (f"grappe={MINE}&mois=2027-07&from=2026-12", "parametre", ["mois"]),  # may end a window that runs: not here
    (f"grappe={MINE}&mois=0000-01", "parametre", ["mois"]),
    (f"grappe={MINE}&from=2029-01&months=3", "parametre", ["from"]),
    (f"grappe={MINE}&from=2026-12&mois=2027-01", "parametre", ["mois"]),
    (f"grappe={MINE}&from=2026-12&mois=2027-03&version=2", "version", None),
])  # fmt: skip
async def test_what_cannot_be_answered_says_why(world: UsageWorld, asked: str, slug: str, named: list[str] | None) -> None:
    key = await world.key("amoa", "usage")
    said = problem(await world.get(f"/api/usage/taux?{asked}", key), slug)
    assert said.get("parametres") == named
    assert said["detail"]


# --- tags ---------------------------------------------------------------------------------------------------------------------


async def test_the_same_answer_is_not_computed_again(world: UsageWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    key = await world.key("amoa", "usage")
    first = await world.get(MARCH, key)
    tag = first.headers["etag"]
    assert tag.startswith('"') and tag.endswith('"') and len(tag) == 34  # strong
    assert (first.headers["cache-control"], first.headers["vary"]) == ("private, no-cache", "Authorization")
    assert (await world.get(MARCH, key)).content == first.content

    def computed(*_: Any, **__: Any) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(usage_moment, "answer", computed)
    for sent in (tag, f"W/{tag}", f'"autre", {tag}', "*"):
        again = await world.get(MARCH, key, **{"If-None-Match": sent})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert again.headers["cache-control"] == "private, no-cache"
    with pytest.raises(AssertionError, match="computed again"):
        await world.get(MARCH, key, **{"If-None-Match": '"autre"'})


async def test_a_tag_changes_with_what_an_answer_depends_on(world: UsageWorld) -> None:
    key = await world.key("amoa", "usage", "export")
    csv_of = f"/api/usage/exports/csv?{MARCH.partition('?')[2]}"
    urls = (MARCH, csv_of, MARCH.replace("2026-12", "2026-11"), MARCH.replace("03", "04"))
    tags = [(await world.get(path, key)).headers["etag"] for path in urls]
    await world.journal.write(of_mine(7))
    tags.append((await world.get(MARCH, key)).headers["etag"])
    registry = Registry([replace(example(MINE), name="Marseille et Hyères"), world.registry.grappe(OTHER)])
    world.registry.use(registry)
    changed = await world.get(MARCH, key)
    tags.append(changed.headers["etag"])
    assert len(set(tags)) == len(tags)
    assert row(changed.json(), "IND-DMP-01", CARMES)["numerator"] == 4


async def test_a_tag_does_not_change_with_what_no_measure_depends_on(world: UsageWorld) -> None:
    key = await world.key("amoa", "usage", "export")
    first = await world.get(MARCH, key)
    await world.key("autre", "metadata")
    await world.get(f"/api/usage/exports/csv?{MARCH.partition('?')[2]}", key)
    await world.get("/api/journal/export", key)
    await world.get(MARCH, {})
    assert len(world.admin("export")) == 2
    assert len(world.denied()) == 1
    world.clock.now += timedelta(days=40)
    again = await world.get(MARCH, key, **{"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    assert (await world.get(MARCH, key)).content == first.content


async def test_an_open_windows_tag_lasts_an_hour_at_most(world: UsageWorld) -> None:
    key = await world.key("amoa", "usage")
    june = MARCH.replace("2027-03", "2027-06")
    tag = (await world.get(june, key)).headers["etag"]
    world.clock.now += timedelta(minutes=29)
    assert (await world.get(june, key, **{"If-None-Match": tag})).status_code == 304
    world.clock.now += timedelta(minutes=1)
    assert (await world.get(june, key, **{"If-None-Match": tag})).status_code == 200


async def test_a_closed_version_keeps_its_tag_and_its_bytes(world: UsageWorld) -> None:
    key = await world.key("amoa", "usage")
    closer = Closer(world.folder, world.registry, "bac_a_sable")
    assert await closer.close(world.journal, world.clock.now, by="amoa", grappe=MINE)
    march = f"/api/usage/taux?grappe={MINE}&mois=2027-05"
    first = await world.get(march + "&version=1", key)
    assert {one["state"] for one in first.json()["rates"]} == {"clos"}
    numerator = row(first.json(), "IND-DMP-01", CARMES)["numerator"]
    await world.journal.write(of_mine(6))
    latest = await world.get(march, key)
    assert row(latest.json(), "IND-DMP-01", CARMES)["numerator"] == numerator + 1
    assert row(latest.json(), "IND-DMP-01", CARMES)["version"] == 2
    again = await world.get(march + "&version=1", key)
    assert (again.content, again.headers["etag"]) == (first.content, first.headers["etag"])
    assert latest.headers["etag"] != first.headers["etag"]
    problem(await world.get(march + "&version=2", key), "version")


def test_what_the_clock_may_still_change() -> None:
    end = date(2027, 4, 1)
    at = datetime(2027, 4, 9, 23, 59, tzinfo=UTC)
    assert still_moving(at, end) == "2027-04-09T23"
    assert still_moving(at + timedelta(minutes=1), end) == ""
    assert still_moving(at + timedelta(days=300), None) != ""


@pytest.mark.parametrize(("sent", "found"), [
    (None, False), ("", False), ("abc", False), ('"abc"', True), ('W/"abc"', True), ('"x", "abc"', True), ("*", True),
    ('"abcd"', False), ('"ab', False), ('"x""abc"', True),
])  # fmt: skip
def test_if_none_match(sent: str | None, found: bool) -> None:
    assert matches(sent, '"abc"') is found


# --- files --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
async def test_a_file_is_the_same_bytes_and_an_entry_each_time_it_leaves(world: UsageWorld, form: Form) -> None:
    key = await world.key("amoa", "usage", grappes=(MINE,))
    path = f"/api/usage/exports/{form}?{MARCH.partition('?')[2]}"
    first, again = await world.get(path, key), await world.get(path, key)
    assert first.status_code == 200, first.text
    assert first.content == again.content
    assert first.headers["content-type"] == MEDIA_TYPES[form]
    name = first.headers["content-disposition"].partition("filename=")[2].strip('"')
    assert MINE in name and "2027-03" in name and "DONNEES-SIMULEES" in name
    assert name.endswith(EXTENSIONS[form])
    known = await world.get(path, key, **{"If-None-Match": first.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")
    assert world.admin("export") == [
        {"action": "export", "by": "amoa", "format": form, "grappe": MINE, "filters": ["grappe", "mois", "start"]}
    ] * 2


async def test_every_form_says_the_same_numerator(world: UsageWorld) -> None:
    key = await world.key("amoa", "usage")
    got = {form: await world.get(f"/api/usage/exports/{form}?{MARCH.partition('?')[2]}", key) for form in FORMS}
    text = got["csv"].content.decode("utf-8-sig")
    lines = list(csv.DictReader(io.StringIO(text.split("\r\n", 1)[1]), delimiter=";"))
    [line] = [one for one in lines if CARMES in one["finess_et"] and one["indicateur"] == "IND-DMP-01"]
    assert (line["numerateur"], line["hash_detail"] != "") == ("3", True)
    assert row(got["json"].json(), "IND-DMP-01", CARMES)["numerator"] == 3
    book = openpyxl.load_workbook(io.BytesIO(got["xlsx"].content))
    assert any(cell.value == CARMES for sheet in book for cells in sheet.iter_rows() for cell in cells)
    reports = [one["resource"] for one in got["fhir"].json()["entry"] if one["resource"]["resourceType"] == "MeasureReport"]
    counts = {part["count"] for one in reports for group in one["group"] for part in group["population"] if "count" in part}
    assert {3, 61} <= counts
    assert CARMES in got["ars"].content.decode("utf-8-sig")


async def test_many_readers_at_once(world: UsageWorld) -> None:
    key = await world.key("amoa", "usage")
    answers = await asyncio.gather(*(world.get(MARCH, key) for _ in range(12)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1


# --- opening a numerator ------------------------------------------------------------------------------------------------------

DETAIL = f"/api/usage/explain?grappe={MINE}&mois=2027-03&from=2026-12&finess_et={CARMES}"


async def test_no_numerator_is_opened_in_a_month_to_come(world: UsageWorld) -> None:
    key = await world.key("amoa", "usage", "metadata", grappes=(MINE,))
    for month in ("2029-01", "9999-12"):
        answer = await world.get(f"{DETAIL.replace('2027-03', month)}&indicateur=IND-DMP-01", key)
        assert (answer.status_code, answer.json()["parametres"]) == (400, ["mois"]), answer.text


async def test_a_numerator_opens_to_its_entries(world: UsageWorld) -> None:
    await world.journal.write(of_mine(0), of_mine(5, outcome="refused"), of_another())
    key = await world.key("amoa", "usage", "metadata", grappes=(MINE,))
    answer = await world.get(f"{DETAIL}&indicateur=IND-DMP-01", key)
    said = answer.json()
    assert answer.status_code == 200, said
    assert (said["numerator"], said["measure"]["numerator"], said["simulated"]) == (3, 3, True)
    assert sorted(line["why"] for line in said["lines"]) == ["compte", "compte", "compte", "deja_compte", "refuse"]
    for line in said["lines"]:
        entry = await world.get(f"/api/journal/entries/{line['id']}", key)
        assert entry.json()["entry"]["finess_et"] == CARMES
    assert "28907750000" not in answer.text
    known = await world.get(f"{DETAIL}&indicateur=IND-DMP-01", key, **{"If-None-Match": answer.headers["etag"]})
    assert known.status_code == 304
    messages = (await world.get(f"{DETAIL}&indicateur=IND-MSS-01", key)).json()
    assert [line["why"] for line in messages["lines"]] == ["compte", "compte"]


async def test_opening_needs_the_right_to_see_entries(world: UsageWorld) -> None:
    for number, asked in enumerate((("usage",), ("metadata",))):
        key = await world.key(f"amoa-{number}", *asked, grappes=(MINE,))
        problem(await world.get(f"{DETAIL}&indicateur=IND-DMP-01", key), "droit")
    assert world.denied() == [("amoa-0", {"droit:metadata": 1}), ("amoa-1", {"droit:usage": 1})]


async def test_what_an_essms_did_after_it_left_is_not_opened(world: UsageWorld) -> None:
    await world.journal.write(of_mine(5, outcome="refused"))  # on the sixth
    grappe = example(MINE)
    left = [replace(one, member_until=date(2027, 3, 5)) if one.finess_et == CARMES else one for one in grappe.essms]
    world.registry.use(Registry([replace(grappe, essms=tuple(left)), world.registry.grappe(OTHER)]))
    seen = {}
    for name, bound in (("amoa", (MINE,)), ("exploitant", ())):
        key = await world.key(name, "usage", "metadata", grappes=bound)
        said = (await world.get(f"{DETAIL}&indicateur=IND-DMP-01", key)).json()
        seen[name] = [line["why"] for line in said["lines"]]
    assert seen == {"amoa": ["compte"] * 3, "exploitant": [*["compte"] * 3, "refuse"]}


@pytest.mark.parametrize(("asked", "slug"), [
    (DETAIL.replace(CARMES, "130000000") + "&indicateur=IND-DMP-01", "entree"),
    (DETAIL.replace(CARMES, THEIR_ET) + "&indicateur=IND-DMP-01", "entree"),
    (DETAIL + "&indicateur=IND-DUI-01", "parametre"),
    (DETAIL + "&indicateur=tout", "parametre"),
    (DETAIL, "parametre"),
    (DETAIL.replace("2027-03", "2027-01") + "&indicateur=IND-DMP-01", "parametre"),
    (DETAIL + "&indicateur=IND-DMP-01&version=1", "version"),
    (DETAIL.replace(MINE, OTHER) + "&indicateur=IND-DMP-01", "grappe"),
])  # fmt: skip
async def test_what_cannot_be_opened_says_why(world: UsageWorld, asked: str, slug: str) -> None:
    key = await world.key("amoa", "usage", "metadata", grappes=(MINE,))
    problem(await world.get(asked, key), slug)
    noted = THEIR_ET in asked or OTHER in asked or "130000000" in asked
    assert world.denied() == ([("amoa", {"grappe": 1})] if noted else [])


# --- what a key that is bound may not infer -----------------------------------------------------------------------------------


async def test_a_bound_key_learns_no_count_of_the_whole_environment(world: UsageWorld) -> None:
    stray = of_mine(8)
    stray.finess_et, stray.finess_ej, stray.attribution = None, None, "non_attribue:hors_grappe"
    await world.journal.write(stray)
    bound = await world.key("amoa", "usage", "metadata", grappes=(MINE,))
    free = await world.key("exploitant", "usage", "metadata")
    seen = {}
    for name, key in (("bound", bound), ("free", free)):
        rates, detail = await world.get(MARCH, key), await world.get(f"{DETAIL}&indicateur=IND-DMP-01", key)
        seen[name] = (row(rates.json(), "IND-DMP-01", None)["unattributed"], detail.json()["others"])
        assert stray.id not in detail.text
    assert seen == {"bound": (None, None), "free": (1, {"hors_grappe": 1})}
    tags = {(await world.get(MARCH, key)).headers["etag"] for key in (bound, free)}
    assert len(tags) == 2


# --- description --------------------------------------------------------------------------------------------------------------


async def test_the_description_is_in_french_and_names_every_parameter(world: UsageWorld) -> None:
    document = (await world.http.get("/openapi.json")).json()
    usage = {f"/api/usage/{one}" for one in ("taux", "exports/{forme}", "explain")}
    assert usage | {"/api/journal/entries"} <= set(document["paths"])
    rates = document["paths"]["/api/usage/taux"]["get"]
    assert {one["name"] for one in rates["parameters"]} == {"grappe", "mois", "from", "months", "environment", "version"}
    assert all(one["description"] for one in rates["parameters"])
    assert {"200", "304", "default"} == set(rates["responses"])
    [form] = [one for one in document["paths"]["/api/usage/exports/{forme}"]["get"]["parameters"] if one["name"] == "forme"]
    assert form["schema"]["enum"] == list(FORMS)
