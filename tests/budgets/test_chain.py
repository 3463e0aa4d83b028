"""The tree follows the ledger, reads only what is new, and says so when history was changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from budgets.errors import LedgerCorruptError
from budgets.evidence import chain as chains
from budgets.evidence.chain import HEAD_TYPE, Chain, charged_at, entry_at, sealed_head
from budgets.evidence.merkle import MerkleTree, is_consistent, is_included
from budgets.evidence.sealed import unseal
from budgets.ledger import GENESIS_HASH, Head
from tests.budgets.evidence_samples import Recorded, written


@pytest.fixture
def recorded(tmp_path: Path) -> Iterator[Recorded]:
    found = written(tmp_path)
    yield found
    found.close()


def test_the_tree_has_the_entries_as_leaves(recorded: Recorded) -> None:
    entries = recorded.ledger.entries(after_seq=0, limit=1000)
    tree = Chain(recorded.ledger).tree()
    assert tree.root() == MerkleTree(bytes.fromhex(entry.hash) for entry in entries).root()
    for entry in entries:
        leaf, path = bytes.fromhex(entry.hash), tree.path(entry.seq - 1, tree.size)
        assert is_included(leaf, entry.seq - 1, tree.size, path, tree.root())


def test_only_what_is_new_is_read(recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    def noting(connection: object, after: int) -> Iterator[tuple[int, str, str]]:
        for link in links(connection, after):  # type: ignore[arg-type]
            read.append(link[0])
            yield link

    links = chains.links
    monkeypatch.setattr(chains, "links", noting)
    chain = Chain(recorded.ledger)
    size = chain.tree().size
    assert read == list(range(1, size + 1))
    read.clear()
    chain.tree()
    assert read == []
    recorded.answer("g", 5)
    assert chain.tree().size == size + 3
    assert read == [size + 1, size + 2, size + 3]


def test_heads_continue_each_other(recorded: Recorded) -> None:
    chain = Chain(recorded.ledger)
    first = unseal(sealed_head(chain.tree(), recorded.ledger.head(), recorded.keys), "head", HEAD_TYPE)
    first.require(recorded.keys.public)
    recorded.answer("g", 5)
    tree = chain.tree()
    second = unseal(sealed_head(tree, recorded.ledger.head(), recorded.keys), "head", HEAD_TYPE)
    sizes = first.content["tree_size"], second.content["tree_size"]
    roots = bytes.fromhex(first.content["root_hash"]), bytes.fromhex(second.content["root_hash"])
    assert sizes[0] < sizes[1]
    assert is_consistent(*sizes, *roots, tree.consistency(*sizes))
    assert second.content["ledger_head"] == recorded.ledger.head().hash


def test_entries_that_do_not_continue_those_before_are_refused(recorded: Recorded) -> None:
    chain = Chain(recorded.ledger)
    chain.tree()
    with sqlite3.connect(recorded.directory / "ledger.sqlite") as other:
        other.execute("DROP TRIGGER entries_no_update")
    recorded.answer("g", 5)
    with other:
        other.execute("UPDATE entries SET prev_hash = ? WHERE seq = (SELECT MAX(seq) - 2 FROM entries)", ("f" * 64,))
    other.close()
    with pytest.raises(LedgerCorruptError):
        chain.tree()


def test_a_charge_is_found_by_its_query(recorded: Recorded) -> None:
    found = charged_at(recorded.ledger, "q_a")
    assert found is not None
    (entry,) = recorded.ledger.entries(after_seq=found.seq - 1, limit=1)
    assert (entry.kind, entry.hash, entry.facts["query_id"]) == ("begun", found.hash, "q_a")
    assert entry_at(recorded.ledger, found.seq) == found
    assert charged_at(recorded.ledger, "q_c") is None  # a free repeat
    assert charged_at(recorded.ledger, "q_f") is None  # not begun
    assert entry_at(recorded.ledger, 0) == Head(0, GENESIS_HASH)
    assert entry_at(recorded.ledger, 10**6) is None
