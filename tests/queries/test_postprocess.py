"""From noised integers to what people read: exact decimals, honest intervals, values that JSON can carry."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from queries.answers import answer_columns, answer_rows
from queries.plan import WEIGHT_ONE, Kind
from queries.planned import PlannedNode
from queries.postprocess import (
    biased_measures,
    empty_table,
    statement_tables,
)
from tests.queries.retailer import Retailer, Statement, planned


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
    assert set(table.column_names) == {"k0"} | {f"{kind}{n}" for n in numbers for kind in "mslhd"}
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


def _cells(node: PlannedNode, noised: list[int], deviation: float, clipped: list[float] | None = None) -> pa.Table:
    """The statement's table of cells in whole units, of a node without keys."""
    unit = WEIGHT_ONE * 10 ** node.measures[0].scale
    stored = {"m0": [cell * unit for cell in noised], "s0": [deviation * unit] * len(noised)}
    return _shown(node, pa.table(stored | ({} if clipped is None else {"c0": [cell * unit for cell in clipped]})))


def test_what_is_presumed_clipped_widens_the_side_that_it_is_on() -> None:
    node = _node("SELECT SUM(amount) AS s FROM lines")
    table = _cells(node, [100, -100, 0], 5.0, [7.5, -2.5, 0.0])
    assert table.column("l0").to_pylist() == [0.0, -2.5, 0.0]
    assert table.column("h0").to_pylist() == [7.5, 0.0, 0.0]


def test_a_release_without_an_allowance_has_no_clipping_part() -> None:
    table = _cells(_node("SELECT COUNT(*) AS n FROM lines"), [100], 5.0)
    assert (table.column("l0").to_pylist(), table.column("h0").to_pylist()) == ([0.0], [0.0])


@pytest.mark.parametrize(
    ("sql", "nonnegative"),
    [
        ("COUNT(*)", True),
        ("COUNT(DISTINCT household_id)", True),
        ("COUNT(DISTINCT note)", True),
        ("SUM(pieces)", False),
        ("SUM(amount)", False),
        ("SUM(GREATEST(amount, 0))", True),
        ("SUM(pieces + 5)", True),
        ("SUM(amount, contribution_bounds_per_row => (0, 10))", True),
    ],
)
def test_a_measure_is_not_negative_where_no_row_adds_less_than_zero(sql: str, nonnegative: bool) -> None:  # noqa: FBT001
    node = _node(f"SELECT {sql} AS x FROM lines")
    assert [measure.nonnegative for measure in node.measures] == [nonnegative]
    (shown, *_) = _cells(node, [-400, 1_000, 10_000, 100_000, 7], 100.0).column("d0").to_pylist()
    assert shown == (0 if nonnegative else -400)


def test_display_cells_have_the_type_of_their_measure_and_its_places() -> None:
    table = _cells(_node("SELECT SUM(discount) AS s FROM lines"), [1234, 50_000, -9_000, 700], 0.02)
    assert table.schema.field("d0").type == table.schema.field("m0").type
    assert table.column("d0").to_pylist() == [Decimal(1234), Decimal(50_000), Decimal(-9_000), Decimal(700)]


def test_a_measure_that_is_mostly_noise_is_told_by_its_table_and_number() -> None:
    node = _node("SELECT COUNT(*) AS n FROM lines")
    stored = {"m0": [cell * WEIGHT_ONE for cell in (100, 104, 97, 99, 103)], "s0": [50.0 * WEIGHT_ONE] * 5}
    tables = statement_tables((node,), {node.name: pa.table(stored)})
    assert biased_measures(tables) == {("released_0", frozenset({0}))}
    assert len(set(tables["released_0"].column("d0").to_pylist())) == 1
    certain = statement_tables((node,), {node.name: pa.table(stored | {"s0": [1.0 * WEIGHT_ONE] * 5})})
    assert biased_measures(certain) == frozenset()


def test_means_are_shown_drawn_together_and_only_they_are_marked(retailer: Retailer) -> None:
    sql = (
        "SELECT product_id, AVG(pieces) AS m, 2 * AVG(pieces) AS twice, SUM(pieces) AS s FROM lines GROUP BY product_id"
    )
    plan = retailer.plan(Statement("", sql))
    (node,) = plan.nodes
    ((total, count),) = node.means
    groups = node.groups or 0
    sums, counts = np.full(groups, 30_000), np.full(groups, 10_000)
    sums[0], sums[1], counts[1] = 45_000, -10, -5  # of the second group nothing is known
    places = {each.number: place for place, each in enumerate(node.measures)}
    stored = retailer.released_tables(plan)[node.name]
    for number, cells, error in ((total, sums, 300.0), (count, counts, 100.0)):
        place = places[number]
        noised = {f"m{place}": cells * WEIGHT_ONE, f"s{place}": np.full(groups, error * WEIGHT_ONE)}
        for name, values in noised.items():
            stored = stored.set_column(stored.column_names.index(name), name, pa.array(values))
    tables = statement_tables(plan.nodes, {node.name: stored})
    assert biased_measures(tables) == {("released_0", frozenset({total, count}))}
    final = retailer.finished(plan, {node.name: stored})
    columns = answer_columns(plan.columns, final, biased_measures(tables))
    assert {column["name"] for column in columns if column.get("biased")} == {"m_display", "twice_display"}
    rows = answer_rows(plan.columns, final)
    assert rows[0]["m_display"] == pytest.approx(4.5, abs=0.1)
    assert rows[1]["m"] is None
    assert rows[1]["m_display"] == pytest.approx(3.0, abs=0.3)
    assert all(row["m_display"] == pytest.approx(3.0, abs=0.1) for row in rows[2:])


def test_a_quantile_is_shown_to_its_own_accuracy_and_on_its_grid(retailer: Retailer) -> None:
    plan = retailer.plan(Statement("", "SELECT product_id, MEDIAN(pieces) AS m FROM lines GROUP BY product_id"))
    rows = answer_rows(plan.columns, retailer.released(plan))
    shown = [row["m_display"] for row in rows if row["m_display"] is not None]
    assert shown
    assert all(isinstance(value, float) and value == int(value) for value in shown)
    assert all(row["m_clipping_lower"] == row["m_clipping_upper"] == 0 for row in rows if row["m"] is not None)
