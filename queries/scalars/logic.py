"""AND, OR and NOT."""

from __future__ import annotations

from sqlglot import exp

from queries.function_names import Function
from queries.plan import BOOLEAN, Expression
from queries.scalars.forms import negated
from queries.scalars.operands import Build, Convert, as_condition, call


def _connective(function: Function) -> Build:
    def build(node: exp.Expr, convert: Convert) -> Expression:
        return call(function, BOOLEAN, *(as_condition(convert(part), part) for part in node.flatten()))

    return build


BUILDERS: dict[type[exp.Expr], Build] = {
    exp.And: _connective(Function.AND),
    exp.Or: _connective(Function.OR),
    exp.Not: lambda node, convert: negated(as_condition(convert(node.this), node)),
}
