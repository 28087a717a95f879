"""Deposited identities: what is refused and why, how they are kept, whose call they make (design §8)."""
from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.access.callers import UNKNOWN, Access, Caller
from gateway.access.identities import (
    Candidate,
    Deposited,
    IdentityRefused,
    IdentityStore,
    check,
    from_p12,
    from_pem,
    pem_of,
)
from gateway.journal.record import Dui
from tests.gateway.access.papers import STRUCT_ID, authority, candidate, der, expired, key, not_yet, p12, pair, subject


def store(tmp_path: Path) -> IdentityStore:
    return IdentityStore(tmp_path / "identities")


def deposit(kept: IdentityStore, one: Candidate, service: str = "DMP", use: str = "auth", tenant: str = "editeur-a") -> Deposited:
    identity = kept.prepare(one, service, use, tenant, "0B0990008")
    kept.commit(identity)
    return identity


# --- judged -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("profile", "use"), [("auth_cli", "auth"), ("sign", "sign")])
def test_a_good_identity_is_taken_from_pem_and_from_p12(profile: str, use: str) -> None:
    made = pair(profile)  # type: ignore[arg-type]
    for one in (from_pem(*pem_of(Candidate(made.cert, made.key))), from_p12(p12(made, b"secret"), b"secret")):
        check(one, use, datetime.now(UTC))
        assert one.cert == made.cert


def test_each_thing_wrong_is_named() -> None:
    good = candidate()
    wrong = {
        "n'est pas celle du certificat": (Candidate(good.cert, key(1)), "auth"),
        "expiré": (candidate(**expired()), "auth"),
        "pas encore valable": (candidate(**not_yet()), "auth"),
        "pas d'authentification client": (candidate("sign"), "auth"),
        "pas de signature": (candidate("auth_cli"), "sign"),
        "ne nomme pas de structure": (candidate(name=subject("LES TILLEULS")), "auth"),
    }
    check(good, "auth", datetime.now(UTC))
    for reason, (one, use) in wrong.items():
        with pytest.raises(IdentityRefused, match=reason):
            check(one, use, datetime.now(UTC))


def test_a_server_certificate_is_no_signature_and_an_authority_is_nothing() -> None:
    with pytest.raises(IdentityRefused, match="pas de signature"):
        check(candidate("server"), "sign", datetime.now(UTC))
    issuing = authority().issuing
    with pytest.raises(IdentityRefused):
        check(Candidate(issuing.cert, issuing.key), "auth", datetime.now(UTC))


@pytest.mark.parametrize("content", [b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"\x00" * 40])
def test_what_is_not_a_certificate_is_refused_in_words(content: bytes) -> None:
    _, private = pem_of(candidate())
    with pytest.raises(IdentityRefused, match="illisible"):
        from_pem(content, private)
    with pytest.raises(IdentityRefused, match="illisible"):
        from_p12(content, b"")


def test_a_wrong_password_is_said() -> None:
    with pytest.raises(IdentityRefused, match="mot de passe"):
        from_p12(p12(pair(), b"secret"), b"autre")


# --- kept -------------------------------------------------------------------------------------------------------------


def test_files_are_for_their_owner_only_and_hold_the_same_identity(tmp_path: Path) -> None:
    one = candidate()
    identity = deposit(store(tmp_path), one)
    [found] = store(tmp_path)
    assert found == identity
    assert (found.struct_id, found.tenant, found.finess_ej) == (STRUCT_ID, "editeur-a", "0B0990008")
    for path in (tmp_path / "identities").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    assert stat.S_IMODE((tmp_path / "identities").stat().st_mode) == 0o700
    kept = load_pem_private_key(identity.key.read_bytes(), None)
    assert kept.public_key() == one.key.public_key()
    assert "PRIVATE" not in str(identity.about())


def test_what_was_prepared_and_not_committed_is_not_deposited(tmp_path: Path) -> None:
    store(tmp_path).prepare(candidate(), "DMP", "auth", "editeur-a", None)
    assert list(store(tmp_path)) == []


def test_a_new_certificate_of_the_same_subject_replaces_the_old_one_for_its_service_only(tmp_path: Path) -> None:
    kept = store(tmp_path)
    old, other_service = deposit(kept, candidate()), deposit(kept, candidate(), service="INS")
    new = deposit(kept, candidate(number=1))
    assert {one.name for one in kept} == {new.name, other_service.name}
    assert not old.key.exists() and new.key.exists()


