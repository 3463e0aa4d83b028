"""Comparisons, lists and patterns: conditions on values."""

from __future__ import annotations

from sqlglot import exp

from queries.function_names import Function
from queries.hints import hint
from queries.parse import refusal
from queries.plan import BOOLEAN, VARCHAR, Expression, Literal
from queries.scalars.forms import conjunction, negated
from queries.scalars.operands import Build, Convert, aligned, as_condition, as_text, call


def comparison(function: Function, left: Expression, right: Expression) -> Expression:
    """`left function right` for two values of one type."""
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
    if not options:
        raise refusal("type-mismatch", "This list is empty.", node, hint="Write what may be in it: IN (1, 2).")
    return call(Function.IN, BOOLEAN, value, *options)


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
