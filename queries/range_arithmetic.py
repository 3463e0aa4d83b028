"""Interval arithmetic: the range of a function's values from those of its arguments, as `emit.py` computes them.

Integers overflow to NULL, which is no value. Doubles are rounded, and rounding keeps order, so the ends of a range are
what the engine makes of the arguments' ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from itertools import product
from math import inf, isfinite
from types import MappingProxyType

from queries.function_names import Function
from queries.plan import DATE, DOUBLE, Call, Literal, Type

_EPOCH = date(1970, 1, 1).toordinal()
_INT64 = (-(1 << 63), (1 << 63) - 1)


@dataclass(frozen=True, slots=True)
class Range:
    """All values from `low` to `high`.

    An end is infinite where nothing is known. Else it is a whole number of stored units of an exact type, of days since
    1970 of a date, and a float of a double.
    """

    low: float
    high: float

    @property
    def bounded(self) -> bool:
        return isfinite(self.low) and isfinite(self.high)

    @property
    def largest(self) -> float:
        """The largest absolute value."""
        return max(abs(self.low), abs(self.high))

    @property
    def least(self) -> float:
        """The least absolute value."""
        return 0 if self.low <= 0 <= self.high else min(abs(self.low), abs(self.high))

    def narrowed(self, other: Range) -> Range:
        """What is in both; no row is left where they have nothing in common, and then this range is as good as any."""
        low, high = max(self.low, other.low), min(self.high, other.high)
        return Range(low, high) if low <= high else self

    def times(self, factor: float) -> Range:
        low, high = sorted((_times(self.low, factor), _times(self.high, factor)))
        return Range(low, high)

    def over(self, other: Range) -> Range:
        """The quotient; `other` does not hold zero."""
        return _corners(lambda a, b: a / b if isfinite(b) else 0.0, self, other)

    def rescaled(self, places: int) -> Range:
        """With so many decimal places more, or less: rounded half away from zero."""
        if places >= 0:
            return self.times(10**places)
        return Range(_rounded(self.low, 10**-places), _rounded(self.high, 10**-places))

    def of_type(self, type_: Type) -> Range:
        """The range as values of the type: what is outside of it was NULL."""
        if type_ == DOUBLE:
            return self if self.bounded else ANYTHING  # infinities come with values that are no numbers
        if type_ == DATE:
            return Range(_clamped(self.low, *_DAYS), _clamped(self.high, *_DAYS))
        if not type_.exact:
            return ANYTHING
        low, high = (_clamped(end, *_INT64) if isfinite(end) else end for end in (self.low, self.high))
        return Range(low, high)


ANYTHING = Range(-inf, inf)
NOTHING = Range(0, 0)  # of what is always NULL: any range would do


def day_number(day: date) -> int:
    """Days since 1970."""
    return day.toordinal() - _EPOCH


_DAYS = (day_number(date.min), day_number(date.max))  # the vault keeps no others


def stored(literal: Literal) -> Range:
    """The range of a constant."""
    value = literal.value
    if value is None:
        return NOTHING
    if literal.type == DATE:
        value = day_number(date.fromisoformat(str(value)))
    return ANYTHING if isinstance(value, str | bool) else Range(value, value)


def hull(ranges: Iterable[Range]) -> Range:
    """The least range that holds them all."""
    found = list(ranges)
    return Range(min(r.low for r in found), max(r.high for r in found)) if found else NOTHING


def divisors(values: Range, type_: Type) -> tuple[Range, ...]:
    """What is below and what is above zero; a double may be as near to it as it likes."""
    if values.least > 0:
        return (values,)
    if not type_.exact:
        return () if values == NOTHING else (ANYTHING,)
    parts = (Range(values.low, -1), Range(1, values.high))
    return tuple(part for part in parts if part.low <= part.high)


def _times(one: float, other: float) -> float:
    return 0 if 0 in (one, other) else one * other


def _clamped(end: float, low: float, high: float) -> float:
    return min(max(end, low), high)


def _rounded(end: float, factor: int) -> float:
    """The quotient, half away from zero."""
    if not isfinite(end):
        return end
    whole = (abs(int(end)) + factor // 2) // factor
    return whole if end >= 0 else -whole


def _truncated(one: float, other: float) -> float:
    """The whole quotient, towards zero."""
    if not isfinite(one):
        return one if other > 0 else -one
    if not isfinite(other):
        return 0
    whole = abs(int(one)) // abs(int(other))
    return whole if (one >= 0) == (other >= 0) else -whole


def _corners(function: Callable[[float, float], float], one: Range, other: Range) -> Range:
    """The range of a function that is monotonic in each argument."""
    found = [function(*ends) for ends in product((one.low, one.high), (other.low, other.high))]
    return Range(min(found), max(found))


def _product(call: Call, one: Range, other: Range) -> Range:
    if call.type == DOUBLE and not (one.bounded and other.bounded):
        return ANYTHING  # zero times infinity is no number
    if call.arguments[0] == call.arguments[1]:
        return Range(one.least * one.least, one.largest * one.largest)
    return _corners(_times, one, other)


def _whole_quotient(call: Call, one: Range, other: Range) -> Range:
    return hull(_corners(_truncated, one, part) for part in divisors(other, call.arguments[1].type))


def _remainder(_: Call, one: Range, other: Range) -> Range:
    """It has the sign of the dividend and is smaller than the divisor."""
    most = max(0, other.largest - 1)
    return Range(max(min(one.low, 0), -most), min(max(one.high, 0), most))


def _from_double(call: Call, one: Range) -> Range:
    def end(value: float) -> float:
        value *= 10**call.type.scale
        return int(Decimal(value).to_integral_value(ROUND_HALF_UP)) if isfinite(value) else value

    return Range(end(one.low), end(one.high))


def to_double(values: Range, type_: Type) -> Range:
    """Exact numbers of the type as doubles."""
    unit = float(10**type_.scale)
    return Range(float(values.low) / unit, float(values.high) / unit)


def _years(_: Call, days: Range) -> Range:
    low, high = (date.fromordinal(int(day) + _EPOCH).year for day in (days.low, days.high))
    return Range(low, high)


def _shifted(days: int) -> Form:
    """A date that lies at most so many days before."""
    return lambda _, one: Range(one.low - days, one.high)


def _fixed(low: int, high: int) -> Form:
    return lambda *_: Range(low, high)


def _rescaled(call: Call, one: Range) -> Range:
    return one.rescaled(call.type.scale - call.arguments[0].type.scale)


Form = Callable[..., Range]  # of the call and the range of each argument
FORMS: Mapping[Function, Form] = MappingProxyType(
    {
        Function.ADD: lambda _, a, b: Range(a.low + b.low, a.high + b.high),
        Function.SUBTRACT: lambda _, a, b: Range(a.low - b.high, a.high - b.low),
        Function.MULTIPLY: _product,
        Function.NEGATE: lambda _, a: Range(-a.high, -a.low),
        Function.ABSOLUTE: lambda _, a: Range(a.least, a.largest),
        Function.INTEGER_DIVIDE: _whole_quotient,
        Function.MODULO: _remainder,
        Function.LEAST: lambda _, *all_: Range(min(a.low for a in all_), min(a.high for a in all_)),
        Function.GREATEST: lambda _, *all_: Range(max(a.low for a in all_), max(a.high for a in all_)),
        Function.NULL_IF: lambda _, a, __: a,
        Function.RESCALE: _rescaled,
        Function.TO_DOUBLE: lambda call, a: to_double(a, call.arguments[0].type),
        Function.FROM_DOUBLE: _from_double,
        Function.YEAR: _years,
        Function.QUARTER: _fixed(1, 4),
        Function.MONTH: _fixed(1, 12),
        Function.WEEK: _fixed(1, 53),
        Function.DAY: _fixed(1, 31),
        Function.DAY_OF_WEEK: _fixed(0, 6),
        Function.ISO_DAY_OF_WEEK: _fixed(1, 7),
        Function.DAY_OF_YEAR: _fixed(1, 366),
        Function.TRUNCATE_YEAR: _shifted(365),
        Function.TRUNCATE_QUARTER: _shifted(91),
        Function.TRUNCATE_MONTH: _shifted(30),
        Function.TRUNCATE_WEEK: _shifted(6),
        Function.ADD_DAYS: lambda _, a, b: Range(a.low + b.low, a.high + b.high),
        Function.DAYS_BETWEEN: lambda _, a, b: Range(a.low - b.high, a.high - b.low),
    }
)
