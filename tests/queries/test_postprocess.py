"""From noised integers to what people read: exact decimals, honest intervals, values that JSON can carry."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from queries.plan import WEIGHT_ONE, Kind
from queries.planned import PlannedNode
from queries.postprocess import (
    empty_table,
    statement_tables,
    stored_table,
)
from tests.queries.retailer import planned

BY_DISCOUNT = "SELECT discount, SUM(amount) AS s, COUNT(*) AS n FROM lines GROUP BY discount"
JOINED = "SELECT COUNT(*) AS a FROM lines AS l JOIN products AS p ON l.product_id = p.product_id"


def _node(sql: str) -> PlannedNode:
    (node,) = planned(sql).nodes
    return node


VALUES = {Kind.BOOLEAN: True, Kind.INTEGER: 5, Kind.DECIMAL: 5, Kind.VARCHAR: "a", Kind.DATE: date(2026, 1, 31)}


def _one_row(node: PlannedNode) -> pa.Table:
    """What a worker sends for one group: a value of each key's kind, and ones."""
    expressions = node.aggregation.keys.expressions
    keys = {f"k{place}": [VALUES[expression.type.kind]] for place, expression in enumerate(expressions)}
    return pa.table(keys | {f"m{place}": [WEIGHT_ONE] for place in range(len(node.measures))})


def _shown(node: PlannedNode, stored: pa.Table) -> pa.Table:
    """The statement's table of a release that is stored."""
    return statement_tables((node,), {node.name: stored})[node.table]


def _raw(node: PlannedNode, keys: list[object], noised: list[int]) -> pa.Table:
    measures = {f"m{place}": pa.array(noised, pa.int64()) for place in range(len(node.measures))}
    return pa.table({"k0": keys, **measures} if keys else measures)


@given(st.lists(st.integers(-(2**62), 2**62), min_size=1, max_size=5))
def test_values_are_rounded_to_the_measures_places_exactly(noised: list[int]) -> None:
    node = _node("SELECT SUM(amount) AS s FROM lines")
    table = _shown(node, stored_table(node, _raw(node, [], noised)))
    for shown, raw in zip(table.column("m0").to_pylist(), noised, strict=True):
        assert shown == Decimal((2 * raw + WEIGHT_ONE) // (2 * WEIGHT_ONE)).scaleb(-2)


def test_counts_are_integers_and_may_be_negative() -> None:
    node = _node("SELECT COUNT(*) AS n FROM lines")
    noised = [-3 * WEIGHT_ONE, WEIGHT_ONE // 2, WEIGHT_ONE // 2 - 1, -WEIGHT_ONE // 2]
    table = _shown(node, stored_table(node, _raw(node, [], noised)))
    assert table.column("m0").to_pylist() == [-3, 1, 0, 0]
    assert table.schema.field("m0").type == pa.int64()


def test_keys_and_measures_are_called_as_the_statement_numbers_them() -> None:
    node = _node(BY_DISCOUNT)
    table = _shown(node, stored_table(node, _raw(node, [None, -1500, 7], [WEIGHT_ONE] * 3)))
    assert table.column("k0").to_pylist() == [None, Decimal("-1.500"), Decimal("0.007")]
    numbers = {measure.number for measure in node.measures}
    assert set(table.column_names) == {"k0"} | {f"{kind}{n}" for n in numbers for kind in "mslhd"}
    for measure in node.measures:
        assert table.column(f"s{measure.number}").to_pylist() == [measure.standard_error] * 3


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT COUNT(*) AS a, SUM(amount) AS b FROM lines", "SELECT SUM(amount) AS b, COUNT(*) AS a FROM lines"),
        (
            "SELECT COUNT(*) AS a, AVG(discount) AS b FROM lines GROUP BY note, pieces",
            "SELECT AVG(discount) AS b, COUNT(*) AS a FROM lines GROUP BY pieces, note",
        ),
        (
            f"{JOINED} GROUP BY p.product_id, store_id",
            f"{JOINED} GROUP BY l.product_id, store_id",
        ),
    ],
)
def test_one_release_is_stored_alike_whichever_statement_bought_it(one: str, other: str) -> None:
    bought, again = _node(one), _node(other)
    assert bought.aggregation.digest == again.aggregation.digest
    stored = stored_table(bought, _one_row(bought))
    assert stored.equals(stored_table(again, _one_row(again)))
    assert [measure.number for measure in bought.measures] != [measure.number for measure in again.measures] or (
        bought.key_numbers != again.key_numbers
    )
    for node in (bought, again):
        table = _shown(node, stored)
        for measure in node.measures:
            assert table.column(f"s{measure.number}").to_pylist() == [measure.standard_error]


@pytest.mark.parametrize(
    "sql",
    [
        BY_DISCOUNT,
        "SELECT note, paid_by_card, day, pieces, product_id, AVG(discount) AS m FROM lines GROUP BY ALL",
        "SELECT COUNT(*) AS n FROM lines",
    ],
)
def test_the_empty_table_has_the_columns_of_a_full_one(sql: str) -> None:
    node = _node(sql)
    table = _shown(node, empty_table(node))
    full = _shown(node, stored_table(node, _one_row(node)))
    assert table.num_rows == 0
    assert table.schema == full.schema
