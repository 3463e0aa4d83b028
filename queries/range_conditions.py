"""What a condition says of the values that pass it: comparisons with constants, and AND, OR and NOT of them.

A comparison is NULL where its value is, and NULL is no value. So what holds of the values where a comparison is true
also holds where it is true or NULL, which is where its negation is not true.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from queries.function_names import Function
from queries.plan import DATE, DOUBLE, Call, Expression, Literal
from queries.range_arithmetic import ANYTHING, Range, hull, stored

Facts = Mapping[Expression, Range]  # the range of an expression's values in the rows at hand
NO_FACTS: Facts = MappingProxyType({})


def joined(*parts: Facts) -> Facts:
    """What holds where all of them do."""
    first, *others = parts or (NO_FACTS,)
    found = dict(first)
    for part in others:
        for expression, values in part.items():
            found[expression] = found.get(expression, values).narrowed(values)
    return found


def where(condition: Expression) -> Facts:
    """What holds where the condition is true, or NULL."""
    if not isinstance(condition, Call):
        return NO_FACTS
    if condition.function is Function.AND:
        return joined(*map(where, condition.arguments))
    if condition.function is Function.NOT:
        return where_not(condition.arguments[0])
    if condition.function is Function.IN:
        return _listed(condition)
    return _compared(condition)


def where_not(condition: Expression) -> Facts:
    """What holds where the condition is false, or NULL."""
    if not isinstance(condition, Call):
        return NO_FACTS
    function, arguments = condition.function, condition.arguments
    if function is Function.OR:
        return joined(*map(where_not, arguments))
    if function is Function.NOT:
        return where(arguments[0])
    if function in _OPPOSITE:
        return _compared(Call(_OPPOSITE[function], arguments[::-1], condition.type))
    return NO_FACTS


_OPPOSITE = {Function.LESS: Function.LESS_EQUAL, Function.LESS_EQUAL: Function.LESS}  # with the sides exchanged


def _listed(condition: Call) -> Facts:
    value, *options = condition.arguments
    if not all(isinstance(option, Literal) for option in options) or not _is_number(value):
        return NO_FACTS
    return {value: hull(stored(o) for o in options if isinstance(o, Literal) and o.value is not None)}


def _compared(condition: Call) -> Facts:
    if condition.function not in (Function.LESS, Function.LESS_EQUAL, Function.EQUAL):
        return NO_FACTS
    left, right = condition.arguments
    if not _is_number(left) or isinstance(left, Literal) == isinstance(right, Literal):
        return NO_FACTS
    constant, value = (left, right) if isinstance(left, Literal) else (right, left)
    if not isinstance(constant, Literal) or constant.value is None:
        return NO_FACTS
    limit = stored(constant)
    if condition.function is Function.EQUAL:
        return {value: limit}
    step = int(condition.function is Function.LESS and value.type != DOUBLE)
    above = constant is left
    return {value: Range(limit.low + step, ANYTHING.high) if above else Range(ANYTHING.low, limit.high - step)}


def _is_number(value: Expression) -> bool:
    return value.type.exact or value.type in (DATE, DOUBLE)
