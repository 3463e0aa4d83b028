"""How GoogleSQL's forms are read, and that nothing of them is left in what runs."""

from __future__ import annotations

import re

import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp

from queries.errors import PriceError, QueryNotPrivateError, SqlSyntaxError
from queries.google_sql import Bounded, GoogleSQL, ListParameter, PrivacyClause
from queries.parse import DIALECT
from tests.queries.retailer import Statement, planned, statements

NEW = [statement for statement in statements("accepted") if statement.name.startswith("google_sql: ")]
OTHERS = [
    statement
    for statement in (*statements("accepted"), *statements("refused"))
    if not statement.name.startswith("google_sql: ")
]


def _read(sql: str) -> exp.Expr:
    tree = sqlglot.parse_one(sql, dialect=GoogleSQL())
    assert isinstance(tree, exp.Expr)
    return tree


def _written(sql: str) -> str:
    return _read(f"SELECT {sql}").sql(dialect=DIALECT).removeprefix("SELECT ")


@pytest.mark.parametrize(
    ("google", "duckdb"),
    [
        ("`a`, `a b`, \"c\", 'd'", '"a", "a b", "c", \'d\''),
        ('`a"b`, `c``d`', '"a""b", "c`d"'),
        ("SAFE_DIVIDE(a + 1, b - 1)", "((a + 1) / NULLIF(b - 1, 0))"),
        ("1 - SAFE_DIVIDE(a, b) * 2", "1 - (a / NULLIF(b, 0)) * 2"),
        ("DATE_TRUNC('month', day)", "DATE_TRUNC('MONTH', day)"),
        ("DATE_TRUNC(day, MONTH)", "CAST(DATE_TRUNC('MONTH', day) AS DATE)"),
        ("DATE_TRUNC(day + 1, isoweek)", "CAST(DATE_TRUNC('WEEK', day + 1) AS DATE)"),
        ("DATE_DIFF('day', a, b)", "DATE_DIFF('DAY', a, b)"),
        ("DATE_DIFF(b, a, DAY)", "DATE_DIFF('DAY', a, b)"),
        ("DATE_DIFF(b, a, Year)", "DATE_DIFF('YEAR', a, b)"),
        ("DATE_ADD(a, INTERVAL 3 DAY)", "CAST(a + INTERVAL '3' DAY AS DATE)"),
        ("DATE_SUB(a, INTERVAL 3 MONTH)", "CAST(a - INTERVAL '3' MONTH AS DATE)"),
        ("EXTRACT(ISOWEEK FROM a)", "EXTRACT(WEEK FROM a)"),
        ("SAFE_CAST(a AS FLOAT64)", "TRY_CAST(a AS DOUBLE)"),
        ("COUNTIF(a), IFNULL(a, b)", "COUNT_IF(a), COALESCE(a, b)"),
        ("@ x, @(x), @x, $x, :x, ?", "ABS(x), ABS((x)), $x, $x, $x, ?"),
        ("a<@x, a >@x", "a < $x, a > $x"),
        ('"with" differential_privacy', '"with" AS differential_privacy'),
    ],
)
def test_a_form_means_what_it_says(google: str, duckdb: str) -> None:
    assert _written(google) == duckdb


@pytest.mark.parametrize(
    "sql", ["DATE_TRUNC(a, `MONTH`)", "DATE_TRUNC(a, t.MONTH)", "DATE_DIFF(a, b, `DAY`)", "DATE_DIFF(a, b, t.day)"]
)
def test_a_column_is_no_part_of_a_date(sql: str) -> None:
    plain = sqlglot.parse_one(f"SELECT {sql.replace('`', chr(34))}", dialect=DIALECT)
    assert _read(f"SELECT {sql}").sql(dialect=DIALECT) == plain.sql(dialect=DIALECT)


@pytest.mark.parametrize("statement", OTHERS, ids=lambda statement: statement.name)
def test_what_duckdb_reads_is_read_alike(statement: Statement) -> None:
    try:
        plain = sqlglot.parse_one(statement.sql, dialect=DIALECT)
    except sqlglot.errors.SqlglotError:
        return  # a fixture of what cannot be read
    assert _read(statement.sql) == plain


