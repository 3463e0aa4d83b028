"""What tests of the query core share."""

from collections.abc import Iterator

import pytest

from tests.queries.retailer import Retailer


@pytest.fixture(scope="session")
def retailer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Retailer]:
    world = Retailer(tmp_path_factory.mktemp("retailer"))
    yield world
    world.close()
