"""Quantiles and numbers of different values: what is not a sum over units, and so has a release of its own.

Each such release stands beside that of its node's sums, with the same public keys; `postprocess.py` puts them together.
"""

from __future__ import annotations

from dataclasses import dataclass

from queries.aggregates import Asked
from queries.errors import QueryNotPrivateError
from queries.plan import TRUE, VALUE_LIMIT, Aggregation, Block, Expression, Key, Measure, PublicKeys, Relation
from queries.quantiles import Tree, Wanted, grid_of, with_nodes
from queries.ranges import Ranges
from queries.scalars import conjuncts
from queries.schema import Schema

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Part:
    """A release beside the sums: of a tree, which adds a key for its nodes, or of different values."""

    relation: Relation
    measure: Measure
    nodes: tuple[Key, ...] = ()
    tree: Tree | None = None
    free: bool = False  # whether its bounds are to be chosen

    def aggregation(self, keys: PublicKeys, block: Block, unit_capacity: int) -> Aggregation:
        """The release of the block under the keys of the node."""
        return Aggregation(self.relation, PublicKeys((*keys.keys, *self.nodes)), (block,), unit_capacity)

    @property
    def cells(self) -> int:
        """Into how many noised counts a group is divided."""
        return 1 if self.tree is None else self.tree.grid.nodes

    @property
    def heads(self) -> int:
        """How many of these, the first ones, add up to all of the group."""
        return 1 if self.tree is None else self.tree.grid.heads


def tree_part(relation: Relation, asked: Asked, wanted: tuple[Wanted, ...], values: Range, measure: Measure) -> Part:
    """The tree over stored values of the range; `measure` counts rows, within a bound over all its levels."""
    grid = grid_of(*values)
    value = asked.value
    if value is None:
        raise QueryNotPrivateError("unsupported-aggregate", "A quantile is of a value.")
    source, nodes = with_nodes(_restricted(relation, asked), value, grid)
    return Part(source, measure, (nodes,), Tree(grid, asked.scale, wanted))


def values_part(relation: Relation, asked: Asked, measure: Measure) -> Part:
    """The number of different values."""
    return Part(_restricted(relation, asked), measure)


def range_of(value: Expression | None, relation: Relation, schema: Schema) -> Range | None:
    """The range that follows from what is declared, in stored units; None where it is wider than can be kept."""
    if value is None:
        return None
    found = Ranges.over(relation, schema).of(value)
    return (int(found.low), int(found.high)) if found.largest <= VALUE_LIMIT else None


def _restricted(relation: Relation, asked: Asked) -> Relation:
    """The relation under the measure's own condition as well."""
    if asked.where == TRUE:
        return relation
    where = tuple(sorted({*relation.where, *conjuncts(asked.where)}, key=repr))
    return Relation(relation.first, relation.joins, where)
