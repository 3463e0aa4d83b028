"""Values of the wrong type that a CAST, a date, a comparison or a rounding settles."""

from __future__ import annotations

import re
from datetime import date

from sqlglot import exp

from queries.rewrites.place import Place

_COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Between, exp.In)
_DAY = re.compile(r"\s*(\d{4})[-/.]?(\d{1,2})[-/.]?(\d{1,2})\s*")


def _dates(place: Place) -> exp.Expr | None:
    """Days that are written in other ways, as DATE '2017-01-31'."""
    node = place.node(*_COMPARISONS)
    found = False
    for literal in [] if node is None else list(node.find_all(exp.Literal)):
        day = _day(literal.name)
        if day is not None:
            literal.replace(exp.cast(exp.Literal.string(day), "DATE"))
            found = True
    return place.tree if found else None


def _day(text: str) -> str | None:
    match = _DAY.fullmatch(text)
    if match is None:
        return None
    try:
        return date(*(int(part) for part in match.groups())).isoformat()
    except ValueError:
        return None


def _cast(place: Place) -> exp.Expr | None:
    """A text column that is compared with numbers, read as a number."""
    node = place.node(*_COMPARISONS)
    column = None if node is None else node.find(exp.Column)
    literals = [] if node is None else list(node.find_all(exp.Literal))
    if column is None or not literals or any(literal.is_string for literal in literals):
        return None
    whole = all(literal.name.isdigit() for literal in literals)
    column.replace(exp.cast(column.copy(), "INTEGER" if whole else "DOUBLE"))
    return place.tree


def _condition(place: Place) -> exp.Expr | None:
    """A number as a condition: whether it is not zero. A sum of conditions: a count."""
    call = place.node(exp.Sum)
    if call is not None and call.this is not None:
        call.replace(exp.CountIf(this=call.this.copy()))
        return place.tree
    node = place.node(exp.Column)
    if node is None or not isinstance(node.parent, exp.Where | exp.CountIf | exp.And | exp.Or | exp.Not | exp.If):
        return None
    node.replace(exp.NEQ(this=node.copy(), expression=exp.Literal.number(0)))
    return place.tree


def _rounded(place: Place) -> exp.Expr | None:
    node = place.node(exp.Sum)
    if node is None or node.this is None:
        return None
    node.set("this", exp.Round(this=node.this.copy(), decimals=exp.Literal.number(2)))
    return place.tree


RULES = {"type-mismatch": (_dates, _cast, _condition), "inexact-sum": (_rounded,)}
