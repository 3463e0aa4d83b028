"""AND, OR and NOT in normal form."""

from __future__ import annotations

from sqlglot import exp

from queries.plan import BOOLEAN, TRUE, Call, Expression, Function, Literal
from queries.scalars.literals import truth
from queries.scalars.operands import Build, Convert, as_condition, call


def conjuncts(expression: Expression) -> tuple[Expression, ...]:
    """The parts of a conjunction; TRUE has none."""
    if expression == TRUE:
        return ()
    if isinstance(expression, Call) and expression.function is Function.AND:
        return expression.arguments
    return (expression,)


def conjunction(parts: tuple[Expression, ...]) -> Expression:
    return connected(Function.AND, parts)


def connected(function: Function, parts: tuple[Expression, ...]) -> Expression:
    """AND or OR of the parts: flat, sorted, without repeats and neutral constants."""
    neutral, zero = truth(value=function is Function.AND), truth(value=function is Function.OR)
    flat: dict[Expression, None] = {}
    for part in parts:
        nested = part.arguments if isinstance(part, Call) and part.function is function else (part,)
        flat.update(dict.fromkeys(nested))
    flat.pop(neutral, None)
    if zero in flat:
        return zero
    if len(flat) <= 1:
        return next(iter(flat), neutral)
    return Call(function, tuple(sorted(flat, key=repr)), BOOLEAN)


def negated(value: Expression) -> Expression:
    if isinstance(value, Literal) and isinstance(value.value, bool):
        return truth(value=not value.value)
    if isinstance(value, Call) and value.function is Function.NOT:
        return value.arguments[0]
    if isinstance(value, Call) and value.function is Function.EQUAL:
        return Call(Function.NOT_EQUAL, value.arguments, BOOLEAN)
    return call(Function.NOT, BOOLEAN, value)


def _connective(function: Function) -> Build:
    def build(node: exp.Expr, convert: Convert) -> Expression:
        return connected(function, tuple(as_condition(convert(part), part) for part in node.flatten()))

    return build


BUILDERS: dict[type[exp.Expr], Build] = {
    exp.And: _connective(Function.AND),
    exp.Or: _connective(Function.OR),
    exp.Not: lambda node, convert: negated(as_condition(convert(node.this), node)),
}
