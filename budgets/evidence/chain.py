"""The ledger's entries as leaves of a Merkle tree, and signed heads of it.

Leaf n - 1 is the hash of entry n, as 32 bytes: it binds the entry's content and all entries before it. A tree head is
what an auditor keeps: two heads and a proof between them show that nothing before the first was changed or taken away.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Final, Protocol

import sqlalchemy as sa
from sqlalchemy import Connection

from budgets.errors import LedgerCorruptError
from budgets.evidence.merkle import MerkleTree
from budgets.evidence.sealed import Signer, seal
from budgets.ledger import GENESIS_HASH, STATES, Entry, Head, Ledger
from budgets.tables import ENTRIES, TRANSITIONS

HEAD_TYPE: Final = "kvitto-tree-head-1"
_LINKS: Final = (
    sa.select(ENTRIES.c.seq, ENTRIES.c.prev_hash, ENTRIES.c.hash)
    .where(ENTRIES.c.seq > sa.bindparam("after"))
    .order_by(ENTRIES.c.seq)
)
_CHARGED: Final = (
    sa.select(ENTRIES.c.seq, ENTRIES.c.hash)
    .join(TRANSITIONS, TRANSITIONS.c.seq == ENTRIES.c.seq)
    .where(TRANSITIONS.c.query_id == sa.bindparam("query_id"), TRANSITIONS.c.state == "begun")
)
_HASH: Final = sa.select(ENTRIES.c.hash).where(ENTRIES.c.seq == sa.bindparam("seq"))

_CHANGES: Final = sa.select(ENTRIES).where(ENTRIES.c.kind.not_in(STATES)).order_by(ENTRIES.c.seq)


class Readable(Protocol):
    """A ledger whose tables can be read."""

    def reading(self) -> AbstractContextManager[Connection]:
        """Gives one consistent view of the database."""


class ReadableLedger(Ledger, Readable, Protocol):
    """A ledger that also gives evidence."""


def charged_at(ledger: Readable, query_id: str) -> Head | None:
    """The entry with which a query was charged for good; None if there is none."""
    with ledger.reading() as connection:
        row = connection.execute(_CHARGED, {"query_id": query_id}).one_or_none()
    return None if row is None else Head(row.seq, row.hash)


def entry_at(ledger: Readable, seq: int) -> Head | None:
    """Number and hash of an entry; seq 0 is the beginning of every chain."""
    if seq == 0:
        return Head(0, GENESIS_HASH)
    with ledger.reading() as connection:
        found = connection.execute(_HASH, {"seq": seq}).scalar_one_or_none()
    return None if found is None else Head(seq, found)


def links(connection: Connection, after: int) -> Iterator[tuple[int, str, str]]:
    """(seq, hash of the entry before, hash) of the entries behind `after`, in order."""
    options = {"yield_per": 10_000}
    for rows in connection.execute(_LINKS, {"after": after}, execution_options=options).partitions():
        yield from ((seq, before, own) for seq, before, own in rows)


def changes(ledger: Readable) -> Iterator[Entry]:
    """The entries that are no step of a query, in order: budgets opened and changed, and whatever else is decided."""
    with ledger.reading() as connection:
        for row in connection.execute(_CHANGES):
            yield Entry(*row)


class Chain:
    """The tree over a ledger's entries, kept in memory and made longer as they come. Safe for threads.

    Only entries that came since the last call are read and hashed; the first call reads the hashes of all.
    """

    def __init__(self, ledger: Readable) -> None:
        self._ledger = ledger
        self._tree = MerkleTree()
        self._newest = GENESIS_HASH
        self._growing = threading.Lock()

    def tree(self) -> MerkleTree:
        """The tree over all entries; it grows later. Raises LedgerCorruptError if they do not continue those before."""
        with self._growing, self._ledger.reading() as connection:
            for seq, before, own in links(connection, self._tree.size):
                if seq != self._tree.size + 1 or before != self._newest:
                    raise LedgerCorruptError(f"Entry {seq} does not continue the entries that were read before.")
                self._tree.append(bytes.fromhex(own))
                self._newest = own
        return self._tree


def sealed_head(tree: MerkleTree, newest: Head, signer: Signer) -> str:
    """The signed head of the tree over the entries up to `newest`."""
    return seal("head", tree_head(tree, newest), signer)


def tree_head(tree: MerkleTree, newest: Head) -> dict[str, object]:
    return {
        "type": HEAD_TYPE,
        "tree_size": newest.seq,
        "root_hash": tree.root(newest.seq).hex(),
        "ledger_head": newest.hash,
        "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    }
