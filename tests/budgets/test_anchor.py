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


def fail(*_: object) -> None:
    raise OSError("power cut")


@pytest.mark.parametrize("moves", [1, 2])
@pytest.mark.parametrize("call", ["pwrite", "fdatasync"])
def test_a_disk_that_refuses_leaves_the_entry_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, moves: int
) -> None:
    anchor = Anchor(tmp_path / "anchor.json")
    for seq in range(1, moves + 1):
        anchor.advance(Head(seq, f"hash {seq}"))
    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match="power cut"):
        anchor.advance(Head(moves + 1, "next"))
    monkeypatch.undo()
    assert anchor.read() == Head(moves, f"hash {moves}")
    anchor.advance(Head(moves + 1, "next"))
    assert anchor.read() == Head(moves + 1, "next")


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_disk_that_refuses_the_first_write_leaves_no_anchor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    anchor = Anchor(tmp_path / "anchor.json")
    monkeypatch.setattr(*((os, call, fail) if call == "fsync" else (Path, call, fail)))
    with pytest.raises(OSError, match="power cut"):
        anchor.advance(Head(1, "one"))
    monkeypatch.undo()
    assert anchor.read() is None


def test_who_finds_the_entry_there_already_waits_for_the_disk_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    anchor = Anchor(tmp_path / "anchor.json")
    anchor.advance(Head(2, "two"))
    monkeypatch.setattr(os, "fdatasync", fail)
    with pytest.raises(OSError, match="power cut"):
        anchor.advance(Head(1, "one"))
    assert anchor.read() == Head(2, "two")


@pytest.mark.parametrize("moves", [2, 3])
def test_a_place_that_was_torn_while_it_was_written_gives_way_to_the_one_before(tmp_path: Path, moves: int) -> None:
    anchor = Anchor(tmp_path / "anchor.json")
    whole = []
    for seq in range(1, moves + 1):
        anchor.advance(Head(seq, f"hash {seq}"))
        whole.append(anchor.path.read_bytes())
    changed = [at for at in range(len(whole[-1])) if whole[-1][at] != whole[-2][at]]
    assert changed
    assert len({at // 4096 for at in changed}) == 1
    for cut in changed:
        anchor.path.write_bytes(whole[-1][:cut] + whole[-2][cut:])
        assert anchor.read() == Head(moves - 1, f"hash {moves - 1}")


@pytest.mark.parametrize("at", [2, 90, 4000, 4095])
def test_any_changed_byte_makes_a_place_worthless(tmp_path: Path, at: int) -> None:
    anchor = Anchor(tmp_path / "anchor.json")
    for seq in (1, 2):
        anchor.advance(Head(seq, f"hash {seq}"))
    content = bytearray(anchor.path.read_bytes())
    content[at + 4096] ^= 1
    anchor.path.write_bytes(content)
    assert anchor.read() == Head(1, "hash 1")
    content[at] ^= 1
    anchor.path.write_bytes(content)
    for use in (anchor.read, lambda: anchor.advance(Head(9, "nine"))):
        with pytest.raises(LedgerCorruptError):
            use()


@pytest.mark.parametrize("seq", [1, 2, 3])
def test_an_anchor_of_the_version_before_is_read_and_moves_on(tmp_path: Path, seq: int) -> None:
    anchor = Anchor(tmp_path / "anchor.json")
    anchor.path.write_text('{"hash":"two","seq":2}')
    assert anchor.read() == Head(2, "two")
    anchor.advance(Head(seq, "new"))
    assert anchor.read() == (Head(3, "new") if seq == 3 else Head(2, "two"))
    assert b'"check"' in anchor.path.read_bytes()
