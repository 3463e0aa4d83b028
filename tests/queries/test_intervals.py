"""The ends of intervals that a statement asks for are the answer's own."""

from __future__ import annotations

import pytest
from scipy import stats
from sqlglot import exp

from queries.answers import answer_rows
from queries.intervals import is_measure
from tests.queries.retailer import Retailer, Statement


@pytest.mark.parametrize(
    ("name", "expected"), [("m0", True), ("m12", True), ("m", False), ("mean", False), ("k0", False)]
)
def test_a_measure_is_known_by_its_name(name: str, expected: bool) -> None:  # noqa: FBT001
    assert is_measure(exp.column(name)) is expected


_ENDS = "DP_INTERVAL_LOW(x) AS low, DP_INTERVAL_HIGH(x) AS high"
_BY_PIECES = "FROM lines GROUP BY pieces"
ASKED = {
    "of groups": f"SELECT pieces, SUM(amount) AS x, {_ENDS} {_BY_PIECES}",
    "of decimals": f"SELECT ticket, SUM(discount) AS X, {_ENDS} FROM lines GROUP BY ticket",
    "of a ratio": f"SELECT day, 100 * SUM(amount) / COUNT(*) AS x, {_ENDS} FROM lines GROUP BY day",
    "of a median": f"SELECT product_id, MEDIAN(pieces) AS x, {_ENDS} FROM lines GROUP BY product_id",
    "of subtotals": f"SELECT pieces, COUNT(*) AS x, {_ENDS} FROM lines GROUP BY ROLLUP (pieces)",
    "of a subquery": (
        f"WITH t AS (SELECT pieces, SUM(amount) - COUNT(*) AS n {_BY_PIECES}) "
        f"SELECT n AS x, {_ENDS.replace('HIGH(x', 'HIGH(t.n')} FROM t ORDER BY DP_INTERVAL_LOW(n)"
    ),
    "of a window": (
        f"SELECT n - AVG(n) OVER () AS x, {_ENDS} FROM (SELECT pieces, COUNT(*) AS n {_BY_PIECES}) AS t "
        "WHERE pieces > 1"
    ),
    "of a total": f"SELECT SUM(n) AS x, {_ENDS} FROM (SELECT pieces, COUNT(*) AS n {_BY_PIECES}) AS t",
    "passed on": (
        f"SELECT x, low, high FROM (SELECT pieces, COUNT(*) AS x, {_ENDS} {_BY_PIECES} "
        "HAVING DP_INTERVAL_HIGH(x) > -1e9 ORDER BY DP_INTERVAL_LOW(x) DESC) AS t"
    ),
}


@pytest.mark.parametrize("sql", ASKED.values(), ids=ASKED)
def test_the_ends_that_are_asked_for_are_the_answers_own_to_the_digit(sql: str, retailer: Retailer) -> None:
    plan = retailer.plan(Statement("", sql))
    assert {column.name: column.role for column in plan.columns} | {
        "low": "lower",
        "high": "upper",
        "x": "estimate",
    } == {column.name: column.role for column in plan.columns}
    answers = [answer_rows(plan.columns, retailer.released(plan)) for _ in range(5)]  # the noise is real
    rows = [row for answer in answers for row in answer]
    assert [(row["low"], row["high"]) for row in rows] == [(row["x_lower"], row["x_upper"]) for row in rows]
    assert rows


def test_another_confidence_is_another_quantile(retailer: Retailer) -> None:
    ends = "DP_INTERVAL_LOW(x, 0.5) AS low, DP_INTERVAL_HIGH(x, 0.999) AS high"
    sql = f"SELECT COUNT(DISTINCT household_id) AS x, {ends} FROM lines"  # of which nothing is clipped
    plan = retailer.plan(Statement("", sql))
    (row,) = answer_rows(plan.columns, retailer.released(plan))
    x, error, low, high = (float(str(row[name])) for name in ("x", "x_standard_error", "low", "high"))
    assert stats.norm.cdf((high - x) / error) - stats.norm.cdf((x - high) / error) == pytest.approx(0.999, abs=1e-9)
    assert stats.norm.cdf((x - low) / error) - stats.norm.cdf((low - x) / error) == pytest.approx(0.5, abs=1e-9)


def test_rows_are_chosen_and_ordered_by_the_ends_of_intervals(retailer: Retailer) -> None:
    rest = "HAVING DP_INTERVAL_LOW(x) > 0 ORDER BY DP_INTERVAL_HIGH(x)"
    plan = retailer.plan(Statement("", f"SELECT pieces, COUNT(*) AS x {_BY_PIECES} {rest}"))
    rows = answer_rows(plan.columns, retailer.released(plan))
    # an end is unknown where all may be noise: 40 households say little of counts that each may move by 10,000
    ends = [(float(str(row["x_lower"])), float(str(row["x_upper"] or "inf"))) for row in rows]
    assert all(low > 0 for low, _ in ends)
    assert ends == sorted(ends, key=lambda end: end[1])
