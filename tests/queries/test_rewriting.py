"""What is left of an aggregating SELECT: plain SQL over the released table, told apart into estimates and the rest."""

from __future__ import annotations

import duckdb
import pytest

from queries.errors import QueryNotPrivateError
from queries.rows import Hidden, Output
from tests.queries.retailer import planned

RELEASED = """
    CREATE TABLE released_0 AS
    SELECT * FROM (VALUES ('old', 40, 9.0, 2.0), ('young', -3, -5.0, 2.0), (NULL, 7, 0.0, 2.0)) AS t(k0, m0, m1, s0)
"""


def _answer(sql: str) -> list[tuple[object, ...]]:
    """The rest of the statement, run over three released rows: m0 is 40, −3 and 7, m1 is 9, −5 and 0."""
    with duckdb.connect() as connection:
        connection.execute(RELEASED)
        connection.execute("ALTER TABLE released_0 ADD COLUMN s1 DOUBLE DEFAULT 1.0")
        for column in ("l0", "h0", "l1", "h1", "d0", "d1", "r0_1"):
            connection.execute(f"ALTER TABLE released_0 ADD COLUMN {column} DOUBLE DEFAULT 0")
        return connection.execute(planned(sql).sql).fetchall()


def _columns(sql: str) -> dict[str, str]:
    return {column.name: column.role for column in planned(sql).columns}


def _measured(sql: str) -> dict[str, tuple[str, ...]]:
    """Each measure's kind, and the output columns that it goes into."""
    (node,) = planned(sql).nodes
    return {str(measure.kind.value): measure.columns for measure in node.measures}


BY_AGE = "SELECT age, COUNT(*) AS n FROM customers GROUP BY age"


@pytest.mark.parametrize(
    ("rest", "ages"),
    [
        ("", ["old", "young", None]),
        ("HAVING COUNT(*) > 5", ["old", None]),
        ("HAVING n > 5", ["old", None]),
        ("HAVING age IS NOT NULL AND COUNT(*) < 0", ["young"]),
        ("ORDER BY n", ["young", None, "old"]),
        ("ORDER BY COUNT(*) DESC LIMIT 1", ["old"]),
        ("ORDER BY 2 LIMIT 1 OFFSET 1", [None]),
        ("ORDER BY age DESC NULLS LAST", ["young", "old", None]),
        ("ORDER BY n * 2 + 1 LIMIT 1", ["young"]),
    ],
)
def test_what_follows_the_groups_is_about_noised_figures(rest: str, ages: list[str | None]) -> None:
    assert [row[0] for row in _answer(f"{BY_AGE} {rest}")] == ages


def test_a_mean_over_a_count_that_is_not_above_zero_is_null() -> None:
    means = {row[0]: row[1] for row in _answer("SELECT age, AVG(members) AS m FROM customers GROUP BY age")}
    assert means == {"old": pytest.approx(40 / 9), "young": None, None: None}


def test_an_estimate_a_key_and_what_is_made_of_them_are_told_apart() -> None:
    sql = "SELECT age, UPPER(age) AS u, 1 AS one, COUNT(*) AS n, COUNT(*) / 2 AS h, COUNT(*) % 2 AS r FROM customers"
    assert _columns(f"{sql} GROUP BY age") == {
        "age": "dimension",
        "u": "dimension",
        "one": "dimension",
        "n": "estimate",
        "h": "estimate",
        "r": "derived",
    }


def test_an_estimate_carries_its_standard_error_in_a_hidden_column() -> None:
    plan = planned(BY_AGE)
    hidden = Hidden("_se1", "_lo1", "_hi1", "_d1", own=True)
    assert plan.columns == (Output("age", "dimension"), Output("n", "estimate", hidden))
    assert {row[2] for row in _answer(BY_AGE)} == {2}


def test_keys_are_found_by_what_they_are_and_not_by_how_they_are_written() -> None:
    sql = "SELECT members > 2 AS big, COUNT(*) AS n FROM customers GROUP BY 2 < members"
    assert _columns(sql) == {"big": "dimension", "n": "estimate"}


@pytest.mark.parametrize("groups", ["age", "1", "a", "ALL", "customers.age"])
def test_groups_are_named_by_column_number_alias_or_all(groups: str) -> None:
    sql = f"SELECT age AS a, COUNT(*) AS n FROM customers GROUP BY {groups}"
    assert planned(sql).nodes[0].aggregation == planned(BY_AGE).nodes[0].aggregation


def test_a_measure_knows_the_columns_that_it_goes_into() -> None:
    sql = "SELECT SUM(members) AS s, COUNT(*) AS n, COUNT(*) / 2 AS h FROM customers"
    assert _measured(sql) == {"sum": ("s",), "rows": ("h", "n")}


@pytest.mark.parametrize("rest", ["HAVING SUM(members) > 1", "ORDER BY SUM(members)", "ORDER BY s"])
def test_what_only_filters_or_sorts_is_no_column_of_a_measure(rest: str) -> None:
    sql = f"SELECT age, SUM(members) AS s, COUNT(*) AS n FROM customers GROUP BY age {rest}"
    assert _measured(sql) == {"sum": ("s",), "rows": ("n",)}


def test_a_bound_for_a_column_is_for_that_column_alone() -> None:
    sql = "SELECT SUM(members) AS s, COUNT(*) AS n FROM customers HAVING SUM(members) > 1"
    (node,) = planned(sql, {}, {"l2_bound": {"n": 7}}).nodes
    assert {measure.kind.value: measure.l2_bound for measure in node.measures} == {"sum": 4, "rows": 7}


def test_an_alias_stands_for_its_expression_and_never_for_itself() -> None:
    assert _columns("SELECT COUNT(*) AS n, n + 1 AS m, m * 2 AS k FROM customers") == {
        "n": "estimate",
        "m": "estimate",
        "k": "estimate",
    }
    with pytest.raises(QueryNotPrivateError) as refused:
        planned("SELECT n + 1 AS n FROM customers GROUP BY ALL")
    assert refused.value.code == "unknown-column"
