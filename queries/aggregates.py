"""Aggregate functions of the statement as measures of a plan."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise

from sqlglot import exp

from queries.errors import QueryNotPrivateError
from queries.function_names import Function
from queries.grids import places_for_rows
from queries.hints import called, hint
from queries.months import lies_in_one_month
from queries.parse import DIALECT, position, refusal
from queries.plan import (
    BOOLEAN,
    DOUBLE,
    INTEGER,
    MEASURES_LIMIT,
    SCALE_LIMIT,
    TRUE,
    VALUE_LIMIT,
    Call,
    Column,
    Expression,
    Literal,
    MeasureKind,
    Relation,
)
from queries.range_arithmetic import ANYTHING, Range
from queries.ranges import Ranges
from queries.scalars import (
    UnitColumn,
    condition,
    conjunction,
    exact_type,
    formed,
    is_present,
    rescaled,
    scalar,
    selection,
    summed,
)
from queries.schema import Schema
from queries.stated import Bounds, Place, bounds_of
from queries.views import Scope, canonical, renumbered

SPREADS: tuple[type[exp.Expr], ...] = (*(exp.Stddev, exp.StddevPop, exp.StddevSamp, exp.Variance, exp.VariancePop),)
QUANTILES: tuple[type[exp.Expr], ...] = (
    *(exp.Median, exp.PercentileCont, exp.PercentileDisc, exp.Quantile, exp.ApproxQuantile, exp.WithinGroup),
)
AGGREGATES: tuple[type[exp.Expr], ...] = (
    *(exp.Count, exp.CountIf, exp.ApproxDistinct, exp.Sum, exp.Avg, exp.Min, exp.Max),
    *(exp.LogicalAnd, exp.LogicalOr),
    *SPREADS,
    *QUANTILES,
)
_ONE_OR_ZERO = (Literal(1, INTEGER), Literal(0, INTEGER))

_SHOWN = 40  # characters of the analyst's text in a hint
_MOST = 2_000_000_000  # what a hint limits a value to: it is kept whole

_COUNT = 1  # the place of the count among the measures of a ratio
_QUANTILE_HINT = "Its values' range is contribution_bounds_per_row => (lowest, highest)."
_SPREAD_HINT = "Give them to the means: AVG({x} * {x}, l2_bound => …) - POWER(AVG({x}, l2_bound => …), 2)."


@dataclass(frozen=True, slots=True)
class Asked:
    """A measure that the statement asks for, without price: kind, value, scale, and the bounds that it states.

    What is bounded differently is another figure, with another error: two measures, each of which has its price. Sums
    over units carry their condition in `value`. What is none, a quantile (of rows, with a `fraction`) or a number of
    different values, has the condition that its rows meet in `where`.
    """

    kind: MeasureKind
    value: Expression | None
    scale: int = 0
    fraction: Fraction | None = None
    where: Expression = TRUE
    bounds: Bounds = field(default_factory=Bounds)

    @property
    def additive(self) -> bool:
        """Whether the measure is a sum over units."""
        return self.fraction is None and self.kind is not MeasureKind.VALUES

    @property
    def clamped(self) -> bool:
        """Whether rows have values that bounds by row clamp: those that are only counted have none."""
        return self.kind is MeasureKind.SUM or self.fraction is not None


@dataclass(slots=True)
class Node:
    """One aggregation of the statement in normal form, before bounds and price.

    `linked` are pairs of measures of one ratio, which share a block; `aliases` the names that the statement has for
    them, and `bounded` those by which options mean their bounds: a mean's are its sum's, not its count's. `clauses` are
    where the statement says something that takes effect here, `place` and `places` where it and its measures stand.
    With `top` only so many groups are wanted, those with the most units.
    """

    relation: Relation
    keys: tuple[Expression, ...]
    measures: list[Asked] = field(default_factory=list)
    linked: set[tuple[int, int]] = field(default_factory=set)
    aliases: dict[int, set[str]] = field(default_factory=dict)
    bounded: dict[int, set[str]] = field(default_factory=dict)
    clauses: set[Place] = field(default_factory=set)
    top: int | None = None
    places: dict[int, Place] = field(default_factory=dict)
    place: Place = (None, None)

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
        bounds = self._bounds(call)
        numbers = [
            self.node.add(measure if place == _COUNT else replace(measure, bounds=_bounds_for(measure, bounds)))
            for place, measure in enumerate(asked)
        ]
        if output is not None:
            for place, number in enumerate(numbers):
                self.node.aliases.setdefault(number, set()).add(output)
                if place != _COUNT:
                    self.node.bounded.setdefault(number, set()).add(output)
        for number in numbers:
            self.node.places.setdefault(number, position(call))
        if len(self.node.measures) > MEASURES_LIMIT:
            reason = f"This asks for more than {MEASURES_LIMIT} measures in one release."
            raise refusal("too-complex", reason, call, hint="Ask for some of them in a statement of their own.")
        self.node.linked.update(pairwise(numbers))
        return tuple(numbers)

    def limits(self, call: exp.Expr) -> tuple[float, float] | None:
        """Between which numbers a mean's values are by what is declared, in their own units; None if nothing is."""
        call = call.this if isinstance(call, exp.Filter) else call
        value = self.expression(call.this)
        values, unit = self._ranges.of(value), 10**value.type.scale
        return (values.low / unit, values.high / unit) if values.bounded else None

    def _bounds(self, call: exp.Expr) -> Bounds:
        found = bounds_of(call)
        if found is None:
            return Bounds()
        if isinstance(call, SPREADS):
            reason = f"{called(call)} takes no bounds: it is made of three measures."
            raise refusal("unsupported-aggregate", reason, call, _SPREAD_HINT.format(x=call.this.sql(dialect=DIALECT)))
        if isinstance(call, QUANTILES) and found.per_group is not None:
            reason = "A quantile is of single rows, and has no bounds by group."
            raise refusal("unsupported-aggregate", reason, call, _QUANTILE_HINT)
        self.node.clauses.add(found.place)
        return found

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
        if len(values) != 1 or isinstance(values[0], exp.Tuple):
            reason = "COUNT(DISTINCT …) takes one column or expression."
            raise refusal("count-distinct", reason, target, hint=hint(target))
        unit = self._unit(values[0])
        if unit is None:
            return self._values(values[0], where)
        if self.scope.items[unit.item].outer:
            raise refusal("count-distinct", "The unit of a left join's right side may be NULL.", target)
        if not lies_in_one_month(self.node.keys, self.node.relation, self._schema):
            reason = "This counts customers over several months, and the privacy unit is a customer in one month."
            day = self._schema.day_column
            spanning = f"Group by DATE_TRUNC('month', {day}), or restrict it to one month in WHERE."
            raise refusal("unit-spans-blocks", reason, target, hint=spanning)
        return [Asked(MeasureKind.UNITS, _when(where))]

    def _values(self, target: exp.Expr, where: Expression) -> list[Asked]:
        value = self.expression(target)
        return [Asked(MeasureKind.VALUES, value, where=_both(self._present(value), where))]

    def approximately_distinct(self, call: exp.Expr, where: Expression) -> list[Asked]:
        """APPROX_COUNT_DISTINCT(x) is COUNT(DISTINCT x)."""
        return self._distinct(exp.Distinct(expressions=[call.this]), where)

    def quantile(self, call: exp.Expr, where: Expression) -> list[Asked]:
        """MEDIAN, QUANTILE_CONT and their kin, all of one estimate: noise is wider than what sets them apart."""
        target, fraction = _quantile_of(call)
        value = self.expression(target)
        if not value.type.exact:
            reason = "Quantiles are of integers, or of decimals with declared places."
            raise refusal("type-mismatch", reason, call, _exact(value, target.sql(dialect=DIALECT)))
        return [Asked(MeasureKind.ROWS, value, value.type.scale, fraction, _both(self._present(value), where))]

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
        counted = count_of(summed(value))
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
        relation, nullable = self.node.relation, self._schema.nullable
        return is_present(value, lambda part: isinstance(part, Column) and not nullable(relation, part))

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
    relation, moved = canonical(scope.relation(tree, schema))
    own = tuple(sorted({renumbered(key, moved) for key in keys}, key=repr))
    return Measures(scope, Node(relation, own, place=position(tree)), moved, aliases, schema)


