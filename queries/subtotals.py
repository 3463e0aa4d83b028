"""ROLLUP, CUBE and GROUPING SETS over private rows: the finest groups are released once, and added up to subtotals.

Post-processing, hence free, and consistent: groups sum up to their totals. Rows of different groups are different rows,
so counts and sums add up, and the noise of groups is independent: a subtotal's standard error is √Σ s². Clipping parts
and display values add up as they are. A customer may be in several groups, so counts of customers do not add up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlglot import exp

from queries.aggregates import Asked
from queries.parse import refusal
from queries.plan import MeasureKind

_SETS = (exp.Rollup, exp.Cube, exp.GroupingSets)


def has_subtotals(clause: exp.Expr) -> bool:
    """Whether a GROUP BY clause asks for subtotals."""
    return any(isinstance(part, _SETS) for part in clause.expressions)


def finest(clause: exp.Expr) -> list[exp.Expr]:
    """The expressions of a GROUP BY clause that make up its finest groups."""
    found: list[exp.Expr] = []
    for part in clause.expressions:
        if isinstance(part, (*_SETS, exp.Tuple)):
            found.extend(finest(part))
        else:
            found.append(part.unnest() if isinstance(part, exp.Paren) else part)
    return found


def check_additive(measures: Sequence[Asked], node: exp.Expr) -> None:
    """Raise QueryNotPrivateError if a measure counts customers or different values, or is a quantile."""
    if any(measure.kind is MeasureKind.UNITS or not measure.additive for measure in measures):
        raise refusal(
            "subtotals-of-units",
            "A customer or a value may be in several groups, so numbers of different ones and quantiles do not add up.",
            node,
            hint="Ask for each level by a SELECT of its own, and put the results together with UNION ALL.",
        )


def added_up(
    clause: exp.Expr, table: str, measures: Sequence[Asked], key_of: Callable[[exp.Expr], int]
) -> exp.Subquery:
    """The released table with its subtotals, under the same names; `key_of` numbers the key of an expression."""
    keys = dict.fromkeys(key_of(part) for part in finest(clause))
    columns: list[exp.Expr] = [exp.column(f"k{number}", quoted=True) for number in keys]
    for number, measure in enumerate(measures):
        places = measure.scale if measure.kind is MeasureKind.SUM else 0
        type_ = f"DECIMAL(38, {places})" if places else "BIGINT"
        square = exp.Pow(this=exp.column(f"s{number}", quoted=True), expression=exp.Literal.number(2))
        totals = {name: exp.Sum(this=exp.column(name, quoted=True)) for name in (f"{kind}{number}" for kind in "mdlh")}
        for name, total in totals.items():
            exact = exp.cast(total, type_) if name[0] in "md" else total
            columns.append(exp.alias_(exact, name, quoted=True))
        columns.append(exp.alias_(exp.Sqrt(this=exp.Sum(this=square)), f"s{number}", quoted=True))
    group = exp.Group(expressions=[_over_keys(part, key_of) for part in clause.expressions])
    inner = exp.Select(expressions=columns)
    inner.set("from_", exp.From(this=exp.table_(table, quoted=True)))
    inner.set("group", group)
    return exp.Subquery(this=inner, alias=exp.TableAlias(this=exp.to_identifier(table, quoted=True)))


def _over_keys(part: exp.Expr, key_of: Callable[[exp.Expr], int]) -> exp.Expr:
    if isinstance(part, (*_SETS, exp.Tuple)):
        return type(part)(expressions=[_over_keys(each, key_of) for each in part.expressions])
    return exp.column(f"k{key_of(part.unnest() if isinstance(part, exp.Paren) else part)}", quoted=True)
