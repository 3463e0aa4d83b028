"""The delta method in SQL against numbers: a simulation of the noise, and the coverage of the intervals."""

from __future__ import annotations

import math
from collections.abc import Iterator

import duckdb
import numpy as np
import pyarrow as pa
import pytest
import sqlglot
from scipy import stats
from sqlglot import exp

from queries.intervals import is_measure, standard_error
from queries.postprocess import answer_rows
from queries.rows import Output
from tests.queries.retailer import Retailer, Statement

VALUES = (20_000.0, 700.0, -3_000.0)
ERRORS = (35.0, 4.0, 11.0)
DRAWS = 100_000

EXPRESSIONS = [
    "m0",
    "-m0",
    "m0 + m1",
    "m0 - m1 + m2",
    "m0 + m0",
    "m0 - m0 + m1",
    "3 * m0 - m1 / 2",
    "100.0 * m1 / m0",
    "m0 / m1",
    "m0 * m1",
    "m0 * m1 * m2",
    "m0 / (m1 + m2)",
    "m0 / m1 / m2",
    "(m0 - m1) / (m0 + m1)",
    "m0 / m1 - m2 / m1",
    "m0 * m0 / m1",
    "1 / m0",
    "CAST(m0 AS DOUBLE) / NULLIF(GREATEST(m1, 0), 0)",
    "(CAST(m0 AS DOUBLE) / NULLIF(GREATEST(m1, 0), 0)) * 12",
    "k0 * m0 + m1",
]


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        generator = np.random.default_rng(20_260_101)
        columns = {f"m{i}": generator.normal(VALUES[i], ERRORS[i], DRAWS) for i in range(3)}
        columns |= {f"s{i}": np.full(DRAWS, ERRORS[i]) for i in range(3)} | {"k0": np.full(DRAWS, 2)}
        opened.register("drawn", pa.table(columns))
        exact = {f"m{i}": [VALUES[i]] for i in range(3)} | {f"s{i}": [ERRORS[i]] for i in range(3)} | {"k0": [2]}
        opened.register("exact", pa.table(exact))
        yield opened


def _tree(text: str) -> exp.Expr:
    return sqlglot.parse_one(text, dialect="duckdb")


def _error(text: str) -> str:
    error = standard_error(_tree(text))
    if error is None:
        raise ValueError(text)
    return error.sql(dialect="duckdb")


def _one(connection: duckdb.DuckDBPyConnection, sql: str) -> float:
    row = connection.execute(sql).fetchone()
    if row is None:
        raise ValueError(sql)
    return float(row[0])


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_the_standard_error_is_that_of_simulated_noise(text: str, connection: duckdb.DuckDBPyConnection) -> None:
    stated = _one(connection, f"SELECT {_error(text)} FROM exact")
    simulated = _one(connection, f"SELECT stddev_samp({text}) FROM drawn")
    assert stated == pytest.approx(simulated, rel=0.05)


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_ninety_five_per_cent_of_intervals_cover_the_truth(text: str, connection: duckdb.DuckDBPyConnection) -> None:
    table = connection.execute(f'SELECT {text} AS x, {_error(text)} AS "_se0" FROM drawn LIMIT 20000').to_arrow_table()
    truth = _one(connection, f"SELECT {text} FROM exact")
    rows = answer_rows((Output("x", "estimate", "_se0"),), table)
    covered = sum(_number(row["x_lower"]) <= truth <= _number(row["x_upper"]) for row in rows)
    low, high = stats.binom.ppf(1e-6, len(rows), 0.94), stats.binom.ppf(1 - 1e-6, len(rows), 0.96)
    assert low <= covered <= high


def _number(value: object) -> float:
    if not isinstance(value, int | float):
        raise TypeError(value)
    return float(value)


@pytest.mark.parametrize(
    "text",
    [
        "k0",
        "1 + 2",
        "ROUND(m0, 2)",
        "ABS(m0)",
        "CASE WHEN m0 > 1 THEN m1 ELSE 0 END",
        "m0 / (SELECT SUM(n) FROM t)",
        "GREATEST(m0, m1)",
        "NULLIF(m0, 7)",
        "m0 > 5",
        "LN(m0) + m1",
        "m0 % 2",
    ],
)
def test_what_cannot_be_differentiated_has_no_standard_error(text: str) -> None:
    assert standard_error(_tree(text)) is None


