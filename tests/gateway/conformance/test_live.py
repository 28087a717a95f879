"""Facts and verdicts as calls pass: written with the entry, beside it, and never at its price."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from connectors.nomenclatures.identifiers import parse_matricule
from gateway.conformance import live
from gateway.conformance.live import Observer, digest_of, eyes_of
from gateway.conformance.model import Eyes, Message
from gateway.conformance.rules import rule_set
from gateway.journal.erasure import erase
from gateway.journal.journal import FILE_NAME
from gateway.journal.query import JournalReader
from gateway.journal.record import Facts, Intent, Named, Record
from gateway.journal.vault import Vault
from gateway.population import People
from mocks.sandbox.population import Population
from tests.connectors.dmp.samples import Dui
from tests.gateway.conformance.world import EYES, MATRICULE, Letter, authorize, feed, plain
from tests.gateway.journal.world import open_journal, rows


def record(operation: str, **values: Any) -> Record:
    return Record(operation, outcome="ok", finess_et="130784507", tenant="editeur-a", **values)


def stored(folder: Path) -> list[tuple[int, dict[str, Any]]]:
    return [(pos, orjson.loads(body)) for pos, body in rows(folder, "SELECT pos, body FROM facts ORDER BY pos")]


async def test_facts_lie_beside_the_entry_and_the_verdict_in_it(tmp_path: Path, dui: Dui) -> None:
    journal = open_journal(tmp_path)
    call = record("DMP.TD2.1")
    await Observer(eyes_of(journal.vault, None)).observe(call, feed(dui))
    [entry] = await journal.write(call)
    await journal.close()
    body = orjson.loads(entry.body)
    rules = rule_set("tout")
    named = {"rule_set": "tout", "version": rules.version, "sha256": rules.sha256}
    assert body["verdict"] == {**named, "conforme": 5, "non_conforme": []}
    assert "facts" not in body
    [(_, facts)] = stored(tmp_path)
    assert facts["documents"][0]["cda"]["pdf"] == "PDF/A-1"


async def test_a_deviation_is_named_in_the_verdict() -> None:
    call = record("PSC.AUTHORIZE")
    await Observer(EYES).observe(call, authorize(acr_values="eidas2", response_type="token"))
    assert call.verdict is not None
    assert (call.verdict["conforme"], call.verdict["non_conforme"]) == (0, ["CHK-PSC-01", "CHK-PSC-02"])


async def test_an_operation_without_rules_has_no_verdict() -> None:
    call = record("PSC.LOGIN")
    await Observer(EYES).observe(call, Message("PSC.LOGIN"))
    assert (call.facts, call.verdict) == (None, None)


async def test_a_failing_observer_does_not_cost_the_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("rule broken")

    monkeypatch.setattr(live, "judge_all", fail)
    journal = open_journal(tmp_path)
    call = record("PSC.AUTHORIZE")
    await Observer(EYES).observe(call, authorize())
    Observer(EYES).note(call, {})
    [entry] = await journal.write(call)
    await journal.close()
    assert orjson.loads(entry.body)["verdict"] is None


async def test_an_intent_holds_no_facts(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    call = record("DMP.TD2.1", facts=Facts({"v": 1, "mark": "canari"}, (MATRICULE,)))
    await journal.intend(call, Intent(None, 30.0))
    assert b"canari" not in b"".join(bytes(row[0]) for row in rows(tmp_path, "SELECT draft FROM intents"))
    await journal.write(call)
    await journal.close()
    assert [facts["mark"] for _, facts in stored(tmp_path)] == ["canari"]


async def test_facts_of_a_failed_transaction_are_not_kept(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    unknown = Record("DMP.TD2.1", kind="settlement", settles="nobody", outcome="succeeded")
    with pytest.raises(Exception, match="nobody"):
        await journal.write(record("PSC.TOKEN", facts=Facts({"v": 1})), unknown)
    await journal.write(record("PSC.TOKEN"))
    await journal.close()
    assert stored(tmp_path) == []


async def test_erasing_a_person_erases_the_facts_of_a_message_that_does_not_name_her(tmp_path: Path, dui: Dui) -> None:
    journal = open_journal(tmp_path)
    observer = Observer(eyes_of(journal.vault, None))
    about, other = record("MSS.SOUMISSION"), record("MSS.SOUMISSION")
    await observer.observe(about, Letter(dui).sent())
    await observer.observe(other, plain(dui).sent())
    [entry, _] = await journal.write(about, other)
    assert orjson.loads(entry.body)["person_ref"] is None
    assert len(stored(tmp_path)) == 2
    await erase(journal, parse_matricule(MATRICULE), by="test")
    assert [facts["archives"] for _, facts in stored(tmp_path)] == [0]
    assert rows(tmp_path, "SELECT * FROM facts_about") == []
    await journal.close()
    with JournalReader(tmp_path) as reader:
        assert reader.entry(about.id) == orjson.loads(entry.body)


@pytest.mark.sqlite("its files")
async def test_nothing_of_a_message_is_in_clear_in_any_file(tmp_path: Path, dui: Dui) -> None:
    journal = open_journal(tmp_path)
    observer = Observer(eyes_of(journal.vault, None))
    calls = [record("MSS.SOUMISSION"), record("DMP.TD2.1", person=Named("person", MATRICULE))]
    await observer.observe(calls[0], Letter(dui).sent())
    await observer.observe(calls[1], feed(dui))
    await journal.write(*calls)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    secrets = (MATRICULE, "EXEMPLE", "ALICE", "infirmerie", "m1@", "1.2.250.1.999.7")
    found = {one for one in secrets for path in files if one.encode() in path.read_bytes()}
    await journal.close()
    assert found == set()
    assert any(path.name.startswith(FILE_NAME) for path in files)


def test_digests_are_worth_nothing_in_another_environment(tmp_path: Path) -> None:
    here = digest_of(Vault.open(tmp_path, "bac_a_sable", create=True))
    again = digest_of(Vault.open(tmp_path, "bac_a_sable", create=False))
    elsewhere = digest_of(Vault.open(tmp_path, "recette", create=False))
    assert here("ins", MATRICULE) == again("ins", MATRICULE) != elsewhere("ins", MATRICULE)
    assert here("ins", MATRICULE) != here("document", MATRICULE)
    assert len(here("ins", MATRICULE)) == 32


def test_the_population_says_who_is_fictitious(dui: Dui, tmp_path: Path) -> None:
    vault = Vault.open(tmp_path, "bac_a_sable", create=True)
    people = Population.open(dui.folder / "population.sqlite3")
    eyes = eyes_of(vault, People.of(dui.folder))
    assert eyes.known_person is not None and eyes.known_professional is not None
    assert eyes.known_person(next(people.persons())["matricule"]) and not eyes.known_person(MATRICULE)
    assert eyes.known_professional(people.professionals()[0]["id_nat"])
    assert eyes_of(vault, None).known_person is None


def test_eyes_do_not_show_what_they_digest() -> None:
    assert MATRICULE not in repr(Eyes(lambda kind, value: "0"))
