"""`socle journal key`: shown once, listed without its secret, each act an entry of the journal."""
from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from gateway.access.rights import Keys
from gateway.cli.journal_key import app
from gateway.grappes.reading import example, write_grappe
from gateway.journal.query import Filters, JournalReader
from tests.gateway.journal.world import feed, open_journal


@pytest.fixture
def data(tmp_path: Path) -> Path:
    async def write() -> None:
        journal = open_journal(tmp_path / "gateway")
        await journal.write(feed("ok"))
        await journal.close()

    asyncio.run(write())
    (tmp_path / "gateway" / "grappes").mkdir()
    (tmp_path / "gateway" / "grappes" / "marseille-hyeres.json").write_bytes(write_grappe(example("marseille-hyeres")))
    return tmp_path


def run(data: Path, *words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [*words, "--data", str(data)])
    return result.exit_code, result.stdout, result.stderr


def acts(data: Path) -> list[dict[str, Any]]:
    with JournalReader(data / "gateway") as reader:
        return [entry["detail"] for _, entry in reader.select(Filters(kind="admin"))]


def test_a_key_is_added_listed_and_removed(data: Path) -> None:
    rights = ("--right", "metadata", "--right", "export")
    code, out, err = run(data, "add", "vendeur", *rights, "--tenant", "editeur-a", "--by", "amoa")
    assert (code, err) == (0, "")
    secret = out.split(": ")[1].split()[0]
    with JournalReader(data / "gateway") as reader:
        key = Keys.from_journal(reader).bearer(f"Bearer {secret}")
    assert key is not None
    assert (key.name, key.tenant, key.rights) == ("vendeur", "editeur-a", {"metadata", "export"})
    assert run(data, "list")[1].split() == ["vendeur", "editeur-a", "metadata,", "export"]
    [listed] = orjson.loads(run(data, "list", "--json")[1])
    assert listed == {"name": "vendeur", "rights": ["metadata", "export"], "tenant": "editeur-a", "grappes": None}
    assert run(data, "remove", "vendeur")[:2] == (0, "Clé « vendeur » retirée.\n")
    assert run(data, "list")[1] == "Aucune clé.\n"
    assert [(one["action"], one["change"], one["by"]) for one in acts(data)] == [
        ("key", "added", "amoa"), ("key", "removed", "administrateur"),
    ]  # fmt: skip
    assert secret not in str(acts(data))


def test_a_key_of_an_amoa_is_bound_to_its_grappes(data: Path) -> None:
    code, out, err = run(data, "add", "amoa", "--grappe", "marseille-hyeres", "--rights", "usage,metadata")
    assert (code, err) == (0, "")
    assert out.endswith("Grappes : marseille-hyeres. Droits : usage, metadata.\n")
    with JournalReader(data / "gateway") as reader:
        key = Keys.from_journal(reader).named("amoa")
    assert key is not None
    assert (key.tenant, key.grappes, key.rights) == (None, {"marseille-hyeres"}, {"usage", "metadata"})
    assert run(data, "list")[1].split() == ["amoa", "marseille-hyeres", "metadata,", "usage"]
    [act] = acts(data)
    assert (act["grappes"], act["rights"]) == (["marseille-hyeres"], ["metadata", "usage"])


@pytest.mark.parametrize(("words", "said"), [
    (("add", "x", "--right", "tout"), "Droits : un ou plusieurs parmi metadata, body, settle, export, usage."),
    (("add", "x", "--rights", "usage", "--grappe", "marseille-hyere"), "Grappe inconnue : « marseille-hyere »."),
    (("add", "x", "--rights", "usage,body", "--grappe", "marseille-hyeres"), "n'a pas le droit « body »"),
    (("add", "x", "--right", "settle", "--grappe", "marseille-hyeres"), "n'a pas le droit « settle »"),
    (("add", "x", "--rights", "usage", "--tenant", "editeur-a"), "une clé liée à un éditeur ne le lit pas"),
    (("add", "x", "--right", "metadata", "--tenant", "a", "--grappe", "marseille-hyeres"), "à un éditeur ou à des grappes"),
    (("add", "Mme X", "--right", "body"), "Nom de clé"),
    (("add", "x", "--right", "body", "--by", "Mme X"), "--by : un organisme ou un rôle"),
    (("remove", "x"), "Aucune clé « x »"),
])  # fmt: skip
def test_what_cannot_be_is_one_line_and_leaves_no_entry(data: Path, words: tuple[str, ...], said: str) -> None:
    code, out, err = run(data, *words)
    assert (code, out, err.count("\n"), acts(data)) == (2, "", 1, [])
    assert said in err


def test_a_rotated_key_has_another_secret_and_the_same_rights(data: Path) -> None:
    first = orjson.loads(run(data, "add", "vendeur", "--right", "metadata", "--tenant", "editeur-a", "--json")[1])["key"]
    run(data, "add", "autre", "--right", "export")
    before = run(data, "list")[1]
    code, out, err = run(data, "rotate", "vendeur", "--by", "amoa")
    assert (code, err) == (0, "")
    second = out.split(": ")[1].split()[0]
    assert second != first and run(data, "list")[1] == before
    with JournalReader(data / "gateway") as reader:
        keys = Keys.from_journal(reader)
    key = keys.bearer(f"Bearer {second}")
    assert keys.bearer(f"Bearer {first}") is None and key is not None
    assert (key.name, key.tenant, key.rights) == ("vendeur", "editeur-a", {"metadata"})
    assert [(one["change"], one["by"]) for one in acts(data)][-1] == ("rotated", "amoa")
    assert run(data, "rotate", "absente")[0] == 2
