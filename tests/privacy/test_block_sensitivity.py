"""Nobody moves the exact integers by more than each meter is charged for: a month, static rows, or a whole account."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, Phase, given, reject, settings

from queries import drafts
from queries.engine import ExactSums
from queries.engines import duckdb as duckdb_engine
from queries.errors import IllegalPlanError, PriceError, QueryNotPrivateError
from queries.plan import Aggregation, ThresholdKeys
from queries.planned import PlannedNode, QueryPlan
from queries.unclipped import unclipped
from tests.privacy.block_market import (
    DAYS,
    FROMS,
    MONTHS,
    SCHEMA,
    WITHOUT_BLOCKS,
    BlockMarket,
    dated_customers,
    month_of,
    without_month,
)
from tests.privacy.market import Customer, Market
from tests.privacy.sensitivity import search_violations, steps, violations
from tests.privacy.statements import Asked, questions

_SETTINGS = {
    "phases": (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
}
Everybody = tuple[Customer, ...]
Sums = dict[tuple[str, ...], list[tuple[str, Fraction]]]


@pytest.fixture(scope="module")
def market() -> Iterator[Market]:
    opened = BlockMarket(schema=SCHEMA)
    yield opened
    opened.connection.close()


@pytest.fixture(scope="module")
def plain_market() -> Iterator[Market]:
    opened = Market(schema=WITHOUT_BLOCKS)
    yield opened
    opened.connection.close()


def _plan(market: Market, asked: Asked) -> QueryPlan:
    try:
        return market.plan(asked.sql, asked.options)
    except (QueryNotPrivateError, PriceError, IllegalPlanError):
        reject()


def neighbours(everybody: Everybody) -> Iterator[tuple[str, Everybody]]:
    """All neighbours of these customers, each with the name of the meter that counts what sets the two apart."""
    calendar = SCHEMA.policy.calendar
    assert calendar is not None
    for number, customer in enumerate(everybody):
        for month in sorted({month_of(line) for line in customer.lines}):
            yield f"block:{calendar.name(month)}", _with(everybody, number, without_month(customer, month))
        if customer.cards:
            yield "static", _with(everybody, number, replace(customer, cards=()))
        yield "lifetime", _with(everybody, number, Customer())


def _with(everybody: Everybody, number: int, customer: Customer) -> Everybody:
    return (*everybody[:number], customer, *everybody[number + 1 :])


def overcharged(market: Market, node: PlannedNode, everybody: Everybody) -> list[str]:
    """Meters whose neighbours are further apart than what the release takes of each."""
    found = []
    for aggregation in steps(node.aggregation):
        whole, search = market.sums(aggregation, everybody), market.searched(aggregation, everybody)
        for meter, others in neighbours(everybody):
            less = market.sums(aggregation, others)
            charged = node.charges.get(meter)
            if charged is None:
                found += [] if _same(whole, less) else [meter]
                continue
            times = Fraction(charged.rho_nano, node.loss.rho_nano)
            apart = list(violations(aggregation, whole, less, times))
            for one, other in zip(search, market.searched(aggregation, others), strict=True):
                apart += search_violations(one, other, times)
            found += [meter] if apart else []
    return found


def _same(one: ExactSums, other: ExactSums) -> bool:
    vectors = zip(one.sums, other.sums, strict=True)
    return one.keys.equals(other.keys) and all((a == b).all() for a, b in vectors)


@settings(max_examples=60, **_SETTINGS)  # type: ignore[arg-type]
@given(asked=questions(FROMS), everybody=dated_customers())
def test_nobody_moves_the_sums_by_more_than_each_meter_is_charged_for(
    market: Market, asked: Asked, everybody: Everybody
) -> None:
    for node in _plan(market, asked).nodes:
        assert overcharged(market, node, everybody) == []


@pytest.mark.nightly
@settings(max_examples=5_000, **_SETTINGS)  # type: ignore[arg-type]
@given(asked=questions(FROMS), everybody=dated_customers())
def test_nobody_moves_the_sums_by_more_than_each_meter_is_charged_for_in_many_cases(
    market: Market, asked: Asked, everybody: Everybody
) -> None:
    for node in _plan(market, asked).nodes:
        assert overcharged(market, node, everybody) == []


def changed_by_other_months(market: Market, node: PlannedNode, everybody: Everybody) -> bool:
    """Whether the sums are others without all the rows of months that are not charged."""
    others = everybody
    for month in set(range(MONTHS)) - node.aggregation.source.months:
        others = tuple(without_month(customer, month) for customer in others)
    return any(not _same(market.sums(each, everybody), market.sums(each, others)) for each in steps(node.aggregation))


@settings(max_examples=60, **_SETTINGS)  # type: ignore[arg-type]
@given(asked=questions(FROMS), everybody=dated_customers())
def test_rows_of_months_that_are_not_charged_change_nothing(market: Market, asked: Asked, everybody: Everybody) -> None:
    for node in _plan(market, asked).nodes:
        assert not changed_by_other_months(market, node, everybody)


def missed(market: Market, asked: Asked, everybody: Everybody) -> bool:
    """Whether the sums are others where all months are read."""
    narrow = _plan(market, asked)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drafts, "narrowed", lambda relation, _: relation)
        wide = _plan(market, asked)
    found = []
    for one, other in zip(narrow.nodes, wide.nodes, strict=True):
        for few, all_ in zip(steps(one.aggregation), steps(other.aggregation), strict=True):
            found.append(_same(market.sums(few, everybody), market.sums(all_, everybody)))
    return not all(found)


@settings(max_examples=60, **_SETTINGS)  # type: ignore[arg-type]
@given(asked=questions(FROMS), everybody=dated_customers())
def test_no_month_that_a_statement_asks_for_is_left_out(market: Market, asked: Asked, everybody: Everybody) -> None:
    assert not missed(market, asked, everybody)


def told_apart(market: Market, plain_market: Market, asked: Asked, everybody: Everybody) -> bool:
    """Whether what is counted is not what the statement says, by the same statement over accounts without blocks."""
    ours, theirs = _plan(market, asked), _plan(plain_market, asked)
    found = [
        _unbounded(market, one.aggregation, everybody) == _unbounded(plain_market, other.aggregation, everybody)
        for one, other in zip(ours.nodes, theirs.nodes, strict=True)
    ]
    return not all(found)


def _unbounded(market: Market, aggregation: Aggregation, everybody: Everybody) -> Sums:
    """What each key that any row has sums up to in each measure, whatever order they are in."""
    opened = unclipped(aggregation, len(everybody))
    exact = market.sums(opened, everybody)
    columns = [column.to_pylist() for column in exact.keys.columns]
    keys = [tuple(sorted(map(repr, key))) for key in zip(*columns, strict=True)] if columns else [()]
    vectors = exact.sums[isinstance(opened.keys, ThresholdKeys) :]
    names = [f"{measure.kind} {measure.scale}" for measure in opened.measures]
    cells = {
        key: sorted((name, Fraction(int(vector[place]))) for name, vector in zip(names, vectors, strict=True))
        for place, key in enumerate(keys)
    }
    return {key: values for key, values in cells.items() if any(value for _, value in values)}


@settings(max_examples=80, **_SETTINGS)  # type: ignore[arg-type]
@given(asked=questions(FROMS), everybody=dated_customers())
def test_what_is_accepted_means_what_it_says_of_accounts(
    market: Market, plain_market: Market, asked: Asked, everybody: Everybody
) -> None:
    assert not told_apart(market, plain_market, asked, everybody)


def test_units_of_a_range_that_is_cut_stay_whole(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranges of accounts are cut between their months: all rows of a unit are in one piece even then."""
    everybody = tuple(_shopper(day) for day in (*DAYS, *DAYS))
    (node,) = market.plan("SELECT day, SUM(amount) AS s FROM lines JOIN cards USING (card_id) GROUP BY day", {}).nodes
    whole = market.sums(node.aggregation, everybody)
    for most in (1, 3, 5):
        monkeypatch.setattr(duckdb_engine, "_UNITS_AT_ONCE", most)
        assert _same(whole, market.sums(node.aggregation, everybody))


def test_accounts_with_more_months_than_the_plan_has_room_for_are_refused(market: Market) -> None:
    everybody = tuple(_shopper(day) for day in DAYS)
    (node,) = market.plan("SELECT COUNT(*) AS n FROM lines", {}).nodes
    room = replace(node.aggregation, unit_capacity=MONTHS * len(everybody))
    assert market.sums(room, everybody).sums
    with pytest.raises(IllegalPlanError):
        market.sums(replace(room, unit_capacity=room.unit_capacity - 1), everybody)


def _shopper(day: object) -> Customer:
    lines = tuple((1, day, 1, pieces, 100 * pieces, None, None, "a", 7) for pieces in range(3))
    return Customer(lines, (("old", "here", 2),))
