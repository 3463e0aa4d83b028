"""Names in SQL that is left over: each column must be one that the statement can know of.

The engine finds names that no table has: its user, its schemas, the numbers of rows, whole tables as values. So no
name is left for it to find: what is not a column of FROM, an alias, or a column of a query further out is refused.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlglot import exp

from queries.errors import QueryNotPrivateError
from queries.parse import refusal, walk
from queries.rows import Sources, is_star
from queries.views import known_columns

_WITH_ALIASES = ("where", "group", "having", "order", "qualify")
_WITHOUT_COLUMNS = ("limit", "offset")
# What the engine takes for its own before it looks into the queries further out.
_ENGINES = frozenset(
    {
        *("user", "current_user", "session_user", "current_role", "current_catalog", "current_schema", "rowid"),
        *("current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"),
    }
)


@dataclass(frozen=True, slots=True)
class Level:
    """What one SELECT can name: the columns of its FROM items, and the aliases of its own columns."""

    sources: Sources
    aliases: frozenset[str] = frozenset()

    def has(self, name: str) -> bool:
        """Whether the name, without a table before it, is a column or an alias here."""
        return name in self.aliases or any(
            output.name == name for outputs in self.sources.values() for output in outputs
        )


Levels = tuple[Level, ...]  # from the outermost query to the innermost


def aliases_of(tree: exp.Select) -> frozenset[str]:
    """The aliases that the SELECT gives to its columns."""
    return frozenset(part.alias.lower() for part in tree.expressions if isinstance(part, exp.Alias))


def check_names(tree: exp.Select, sources: Sources, joined: Sources, outer: Levels) -> int:
    """Raise `unknown-column` unless each name of the SELECT, subqueries left out, is one that it can know of.

    `sources` is what FROM shows; `joined` are all its items, in order: the conditions of joins see more.
    Returns the outermost level that a name is of: len(outer) if all are the SELECT's own.
    """
    before: set[str] = set()
    reached = [len(outer)]
    for projection in tree.expressions:
        if not is_star(projection):
            reached += _check([projection], (*outer, Level(sources, frozenset(before))))
        before.add(projection.alias.lower())
    reached += _check(_clauses(tree, _WITH_ALIASES), (*outer, Level(sources, aliases_of(tree))))
    _check(_clauses(tree, _WITHOUT_COLUMNS), (Level({}),))
    for place, join in enumerate(tree.args.get("joins") or [], start=1):
        reached += _check(_clauses(join, ("on",)), (*outer, Level(joined)))
        _check_using(join, *_sides(place, sources, joined))
    return min(reached)


def check_tail(tree: exp.Expr, names: Collection[str]) -> None:
    """Raise `unknown-column` where ORDER BY after a union or a parenthesis names what is not among its columns."""
    _check(_clauses(tree, ("order",)), (Level({}, frozenset(names)),))
    _check(_clauses(tree, _WITHOUT_COLUMNS), (Level({}),))


def _clauses(tree: exp.Expr, names: Iterable[str]) -> list[exp.Expr]:
    return [tree.args[name] for name in names if tree.args.get(name) is not None]


def _check(parts: Iterable[exp.Expr], levels: Levels) -> list[int]:
    """The levels that the names are of; raises `unknown-column`."""
    columns = [
        node for part in parts if not isinstance(part, exp.Query) for node in walk(part) if isinstance(node, exp.Column)
    ]
    return [_level_of(column, levels) for column in columns]


def _level_of(column: exp.Column, levels: Levels) -> int:
    name, table = column.name.lower(), column.table.lower()
    innermost = range(len(levels) - 1, -1, -1)
    if table:
        found = next((at for at in innermost if table in levels[at].sources), None)
        shown = () if found is None else levels[found].sources[table]
        known = is_star(column) or any(output.name == name for output in shown)
    else:
        found = next((at for at in innermost if levels[at].has(name)), None)
        known = name not in _ENGINES or found == len(levels) - 1
    if found is None or not known:
        raise _unknown(column, levels)
    return found


def _sides(place: int, sources: Sources, joined: Sources) -> tuple[Level, Level]:
    """What USING finds on the left and on the right of the join with the item at `place`; they stand in order."""
    left, right = list(joined)[:place], list(joined)[place : place + 1]
    return Level({alias: joined[alias] for alias in left if alias in sources}), Level({a: joined[a] for a in right})


def _check_using(join: exp.Join, left: Level, right: Level) -> None:
    for identifier in join.args.get("using") or []:
        name = identifier.name.lower()
        if not (left.has(name) and right.has(name)):
            raise refusal("unknown-column", f"USING names {name}, which is not on both sides.", join)


def _unknown(column: exp.Column, levels: Levels) -> QueryNotPrivateError:
    table, own = column.table.lower(), levels[-1]
    shown = {table: own.sources.get(table, ())} if table else own.sources
    known = {output.name for outputs in shown.values() for output in outputs} | (set() if table else own.aliases)
    hint = known_columns(sorted(known)) if known else "There are none to name here. Texts stand in single quotes."
    return refusal("unknown-column", f"There is no column {column.sql()}.", column, hint=hint)
