"""Display values as SQL: what a statement says of cleaned cells is the same expression over them."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from queries.intervals import is_measure
from queries.rows import Finish

LIMITS, WHOLE, MEAN, DISPLAY = "limits", "whole", "mean", "display"  # keys of a node's meta data
Cells = Callable[[exp.Column], exp.Expr | None]
_LINEAR = (exp.Paren, exp.Neg, exp.Add, exp.Sub, exp.Sum, exp.Window, exp.Filter, exp.Lag, exp.Lead, exp.Coalesce)


def cell(column: exp.Column) -> exp.Expr | None:
    """The display column d<n> of a released measure m<n>: as a part of a whole that counts too, at most the whole."""
    if not is_measure(column):
        return None
    own, whole = exp.column(f"d{column.name[1:]}", quoted=True), column.meta.get(WHOLE)
    if whole is None:
        return own
    return exp.Least(this=own, expressions=[exp.column(f"d{whole}", quoted=True)], ignore_nulls=True)


def mean_column(total: int, count: int) -> str:
    """The column with the display value of the mean of two measures."""
    return f"r{total}_{count}"


def shown(tree: exp.Expr, cells: Cells) -> exp.Expr:
    """The expression over display values, which `cells` has for columns; means stay within the limits of their values.

    What is of the tables of a subquery has its own.
    """
    if isinstance(tree, exp.Column):
        return cells(tree) or tree.copy()
    if isinstance(tree, exp.Query):
        found = tree.meta.get(DISPLAY)
        return found.copy() if isinstance(found, exp.Expr) else tree.copy()
    mean = tree.meta.get(MEAN)
    if mean is not None:
        result: exp.Expr = exp.column(mean_column(*mean), quoted=True)
    else:
        result = type(tree)(**{name: _argument(value, cells) for name, value in tree.args.items()})
    limits = tree.meta.get(LIMITS)
    return result if limits is None else _within(result, *limits)


def _argument(value: object, cells: Cells) -> object:
    if isinstance(value, list):
        return [_argument(part, cells) for part in value]
    return shown(value, cells) if isinstance(value, exp.Expr) else value


def _within(tree: exp.Expr, low: float, high: float) -> exp.Expr:
    """The value within its limits; NULL stays NULL, which GREATEST and LEAST pass over."""
    least, most = (exp.cast(exp.Literal.string(repr(end)), "DOUBLE") for end in (low, high))
    above = exp.Greatest(this=tree, expressions=[least], ignore_nulls=True)
    within = exp.Least(this=above, expressions=[most], ignore_nulls=True)
    return exp.Case().when(exp.Not(this=exp.Is(this=tree.copy(), expression=exp.Null())), within)


def finish_of(tree: exp.Expr, of_column: Callable[[exp.Column], Finish]) -> Finish:
    """NOTHING for what is added up exactly, for shares of a total, and for what the statement rounds itself."""
    if any(isinstance(node, exp.Div) and _is_total(node.expression) for node in tree.walk()):
        return Finish.NOTHING
    return Finish.NOTHING if _is_exact(tree, of_column) else Finish.ROUND


def _is_total(tree: exp.Expr) -> bool:
    return any(isinstance(node, exp.Window | exp.Query) for node in tree.walk())


def _is_exact(tree: exp.Expr, of_column: Callable[[exp.Column], Finish]) -> bool:
    if isinstance(tree, exp.Column):
        return of_column(tree) is Finish.NOTHING
    if isinstance(tree, exp.Round) or MEAN in tree.meta or (isinstance(tree, exp.Literal) and tree.name.isdigit()):
        return True
    if isinstance(tree, exp.Mul):
        plain = any(isinstance(side.unnest(), exp.Literal) for side in (tree.this, tree.expression))
        return plain and all(_is_exact(side.unnest(), of_column) for side in (tree.this, tree.expression))
    return isinstance(tree, _LINEAR) and all(_is_exact(part, of_column) for part in tree.iter_expressions())
