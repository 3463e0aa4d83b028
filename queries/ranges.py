"""Between which two numbers the values of an expression lie: interval arithmetic over declared ranges.

Declared ranges and domains hold for every stored row, because a load clamps values to them or takes them for NULL
(`vault_columns.py`); everything else follows from the forms in `emit.py`. So no row's value is ever outside its range,
and nothing here depends on rows. Ranges decide which bound and which grid a sum gets: they are about accuracy alone,
and no release is less private if one of them is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date

from queries.function_names import Function
from queries.plan import (
    BOOLEAN,
    DATE,
    DOUBLE,
    INTEGER,
    VARCHAR,
    Call,
    Column,
    Derived,
    Expression,
    Fold,
    Folding,
    Listed,
    Literal,
    Relation,
    Scan,
    Window,
)
from queries.range_arithmetic import ANYTHING, FORMS, Range, day_number, divisors, hull, stored, to_double
from queries.range_conditions import Facts, joined, where, where_not
from queries.schema import Schema

_TEXT_LIMIT = 1_000  # characters that a concatenation keeps (`emit.py`)
_SAME_LENGTH = frozenset({Function.LOWER, Function.UPPER, Function.TRIM, Function.NULL_IF})
_WRITTEN_OUT = {INTEGER: 20, DATE: 10, BOOLEAN: 5}  # characters of a value as text
_OF_ONE_ROW = frozenset(
    {Folding.MIN, Folding.MAX, Folding.LAG, Folding.LEAD, Folding.FIRST_VALUE, Folding.LAST_VALUE},
)


@dataclass(frozen=True, slots=True)
class Ranges:
    """The ranges of expressions over some rows: those of `columns`, as far as `facts` hold of them."""

    columns: _Columns
    facts: Facts

    @classmethod
    def over(cls, relation: Relation, schema: Schema) -> Ranges:
        """Of the rows that the relation's conditions let through."""
        return cls(_Columns(relation, schema), joined(*map(where, relation.where)))

    def where(self, condition: Expression) -> Ranges:
        """Of those of the rows for which the condition holds."""
        return replace(self, facts=joined(self.facts, where(condition)))

    def where_not(self, condition: Expression) -> Ranges:
        """Of those of the rows for which the condition is false or NULL."""
        return replace(self, facts=joined(self.facts, where_not(condition)))

    def of(self, expression: Expression) -> Range:
        """In stored integers of an exact type, in days of a date; for texts and conditions it says nothing."""
        found = self._of(expression)
        return found.narrowed(self.facts[expression]) if expression in self.facts else found

    def arms(self, case: Call) -> Iterable[tuple[Ranges, Expression]]:
        """The values that a CASE chooses from, each with the ranges of the rows for which it does."""
        ranges = self
        for condition, value in zip(case.arguments[:-1:2], case.arguments[1::2], strict=True):
            yield ranges.where(condition), value
            ranges = ranges.where_not(condition)
        yield ranges, case.arguments[-1]

    def divisors(self, expression: Expression) -> tuple[Range, ...]:
        """The ranges, below and above, of a number that is not zero."""
        if isinstance(expression, Call) and expression.function is Function.TO_DOUBLE:
            (exact,) = expression.arguments
            return tuple(to_double(part, exact.type) for part in self.divisors(exact))
        return divisors(self.of(expression), expression.type)

    def _of(self, expression: Expression) -> Range:
        if isinstance(expression, Literal):
            return stored(expression)
        if isinstance(expression, Column):
            return self.columns.of(expression)
        function, arguments = expression.function, expression.arguments
        if function is Function.CASE:
            return hull(ranges.of(value) for ranges, value in self.arms(expression) if not _is_null(value))
        if function is Function.COALESCE:
            return hull(self.of(value) for value in arguments if not _is_null(value))
        if function is Function.DIVIDE:
            return self._quotient(*arguments)
        if function is Function.LENGTH:
            return Range(0, self._characters(arguments[0]))
        if function not in FORMS:
            return Range(0, 1) if function is Function.TO_INTEGER and arguments[0].type == BOOLEAN else ANYTHING
        return FORMS[function](expression, *map(self.of, arguments)).of_type(expression.type)

    def _quotient(self, one: Expression, other: Expression) -> Range:
        dividend, parts = self.of(one), self.divisors(other)
        return ANYTHING if ANYTHING in parts else hull(dividend.over(part) for part in parts).of_type(DOUBLE)

    def _characters(self, text: Expression) -> float:
        """The most characters that the text can have."""
        if isinstance(text, Literal):
            return len(str(text.value or ""))
        if isinstance(text, Column):
            return self.columns.characters(text)
        if text.function is Function.TO_VARCHAR:
            return _WRITTEN_OUT.get(text.arguments[0].type, ANYTHING.high)
        parts = [self._characters(part) for part in text.arguments if part.type == VARCHAR]
        if text.function is Function.SUBSTRING:
            return min(parts[0], self.of(text.arguments[2]).high)
        if text.function is Function.CONCAT:
            return min(_TEXT_LIMIT, sum(parts))
        return parts[0] if text.function in _SAME_LENGTH else max(parts)


