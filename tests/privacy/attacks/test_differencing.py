"""Asking with and without one customer's description costs twice, and the difference tells no more than that buys."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from budgets.privacy_loss import PrivacyLoss
from queries.mechanisms import Gaussian
from queries.plan import NANO, WEIGHT_ONE
from queries.release import release
from tests.privacy.attacks.planted import WHOLE, ask, price_nano
from tests.privacy.audit import RHO, Audit, charged_epsilon
from tests.privacy.market import Customer, Market
from tests.privacy.statements import line
from tests.privacy.stores import CANARY_TICKET, Service
from tests.queries.fixed_engine import FixedEngine

ALL = "SELECT COUNT(*) AS n FROM purchases WHERE hour >= 0"
BUT_ONE = f"SELECT COUNT(*) AS n FROM purchases WHERE hour >= 0 AND ticket <> {CANARY_TICKET}"
CELLS = 10_000
BOUND = 3  # rows that one customer counts for: the market's policy
RARE = 77
VICTIM = Customer(tuple(line(ticket=RARE) for _ in range(40)))
OTHERS = tuple(Customer((line(ticket=n % 5),)) for n in range(30))


def test_both_sides_of_a_difference_are_charged(planted: Service) -> None:
    assert [ask(planted, WHOLE, sql).rho_nano for sql in (ALL, BUT_ONE)] == [price_nano()] * 2


@pytest.fixture(scope="module")
def market() -> Iterator[Market]:
    opened = Market()
    yield opened
    opened.connection.close()


def _differences(market: Market, customers: tuple[Customer, ...]) -> tuple[NDArray[np.float64], PrivacyLoss]:
    """Many times: count(all) − count(all but the description), and what one such pair costs."""
    drawn, loss = [], PrivacyLoss(0)
    for condition in ("hour >= 0", f"hour >= 0 AND ticket <> {RARE}"):
        sql = f"SELECT COUNT(*) AS n FROM lines WHERE {condition}"
        (node,) = market.plan(sql, {}, int(Fraction(RHO) / 2 * NANO)).nodes
        engine = FixedEngine.of(market.sums(node.aggregation, customers), CELLS)  # many draws in one release
        drawn.append(release(node.aggregation, node.loss, engine).column("m0").to_numpy() / WEIGHT_ONE)
        loss = loss + node.loss
    return drawn[0] - drawn[1], loss


def _audited(market: Market) -> tuple[Audit, float]:
    counts, charged = [], PrivacyLoss(0)
    for customers in ((VICTIM, *OTHERS), OTHERS):
        differences, charged = _differences(market, customers)
        counts.append(int(np.sum(differences >= BOUND / 2)))  # an event that is fixed in advance
    return Audit(counts[0], counts[1], CELLS), charged_epsilon(charged.rho_nano)


def test_a_difference_tells_no_more_than_its_two_charges(market: Market) -> None:
    audit, charged = _audited(market)
    assert charged == pytest.approx(1, abs=1e-6)
    assert audit.least_epsilon <= charged
    assert audit.with_customer > audit.without  # the attack is one: it counts the customer


def test_two_answers_with_the_same_noise_would_be_seen(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the difference of two draws hides would be plain if both had one draw."""
    monkeypatch.setattr(Gaussian, "add_noise", lambda _, exact: exact + 12_345)
    audit, charged = _audited(market)
    assert audit.least_epsilon > charged
