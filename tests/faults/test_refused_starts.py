"""A ledger that was put back, cut or damaged is refused, or it holds exactly what it held."""

from __future__ import annotations

import random
import re
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from budgets import audit
from budgets.errors import BudgetError, LedgerBehindAnchorError, LedgerCorruptError, LedgerUnavailableError
from budgets.sql_ledger import SqlLedger
from tests.budgets.ledger_model import result_of, view_of
from tests.budgets.ledger_samples import Clock, anchored_in, url_of
from tests.faults.steps import SECONDS_A_STEP, STEPS, answer_of, open_at

_SEED: Final = 20261124


def make(directory: Path, after_step: Callable[[int], object]) -> None:
    """A ledger after all steps, closed; something is done after each."""
    clock = Clock()
    ledger = SqlLedger(url_of(directory), anchor=directory / "anchor.json", clock=clock)
    for number, step in enumerate(STEPS):
        result_of(lambda step=step: step(ledger))  # type: ignore[misc]
        clock.forward(SECONDS_A_STEP)
        after_step(number)
    ledger.close()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed ledger, with a backup from after each step that is as good as any, and what it was while in use."""
    directory = tmp_path_factory.mktemp("whole")

    def back_up(number: int) -> None:
        with sqlite3.connect(directory / "ledger.sqlite") as source:
            source.execute("VACUUM INTO ?", (str(directory / f"backup-{number}"),))
        source.close()
        (directory / "in-use").mkdir(exist_ok=True)
        for end in ("", "-wal"):
            shutil.copy(directory / f"ledger.sqlite{end}", directory / "in-use")

    make(directory, back_up)
    return directory


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    directory = tmp_path / "copy"
    directory.mkdir()
    for name in ("ledger.sqlite", "anchor.json"):
        shutil.copy(whole / name, directory)
    return directory


def open_copy(directory: Path) -> SqlLedger:
    return open_at(url_of(directory), directory / "anchor.json", len(STEPS))


def content(ledger: SqlLedger) -> tuple[object, ...]:
    """All that the ledger says: every entry, what can be seen, and which keys are taken."""
    keys = [
        result_of(lambda key=key, who=who: ledger.replay(who, key, "e" * 64))  # type: ignore[misc]
        for key in map("key-{}".format, "abcdefg")
        for who in ("ada", "ben")
    ]
    return view_of(ledger), ledger.entries(after_seq=0, limit=1000), keys


def test_each_backup_is_sound_alone_and_refused_beside_an_anchor_that_saw_more(whole: Path, copy: Path) -> None:
    last = anchored_in(whole).seq
    refused = 0
    for number in range(len(STEPS)):
        shutil.copy(whole / f"backup-{number}", copy / "ledger.sqlite")
        assert audit.verify(copy / "ledger.sqlite").problems == ()
        entries = audit.verify(copy / "ledger.sqlite").entries
        if entries < last:
            refused += 1
            with pytest.raises(LedgerBehindAnchorError):
                open_copy(copy)
            assert audit.verify(copy / "ledger.sqlite", anchor=copy / "anchor.json").problems
    assert refused >= len(STEPS) - 3


def test_a_log_that_was_deleted_takes_committed_content_along_and_is_missed(whole: Path, copy: Path) -> None:
    for name in ("ledger.sqlite", "ledger.sqlite-wal"):
        shutil.copy(whole / "in-use" / name, copy)
    assert (copy / "ledger.sqlite-wal").stat().st_size > 0
    (copy / "ledger.sqlite-wal").unlink()
    with pytest.raises((LedgerBehindAnchorError, LedgerUnavailableError)):
        open_copy(copy)


def test_a_log_that_was_kept_is_read(whole: Path, copy: Path) -> None:
    """The control: the same files with their log are the whole ledger."""
    for name in ("ledger.sqlite", "ledger.sqlite-wal"):
        shutil.copy(whole / "in-use" / name, copy)
    ledger = open_copy(copy)
    assert ledger.head().seq >= anchored_in(whole).seq
    ledger.close()


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_log_that_was_cut_is_missed(whole: Path, copy: Path, share: float) -> None:
    for name in ("ledger.sqlite", "ledger.sqlite-wal"):
        shutil.copy(whole / "in-use" / name, copy)
    log = copy / "ledger.sqlite-wal"
    log.write_bytes(log.read_bytes()[: int(log.stat().st_size * share)])
    with pytest.raises((LedgerBehindAnchorError, LedgerUnavailableError)):
        open_copy(copy)


def test_a_backup_is_not_missed_without_an_anchor(whole: Path, copy: Path) -> None:
    """The control: only the anchor knows; without one the old copy opens."""
    (copy / "anchor.json").unlink()
    shutil.copy(whole / "backup-10", copy / "ledger.sqlite")
    open_copy(copy).close()


def unharmed(directory: Path, expected: tuple[object, ...]) -> bool:
    """Says whether a damaged ledger still says exactly what it said; False if the start or the audit refuses it.

    Raises AssertionError if it opens, is sound for the audit, and says something else.
    """
    try:
        ledger = open_copy(directory)
    except BudgetError:
        return False
    try:
        if not audit.verify(ledger, anchor=directory / "anchor.json").is_sound:
            return False
        assert content(ledger) == expected
    except BudgetError:
        return False
    finally:
        ledger.close()
    return True


def flip(directory: Path, whole: Path, offset: int, bit: int) -> None:
    damaged = bytearray((whole / "ledger.sqlite").read_bytes())
    damaged[offset] ^= 1 << bit
    for left in directory.glob("ledger.sqlite-*"):
        left.unlink()
    (directory / "ledger.sqlite").write_bytes(damaged)
    shutil.copy(whole / "anchor.json", directory)


@pytest.mark.parametrize(
    "samples", [pytest.param(60, id="short"), pytest.param(5_000, id="long", marks=pytest.mark.faults)]
)
def test_a_flipped_bit_is_refused_or_changes_nothing(whole: Path, copy: Path, samples: int) -> None:
    ledger = open_copy(copy)
    expected = content(ledger)
    ledger.close()
    chance, size = random.Random(_SEED), (whole / "ledger.sqlite").stat().st_size
    refused = 0
    for _ in range(samples):
        flip(copy, whole, chance.randrange(size), chance.randrange(8))
        refused += not unharmed(copy, expected)
    # The rest are bits that mean nothing: unused parts of pages, mostly.
    assert refused > samples // 20


def test_a_text_that_changes_anywhere_in_the_file_is_missed_also_in_an_index(whole: Path, copy: Path) -> None:
    ledger = open_copy(copy)
    expected = content(ledger)
    entry, reserved = ledger.entries(after_seq=5, limit=1)[0], ledger.entries(after_seq=4, limit=1)[0]
    ledger.close()
    file = (whole / "ledger.sqlite").read_bytes()
    for text in (entry.hash, entry.payload[:40], reserved.facts["key_digest"], answer_of("a").body[:40]):
        found = [
            each.start() for each in re.finditer(re.escape(text if isinstance(text, bytes) else text.encode()), file)
        ]
        assert found, text
        for offset in found:
            flip(copy, whole, offset + 1, 0)
            assert not unharmed(copy, expected), (text, offset)


def test_an_anchor_with_no_whole_place_is_refused(copy: Path) -> None:
    (copy / "anchor.json").write_bytes(b"\0" * 8192)
    with pytest.raises(LedgerCorruptError):
        open_copy(copy)
