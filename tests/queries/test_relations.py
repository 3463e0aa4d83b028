"""The three types: what is private stays private until it is released, and what is released or public is free."""

from __future__ import annotations

import pytest

from queries.errors import QueryNotPrivateError
from queries.parse import parse
from queries.plan import Derived, Scan
from queries.relations import Statement, check
from tests.queries.retailer import SCHEMA, planned


def _check(sql: str) -> Statement:
    return check(parse(sql, {}), SCHEMA)


def _code(sql: str) -> str:
    with pytest.raises(QueryNotPrivateError) as refused:
        _check(sql)
    return refused.value.code


RELEASES = {
    "SELECT name FROM products": 0,
    "SELECT AVG(price) AS p FROM products": 0,
    "SELECT COUNT(*) AS n FROM lines": 1,
    "SELECT COUNT(*) AS n FROM (SELECT pieces FROM lines WHERE pieces > 1) AS t": 1,
    "SELECT MAX(n) AS m FROM (SELECT COUNT(*) AS n FROM lines GROUP BY pieces) AS t": 1,
    "WITH t AS (SELECT COUNT(*) AS n FROM lines) SELECT a.n, b.n AS m FROM t AS a, t AS b": 1,
    "SELECT (SELECT COUNT(*) FROM lines) AS a, (SELECT COUNT(*) FROM customers) AS b": 2,
    "SELECT COUNT(*) AS n FROM lines HAVING COUNT(*) > (SELECT COUNT(*) FROM customers)": 2,
    "SELECT name FROM products ORDER BY (SELECT COUNT(*) FROM lines)": 1,
    "(SELECT COUNT(*) AS n FROM lines) LIMIT 1": 1,
    "SELECT COUNT(*) AS n FROM lines UNION ALL SELECT COUNT(*) FROM customers": 2,
}


@pytest.mark.parametrize(("sql", "count"), RELEASES.items())
def test_each_aggregation_of_private_rows_is_one_release(sql: str, count: int) -> None:
    assert len(_check(sql).nodes) == count


PRIVATE = [
    "SELECT pieces FROM lines",
    "SELECT 1 AS one FROM lines",
    "SELECT name FROM products JOIN lines USING (product_id)",
    "SELECT t.pieces FROM (SELECT * FROM lines) AS t",
    "WITH t AS (SELECT pieces FROM lines) SELECT * FROM t",
    "SELECT name FROM products WHERE product_id = (SELECT product_id FROM lines)",
]


@pytest.mark.parametrize("sql", PRIVATE)
def test_private_rows_are_never_the_answer_or_a_value_in_it(sql: str) -> None:
    assert _code(sql) == "private-rows"


def test_an_outer_release_keeps_its_number_before_those_inside_it() -> None:
    outer, inner = _check("SELECT COUNT(*) + (SELECT COUNT(*) FROM lines) AS n FROM customers").nodes
    assert [node.relation.first for node in (outer, inner)] == [
        SCHEMA.table("customers").relation.first,  # type: ignore[union-attr]  # it is declared
        SCHEMA.table("lines").relation.first,  # type: ignore[union-attr]
    ]


def test_a_cte_is_seen_by_those_after_it_only() -> None:
    assert _code("WITH a AS (SELECT * FROM b), b AS (SELECT name FROM products) SELECT * FROM a") == "unknown-table"


def test_a_cte_is_seen_by_all_after_it_and_inside_their_subqueries() -> None:
    first, second = "a AS (SELECT name FROM products)", "b AS (SELECT city FROM stores)"
    for rest in ("SELECT name, city FROM a, b", "SELECT * FROM (WITH c AS (SELECT name FROM a) SELECT * FROM c) AS t"):
        assert _check(f"WITH {first}, {second} {rest}").rows.columns[0].name == "name"


def test_a_cte_hides_a_table_of_its_name() -> None:
    assert _check("WITH lines AS (SELECT name FROM products) SELECT name FROM lines").nodes == ()


