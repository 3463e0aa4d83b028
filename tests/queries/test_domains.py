"""Which keys are public, and what they are: members of the axes, rule by rule."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest

from queries import axes
from queries.plan import PublicKeys, SeriesAxis, TableAxis, ThresholdKeys, ValuesAxis
from queries.planned import PlannedNode
from tests.queries.retailer import POLICY, Retailer, Statement, planned

DEPARTMENTS: list[tuple[object, ...]] = [(name,) for name in ("bakery", "dairy", "drinks", "house")]
BOOLEANS: list[tuple[object, ...]] = [(False,), (True,)]


def _select(keys: str, rest: str = "FROM lines") -> str:
    return f"SELECT {keys}, COUNT(*) AS n {rest} GROUP BY ALL"


def _node(sql: str) -> PlannedNode:
    (node,) = planned(sql).nodes
    return node


def _days(first: str, count: int) -> list[tuple[object, ...]]:
    return [(date.fromisoformat(first) + timedelta(days=n),) for n in range(count)]


def _numbers(first: int, last: int) -> list[tuple[object, ...]]:
    return [(n,) for n in range(first, last + 1)]


JOINED = "FROM lines l JOIN products p USING (product_id)"
LEFT = "FROM lines l LEFT JOIN stores s ON l.store_id = s.store_id"
PUBLIC: dict[str, tuple[str, list[tuple[object, ...]]]] = {
    "a public column": (_select("p.department", JOINED), list(DEPARTMENTS)),
    "a public column under a condition on its table": (
        _select("p.department", f"{JOINED} WHERE p.department > 'd'"),
        [("dairy",), ("drinks",), ("house",)],
    ),
    "a public column under a condition on another table": (
        _select("p.department", f"{JOINED} WHERE l.pieces > 1"),
        list(DEPARTMENTS),
    ),
    "a public column under a condition on both tables": (
        _select("p.department", f"{JOINED} WHERE p.price > l.amount"),
        list(DEPARTMENTS),
    ),
    "a function of a public column": (_select("UPPER(LEFT(p.department, 1)) AS k", JOINED), [("B",), ("D",), ("H",)]),
    "a public column that may be NULL": (
        _select("p.category", f"{JOINED} WHERE p.product_id IN (6, 7)"),
        [(None,), ("category 1",)],
    ),
    "two columns of one public table": (
        _select("s.city, s.store_id", "FROM lines l JOIN stores s USING (store_id)"),
        [("Kiruna", 4), ("Lund", 1), ("Lund", 3), ("Umeå", 2)],
    ),
    "a left join adds NULL": (_select("s.city", LEFT), [(None,), ("Kiruna",), ("Lund",), ("Umeå",)]),
    "a left join narrowed in ON": (_select("s.city", f"{LEFT} AND s.store_id < 3"), [(None,), ("Lund",), ("Umeå",)]),
    "a reference takes the keys of its table": (_select("product_id"), _numbers(1, 12)),
    "a reference narrowed by WHERE": (_select("product_id", "FROM lines WHERE product_id < 4"), _numbers(1, 3)),
    "a reference that may be NULL": (_select("store_id"), [(None,), *_numbers(1, 4)]),
    "a reference that WHERE keeps from being NULL": (
        _select("store_id", "FROM lines WHERE store_id >= 3"),
        _numbers(3, 4),
    ),
    "a reference through an inner join": (
        _select("l.product_id", f"{JOINED} WHERE p.department = 'dairy'"),
        [(2,), (6,), (10,)],
    ),
    "a declared domain": (_select("members", "FROM customers"), _numbers(1, 4)),
    "a declared domain with NULL": (
        _select("age", "FROM customers"),
        [(None,), ("middle",), ("old",), ("young",)],
    ),
    "a declared domain without NULL": (
        _select("age", "FROM customers WHERE age <> 'old'"),
        [("middle",), ("young",)],
    ),
    "a declared domain that is NULL only": (_select("age", "FROM customers WHERE age IS NULL"), [(None,)]),
    "a declared domain of the right side of a left join": (
        _select("c.members", "FROM lines l LEFT JOIN customers c USING (household_id)"),
        [(None,), *_numbers(1, 4)],
    ),
    "a function of a declared domain": (_select("members // 2 AS k", "FROM customers"), _numbers(0, 2)),
    "a declared range": (_select("pieces"), _numbers(-5, 20)),
    "a declared range from above and below": (
        _select("pieces", "FROM lines WHERE pieces > 1 AND 5 >= pieces"),
        _numbers(2, 5),
    ),
    "a declared range at one place": (_select("pieces", "FROM lines WHERE pieces = 7"), [(7,)]),
    "a declared range with a hole": (
        _select("pieces", "FROM lines WHERE pieces BETWEEN 1 AND 4 AND pieces <> 2"),
        [(1,), (3,), (4,)],
    ),
    "a declared range under a condition on two columns": (
        _select("pieces", "FROM lines WHERE pieces > ticket"),
        _numbers(-5, 20),
    ),
    "a function of a declared range": (_select("pieces % 3 AS k", "FROM lines WHERE pieces > 0"), _numbers(0, 2)),
    "days": (_select("day"), _days("2026-01-01", 120)),
    "days of February": (
        _select("day", "FROM lines WHERE day >= '2026-02-01' AND day < DATE '2026-03-01'"),
        _days("2026-02-01", 28),
    ),
    "days through a subquery": (
        _select("d", "FROM (SELECT day AS d FROM lines WHERE day > DATE '2026-04-28') AS t"),
        _days("2026-04-29", 2),
    ),
    "months": (
        _select("DATE_TRUNC('month', day) AS k"),
        [(date(2026, month, 1),) for month in (1, 2, 3, 4)],
    ),
    "weeks begin on Mondays, before the range": (
        _select("DATE_TRUNC('week', day) AS k", "FROM lines WHERE day < '2026-01-06'"),
        [(date(2025, 12, 29),), (date(2026, 1, 5),)],
    ),
    "the number of a month": (_select("MONTH(day) AS k"), _numbers(1, 4)),
    "a boolean column with NULL": (_select("paid_by_card"), [(None,), *BOOLEANS]),
    "a boolean column under a condition": (_select("paid_by_card", "FROM lines WHERE paid_by_card = TRUE"), [(True,)]),
    "a condition": (_select("amount > 1 AS k"), [(None,), *BOOLEANS]),
    "CASE with an ELSE": (_select("CASE WHEN amount > 1 THEN 'a' ELSE 'b' END AS k"), [("a",), ("b",)]),
    "CASE without ELSE": (_select("CASE WHEN amount > 1 THEN 'a' END AS k"), [(None,), ("a",)]),
    "CASE with a value twice": (
        _select("CASE WHEN amount > 1 THEN 2 WHEN note = 'x' THEN 1 ELSE 2 END AS k"),
        [(1,), (2,)],
    ),
    "a constant": (_select("'all' AS k"), [("all",)]),
    "two axes": (
        _select("members, age", "FROM customers WHERE members > 3 AND age = 'old'"),
        [(4, "old")],
    ),
}


def _keys(sql: str, retailer: Retailer) -> list[tuple[object, ...]]:
    """The rows of all axes' product, in the order of the statement's keys."""
    plan = retailer.plan(Statement("", sql))
    (node,) = plan.nodes
    table = retailer.released(plan)
    names = [column.name for column in plan.columns if column.role == "dimension"]
    assert table.num_rows == node.groups
    return list(zip(*(table.column(name).to_pylist() for name in names), strict=True))


def _ordered(rows: list[tuple[object, ...]]) -> list[str]:
    return sorted(map(repr, rows))


@pytest.mark.parametrize(("sql", "keys"), PUBLIC.values(), ids=PUBLIC)
def test_the_keys_of_an_answer_are_those_that_are_public(
    sql: str, keys: list[tuple[object, ...]], retailer: Retailer
) -> None:
    assert _ordered(_keys(sql, retailer)) == _ordered(keys)


@pytest.mark.parametrize(("sql", "keys"), PUBLIC.values(), ids=PUBLIC)
def test_axes_are_read_from_the_policy_and_public_tables_alone(sql: str, keys: object, retailer: Retailer) -> None:
    (node,) = retailer.plan(Statement("", sql)).nodes
    assert not any("private" in statement for statement in axes.axes(node.aggregation))


THRESHOLDED = {
    "a text without a domain": _select("note"),
    "a function of it": _select("LENGTH(note) AS k"),
    "an integer without a range": _select("ticket"),
    "a date without a range": _select("joined", "FROM customers"),
    "a decimal with a range": _select("amount"),
    "a function of two columns": _select("pieces + product_id AS k"),
    "CASE with a column": _select("CASE WHEN amount > 1 THEN note ELSE 'b' END AS k"),
    "a public and a private column": _select("p.product_id + l.pieces AS k", JOINED),
    "a private key joined on a column that is no key": _select(
        "l.ticket", "FROM lines l JOIN stores s ON l.ticket = s.store_id + 0"
    ),
    "a private key left joined to a key": _select(
        "l.ticket", "FROM lines l LEFT JOIN stores s ON l.ticket = s.store_id"
    ),
    "one key of two": _select("age, town", "FROM customers"),
}


@pytest.mark.parametrize("sql", THRESHOLDED.values(), ids=THRESHOLDED)
def test_all_other_keys_need_a_threshold(sql: str) -> None:
    assert isinstance(_node(sql).aggregation.keys, ThresholdKeys)
    assert _node(sql).groups is None


def test_a_private_column_equal_to_a_public_key_has_its_keys(retailer: Retailer) -> None:
    sql = _select("l.ticket", "FROM lines l JOIN stores s ON l.ticket = s.store_id")
    assert _ordered(_keys(sql, retailer)) == _ordered(_numbers(1, 4))


def test_the_kinds_of_axes() -> None:
    kinds = {"pieces": SeriesAxis, "product_id": TableAxis, "paid_by_card": ValuesAxis}
    for name, kind in kinds.items():
        keys = _node(_select(name)).aggregation.keys
        assert isinstance(keys, PublicKeys)
        assert isinstance(keys.keys[0].axis, kind)


def test_a_range_that_where_empties_keeps_one_key_and_counts_nothing(retailer: Retailer) -> None:
    plan = retailer.plan(Statement("", _select("pieces", "FROM lines WHERE pieces > 3 AND pieces < 2")))
    assert plan.nodes[0].groups is not None
    assert plan.nodes[0].groups <= 1


def test_a_public_decimal_as_a_key_is_shown_in_its_own_places(retailer: Retailer) -> None:
    keys = _keys(_select("p.price", f"{JOINED} WHERE p.product_id = 2"), retailer)
    assert keys == [(Decimal("3.70"),)]


def test_series_come_last_so_that_their_ids_are_arithmetic() -> None:
    keys = _node(_select("pieces, product_id, paid_by_card")).aggregation.keys
    assert isinstance(keys, PublicKeys)
    assert isinstance(keys.keys[-1].axis, SeriesAxis)


def test_the_limits_of_a_series_are_the_policys() -> None:
    keys = _node(_select("day")).aggregation.keys
    assert isinstance(keys, PublicKeys)
    axis = keys.keys[0].axis
    assert isinstance(axis, SeriesAxis)
    limits = POLICY.tables["lines"].columns["day"].range
    epoch = date(1970, 1, 1)
    assert (epoch + timedelta(days=axis.start), epoch + timedelta(days=axis.stop)) == limits
