"""The accumulator that adds up the sums of all blocks, as an engine's first walk does."""

import numpy as np

from queries.accumulator import Accumulator, Kept
from queries.engine import SumsOf
from queries.kernel import Integers, Words
from queries.plan import Aggregation
from queries.unit_sums import Layout, walk


def summing(
    aggregation: Aggregation, columns: tuple[int, ...], groups: int, priorities: Words | None = None
) -> Accumulator:
    """An accumulator of the weighted sums under the bounds that the plan states."""
    layout = Layout.of(aggregation, columns, groups, priorities)
    walks = [walk(layout, SumsOf(block)) for block in range(len(aggregation.all_blocks))]
    return Accumulator(layout, walks, Kept(1 << 30))


def sums_of(accumulator: Accumulator) -> Integers:
    """What it added up: a row a measure."""
    return np.array([vector for walk in accumulator.walks for vector in walk.found])
