"""Functions of texts."""

from __future__ import annotations

from sqlglot import exp

from queries.function_names import Function
from queries.parse import refusal
from queries.plan import BOOLEAN, INTEGER, VARCHAR, Call, Expression, Literal, Type
from queries.scalars.operands import Build, Convert, as_text, call

TEXT_LIMIT = 1_000  # of SUBSTRING, in characters


def _pipe(node: exp.Expr, convert: Convert) -> Expression:
    """`a || b || c`, flat however it is parenthesised."""
    flat: list[Expression] = []
    for part in node.flatten():
        text = as_text(convert(part), part)
        flat.extend(text.arguments if isinstance(text, Call) and text.function is Function.CONCAT else (text,))
    return call(Function.CONCAT, VARCHAR, *flat)


def _concat(node: exp.Expr, convert: Convert) -> Expression:
    """CONCAT takes NULL for the empty text, where || gives NULL."""
    parts = [as_text(convert(part), part) for part in node.expressions]
    return call(Function.CONCAT, VARCHAR, *(call(Function.COALESCE, VARCHAR, p, Literal("", VARCHAR)) for p in parts))


def _function(function: Function, type_: Type = VARCHAR) -> Build:
    def build(node: exp.Expr, convert: Convert) -> Expression:
        arguments = [as_text(convert(node.this), node)]
        if isinstance(node.args.get("expression"), exp.Expr):
            arguments.append(as_text(convert(node.expression), node))
        return call(function, type_, *arguments)

    return build


def _substring(node: exp.Expr, convert: Convert) -> Expression:
    start = node.args.get("start") or exp.Literal.number(1)
    length = node.args.get("length") or node.args.get("expression") or exp.Literal.number(TEXT_LIMIT)
    for bound in (start, length):
        if not isinstance(bound, exp.Literal) or not bound.name.isdigit() or int(bound.name) > TEXT_LIMIT:
            reason, hint = (
                "SUBSTRING needs a start and a length of 0 to 1,000.",
                "Write SUBSTRING(x, 1, 3), or LEFT(x, 3).",
            )
            raise refusal("unsupported-expression", reason, node, hint)
    places = [Literal(int(bound.name), INTEGER) for bound in (start, length)]
    return call(Function.SUBSTRING, VARCHAR, as_text(convert(node.this), node), *places)


BUILDERS: dict[type[exp.Expr], Build] = {
    exp.DPipe: _pipe,
    exp.Concat: _concat,
    exp.Lower: _function(Function.LOWER),
    exp.Upper: _function(Function.UPPER),
    exp.Trim: _function(Function.TRIM),
    exp.Length: _function(Function.LENGTH, INTEGER),
    exp.StartsWith: _function(Function.STARTS_WITH, BOOLEAN),
    exp.Contains: _function(Function.CONTAINS, BOOLEAN),
    exp.Substring: _substring,
    exp.Left: _substring,
}
