"""What a contribution bound would clip, as far as plan and policy tell: not what it does clip, which is private.

A unit's vector over the groups is scaled down where its L2 norm is above the bound. Some norms are known to stay below:
of one row, of one group, of values that are clamped before. For all others the limits are told between which it depends
on the data.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from queries.bounds import has_one_group, has_one_row
from queries.plan import (
    VALUE_LIMIT,
    Aggregation,
    Block,
    Expression,
    Measure,
    MeasureKind,
    Relation,
)
from queries.quantiles import Tree
from queries.ranges import Ranges
from queries.schema import Schema
from queries.tuning import wanted_above


@dataclass(frozen=True, slots=True)
class Clipping:
    """Whether the bounds of a measure may change what a unit adds to it, and when they would.

    `reach` is the largest norm that a unit can have, and `row` the largest value that one of its rows can, both as a
    multiple of the bound; None where there is no public limit.
    """

    possible: bool
    explanation: str
    reach: float | None = None
    row: float | None = None


def clippings(
    aggregation: Aggregation, groups: int | None, schema: Schema, tree: Tree | None = None
) -> tuple[Clipping, ...]:
    """What may be clipped of each measure, in the order of the aggregation; `groups` is None for thresholds."""
    return tuple(
        _Clipped(aggregation, groups, tree, block, measure, schema).told()
        for block in aggregation.blocks
        for measure in block.measures
    )


class _Clipped:
    """One measure with the block whose weight it shares."""

    def __init__(
        self,
        aggregation: Aggregation,
        groups: int | None,
        tree: Tree | None,
        block: Block,
        measure: Measure,
        schema: Schema,
    ) -> None:
        self._relation = aggregation.source
        self._block = block
        self._measure = measure
        self._tree = tree is not None
        self._schema = schema
        self._unit = f"{schema.policy.unit.name}{'-month' if self._relation.span > 1 else ''}"
        self._all_groups = groups
        self._one_row = has_one_row(self._relation, schema)
        one = self._one_row or has_one_group(self._relation, aggregation.keys.expressions, schema)
        self._reachable = 1 if one else groups  # in how many groups a unit can have rows
        limits = [limit for limit in (self._reachable, block.max_groups) if limit is not None]
        self._groups = min(limits, default=None)

    def told(self) -> Clipping:
        """The clamps of rows and groups, and what the norm does."""
        if self._block.free:
            return Clipping(possible=True, explanation=self._chosen())
        said = [*self._rows(), *self._group(), *self._most_groups()]
        norms = [self._largest_norm(measure) for measure in self._block.measures]
        known = [norm for norm in norms if norm is not None]
        fits = len(known) == len(norms) and sum(known) <= 1
        never = fits and not said
        explanation = f"Never clips: {self._why()}." if never else " ".join([*said, *(() if fits else (self._norm(),))])
        return Clipping(not never, explanation, self._reach(), self._row())

    def _reach(self) -> float | None:
        norm = self._largest_norm(self._measure)
        return None if norm is None else math.sqrt(norm * len(self._block.measures))

    def _row(self) -> float | None:
        largest = _largest(self._measure, self._relation, self._schema)
        if self._measure.kind is not MeasureKind.SUM or largest is None:
            return None
        return largest * math.sqrt(len(self._block.measures)) / self._measure.l2_bound

    def _chosen(self) -> str:
        """How many units are about to be above a bound that is chosen."""
        groups, price = self._all_groups, self._block.rho_nano // len(self._block.measures)
        many = "some" if groups is None else f"about {max(1, wanted_above(groups, price)):,}"
        which = f"{many} {self._unit}s are scaled down, and at most a quarter"
        return f"The bound is chosen so that noise and clipping balance: {which}."

    def _largest_norm(self, measure: Measure) -> Fraction | None:
        """The largest ‖p‖² / C² of a unit, None where it has no public limit."""
        size: int | None = 1
        if measure.kind is MeasureKind.SUM or (measure.kind is not MeasureKind.UNITS and not self._one_row):
            size = _largest(measure, self._relation, self._schema) if self._one_row else None
        if measure.group_bounds is not None:
            size = max(abs(limit) for limit in measure.group_bounds)
        if size is None or self._groups is None:
            return None
        return Fraction(size * size * self._groups, measure.l2_bound**2)

    def _why(self) -> str:
        if self._one_row:
            return f"a {self._unit} has one row at the most"
        if self._measure.group_bounds is not None:
            return f"the bounds of a group hold in {self._groups} groups"
        if self._groups == 1:
            return f"a {self._unit} counts once"
        return f"a {self._unit} that is in all {self._groups} groups has a norm of {math.sqrt(self._groups or 0):.4g}"

    def _rows(self) -> list[str]:
        low, high = self._measure.row_bounds
        largest = _largest(self._measure, self._relation, self._schema)
        if self._measure.kind is not MeasureKind.SUM or (low, high) == (-VALUE_LIMIT, VALUE_LIMIT):
            return []
        if largest is not None and low <= -largest and largest <= high:
            return []
        return [f"A row's value is set to {self._own(low)} or {self._own(high)} where it lies outside."]

    def _group(self) -> list[str]:
        bounds = self._measure.group_bounds
        if bounds is None:
            return []
        low, high = (self._own(limit) for limit in bounds)
        return [f"What a {self._unit} adds to one group is set to {low} or {high} where it lies outside."]

    def _most_groups(self) -> list[str]:
        most = self._block.max_groups
        if most is None or (self._reachable is not None and self._reachable <= most):
            return []
        return [f"A {self._unit} in more than {most} groups counts in {most} of them."]

    def _norm(self) -> str:
        """Between which limits it depends on the data whether a unit is scaled down."""
        bound = f"{self._measure.l2_bound:,}"
        if self._tree:
            scaled = f"A {self._unit} whose counts in the tree have a norm above {bound} is scaled down to it"
            return f"{scaled}: the lower it is, the more equally do all count."
        if self._measure.kind is MeasureKind.VALUES:
            return f"Of a {self._unit} with more than {bound} different values in one group some count."
        if self._measure.kind is MeasureKind.UNITS:
            most = math.floor(Fraction(self._measure.l2_bound, 10**self._measure.scale) ** 2)
            return f"A {self._unit} in more than {most:,} groups is scaled down."
        width = len(self._block.measures)
        surely, untouched = self._measure.l2_bound, math.floor(self._measure.l2_bound / math.sqrt(width))
        where = "" if self._groups == 1 else " to one group"
        first = f"A {self._unit} that adds more than {self._own(surely)}{where}{self._worth()} is scaled down."
        if width == self._groups == 1:
            return first
        beside = "" if width == 1 else ", if the other measures of the ratio are as small against their bounds"
        rest = "in all" if self._groups == 1 else "in all groups together"
        return f"{first} One that adds at most {self._own(untouched)} {rest} is not{beside}."

    def _worth(self) -> str:
        """The bound in rows of the largest declared value."""
        largest = _largest(self._measure, self._relation, self._schema)
        if self._measure.kind is not MeasureKind.SUM or not largest:
            return ""
        rows = self._measure.l2_bound // largest
        return f" (more than {rows:,} rows of {self._own(largest)}, the largest value)" if rows else ""

    def _own(self, minor: int) -> str:
        """Minor units in the column's own."""
        return f"{minor / 10**self._measure.scale:,.{self._measure.scale}f}"


def _largest(measure: Measure, relation: Relation, schema: Schema) -> int | None:
    """The largest absolute value of one row, in minor units: by clamps of rows and by what is declared."""
    declared = _largest_value(measure.value, relation, schema)
    low, high = measure.row_bounds
    clamped = max(abs(low), abs(high))
    if declared is not None:
        return min(declared, clamped)
    return clamped if clamped < VALUE_LIMIT else None


def _largest_value(value: Expression | None, relation: Relation, schema: Schema) -> int | None:
    found = None if value is None or not value.type.exact else Ranges.over(relation, schema).of(value)
    return int(found.largest) if found is not None and found.bounded else None
