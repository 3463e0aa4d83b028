"""Aggregate functions of the statement as measures of a plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

from sqlglot import exp

from queries.errors import QueryNotPrivateError
from queries.grids import places_for_rows
from queries.hints import called, hint
from queries.parse import DIALECT, refusal
from queries.plan import (
    BOOLEAN,
    DOUBLE,
    INTEGER,
    SCALE_LIMIT,
    TRUE,
    VALUE_LIMIT,
    Call,
    Column,
    Expression,
    Function,
    Literal,
    MeasureKind,
    Relation,
)
from queries.range_arithmetic import ANYTHING, Range
from queries.ranges import Ranges
from queries.scalars import UnitColumn, condition, conjunction, exact_type, rescaled, scalar
from queries.schema import Schema
from queries.views import Scope, canonical, renumbered

SPREADS: tuple[type[exp.Expr], ...] = (*(exp.Stddev, exp.StddevPop, exp.StddevSamp, exp.Variance, exp.VariancePop),)
AGGREGATES: tuple[type[exp.Expr], ...] = (
    *(exp.Count, exp.CountIf, exp.Sum, exp.Avg, exp.Min, exp.Max, exp.Median),
    *SPREADS,
)

_SHOWN = 40  # characters of the analyst's text in a hint
_MOST = 2_000_000_000  # what a hint limits a value to: it is kept whole


@dataclass(frozen=True, slots=True)
class Asked:
    """A measure that the statement asks for, without bounds and price: kind, value, scale."""

    kind: MeasureKind
    value: Expression | None
    scale: int = 0


@dataclass(slots=True)
class Node:
    """One aggregation of the statement in normal form, before bounds and price.

    `linked` are pairs of measures of one ratio, which share a block; `aliases` the names that the statement has for
    them.
    """

    relation: Relation
    keys: tuple[Expression, ...]
    measures: list[Asked] = field(default_factory=list)
    linked: set[tuple[int, int]] = field(default_factory=set)
    aliases: dict[int, set[str]] = field(default_factory=dict)

    def add(self, measure: Asked) -> int:
        if measure not in self.measures:
            self.measures.append(measure)
        return self.measures.index(measure)


class Measures:
    """Turns the aggregate calls of one SELECT into measures of one node, over its canonical sources."""

    def __init__(
        self, scope: Scope, node: Node, moved: dict[int, int], aliases: dict[str, exp.Expr], schema: Schema
    ) -> None:
        self.scope = scope
        self._schema = schema
        self._moved = moved
        self._aliases = aliases
        self._ranges = Ranges.over(node.relation, schema)
        self.node = node

    def expression(self, tree: exp.Expr) -> Expression:
        """A scalar expression over the node's relation."""
        return renumbered(scalar(tree, self._resolve), self._moved)

    def measure(self, call: exp.Expr, output: str | None) -> tuple[int, ...]:
        """The numbers of the measures of a call in the column `output`: one, a sum and a count, or squares besides."""
        where: Expression = TRUE
        if isinstance(call, exp.Filter):
            where = renumbered(condition(call.expression.this, self._resolve), self._moved)
            call = call.this
        build = _MEASURES.get(type(call))
        if build is None:
            raise self._unsupported(call)
        asked = build(self, call, where)
        numbers = [self.node.add(measure) for measure in asked]
        if output is not None:
            for number in numbers:
                self.node.aliases.setdefault(number, set()).add(output)
        self.node.linked.update(pairwise(numbers))
        return tuple(numbers)

    def _unsupported(self, call: exp.Expr) -> QueryNotPrivateError:
        reason, instead = f"{called(call)} is not answered.", hint(call) or "Use COUNT, SUM or AVG."
        if isinstance(call.this, exp.Expr) and self._unit(call.this) is not None:
            instead = f"Units are only counted: COUNT(DISTINCT {call.this.sql(dialect=DIALECT)})."
        return refusal("unsupported-aggregate", reason, call, instead)

    def _resolve(self, column: exp.Column) -> Expression | UnitColumn:
        return self.scope.resolve(column, self._aliases)

    def rows(self, call: exp.Expr, where: Expression) -> list[Asked]:
        """COUNT(*), COUNT(x), COUNT(DISTINCT unit)."""
        target = call.this
        if isinstance(target, exp.Distinct):
            return self._distinct(target, where)
        if target is None or isinstance(target, exp.Star):
            return [Asked(MeasureKind.ROWS, _when(where))]
        unit = self._unit(target)
        if unit is not None and not self.scope.items[unit.item].outer:
            return [Asked(MeasureKind.ROWS, _when(where))]
        return [Asked(MeasureKind.ROWS, _when(_both(self._present(self.expression(target)), where)))]

    def _distinct(self, target: exp.Distinct, where: Expression) -> list[Asked]:
        values = target.expressions
        unit = self._unit(values[0]) if len(values) == 1 else None
        if unit is None:
            raise refusal(
                "count-distinct",
                "COUNT(DISTINCT …) is answered for the privacy unit only.",
                target,
                hint=f"Write COUNT(*) for rows, or COUNT(DISTINCT {self._schema.unit_column}) for units.",
            )
        if self.scope.items[unit.item].outer:
            raise refusal("count-distinct", "The unit of a left join's right side may be NULL.", target)
        return [Asked(MeasureKind.UNITS, _when(where))]

    def _unit(self, tree: exp.Expr) -> UnitColumn | None:
        while isinstance(tree, exp.Paren):
            tree = tree.this
        found = self._resolve(tree) if isinstance(tree, exp.Column) else None
        return found if isinstance(found, UnitColumn) else None

    def count_if(self, call: exp.Expr, where: Expression) -> list[Asked]:
        counted = renumbered(condition(call.this, self._resolve), self._moved)
        return [Asked(MeasureKind.ROWS, _when(_both(counted, where)))]

    def sum(self, call: exp.Expr, where: Expression) -> list[Asked]:
        value = self._summand(call)
        counted = _counted(value)
        if counted is not None:
            return [Asked(MeasureKind.ROWS, _when(_both(counted, where)))]
        return [self._total(_filtered(value, where), call)]

    def average(self, call: exp.Expr, where: Expression) -> list[Asked]:
        value = self._summand(call)
        total = self._total(_filtered(value, where), call)
        return [total, Asked(MeasureKind.ROWS, _when(_both(self._present(value), where)))]

    def spread(self, call: exp.Expr, where: Expression) -> list[Asked]:
        """A variance is made of a sum, a count and a sum of squares."""
        value = self._summand(call)
        square = _filtered(_square(rescaled(value, self._total(_filtered(value, where), call).scale)), where)
        return [*self.average(call, where), self._total(square, call, _square_of_undeclared(value.type.scale))]

    def _total(self, value: Expression, call: exp.Expr, otherwise: Range = ANYTHING) -> Asked:
        """The sum of the value with as many places as leave room for its range, or `otherwise` where it has none."""
        values = self._ranges.of(value)
        places = places_for_rows(values if values.bounded else otherwise, value.type.scale)
        if places is None:
            raise self._too_wide(values, call)
        return Asked(MeasureKind.SUM, rescaled(value, places), places)

    def _too_wide(self, values: Range, call: exp.Expr) -> QueryNotPrivateError:
        text = call.this.sql(dialect=DIALECT)
        clamped = f"LEAST({text if len(text) <= _SHOWN else '…'}, {_MOST})"
        return refusal(
            "range-too-wide",
            f"By the declared ranges a value here can be beyond {VALUE_LIMIT:,}, which is the most that a row adds.",
            call,
            f"Limit it: {clamped if values.low >= 0 else f'GREATEST({clamped}, -{_MOST})'}.",
        )

    def _present(self, value: Expression) -> Expression:
        """The condition that the value is not NULL: TRUE for a column that never is."""
        if isinstance(value, Literal):
            return Literal(value.value is not None, BOOLEAN)
        if isinstance(value, Column) and not self._schema.nullable(self.node.relation, value):
            return TRUE
        return Call(Function.NOT, (Call(Function.IS_NULL, (value,), BOOLEAN),), BOOLEAN)

    def _summand(self, call: exp.Expr) -> Expression:
        value = self.expression(call.this)
        if not value.type.exact:
            code = "inexact-sum" if value.type == DOUBLE else "type-mismatch"
            reason = "Sums are exact: they need an integer or a decimal with declared places."
            raise refusal(code, reason, call, _exact(value, call.this.sql(dialect=DIALECT)))
        return value


