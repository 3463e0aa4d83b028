"""Names that are a letter off, that could be two columns, or that are taken."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

from sqlglot import exp

from queries.rewrites.place import Place

_LIKENESS = 0.75  # as difflib measures it: one letter of four may be another


def _near(name: str, known: Collection[str]) -> str | None:
    """The one known name that is near this one; None if none is, or several are."""
    found = get_close_matches(name.lower(), sorted(set(known) - {name.lower()}), n=2, cutoff=_LIKENESS)
    return found[0] if len(found) == 1 else None


def _table(place: Place) -> exp.Expr | None:
    node = place.node(exp.Table)
    right = None if node is None else _near(node.name, [*place.schema.policy.tables, *place.ctes()])
    if node is None or right is None:
        return None
    wrong = node.name.lower()
    for table in place.tree.find_all(exp.Table):
        if table.name.lower() == wrong:
            table.set("this", exp.to_identifier(right))
    for column in place.tree.find_all(exp.Column):
        if column.table.lower() == wrong:
            column.set("table", exp.to_identifier(right))
    return place.tree


def _column(place: Place) -> exp.Expr | None:
    node = place.node(exp.Column)
    select = None if node is None else node.find_ancestor(exp.Select)
    if node is None or select is None:
        return None
    items = place.items(select)
    if node.table and node.table.lower() not in [item.alias for item in items]:
        return _with_table(place, node, [item.alias for item in items if node.name.lower() in item.columns])
    known = [name for item in items if node.table.lower() in ("", item.alias) for name in item.columns]
    known += [] if node.table else [part.alias.lower() for part in select.expressions if isinstance(part, exp.Alias)]
    right = _near(node.name, known)
    if right is None:
        return None
    wrong = (node.name.lower(), node.table.lower())
    for column in select.find_all(exp.Column):
        if (column.name.lower(), column.table.lower()) == wrong:
            column.set("this", exp.to_identifier(right))
    return place.tree


def _with_table(place: Place, node: exp.Column, owners: list[str]) -> exp.Expr | None:
    """The statement with the right table before each column that has one that is nowhere in it."""
    wrong = node.table.lower()
    elsewhere = {str(item.alias_or_name).lower() for item in place.tree.find_all(exp.Table, exp.Subquery)}
    if len(owners) != 1 or wrong in elsewhere:
        return None
    for column in place.tree.find_all(exp.Column):
        if column.table.lower() == wrong:
            column.set("table", exp.to_identifier(owners[0]))
    return place.tree


def _ambiguous(place: Place) -> exp.Expr | None:
    node = place.node(exp.Column)
    select = None if node is None else node.find_ancestor(exp.Select)
    if node is None or select is None or node.table:
        return None
    name = node.name.lower()
    owners = [item.alias for item in place.items(select) if name in item.columns]
    for column in select.find_all(exp.Column):
        if owners and column.name.lower() == name and not column.table:
            column.set("table", exp.to_identifier(owners[0]))
    return place.tree if owners else None


def _twice(place: Place) -> exp.Expr | None:
    """The columns of one name numbered from the second on."""
    select = place.node(exp.Select)
    taken: set[str] = set()
    for projection in [] if select is None else list(select.expressions):
        name = str(projection.alias_or_name).lower()
        if name and name in taken:
            projection.replace(exp.alias_(projection.unalias().copy(), _free(name, taken)))
            name = _free(name, taken)
        taken.add(name)
    return place.tree


def _aliases(place: Place) -> exp.Expr | None:
    """The tables of one name numbered from the second on."""
    taken: set[str] = set()
    node = place.node(exp.Table)
    select = None if node is None else node.find_ancestor(exp.Select)
    for item in [] if select is None else place.items(select):
        if item.alias in taken:
            item.node.set("alias", exp.TableAlias(this=exp.to_identifier(_free(item.alias, taken))))
        taken.add(item.alias)
    return None if select is None else place.tree


def _free(name: str, taken: Collection[str]) -> str:
    return next(f"{name}_{number}" for number in range(2, len(taken) + 3) if f"{name}_{number}" not in taken)


def _plain(place: Place) -> exp.Expr | None:
    """The names without underscores before them."""
    for identifier in place.tree.find_all(exp.Identifier):
        identifier.set("this", identifier.name.lstrip("_") or "x")
    return place.tree


RULES = {
    "unknown-table": (_table,),
    "unknown-column": (_column,),
    "ambiguous-column": (_ambiguous,),
    "duplicate-column": (_twice,),
    "duplicate-alias": (_aliases,),
    "reserved-name": (_plain,),
}
