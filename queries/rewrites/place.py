"""Where a statement was refused, and what stands there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from sqlglot import exp

from queries.parse import position
from queries.schema import Schema

T = TypeVar("T", bound=exp.Expr)


@dataclass(frozen=True, slots=True)
class Item:
    """An item of a FROM: its name there, the columns that it shows, and which of them is the unit."""

    node: exp.Expr
    alias: str
    columns: tuple[str, ...]
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A statement of its own, to be changed at will, and the position of a refusal in it."""

    tree: exp.Expr
    schema: Schema
    line: int | None
    column: int | None

    def nodes(self, *kinds: type[T]) -> Iterator[T]:
        """The nodes of these kinds that the refusal points at, the outermost first."""
        if self.line is not None:
            yield from (n for n in self.tree.find_all(*kinds) if position(n) == (self.line, self.column))

    def node(self, *kinds: type[T]) -> T | None:
        """The innermost of `nodes`."""
        return next(iter(reversed(list(self.nodes(*kinds)))), None)

    def ctes(self) -> dict[str, exp.Expr]:
        """The queries of all WITH clauses by name."""
        return {cte.alias.lower(): cte.this for cte in self.tree.find_all(exp.CTE)}

    def items(self, select: exp.Expr) -> list[Item]:
        """What stands in the FROM of a SELECT."""
        clause = select.args.get("from_")
        nodes = [] if clause is None else [clause.this, *(join.this for join in select.args.get("joins") or [])]
        return [self._item(node) for node in nodes]

    def _item(self, node: exp.Expr) -> Item:
        name, alias = str(node.name).lower(), str(node.alias_or_name).lower()
        if isinstance(node, exp.Table) and name not in self.ctes():
            table = self.schema.table(name)
            unit = None if table is None else table.unit_column
            return Item(node, alias, () if table is None else (*filter(None, (unit,)), *table.columns), unit)
        query = self.ctes()[name] if isinstance(node, exp.Table) else node.unnest()
        columns = tuple(self._shown(query)) if isinstance(query, exp.Select) else ()
        units = {item.unit for item in self.items(query)} if isinstance(query, exp.Select) else set()
        return Item(node, alias, columns, next((column for column in columns if column in units), None))

    def _shown(self, select: exp.Select) -> Iterator[str]:
        for projection in select.expressions:
            if isinstance(projection, exp.Star):
                yield from (column for item in self.items(select) for column in item.columns)
            elif projection.alias_or_name:
                yield str(projection.alias_or_name).lower()
