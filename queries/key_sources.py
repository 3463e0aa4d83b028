"""Where the keys of a release come from, in words: the public fact that lists them, or a threshold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from queries.plan import (
    BOOLEAN,
    Column,
    Derived,
    Expression,
    Key,
    PublicKeys,
    Relation,
    Scan,
    SeriesAxis,
    Source,
    TableAxis,
    TopKeys,
    ValuesAxis,
    columns_of,
)
from queries.planned import PlannedNode
from queries.schema import Fact, Schema

_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class KeySource:
    """The numbers of the keys that have one source together, and what that is."""

    numbers: tuple[int, ...]
    source: str


def key_sources(node: PlannedNode, schema: Schema) -> tuple[KeySource, ...]:
    """The source of each key of a release."""
    keys = node.aggregation.keys
    if isinstance(keys, TopKeys):
        source = _source(keys.key, node.aggregation.source, schema)
        return (
            KeySource(node.key_numbers, f"the {keys.count:,} with the most units, noise included, of the {source}"),
        )
    if not isinstance(keys, PublicKeys):
        delta = f"{node.loss.delta_atto / 10**18:.3g}"
        return (KeySource(node.key_numbers, f"keys that pass a threshold at delta {delta}"),)
    numbers = iter(node.key_numbers)
    return tuple(
        KeySource(tuple(next(numbers) for _ in key.expressions), _source(key, node.aggregation.source, schema))
        for key in (keys.keys if node.tree is None else keys.keys[:-1])  # the last one is of the tree's nodes
    )


def _source(key: Key, relation: Relation, schema: Schema) -> str:
    axis = key.axis
    if isinstance(axis, TableAxis):
        said, where = _of_table(axis), axis.relation.where
    else:
        said, where = _of_values(key.expressions[0], axis, _fact(key.expressions[0], relation, schema)), axis.where
    return f"{said}{' that pass the conditions' if where else ''}{' and NULL' if axis.with_null else ''}"


def _of_table(axis: TableAxis) -> str:
    tables = " and ".join(sorted({table for source in axis.relation.sources for table in _tables(source)}))
    plain = [value.name for value in axis.values if isinstance(value, Column) and _is_scan(axis.relation, value)]
    values = ", ".join(plain) if len(plain) == len(axis.values) else "expressions"
    return f"values of {values} in the public table {tables}"


def _of_values(key: Expression, axis: ValuesAxis | SeriesAxis, fact: Fact | None) -> str:
    of = "" if isinstance(key, Column) else "an expression over the "
    if isinstance(axis, SeriesAxis) and fact is not None:
        low, high = (_shown(limit, fact) for limit in (axis.start, axis.stop))
        return f"{of}range of {fact.path}, {low} to {high}"
    if isinstance(axis, SeriesAxis):
        return "an expression over a declared range"
    if fact is not None and fact.declared.domain is not None:
        return f"{of}declared domain of {fact.path}"
    return "true and false" if key.type == BOOLEAN else "values written in the statement"


def _fact(key: Expression, relation: Relation, schema: Schema) -> Fact | None:
    """What is declared of the one column that the key is made of."""
    columns = set(columns_of(key))
    return schema.fact(relation, columns.pop()) if len(columns) == 1 else None


def _shown(limit: int, fact: Fact) -> str:
    return (_EPOCH + timedelta(days=limit)).isoformat() if fact.declared.type == "date" else str(limit)


def _is_scan(relation: Relation, column: Column) -> bool:
    return isinstance(relation.sources[column.source], Scan)


def _tables(source: Source) -> Iterator[str]:
    if isinstance(source, Scan):
        yield source.table
    elif isinstance(source, Derived):
        for inner in source.relation.sources:
            yield from _tables(inner)
