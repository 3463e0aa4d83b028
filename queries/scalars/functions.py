"""All functions and operators that may stand on private rows, by node class; a node that is not listed is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlglot import exp

from queries.hints import called, hint
from queries.parse import refusal
from queries.plan import Expression
from queries.scalars import arithmetic, casts, choices, comparisons, dates, logic, texts
from queries.scalars.literals import literal, nothing, truth
from queries.scalars.operands import Build, as_condition


@dataclass(frozen=True, slots=True)
class UnitColumn:
    """The privacy unit, as a name of the statement's: `item` is the number of the FROM item that it was written for."""

    item: int


Resolver = Callable[[exp.Column], Expression | UnitColumn]

_BUILDERS: dict[type[exp.Expr], Build] = {
    exp.Paren: lambda node, convert: convert(node.this),
    exp.Literal: lambda node, _: literal(node),
    exp.Boolean: lambda node, _: truth(value=bool(node.this)),
    exp.Null: lambda _, __: nothing(),
    **logic.BUILDERS,
    **comparisons.BUILDERS,
    **arithmetic.BUILDERS,
    **choices.BUILDERS,
    **texts.BUILDERS,
    **dates.BUILDERS,
    **casts.BUILDERS,
}


def scalar(node: exp.Expr, resolve: Resolver) -> Expression:
    """The expression of `node`, columns looked up by `resolve`; what has no total form is refused."""
    if isinstance(node, exp.Column):
        return _column(node, resolve)
    build = _BUILDERS.get(type(node))
    if build is None:
        reason = f"{called(node)} is not supported on private rows."
        raise refusal("unsupported-expression", reason, node, hint(node))
    return build(node, lambda child: scalar(child, resolve))


def condition(node: exp.Expr, resolve: Resolver) -> Expression:
    """The boolean expression of `node`."""
    return as_condition(scalar(node, resolve), node)


def _column(node: exp.Column, resolve: Resolver) -> Expression:
    found = resolve(node)
    if isinstance(found, UnitColumn):
        raise refusal(
            "unit-in-expression",
            f"{node.sql()} names the privacy unit, which may only be joined on and counted.",
            node,
            f"Join on it, or count it: COUNT(DISTINCT {node.sql()}). Conditions on single units are never answered.",
        )
    return found
