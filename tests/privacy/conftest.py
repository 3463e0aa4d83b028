"""What the attacks share: neighbouring datasets behind one running service."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from service.logs import configure_logs
from tests.privacy.stores import Service, load, make_keys, running, settings_of


@dataclass(frozen=True)
class Neighbours:
    """The service over `full` and `less`, and all that it has logged."""

    service: Service
    logs: io.StringIO


@pytest.fixture(scope="package")
def neighbours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Neighbours]:
    settings = settings_of(tmp_path_factory.mktemp("neighbours"))
    load(settings, "full", heavy=True)
    load(settings, "less", heavy=False)
    logs = io.StringIO()
    configure_logs("debug", "json", logs)
    with running(settings, make_keys(settings)) as service:
        yield Neighbours(service, logs)
    configure_logs("error", "json")


@pytest.fixture
def service(neighbours: Neighbours) -> Service:
    return neighbours.service
