"""IN (SELECT …) and EXISTS (SELECT …) in WHERE over private rows: whether a fitting row exists.

A private subquery has to be tied to the unit, by `unit IN (SELECT unit …)`, `(unit, x) IN (SELECT unit, x …)` or
`WHERE inner.unit = outer.unit`: then whether a row is kept depends on rows of its own unit alone. A public subquery may
be tied to any column. Either becomes one row for each combination of the compared values, joined from the left, and the
condition becomes the question whether there was one.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from queries.parse import refusal
from queries.plan import Column, Expression, Fold, Folding, Grouped
from queries.scalars import UnitColumn, scalar
from queries.schema import Schema
from queries.views import Scope, View, canonical, renumbered

Check = Callable[[exp.Expr], View | None]  # the view of a subquery; None where it is made of released figures
Pairs = list[tuple[exp.Expr, str]]  # what stands outside, and the subquery's column that it is compared with
_HINT = "Tie it to the unit: {unit} IN (SELECT {unit} FROM …), or ({unit}, x) IN (SELECT {unit}, x FROM …)."


def without_subqueries(where: exp.Expr, scope: Scope, schema: Schema, check: Check) -> exp.Expr:
    """The condition with each IN and EXISTS over a subquery replaced by a column that the scope knows."""
    if where.find(exp.Query) is None:
        return where
    root = exp.Where(this=where.copy())
    for node in _subqueries(root):
        if isinstance(node, exp.In):
            view, pairs = _in(node, check)
        else:
            view, pairs = _exists(node, scope, check)
        node.replace(_marked(node, view, pairs, scope, schema))
    condition: exp.Expr = root.this
    return condition


def _subqueries(root: exp.Expr) -> list[exp.In | exp.Exists]:
    found: list[exp.In | exp.Exists] = []
    for child in root.iter_expressions():
        if isinstance(child, exp.Exists) or (isinstance(child, exp.In) and child.args.get("query") is not None):
            found.append(child)
        elif not isinstance(child, exp.Query):
            found.extend(_subqueries(child))
    return found


def _in(node: exp.In, check: Check) -> tuple[View, Pairs]:
    view = _checked(node.args["query"], check)
    outer = node.this.expressions if isinstance(node.this, exp.Tuple) else [node.this]
    if len(outer) != len(view.columns):
        reason, hint = (
            "The two sides of IN have different numbers of columns.",
            "Select what stands before IN, and no more.",
        )
        raise refusal("type-mismatch", reason, node, hint)
    return view, list(zip(outer, view.columns, strict=True))


def _exists(node: exp.Exists, scope: Scope, check: Check) -> tuple[View, Pairs]:
    """The subquery with what it compares with outer columns as its columns, instead of what it selects."""
    inner = node.this.unnest() if isinstance(node.this, exp.Subquery) else node.this
    if not isinstance(inner, exp.Select) or any(
        inner.args.get(name) for name in ("group", "having", "limit", "offset")
    ):
        raise refusal("unsupported-syntax", "EXISTS takes a plain SELECT … FROM … WHERE ….", node)
    inner = inner.copy()
    names = {source.alias_or_name.lower() for source in _sources(inner)}
    outside = {item.alias for item in scope.items} - names
    clause, pairs, rest = inner.args.get("where"), [], []
    parts = [] if clause is None else clause.this.flatten() if isinstance(clause.this, exp.And) else [clause.this]
    for part in parts:
        sides = _sides(part, outside)
        if sides is None:
            rest.append(part)
        else:
            pairs.append(sides)
    columns = [exp.alias_(own.copy(), f"_e{number}") for number, (_, own) in enumerate(pairs)]
    inner.set("expressions", columns or [exp.alias_(exp.Literal.number(1), "_e0")])
    inner.set("where", exp.Where(this=exp.and_(*rest, copy=False)) if rest else None)
    view = _checked(inner, check)
    return view, [(outer, f"_e{number}") for number, (outer, _) in enumerate(pairs)]


def _sources(inner: exp.Select) -> list[exp.Expr]:
    first = [inner.args["from_"].this] if inner.args.get("from_") is not None else []
    return [*first, *(join.this for join in inner.args.get("joins") or [])]


def _sides(part: exp.Expr, outside: set[str]) -> tuple[exp.Expr, exp.Expr] | None:
    """The outer and the inner side of an equality between the two; None if it is none."""
    while isinstance(part, exp.Paren):
        part = part.this
    if not isinstance(part, exp.EQ):
        return None
    left, right = (_is_outside(side, outside) for side in (part.this, part.expression))
    if left == right:
        return None
    return (part.this, part.expression) if left else (part.expression, part.this)


def _is_outside(side: exp.Expr, outside: set[str]) -> bool:
    columns = list(side.find_all(exp.Column))
    return bool(columns) and all(column.table.lower() in outside for column in columns)


def _checked(tree: exp.Expr, check: Check) -> View:
    view = check(_with_repeats(tree))
    if view is None:
        raise refusal(
            "released-with-private",
            "Private rows are compared with a released result.",
            tree,
            hint="Aggregate the private rows first, then compare the results; or write the values out.",
        )
    return view


def _with_repeats(tree: exp.Expr) -> exp.Expr:
    """The subquery without its DISTINCT: whether a row exists does not depend on repeats."""
    inner = tree.this if isinstance(tree, exp.Subquery) else tree
    if not isinstance(inner, exp.Select) or any(inner.args.get(name) for name in ("limit", "offset")):
        return tree
    plain = inner.copy()
    plain.set("distinct", None)
    return plain


def _marked(node: exp.In | exp.Exists, view: View, pairs: Pairs, scope: Scope, schema: Schema) -> exp.Expr:
    relation, moved = canonical(view.relation)
    values: list[Expression] = []
    compared: list[tuple[Expression, Expression]] = []
    tied = False
    for outer, name in pairs:
        inner = view.columns[name]
        own = _outer(outer, scope)
        if isinstance(inner, UnitColumn) and isinstance(own, UnitColumn) and not scope.items[own.item].outer:
            tied = True
        elif isinstance(inner, UnitColumn) or isinstance(own, UnitColumn):
            raise refusal("unit-in-expression", "The privacy unit can only be compared with itself.", node)
        else:
            value = renumbered(inner, moved)
            _check_negation(node, view, inner, schema)
            values.append(value)
            compared.append((own, value))
    if view.private and not tied:
        raise refusal(
            "subquery-across-units",
            "This subquery sees rows of other customers.",
            node,
            hint=_HINT.format(unit=schema.unit_column),
        )
    if not view.private and not pairs:
        raise refusal("unsupported-syntax", "This does not depend on the row.", node, hint="Leave it out.")
    kept = tuple(sorted(set(values), key=repr))
    places = [(own, Column(0, f"c{kept.index(value)}", value.type)) for own, value in compared]
    return scope.mark(Grouped(relation, kept, (Fold(Folding.COUNT),)), places)


def _outer(tree: exp.Expr, scope: Scope) -> Expression | UnitColumn:
    if isinstance(tree, exp.Column):
        return scope.resolve(tree, {})
    return scalar(tree, lambda column: scope.resolve(column, {}))


def _check_negation(node: exp.In | exp.Exists, view: View, inner: Expression, schema: Schema) -> None:
    """NOT IN keeps no row at all if the subquery gives a NULL: nobody means that, so it has to be excluded first."""
    nullable = not isinstance(inner, Column) or schema.nullable(view.relation, inner)
    if isinstance(node, exp.In) and isinstance(node.parent, exp.Not) and nullable:
        raise refusal(
            "unsupported-syntax",
            "NOT IN over values that may be NULL keeps no row as soon as one is.",
            node,
            hint="Write NOT EXISTS (SELECT 1 FROM … WHERE …), tied in its WHERE.",
        )
