"""What an operand must be (a condition, a text, a date, a number), and the common type of several.

A NULL becomes what is needed, and a text that is written in the statement what it stands beside.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from sqlglot import exp

from queries.function_names import Function
from queries.parse import refusal
from queries.plan import BOOLEAN, DATE, DOUBLE, INTEGER, NULL, VARCHAR, Expression, Kind, Literal, Type
from queries.scalars.forms import formed
from queries.scalars.literals import INT64_LIMIT, day, exact_type, number

Convert = Callable[[exp.Expr], Expression]  # what builds the arguments of a function
Build = Callable[[exp.Expr, Convert], Expression]


def call(function: Function, type_: Type, *arguments: Expression) -> Expression:
    return formed(function, type_, *arguments)


def as_condition(value: Expression, node: exp.Expr) -> Expression:
    if value.type.kind is Kind.NULL:
        return Literal(None, BOOLEAN)
    if value.type != BOOLEAN:
        raise refusal("type-mismatch", "This is not a condition.", node, hint="Compare it: x <> 0, or x IS NOT NULL.")
    return value


def as_text(value: Expression, node: exp.Expr) -> Expression:
    if value.type.kind is Kind.NULL:
        return Literal(None, VARCHAR)
    if value.type != VARCHAR:
        raise refusal("type-mismatch", "A text is needed here.", node, hint="Add a CAST to VARCHAR.")
    return value


def as_date(value: Expression, node: exp.Expr) -> Expression:
    if value.type.kind is Kind.NULL:
        return Literal(None, DATE)
    value = read(value, DATE, node)
    if value.type != DATE:
        raise refusal("type-mismatch", "A date is needed here.", node, hint="Write dates as DATE '2017-01-31'.")
    return value


def as_number(value: Expression, node: exp.Expr) -> Expression:
    if value.type.kind is Kind.NULL:
        return Literal(None, INTEGER)
    value = read(value, INTEGER, node)
    if not value.type.exact and value.type != DOUBLE:
        raise refusal("type-mismatch", "A number is needed here.", node, hint="Take a number, or CAST to INTEGER.")
    return value


def aligned(node: exp.Expr, *values: Expression) -> tuple[Expression, ...]:
    """All values in one common type; a text that is written in the statement becomes what it stands beside."""
    types = [value.type for value in values if value.type.kind is not Kind.NULL]
    target = next((t for t in types if t.kind is not Kind.VARCHAR), types[0] if types else NULL)
    values = tuple(read(value, target, node) for value in values)
    common = _shared_type([value.type for value in values if value.type.kind is not Kind.NULL], target, node)
    return tuple(_in_type(value, common) for value in values)


def _shared_type(types: list[Type], target: Type, node: exp.Expr) -> Type:
    if types and all(t.exact for t in types):
        return exact_type(max(t.scale for t in types))
    if types and all(t.exact or t.kind is Kind.DOUBLE for t in types):
        return DOUBLE
    if len(set(types)) > 1:
        kinds = ", ".join(sorted({str(t.kind.value) for t in types}))
        hint = "Write dates as DATE '2017-01-31'." if DATE in types else "Add a CAST."
        raise refusal("type-mismatch", f"Values of the types {kinds} do not go together here.", node, hint)
    return target


def _in_type(value: Expression, target: Type) -> Expression:
    if value.type.kind is Kind.NULL:
        return Literal(None, target)
    if target.exact:
        return rescaled(value, target.scale)
    return as_double(value) if target == DOUBLE else value


def read(value: Expression, target: Type, node: exp.Expr) -> Expression:
    """A text that is written in the statement, read as a value of the target's kind; anything else as it is."""
    if not isinstance(value, Literal) or not isinstance(value.value, str) or value.type != VARCHAR:
        return value
    if target.kind is Kind.DATE:
        return day(value.value, node)
    if target.exact or target.kind is Kind.DOUBLE:
        return number(value.value, node)
    return value


def rescaled(expression: Expression, scale: int) -> Expression:
    """The exact number with another scale; a literal at once, where nothing is lost."""
    if expression.type.scale == scale and expression.type.exact:
        return expression
    if isinstance(expression, Literal) and isinstance(expression.value, int) and scale > expression.type.scale:
        value = expression.value * 10 ** (scale - expression.type.scale)
        if abs(value) < INT64_LIMIT:
            return Literal(value, exact_type(scale))
    return call(Function.RESCALE, exact_type(scale), expression)


def rounded(value: Expression, scale: int) -> Expression:
    """Any number as an exact one with `scale` decimals."""
    return rescaled(value, scale) if value.type.exact else call(Function.FROM_DOUBLE, exact_type(scale), value)


def as_double(value: Expression) -> Expression:
    if isinstance(value, Literal) and isinstance(value.value, int) and not isinstance(value.value, bool):
        return Literal(float(Decimal(value.value).scaleb(-value.type.scale)), DOUBLE)
    return value if value.type == DOUBLE else call(Function.TO_DOUBLE, DOUBLE, value)
