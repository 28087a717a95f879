"""Who may call follows the manifest while the gateway runs; what is half written or wrong is never followed."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.access.callers import UNKNOWN, Access
from gateway.access.identities import Deposited
from gateway.access.keys import OwnKeys
from mocks.sandbox.papers import write_manifest
from mocks.sandbox.population import FILE_NAME, write


def manifest(*tenants: str) -> dict[str, Any]:
    files = {"cert": "pki/x.pem", "key": "pki/x.key"}
    structures = [
        {
            "finess_et": f"0B09910{rank}9", "finess_ej": "0B0991007", "struct_id": f"10B09910{rank}9", "name": name,
            "sector": "SA16", "tenant": name, "mailboxes": [{"address": f"contact@{name}.test", "type": "ORG"}],
            "auth_cli": {**files, "fingerprint": f"{rank}" * 64}, "sign": {**files, "fingerprint": f"{rank}" * 63 + "a"},
        }
        for rank, name in enumerate(tenants, start=1)
    ]  # fmt: skip
    return {
        "nil": "TEST0001", "structures": structures,
        "tenants": [{"id": name, "product": "DUI", "version": "1"} for name in tenants],
        "psc_clients": [{"client_id": name, "tenant": name} for name in tenants],
        "annuaire_keys": [{"key": f"annuaire-{name}", "tenant": name} for name in tenants],
        "own_keys": [
            {"key": f"own-{row['tenant']}", "tenant": row["tenant"], "structures": [row["finess_et"]]} for row in structures
        ],
    }  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / FILE_NAME, [], [], [], seed=1)
    write_manifest(tmp_path, manifest("a", "b"))
    return tmp_path


def seen(access: Access, keys: OwnKeys, name: str) -> list[bool]:
    """By each door: client_id, API key, mailbox, own key, tenant, settlement."""
    holder, structure = keys.holder(f"Bearer own-{name}"), access.by_mailbox(f"contact@{name}.test")
    return [
        access.by_client_id(name) is not UNKNOWN, access.by_api_key(f"annuaire-{name}") is not UNKNOWN, structure is not UNKNOWN,
        holder is not None, name in access.tenants(), any(keys.structure(name, f"0B09910{rank}9") for rank in (1, 2, 3)),
    ]  # fmt: skip


def test_a_tenant_is_known_at_every_door_as_long_as_the_manifest_names_it(folder: Path) -> None:
    access = Access.from_manifest(folder)
    keys = OwnKeys.from_manifest(folder, access)
    assert (seen(access, keys, "b"), seen(access, keys, "c")) == ([True] * 6, [False] * 6)
    write_manifest(folder, manifest("a", "b", "c"))
    assert (seen(access, keys, "b"), seen(access, keys, "c")) == ([True] * 6, [True] * 6)
    assert access.sector("10B0991039") == "SA16" and access.tls_identity("10B0991039") is not None
    write_manifest(folder, manifest("a"))
    assert (seen(access, keys, "b"), seen(access, keys, "c"), seen(access, keys, "a")) == ([False] * 6, [False] * 6, [True] * 6)
    assert access.sector("10B0991039") is access.signer("10B0991039") is access.tls_identity("10B0991039") is None


def test_another_secret_replaces_the_former_at_once(folder: Path) -> None:
    access = Access.from_manifest(folder)
    keys, rotated = OwnKeys.from_manifest(folder, access), manifest("a", "b")
    rotated["own_keys"][1]["key"], rotated["annuaire_keys"][1]["key"] = "own-new", "annuaire-new"
    write_manifest(folder, rotated)
    assert keys.holder("Bearer own-b") is None and access.by_api_key("annuaire-b") is UNKNOWN
    holder = keys.holder("Bearer own-new")
    assert holder is not None and holder.tenant == access.by_api_key("annuaire-new").tenant == "b"


@pytest.mark.parametrize("wrong", [b"", b'{"tenants": [', b"[]", b"{}", b'{"tenants": [], "structures": [{}]}'])
def test_a_manifest_that_is_wrong_changes_nothing(folder: Path, wrong: bytes) -> None:
    access = Access.from_manifest(folder)
    keys = OwnKeys.from_manifest(folder, access)
    (folder / "sandbox.json").write_bytes(wrong)
    assert seen(access, keys, "b") == [True] * 6
    (folder / "sandbox.json").unlink()
    assert seen(access, keys, "b") == [True] * 6
    (folder / "sandbox.json").write_bytes(orjson.dumps(manifest("a")))
    assert (seen(access, keys, "b"), seen(access, keys, "a")) == ([False] * 6, [True] * 6)


def test_what_a_removed_tenant_deposited_is_presented_no_more(folder: Path) -> None:
    access, told = Access.from_manifest(folder), []
    access.changed = lambda: told.append("changed")
    one = Deposited("n", "DMP", "auth", "CN=b", "10B0991029", "2" * 64, "2030-01-01T00:00:00Z", "b", None, Path("b"), Path("k"))
    access.use([one])
    identity = access.tls_identity("10B0991029", "DMP")
    assert identity is not None and identity.cert == Path("b")
    write_manifest(folder, manifest("a"))
    assert access.tls_identity("10B0991029", "DMP") is None and access.acting("b", "0B0991029", "DMP") is None
    assert told == ["changed"]
