"""Ranges hold for every row within the declared ones, and are as narrow as the statement lets them be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from itertools import product

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from queries import emit
from queries.function_names import Function
from queries.parse import parse
from queries.plan import BOOLEAN, DATE, INTEGER, Call, Column, Expression, Literal, Relation, Scan, Type
from queries.policy import load_policy
from queries.range_arithmetic import ANYTHING, Range, day_number
from queries.ranges import Ranges
from queries.relations import check
from queries.schema import Schema
from tests.queries.expressions import CENTS, COLUMNS, NANOS, calls_of, expressions, functions_of
from tests.queries.retailer import POLICY_TEXT as RETAILER
from tests.queries.retailer import SCHEMA as SCHEMA_OF_RETAILER
from tests.queries.test_schema import SENSITIVE

POLICY = """
dataset: sample
title: Rows at the ends of their ranges
unit: {name: unit, label: a unit}
max_units: 1000
budget: {epsilon: 10, delta: 1e-6, delta_for_thresholds: 5e-7}
query: {default_epsilon: 1, max_epsilon: 2}
retention: {days: 100, column: t.day}
tables:
  t:
    visibility: private
    unit_column: unit
    columns:
      unit: {type: integer}
      b: {type: boolean, nullable: true}
      i: {type: integer, nullable: true}
      small: {type: integer, nullable: true, range: [-3, 9]}
      cents: {type: decimal, scale: 2, nullable: true, range: ["0.05", "12.34"]}
      nanos: {type: decimal, scale: 9, nullable: true, domain: ["-0.000000002", "2.500000000", "3"]}
      s: {type: string, nullable: true}
      kind: {type: string, nullable: true, domain: ["", "a", "A'%", "ß"]}
      day: {type: date, range: [2020-02-29, 2026-12-31]}
