"""The same question without bounds: what an answer would be if nobody were clipped. For simulations only."""

from __future__ import annotations

from dataclasses import replace

from queries.plan import (
    UNIT_GROUPS_LIMIT,
    VALUE_LIMIT,
    Aggregation,
    Block,
    Keys,
    Measure,
    MeasureKind,
    PublicKeys,
    ThresholdKeys,
    TopKeys,
)

_NO_NOISE_NANO = 10**18  # a price that leaves all room in 64 bits to the bound
_ROOM = 1 << 46


def unclipped(aggregation: Aggregation, units: int) -> Aggregation:
    """The aggregation with bounds that none of so many accounts reaches: its exact sums are those of plain SQL.

    Where keys are chosen, all of them are measured. A row's value is still clamped to what a sum has room for.
    """
    units = max(1, units * aggregation.source.span)
    bound = max(1, _ROOM // units)
    blocks = tuple(_opened(block, bound) for block in aggregation.blocks)
    return replace(aggregation, keys=_all_keys(aggregation.keys), blocks=blocks, unit_capacity=units)


def _all_keys(keys: Keys) -> Keys:
    if isinstance(keys, TopKeys):
        return PublicKeys((keys.key,))
    return replace(keys, max_groups=UNIT_GROUPS_LIMIT) if isinstance(keys, ThresholdKeys) else keys


def _opened(block: Block, bound: int) -> Block:
    measures = tuple(_unbounded(measure, bound) for measure in block.measures)
    return Block(measures, _NO_NOISE_NANO)


def _unbounded(measure: Measure, bound: int) -> Measure:
    rows = (-VALUE_LIMIT, VALUE_LIMIT) if measure.kind is MeasureKind.SUM else measure.row_bounds
    return replace(measure, l2_bound=bound, row_bounds=rows, group_bounds=None, cells=None)
