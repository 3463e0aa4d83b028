"""The size of a made-up dataset, from its policy alone: how many units, how many rows each, how large their values.

Bounds tell what a unit with many rows has, and so roughly what all have: a bound for a unit's total is taken for what
one unit in a hundred reaches.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from queries.policy import Policy

SPREAD = 1.0  # standard deviation of the logarithm of a unit's number of rows, and of a value
_REACH = 2.326  # as many deviations as 1% of the units are above
_ROWS_WITHOUT_BOUND = 200.0
_SHARE_OF_LIMIT = 2  # max_units is more than there will ever be
_LEAST_UNITS = 50


@dataclass(frozen=True, slots=True)
class Shape:
    """So many units, whose numbers of rows in a table are log-normal; the same seed makes the same rows."""

    units: int
    median_rows: float
    seed: int = 1

    @property
    def mean_rows(self) -> float:
        return self.median_rows * math.exp(SPREAD**2 / 2)


def shape_of(
    policy: Policy, most_rows: int, *, units: int | None = None, rows_per_unit: float | None = None, seed: int = 1
) -> Shape:
    """The shape of a dataset under this policy, with about `most_rows` rows in all at the most.

    Without `units` it has half of `max_units`, or as many as there is room for. `rows_per_unit` is the mean number of
    rows a unit has in a table that is not unique per unit; without it the bounds of `rows` tell.
    """
    shape = Shape(1, _median_rows(policy) if rows_per_unit is None else rows_per_unit / math.exp(SPREAD**2 / 2), seed)
    tables = sum(not table.unique_per_unit for table in policy.private_tables().values())
    room = max(_LEAST_UNITS, int(most_rows / max(1.0, shape.mean_rows * tables)))
    wanted = max(1, policy.max_units // _SHARE_OF_LIMIT) if units is None else units
    return Shape(max(1, min(wanted, room, policy.max_units)), shape.median_rows, seed)


def mean_value(policy: Policy, path: str) -> float | None:
    """What a row's value of 'table.column' is on average, as the bounds tell it; None where they do not."""
    for keys in (frozenset[str](), None):
        values, rows = _bound(policy, path, keys), _bound(policy, "rows", keys)
        if values is not None and rows is not None:
            return float(values / rows)
    return None


def is_summed(policy: Policy, path: str) -> bool:
    """Whether some bound is for sums of 'table.column'."""
    return any(bound.measure == path for bound in policy.bounds)


def _median_rows(policy: Policy) -> float:
    found = (_bound(policy, "rows", frozenset()), _bound(policy, "rows", None))
    bound = next((float(each) for each in found if each is not None), _ROWS_WITHOUT_BOUND)
    return max(1.0, bound / math.exp(_REACH * SPREAD))


def _bound(policy: Policy, measure: str, keys: frozenset[str] | None) -> Fraction | None:
    """The bound that stands for exactly these keys, or without keys."""
    for bound in policy.bounds:
        if bound.measure == measure and (None if bound.keys is None else frozenset(bound.keys)) == keys:
            return bound.l2
    return None
