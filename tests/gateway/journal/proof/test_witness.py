"""Witnesses: kept outside, compared with each other and across keys."""
from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.journal.proof.growth import verify_witness
from gateway.journal.proof.merkle import leaf_hash
from gateway.journal.proof.notes import Checkpoint, PublicKey, Signer
from gateway.journal.proof.witness import Witness, WitnessError, text
from gateway.journal.proof.witnessing import NotGrown
from tests.gateway.journal.proof.exports import codes, exported, judged, key_of, told, witnessed
from tests.gateway.journal.proof.world import notary, tamper, write
from tests.stores import copied

Folder = tuple[Path, bytes]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    folder = tmp_path_factory.mktemp("made") / "gateway"
    write(folder, 9)
    return folder, witnessed(folder)


@pytest.fixture
def folder(made: Folder, tmp_path: Path) -> Path:
    return copied(made[0], tmp_path / "gateway")


@pytest.fixture
def first(made: Folder) -> bytes:
    return made[1]


def test_a_witness_holds_alone(folder: Path, first: bytes) -> None:
    verdict = verify_witness(first, [key_of(folder)])
    assert (verdict.faults, [(head.log, head.size) for head in verdict.vector]) == ([], [(1, 9)])


def test_a_later_witness_shows_that_the_journal_only_grew(folder: Path, first: bytes) -> None:
    write(folder, 4)
    second = witnessed(folder, since=first)
    verdict = verify_witness(second, [key_of(folder)], first)
    assert (verdict.faults, verdict.witness is not None) == ([], True)


def test_a_journal_that_did_not_grow_is_the_same(folder: Path, first: bytes) -> None:
    assert verify_witness(first, [key_of(folder)], first).faults == []
    assert verify_witness(witnessed(folder, since=first), [key_of(folder)], first).faults == []


def test_a_later_witness_without_proof_says_what_is_missing(folder: Path, first: bytes) -> None:
    write(folder, 4)
    verdict = verify_witness(witnessed(folder), [key_of(folder)], first)
    assert codes(verdict) == ["not-comparable", "not-comparable"]
    assert "refaites-le avec --since" in told(verdict)


def test_a_rewritten_journal(folder: Path, first: bytes) -> None:
    change = "UPDATE entries SET body = CAST(replace(CAST(body AS TEXT), '\"ok\"', '\"no\"') AS BLOB) WHERE pos & 1023 = 3"
    tamper(folder, change)
    shutil.rmtree(folder / "tree")
    with notary(folder, accept_fork=True) as one:
        one.accept("operateur")
    verdict = verify_witness(witnessed(folder, since=first), [key_of(folder)], first)
    assert (codes(verdict), verdict.faults[0].place) == (["rewritten"], "1")
    assert told(verdict) == "les 9 premières lignes du journal 1 ne sont plus celles du premier témoin : journal réécrit"


def test_an_older_state(folder: Path, first: bytes, tmp_path: Path) -> None:
    yesterday = copied(folder, tmp_path / "yesterday")
    write(folder, 4)
    second = witnessed(folder, since=first)
    verdict = verify_witness(first, [key_of(folder)], second)
    assert codes(verdict) == ["younger-witness"]
    assert "est plus récent que celui à vérifier" in told(verdict) and "dans l'autre ordre" in told(verdict)
    restored = copied(yesterday, tmp_path / "restored")
    verdict = verify_witness(witnessed(restored), [key_of(folder)], second)
    assert codes(verdict) == ["rewritten", "shorter-than-witness"]
    assert "le journal 1 avait 13 lignes au premier témoin, il en a 9" in told(verdict)
    with pytest.raises(NotGrown, match="le journal 1 a 9 lignes, il en avait 13"):
        witnessed(yesterday, since=second)


def test_the_witness_of_another_journal(folder: Path, first: bytes, tmp_path: Path) -> None:
    other = tmp_path / "other"
    write(other, 9)
    verdict = verify_witness(witnessed(other), [key_of(other)], first)
    assert codes(verdict) == ["other-key", "other-journal"]
    verdict = judged(tmp_path / "x.zip", exported(folder), key_of(folder), witnessed(other))
    assert codes(verdict) == ["other-journal"]