def test_an_aggregate_is_read_as_before_and_beside_that_has_its_bounds() -> None:
    for call in ("SUM(a)", "COUNT(*)", "COUNT(DISTINCT a, b)", "COUNT(DISTINCT (a, b))", "AVG(a + b)", "COUNT_IF(a)"):
        tree = _read(f"SELECT {call[:-1]}, l2_bound => -3, x => (1, @y))")
        bounded = tree.find(Bounded)
        assert bounded is not None
        assert bounded.this == sqlglot.parse_one(f"SELECT {call}", dialect=DIALECT).expressions[0]
        assert [named.name for named in bounded.expressions] == ["l2_bound", "x"]


def test_a_list_has_one_shape() -> None:
    for sql in ("a IN $x", "a IN :x", "a IN @x", "a IN UNNEST(@x)", "a NOT IN UNNEST($x)"):
        tree = _read(f"SELECT {sql}")
        found = tree.find(exp.In)
        assert found is not None
        assert [type(part) for part in found.expressions] == [ListParameter]
    assert _read("SELECT a IN ($x)").find(ListParameter) is None


@pytest.mark.parametrize(
    "sql", ["SELECT WITH DIFFERENTIAL_PRIVACY a", "SELECT SUM(a, l2_bound => 3)", "SELECT a IN $x"]
)
def test_no_generator_writes_a_node_of_the_dialect(sql: str) -> None:
    with pytest.raises(ValueError, match="Unsupported expression"):
        _read(sql).sql(dialect=DIALECT)


def test_a_clause_is_read_where_it_stands_and_nowhere_else() -> None:
    tree = _read("SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = 1, delta => 2,) DISTINCT a FROM t")
    clause = tree.args["hint"]
    assert isinstance(clause, PrivacyClause)
    assert [named.name for named in clause.expressions] == ["epsilon", "delta"]
    assert tree.args["distinct"] is not None
    for sql in (
        "SELECT a WITH DIFFERENTIAL_PRIVACY",
        "SELECT DISTINCT WITH DIFFERENTIAL_PRIVACY a",
        "WITH ANONYMIZATION",
    ):
        with pytest.raises(sqlglot.errors.SqlglotError):
            _read(sql)


@pytest.mark.parametrize("statement", NEW, ids=lambda statement: statement.name)
def test_nothing_of_the_dialect_is_left_to_run(statement: Statement) -> None:
    sql = planned(statement.sql, statement.params, statement.options).sql
    assert not re.search(r"DIFFERENTIAL|ANONYM|OPTIONS|=>|DP_INTERVAL|BOUND|EPSILON|`|[@$?]", sql, flags=re.IGNORECASE)


WORDS = """SELECT FROM lines pieces amount household_id COUNT(*) SUM( AVG( DP_INTERVAL_LOW( DP_INTERVAL_HIGH(s) ) , ( *
= => := @ @x $x ? ` WITH DIFFERENTIAL_PRIVACY OPTIONS( ANONYMIZATION epsilon delta rho l2_bound kappa NaN 1e999999999 -1
0.5 contribution_bounds_per_group contribution_bounds_per_row min_privacy_units_per_group max_groups_contributed NULL
'x' AS s GROUP BY IN UNNEST( DATE_TRUNC( MONTH WEEK day DATE_DIFF( EXTRACT( DISTINCT FILTER (WHERE OVER () INTERVAL
HAVING ORDER LIMIT privacy_unit_column group_selection_strategy PUBLIC_GROUPS UNION ALL SAFE_DIVIDE("""
SHAPES = (
    "SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS({}) COUNT(*) AS n FROM lines",
    "SELECT {} FROM lines",
    "SELECT SUM(amount, {}) AS s FROM lines",
    "SELECT SUM(amount) AS s, DP_INTERVAL_LOW({}) AS low FROM lines",
    "SELECT n FROM (SELECT COUNT(*, {}) AS n FROM lines) AS t WHERE {}",
    "{}",
)


@settings(max_examples=400)
@given(
    st.sampled_from(SHAPES), st.lists(st.sampled_from(WORDS), max_size=9), st.lists(st.sampled_from(WORDS), max_size=4)
)
def test_any_words_are_planned_or_refused(shape: str, words: list[str], more: list[str]) -> None:
    try:
        planned(shape.format(" ".join(words), " ".join(more)), {"x": 1, "1": 2})
    except (QueryNotPrivateError, SqlSyntaxError) as error:
        text = error.reason if isinstance(error, QueryNotPrivateError) else error.message
        assert not re.search(r"<class|<Token|sqlglot|Bounded|PrivacyClause|Kwarg", text)
    except PriceError:
        pass
