"""Where the disk is full or fails, each call has happened or is unavailable, and nothing that was seen is lost."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

from budgets.errors import LedgerUnavailableError
from tests.budgets.ledger_samples import ADA, url_of
from tests.faults.injection import run
from tests.faults.judging import possible_after, require_sound
from tests.faults.steps import expected_results

_SEED: Final = 20261124
ERRORS: Final = (
    ("pwrite64", "ENOSPC"),
    ("pwrite64", "EIO"),
    ("fdatasync", "EIO"),
    ("openat", "EMFILE"),
    ("openat", "EIO"),
    ("flock", "EIO"),
    ("ftruncate", "EIO"),
)
UNAVAILABLE: Final = LedgerUnavailableError.__name__


def check(empty: Path, directory: Path, name: str, error: str, when: str) -> list[str]:
    """Returns how the calls ended of a run whose disk failed there; what is left is sound."""
    shutil.copytree(empty, directory)
    inject = f"inject={name}:error={error}:when={when}"
    told = run(directory, directory.with_suffix(".log"), "-e", f"trace={name}", "-e", inject)
    results = [result for result in told if result not in ("open", "closed")]
    require_sound(url_of(directory), directory / "anchor.json", results)
    shutil.rmtree(directory)
    return results


@pytest.mark.parametrize(("name", "error"), ERRORS)
def test_a_disk_that_fails_once_leaves_a_sound_ledger(
    empty: Path, tmp_path: Path, points: list[tuple[str, int]], name: str, error: str
) -> None:
    count = Counter(name for name, _ in points)[name]
    number = random.Random(f"{_SEED}{name}{error}").randint(1, count)
    check(empty, tmp_path / "ledger", name, error, str(number))


@pytest.mark.parametrize(("name", "error"), [("pwrite64", "ENOSPC"), ("fdatasync", "EIO")])
def test_a_disk_that_fails_for_good_makes_each_write_unavailable(
    empty: Path, tmp_path: Path, points: list[tuple[str, int]], name: str, error: str
) -> None:
    count = Counter(name for name, _ in points)[name]
    results = check(empty, tmp_path / "ledger", name, error, f"{count // 2}+")
    first = results.index(UNAVAILABLE)
    assert results[:first] == expected_results()[:first]
    assert "ok" not in results[first + 1 :]


@pytest.mark.faults
@pytest.mark.parametrize("lasting", ["", "+"])
@pytest.mark.parametrize(("name", "error"), ERRORS)
def test_a_disk_that_fails_at_any_call_leaves_a_sound_ledger(
    empty: Path, tmp_path: Path, points: list[tuple[str, int]], name: str, error: str, lasting: str
) -> None:
    for each, number in points:
        if each == name:
            check(empty, tmp_path / "ledger", name, error, f"{number}{lasting}")


def test_the_judge_takes_a_write_for_a_late_one_only_if_nothing_was_written_after_it() -> None:
    opened = ["account-opened"]
    behind = [model.known.keys() for model in possible_after(["ok", UNAVAILABLE], opened)]
    assert any(ADA.id in known for known in behind)
    assert all(ADA.id not in model.known for model in possible_after(["ok", UNAVAILABLE, "ok"], opened * 2))
