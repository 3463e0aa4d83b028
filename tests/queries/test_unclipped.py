"""Without bounds a question has the sums of plain SQL, however tight its bounds were."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from queries.engine import exact_sums
from queries.plan import Aggregation, Block, MeasureKind, PublicKeys, ThresholdKeys, TopKeys
from queries.unclipped import unclipped
from tests.queries.retailer import Retailer, Statement, statements

ACCEPTED = statements("accepted")[::5]
UNITS = 40
TOP = "SELECT product_id, COUNT(DISTINCT household_id) AS n FROM lines GROUP BY product_id ORDER BY n DESC LIMIT 3"


def tight(aggregation: Aggregation) -> Aggregation:
    """The same with bounds that clip nearly everybody."""
    return replace(aggregation, blocks=tuple(_tight(block) for block in aggregation.blocks))


def _tight(block: Block) -> Block:
    measures = [replace(measure, l2_bound=1) for measure in block.measures]
    sums = [replace(m, row_bounds=(0, 1)) if m.kind is MeasureKind.SUM else m for m in measures]
    plain = all(measure.kind is not MeasureKind.VALUES for measure in sums)
    return replace(block, measures=tuple(sums), max_groups=1 if plain else None)


@pytest.mark.parametrize("statement", ACCEPTED, ids=lambda statement: statement.name)
def test_the_sums_are_those_of_bounds_that_nobody_reaches(statement: Statement, retailer: Retailer) -> None:
    for node in retailer.plan(statement).nodes:
        if isinstance(node.aggregation.keys, TopKeys):
            continue
        plain = exact_sums(retailer.engine, node.aggregation)
        open_again = exact_sums(retailer.engine, unclipped(tight(node.aggregation), UNITS))
        first = int(isinstance(node.aggregation.keys, ThresholdKeys))  # whose weights are of another kind
        assert all(
            np.array_equal(one, other) for one, other in zip(plain.sums[first:], open_again.sums[first:], strict=True)
        )
        assert open_again.keys.equals(plain.keys)


def test_tight_bounds_would_clip(retailer: Retailer) -> None:
    (node,) = retailer.plan(Statement("", "SELECT SUM(amount) AS s FROM lines")).nodes
    (plain,), (clipped,) = (
        exact_sums(retailer.engine, each).sums for each in (node.aggregation, tight(node.aggregation))
    )
    assert abs(int(clipped[0])) < abs(int(plain[0])) / 100


def test_all_keys_are_measured_where_the_most_frequent_are_chosen(retailer: Retailer) -> None:
    (node,) = retailer.plan(Statement("", TOP, {"options": '{"l2_bound": {"n": 20}}'})).nodes
    assert isinstance(node.aggregation.keys, TopKeys)
    opened = unclipped(node.aggregation, UNITS)
    assert isinstance(opened.keys, PublicKeys)
    assert exact_sums(retailer.engine, opened).keys.num_rows > 3
