"""The anchor moves forward only, durably, and says so when it cannot be read."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from budgets.anchor import Anchor
from budgets.errors import LedgerCorruptError
from budgets.ledger import Head


def test_an_anchor_that_was_never_written_is_absent(tmp_path: Path) -> None:
    assert Anchor(tmp_path / "anchor.json").read() is None


def test_an_anchor_never_moves_back(tmp_path: Path) -> None:
    anchor = Anchor(tmp_path / "anchor.json")
    for seq in (3, 1, 2, 3):
        anchor.advance(Head(seq, f"hash {seq}"))
    assert anchor.read() == Head(3, "hash 3")


def test_of_many_writers_the_furthest_wins(tmp_path: Path) -> None:
    anchor = Anchor(tmp_path / "anchor.json")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda seq: anchor.advance(Head(seq, str(seq))), [(7 * n) % 101 for n in range(101)]))
    assert anchor.read() == Head(100, "100")


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", '{"seq": 1}', '{"seq": "x", "hash": "y"}', "{", "\x00"])
def test_an_anchor_that_makes_no_sense_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "anchor.json").write_text(text)
    with pytest.raises(LedgerCorruptError):
        Anchor(tmp_path / "anchor.json").read()


def test_a_crash_while_it_is_written_leaves_the_old_anchor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    anchor = Anchor(tmp_path / "anchor.json")
    anchor.advance(Head(1, "one"))

    def fail(_: int) -> None:
        raise OSError("power cut")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="power cut"):
        anchor.advance(Head(2, "two"))
    monkeypatch.undo()
    assert anchor.read() == Head(1, "one")
    anchor.advance(Head(2, "two"))
    assert anchor.read() == Head(2, "two")
