"""Which contribution bound a measure gets when the caller states none: from the policy and the statement alone.

A bound only decides how much is clipped and how much noise is added; any bound is private. In this order:

1. a unit that can have one row at the most counts one row, and one unit;
2. an entry of the policy for exactly the columns of GROUP BY;
3. where a unit can be in one group only, the entry for no keys, because all that it has is in that group;
4. the default entry, or the entry for no keys divided by √groups if that is larger: what a unit's total is when it is
   spread evenly. Few groups thus get a bound near that of the total.

Quantiles have a bound of one row, so that customers count about equally (`quantiles.py`). Different values have one of
20 where the policy says nothing of `values`.
"""

from __future__ import annotations

import math
from fractions import Fraction

from queries.aggregates import Asked, Node
from queries.plan import (
    Call,
    Column,
    Derived,
    Expression,
    Fold,
    Folding,
    Function,
    Grouped,
    Literal,
    MeasureKind,
    Relation,
    Scan,
    columns_of,
)
from queries.policy_model import VALUES_OF
from queries.schema import Schema

_CENT = 100
_MOST_VALUES = Fraction(20)


def declared_bound(asked: Asked, node: Node, schema: Schema, groups: int | None) -> Fraction | None:
    """The L2 bound in the measure's own units; None if the policy declares none. `groups` is None for thresholds."""
    if asked.kind is not MeasureKind.SUM and _one_row(node.relation, schema):
        return Fraction(1)
    if asked.kind is MeasureKind.UNITS:
        return _units_bound(node, schema, groups)
    if asked.fraction is not None:
        return Fraction(1)
    if asked.kind is MeasureKind.VALUES:
        fact = schema.fact(node.relation, asked.value) if isinstance(asked.value, Column) else None
        own = None if fact is None else _bound(f"{VALUES_OF}{fact.path}", node, schema, groups)
        return own or _bound("values", node, schema, groups) or _MOST_VALUES
    measure = "rows" if asked.kind is MeasureKind.ROWS else _measured(asked.value, node.relation, schema)
    if measure is None and (squared := _squared(asked.value)) is not None:
        return _bound_of_squares(squared, node, schema, groups)
    return None if measure is None else _bound(measure, node, schema, groups)


def _bound_of_squares(value: Column, node: Node, schema: Schema, groups: int | None) -> Fraction | None:
    """Where no value is above R, a sum of squares is at most R times the sum of the values."""
    measure, largest = _measured(value, node.relation, schema), schema.largest(node.relation, value)
    bound = None if measure is None else _bound(measure, node, schema, groups)
    return None if bound is None or largest is None else bound * Fraction(max(1, largest), 10**value.type.scale)


def _squared(value: Expression | None) -> Column | None:
    """The column that the value is the square of, seen through a FILTER and coarser places."""
    while isinstance(value, Call):
        if value.function is Function.MULTIPLY:
            one, other = value.arguments
            one = one.arguments[0] if isinstance(one, Call) and one.function is Function.RESCALE else one
            return one if isinstance(one, Column) and one == other else None
        if value.function not in (Function.RESCALE, Function.CASE):
            return None
        value = value.arguments[0] if value.function is Function.RESCALE else value.arguments[1]
    return None


def _units_bound(node: Node, schema: Schema, groups: int | None) -> Fraction:
    """Of a count of units: never above √groups, which is its norm if the unit is in every group."""
    if not node.keys or _one_group(node, schema):
        return Fraction(1)
    most = schema.policy.max_groups_contributed if groups is None else groups
    limit = Fraction(math.isqrt(max(0, most - 1)) + 1)
    declared = _bound("units", node, schema, groups)
    return limit if declared is None else min(limit, declared)


def _bound(measure: str, node: Node, schema: Schema, groups: int | None) -> Fraction | None:
    entries = {bound.keys: bound.l2 for bound in schema.policy.bounds if bound.measure == measure}
    keyed = {frozenset(keys): l2 for keys, l2 in entries.items() if keys is not None}
    columns = _key_columns(node, schema)
    if columns is not None and columns in keyed:
        return keyed[columns]
    total, default = keyed.get(frozenset()), entries.get(None)
    if total is not None and _one_group(node, schema):
        return total
    if total is None or groups is None:
        return default
    even = Fraction(math.ceil(float(total) * _CENT / math.sqrt(max(1, groups))), _CENT)
    return even if default is None else max(default, even)


def _key_columns(node: Node, schema: Schema) -> frozenset[str] | None:
    """The 'table.column' names that the statement groups by; None if it groups by anything but columns."""
    found = set()
    for expression in node.keys:
        fact = schema.fact(node.relation, expression) if isinstance(expression, Column) else None
        if fact is None:
            return None
        found.add(fact.path)
    return frozenset(found)


def _one_group(node: Node, schema: Schema) -> bool:
    """Whether all rows of a unit fall into one group: the keys are made of columns that have one value a unit."""
    sources = {column.source for key in node.keys for column in columns_of(key)}
    return all(is_unique_per_unit(node.relation, source, schema) for source in sources)


def _one_row(relation: Relation, schema: Schema) -> bool:
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
    return isinstance(source, Derived) and source.private and _one_row(source.relation, schema)


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


def _measured(value: Expression | None, relation: Relation, schema: Schema) -> str | None:
    """The declared column that a sum is of, seen through CASE … ELSE 0 and COALESCE(…, 0)."""
    if isinstance(value, Column):
        source = relation.sources[value.source]
        if isinstance(source, Grouped) and value.name.startswith("f"):
            return _folded(source.folds[int(value.name[1:])], source.relation, schema)
        fact = schema.fact(relation, value)
        return fact.path if fact is not None else None
    if not isinstance(value, Call) or value.function not in (Function.CASE, Function.COALESCE):
        return None
    arms = value.arguments
    values = arms if value.function is Function.COALESCE else [*arms[1::2], arms[-1]]
    rest = [v for v in values if not (isinstance(v, Literal) and v.value in (0, None))]
    names = {_measured(v, relation, schema) for v in rest}
    return names.pop() if len(names) == 1 else None


def _folded(fold: Fold, relation: Relation, schema: Schema) -> str | None:
    """A sum of a unit's sums, or of its counts, is a sum over its rows."""
    if fold.function is Folding.COUNT:
        return "rows"
    return _measured(fold.argument, relation, schema) if fold.function is Folding.SUM else None
