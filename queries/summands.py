"""How much a unit may add to a sum of an expression, from what the policy declares of columns and rows.

Every rule says what holds of each unit's vector of group sums if its sums of the columns, and its number of rows, are
within their own bounds; then nothing more of it is clipped than would be of these. An entry for a column is read as one
for the sum of its absolute values, whose signs no entry tells: returns are few. The smallest bound that some rule gives
is taken.

- |Σ v| ≤ R · rows, where |v| ≤ R in every row (`ranges.py`);
- |Σ a·b| ≤ R · |Σ a|, where |b| ≤ R; so for quotients, where |b| ≥ 1/R;
- ‖Σ (a ± b)‖ ≤ ‖Σ a‖ + ‖Σ b‖: the triangle inequality; so for the arms of CASE and COALESCE, which have different rows;
- |LEAST(a, b)| ≤ |a|, where b ≥ 0; |GREATEST(a, b)| ≤ |a|, where b ≤ 0;
- |a % b| ≤ |a|; a sign, an absolute value and a rounding leave a sum as large as it is, but for the rounding;
- of a sum, or an extreme, of a unit's rows in a subquery what holds of a sum over these rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from math import isfinite
from typing import Protocol

from queries.function_names import Function
from queries.plan import Call, Column, Derived, Expression, Folding, Grouped, Literal, Relation
from queries.ranges import Ranges
from queries.schema import Schema

_SOURCE_LIMIT = 200  # characters
_OF_THE_FIRST = frozenset(
    {
        *(Function.NEGATE, Function.ABSOLUTE, Function.RESCALE, Function.TO_DOUBLE, Function.FROM_DOUBLE),
        *(Function.MODULO, Function.NULL_IF),
    }
)
_COUNTS = frozenset({Folding.COUNT, Folding.COUNT_DISTINCT})


@dataclass(frozen=True, slots=True)
class ContributionBound:
    """An L2 bound in display units, and in words where it comes from.

    `declared` is one that follows from what the policy states for just this; others are only a first guess. No unit is
    above one that is `certain`. A guess of a small part of what a unit may have, such as one row, leaves `room` for
    bounds that are so many times as large.
    """

    l2: Fraction
    source: str
    declared: bool = True
    certain: bool = False
    room: int = 1

    def times(self, factor: Fraction) -> ContributionBound:
        """Of values that are all as many times as large."""
        return self if factor == 1 else replace(self, l2=self.l2 * factor, source=f"{_number(factor)} × {self.source}")

    def at_most_times(self, factor: Fraction) -> ContributionBound:
        """Of values that are at most as many times as large: most are not."""
        return replace(self.times(factor), declared=self.certain or (self.declared and factor == 1))


class Entries(Protocol):
    """What the policy declares, for the keys of the statement."""

    def rows(self, relation: Relation) -> ContributionBound | None:
        """The bound of the number of the relation's rows."""

    def entry(self, measure: str) -> ContributionBound | None:
        """The bound of the sum of a column, named 'table.column', or of 'rows'."""


