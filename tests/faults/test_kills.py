"""Killed at any system call that changes a file, the ledger opens again and has lost nothing that was seen."""

from __future__ import annotations

import random
import shutil
import signal
from pathlib import Path
from typing import Final

import pytest

from budgets.sql_ledger import SqlLedger
from tests.budgets.ledger_model import result_of
from tests.budgets.ledger_samples import Clock, url_of
from tests.faults.injection import CHANGING, traced
from tests.faults.judging import require_sound
from tests.faults.steps import SECONDS_A_STEP, STEPS, child, expected_results

_SEED: Final = 20261124
_SAMPLE: Final = 12


def killed_at(empty: Path, directory: Path, name: str, number: int) -> list[str]:
    """The results that were seen of a run that was killed there."""
    shutil.copytree(empty, directory)
    log = directory.with_suffix(".log")
    inject = f"inject={name}:signal=SIGKILL:when={number}"
    with (
        child(url_of(directory), directory / "anchor.json") as started,
        traced(started, directory, log, "-e", f"trace={name}", "-e", inject),
    ):
        started.go()
        results = started.results()
        assert started.process.exitcode == -signal.SIGKILL, (name, number, results)
    return [result for result in results if result not in ("open", "closed")]


def check(empty: Path, scratch: Path, points: list[tuple[str, int]]) -> None:
    for name, number in points:
        directory = scratch / f"{name}-{number}"
        results = killed_at(empty, directory, name, number)
        require_sound(url_of(directory), directory / "anchor.json", results)
        shutil.rmtree(directory)


def test_killed_at_a_sample_of_system_calls_it_loses_nothing(
    empty: Path, tmp_path: Path, points: list[tuple[str, int]]
) -> None:
    kinds = {name for name, _ in points}
    assert {"pwrite64", "fdatasync", "openat", "flock"} <= kinds, kinds
    chosen = random.Random(_SEED).sample(points, _SAMPLE - len(kinds))
    one_of_each = [next(point for point in reversed(points) if point[0] == kind) for kind in sorted(kinds)]
    check(empty, tmp_path, one_of_each + chosen)


@pytest.mark.faults
@pytest.mark.parametrize("name", CHANGING)
def test_killed_at_any_system_call_it_loses_nothing(
    empty: Path, tmp_path: Path, points: list[tuple[str, int]], name: str
) -> None:
    check(empty, tmp_path, [point for point in points if point[0] == name])


@pytest.mark.faults
@pytest.mark.parametrize("name", CHANGING)
def test_killed_while_it_is_made_it_is_made_at_the_next_start(tmp_path: Path, name: str) -> None:
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    number = 0
    while True:
        number += 1
        directory = tmp_path / str(number)
        shutil.copytree(nothing, directory)
        inject = f"inject={name}:signal=SIGKILL:when={number}"
        with (
            child(url_of(directory), directory / "anchor.json") as started,
            traced(started, directory, tmp_path / "log", "-e", f"trace={name}", "-e", inject),
        ):
            started.go()
            messages = started.messages()
            if next(messages, "") == "open":
                return
        require_sound(url_of(directory), directory / "anchor.json", [])
        shutil.rmtree(directory)


@pytest.mark.parametrize("seen", [5, 7, 11, 18, 22])
def test_the_judge_sees_that_one_call_is_missing(empty: Path, tmp_path: Path, seen: int) -> None:
    """The control: what a ledger is after one call less than was seen, with the anchor of that moment."""
    directory = tmp_path / "ledger"
    shutil.copytree(empty, directory)
    url, anchor, clock = url_of(directory), directory / "anchor.json", Clock()
    ledger = SqlLedger(url, anchor=anchor, clock=clock)
    for step in STEPS[: seen - 1]:
        result_of(lambda step=step: step(ledger))  # type: ignore[misc]
        clock.forward(SECONDS_A_STEP)
    ledger.close()
    require_sound(url, anchor, expected_results()[: seen - 1])
    with pytest.raises(AssertionError, match="no sequence of calls"):
        require_sound(url, anchor, expected_results()[:seen])
