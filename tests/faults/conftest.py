"""What the tests of faults share: an empty ledger, the system calls of a whole run, and the PostgreSQL server."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.budgets.conftest import postgres  # noqa: F401  # a fixture
from tests.budgets.ledger_samples import url_of
from tests.faults.injection import CHANGING, counted, run
from tests.faults.judging import require_sound
from tests.faults.steps import expected_results, open_at


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with its tables and no entry."""
    directory = tmp_path_factory.mktemp("empty")
    open_at(url_of(directory), directory / "anchor.json", 0).close()
    return directory


@pytest.fixture(scope="session")
def points(empty: Path, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, int]]:
    """Each changing system call of a whole run: its name, and which of that name it is."""
    directory = tmp_path_factory.mktemp("counted") / "ledger"
    log = directory.parent / "log"
    shutil.copytree(empty, directory)
    results = run(directory, log, "-e", f"trace={','.join(CHANGING)}")
    assert results == ["open", *expected_results(), "closed"]
    require_sound(url_of(directory), directory / "anchor.json", results[1:-1])
    return [(name, number) for name, count in counted(log, CHANGING).items() for number in range(1, count + 1)]