@dataclass(slots=True)
class Summands:
    """Bounds of sums over the rows of a relation, of which `ranges` tells."""

    relation: Relation
    ranges: Ranges
    schema: Schema
    entries: Entries
    _columns: dict[Column, ContributionBound | None] = field(default_factory=dict)
    _inner: dict[int, Summands] = field(default_factory=dict)

    def bound(self, value: Expression) -> ContributionBound | None:
        """The smallest bound of the sum of the expression that some rule gives."""
        largest = self._largest(value)
        if largest == 0:
            return ContributionBound(Fraction(0), "nothing")
        rows = None if largest is None else self.entries.rows(self.relation)
        if rows is None or largest is None:
            return self._derived(value)
        by_rows = rows.times(largest) if isinstance(value, Literal) else rows.at_most_times(largest)
        return _least((self._derived(value), by_rows))

    def _derived(self, value: Expression) -> ContributionBound | None:
        if isinstance(value, Column):
            if value not in self._columns:
                self._columns[value] = self._of_column(value)
            return self._columns[value]
        if isinstance(value, Literal):
            return None
        rule = _RULES.get(value.function)
        if rule is not None:
            return rule(self, value)
        return self.bound(value.arguments[0]) if value.function in _OF_THE_FIRST else None

    def product(self, call: Call) -> ContributionBound | None:
        one, other = call.arguments
        return _least(
            bound.times(factor) if isinstance(b, Literal) else bound.at_most_times(factor)
            for a, b in ((one, other), (other, one))
            if (factor := self._largest(b)) is not None and (bound := self.bound(a)) is not None
        )

    def quotient(self, call: Call) -> ContributionBound | None:
        one, other = call.arguments
        least = min((part.least for part in self.ranges.divisors(other)), default=0)
        bound = self.bound(one)
        if bound is None or not least:
            return None
        factor = 10**other.type.scale / Fraction(str(least))
        return bound.times(factor) if isinstance(other, Literal) else bound.at_most_times(factor)

    def terms(self, call: Call) -> ContributionBound | None:
        return _total(self.bound(argument) for argument in call.arguments)

    def case(self, call: Call) -> ContributionBound | None:
        """One arm that is written twice chooses from the rows of one sum."""
        arms: dict[Expression, list[ContributionBound | None]] = {}
        for ranges, value in self.ranges.arms(call):
            arms.setdefault(value, []).append(self._over(ranges).bound(value))
        return _total(_most(bounds) for bounds in arms.values())

    def coalesce(self, call: Call) -> ContributionBound | None:
        present = next((n for n, value in enumerate(call.arguments) if self._never_null(value)), len(call.arguments))
        return _total(self.bound(value) for value in call.arguments[: present + 1])

    def extreme(self, call: Call) -> ContributionBound | None:
        sign = 1 if call.function is Function.LEAST else -1
        bounds = [self.bound(value) for value in call.arguments]
        one_sided = [self.ranges.of(value).times(sign).low >= 0 for value in call.arguments]
        leading = [bound for n, bound in enumerate(bounds) if all(one_sided[:n] + one_sided[n + 1 :])]
        return _least([*leading, _total(bounds)])

    def _of_column(self, column: Column) -> ContributionBound | None:
        source = self.relation.sources[column.source]
        fact = self.schema.fact(self.relation, column)
        if fact is not None:
            return self.entries.entry(fact.path)
        if not isinstance(source, Derived):
            return None
        inner = self._inner.setdefault(column.source, self._under(source))
        number = int(column.name[1:])
        if column.name.startswith("c"):
            return inner.bound(source.values[number])
        return inner.folded(source, number) if isinstance(source, Grouped) else None

    def folded(self, source: Grouped, number: int) -> ContributionBound | None:
        """Of a fold over groups of these rows."""
        fold = source.folds[number]
        if fold.argument is None or fold.function in _COUNTS:
            return self.entries.rows(self.relation)
        return (self if fold.where is None else self._over(self.ranges.where(fold.where))).bound(fold.argument)

    def _over(self, ranges: Ranges) -> Summands:
        return Summands(self.relation, ranges, self.schema, self.entries, self._columns, self._inner)

    def _under(self, source: Derived) -> Summands:
        return Summands(source.relation, Ranges.over(source.relation, self.schema), self.schema, self.entries)

    def _never_null(self, value: Expression) -> bool:
        if isinstance(value, Literal):
            return value.value is not None
        return isinstance(value, Column) and not self.schema.nullable(self.relation, value)

    def _largest(self, value: Expression) -> Fraction | None:
        """The largest absolute value in display units."""
        largest = self.ranges.of(value).largest
        return Fraction(str(largest)) / 10**value.type.scale if isfinite(largest) else None


_RULES: dict[Function, Callable[[Summands, Call], ContributionBound | None]] = {
    Function.MULTIPLY: Summands.product,
    Function.DIVIDE: Summands.quotient,
    Function.INTEGER_DIVIDE: Summands.quotient,
    Function.ADD: Summands.terms,
    Function.SUBTRACT: Summands.terms,
    Function.CASE: Summands.case,
    Function.COALESCE: Summands.coalesce,
    Function.LEAST: Summands.extreme,
    Function.GREATEST: Summands.extreme,
}


def _least(bounds: Iterable[ContributionBound | None]) -> ContributionBound | None:
    return min((b for b in bounds if b is not None), key=lambda bound: (bound.l2, bound.source), default=None)


def _most(bounds: list[ContributionBound | None]) -> ContributionBound | None:
    return None if None in bounds else max((b for b in bounds if b is not None), key=lambda bound: bound.l2)


def _total(bounds: Iterable[ContributionBound | None]) -> ContributionBound | None:
    """The sum of the bounds; None if one is not known."""
    found = list(bounds)
    known = [bound for bound in found if bound is not None]
    if len(known) < len(found):
        return None
    sources = list(dict.fromkeys(bound.source for bound in known if bound.l2))
    text = " + ".join(sources)
    short = text if len(text) <= _SOURCE_LIMIT else f"{text[:_SOURCE_LIMIT]}…"
    total = sum((bound.l2 for bound in known), Fraction(0))
    declared, certain = (all(getattr(bound, name) for bound in known) for name in ("declared", "certain"))
    return ContributionBound(total, short, declared, certain)


def _number(value: Fraction) -> str:
    """In decimals, not all of them."""
    return f"{(Decimal(value.numerator) / value.denominator):.12g}"