def test_the_same_identity_twice_is_refused_and_removal_leaves_no_key(tmp_path: Path) -> None:
    kept, one = store(tmp_path), candidate()
    identity = deposit(kept, one)
    with pytest.raises(IdentityRefused, match="déjà déposée"):
        deposit(kept, one)
    kept.remove(identity.name)
    assert (list(kept), list((tmp_path / "identities").iterdir())) == ([], [])


def test_a_spoilt_deposit_is_passed_over(tmp_path: Path) -> None:
    kept = store(tmp_path)
    spoilt, good = deposit(kept, candidate()), deposit(kept, candidate(), service="INS")
    (tmp_path / "identities" / spoilt.name / "identity.json").write_bytes(b'{"name": "../../etc"}')
    assert [one.name for one in kept] == [good.name]


# --- used -------------------------------------------------------------------------------------------------------------

MANIFEST = Caller("editeur-a", "10B0990016", "0B0990016", frozenset({"0B0990008"}), Dui("N", "DUI A", "1"))


def test_a_structure_outside_the_manifest_calls_with_its_deposit(tmp_path: Path) -> None:
    access, one = Access(), candidate()
    assert access.by_certificate(der(one), "DMP") is UNKNOWN
    identity = deposit(store(tmp_path), one)
    access.use(store(tmp_path))
    caller = access.by_certificate(der(one), "DMP")
    assert (caller.tenant, caller.struct_id, caller.finess_et) == ("editeur-a", STRUCT_ID, STRUCT_ID[1:])
    assert caller.entitled_ej == frozenset({"0B0990008"})
    assert caller.identity is not None and caller.identity.cert == identity.cert
    assert access.by_certificate(der(one), "INS") is access.by_certificate(der(one)) is UNKNOWN  # deposited for the DMP
    assert access.by_certificate(der(candidate(name=subject(cn="AUTRE"))), "DMP") is UNKNOWN
    access.use([])
    assert access.by_certificate(der(one), "DMP") is UNKNOWN


def test_what_the_dui_proves_may_be_another_certificate_of_the_same_subject(tmp_path: Path) -> None:
    access, shown, kept = Access(), candidate(), candidate(number=1)
    identity = deposit(store(tmp_path), kept)
    access.use(store(tmp_path))
    caller = access.by_certificate(der(shown), "DMP")
    assert caller.identity is not None and caller.identity.key == identity.key


def test_a_deposit_takes_the_manifests_place_upstream_and_changes_nobodys_rights(tmp_path: Path) -> None:
    shown = candidate(name=subject("10B0990016"))
    fingerprint = shown.cert.fingerprint(shown.cert.signature_hash_algorithm).hex()  # type: ignore[arg-type]
    access = Access(_certificates={fingerprint: MANIFEST})
    identity = deposit(store(tmp_path), candidate(name=subject("10B0990016"), number=1))
    access.use(store(tmp_path))
    caller = access.by_certificate(der(shown), "DMP")
    assert caller.identity is not None and caller.identity.cert == identity.cert
    assert (caller.tenant, caller.finess_et, caller.dui) == (MANIFEST.tenant, MANIFEST.finess_et, MANIFEST.dui)
    assert access.by_certificate(der(shown), "INS") is MANIFEST


def test_settlement_finds_the_deposits_of_a_structure(tmp_path: Path) -> None:
    access, kept = Access(), store(tmp_path)
    auth, sign = deposit(kept, candidate()), deposit(kept, candidate("sign"), use="sign")
    assert access.tls_identity(STRUCT_ID) is access.signer(STRUCT_ID) is None
    access.use(kept)
    identity, signer = access.tls_identity(STRUCT_ID), access.signer(STRUCT_ID)
    assert identity is not None and identity.cert == auth.cert
    assert signer is not None and signer.cert == sign.cert
    assert access.tls_identity(STRUCT_ID, "INS") is None
    assert access.by_certificate(der(candidate("sign")), "DMP").identity == identity, "found by subject, never the SIGN key"


def test_hostile_bytes_in_the_place_of_a_certificate_name_nobody(tmp_path: Path) -> None:
    deposit(store(tmp_path), candidate())
    access = Access()
    access.use(store(tmp_path))
    assert access.by_certificate(b"\x30\x03\x02\x01", "DMP") is UNKNOWN
