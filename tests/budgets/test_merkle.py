"""The tree is that of RFC 9162: by the vectors of its reference implementation, and by the definition itself."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgets.evidence.merkle import MerkleTree, is_consistent, is_included, leaf_hash

# The vectors of Certificate Transparency's reference implementation of RFC 6962 (github.com/google/
# certificate-transparency, python/ct/crypto/merkle_test.py), also in Trillian (merkle/log_verifier_test.go).
LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
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
PATHS = {  # (index, size)
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
CONSISTENCIES = {
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}

leaves_of = st.lists(st.binary(max_size=8), max_size=70)


def defined_root(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 9162, section 2.1.1, word by word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = largest_power_below(len(leaves))
    return hashlib.sha256(b"\x01" + defined_root(leaves[:k]) + defined_root(leaves[k:])).digest()


def defined_path(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH of section 2.1.3.1."""
    if len(leaves) == 1:
        return []
    k = largest_power_below(len(leaves))
    if m < k:
        return [*defined_path(m, leaves[:k]), defined_root(leaves[k:])]
    return [*defined_path(m - k, leaves[k:]), defined_root(leaves[:k])]


def defined_proof(m: int, leaves: Sequence[bytes], known: int = 1) -> list[bytes]:
    """SUBPROOF of section 2.1.4.1."""
    if m == len(leaves):
        return [] if known else [defined_root(leaves)]
    k = largest_power_below(len(leaves))
    if m <= k:
        return [*defined_proof(m, leaves[:k], known), defined_root(leaves[k:])]
    return [*defined_proof(m - k, leaves[k:], 0), defined_root(leaves[:k])]


def largest_power_below(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


@pytest.mark.parametrize("size", range(9))
def test_roots_are_those_of_the_reference(size: int) -> None:
    assert MerkleTree(LEAVES[:size]).root().hex() == ROOTS[size]
    assert MerkleTree(LEAVES).root(size).hex() == ROOTS[size]


@pytest.mark.parametrize(("place", "path"), PATHS.items())
def test_paths_are_those_of_the_reference(place: tuple[int, int], path: list[str]) -> None:
    assert [node.hex() for node in MerkleTree(LEAVES).path(*place)] == path


@pytest.mark.parametrize(("sizes", "proof"), CONSISTENCIES.items())
def test_consistency_proofs_are_those_of_the_reference(sizes: tuple[int, int], proof: list[str]) -> None:
    assert [node.hex() for node in MerkleTree(LEAVES).consistency(*sizes)] == proof


@given(leaves_of, st.data())
def test_roots_paths_and_proofs_are_those_of_the_definition_at_every_size(
    leaves: list[bytes], data: st.DataObject
) -> None:
    tree = MerkleTree(leaves)
    size = data.draw(st.integers(0, len(leaves)))
    assert (tree.size, tree.root(size)) == (len(leaves), defined_root(leaves[:size]))
    if size:
        index, first = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
        path, proof = tree.path(index, size), tree.consistency(first, size)
        assert list(path) == defined_path(index, leaves[:size])
        assert list(proof) == defined_proof(first, leaves[:size])
        assert is_included(leaves[index], index, size, path, tree.root(size))
        assert is_consistent(first, size, tree.root(first), tree.root(size), proof)


@given(st.integers(1, 70), st.data())
def test_a_path_shows_one_leaf_at_one_place_of_one_tree_and_nothing_else(size: int, data: st.DataObject) -> None:
    leaves = [bytes([number]) for number in range(size)]
    tree, index = MerkleTree(leaves), data.draw(st.integers(0, size - 1))
    path, root = tree.path(index, size), tree.root()
    other = data.draw(st.integers(0, 70).filter(lambda place: place != index))
    assert not is_included(leaves[index], other, size, path, root)
    assert not is_included(b"other", index, size, path, root)
    assert not is_included(leaves[index], index, size, (*path, root), root)
    assert not is_included(leaves[index], index, size, path, leaf_hash(b"other"))
    if path:
        assert not is_included(leaves[index], index, size, path[:-1], root)
        assert not is_included(leaves[index], index, size, path[1:], root)


@given(st.integers(2, 70), st.data())
def test_no_proof_makes_a_rewritten_history_consistent(size: int, data: st.DataObject) -> None:
    leaves = [bytes([number]) for number in range(size)]
    first = data.draw(st.integers(1, size - 1))
    place = data.draw(st.integers(0, first - 1))
    tree, before = MerkleTree(leaves), MerkleTree([*leaves[:place], b"other", *leaves[place + 1 : first]])
    proof = tree.consistency(first, size)
    assert not is_consistent(first, size, before.root(), tree.root(), proof)
    assert not is_consistent(first, size, tree.root(first), tree.root(), (*proof, tree.root()))
    assert not is_consistent(first, size, tree.root(first), tree.root(), proof[:-1])
    assert not is_consistent(size, first, tree.root(), tree.root(first), proof)


def test_nothing_is_in_an_empty_tree_and_everything_continues_it() -> None:
    tree = MerkleTree(LEAVES)
    assert not is_included(b"", 0, 0, (), MerkleTree().root())
    assert is_consistent(0, 8, MerkleTree().root(), tree.root(), ())
    assert not is_consistent(0, 8, MerkleTree().root(), tree.root(), (tree.root(),))


def test_a_node_does_not_pass_for_a_leaf() -> None:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert MerkleTree([b"a", b"b"]).root() != MerkleTree([left + right]).root()


def test_a_proof_in_a_tree_does_not_pass_for_one_in_a_larger_tree() -> None:
    """Size and root are signed together; a verifier that is given another size must notice by itself."""
    tree = MerkleTree(LEAVES)
    assert is_included(LEAVES[0], 0, 4, tree.path(0, 4), tree.root(4))
    assert not is_included(LEAVES[0], 0, 8, tree.path(0, 4), tree.root(4))
    assert is_consistent(1, 4, tree.root(1), tree.root(4), tree.consistency(1, 4))
    assert not is_consistent(1, 8, tree.root(1), tree.root(4), tree.consistency(1, 4))
