"""No customer moves the exact integers by more than was charged for, whatever is asked, of whomever."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, given, reject, settings
from hypothesis import strategies as st

from queries.engine import ExactSums
from queries.errors import IllegalPlanError, PriceError, QueryNotPrivateError
from queries.planned import QueryPlan
from tests.privacy.market import Customer, Layout, Market
from tests.privacy.sensitivity import search_violations, steps, violations
from tests.privacy.statements import Asked, customers, layouts, line, questions

_PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)
_CHECKS = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]


@pytest.fixture(scope="module")
def market() -> Iterator[Market]:
    opened = Market()
    yield opened
    opened.connection.close()


def _plan(market: Market, asked: Asked) -> QueryPlan:
    try:
        return market.plan(asked.sql, asked.options)
    except (QueryNotPrivateError, PriceError, IllegalPlanError):
        reject()


def _check(market: Market, asked: Asked, everybody: tuple[Customer, ...], data: st.DataObject) -> None:
    plan = _plan(market, asked)
    for aggregation in (each for node in plan.nodes for each in steps(node.aggregation)):
        whole = market.sums(aggregation, everybody)
        again = market.sums(aggregation, everybody, data.draw(layouts(len(everybody)), "layout"))
        assert _same(whole, again), "the result depends on where the rows lie"
        search = market.searched(aggregation, everybody)
        elsewhere = data.draw(layouts(len(everybody)), "another layout")
        assert search == market.searched(aggregation, everybody, elsewhere), "the search depends on where the rows lie"
        for number in range(len(everybody)):
            others = everybody[:number] + everybody[number + 1 :]
            without = market.sums(aggregation, others, Layout(tuple(range(len(others)))[::-1]))
            assert not list(violations(aggregation, whole, without))
            for one, other in zip(search, market.searched(aggregation, others), strict=True):
                assert not list(search_violations(one, other))


def _same(one: ExactSums, other: ExactSums) -> bool:
    vectors = zip(one.sums, other.sums, strict=True)
    return one.keys.equals(other.keys) and all((a == b).all() for a, b in vectors)


@settings(max_examples=300, phases=_PHASES, suppress_health_check=_CHECKS)
@given(asked=questions(), everybody=customers, data=st.data())
def test_no_customer_moves_the_sums_by_more_than_was_charged_for(
    market: Market, asked: Asked, everybody: tuple[Customer, ...], data: st.DataObject
) -> None:
    _check(market, asked, everybody, data)


@pytest.mark.nightly
@settings(max_examples=10_000, phases=_PHASES, suppress_health_check=_CHECKS)
@given(asked=questions(), everybody=customers, data=st.data())
def test_no_customer_moves_the_sums_by_more_than_was_charged_for_in_many_cases(
    market: Market, asked: Asked, everybody: tuple[Customer, ...], data: st.DataObject
) -> None:
    _check(market, asked, everybody, data)


@pytest.mark.parametrize("ticket", [1, 2, 3, 4])
def test_a_key_that_was_taken_from_another_unit_is_still_paid_for(market: Market, ticket: int) -> None:
    """One unit has four keys, of which the selection takes one; the other unit alone brings that one back."""
    (node,) = market.plan("SELECT ticket, COUNT(*) AS n FROM lines GROUP BY ticket", {}).nodes
    rich = Customer(tuple(line(ticket=n) for n in (1, 2, 3, 4)))
    whole, without = (market.sums(node.aggregation, who) for who in ((rich, Customer((line(ticket=ticket),))), (rich,)))
    assert sorted(without.sums[0] > 0) == [False, True, True, True]
    assert (without.sums[1] > 0).all()
    assert list(violations(node.aggregation, whole, without)) == []
