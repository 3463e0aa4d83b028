"""What only one customer bought does not show: neither by a threshold nor by a public list."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from queries.mechanisms import Threshold
from queries.release import release
from tests.privacy.market import Customer, Market
from tests.privacy.statements import line
from tests.queries.fixed_engine import FixedEngine

RELEASES = 2_000
RARE, COMMON = 77, 5
OPTIONS = {"delta": "1e-12"}  # so that a false alarm of 2,000 releases has a probability of 2e-9
VICTIM = Customer(tuple(line(ticket=RARE, product=4) for _ in range(1_000)))
OTHERS = tuple(Customer((line(ticket=COMMON),)) for _ in range(60))


@pytest.fixture(scope="module")
def market() -> Iterator[Market]:
    opened = Market()
    yield opened
    opened.connection.close()


def _appearances(market: Market, releases: int) -> tuple[int, int]:
    """How often the victim's own key shows, and how often everybody's."""
    (node,) = market.plan("SELECT ticket, COUNT(*) AS n FROM lines GROUP BY ticket", OPTIONS).nodes
    engine = FixedEngine.of(market.sums(node.aggregation, (VICTIM, *OTHERS)), releases)
    assert node.aggregation.loss.delta_atto == 10**6
    shown = release(node.aggregation, node.loss, engine).column("k0").to_pylist()
    return shown.count(RARE), shown.count(COMMON)


def test_a_key_of_one_customer_never_shows_in_two_thousand_releases(market: Market) -> None:
    assert _appearances(market, RELEASES) == (0, RELEASES)


def test_a_threshold_of_zero_would_be_seen(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    def passes(_: Threshold, noised: NDArray[np.int64]) -> NDArray[np.bool_]:
        return noised > 0

    monkeypatch.setattr(Threshold, "passes", passes)
    rare, _ = _appearances(market, 50)
    assert rare > 25


def test_public_keys_are_the_same_whoever_bought(market: Market) -> None:
    sql = "SELECT department, COUNT(*) AS n FROM lines JOIN products USING (product_id) GROUP BY department"
    (node,) = market.plan(sql, {}).nodes
    keys = [market.sums(node.aggregation, customers).keys.to_pylist() for customers in ((VICTIM, *OTHERS), OTHERS)]
    assert keys[0] == keys[1] == [{"k0": "bread"}, {"k0": "fish"}, {"k0": "milk"}]