def measures(
    scope: Scope, keys: list[Expression], tree: exp.Select, schema: Schema, aliases: dict[str, exp.Expr]
) -> Measures:
    """A new node for an aggregating SELECT: the scope's relation and keys in normal form."""
    relation, moved = canonical(scope.relation(tree, schema.unit_column))
    own = tuple(sorted({renumbered(key, moved) for key in keys}, key=repr))
    return Measures(scope, Node(relation, own), moved, aliases, schema)


def is_aggregate(node: exp.Expr) -> bool:
    return isinstance(node, AGGREGATES)


def try_expression(measures_: Measures, tree: exp.Expr) -> Expression | None:
    """The scalar expression of the tree, or None where it is not one."""
    try:
        return measures_.expression(tree)
    except QueryNotPrivateError:
        return None


def _when(where: Expression) -> Expression | None:
    return None if where == TRUE else where


def _exact(value: Expression, text: str) -> str:
    """How to sum a value that is no exact number."""
    if value.type == BOOLEAN:
        return f"Count it: COUNT_IF({text})."
    return f"Round it: ROUND({text}, 2)." if value.type == DOUBLE else "Sum a number. COUNT takes any value."


def _square(value: Expression) -> Expression:
    """The value times itself, with no more places than there are."""
    coarse = rescaled(value, value.type.scale - max(0, 2 * value.type.scale - SCALE_LIMIT))
    return Call(Function.MULTIPLY, (coarse, value), exact_type(coarse.type.scale + value.type.scale))


