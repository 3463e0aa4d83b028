"""A running app over a real SQLite ledger, with fakes for the vault and for the work on private rows."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.auth import ROLES
from service.logs import configure_logs
from service.settings import Settings
from tests.service.harness import Harness, open_harness


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "var", response_grid_ms=0, log_level="debug")


@pytest.fixture
def logs() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    configure_logs("debug", "json", stream)
    yield stream
    configure_logs("error", "json")


@pytest.fixture
def harness(settings: Settings, logs: io.StringIO) -> Iterator[Harness]:
    with open_harness(settings, logs) as running:
        assert set(running.keys) == {*ROLES, "other", "officer2"}
        yield running
