"""On which grid a measure lies: how many decimal places its integers keep.

The finest at which neither a row nor a sum leaves its room. A row's value is clamped to VALUE_LIMIT stored units, so
with too many places the clamp would be within the declared range; and weighted sums over `max_units` units stay below
2**63 only if the bound, in stored units, is small enough. With fewer places values are rounded, half away from zero,
row by row. Public: from ranges and bounds alone, never from rows or the price.

That no sum leaves 64 bits does not rest on this module: the kernel clamps every row and weights every unit, and
`Aggregation` cannot be constructed without room (`kernel.py`, `plan.py`). Without it sums would be refused, or clamped.
"""

from __future__ import annotations

from dataclasses import replace

from queries.plan import VALUE_LIMIT, WEIGHT_ONE, Measure
from queries.range_arithmetic import Range
from queries.scalars import rescaled

_ROOM = 1 << 63
_ROOM_BESIDE_NOISE = 1 << 62


def places_for_rows(values: Range, scale: int) -> int | None:
    """The most places, `scale` or fewer, with which no value in the range is clamped; None if there are none.

    All of them where the range has no ends: what is not declared cannot be kept from being clamped.
    """
    if not values.bounded:
        return scale
    return next((p for p in range(scale, -1, -1) if values.rescaled(p - scale).largest <= VALUE_LIMIT), None)


def fitted(measure: Measure, units: int) -> Measure:
    """The measure with as many places as leave room for sums over so many units; as it is where none do."""
    if measure.l2_bound * units * WEIGHT_ONE < _ROOM:
        return measure
    coarser = (_coarsened(measure, places) for places in range(measure.scale - 1, -1, -1))
    return next((m for m in coarser if m.l2_bound * units * WEIGHT_ONE < _ROOM_BESIDE_NOISE), measure)


def _coarsened(measure: Measure, places: int) -> Measure:
    factor = 10 ** (measure.scale - places)
    group = measure.group_bounds
    return replace(
        measure,
        value=None if measure.value is None else rescaled(measure.value, places),
        l2_bound=-(-measure.l2_bound // factor),
        scale=places,
        row_bounds=_outwards(measure.row_bounds, factor),
        group_bounds=None if group is None else _outwards(group, factor),
    )


def _outwards(bounds: tuple[int, int], factor: int) -> tuple[int, int]:
    """Bounds in larger units. Those of a row that nobody stated stay where they are."""
    low, high = bounds
    return (
        low if low == -VALUE_LIMIT else low // factor,
        high if high == VALUE_LIMIT else -(-high // factor),
    )
