"""Which contribution bound a measure gets when the caller states none: from the policy and the statement alone.

A bound only decides how much is clipped and how much noise is added; any bound is private. Where nothing is declared,
bounds are chosen from the data at a price (`release.py`), and what is found here is only where the choice starts from
if the data tell too little. For counts and for declared columns, in this order:

1. a unit that can have one row at the most counts one row, and one unit; in a few groups it counts once in each, which
   is never worse than a choice by much;
2. an entry of the policy for exactly the columns of GROUP BY;
3. where a unit can be in one group only, the entry for no keys, because all that it has is in that group;
4. the default entry, or the entry for no keys divided by √groups if that is larger: what a unit's total is when it is
   spread evenly. Few groups thus get a bound near that of the total.

What a sum of an expression may be follows from these (`summands.py`), where it follows by a limit of a factor only as
a start. Quantiles have a bound of one row, so that customers count about equally (`quantiles.py`). Different values
have one of 20 where the policy says nothing of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from queries.aggregates import Asked, Node
from queries.function_names import Function
from queries.months import is_fixed_in_month
from queries.plan import WEIGHT_ONE, Call, Column, Derived, Expression, Grouped, MeasureKind, Relation, Scan, columns_of
from queries.policy_model import VALUES_OF
from queries.ranges import Ranges
from queries.schema import Schema
from queries.summands import ContributionBound, Summands

_CENT = 100
_ONE_ROW = ContributionBound(Fraction(1), "one row a unit", certain=True)
_MOST_VALUES = ContributionBound(Fraction(20), "default")
_SOME_ROWS = ContributionBound(Fraction(100), "some rows", declared=False)
_MANY_ROWS = 1_000
_SOME_GROUPS = 100
_FEW_GROUPS = 64  # in which a unit's norm is at most 8: little is gained by a choice, and errors are known without


def contribution_bound(asked: Asked, node: Node, schema: Schema, groups: int | None) -> ContributionBound:
    """The L2 bound in the measure's own units. `groups` is None for thresholds."""
    entries = _Entries(node, schema, groups)
    if asked.kind is MeasureKind.UNITS:
        return entries.units()
    if asked.fraction is not None:
        return _ONE_ROW if has_one_row(node.relation, schema) else _SOME_ROWS
    if asked.kind is MeasureKind.VALUES:
        fact = schema.fact(node.relation, asked.value) if isinstance(asked.value, Column) else None
        own = None if fact is None else entries.entry(f"{VALUES_OF}{fact.path}")
        return own or entries.entry("values") or _MOST_VALUES
    if asked.kind is MeasureKind.ROWS or asked.value is None:
        return entries.rows(node.relation) or _SOME_ROWS
    ranges = Ranges.over(node.relation, schema)
    found = Summands(node.relation, ranges, schema, entries).bound(asked.value)
    room = found is not None and found.l2 * WEIGHT_ONE * schema.most_units(node.relation) < 1 << 63
    return found if found is not None and room else _one_value(ranges.of(asked.value).largest, asked.scale)


def _one_value(largest: float, scale: int) -> ContributionBound:
    """A guess: the largest value that a row may have, if that is known."""
    known = math.isfinite(largest) and largest >= 1
    value = Fraction(str(largest)) / 10**scale if known else Fraction(1)
    source = "the largest value of a row" if known else "one"
    return ContributionBound(value, source, declared=False, room=_MANY_ROWS)


