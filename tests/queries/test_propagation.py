"""The delta method in SQL against numbers: simulated noise, the coverage of intervals, what may have been clipped."""

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

from queries.intervals import CONFIDENCE, Estimate, Source, measured, quantile
from queries.propagation import Parts, Propagation, Slopes, UnfollowedError

Z = quantile(CONFIDENCE)
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
    "COALESCE(m0, 0) / m1",
    "LN(m0)",
    "POWER(m0, 2) / m1",
    "m0 / m1 - POWER(m2 / m1, 2)",
    "ABS(m2)",
    "ABS(m0) / ABS(m1)",
    "LEAST(m0, 1e9) - GREATEST(m1, -5)",
    "SQRT(m0)",
]


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        generator = np.random.default_rng(20_260_101)
        columns = {f"m{i}": generator.normal(VALUES[i], ERRORS[i], DRAWS) for i in range(3)}
        columns |= {f"s{i}": np.full(DRAWS, ERRORS[i]) for i in range(3)} | {"k0": np.full(DRAWS, 2)}
        columns |= {f"{kind}{i}": np.zeros(DRAWS) for kind in "lh" for i in range(3)}
        opened.register("drawn", pa.table(columns))
        exact = {f"m{i}": [VALUES[i]] for i in range(3)} | {f"s{i}": [ERRORS[i]] for i in range(3)} | {"k0": [2]}
        exact |= {f"{kind}{i}": [0.0] for kind in "lh" for i in range(3)}
        opened.register("exact", pa.table(exact))
        yield opened


class Measured(Propagation):
    """Over measures m<n> with independent noise, keys k<n>, and what is called n<n>: of the same noise as m0."""

    def _own(self, tree: exp.Expr) -> Slopes | None:
        if not isinstance(tree, exp.Column):
            return None
        if not tree.name[1:].isdigit():
            raise UnfollowedError
        if tree.name[0] not in "mn":
            return {}
        number = 0 if tree.name[0] == "n" else int(tree.name[1:])
        estimate = measured(int(tree.name[1:]), frozenset({Source("released_0", number, str(number))}))
        return self.take(tree.name, estimate)


def _tree(text: str) -> exp.Expr:
    return sqlglot.parse_one(text, dialect="duckdb")


def _estimate(text: str) -> Estimate:
    found = Measured().estimate(_tree(text))
    if found is None:
        raise ValueError(text)
    return found


def _error(text: str) -> str:
    return _estimate(text).error.sql(dialect="duckdb")


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
    sql = f"SELECT {text} AS x, {_error(text)} AS e FROM drawn LIMIT 20000"
    truth = _one(connection, f"SELECT {text} FROM exact")
    covered = _one(connection, f"SELECT COUNT(*) FROM ({sql}) WHERE ABS(x - {truth}) <= {Z} * e")
    low, high = stats.binom.ppf(1e-6, 20_000, 0.94), stats.binom.ppf(1 - 1e-6, 20_000, 0.96)
    assert low <= covered <= high


NEAR_ZERO = [(1_000.0, 30.0, 3.0), (50.0, 5.0, 3.0), (0.0, 5.0, 3.0), (1_000.0, 30.0, 6.0), (1e6, 1.0, 5.0)]


@pytest.mark.parametrize(("value", "error", "deviations"), NEAR_ZERO)
def test_a_ratio_over_little_is_covered_or_has_no_interval(value: float, error: float, deviations: float) -> None:
    generator = np.random.default_rng(7)
    drawn = pa.table(
        {
            "m0": generator.normal(value, error, DRAWS),
            "m1": generator.normal(deviations, 1.0, DRAWS),
            "s0": np.full(DRAWS, error),
            "s1": np.full(DRAWS, 1.0),
            **dict.fromkeys(("l0", "h0", "l1", "h1"), np.zeros(DRAWS)),
        }
    )
    with duckdb.connect() as connection:
        connection.register("drawn", drawn)
        sql = f"SELECT m0 / m1 AS x, {_error('m0 / m1')} AS e FROM drawn"
        missed = f"SELECT COUNT(*) FROM ({sql}) WHERE ABS(x - {value / deviations}) > {Z} * e"
        assert _one(connection, missed) <= stats.binom.ppf(1 - 1e-6, DRAWS, 0.05)
        with_errors = f"SELECT m1, {_error('m0 / m1')} AS e FROM drawn"
        near = f"SELECT COUNT(*) FROM ({with_errors}) WHERE (ABS(m1) <= {Z}) <> (e IS NULL)"
        assert _one(connection, near) == 0