"""
SCHEMA = Schema(load_policy(POLICY))
VALUES: Mapping[str, tuple[str, ...]] = {
    "b": ("NULL", "TRUE", "FALSE"),
    "i": ("NULL", "0", "3", "-9223372036854775808", "9223372036854775807"),
    "small": ("NULL", "-3", "0", "1", "9"),
    "cents": ("NULL", "5", "1234", "250"),
    "nanos": ("-2", "2500000000", "3000000000"),
    "s": ("NULL", "'12'", "'İß%_'"),
    "kind": ("NULL", "'A''%'", "'ß'"),
    "day": ("DATE '2020-02-29'", "DATE '2026-12-31'", "DATE '2021-01-04'"),
}
STORED = {"b": "BOOLEAN", "s": "VARCHAR", "kind": "VARCHAR", "day": "DATE"}
NUMBERS = (INTEGER, CENTS, NANOS, DATE)
_PHASES = (Phase.explicit, Phase.reuse, Phase.generate)  # a tree that fails is found again by itself
_T = Scan("t", private=True, columns=COLUMNS)


@pytest.fixture(scope="module")
def rows() -> Iterator[duckdb.DuckDBPyConnection]:
    """Rows at the ends of the declared ranges and in between: any two columns in all their combinations."""
    with duckdb.connect(config={"threads": 1}) as connection:
        columns = [f"{name} {STORED.get(name, 'BIGINT')}" for name in VALUES]
        connection.execute(f"CREATE TABLE t ({', '.join(columns)})")
        first = {name: values[0] for name, values in VALUES.items()}
        lines = {
            tuple({**first, one: a, other: b}.values())
            for one, other in product(VALUES, VALUES)
            for a, b in product(VALUES[one], VALUES[other])
        }
        connection.execute(f"INSERT INTO t VALUES {', '.join('(' + ', '.join(line) + ')' for line in sorted(lines))}")
        yield connection


def _outside(connection: duckdb.DuckDBPyConnection, tree: Expression, *where: Expression) -> str | None:
    """The values of the tree that are outside its range, in words."""
    values = Ranges.over(Relation(_T, (), where), SCHEMA).of(tree)
    condition = " AND ".join(map(emit.sql_of, where)) or "TRUE"
    sql = emit.sql_of(tree)
    found = connection.execute(f"SELECT min({sql}), max({sql}) FROM t AS s0 WHERE {condition}").fetchone()
    ends = [day_number(end) if isinstance(end, date) else end for end in found or () if end is not None]
    return None if all(values.low <= end <= values.high for end in ends) else f"{ends} of {sql} not in {values}"


_MANY = settings(suppress_health_check=list(HealthCheck), phases=_PHASES, max_examples=6)


@pytest.mark.parametrize("function", Function)
def test_no_value_of_a_function_is_outside_its_range(function: Function, rows: duckdb.DuckDBPyConnection) -> None:
    results = [type_ for type_ in NUMBERS if function in functions_of(type_)]

    @_MANY
    @given(st.data())
    def check_some(data: st.DataObject) -> None:
        for _ in range(8):
            tree = data.draw(st.sampled_from(results).flatmap(lambda type_: calls_of(function, type_, 1)))
            assert _outside(rows, tree) is None

    if results:
        check_some()


@settings(_MANY, max_examples=100)
@given(
    st.sampled_from(NUMBERS).flatmap(expressions),
    st.lists(expressions(BOOLEAN, 2), max_size=2),
)
def test_no_value_of_a_row_that_passes_is_outside_its_range(
    rows: duckdb.DuckDBPyConnection, tree: Expression, where: list[Expression]
) -> None:
    assert _outside(rows, tree, *where) is None


_LIMITS: Mapping[Type, tuple[int | str, ...]] = {
    INTEGER: (-4, -3, 0, 1, 5, 9, 10),
    CENTS: (0, 5, 100, 1233, 1234),
    NANOS: (-2, -1, 10**9, 3 * 10**9),
    DATE: ("2020-02-29", "2020-03-01", "2021-01-04", "2026-12-31"),
}
_COMPARED = [Column(0, "small", INTEGER), Column(0, "cents", CENTS), Column(0, "nanos", NANOS), Column(0, "day", DATE)]


@st.composite
def comparisons(draw: st.DrawFn) -> Expression:
    """A column compared with limits near the ends of its range, on either side."""
    column = draw(st.sampled_from(_COMPARED))
    limit = st.builds(Literal, st.sampled_from(_LIMITS[column.type]), st.just(column.type))
    if draw(st.integers(0, 3)) == 0:
        return Call(Function.IN, (column, *draw(st.lists(limit, min_size=1, max_size=2))), BOOLEAN)
    function = draw(st.sampled_from([Function.LESS, Function.LESS_EQUAL, Function.EQUAL, Function.NOT_EQUAL]))
    return Call(function, tuple(draw(st.permutations([column, draw(limit)]))), BOOLEAN)


conditions = st.recursive(
    comparisons(),
    lambda inner: st.one_of(
        inner.map(lambda one: Call(Function.NOT, (one,), BOOLEAN)),
        st.builds(
            lambda f, *parts: Call(f, parts, BOOLEAN), st.sampled_from([Function.AND, Function.OR]), inner, inner
        ),
    ),
    max_leaves=4,
)


@st.composite
def choices(draw: st.DrawFn) -> Expression:
    """A CASE of up to three arms over numbers of a type."""
    type_ = draw(st.sampled_from(NUMBERS))
    arms = [part for _ in range(draw(st.integers(1, 2))) for part in (draw(conditions), draw(expressions(type_, 1)))]
    return Call(Function.CASE, (*arms, draw(expressions(type_, 1))), type_)


@settings(_MANY, max_examples=150)
@given(choices() | st.sampled_from(_COMPARED), st.lists(conditions, max_size=2))
def test_no_value_that_a_condition_lets_through_is_outside_its_range(
    rows: duckdb.DuckDBPyConnection, tree: Expression, where: list[Expression]
) -> None:
    assert _outside(rows, tree, *where) is None


def _asked(value: str, from_: str = "t") -> Range:
    """The range of a summand of a statement."""
    (node,) = check(parse(f"SELECT SUM({value}) AS s FROM {from_}", {}), SCHEMA).nodes
    (measure,) = node.measures
    assert measure.value is not None
    return Ranges.over(node.relation, SCHEMA).of(measure.value)


INF = ANYTHING.high
EXACT_RANGES: dict[str, tuple[float, float]] = {
    "small": (-3, 9),
    "cents": (5, 1234),
    "LEAST(nanos, 2)": (-2, 2 * 10**9),
    "i": (-INF, INF),
    "small + cents": (-295, 2134),
    "small - small": (-12, 12),
    "small * cents": (-3702, 11106),
    "small * small": (0, 81),
    "i * 0": (0, 0),
    "-small": (-9, 3),
    "ABS(small)": (0, 9),
    "ABS(i)": (0, INF),
    "small // 2": (-1, 4),
    "9 // small": (-9, 9),
    "i // 10": (-INF, INF),
    "small % 4": (-3, 3),
    "i % 10": (-9, 9),
    "ABS(i) % 10": (0, 9),
    "LEAST(cents, 10)": (5, 1000),
    "LEAST(i, 10)": (-INF, 10),
    "GREATEST(small, 0)": (0, 9),
    "GREATEST(LEAST(i, 10), -10)": (-10, 10),
    "ROUND(cents, 1)": (1, 123),
    "ROUND(cents)": (0, 12),
    "CAST(small AS DECIMAL(9, 2))": (-300, 900),
    "COALESCE(small, 20)": (-3, 20),
    "NULLIF(small, 1)": (-3, 9),
    "CASE WHEN small > 2 THEN small ELSE 0 END": (0, 9),
    "CASE WHEN small > 2 THEN small END + 0": (3, 9),
    "CASE WHEN small > 2 THEN 2 ELSE small END": (-3, 2),
    "CASE WHEN small BETWEEN 1 AND 4 THEN small * 10 ELSE 0 END": (0, 40),
    "CASE WHEN small IN (1, 4, NULL) OR b THEN small ELSE 0 END": (-3, 9),
    "CASE WHEN NOT small < 5 THEN small ELSE 5 END": (5, 9),
    "CASE WHEN small < 0 OR cents > 1 THEN 0 ELSE small END": (0, 9),
    "CASE WHEN small < 5 AND cents > 1 THEN 0 ELSE small END": (-3, 9),
    "CASE WHEN small IN (1, i) THEN small ELSE 1 END": (-3, 9),
    "IF(b, small, cents)": (-300, 1234),
    "ROUND(cents / 100, 3)": (1, 123),
    "ROUND(cents / 2, 2)": (3, 617),
    "ROUND(small / cents, 2)": (-6000, 18000),
    "ROUND(cents / small, 2)": (-1234, 1234),
    "ROUND(cents / (cents - 1), 2)": (-123400, 123400),
    "ROUND(i / 2)": (-INF, INF),
    "ROUND(GREATEST(i, 0) / i)": (-INF, INF),
    "ROUND(cents / (cents / 10 - 1), 2)": (-INF, INF),
    "ROUND(ABS(i / 2))": (-INF, INF),
    "ROUND(i / 2 * 0.0)": (-INF, INF),
    "CAST(b AS INTEGER) + 1": (1, 2),
    "CAST(kind AS INTEGER)": (-INF, INF),
    "LENGTH(kind)": (0, 3),
    "LENGTH(s)": (0, INF),
    "LENGTH(LEFT(s, 5))": (0, 5),
    "LENGTH(kind || 'ab' || SUBSTRING(s, 2, 4))": (0, 9),
    "LENGTH(s || s)": (0, 1000),
    "LENGTH(UPPER(COALESCE(kind, 'nothing')))": (0, 7),
    "LENGTH(CAST(day AS VARCHAR))": (0, 10),
    "YEAR(day)": (2020, 2026),
    "YEAR(DATE_TRUNC('year', day))": (2019, 2026),
    "YEAR(day + 1)": (2020, 2027),
    "MONTH(day)": (1, 12),
    "DAYOFWEEK(day)": (0, 6),
    "day - DATE '2020-02-28'": (1, 2498),
}


@pytest.mark.parametrize(("value", "ends"), EXACT_RANGES.items())
def test_a_range_is_no_wider_than_it_has_to_be(value: str, ends: tuple[float, float]) -> None:
    assert _asked(value) == Range(*ends)


FROM_RANGES: dict[tuple[str, str], tuple[float, float]] = {
    ("cents", "t WHERE cents BETWEEN 0 AND 5"): (5, 500),
    ("cents", "t WHERE cents < 5 AND NOT cents < 1"): (100, 499),
    ("cents", "t WHERE small = 3 OR cents > 2"): (5, 1234),
    ("cents", "t WHERE cents < 0"): (5, 1234),
    ("small * cents", "t WHERE small = 2 AND small * cents <= 8"): (10, 800),
    ("YEAR(day)", "t WHERE day >= DATE '2024-01-01'"): (2024, 2026),
    ("x", "(SELECT cents * 2 AS x FROM t WHERE cents < 1) AS q WHERE x > 0.5"): (51, 198),
    ("n", "(SELECT unit, COUNT(*) AS n FROM t GROUP BY unit) AS q"): (0, INF),
    ("n", "(SELECT unit, COUNT(*) AS n FROM t GROUP BY unit HAVING COUNT(*) BETWEEN 2 AND 5) AS q"): (2, 5),
    ("n", "(SELECT unit, SUM(cents) AS n FROM t GROUP BY unit) AS q"): (5, INF),
    ("n", "(SELECT unit, SUM(-cents) AS n FROM t GROUP BY unit) AS q"): (-INF, -5),
    ("n", "(SELECT unit, SUM(small) AS n FROM t GROUP BY unit) AS q"): (-INF, INF),
    ("n", "(SELECT unit, MAX(small) AS n FROM t WHERE small < 7 GROUP BY unit) AS q"): (-3, 6),
    ("n", "(SELECT unit, MIN(small) FILTER (WHERE small > 1) AS n FROM t GROUP BY unit) AS q"): (2, 9),
    ("n", "(SELECT unit, day, COUNT(DISTINCT s) AS n FROM t GROUP BY ALL) AS q"): (0, INF),
    ("n", "(SELECT unit, LAG(small) OVER (PARTITION BY unit ORDER BY day) AS n FROM t) AS q"): (-3, 9),
    ("n", "(SELECT unit, ROW_NUMBER() OVER (PARTITION BY unit ORDER BY day) AS n FROM t) AS q"): (0, INF),
    ("n", "(SELECT unit, small AS n FROM t WHERE small > 3 UNION ALL SELECT unit, -1 FROM t) AS q"): (-1, 9),
    ("q.n", "t LEFT JOIN (SELECT unit, MAX(small) AS n FROM t GROUP BY unit) AS q ON t.unit = q.unit"): (-3, 9),
    ("n", "(SELECT DISTINCT unit, small AS n FROM t) AS q"): (-3, 9),
}


@pytest.mark.parametrize(("asked", "ends"), FROM_RANGES.items())
def test_conditions_and_subqueries_narrow_a_range(asked: tuple[str, str], ends: tuple[float, float]) -> None:
    assert _asked(*asked) == Range(*ends)


def test_the_stand_ins_of_sensitive_products_are_outside_the_declared_range_of_keys() -> None:
    policy = load_policy(_roomy(RETAILER + SENSITIVE))
    table = Scan("products", private=False, columns=(("product_id", INTEGER), ("price", CENTS)))
    for schema, ends in ((SCHEMA_OF_RETAILER, Range(1, 50)), (Schema(policy), ANYTHING)):
        ranges = Ranges.over(Relation(table), schema)
        assert ranges.of(Column(0, "product_id", INTEGER)) == ends
        assert ranges.of(Column(0, "price", CENTS)) == Range(0, 10_000)


def _roomy(text: str) -> str:
    """The policy with room for stand-ins: of these only the department is known."""
    text = text.replace("name: {type: string}", "name: {type: string, nullable: true}")
    return text.replace("price: {type: decimal,", "price: {type: decimal, nullable: true,")


def test_a_column_used_twice_by_each_of_many_queries_is_worked_out_once() -> None:
    """Without memory this would take 2**40 steps."""
    ctes = ["c0 AS (SELECT unit, small AS x, cents AS y FROM t)"]
    for level in range(1, 40):
        inner = f"SELECT unit, SUM(x + y) AS x, MAX(x - y) AS y FROM c{level - 1} GROUP BY unit"
        ctes.append(f"c{level} AS ({inner})")
    (node,) = check(parse(f"WITH {', '.join(ctes)} SELECT SUM(x) AS s FROM c39", {}), SCHEMA).nodes
    (measure,) = node.measures
    assert measure.value is not None
    assert Ranges.over(node.relation, SCHEMA).of(measure.value) == ANYTHING