@dataclass(frozen=True, slots=True)
class _Entries:
    """The policy's entries for a node's keys."""

    node: Node
    schema: Schema
    groups: int | None

    def units(self) -> ContributionBound:
        """Of a count of units: never above √groups, which is its norm if the unit is in every group."""
        if self._in_one_group():
            return ContributionBound(Fraction(1), "a unit in one group")
        most = self.schema.policy.max_groups_contributed if self.groups is None else self.groups
        limit = ContributionBound(Fraction(math.isqrt(max(0, most - 1)) + 1), f"a unit in {most} groups")
        declared = self.entry("units")
        if declared is None and most > _FEW_GROUPS:
            some = min(most, _SOME_GROUPS)
            return ContributionBound(Fraction(math.isqrt(some - 1) + 1), f"a unit in {some} groups", declared=False)
        return limit if declared is None or limit.l2 < declared.l2 else declared

    def _in_one_group(self) -> bool:
        relation = self.node.relation
        return has_one_row(relation, self.schema) or has_one_group(relation, self.node.keys, self.schema)

    def rows(self, relation: Relation) -> ContributionBound | None:
        """Of the number of rows of the relation."""
        return _ONE_ROW if has_one_row(relation, self.schema) else self.entry("rows")

    def entry(self, measure: str) -> ContributionBound | None:
        entries = {bound.keys: bound.l2 for bound in self.schema.policy.bounds if bound.measure == measure}
        keyed = {frozenset(keys): l2 for keys, l2 in entries.items() if keys is not None}
        columns = _key_columns(self.node, self.schema)
        if columns and columns in keyed:
            return ContributionBound(keyed[columns], f"policy: {measure} by {', '.join(sorted(columns))}")
        default = ContributionBound(entries[None], f"policy: {measure}") if None in entries else None
        if frozenset() not in keyed:
            return default
        total = ContributionBound(keyed[frozenset()], f"policy: {measure} in total")
        if has_one_group(self.node.relation, self.node.keys, self.schema):
            return total
        if self.groups is None:
            return default
        even = Fraction(math.ceil(float(total.l2) * _CENT / math.sqrt(max(1, self.groups))), _CENT)
        spread = ContributionBound(even, f"{total.source}, spread over {self.groups} groups")
        return spread if default is None else max(default, spread, key=lambda bound: bound.l2)


def _key_columns(node: Node, schema: Schema) -> frozenset[str] | None:
    """The 'table.column' names that the statement groups by; None if it groups by anything but columns."""
    found = set()
    for expression in node.keys:
        fact = schema.fact(node.relation, expression) if isinstance(expression, Column) else None
        if fact is None:
            return None
        found.add(fact.path)
    return frozenset(found)


def has_one_group(relation: Relation, keys: Iterable[Expression], schema: Schema) -> bool:
    """Whether all rows of a unit fall into one group: its keys are months, or of columns with one value a unit."""
    return all(
        is_fixed_in_month(key, relation, schema)
        or all(is_unique_per_unit(relation, column.source, schema) for column in columns_of(key))
        for key in keys
    )


def has_one_row(relation: Relation, schema: Schema) -> bool:
    """Whether a unit has one row at the most: private tables with one each, joined with public ones on their key."""
    return all(
        is_unique_per_unit(relation, number, schema) or joins_on_key(relation, number, schema)
        for number in range(len(relation.sources))
    )


def is_unique_per_unit(relation: Relation, number: int, schema: Schema) -> bool:
    """Whether the private source has one row a unit at the most."""
    source = relation.sources[number]
    if isinstance(source, Scan):
        return source.private and schema.policy.tables[source.table].unique_per_unit
    if isinstance(source, Grouped):
        return source.private and not source.values
    return isinstance(source, Derived) and source.private and has_one_row(source.relation, schema)


def joins_on_key(relation: Relation, number: int, schema: Schema) -> bool:
    source = relation.sources[number]
    if not isinstance(source, Scan) or source.private:
        return False
    key = schema.policy.tables[source.table].key
    conditions = [*relation.where, *(on for join in relation.joins for on in join.on)]
    return any(_equates_key(condition, number, key) for condition in conditions)


def _equates_key(condition: Expression, number: int, key: str | None) -> bool:
    if not isinstance(condition, Call) or condition.function is not Function.EQUAL:
        return False
    own = [a for a in condition.arguments if isinstance(a, Column) and a.source == number and a.name == key]
    others = [a for a in condition.arguments if all(column.source != number for column in columns_of(a))]
    return bool(own) and bool(others)
