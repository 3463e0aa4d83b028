"""Arithmetic: exact as long as the places are few enough, and doubles beyond that. Days are added to dates here too."""

from __future__ import annotations

from sqlglot import exp

from queries.function_names import Function
from queries.parse import refusal
from queries.plan import DATE, DOUBLE, INTEGER, SCALE_LIMIT, Expression, Literal
from queries.scalars.dates import added, after_interval
from queries.scalars.literals import exact_type
from queries.scalars.operands import Build, Convert, aligned, as_date, as_double, as_number, call, rounded


def _sum(function: Function) -> Build:
    def build(node: exp.Expr, convert: Convert) -> Expression:
        left = convert(node.this)
        if isinstance(node.expression, exp.Interval):
            return after_interval(function, as_date(left, node), node.expression)
        right = convert(node.expression)
        if left.type == DATE:
            return added(function, left, right, node)
        left, right = aligned(node, as_number(left, node), as_number(right, node))
        return call(function, left.type, left, right)

    return build


def _numbers(node: exp.Expr, convert: Convert) -> tuple[Expression, Expression]:
    return as_number(convert(node.this), node), as_number(convert(node.expression), node)


def _product(node: exp.Expr, convert: Convert) -> Expression:
    left, right = _numbers(node, convert)
    if left.type.exact and right.type.exact and left.type.scale + right.type.scale <= SCALE_LIMIT:
        return call(Function.MULTIPLY, exact_type(left.type.scale + right.type.scale), left, right)
    return call(Function.MULTIPLY, DOUBLE, as_double(left), as_double(right))


def _quotient(node: exp.Expr, convert: Convert) -> Expression:
    left, right = _numbers(node, convert)
    return call(Function.DIVIDE, DOUBLE, as_double(left), as_double(right))


def _whole_quotient(node: exp.Expr, convert: Convert) -> Expression:
    """`a // b` of integers; of other numbers it is a plain division in DuckDB, which nobody means."""
    left, right = aligned(node, *_numbers(node, convert))
    if left.type != INTEGER:
        hint = "CAST to INTEGER first, or divide with /."
        raise refusal("type-mismatch", "Whole division needs whole numbers.", node, hint)
    return call(Function.INTEGER_DIVIDE, INTEGER, left, right)


def _remainder(node: exp.Expr, convert: Convert) -> Expression:
    left, right = aligned(node, *_numbers(node, convert))
    if not left.type.exact:
        reason, hint = "A remainder needs exact numbers.", "ROUND them first, or CAST to DECIMAL."
        raise refusal("type-mismatch", reason, node, hint)
    return call(Function.MODULO, left.type, left, right)


def _signed(function: Function) -> Build:
    def build(node: exp.Expr, convert: Convert) -> Expression:
        value = as_number(convert(node.this), node)
        if isinstance(value, Literal) and isinstance(value.value, int | float):
            return Literal(abs(value.value) if function is Function.ABSOLUTE else -value.value, value.type)
        return call(function, value.type, value)

    return build


def _round(node: exp.Expr, convert: Convert) -> Expression:
    value, scale = as_number(convert(node.this), node), _decimals(node.args.get("decimals"))
    if scale is None:
        reason, hint = f"ROUND needs a number of decimals from 0 to {SCALE_LIMIT}.", "Write ROUND(x, 2), or ROUND(x)."
        raise refusal("unsupported-expression", reason, node, hint)
    return rounded(value, scale)


def _decimals(places: exp.Expr | None) -> int | None:
    """The number of decimals that ROUND is given: none is 0; None where it is no number from 0 to nine."""
    if places is None:
        return 0
    written = places.name if isinstance(places, exp.Literal) else ""
    return int(written) if written.isdigit() and int(written) <= SCALE_LIMIT else None


BUILDERS: dict[type[exp.Expr], Build] = {
    exp.Add: _sum(Function.ADD),
    exp.Sub: _sum(Function.SUBTRACT),
    exp.Mul: _product,
    exp.Div: _quotient,
    exp.IntDiv: _whole_quotient,
    exp.Mod: _remainder,
    exp.Neg: _signed(Function.NEGATE),
    exp.Abs: _signed(Function.ABSOLUTE),
    exp.Round: _round,
}
