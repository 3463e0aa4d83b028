r"""The Merkle tree of RFC 9162, section 2.1 (that of RFC 6962, section 2.1), over bytes that only ever get more.

>>> MerkleTree([b"", b"\x00"]).root().hex()[:16]
'fac54203e7cc696c'
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

HASH_BYTES: Final = 32


def leaf_hash(leaf: bytes) -> bytes:
    """MTH({d}) = SHA-256(0x00 || d)."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right): the other first byte keeps a node from passing for a leaf."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class MerkleTree:
    """Keeps the hash of every complete subtree, 64 bytes a leaf: roots and proofs take O(log² n) hashes."""

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        self._levels = [bytearray()]  # level k: the hashes of the complete subtrees of 2**k leaves, one after the other
        for leaf in leaves:
            self.append(leaf)

    @property
    def size(self) -> int:
        return len(self._levels[0]) // HASH_BYTES

    def append(self, leaf: bytes) -> None:
        node, index, level = leaf_hash(leaf), self.size, 0
        self._levels[0] += node
        while index & 1:
            node = node_hash(self._at(level, index - 1), node)
            index, level = index >> 1, level + 1
            if level == len(self._levels):
                self._levels.append(bytearray())
            self._levels[level] += node

    def root(self, size: int | None = None) -> bytes:
        """The root over the first `size` leaves; over all unless given. `size` is at most that of the tree."""
        return self._over(0, self.size if size is None else size)

    def path(self, index: int, size: int) -> tuple[bytes, ...]:
        """PATH(index, D[size]) of RFC 9162, 2.1.3.1: the siblings from the leaf up, for 0 <= index < size."""
        found, start, stop = [], 0, size
        while stop - start > 1:
            middle = start + _split(stop - start)
            if index < middle:
                found.append(self._over(middle, stop))
                stop = middle
            else:
                found.append(self._over(start, middle))
                start = middle
        return tuple(reversed(found))

    def consistency(self, first: int, second: int) -> tuple[bytes, ...]:
        """PROOF(first, D[second]) of RFC 9162, 2.1.4.1, for 0 < first <= second; empty where both are one."""
        found, start, stop = [], 0, second
        while first != stop:
            middle = start + _split(stop - start)
            if first <= middle:
                found.append(self._over(middle, stop))
                stop = middle
            else:
                found.append(self._over(start, middle))
                start = middle
        if start > 0:
            found.append(self._over(start, stop))
        return tuple(reversed(found))

    def _over(self, start: int, stop: int) -> bytes:
        """The hash over the leaves from `start` to before `stop`, which begin a subtree of the whole tree."""
        size = stop - start
        if size == 0:
            return hashlib.sha256(b"").digest()
        if size & (size - 1) == 0:
            return self._at(size.bit_length() - 1, start // size)
        middle = start + _split(size)
        return node_hash(self._over(start, middle), self._over(middle, stop))

    def _at(self, level: int, index: int) -> bytes:
        return bytes(self._levels[level][index * HASH_BYTES : (index + 1) * HASH_BYTES])


def is_included(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether `path` shows that the leaf stands at `index` in the tree of this size and root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    place, last, found = index, size - 1, leaf_hash(leaf)
    for sibling in path:
        if last == 0:
            return False
        if place & 1 or place == last:
            found = node_hash(sibling, found)
            place, last = _up(place, last)
        else:
            found = node_hash(found, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and found == root


def is_consistent(first: int, second: int, first_root: bytes, second_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether `proof` shows that the second tree continues the first (RFC 9162, 2.1.4.2); true for an empty first."""
    if not 0 <= first <= second:
        return False
    if first in (0, second):
        return not proof and (first == 0 or first_root == second_root)
    nodes = [first_root, *proof] if first & (first - 1) == 0 else list(proof)
    if not nodes:
        return False
    place, last = _level_of(first - 1, second - 1)
    old = new = nodes[0]
    for node in nodes[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            old, new = node_hash(node, old), node_hash(node, new)
            place, last = _up(place, last)
        else:
            new = node_hash(new, node)
        place, last = place >> 1, last >> 1
    return last == 0 and old == first_root and new == second_root


def _split(size: int) -> int:
    """The largest power of two below `size`, for a size of 2 and more."""
    return 1 << ((size - 1).bit_length() - 1)


def _up(place: int, last: int) -> tuple[int, int]:
    """Leaves the levels at which the node at the right edge has no sibling."""
    while place and not place & 1:
        place, last = place >> 1, last >> 1
    return place, last


def _level_of(place: int, last: int) -> tuple[int, int]:
    while place & 1:
        place, last = place >> 1, last >> 1
    return place, last
