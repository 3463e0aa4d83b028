"""What is said of customers over several months, said of each month, where the privacy unit is a customer in one."""

from __future__ import annotations

from itertools import pairwise

import sqlglot
from sqlglot import exp

from queries.parse import DIALECT
from queries.rewrites.place import Place

_NAME = "month"


def _months(place: Place, select: exp.Select) -> list[exp.Expr]:
    """The month of each dated table of the SELECT."""
    items = place.items(select)
    found: list[exp.Expr] = []
    for item in items:
        day = place.schema.policy.day_of(str(item.node.name).lower()) if isinstance(item.node, exp.Table) else None
        if day is not None and day in item.columns:
            column = exp.column(day, table=item.alias) if len(items) > 1 else exp.column(day)
            found.append(sqlglot.parse_one(f"DATE_TRUNC('month', {column.sql(dialect=DIALECT)})", dialect=DIALECT))
    return found


def _partitioned(place: Place) -> exp.Expr | None:
    """A window within each month."""
    window = place.node(exp.Window)
    select = None if window is None else window.find_ancestor(exp.Select)
    months = [] if select is None else _months(place, select)
    if window is None or not months:
        return None
    window.set("partition_by", [*(window.args.get("partition_by") or []), months[0]])
    return place.tree


def _counted(place: Place) -> exp.Expr | None:
    """Customers of each month in place of customers of all."""
    node = place.node(exp.Distinct)
    select = None if node is None or not isinstance(node.parent, exp.Count) else node.find_ancestor(exp.Select)
    months = [] if select is None else _months(place, select)
    return place.tree if select is not None and months and _grouped_by(select, months[0]) else None


def _joined(place: Place) -> exp.Expr | None:
    """Dated tables joined on their months besides."""
    for select in place.nodes(exp.Select):
        months, joins = _months(place, select), select.args.get("joins") or []
        if len(months) > 1 and joins:
            ties = [exp.EQ(this=one, expression=other.copy()) for one, other in pairwise(months)]
            where = select.args.get("where")
            select.set("where", exp.Where(this=exp.and_(*([where.this] if where is not None else []), *ties)))
            return place.tree
    return None


def _grouped(place: Place) -> exp.Expr | None:
    """Groups, or distinct rows, of each month."""
    for select in place.nodes(exp.Select):
        months = _months(place, select)
        if len(months) == 1 and select.args.get("group") is not None:
            return place.tree if _grouped_by(select, months[0]) else None
        if len(months) == 1 and select.args.get("distinct") is not None:
            select.append("expressions", exp.alias_(months[0], _NAME))
            return place.tree
    return None


def _grouped_by(select: exp.Select, month: exp.Expr) -> bool:
    """Whether the SELECT could be grouped by the month too, and shows it."""
    clause = select.args.get("group") or exp.Group(expressions=[])
    shown = {str(each.alias_or_name).lower() for each in select.expressions}
    if any(clause.args.get(name) for name in ("rollup", "cube", "grouping_sets", "all")) or _NAME in shown:
        return False
    clause.append("expressions", month.copy())
    select.set("group", clause)
    select.append("expressions", exp.alias_(month, _NAME))
    return True


RULES = {"unit-spans-blocks": (_partitioned, _counted, _joined, _grouped)}
