"""What the attacks over HTTP share: a service over two datasets that differ by one customer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.privacy.attacks.planted import load_planted
from tests.privacy.stores import Service, make_keys, running, settings_of


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    settings = settings_of(tmp_path_factory.mktemp("planted"))
    load_planted(settings)
    with running(settings, make_keys(settings)) as service:
        yield service
