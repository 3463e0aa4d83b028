"""What every test starts from: no setting of the caller's shell reaches the code, and no test has a deadline."""

import os

import pytest
from hypothesis import HealthCheck, settings

# No test is timed: a busy machine makes any step slow.
settings.register_profile("kvitto", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("kvitto")


@pytest.fixture(autouse=True)
def _settings_come_from_the_test_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("KVITTO_")]:
        monkeypatch.delenv(name)
