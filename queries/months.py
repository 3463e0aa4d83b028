"""Which months a relation reads, and whether the rows that a statement puts together are of one month.

In a dataset with blocks the privacy unit is an account in one month. Plans join, group and order rows by it, whatever
the statement says (`emit.py`), so nothing here is about privacy. It is about meaning: a statement that speaks of
accounts is answered only where each of its groups lies in one month, for there the two are the same; and of tables no
more months are read, and charged, than its conditions let through. All of this is decided from the statement and the
policy.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date

from queries.function_names import Function
from queries.plan import Call, Column, Dated, Derived, Expression, Join, Relation, Source, Union, columns_of
from queries.range_arithmetic import Range, day_number
from queries.range_conditions import joined, where
from queries.schema import Schema

Months = tuple[int, int]  # the first and the last
_YEAR = 12
_EPOCH = date(1970, 1, 1).toordinal()
_PERIODS = {Function.TRUNCATE_YEAR: 12, Function.TRUNCATE_QUARTER: 3}  # that begin with a month, in months
_OF_WHOLE_MONTHS = frozenset({Function.TRUNCATE_MONTH, Function.YEAR, Function.QUARTER, Function.MONTH, *_PERIODS})


def narrowed(relation: Relation, schema: Schema, within: Months | None = None) -> Relation:
    """The relation reading no other months than its conditions let through: it has the same rows."""
    found = months_of(relation, schema)
    if found is None:
        return relation
    months = found if within is None else _both(found, within)
    first, *others = (_narrowed(source, schema, months) for source in relation.sources)
    joins = (Join(source, join.on, join.left) for source, join in zip(others, relation.joins, strict=True))
    return Relation(first, tuple(joins), relation.where)


def months_of(relation: Relation, schema: Schema) -> Months | None:
    """Between which months all rows of the relation lie; None where they have no month."""
    if relation.span <= 1:
        return None
    inner = {number for number in range(len(relation.sources)) if not _is_outer(relation, number)}
    found = None
    for number in sorted(inner):
        if relation.sources[number].span > 1:
            found = _both(_of_source(relation.sources[number], schema), found)
    return None if found is None else _limited(relation.where, relation, inner, schema, found)


def is_of_one_month(relation: Relation, schema: Schema) -> bool:
    """Whether sources that are joined on the account are of the same month in each row.

    They are where their days, or the months of these, are equated, or where all lie in one month by what the statement
    says of each. A subquery that asks whether a row exists is such a source.
    """
    groups = {number: {number} for number, source in enumerate(relation.sources) if source.span > 1}
    for one, other in _equated(relation, schema):
        together = groups[one] | groups[other]
        groups |= dict.fromkeys(together, together)
    found = {_of_group(frozenset(group), relation, schema) for group in map(frozenset, groups.values())}
    apart = len({frozenset(group) for group in groups.values()}) > 1
    return not apart or (len(found) == 1 and all(first == last for first, last in found))


def lies_in_one_month(keys: Iterable[Expression], relation: Relation, schema: Schema) -> bool:
    """Whether rows that are equal in all keys are of one month."""
    months = months_of(relation, schema)
    if months is None or months[0] == months[1]:
        return True
    keys = [key for key in keys if not any(_is_outer(relation, column.source) for column in columns_of(key))]
    if any(_tells_month(key, relation, schema) for key in keys):
        return True
    parts = {
        key.function
        for key in keys
        if isinstance(key, Call) and len(key.arguments) == 1 and _tells_month(key.arguments[0], relation, schema)
    }
    return Function.MONTH in parts and (Function.YEAR in parts or months[1] - months[0] < _YEAR)


def is_fixed_in_month(key: Expression, relation: Relation, schema: Schema) -> bool:
    """Whether the key has one value in all rows of one month."""
    if not isinstance(key, Call) or key.function not in _OF_WHOLE_MONTHS:
        return False
    (value,) = key.arguments
    outer = any(_is_outer(relation, column.source) for column in columns_of(value))
    return not outer and _tells_month(value, relation, schema)


def _narrowed(source: Source, schema: Schema, months: Months) -> Source:
    if isinstance(source, Dated):
        first, last = _both((source.first, source.last), months)
        return replace(source, first=first, last=last)
    if isinstance(source, Union):
        return Union(tuple(_narrowed_part(part, schema, months) for part in source.parts))
    return _narrowed_part(source, schema, months) if isinstance(source, Derived) else source


def _narrowed_part(part: Derived, schema: Schema, months: Months) -> Derived:
    return replace(part, relation=narrowed(part.relation, schema, months))


def _of_source(source: Source, schema: Schema) -> Months:
    """Between which months the rows of a source that has any lie."""
    if isinstance(source, Dated):
        return source.first, source.last
    parts = source.parts if isinstance(source, Union) else (source,)
    found = [own for part in parts if isinstance(part, Derived) and (own := months_of(part.relation, schema))]
    return min(first for first, _ in found), max(last for _, last in found)


def _of_group(group: frozenset[int], relation: Relation, schema: Schema) -> Months:
    """Between which months the rows of sources lie that are of the same month, by what is said of each of them."""
    found = None
    for number in sorted(group):
        outer = _is_outer(relation, number)
        conditions = relation.joins[number - 1].on if outer else relation.where
        own = _of_source(relation.sources[number], schema)
        found = _both(_limited(conditions, relation, {number}, schema, own), found)
    return found or (0, 0)


def _equated(relation: Relation, schema: Schema) -> Iterator[tuple[int, int]]:
    """Sources whose months are the same in each row, by an equality of days or of their months."""
    conditions: list[tuple[Expression, int | None]] = [(condition, None) for condition in relation.where]
    for number, join in enumerate(relation.joins, start=1):
        conditions += [(condition, number if join.left else None) for condition in join.on]
    for condition, needed in conditions:
        if not isinstance(condition, Call) or condition.function is not Function.EQUAL:
            continue
        sources = [next(iter({column.source for column in columns_of(side)}), None) for side in condition.arguments]
        one, other = sources
        if one is None or other is None or (needed is not None and needed not in sources):
            continue
        if all(_tells_month(side, relation, schema) for side in condition.arguments):
            yield one, other


def _tells_month(expression: Expression, relation: Relation, schema: Schema) -> bool:
    """Whether the expression is a day of the month that its row belongs to, or NULL where a left join found no row."""
    if isinstance(expression, Call):
        truncated = expression.function is Function.TRUNCATE_MONTH
        return truncated and _tells_month(expression.arguments[0], relation, schema)
    if not isinstance(expression, Column):
        return False
    source = relation.sources[expression.source]
    if isinstance(source, Dated):
        return expression.name == schema.policy.day_of(source.table)
    parts = source.parts if isinstance(source, Union) else (source,)
    return expression.name.startswith("c") and all(
        isinstance(part, Derived) and _passes_on(part, int(expression.name[1:]), schema) for part in parts
    )


def _passes_on(part: Derived, number: int, schema: Schema) -> bool:
    value = part.values[number]
    kept = not any(_is_outer(part.relation, column.source) for column in columns_of(value))
    return part.span > 1 and kept and _tells_month(value, part.relation, schema)


def _limited(
    conditions: Iterable[Expression], relation: Relation, sources: set[int], schema: Schema, months: Months
) -> Months:
    """What is left of the months where all conditions are true, by what they say of these sources."""
    calendar = schema.policy.calendar
    if calendar is None:
        return months
    of_year: list[Range] = []
    for expression, values in joined(*map(where, conditions)).items():
        if not {column.source for column in columns_of(expression)} <= sources:
            continue
        part = expression.function if isinstance(expression, Call) else None
        days: Range | None = None
        if _tells_month(expression, relation, schema):
            days = values
        elif isinstance(expression, Call) and len(expression.arguments) == 1:
            days = _days(expression, values) if _tells_month(expression.arguments[0], relation, schema) else None
            of_year += [values] if days is None and part is Function.MONTH else []
        if days is not None:
            months = _both((calendar.number(_day(days.low)), calendar.number(_day(days.high))), months)
    for values in of_year:
        year, first = divmod(calendar.first + months[0], _YEAR)
        if first + months[1] - months[0] < _YEAR:
            start = year * _YEAR - calendar.first - 1
            months = _both((start + _whole(values.low, 1), start + _whole(values.high, _YEAR)), months)
    return months


def _days(part: Call, values: Range) -> Range | None:
    """Of which months a day is of which a function is in the range, as a range of days of these; None if unknown."""
    if part.function is Function.YEAR:
        low, high = (min(max(year, date.min.year), date.max.year) for year in (values.low, values.high))
        return Range(day_number(date(int(low), 1, 1)), day_number(date(int(high), 12, 31)))
    if part.function is Function.TRUNCATE_WEEK:
        return Range(values.low, values.high + 6)
    if part.function in _PERIODS:
        last, length = _day(values.high), _PERIODS[part.function]
        month = (last.month - 1) // length * length + length
        return Range(values.low, day_number(date(last.year, month, 1)))
    return None


def _day(number: float) -> date:
    ordinal = number + _EPOCH if math.isfinite(number) else number
    return date.fromordinal(int(min(max(ordinal, 1), date.max.toordinal())))


def _whole(end: float, otherwise: int) -> int:
    return int(end) if math.isfinite(end) else otherwise


def _is_outer(relation: Relation, number: int) -> bool:
    """Whether the source is on the right of a left join."""
    return number > 0 and relation.joins[number - 1].left


def _both(own: Months, within: Months | None) -> Months:
    """What two ranges of months have in common; one month of the second where that is nothing, for no row is left."""
    if within is None:
        return own
    first, last = max(own[0], within[0]), min(own[1], within[1])
    return (first, last) if first <= last else (within[0], within[0])