@pytest.mark.parametrize("text", ["m0 / m1", "m0 / NULLIF(m1, 0)"])
def test_a_denominator_of_zero_gives_no_number(text: str, connection: duckdb.DuckDBPyConnection) -> None:
    row = connection.execute(f"SELECT {_error(text)} FROM (SELECT 5 AS m0, 0 AS m1, 1.0 AS s0, 1.0 AS s1)").fetchone()
    assert row is not None
    assert row[0] is None or not math.isfinite(row[0])


@pytest.mark.parametrize(
    ("name", "expected"), [("m0", True), ("m12", True), ("m", False), ("mean", False), ("k0", False)]
)
def test_a_measure_is_known_by_its_name(name: str, expected: bool) -> None:  # noqa: FBT001
    assert is_measure(exp.column(name)) is expected


def test_the_expression_is_not_changed() -> None:
    for text in EXPRESSIONS:
        tree = _tree(text)
        standard_error(tree)
        assert tree == _tree(text)


_ENDS = "DP_INTERVAL_LOW(x) AS low, DP_INTERVAL_HIGH(x) AS high"
_BY_PIECES = "FROM lines GROUP BY pieces"
ASKED = {
    "of groups": f"SELECT pieces, SUM(amount) AS x, {_ENDS} {_BY_PIECES}",
    "of decimals": f"SELECT ticket, SUM(discount) AS X, {_ENDS} FROM lines GROUP BY ticket",
    "of a mean": f"SELECT pieces, AVG(amount) AS x, {_ENDS.replace('HIGH(x', 'HIGH(AVG(amount), 0.95')} {_BY_PIECES}",
    "of a ratio": f"SELECT day, 100 * SUM(amount) / COUNT(*) AS x, {_ENDS} FROM lines GROUP BY day",
    "of a spread": f"SELECT pieces, STDDEV(amount) AS x, {_ENDS} {_BY_PIECES}",
    "of a median": f"SELECT product_id, MEDIAN(pieces) AS x, {_ENDS} FROM lines GROUP BY product_id",
    "of subtotals": f"SELECT pieces, COUNT(*) AS x, {_ENDS} FROM lines GROUP BY ROLLUP (pieces)",
    "of a subquery": (
        f"WITH t AS (SELECT pieces, SUM(amount) - COUNT(*) AS n {_BY_PIECES}) "
        f"SELECT n AS x, {_ENDS.replace('HIGH(x', 'HIGH(t.n')} FROM t ORDER BY DP_INTERVAL_LOW(n)"
    ),
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
    assert any(isinstance(row["low"], float) for row in rows)


def test_another_confidence_is_another_quantile(retailer: Retailer) -> None:
    sql = "SELECT COUNT(*) AS x, DP_INTERVAL_LOW(x, 0.5) AS low, DP_INTERVAL_HIGH(x, 0.999) AS high FROM lines"
    plan = retailer.plan(Statement("", sql))
    (row,) = answer_rows(plan.columns, retailer.released(plan))
    x, error, low, high = (float(str(row[name])) for name in ("x", "x_standard_error", "low", "high"))
    assert stats.norm.cdf((high - x) / error) - stats.norm.cdf((x - high) / error) == pytest.approx(0.999, abs=1e-9)
    assert stats.norm.cdf((x - low) / error) - stats.norm.cdf((low - x) / error) == pytest.approx(0.5, abs=1e-9)


def test_rows_are_chosen_and_ordered_by_the_ends_of_intervals(retailer: Retailer) -> None:
    rest = "HAVING DP_INTERVAL_LOW(x) > 0 ORDER BY DP_INTERVAL_HIGH(x)"
    plan = retailer.plan(Statement("", f"SELECT pieces, COUNT(*) AS x {_BY_PIECES} {rest}"))
    rows = answer_rows(plan.columns, retailer.released(plan))
    ends = [(float(str(row["x_lower"])), float(str(row["x_upper"]))) for row in rows]
    assert all(low > 0 for low, _ in ends)
    assert ends == sorted(ends, key=lambda end: end[1])
