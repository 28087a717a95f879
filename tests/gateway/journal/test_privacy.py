"""What the journal's files must never show (design §5.6)."""
from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag

from gateway.journal.journal import FILE_NAME
from gateway.journal.record import Intent, JournalUnsafe, Named, Record
from gateway.journal.vault import Vault
from tests.gateway.journal.world import SENDER, feed, message, open_journal, rows

MATRICULE = "279035121518989"
SECRETS = (MATRICULE, SENDER, "canari@ehpad.test", "1.2.250.1.999.42", "899700000001")


def _found_in_files(folder: Path) -> set[str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert any(path.name == FILE_NAME for path in files)
    return {secret for secret in SECRETS for path in files if secret.encode() in path.read_bytes()}


@pytest.mark.sqlite("its files")
async def test_no_personal_value_is_in_clear_in_any_file(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    sent = message("ok", "<canari@ehpad.test>")
    sent.person, sent.professional = Named("person", MATRICULE), Named("professional", "899700000001")
    lost = feed(person=Named("person", MATRICULE))
    lost.documents.append(Named("document", "1.2.250.1.999.42"))
    await journal.intend(lost, Intent(Named("submission", "1.2.250.1.999.42"), 30.0, b"documents", MATRICULE.encode()))
    assert _found_in_files(tmp_path) == set()
    lost.outcome = "in_doubt"
    await journal.write(lost, sent)
    assert (tmp_path / f"{FILE_NAME}-wal").exists()
    assert _found_in_files(tmp_path) == set()
    await journal.write(Record(lost.operation, kind="settlement", settles=lost.id, outcome="succeeded"))
    await journal.close()
    assert _found_in_files(tmp_path) == set()
    kinds = dict(rows(tmp_path, "SELECT kind, sealed IS NOT NULL FROM refs"))
    assert kinds == {"person": 0, "professional": 1, "message": 1, "document": 1, "submission": 1}


@pytest.mark.sqlite("its files")
async def test_only_their_owner_reads_the_files(tmp_path: Path) -> None:
    (tmp_path / "gateway").mkdir(mode=0o755)  # by whoever installs a registry there first
    journal = open_journal(tmp_path / "gateway")
    await journal.write(feed("ok"))
    paths = [tmp_path / "gateway", *(tmp_path / "gateway").rglob("*")]
    modes = {path.name: path.stat().st_mode & 0o077 for path in paths}
    await journal.close()
    assert f"{FILE_NAME}-wal" in modes
    assert {"K", "K2"} <= set(modes)
    assert set(modes.values()) == {0}, modes


async def test_environments_do_not_share_refs(tmp_path: Path) -> None:
    person = Named("person", MATRICULE)
    journal = open_journal(tmp_path)
    await journal.write(feed("ok", person=person))
    here = await journal.ref(person)
    await journal.close()
    other = open_journal(tmp_path, environment="recette")
    await other.write(feed("ok", person=person))
    assert here != await other.ref(person)
    await other.close()


def test_a_seal_opens_under_its_own_name_only(tmp_path: Path) -> None:
    vault = Vault.open(tmp_path, "bac_a_sable", create=True)
    sealed = vault.seal("ref-1", b"value")
    assert Vault.open(tmp_path, "bac_a_sable", create=False).unseal("ref-1", sealed) == b"value"
    with pytest.raises(InvalidTag):
        vault.unseal("ref-2", sealed)


@pytest.mark.parametrize(("damage", "reason"), [("missing", "K2 manque"), ("cut", r"K2 est abîmée \(3 octets")])
async def test_a_journal_whose_keys_are_lost_is_not_opened(tmp_path: Path, damage: str, reason: str) -> None:
    await open_journal(tmp_path).close()
    key = tmp_path / "keys" / "K2"
    kept = key.read_bytes()
    if damage == "missing":
        key.unlink()
    else:
        key.write_bytes(b"cut")
    with pytest.raises(JournalUnsafe, match=reason):
        open_journal(tmp_path)
    key.write_bytes(kept)
    await open_journal(tmp_path).close()


@pytest.mark.parametrize("environment", ["bac_a_sable", "production"])
@pytest.mark.parametrize("name", ["K", "K2"])
async def test_a_journal_is_not_opened_with_keys_of_another(tmp_path: Path, name: str, environment: str) -> None:
    """One person would get two names; and an erasure would look for nobody in what it cannot open."""
    journal = open_journal(tmp_path)
    await journal.write(message("ok", "<1@dui.test>"), feed("ok", person=Named("person", MATRICULE)))
    await journal.close()
    key = tmp_path / "keys" / name
    right = key.read_bytes()
    key.write_bytes(bytes(range(32)))
    with pytest.raises(JournalUnsafe, match=rf"\(keys/{name}\).*n'est pas celle"):
        open_journal(tmp_path, environment=environment)
    key.write_bytes(right)
    again = open_journal(tmp_path, environment=environment)
    damage = "UPDATE refs SET sealed = ? WHERE kind = 'message'"
    await again.change(lambda store: store.connection().execute(damage, (bytes(40),)).get)
    await again.write(message("ok", "<2@dui.test>"))
    await again.close()
    await open_journal(tmp_path, environment=environment).close()  # the twin: a damaged value says nothing of a key
