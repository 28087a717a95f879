"""Whose call: each credential of the manifest names its caller, anything else names nobody."""
from __future__ import annotations

import hashlib
from pathlib import Path

import orjson
import pytest

from gateway.access.callers import UNKNOWN, Access
from gateway.access.keys import OwnKeys
from mocks.sandbox.build import init
from mocks.sandbox.population import FILE_NAME, write

AUTH, SIGN = b"auth certificate", b"sign certificate"


@pytest.fixture
def access(tmp_path: Path) -> Access:
    certificate = {"cert": "pki/a.pem", "key": "pki/a.key", "fingerprint": hashlib.sha256(AUTH).hexdigest().upper()}
    signer = {"cert": "pki/s.pem", "key": "pki/s.key", "fingerprint": hashlib.sha256(SIGN).hexdigest()}
    structure = {
        "finess_et": "0B0990016", "finess_ej": "0B0990008", "struct_id": "10B0990016", "name": "LES AJONCS", "sector": "SA17",
        "tenant": "editeur-a", "mailboxes": [{"address": "Contact@ajoncs.mssante.test", "type": "ORG"}],
        "auth_cli": certificate, "sign": signer,
    }  # fmt: skip
    manifest = {
        "nil": "TEST0001", "tenants": [{"id": "editeur-a", "product": "DUI A", "version": "2.1"}], "structures": [structure],
        "psc_clients": [{"client_id": "dui-a", "tenant": "editeur-a"}], "annuaire_keys": [{"key": "k-1", "tenant": "editeur-a"}],
    }  # fmt: skip
    sacha = {"id_nat": "899700990007", "mailbox": "sacha@ajoncs.mssante.test", "structure": "0B0990016"}
    (tmp_path / "sandbox.json").write_bytes(orjson.dumps(manifest))
    write(tmp_path / FILE_NAME, [], [sacha], [], seed=1)
    return Access.from_manifest(tmp_path)


def test_the_certificate_names_tenant_structure_and_identity(access: Access) -> None:
    caller = access.by_certificate(AUTH)
    assert (caller.tenant, caller.struct_id, caller.entitled_ej) == ("editeur-a", "10B0990016", frozenset({"0B0990008"}))
    assert caller.identity is not None and caller.identity.cert.name == "a.pem"
    assert (caller.dui.nil, caller.dui.product, caller.dui.version) == ("TEST0001", "DUI A", "2.1")


def test_a_signature_certificate_opens_no_tls_door(access: Access) -> None:
    assert access.by_certificate(SIGN) is UNKNOWN
    assert access.by_certificate(None) is UNKNOWN


def test_mailboxes_are_compared_without_case(access: Access) -> None:
    assert access.by_mailbox("contact@AJONCS.mssante.test").tenant == "editeur-a"
    assert access.by_mailbox("sacha@ajoncs.mssante.test").finess_et == "0B0990016"
    assert access.by_mailbox("other@ajoncs.mssante.test") is UNKNOWN


def test_keys_and_clients_name_a_tenant_but_no_structure(access: Access) -> None:
    assert (access.by_api_key("k-1").tenant, access.by_api_key("k-1").identity) == ("editeur-a", None)
    assert access.by_client_id("dui-a").tenant == "editeur-a"
    assert access.by_api_key("k-2") is access.by_client_id("") is UNKNOWN


def test_settlement_finds_the_deposited_keys_of_a_structure(access: Access) -> None:
    signer, identity = access.signer("10B0990016"), access.tls_identity("10B0990016")
    assert signer is not None and signer.cert.name == "s.pem"
    assert identity is not None and identity.cert.name == "a.pem"
    assert access.signer("1999999999") is access.tls_identity("1999999999") is None


def test_a_key_never_acts_for_a_structure_of_another_tenant(tmp_path: Path) -> None:
    rows = [
        {"finess_et": "0B0990008", "finess_ej": "0B0990107", "name": "UN", "tenant": "a"},
        {"finess_et": "0B0990016", "finess_ej": "0B0990107", "name": "DEUX", "tenant": "b"},
    ]
    init(tmp_path, structures=rows, persons=1)
    folder = tmp_path / "sandbox"
    manifest = orjson.loads((folder / "sandbox.json").read_bytes())
    for row in manifest["own_keys"]:
        row["structures"] = ["0B0990008", "0B0990016", "0B0999999"]
    (folder / "sandbox.json").write_bytes(orjson.dumps(manifest))
    keys = OwnKeys.from_manifest(folder, Access.from_manifest(folder))
    for row in manifest["own_keys"]:
        holder = keys.holder(f"bearer {row['key']}")
        assert holder is not None and holder.tenant == row["tenant"]
        assert [one.caller.tenant for one in holder.structures.values()] == [row["tenant"]] * (row["tenant"] in ("a", "b"))
    for wrong in (None, "", "Bearer", "Bearer ", f"Basic {manifest['own_keys'][0]['key']}", manifest["own_keys"][0]["key"]):
        assert keys.holder(wrong) is None
