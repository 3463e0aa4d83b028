"""What every test starts from: no setting of the caller's shell reaches the code under test."""

import os

import pytest


@pytest.fixture(autouse=True)
def _settings_come_from_the_test_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("KVITTO_")]:
        monkeypatch.delenv(name)
