"""Rows that become counts, groups of customers that become counts of customers, and keys that GROUP BY lacks."""

from __future__ import annotations

from sqlglot import exp

from queries.aggregates import is_aggregate
from queries.parse import walk
from queries.rewrites.place import Place
from queries.rows import is_star

_CLAUSES = ("order", "limit", "offset")


def _counted(place: Place) -> exp.Expr | None:
    """`SELECT … FROM t WHERE c` as `SELECT COUNT(*) AS n FROM t WHERE c`; a union as a subquery."""
    tree = place.tree
    if isinstance(tree, exp.SetOperation):
        return exp.select(_count()).from_(_subquery(tree, "united"))
    if not isinstance(tree, exp.Select) or tree.args.get("qualify") is not None or tree.args.get("group") is not None:
        return None
    if any(isinstance(node, exp.Window | exp.Query) for part in tree.expressions for node in part.walk()):
        return None
    if tree.args.get("from_") is None or not _is_there(place, tree):
        return None
    if tree.args.get("distinct") is not None:
        return _distinct_counted(tree)
    tree.set("expressions", [_count()])
    return _without(tree, *_CLAUSES)


def _is_there(place: Place, tree: exp.Select) -> bool:
    """Whether it is the statement that is refused, and no subquery."""
    return place.line is None or any(node is tree for node in place.nodes(exp.Select))


def _distinct_counted(tree: exp.Select) -> exp.Expr | None:
    """Distinct values are groups."""
    keys = [projection.unalias() for projection in tree.expressions]
    if any(is_star(projection) for projection in tree.expressions):
        return None
    tree.set("group", exp.Group(expressions=[key.copy() for key in keys]))
    tree.append("expressions", _count())
    return _without(tree, "distinct", *_CLAUSES)


def _by_unit(place: Place) -> exp.Expr | None:
    """One row a customer as a subquery, and how many customers have each value of it."""
    tree = place.tree
    if not isinstance(tree, exp.Select):
        return None
    units = {item.unit for item in place.items(tree)}
    names: list[str] = []
    for projection in list(tree.expressions):
        body = projection.unalias()
        if isinstance(body, exp.Column) and body.name.lower() in units:
            continue
        if not projection.alias_or_name or not isinstance(projection, exp.Alias | exp.Column):
            projection.replace(projection := exp.alias_(body.copy(), f"value_{len(names) + 1}"))
        names.append(str(projection.alias_or_name))
    if not names or any(is_star(projection) for projection in tree.expressions):
        return None
    clause = tree.args.get("with_")
    inner = _subquery(_without(tree, "with_", *_CLAUSES), "each_one")
    columns = [exp.column(name) for name in names]
    count = exp.alias_(exp.Count(this=exp.Star()), "units" if "units" not in names else "number_of_units")
    outer = exp.select(*columns, count).from_(inner).group_by(*[column.copy() for column in columns])
    outer.set("with_", clause)
    return outer


def _grouped(place: Place) -> exp.Expr | None:
    """GROUP BY with all columns that stand beside the aggregates."""
    node = place.node(exp.Column)
    select = None if node is None else node.find_ancestor(exp.Select)
    if select is None or any(is_star(projection) for projection in select.expressions):
        return None
    clause = select.args.get("group") or exp.Group(expressions=[])
    if any(clause.args.get(name) for name in ("rollup", "cube", "grouping_sets", "all")):
        return None
    known = list(clause.expressions)
    for projection in select.expressions:
        body = projection.unalias()
        missing = body.find(exp.Column) is not None and not any(is_aggregate(part) for part in walk(body))
        if missing and body not in known and not any(_is_ordinal(key) for key in known):
            known.append(body.copy())
    select.set("group", exp.Group(expressions=known))
    return place.tree


def _is_ordinal(key: exp.Expr) -> bool:
    return isinstance(key, exp.Literal)


def _measured(place: Place) -> exp.Expr | None:
    """The groups with their counts."""
    select = place.node(exp.Select)
    if select is None:
        return None
    select.append("expressions", _count())
    return place.tree


def _count() -> exp.Expr:
    return exp.alias_(exp.Count(this=exp.Star()), "n")


def _subquery(tree: exp.Expr, name: str) -> exp.Subquery:
    return exp.Subquery(this=tree, alias=exp.TableAlias(this=exp.to_identifier(name)))


def _without(tree: exp.Expr, *clauses: str) -> exp.Expr:
    for clause in clauses:
        tree.set(clause, None)
    return tree


RULES = {
    "private-rows": (_counted,),
    "limit-on-private": (_counted, _by_unit),
    "group-by-unit": (_by_unit,),
    "not-in-group-by": (_grouped,),
    "no-aggregate": (_measured,),
}