def is_aggregate(node: exp.Expr) -> bool:
    return isinstance(node, AGGREGATES)


def try_expression(measures_: Measures, tree: exp.Expr) -> Expression | None:
    """The scalar expression of the tree, or None where it is not one."""
    try:
        return measures_.expression(tree)
    except QueryNotPrivateError:
        return None


def _bounds_for(measure: Asked, bounds: Bounds) -> Bounds:
    """The bounds as far as they mean the measure: a row that is counted counts one."""
    return bounds if measure.clamped else replace(bounds, per_row=None)


def _when(where: Expression) -> Expression | None:
    chosen = selection(where)
    return None if chosen == TRUE else chosen


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
    return summed(formed(Function.CASE, value.type, where, value, Literal(0, exact_type(value.type.scale))))


def count_of(value: Expression) -> Expression | None:
    """The condition c if the value is 1 where c holds and else 0: the sum is then a count."""
    if value == Literal(1, INTEGER):
        return TRUE
    if isinstance(value, Call) and value.function is Function.CASE:
        return value.arguments[0] if value.arguments[1:] == _ONE_OR_ZERO else None
    return None


def _quantile_of(call: exp.Expr) -> tuple[exp.Expr, Fraction]:
    """What the quantile is of, and the fraction of rows that lie below it."""
    if isinstance(call, exp.Median):
        return call.this, Fraction(1, 2)
    if isinstance(call, exp.WithinGroup):
        if call.this.args.get("expression") is not None:
            raise refusal("unsupported-syntax", "WITHIN GROUP orders by one expression.", call, hint(call))
        return _ordered(call.expression, call.this.this, call)
    given = call.args.get("quantile") or call.args.get("expression")
    if isinstance(given, exp.Order):  # as DuckDB has it: QUANTILE_CONT(x, 0.9 ORDER BY x)
        target, fraction = _ordered(given, given.this, call)
        if target == call.this:
            return target, fraction
        raise refusal("unsupported-syntax", "A quantile is of what it is ordered by.", call, hint(call))
    return call.this, _fraction(given, call)