def _square_of_undeclared(scale: int) -> Range:
    """The squares of a value that no range is declared for: it is taken to be below 10,000."""
    places = min(2 * scale, SCALE_LIMIT)
    return Range(0, min(10 ** (scale + 4), 10**SCALE_LIMIT) ** 2 // 10 ** (2 * scale - places))


def _both(one: Expression, other: Expression) -> Expression:
    return conjunction((one, other))


def _filtered(value: Expression, where: Expression) -> Expression:
    if where == TRUE:
        return value
    return Call(Function.CASE, (where, value, Literal(0, exact_type(value.type.scale))), value.type)


def _counted(value: Expression) -> Expression | None:
    """The condition c if the value is 1 where c holds and else 0 or NULL: the sum is then a count."""
    if value == Literal(1, INTEGER):
        return TRUE
    if not isinstance(value, Call) or value.function is not Function.CASE or len(value.arguments) != 3:  # noqa: PLR2004
        return None
    where, then, otherwise = value.arguments
    one = then == Literal(1, INTEGER) and isinstance(otherwise, Literal) and otherwise.value in (0, None)
    return where if one and not isinstance(otherwise.value, bool) else None  # type: ignore[union-attr]


_MEASURES: dict[type[exp.Expr], Callable[[Measures, exp.Expr, Expression], list[Asked]]] = {
    exp.Count: Measures.rows,
    exp.CountIf: Measures.count_if,
    exp.Sum: Measures.sum,
    exp.Avg: Measures.average,
    **dict.fromkeys(SPREADS, Measures.spread),
}
