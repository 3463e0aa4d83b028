"""Whenever the power goes, nothing is lost that was seen: files are rebuilt without what was not synced."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Final

import pytest

from budgets.anchor import Anchor
from budgets.errors import BudgetError
from budgets.sql_ledger import SqlLedger
from tests.budgets.ledger_model import result_of
from tests.budgets.ledger_samples import Clock, url_of
from tests.faults.injection import MARK, traced
from tests.faults.judging import require_sound
from tests.faults.power import TRACED, Disk, calls_of
from tests.faults.steps import SECONDS_A_STEP, STEPS, child, open_at

_SEED: Final = 20261124

Call = tuple[str, str, int]


def recorded(directory: Path, settings: dict[str, str]) -> tuple[Disk, list[Call]]:
    """The disk before a whole run, and the calls of the run."""
    directory.mkdir()
    url, anchor, log = url_of(directory), directory / "anchor.json", directory.with_suffix(".log")
    open_at(url, anchor, 0).close()
    disk = Disk.of(directory)
    options = ("-xx", "-s", "1000000", "-e", f"trace={TRACED}")
    with (
        child(url, anchor, {**settings, "mark": str(directory / MARK)}) as started,
        traced(started, directory, log, *options),
    ):
        started.go()
        assert started.results()[-1] == "closed"
    return disk, list(calls_of(log))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Disk, list[Call]]:
    return recorded(tmp_path_factory.mktemp("full") / "ledger", {})


@pytest.fixture(scope="module")
def anchored(tmp_path_factory: pytest.TempPathFactory) -> list[int]:
    """The entry that the anchor has seen before the first step, and after each."""
    directory, clock = tmp_path_factory.mktemp("anchored"), Clock()
    anchor = directory / "anchor.json"
    ledger = SqlLedger(url_of(directory), anchor=anchor, clock=clock)
    seen = [0]
    for step in STEPS:
        result_of(lambda step=step: step(ledger))  # type: ignore[misc]
        clock.forward(SECONDS_A_STEP)
        head = Anchor(anchor).read()
        assert head is not None
        seen.append(head.seq)
    ledger.close()
    return seen


def cuts(
    run: tuple[Disk, list[Call]], scratch: Path, chance: random.Random | None, wanted: Callable[[int, Call, Disk], bool]
) -> Iterator[tuple[Path, list[str]]]:
    """What each power cut leaves that is wanted, and what had been seen before it."""
    disk, calls = deepcopy(run[0]), run[1]
    for number, call in enumerate(calls):
        disk.play(*call)
        if wanted(number, call, disk):
            left = scratch / str(number)
            disk.rebuild(left, chance)
            yield left, list(disk.told)
            shutil.rmtree(left)


def is_mark(call: Call, disk: Disk) -> bool:
    """Says whether somebody has just seen a result."""
    name, arguments, _ = call
    return name == "write" and disk.opened.get(int(arguments.split(",", 1)[0]), ("",))[0] == MARK


def require_nothing_lost(left: Path, told: list[str], anchored: list[int]) -> None:
    head = Anchor(left / "anchor.json").read()
    assert (0 if head is None else head.seq) >= anchored[len(told)]
    require_sound(url_of(left), left / "anchor.json", told)


def test_a_disk_that_keeps_only_what_was_synced_loses_nothing_that_was_seen(
    run: tuple[Disk, list[Call]], tmp_path: Path, anchored: list[int]
) -> None:
    seen = 0
    for left, told in cuts(run, tmp_path, None, lambda _number, call, disk: is_mark(call, disk)):
        require_nothing_lost(left, told, anchored)
        seen += 1
    assert seen == len(STEPS)


def test_a_disk_that_keeps_some_of_what_was_not_synced_loses_nothing_that_was_seen(
    run: tuple[Disk, list[Call]], tmp_path: Path, anchored: list[int]
) -> None:
    chance = random.Random(_SEED)
    at = set(chance.sample(range(len(run[1])), 15))
    for left, told in cuts(run, tmp_path, chance, lambda number, *_: number in at):
        require_nothing_lost(left, told, anchored)


@pytest.mark.faults
@pytest.mark.parametrize("seed", [None, 1, 2, 3])
def test_a_power_cut_after_any_call_loses_nothing_that_was_seen(
    run: tuple[Disk, list[Call]], tmp_path: Path, anchored: list[int], seed: int | None
) -> None:
    chance = None if seed is None else random.Random(seed)
    for left, told in cuts(run, tmp_path, chance, lambda *_: True):
        require_nothing_lost(left, told, anchored)


def lost(run: tuple[Disk, list[Call]], scratch: Path, anchored: list[int]) -> int:
    """After how many of the calls that returned a power cut loses something of what was seen."""
    failed = 0
    for left, told in cuts(run, scratch, None, lambda _number, call, disk: is_mark(call, disk)):
        try:
            require_nothing_lost(left, told, anchored)
        except (AssertionError, BudgetError):
            failed += 1
    return failed


def test_without_a_sync_at_each_commit_much_is_lost(tmp_path: Path, anchored: list[int]) -> None:
    """The control: SQLite with `synchronous=NORMAL`, which the ledger refuses."""
    scratch = tmp_path / "cuts"
    scratch.mkdir()
    run = recorded(tmp_path / "ledger", {"synchronous": "NORMAL"})
    assert lost(run, scratch, anchored) > len(STEPS) // 2


@pytest.mark.parametrize("file", ["anchor.json", "ledger.sqlite-wal"])
def test_without_the_syncs_of_one_file_much_is_lost(
    run: tuple[Disk, list[Call]], tmp_path: Path, anchored: list[int], file: str
) -> None:
    """The control of the anchor, and of the commit: the same run on a disk that ignores the syncs of the file."""
    disk, calls = run
    kept, opened = [], {}
    for call, arguments, result in calls:
        if call == "openat" and result >= 0:
            opened[result] = arguments
        name = "".join(f"\\x{byte:02x}" for byte in f"/{file}".encode()) + '"'
        if call == "fdatasync" and name in opened[int(arguments)]:
            continue
        kept.append((call, arguments, result))
    assert len(kept) < len(calls)
    assert lost((disk, kept), tmp_path, anchored) > len(STEPS) // 4
