"""A gateway that is not set as the last time says so in the journal, once, and without a secret."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.journal.query import Filters, JournalReader
from gateway.settings import Settings
from gateway.starts import ACTION, changed, note_start, values_of
from tests.gateway.journal.world import open_journal

TENANTS = ["editeur-b", "editeur-a"]


def noted(folder: Path) -> list[dict[str, Any]]:
    with JournalReader(folder) as reader:
        return [entry["detail"] for _, entry in reader.select(Filters(kind="admin"))]


async def start(folder: Path, tenants: list[str] | None = None, **settings: Any) -> list[str]:
    journal = open_journal(folder)
    names = await note_start(journal, Settings(**settings), tenants or TENANTS)
    await journal.close()
    return names


async def test_each_change_is_one_entry_that_names_it(tmp_path: Path) -> None:
    assert "environment" in await start(tmp_path)
    assert await start(tmp_path) == []
    assert await start(tmp_path, ["editeur-a"], bodies={"INS.RECHERCHE_TRAITS": "full"}, deadline_s=2.5) == [
        "bodies", "deadline_s", "tenants",
    ]  # fmt: skip
    assert await start(tmp_path, ["editeur-a"], bodies={"INS.RECHERCHE_TRAITS": "full"}) == ["deadline_s"]
    first, second, third = noted(tmp_path)
    assert {(one["action"], one["by"]) for one in (first, second, third)} == {(ACTION, "passerelle")}
    assert first["values"]["tenants"] == ["editeur-a", "editeur-b"]
    assert (second["values"]["bodies"], second["values"]["deadline_s"]) == ({"INS.RECHERCHE_TRAITS": "full"}, "2.5")
    assert third["changed"] == ["deadline_s"]


async def test_another_version_is_a_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await start(tmp_path)
    monkeypatch.setattr("gateway.starts.metadata.version", lambda _: "9.9")
    assert await start(tmp_path) == ["version"]


def test_a_setting_that_comes_or_goes_is_a_change() -> None:
    assert changed({"a": 1, "gone": 2}, {"a": 1, "new": None}) == ["gone", "new"]


def test_neither_the_folder_nor_a_secret_is_said(tmp_path: Path) -> None:
    said = values_of(Settings(data=tmp_path / "Mme-Exemple"), TENANTS)
    assert "Mme-Exemple" not in str(said)
    texts = {name: value for name, value in said.items() if isinstance(value, str) and not value.replace(".", "").isdigit()}
    assert texts.keys() == {"environment"}  # a free text could be anything
    assert said.keys() == (Settings.model_fields.keys() - {"data"}) | {"tenants", "version"}
