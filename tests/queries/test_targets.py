"""A wanted accuracy becomes the least price that gives it, or a refusal that says what it would take."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from statistics import NormalDist

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from queries.errors import PriceError, QueryNotPrivateError
from queries.expected import Span
from queries.mechanisms import build
from queries.options import options_of
from queries.plan import WEIGHT_ONE
from queries.planned import QueryPlan
from queries.planner import plan, price
from queries.schema import Schema
from queries.targets import PlanAt, Target, largest_error, rho_for
from tests.queries.retailer import POLICY, SCHEMA, planned

PLAIN = [
    "SELECT COUNT(*) AS n FROM lines",
    "SELECT SUM(amount) AS n FROM lines",
    "SELECT COUNT(DISTINCT household_id) AS n FROM customers",
    "SELECT SUM(amount) / 100 - 3 * COUNT(*) AS n FROM lines",
    "SELECT COUNT(*) AS n, AVG(amount) AS m, SUM(pieces) AS p, COUNT(DISTINCT household_id) AS u FROM lines",
    "SELECT note, COUNT(*) AS n, SUM(amount) AS s FROM lines GROUP BY note",
    "SELECT department, COUNT(*) AS n FROM lines JOIN products USING (product_id) GROUP BY ROLLUP (department)",
    "SELECT n, s FROM (SELECT COUNT(*) AS n FROM lines) AS a CROSS JOIN (SELECT SUM(amount) AS s FROM lines) AS b",
]
LIMIT_NANO = price(SCHEMA, POLICY.query.max_epsilon, None, None)


def plans_at(sql: str, options: Mapping[str, object] | None = None) -> PlanAt:
    return lambda rho_nano: planned(sql, options=options, rho_nano=rho_nano)


def rho_of(sql: str, target: Target, max_epsilon: Fraction | None = None, schema: Schema = SCHEMA) -> int:
    return rho_for(target, plans_at(sql), schema, max_epsilon)


def half_width(found: QueryPlan, target: Target) -> float:
    """The widest interval's half width, by the noise of the mechanism that would run."""
    for node in found.nodes:
        scales = build(node.aggregation).scales()
        units = [10**measure.scale for measure in node.aggregation.measures]
        errors = [scale / WEIGHT_ONE / unit for scale, unit in zip(scales, units, strict=True)]
        told = [measure.standard_error for measure in node.measures]
        assert told == [Span.of(error) for error in errors]
    return NormalDist().inv_cdf((1 + float(target.confidence)) / 2) * largest_error(found, target)


