"""Bounds that a release chose are told, and serve the same question again: equal digest and loss, less noise."""

from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest

from queries.chosen import REUSED, chosen_cells, reusing, told
from queries.expected import Span
from queries.plan import BOUND_ONE, WEIGHT_ONE
from queries.planned import PlannedNode
from queries.release import cell_bounds, release
from tests.queries.retailer import Retailer, Statement

SUMS = "SELECT product_id, SUM(LENGTH(note)) AS s FROM lines JOIN products USING (product_id) GROUP BY product_id"
MEANS = "SELECT store_id, AVG(store_id % product_id) AS m, COUNT(*) AS n FROM lines GROUP BY store_id"
TOTAL = "SELECT SUM(LENGTH(note)) AS s FROM lines"
RARE = "SELECT ticket, SUM(LENGTH(note)) AS s FROM lines GROUP BY ticket"
DECLARED = "SELECT COUNT(*) AS n FROM lines"


def node_of(retailer: Retailer, sql: str) -> PlannedNode:
    (node,) = retailer.plan(Statement("", sql)).nodes
    return node


def released(retailer: Retailer, node: PlannedNode) -> pa.Table:
    return release(node.aggregation, node.loss, retailer.engine)


@pytest.mark.parametrize("sql", [SUMS, MEANS, TOTAL])
def test_what_was_chosen_is_told_with_the_noise_that_followed(retailer: Retailer, sql: str) -> None:
    node = node_of(retailer, sql)
    free = [block.free for block in node.aggregation.blocks for _ in block.measures]
    assert any(free)
    table = released(retailer, node)
    assert [cells is not None for cells in chosen_cells(table)] == free
    for place, (before, after) in enumerate(zip(node.measures, told(node, table).measures, strict=True)):
        if not free[place]:
            assert after == before
            continue
        assert before.l2_bound is None
        assert before.standard_error is None
        errors = table.column(f"s{place}").to_numpy() / WEIGHT_ONE / 10**after.scale
        assert after.standard_error == Span(errors.min(), errors.max())
        assert after.l2_bound is not None
        assert after.l2_bound > 0


@pytest.mark.parametrize("sql", [SUMS, MEANS, TOTAL])
def test_the_same_question_has_the_bounds_again_at_the_same_price(retailer: Retailer, sql: str) -> None:
    node = node_of(retailer, sql)
    table = released(retailer, node)
    again = reusing(node, table)
    assert again is not None
    assert again.aggregation.digest == node.aggregation.digest
    assert again.loss == node.loss
    assert all(block.tuning is None for block in again.aggregation.blocks)
    second = released(retailer, again)
    widths = [len(block.measures) for block in again.aggregation.blocks for _ in block.measures]
    for place, cells in enumerate(chosen_cells(table)):
        if cells is None:
            continue
        assert again.measures[place].source == REUSED
        assert chosen_cells(second)[place] == cells
        noise = second.column(f"s{place}").to_numpy()
        assert (noise < table.column(f"s{place}").to_numpy()).all()
        bounds = cell_bounds(cells, table.num_rows, widths[place]) / BOUND_ONE
        assert noise / bounds == pytest.approx(np.full(len(noise), noise[0] / bounds[0]))
        known = again.measures[place].standard_error
        assert known is not None
        assert known.high == pytest.approx(noise.max() / WEIGHT_ONE / 10 ** again.measures[place].scale)


def test_keys_that_pass_a_threshold_have_no_bounds_to_use_again(retailer: Retailer) -> None:
    node = node_of(retailer, RARE)
    assert reusing(node, released(retailer, node)) is None


def test_bounds_of_other_groups_are_not_used(retailer: Retailer) -> None:
    node = node_of(retailer, SUMS)
    assert reusing(node, released(retailer, node).slice(1)) is None


def test_nothing_is_told_of_bounds_that_are_declared(retailer: Retailer) -> None:
    node = node_of(retailer, DECLARED)
    table = released(retailer, node)
    assert told(node, table) == node
    assert reusing(node, table) is None
    assert node.measures[0].l2_bound == Fraction(node.aggregation.measures[0].l2_bound)