def test_across_a_rotation(folder: Path, first: bytes, tmp_path: Path) -> None:
    """The old key leads to the new one; the new one knows the witnesses of before."""
    old = key_of(folder)
    with notary(folder) as one:
        one.rotate()
    write(folder, 2)
    new, content = key_of(folder), exported(folder)
    assert new != old
    for key in (old, new):
        verdict = judged(tmp_path / "x.zip", content, key, first)
        assert (verdict.faults, verdict.signer) == ([], new)
    second = witnessed(folder, since=first)
    assert codes(verify_witness(second, [new], first)) == ["other-key"]
    assert verify_witness(second, [new, old], first).faults == []


def test_a_key_that_nobody_vouches_for_leads_nowhere(folder: Path, tmp_path: Path) -> None:
    """A lost key replaced by another: whoever has the first one is told."""
    old = key_of(folder)
    (folder / "keys" / "signing").unlink()
    with notary(folder, accept_fork=True) as one:
        one.accept("operateur")
    content = exported(folder)
    assert codes(judged(tmp_path / "x.zip", content, old)) == ["other-key", "altered-export"]
    assert judged(tmp_path / "x.zip", content, key_of(folder)).holds


def test_a_witness_forged_or_signed_by_another(folder: Path, first: bytes, tmp_path: Path) -> None:
    told_ = json.loads(first)
    size = told_["checkpoint"].split("\n")[1]
    forged = json.dumps(told_ | {"checkpoint": told_["checkpoint"].replace(f"\n{size}\n", f"\n{int(size) + 1}\n")}).encode()
    with pytest.raises(WitnessError, match="le vecteur"):
        verify_witness(forged, [key_of(folder)])
    text = told_["checkpoint"].split("\n\n")[0] + "\n"
    other = json.dumps(told_ | {"checkpoint": Signer(key_of(folder).name, bytes(32)).sign(text)}).encode()
    assert codes(verify_witness(other, [key_of(folder)])) == ["other-key"]
    assert codes(judged(tmp_path / "x.zip", exported(folder), key_of(folder), other)) == ["other-key"]


def changed(**change: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda one: one | change


@pytest.mark.parametrize("change", [
    changed(form="other"), changed(checkpoint="none"), changed(checkpoint=None), changed(leaf="{}"), changed(leaf=3),
    changed(proof=["AAAA"]), changed(proof=3), changed(since={"size": 1}), changed(since=[]), lambda _: {},
    changed(since={"size": 1e999, "proof": [], "logs": []}),
    lambda one: one | {"checkpoint": one["checkpoint"].replace("\n\n", "\n\ud800\n\n")},
    lambda one: one | {"leaf": one["leaf"].replace('"size":9', '"size":8')},
])  # fmt: skip
def test_what_is_not_a_witness(first: bytes, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    with pytest.raises(WitnessError):
        Witness.parse(json.dumps(change(json.loads(first))).encode())


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff\xfe", b"{" * 5000, b" " * (1 << 21)])
def test_what_is_not_even_json(content: bytes) -> None:
    with pytest.raises(WitnessError):
        Witness.parse(content)


@pytest.mark.parametrize("vector, more", [
    ({"root": "none"}, {}), ({"root": "AAAA"}, {}), ({"size": 1 << 60}, {}), ({}, {"at": "\u001b[8m"}),
])  # fmt: skip
def test_a_vector_that_no_gateway_wrote(vector: dict[str, Any], more: dict[str, Any]) -> None:
    """Anybody may cover a line of their own by a checkpoint of their own."""
    signer, root = Signer("socle/essai", bytes(32)), "A" * 43 + "="
    head = {"log": 1, "size": 1, "root": root} | vector
    leaf = json.dumps({"v": 1, "log": 0, "seq": 0, "kind": "checkpoint", "at": "2026-11-22", "vector": [head]} | more).encode()
    note = signer.sign(Checkpoint(signer.name, 1, leaf_hash(leaf)).text())
    with pytest.raises(WitnessError):
        Witness.parse(text(note, leaf, [], str(signer.public)).encode())


def test_keys_are_printed_as_they_are_read(folder: Path) -> None:
    key = key_of(folder)
    assert PublicKey.parse(str(key)) == key and key.name.startswith("socle/")
