"""Functions that choose one of their values: CASE, IF, COALESCE, NULLIF, GREATEST, LEAST."""

from __future__ import annotations

from sqlglot import exp

from queries.function_names import Function
from queries.plan import Expression, Literal
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


def _coalesce(node: exp.Expr, convert: Convert) -> Expression:
    return _first_of(_values(node, convert))


def _first_of(values: tuple[Expression, ...]) -> Expression:
    return values[0] if len(values) == 1 else call(Function.COALESCE, values[0].type, *values)


def _extreme(function: Function) -> Build:
    """GREATEST or LEAST of what is not NULL, as in DuckDB. The plan's are NULL if one is, so each gets a stand-in."""

    def build(node: exp.Expr, convert: Convert) -> Expression:
        values = tuple(sorted(set(_values(node, convert)), key=repr))
        values = tuple(value for value in values if not _is_null(value)) or values[:1]
        constants = tuple(value for value in values if isinstance(value, Literal) and not _is_null(value))
        filled = [value if value in constants else _filled(value, constants[:1] or values) for value in values]
        return filled[0] if len(filled) == 1 else call(function, values[0].type, *filled)

    return build


def _filled(value: Expression, others: tuple[Expression, ...]) -> Expression:
    """The value, or the first of the others that is there."""
    return _first_of((value, *(other for other in others if other != value)))


def _is_null(value: Expression) -> bool:
    return isinstance(value, Literal) and value.value is None


def _values(node: exp.Expr, convert: Convert) -> tuple[Expression, ...]:
    return aligned(node, convert(node.this), *(convert(child) for child in node.expressions))


def _null_if(node: exp.Expr, convert: Convert) -> Expression:
    left, right = aligned(node, convert(node.this), convert(node.expression))
    return call(Function.NULL_IF, left.type, left, right)


BUILDERS: dict[type[exp.Expr], Build] = {
    exp.Case: _case,
    exp.If: _if,
    exp.Coalesce: _coalesce,
    exp.Greatest: _extreme(Function.GREATEST),
    exp.Least: _extreme(Function.LEAST),
    exp.Nullif: _null_if,
}
