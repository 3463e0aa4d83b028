"""Public rows as SQL: names are distinct, errors go along while they hold, and decimals are shown in their places."""

from __future__ import annotations

from decimal import Decimal

import duckdb
import pytest
import sqlglot
from sqlglot import exp

from queries.errors import QueryNotPrivateError
from queries.rows import (
    ROWS_LIMIT,
    Hidden,
    Output,
    Rows,
    check_size,
    distinct_names,
    from_item,
    name_of,
    projections_of,
    public_table,
    renamed,
    visible,
)

HIDDEN = Hidden("_se1", "_lo1", "_hi1", "_d1")
AGE, COUNT = Output("age", "dimension"), Output("n", "estimate", HIDDEN)
SOURCES = {"t": (AGE, COUNT), "u": (Output("age", "dimension"),)}


def _rows() -> Rows:
    tree = sqlglot.parse_one(
        "SELECT 'old' AS age, 5 AS n, 2.0 AS _se1, 0 AS _lo1, 1 AS _hi1, 4 AS _d1", dialect="duckdb"
    )
    assert isinstance(tree, exp.Query)
    return Rows(tree, (AGE, COUNT))


def _shown(tree: exp.Query) -> list[dict[str, object]]:
    with duckdb.connect() as connection:
        cursor = connection.execute(tree.sql(dialect="duckdb"))
        names = [str(column[0]) for column in cursor.description or []]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _followed(tree: exp.Expr, place: int) -> tuple[Hidden, list[exp.Expr]] | None:
    """An estimate of whatever has an n in it."""
    if tree.find(exp.Column) is None or tree.name != "n":
        return None
    return Hidden(f"_se{place}", "_lo", "_hi", "_d"), [exp.alias_(exp.Literal.number(1), f"_se{place}")]


def _projected(select: str) -> tuple[list[str], tuple[Output, ...]]:
    trees = sqlglot.parse_one(f"SELECT {select}", dialect="duckdb").expressions
    written, outputs = projections_of(trees, [name_of(tree) for tree in trees], SOURCES, _followed)
    return [tree.alias for tree in written], outputs


@pytest.mark.parametrize(
    ("select", "name"),
    [("a", "a"), ("t.A", "a"), ("a AS B", "b"), ("COUNT(*)", "count(*)"), ("a + 1", "a + 1"), ("1", "1")],
)
def test_a_column_is_called_by_its_alias_its_name_or_its_text(select: str, name: str) -> None:
    assert name_of(sqlglot.parse_one(f"SELECT {select}", dialect="duckdb").expressions[0]) == name


def test_hidden_columns_go_along_and_are_left_out_where_they_would_be_seen() -> None:
    assert _shown(visible(_rows())) == [{"age": "old", "n": 5}]
    plain = Rows(_rows().tree, (AGE,))
    assert visible(plain) is plain.tree


def test_renamed_rows_keep_their_errors_and_their_further_columns() -> None:
    rows = renamed(_rows(), ["a"])
    assert rows.columns == (Output("a", "dimension"), COUNT)
    assert _shown(rows.tree) == [{"a": "old", "n": 5, "_se1": 2.0, "_lo1": 0, "_hi1": 1, "_d1": 4}]


def test_a_star_is_written_out_with_its_errors() -> None:
    names, (age, count) = _projected("t.*")
    assert names == ["age", "n", "_se1"]
    assert (age, count.role, count.hidden) == (AGE, "estimate", Hidden("_se1", "_lo", "_hi", "_d"))


def test_what_has_an_estimate_is_one_and_what_has_none_is_derived() -> None:
    names, outputs = _projected("n AS m, t.age, n + 1 AS more")
    assert names == ["m", "age", "more", "_se0"]
    assert [output.role for output in outputs] == ["estimate", "dimension", "derived"]


def test_a_column_of_two_tables_is_not_taken_for_that_of_one() -> None:
    assert _projected("age AS a") == (["a"], (Output("a", "derived"),))


def test_a_star_of_a_table_that_is_not_there_is_refused() -> None:
    with pytest.raises(QueryNotPrivateError) as refused:
        _projected("x.*")
    assert refused.value.code == "unknown-table"


def test_two_columns_of_one_name_are_refused() -> None:
    with pytest.raises(QueryNotPrivateError) as refused:
        distinct_names((AGE, AGE), exp.Select())
    assert refused.value.code == "duplicate-column"
    assert distinct_names((AGE, COUNT), exp.Select()) == (AGE, COUNT)


def test_public_decimals_are_shown_in_their_own_places() -> None:
    rows = public_table("goods", {"id": 0, "price": 2})
    with duckdb.connect() as connection:
        connection.execute("ATTACH ':memory:' AS public")
        connection.execute("CREATE TABLE public.main.goods AS SELECT 1 AS id, -1999::BIGINT AS price")
        connection.execute("INSERT INTO public.main.goods VALUES (2, 9223372036854775807)")
        shown = connection.execute(rows.tree.sql(dialect="duckdb")).fetchall()
    assert shown == [(1, Decimal("-19.99")), (2, Decimal("92233720368547758.07"))]


def test_a_public_table_without_decimals_is_read_as_it_is() -> None:
    whole, decimals = public_table("goods", {"id": 0}), public_table("goods", {"price": 2})
    assert from_item(whole, "g").sql(dialect="duckdb") == '"public"."main"."goods" AS "g"'
    assert isinstance(from_item(decimals, "g"), exp.Subquery)


def test_statements_that_stand_for_too_much_are_refused_before_they_are_put_together() -> None:
    tree = exp.select(*["a"] * (ROWS_LIMIT // 4))
    rows = Rows(tree, ())
    check_size((rows,), tree)
    with pytest.raises(QueryNotPrivateError) as refused:
        check_size((rows, rows), tree)
    assert refused.value.code == "too-complex"