def _row(connection: duckdb.DuckDBPyConnection, text: str, **columns: float) -> tuple[float, float, float]:
    """The error and the ends of the clipping part of an expression over one row."""
    given = dict.fromkeys([f"{kind}{place}" for kind in "mnslh" for place in range(3)], 0.0) | columns
    row = ", ".join(f"{value!r}::DOUBLE AS {name}" for name, value in given.items())
    found = _estimate(text)
    parts = ", ".join(part.sql(dialect="duckdb") for part in (found.error, found.low, found.high))
    error, low, high = connection.execute(f"SELECT {parts} FROM (SELECT {row}) AS t").fetchall()[0]
    return error, low, high


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("m0", 0, 6),
        ("-m0", -6, 0),
        ("m0 - m1", -2, 6),
        ("2 * m0 + m1", 0, 14),
        ("m0 / 2", 0, 3),
        ("m0 + m2", -3, 6),
        ("m0 * m2", -50 * 3, 10 * 0 + 6 * 20),
        ("ABS(m2)", -3, 3),
        ("ROUND(m0, -1)", -5, 11),
        ("ROUND(m2)", -3.5, 0.5),
        ("GREATEST(m0, 7)", 0, 6),
        ("m0 - n1", -5, 6),
    ],
)
def test_the_clipping_part_is_the_worst_case_of_all_allowances(
    text: str, low: float, high: float, connection: duckdb.DuckDBPyConnection
) -> None:
    ends = {"h0": 6.0, "h1": 2.0, "l2": -3.0, "h2": 0.0}
    if "n1" in text:
        ends["h1"] = 5.0
    found = _row(connection, text, m0=50.0, m1=20.0, m2=20.0, **ends)
    assert found[1:] == pytest.approx((low, high))


def test_a_ratio_is_widened_by_what_its_divisor_may_be_nearer_to_zero(connection: duckdb.DuckDBPyConnection) -> None:
    error, low, high = _row(connection, "m0 / m1", m0=100.0, m1=10.0, s0=1.0, l1=-5.0)
    assert error == pytest.approx(1 / 10 / (1 - 5 / 10))
    assert low == 0
    assert high == pytest.approx(100 / 5 - 100 / 10)  # what it is at the end of the divisor's allowance
    assert _row(connection, "m0 / m1", m0=100.0, m1=10.0, s0=1.0, l1=-10.0)[0] is None
    assert _row(connection, "m0 / m1", m0=100.0, m1=-10.0, s0=1.0, h1=10.0)[0] is None
    assert _row(connection, "m0 / m1", m0=100.0, m1=10.0, s0=1.0, h1=10.0)[0] == pytest.approx(1 / 10)


@pytest.mark.parametrize(("text", "error"), [("m0 + m1", 5), ("m0 + n1", 7), ("m0 - n1", 7), ("m0 - m0 + m1", 4)])
def test_noise_that_two_values_share_is_added_up_as_it_is(
    text: str, error: float, connection: duckdb.DuckDBPyConnection
) -> None:
    assert _row(connection, text, m0=50.0, m1=20.0, n1=20.0, s0=3.0, s1=4.0)[0] == pytest.approx(error)


def test_parts_that_are_read_from_a_subquery_say_the_same(connection: duckdb.DuckDBPyConnection) -> None:
    for text in EXPRESSIONS:
        parts = Parts()
        found = Measured(parts).estimate(_tree(text))
        assert found is not None
        source = parts.read_from(exp.table_("exact")).sql(dialect="duckdb")
        inline = _one(connection, f"SELECT {_error(text)} FROM exact")
        assert _one(connection, f"SELECT {found.error.sql(dialect='duckdb')} FROM {source}") == pytest.approx(inline)


@pytest.mark.parametrize(
    "text",
    [
        "k0",
        "1 + 2",
        "POWER(m0, 3)",
        "ROUND(m0, m1)",
        "COALESCE(m0, m1)",
        "EXP(m0)",
        "CASE WHEN m0 > 1 THEN m1 ELSE 0 END",
        "m0 / (SELECT SUM(n) FROM t)",
        "GREATEST(m0, m1)",
        "NULLIF(m0, 7)",
        "m0 > 5",
        "LOG(m0) + m1",
        "m0 % 2",
        "m0 + SUM(m1)",
    ],
)
def test_what_cannot_be_differentiated_has_no_standard_error(text: str) -> None:
    assert Measured().estimate(_tree(text)) is None


@pytest.mark.parametrize("text", ["m0 / m1", "m0 / NULLIF(m1, 0)"])
def test_a_denominator_of_zero_gives_no_number(text: str, connection: duckdb.DuckDBPyConnection) -> None:
    row = connection.execute(
        f"SELECT {_error(text)} FROM (SELECT 5 AS m0, 0 AS m1, 1.0 AS s0, 1.0 AS s1, 0 AS l1, 0 AS h1)"
    ).fetchone()
    assert row is not None
    assert row[0] is None or not math.isfinite(row[0])


def test_the_expression_is_not_changed() -> None:
    for text in EXPRESSIONS:
        tree = _tree(text)
        Measured(Parts()).estimate(tree)
        assert tree == _tree(text)
