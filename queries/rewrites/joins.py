"""Joins, subqueries and windows of private rows that are tied to the privacy unit."""

from __future__ import annotations

from sqlglot import exp

from queries.rewrites.place import Item, Place


def _on_unit(place: Place) -> exp.Expr | None:
    """Every private item joined with the first one on the unit, besides what it is joined on."""
    for select in place.nodes(exp.Select):
        private = [item for item in place.items(select) if item.unit is not None]
        if len(private) > 1:
            for join in select.args.get("joins") or []:
                _tie(join, private[0], next((item for item in private[1:] if item.node is join.this), None))
            return place.tree
    return None


def _tie(join: exp.Join, first: Item, item: Item | None) -> None:
    if item is None or item.unit is None or first.unit is None:
        return
    using = join.args.get("using") or []
    if using and item.unit == first.unit:
        if item.unit not in [str(name.name).lower() for name in using]:
            join.set("using", [exp.to_identifier(item.unit), *using])
        return
    tie = exp.EQ(this=_unit(first), expression=_unit(item))
    on = join.args.get("on")
    if on is None or tie not in list(on.find_all(exp.EQ)):
        join.set("on", tie if on is None else exp.and_(tie, on))
    if join.args.get("kind") == "CROSS":
        join.set("kind", None)


def _unit(item: Item) -> exp.Column:
    return exp.column(str(item.unit), table=item.alias)


def _private_first(place: Place) -> exp.Expr | None:
    """`public LEFT JOIN private` as `private JOIN public`: public groups come back anyway. RIGHT JOIN turned round."""
    select = place.node(exp.Join)
    statement = None if select is None else select.find_ancestor(exp.Select)
    joins = [] if statement is None else statement.args.get("joins") or []
    if statement is None or len(joins) != 1:
        return None
    join, clause = joins[0], statement.args["from_"]
    side = str(join.args.get("side") or "").upper()
    first, other = clause.this, join.this
    clause.set("this", other)
    join.set("this", first)
    join.set("side", "LEFT" if side == "RIGHT" else None)
    join.set("kind", None)
    return place.tree if side in ("LEFT", "RIGHT") else None


def _own_unit(place: Place, select: exp.Select) -> exp.Column | None:
    """The unit of the SELECT's first private table: with the table before it where there are several."""
    items = place.items(select)
    first = next((item for item in items if item.unit is not None), None)
    if first is None:
        return None
    return _unit(first) if len(items) > 1 else exp.column(str(first.unit))


def _own_rows(place: Place) -> exp.Expr | None:
    """`x IN (SELECT x …)` with the unit on both sides."""
    node = place.node(exp.In)
    inner = None if node is None or node.args.get("query") is None else node.args["query"].unnest()
    outer = None if node is None else node.find_ancestor(exp.Select)
    if node is None or outer is None or not isinstance(inner, exp.Select) or isinstance(node.this, exp.Tuple):
        return None
    theirs, own = _own_unit(place, outer), _own_unit(place, inner)
    if theirs is None or own is None:
        return None
    node.set("this", exp.Tuple(expressions=[theirs, node.this.copy()]))
    inner.set("expressions", [own, *inner.expressions])
    return place.tree


def _own_window(place: Place) -> exp.Expr | None:
    """The window partitioned by the unit."""
    node = place.node(exp.Window)
    select = None if node is None else node.find_ancestor(exp.Select)
    unit = None if select is None else _own_unit(place, select)
    if node is None or unit is None:
        return None
    node.set("partition_by", [unit, *(node.args.get("partition_by") or [])])
    return place.tree


RULES = {
    "join-not-on-unit": (_on_unit,),
    "outer-join-keeps-public": (_private_first,),
    "unsupported-join": (_private_first,),
    "subquery-across-units": (_own_rows,),
    "window-across-units": (_own_window,),
}