class _Columns:
    """The ranges of the columns of a relation's sources, whatever its conditions: each is worked out once."""

    def __init__(self, relation: Relation, schema: Schema) -> None:
        self._relation = relation
        self._schema = schema
        self._known: dict[Column, Range] = {}
        self._inner: dict[int, list[Ranges]] = {}

    def of(self, column: Column) -> Range:
        if column not in self._known:
            self._known[column] = self._of(column).of_type(column.type)
        return self._known[column]

    def characters(self, column: Column) -> float:
        fact = self._schema.fact(self._relation, column)
        listed = fact.declared.domain if fact is not None else None
        return max((len(str(value)) for value in listed), default=0) if listed is not None else ANYTHING.high

    def _of(self, column: Column) -> Range:
        source = self._relation.sources[column.source]
        if isinstance(source, Scan):
            return declared(self._schema, source.table, column.name)
        if isinstance(source, Listed):
            numbers = [row[int(column.name[1:])] for row in source.rows]
            return Range(min(numbers), max(numbers))
        parts = (source,) if isinstance(source, Derived) else source.parts
        if column.source not in self._inner:
            self._inner[column.source] = [Ranges.over(part.relation, self._schema) for part in parts]
        pairs = zip(parts, self._inner[column.source], strict=True)
        return hull(_passed_on(part, column.name, ranges) for part, ranges in pairs)


def declared(schema: Schema, table: str, column: str) -> Range:
    """What the policy says of a table's column; the stand-ins of sensitive groups have keys of their own."""
    policy = schema.policy
    found = policy.tables[table].columns.get(column)
    coarsened = any(group.table == table and group.is_coarsened for group in policy.sensitive)
    if found is None or (coarsened and policy.tables[table].key == column):
        return ANYTHING
    listed = found.range or found.domain or ()
    numbers = [
        day_number(value) if isinstance(value, date) else found.stored(value)
        for value in listed
        if found.type in ("integer", "decimal", "date")
    ]
    return Range(min(numbers), max(numbers)) if numbers else ANYTHING


def _passed_on(source: Derived, name: str, inner: Ranges) -> Range:
    """The range of a subquery's column: a value of one row, or what several were folded to."""
    number = int(name[1:])
    return inner.of(source.values[number]) if name.startswith("c") else _folded(source.folded[number], inner)


def _folded(each: Fold | Window, inner: Ranges) -> Range:
    fold = each.fold if isinstance(each, Window) else each
    if fold.argument is None or fold.function not in (*_OF_ONE_ROW, Folding.SUM):
        return Range(0, ANYTHING.high)  # a count, or a place in an order
    value = (inner if fold.where is None else inner.where(fold.where)).of(fold.argument)
    if fold.function in _OF_ONE_ROW:
        return value
    return Range(value.low if value.low >= 0 else ANYTHING.low, value.high if value.high <= 0 else ANYTHING.high)


def _is_null(value: Expression) -> bool:
    return isinstance(value, Literal) and value.value is None