def test_a_cte_of_a_subquery_is_unknown_outside() -> None:
    sql = "SELECT * FROM (WITH a AS (SELECT name FROM products) SELECT * FROM a) AS t, a"
    assert _code(sql) == "unknown-table"


def test_simple_public_rows_join_private_ones_as_what_they_are() -> None:
    dear = "SELECT product_id AS p FROM products WHERE price > 1"
    sql = f"SELECT COUNT(*) AS n FROM lines JOIN ({dear}) AS t ON product_id = p"
    (node,) = _check(sql).nodes
    assert [source.table for source in node.relation.sources if isinstance(source, Scan)] == ["lines", "products"]
    assert len(node.relation.where) == 2


@pytest.mark.parametrize(
    "public",
    [
        "SELECT DISTINCT product_id FROM products",
        "SELECT product_id FROM products LIMIT 1",
        "SELECT MAX(product_id) AS product_id FROM products",
        "SELECT product_id FROM products UNION SELECT 1",
    ],
)
def test_public_rows_that_were_computed_do_not_join_private_ones(public: str) -> None:
    assert _code(f"SELECT COUNT(*) AS n FROM lines JOIN ({public}) AS t USING (product_id)") == "released-with-private"


def test_a_left_joined_subquery_keeps_its_own_conditions() -> None:
    sql = (
        "SELECT COUNT(t.price) AS n FROM lines LEFT JOIN (SELECT p.product_id, p.price "
        "FROM products AS p JOIN stores ON store_id = 1 WHERE price > 1) AS t USING (product_id)"
    )
    (node,) = _check(sql).nodes
    (join,) = node.relation.joins
    assert join.left
    assert isinstance(join.source, Derived)
    assert join.source.relation.where


ROLES = {
    "SELECT age, COUNT(*) AS n FROM customers GROUP BY age UNION ALL SELECT city, 1 FROM stores": [
        "dimension",
        "derived",
    ],
    "SELECT city, store_id FROM stores UNION ALL SELECT age, COUNT(*) FROM customers GROUP BY age": [
        "dimension",
        "derived",
    ],
    "SELECT city AS c, store_id AS n FROM stores UNION ALL BY NAME SELECT COUNT(*) AS n, 1 AS x FROM lines": [
        "dimension",
        "derived",
        "dimension",
    ],
    "SELECT age, COUNT(*) AS n FROM customers GROUP BY age UNION ALL SELECT NULL, COUNT(*) FROM customers": [
        "dimension",
        "estimate",
    ],
    "SELECT age, COUNT(*) AS n FROM customers GROUP BY age UNION SELECT NULL, COUNT(*) FROM customers": [
        "dimension",
        "derived",
    ],
    "SELECT city FROM stores UNION SELECT name FROM products": ["dimension"],
    "SELECT n FROM (SELECT COUNT(*) AS n FROM lines) AS t": ["estimate"],
    "SELECT DISTINCT n FROM (SELECT COUNT(*) AS n FROM lines) AS t": ["derived"],
    "SELECT SUM(n) AS n FROM (SELECT COUNT(*) AS n FROM lines) AS t": ["estimate"],
    "SELECT MAX(n) AS n FROM (SELECT COUNT(*) AS n FROM lines) AS t": ["derived"],
}


@pytest.mark.parametrize(("sql", "roles"), ROLES.items())
def test_an_estimate_is_one_only_as_long_as_its_error_is_known(sql: str, roles: list[str]) -> None:
    assert [column.role for column in planned(sql).columns] == roles


def test_columns_are_renamed_in_order() -> None:
    assert [c.name for c in _check("SELECT * FROM (SELECT city, opened FROM stores) AS t(a)").rows.columns] == [
        "a",
        "opened",
    ]
    (node,) = _check("SELECT SUM(x) AS s FROM lines AS l(p, x)").nodes
    assert _code("SELECT SUM(store_id) AS s FROM lines AS l(p, x, y)") == "unknown-column"
    assert node.measures
