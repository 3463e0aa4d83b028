"""Comparisons, lists and patterns: conditions on values."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from queries.hints import hint
from queries.parse import refusal
from queries.plan import BOOLEAN, VARCHAR, Call, Expression, Function, Literal
from queries.scalars.literals import truth
from queries.scalars.logic import conjunction, negated
from queries.scalars.operands import Build, Convert, aligned, as_condition, as_text, call

_FOLDED: dict[Function, Callable[[object, object], bool]] = {
    Function.EQUAL: lambda a, b: a == b,
    Function.NOT_EQUAL: lambda a, b: a != b,
    Function.LESS: lambda a, b: a < b,  # type: ignore[operator]  # both are of one type
    Function.LESS_EQUAL: lambda a, b: a <= b,  # type: ignore[operator]  # both are of one type
}
_SYMMETRIC = frozenset({Function.EQUAL, Function.NOT_EQUAL, Function.SAME})


def comparison(function: Function, left: Expression, right: Expression) -> Expression:
    """`left function right` for two values of one type, folded if both are constants."""
    fold = _FOLDED.get(function)
    if fold and isinstance(left, Literal) and isinstance(right, Literal) and None not in (left.value, right.value):
        return truth(value=fold(left.value, right.value))
    if function in _SYMMETRIC:
        left, right = sorted((left, right), key=repr)
    return call(function, BOOLEAN, left, right)


def _compare(function: Function) -> Build:
    def build(node: exp.Expr, convert: Convert) -> Expression:
        return comparison(function, *aligned(node, convert(node.this), convert(node.expression)))

    return build


def _compare_flipped(function: Function) -> Build:
    """`a > b` is `b < a`."""

    def build(node: exp.Expr, convert: Convert) -> Expression:
        left, right = aligned(node, convert(node.this), convert(node.expression))
        return comparison(function, right, left)

    return build


_same = _compare(Function.SAME)


def _between(node: exp.Expr, convert: Convert) -> Expression:
    value, low, high = aligned(node, convert(node.this), convert(node.args["low"]), convert(node.args["high"]))
    return conjunction((comparison(Function.LESS_EQUAL, low, value), comparison(Function.LESS_EQUAL, value, high)))


def _is(node: exp.Expr, convert: Convert) -> Expression:
    value = convert(node.this)
    if isinstance(node.expression, exp.Null):
        return call(Function.IS_NULL, BOOLEAN, value)
    return comparison(Function.SAME, as_condition(value, node), as_condition(convert(node.expression), node))


def _in(node: exp.Expr, convert: Convert) -> Expression:
    if node.args.get("query") is not None:
        raise refusal(
            "subquery-in-condition",
            "A subquery inside a condition on private rows is not supported.",
            node,
            hint(node),
        )
    value, *options = aligned(node, convert(node.this), *(convert(option) for option in node.expressions))
    return Call(Function.IN, (value, *sorted(set(options), key=repr)), BOOLEAN)


def _like(function: Function) -> Build:
    def build(node: exp.Expr, convert: Convert) -> Expression:
        text, pattern = as_text(convert(node.this), node), convert(node.expression)
        if not isinstance(pattern, Literal) or pattern.type != VARCHAR:
            raise refusal(
                "type-mismatch",
                "The pattern must be a text written in the statement.",
                node,
                hint="Write it there, LIKE '%…%', or give it as a parameter, LIKE $pattern.",
            )
        found = call(function, BOOLEAN, text, pattern)
        return negated(found) if node.args.get("negate") else found

    return build


BUILDERS: dict[type[exp.Expr], Build] = {
    exp.EQ: _compare(Function.EQUAL),
    exp.NEQ: _compare(Function.NOT_EQUAL),
    exp.LT: _compare(Function.LESS),
    exp.LTE: _compare(Function.LESS_EQUAL),
    exp.GT: _compare_flipped(Function.LESS),
    exp.GTE: _compare_flipped(Function.LESS_EQUAL),
    exp.NullSafeEQ: _same,
    exp.NullSafeNEQ: lambda node, convert: negated(_same(node, convert)),
    exp.Between: _between,
    exp.Is: _is,
    exp.In: _in,
    exp.Like: _like(Function.LIKE),
    exp.ILike: _like(Function.ILIKE),
}
