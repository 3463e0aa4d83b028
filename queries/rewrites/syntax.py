"""Clauses that can be left out, and functions that another form says."""

from __future__ import annotations

from sqlglot import exp

from queries.rewrites.place import Place

_DROPPED: dict[type[exp.Expr], tuple[str, ...]] = {
    exp.Select: ("sample", "locks", "into"),
    exp.Table: ("sample", "db", "catalog"),
}
_PARTS = frozenset({"year", "quarter", "month", "week", "day", "dow", "dayofweek", "isodow", "doy", "dayofyear"})


def _left_out(place: Place) -> exp.Expr | None:
    """The statement without samples, locks, targets and schemas."""
    found = False
    for node in place.tree.find_all(exp.Select, exp.Table):
        for clause in _DROPPED[type(node)]:
            found = found or bool(node.args.get(clause))
            node.set(clause, None)
    return place.tree if found else None


def _said_otherwise(place: Place) -> exp.Expr | None:
    """Powers of two, signs, DATE_PART, and numbers rounded down and up in functions that are total."""
    found = False
    for node in list(place.nodes(exp.Pow, exp.Sign, exp.Floor, exp.Ceil, exp.Anonymous, exp.LogicalOr, exp.LogicalAnd)):
        instead = _instead(node)
        if instead is not None:
            node.replace(instead)
            found = True
    return place.tree if found else None


def _instead(node: exp.Expr) -> exp.Expr | None:
    if isinstance(node, exp.Anonymous):
        return _extracted(node)
    value = node.this
    if not isinstance(value, exp.Expr):
        return None
    if isinstance(node, exp.Pow) and node.expression == exp.Literal.number(2):
        return exp.Mul(this=_part(value), expression=_part(value))
    if isinstance(node, exp.Sign):
        case = exp.case().when(exp.GT(this=_part(value), expression=exp.Literal.number(0)), exp.Literal.number(1))
        return case.when(exp.LT(this=_part(value), expression=exp.Literal.number(0)), "-1").else_("0")
    if isinstance(node, exp.Floor):
        return _whole(value, exp.GT, exp.Sub)
    if isinstance(node, exp.Ceil):
        return _whole(value, exp.LT, exp.Add)
    if isinstance(node, exp.LogicalOr):
        return exp.CountIf(this=value.copy())
    return None


def _extracted(node: exp.Anonymous) -> exp.Expr | None:
    """DATE_PART('month', day) as EXTRACT(MONTH FROM day)."""
    if node.name.upper() != "DATE_PART" or len(node.expressions) != 2:  # noqa: PLR2004
        return None
    part, day = node.expressions
    named = isinstance(part, exp.Literal) and part.name.lower() in _PARTS
    return exp.Extract(this=exp.var(part.name.upper()), expression=day.copy()) if named else None


def _whole(value: exp.Expr, beyond: type[exp.Binary], step: type[exp.Binary]) -> exp.Expr:
    """The nearest whole number, and one step back where that is on the wrong side."""
    near = exp.cast(value.copy(), "INTEGER")
    back = exp.If(this=beyond(this=near.copy(), expression=_part(value)), true=exp.Literal.number(1))
    back.set("false", exp.Literal.number(0))
    return exp.Paren(this=step(this=near, expression=back))


def _part(value: exp.Expr) -> exp.Expr:
    """The value as an operand."""
    return exp.Paren(this=value.copy()) if isinstance(value, exp.Binary) else value.copy()


RULES = {
    "unsupported-syntax": (_left_out, _said_otherwise),
    "unsupported-expression": (_said_otherwise,),
    "unsupported-aggregate": (_said_otherwise,),
}
