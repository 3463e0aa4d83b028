"""Functions that choose one of their values: CASE, IF, COALESCE, NULLIF, GREATEST, LEAST."""

from __future__ import annotations

from sqlglot import exp

from queries.plan import Expression, Function
from queries.scalars.comparisons import comparison
from queries.scalars.literals import nothing
from queries.scalars.operands import Build, Convert, aligned, as_condition, call


def _case(node: exp.Expr, convert: Convert) -> Expression:
    arms = node.args["ifs"]
    conditions = [_arm_condition(node.this, arm, convert) for arm in arms]
    values = [convert(arm.args["true"]) for arm in arms]
    return _cases(node, conditions, [*values, _otherwise(node.args.get("default"), convert)])


def _arm_condition(operand: exp.Expr | None, arm: exp.Expr, convert: Convert) -> Expression:
    if operand is None:
        return as_condition(convert(arm.this), arm)
    return comparison(Function.EQUAL, *aligned(arm, convert(operand), convert(arm.this)))


def _if(node: exp.Expr, convert: Convert) -> Expression:
    values = [convert(node.args["true"]), _otherwise(node.args.get("false"), convert)]
    return _cases(node, [as_condition(convert(node.this), node)], values)


def _otherwise(node: exp.Expr | None, convert: Convert) -> Expression:
    return nothing() if node is None else convert(node)


def _cases(node: exp.Expr, conditions: list[Expression], values: list[Expression]) -> Expression:
    """CASE over the conditions; `values` are theirs in order, then the one for all other cases."""
    *chosen, otherwise = aligned(node, *values)
    arms = [part for pair in zip(conditions, chosen, strict=True) for part in pair]
    return call(Function.CASE, otherwise.type, *arms, otherwise)


def _variadic(function: Function) -> Build:
    def build(node: exp.Expr, convert: Convert) -> Expression:
        values = aligned(node, convert(node.this), *(convert(child) for child in node.expressions))
        return values[0] if len(values) == 1 else call(function, values[0].type, *values)

    return build


def _null_if(node: exp.Expr, convert: Convert) -> Expression:
    left, right = aligned(node, convert(node.this), convert(node.expression))
    return call(Function.NULL_IF, left.type, left, right)


BUILDERS: dict[type[exp.Expr], Build] = {
    exp.Case: _case,
    exp.If: _if,
    exp.Coalesce: _variadic(Function.COALESCE),
    exp.Greatest: _variadic(Function.GREATEST),
    exp.Least: _variadic(Function.LEAST),
    exp.Nullif: _null_if,
}