def _ordered(order: exp.Expr, given: exp.Expr, call: exp.Expr) -> tuple[exp.Expr, Fraction]:
    if len(order.expressions) != 1:
        raise refusal("unsupported-syntax", "A quantile orders by one expression.", call, hint(call))
    fraction, by = _fraction(given, call), order.expressions[0]
    return by.this, 1 - fraction if by.args.get("desc") else fraction


def _fraction(tree: exp.Expr | None, call: exp.Expr) -> Fraction:
    text = tree.name if isinstance(tree, exp.Literal) and not tree.is_string else ""
    found = Fraction(text) if re.fullmatch(r"[0-9]*\.?[0-9]{1,9}", text) else None
    if found is None or not 0 < found < 1:
        reason = "A quantile takes a number above 0 and below 1, written out."
        raise refusal("type-mismatch", reason, call, hint=f"For example {_example(call)}.")
    return found


def _example(call: exp.Expr) -> str:
    target = call.expression.expressions[0].this if isinstance(call, exp.WithinGroup) else call.this
    return f"QUANTILE_CONT({target.sql(dialect=DIALECT)[:40]}, 0.9)"


_MEASURES: dict[type[exp.Expr], Callable[[Measures, exp.Expr, Expression], list[Asked]]] = {
    exp.Count: Measures.rows,
    exp.CountIf: Measures.count_if,
    exp.ApproxDistinct: Measures.approximately_distinct,
    exp.Sum: Measures.sum,
    exp.Avg: Measures.average,
    **dict.fromkeys(SPREADS, Measures.spread),
    **dict.fromkeys(QUANTILES, Measures.quantile),
}