@settings(max_examples=80)
@given(
    st.sampled_from(PLAIN),
    st.floats(1e3, 1e8),
    st.sampled_from(["0.5", "0.8", "0.95", "0.999"]),
    st.sampled_from(["n", None]),
)
def test_the_error_is_never_more_than_asked_and_the_price_at_most_a_hundredth_more_than_needed(
    sql: str, error: float, confidence: str, column: str | None
) -> None:
    target = Target(Fraction(error), Fraction(confidence), column)
    try:
        rho_nano = rho_of(sql, target)
    except PriceError:
        assert half_width(planned(sql, rho_nano=LIMIT_NANO), target) > error
        return
    assert half_width(planned(sql, rho_nano=rho_nano), target) <= error
    if rho_nano < 200_000:  # a hundredth is less than the parts of a price are rounded by
        return
    assert half_width(planned(sql, rho_nano=rho_nano * 99 // 100), target) > error


def test_a_price_that_is_divided_unevenly_is_raised_by_what_is_lost() -> None:
    """In 2 parts of whole nano-ρ, the prices 2k and 2k + 1 buy the same: the least of them is taken."""
    sql = "SELECT COUNT(DISTINCT household_id) AS n, COUNT(*) AS m FROM customers"
    for rho_nano in range(1_000, 1_012):
        width = half_width(planned(sql, rho_nano=rho_nano), Target(Fraction(1)))
        found = rho_of(sql, Target(Fraction(width) * (1 + Fraction(1, 10**12))))
        assert found == rho_nano - rho_nano % 2


def test_the_widest_column_decides_unless_one_is_named() -> None:
    sql = "SELECT COUNT(*) AS n, SUM(amount) AS s FROM lines"
    both, one = (rho_of(sql, Target(Fraction(10**6), column=column)) for column in (None, "n"))
    assert both == rho_of(sql, Target(Fraction(10**6), column="s"))
    assert both > 50 * one


def test_a_higher_confidence_costs_more() -> None:
    half, most = (rho_of(PLAIN[0], Target(Fraction(10**4), Fraction(c))) for c in ("0.5", "0.999"))
    expected = (NormalDist().inv_cdf(0.9995) / NormalDist().inv_cdf(0.75)) ** 2
    assert most / half == pytest.approx(expected, rel=1e-3)


def test_subtotals_meet_the_target_too() -> None:
    groups = 9
    sql = "SELECT store_id, COUNT(*) AS n FROM lines GROUP BY ROLLUP (store_id)"
    target = Target(Fraction(10**5))

    def plan_at(rho_nano: int) -> QueryPlan:
        return plan(sql, {}, SCHEMA, rho_nano, options_of({}), lambda _: groups)

    found = plan_at(rho_for(target, plan_at, SCHEMA, None))
    (expected,) = found.errors
    assert isinstance(expected.error, Span)
    assert expected.error.high == pytest.approx(3 * expected.error.low)
    assert target.deviations * expected.error.high <= target.error


@pytest.mark.parametrize(
    ("sql", "column"),
    [
        ("SELECT AVG(amount) AS m FROM lines", None),
        ("SELECT AVG(amount) AS m, COUNT(*) AS n FROM lines", "m"),
        ("SELECT STDDEV(amount) AS m FROM lines", "m"),
        ("SELECT SUM(amount) / COUNT(*) AS m FROM lines", "m"),
        ("SELECT store_id, store_id * COUNT(*) AS m FROM lines GROUP BY store_id", "m"),
        ("SELECT note, COUNT(*) AS m FROM lines GROUP BY ROLLUP (note)", "m"),
        ("SELECT COUNT(*) % 2 AS m FROM lines", "m"),
        ("SELECT store_id AS m, COUNT(*) AS n FROM lines GROUP BY store_id", "m"),
        ("SELECT COUNT(*) AS m FROM products", "m"),
    ],
)
def test_an_error_that_is_not_known_beforehand_is_no_target(sql: str, column: str | None) -> None:
    with pytest.raises(QueryNotPrivateError) as refusal:
        rho_of(sql, Target(Fraction(1000), column=column))
    assert refusal.value.code == "target-not-plain"
    assert refusal.value.hint


def test_a_ratio_beside_a_count_does_not_hinder_the_counts_target() -> None:
    sql = "SELECT AVG(amount) AS m, COUNT(*) AS n FROM lines"
    assert rho_of(sql, Target(Fraction(10**5))) == rho_of(sql, Target(Fraction(10**5), column="n"))


def test_a_column_that_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(QueryNotPrivateError) as refusal:
        rho_of(PLAIN[0], Target(Fraction(1000), column="lines"))
    assert refusal.value.code == "unknown-alias"
    assert "lines" in refusal.value.reason


def test_a_statement_that_releases_nothing_needs_no_price() -> None:
    sql = "SELECT COUNT(*) AS m FROM products"
    assert planned(sql, rho_nano=rho_of(sql, Target(Fraction(1)))).loss.rho_nano == 0


def test_a_refusal_names_an_epsilon_that_would_do_and_an_error_that_can_be_had() -> None:
    target = Target(Fraction(30_000))
    with pytest.raises(PriceError) as refusal:
        rho_of(PLAIN[0], target, Fraction(1, 2))
    assert refusal.value.code == "max-epsilon-exceeded"
    said = re.fullmatch(
        r"An error of at most 30000 at 95% takes an epsilon of ([\d.]+)\. "
        r"One query may take at most 0\.5 here, which gives an error of ([\d.,]+)\.",
        refusal.value.reason,
    )
    assert said is not None
    enough, reached = Fraction(said[1]), Fraction(said[2].replace(",", ""))
    rho_of(PLAIN[0], target, enough)
    with pytest.raises(PriceError):
        rho_of(PLAIN[0], target, enough * Fraction(98, 100))
    rho_of(PLAIN[0], Target(reached), Fraction(1, 2))
    with pytest.raises(PriceError):
        rho_of(PLAIN[0], Target(reached * Fraction(98, 100)), Fraction(1, 2))


@pytest.mark.parametrize("error", [Fraction(1, 10**30), Fraction(1, 10**9)])
def test_an_error_that_no_price_buys_is_refused(error: Fraction) -> None:
    for sql in (*PLAIN, "SELECT 1e200 * COUNT(*) AS n FROM lines"):
        with pytest.raises(PriceError) as refusal:
            rho_of(sql, Target(error))
        assert refusal.value.code == "max-epsilon-exceeded"


@pytest.mark.parametrize("sql", PLAIN)
def test_a_huge_error_costs_the_least_that_can_be_planned(sql: str) -> None:
    rho_nano = rho_of(sql, Target(Fraction(10**12)))
    assert planned(sql, rho_nano=rho_nano).loss.rho_nano <= rho_nano
    refusals = (PriceError, QueryNotPrivateError)
    with pytest.raises(refusals):
        planned(sql, rho_nano=rho_nano - 1 - rho_nano // 500)


def test_a_factor_of_nothing_has_no_error_to_pay_for() -> None:
    sql = "SELECT 0 * COUNT(*) AS n FROM lines"
    assert rho_of(sql, Target(Fraction(1, 1000))) == rho_of(sql, Target(Fraction(10**12)))


def test_what_is_wrong_with_the_options_is_told_as_for_any_price() -> None:
    with pytest.raises(PriceError) as refusal:
        rho_for(Target(Fraction(10**6)), plans_at(PLAIN[5], {"delta": 0.5}), SCHEMA, None)
    assert refusal.value.code == "invalid-price"


def test_a_search_plans_seldom() -> None:
    for sql in PLAIN:
        asked: list[int] = []

        def plan_at(rho_nano: int, sql: str = sql, asked: list[int] = asked) -> QueryPlan:
            asked.append(rho_nano)
            return planned(sql, rho_nano=rho_nano)

        for error in (10**5, 10**7, 10**12):
            asked.clear()
            try:
                rho_for(Target(Fraction(error)), plan_at, SCHEMA, None)
            except PriceError:
                assert len(asked) == 1
            assert len(asked) <= 60
