"""From noised integers to what people read: exact decimals, honest intervals, values that JSON can carry."""

from __future__ import annotations

import json
import math
from datetime import date, datetime
from decimal import Decimal

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from queries.errors import PostprocessError
from queries.intervals import CONFIDENCE
from queries.plan import WEIGHT_ONE, Kind
from queries.planned import PlannedNode
from queries.postprocess import (
    answer_columns,
    answer_rows,
    empty_table,
    half_width,
    statement_tables,
)
from queries.rows import Output
from tests.queries.retailer import planned


def stored_table(node: PlannedNode, raw: pa.Table) -> pa.Table:
    """The worker's table, made of keys and measures alone: the noise is that of the plan, and nothing was clipped."""
    scales = list(enumerate(node.mechanism.scales()))
    deviations = {f"s{place}": pa.array(np.full(raw.num_rows, scale)) for place, scale in scales}
    nothing = {f"c{place}": pa.array(np.zeros(raw.num_rows)) for place, _ in scales}
    return pa.table({name: raw.column(name) for name in raw.column_names} | deviations | nothing)


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
    assert set(table.column_names) == {"k0"} | {f"m{n}" for n in numbers} | {f"s{n}" for n in numbers}
    for measure in node.measures:
        assert measure.standard_error is not None
        assert table.column(f"s{measure.number}").to_pylist() == [measure.standard_error.low] * 3


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
            known = measure.standard_error
            assert known is None or table.column(f"s{measure.number}").to_pylist() == [known.low]


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


OUTPUTS = (Output("age", "dimension"), Output("n", "estimate", "_se1"), Output("r", "derived"))
TABLE = pa.table({"age": ["old", None], "n": [100, -4], "r": [0.5, None], "_se1": [10.0, 2.0]})


def test_an_estimate_is_followed_by_its_bounds_and_its_standard_error() -> None:
    assert answer_columns(OUTPUTS, TABLE) == [
        {"name": "age", "type": "VARCHAR", "role": "dimension"},
        {"name": "n", "type": "BIGINT", "role": "estimate", "confidence": CONFIDENCE},
        {"name": "n_lower", "type": "DOUBLE", "role": "lower", "of": "n"},
        {"name": "n_upper", "type": "DOUBLE", "role": "upper", "of": "n"},
        {"name": "n_standard_error", "type": "DOUBLE", "role": "standard_error", "of": "n"},
        {"name": "r", "type": "DOUBLE", "role": "derived"},
    ]
    first, second = answer_rows(OUTPUTS, TABLE)
    assert list(first) == [str(column["name"]) for column in answer_columns(OUTPUTS, TABLE)]
    assert first["n_lower"] == pytest.approx(100 - 1.959964 * 10)
    assert first["n_upper"] == pytest.approx(100 + 1.959964 * 10)
    assert (second["age"], second["n"], second["n_standard_error"], second["r"]) == (None, -4, 2.0, None)


def test_hidden_columns_are_not_shown() -> None:
    assert all(not name.startswith("_") for row in answer_rows(OUTPUTS, TABLE) for name in row)


def test_an_interval_of_no_number_is_no_interval() -> None:
    table = pa.table({"n": [None, 1.0, math.inf], "_se0": [1.0, math.nan, math.inf]})
    rows = answer_rows((Output("n", "estimate", "_se0"),), table)
    assert [row["n_lower"] for row in rows] == [None, None, None]
    assert [row["n"] for row in rows] == [None, 1.0, None]


