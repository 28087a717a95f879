"""RFC 6962 §2.1, against vectors everybody knows and against the definitions written naively."""
from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.journal.proof import merkle
from tests.gateway.journal.proof.world import root_of

#: The eight leaves of the certificate-transparency project's tests, and the roots of their first n.
LEAVES = [bytes.fromhex(one) for one in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
sizes = st.integers(1, 70)


# The definitions of the RFC, word for word: slow, and sharing nothing with the code under test.


def mth(leaves: list[bytes]) -> bytes:
    if not leaves:
        return sha256().digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    k = largest_power_below(len(leaves))
    return sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def path(m: int, leaves: list[bytes]) -> list[bytes]:
    if len(leaves) == 1:
        return []
    k = largest_power_below(len(leaves))
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def subproof(m: int, leaves: list[bytes], b: bool) -> list[bytes]:
    if m == len(leaves):
        return [] if b else [mth(leaves)]
    k = largest_power_below(len(leaves))
    if m <= k:
        return [*subproof(m, leaves[:k], b), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], False), mth(leaves[:k])]


def largest_power_below(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def some(n: int) -> list[bytes]:
    return [b"leaf %d" % i for i in range(n)]


def nodes(leaves: list[bytes]) -> merkle.NodeOf:
    return lambda level, index: mth(leaves[index << level : (index + 1) << level])


@pytest.mark.parametrize("n", range(9))
def test_the_known_roots(n: int) -> None:
    assert root_of(map(merkle.leaf_hash, LEAVES[:n])).hex() == ROOTS[n] == mth(LEAVES[:n]).hex()


def test_the_known_proofs() -> None:
    """The inclusion of leaf 5 in 8 and the consistency of 6 with 8, as that project publishes them."""
    assert [one.hex() for one in merkle.inclusion_proof(5, 8, nodes(LEAVES))] == [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]
    assert [one.hex() for one in merkle.consistency_proof(6, 8, nodes(LEAVES))] == [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


@given(sizes, st.data())
def test_inclusion(size: int, data: st.DataObject) -> None:
    leaves, index = some(size), data.draw(st.integers(0, size - 1))
    proof = merkle.inclusion_proof(index, size, nodes(leaves))
    leaf, root = merkle.leaf_hash(leaves[index]), mth(leaves)
    assert proof == path(index, leaves)
    assert merkle.verify_inclusion(leaf, index, size, proof, root)
    other = data.draw(st.integers(0, size + 2).filter(lambda one: one != index))
    assert not merkle.verify_inclusion(leaf, other, size, proof, root)
    assert not merkle.verify_inclusion(merkle.leaf_hash(b"another"), index, size, proof, root)
    assert not merkle.verify_inclusion(leaf, index, size, [*proof, root], root)
    assert not merkle.verify_inclusion(leaf, index, size, proof, mth([*leaves, b"more"]))
    if proof:
        changed = data.draw(st.integers(0, len(proof) - 1))
        assert not merkle.verify_inclusion(leaf, index, size, [*proof[:changed], bytes(32), *proof[changed + 1:]], root)
        assert not merkle.verify_inclusion(leaf, index, size, proof[:-1], root)


@given(sizes, st.data())
def test_consistency(second: int, data: st.DataObject) -> None:
    leaves, first = some(second), data.draw(st.integers(0, second))
    proof = merkle.consistency_proof(first, second, nodes(leaves))
    old, new = mth(leaves[:first]), mth(leaves)
    assert proof == ([] if first == 0 else subproof(first, leaves, True))
    assert merkle.verify_consistency(first, second, old, new, proof)
    assert not merkle.verify_consistency(first, second, bytes(32), new, proof)
    assert not merkle.verify_consistency(first, second, old, new, [*proof, new])
    assert not merkle.verify_consistency(second + 1, second, old, new, proof)
    if first:
        assert not merkle.verify_consistency(first, second, old, bytes(32), proof)
    if proof:
        changed = data.draw(st.integers(0, len(proof) - 1))
        assert not merkle.verify_consistency(first, second, old, new, [*proof[:changed], bytes(32), *proof[changed + 1:]])
        assert not merkle.verify_consistency(first, second, old, new, proof[:-1])
        rewritten = [*some(first)[:-1], b"another", *leaves[first:]]  # the past is not what it was
        assert not merkle.verify_consistency(
            first, second, old, mth(rewritten), merkle.consistency_proof(first, second, nodes(rewritten))
        )


@given(sizes, st.data())
def test_a_tree_known_by_any_of_its_subtrees(size: int, data: st.DataObject) -> None:
    """Whatever the pieces, their frontier has the tree's root: what an export rests on."""
    leaves, frontier = some(size), merkle.Frontier()
    while frontier.size < size:
        end = data.draw(st.integers(frontier.size + 1, size))
        for level, index in merkle.subtrees(frontier.size, end):
            frontier.add(nodes(leaves)(level, index), level)
        assert frontier.root() == mth(leaves[:end]) == merkle.root_at(end, nodes(leaves))


@given(sizes)
def test_every_complete_subtree_is_told(size: int) -> None:
    leaves, told = some(size), {}
    frontier = merkle.Frontier(lambda level, index, node: told.update({(level, index): node}))
    for one in leaves:
        frontier.add(merkle.leaf_hash(one))
    expected = {(level, index) for level in range(1, 8) for index in range(size >> level)}
    assert told == {(level, index): nodes(leaves)(level, index) for level, index in expected}


def test_a_piece_must_begin_where_the_tree_ends() -> None:
    frontier = merkle.Frontier()
    frontier.add(bytes(32))
    with pytest.raises(merkle.NotContiguous):
        frontier.add(bytes(32), level=1)
    with pytest.raises(ValueError, match="leaf 3 of 3"):
        merkle.inclusion_proof(3, 3, nodes(some(3)))
    with pytest.raises(ValueError, match="from 4 to 3"):
        merkle.consistency_proof(4, 3, nodes(some(3)))