@pytest.mark.parametrize(
    ("values", "shown", "type_"),
    [
        (pa.array([True, None]), [True, None], "BOOLEAN"),
        (pa.array([Decimal("1.50")]), [1.5], "DECIMAL(3,2)"),
        (pa.array([date(2026, 1, 31)]), ["2026-01-31"], "DATE"),
        (pa.array([datetime(2026, 1, 31, 5)]), ["2026-01-31T05:00:00"], "TIMESTAMP"),  # noqa: DTZ001
        (pa.array([math.nan, math.inf, -0.5]), [None, None, -0.5], "DOUBLE"),
        (pa.array([Decimal(2**70)], pa.decimal128(38, 0)), [float(2**70)], "DECIMAL(38,0)"),
        (pa.array(["å"]), ["å"], "VARCHAR"),
    ],
)
def test_every_value_is_one_that_json_can_carry(values: pa.Array, shown: list[object], type_: str) -> None:
    outputs = (Output("x", "derived"),)
    table = pa.table({"x": values})
    rows = answer_rows(outputs, table)
    assert [row["x"] for row in rows] == shown
    assert answer_columns(outputs, table)[0]["type"] == type_
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows


@pytest.mark.parametrize(
    ("sql", "shown"),
    [
        ("170141183460469231731687303715884105727::HUGEINT", 2.0**127),
        ("18446744073709551615::UBIGINT", 2.0**64),
        ("12::UTINYINT", 12),
        ("TIME '12:30:00'", "12:30:00"),
        ("TIMESTAMPTZ '2020-01-31 00:00:00+00'", "2020-01-31T00:00:00+00:00"),
        ("'2020-01-31'::TIMESTAMP_S", "2020-01-31T00:00:00"),
        ("DATE '0001-01-01'", "0001-01-01"),
        ("'550e8400-e29b-41d4-a716-446655440000'::UUID", "550e8400-e29b-41d4-a716-446655440000"),
        ("'{}'::JSON", "{}"),
        ("'a'::ENUM('a', 'b')", "a"),
        ("NULL", None),
        ("'nan'::DOUBLE", None),
        ("'-infinity'::FLOAT", None),
    ],
)
def test_every_simple_type_of_the_engine_has_a_json_value(sql: str, shown: object) -> None:
    table = duckdb.sql(f"SELECT {sql} AS x").to_arrow_table()
    assert answer_columns((Output("x", "derived"),), table)[0]["name"] == "x"
    assert answer_rows((Output("x", "derived"),), table) == [{"x": shown}]
    assert json.loads(json.dumps(shown, allow_nan=False)) == shown


@pytest.mark.parametrize(
    "sql",
    [
        *("'x'::BLOB", "'101'::BIT", "INTERVAL 3 MONTH", "TIMESTAMP '2020-01-01' - TIMESTAMP '2019-01-01'", "[1, 2]"),
        *("{'a': 1}", "MAP {1: 2}", "'1'::VARINT", "[[1]]"),
    ],
)
def test_a_type_that_json_has_no_value_for_is_refused_before_any_row(sql: str) -> None:
    table = duckdb.sql(f"SELECT {sql} AS x").to_arrow_table()
    with pytest.raises(PostprocessError, match=r"^x is of a type .* CAST it to VARCHAR"):
        answer_columns((Output("x", "derived"),), table.schema.empty_table())


@pytest.mark.parametrize(
    "sql",
    [
        *("'infinity'::DATE", "'-infinity'::TIMESTAMP", "'infinity'::TIMESTAMPTZ", "DATE '9999-01-01' + 1000"),
        *("'290000-01-01'::TIMESTAMP", "'0044-03-15 (BC)'::DATE"),
    ],
)
def test_a_date_that_json_cannot_show_is_an_error_that_says_so(sql: str) -> None:
    table = duckdb.sql(f"SELECT {sql} AS x").to_arrow_table()
    with pytest.raises(PostprocessError, match="1 to 9999"):
        answer_rows((Output("x", "derived"),), table)


def test_a_bound_beyond_all_numbers_is_none() -> None:
    table = pa.table({"n": [1.7e308], "_se0": [1e308]})
    (row,) = answer_rows((Output("n", "estimate", "_se0"),), table)
    assert (row["n"], row["n_upper"]) == (1.7e308, None)


def test_half_the_width_is_that_of_the_normal_distribution() -> None:
    assert half_width(1.0) == pytest.approx(1.959963984540054)
