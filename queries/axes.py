"""The keys of a grouping as SQL: the axes, and how a row finds its group.

All of it reads public tables only, as an axis cannot be over anything else (`TableAxis`). A fault here could put rows
into a wrong group, not into another unit's contribution.
"""

from __future__ import annotations

from queries.emit import EPOCH, Groups, from_sql, matching, quoted, source_sql, sql_of, where_sql
from queries.errors import IllegalPlanError
from queries.plan import (
    Aggregation,
    Axis,
    Column,
    Expression,
    Key,
    Kind,
    PublicKeys,
    Relation,
    SeriesAxis,
    TableAxis,
    TopKeys,
    ValuesAxis,
    columns_of,
)


def groups_of(aggregation: Aggregation) -> Groups:
    """How rows find their groups: mixed radix over the axes in order, the first one slowest, or by `candidates`.

    Its tables are `(id, k0, …, _part)` for an axis, where `_part` is an id times its stride, and in place of a public
    source that an axis is over, its needed columns with their part. They can be made in the order in which they come.
    """
    keys = aggregation.keys
    if isinstance(keys, PublicKeys):
        return _public_groups(aggregation, keys)
    if isinstance(keys, TopKeys):
        raise IllegalPlanError("keys that were not chosen yet")
    return Groups((), {}, matching("candidates", keys.expressions), "candidates.id")


def axes(aggregation: Aggregation) -> tuple[str, ...]:
    """One statement for each axis: its keys `k0, …` in the order of their ids."""
    if not isinstance(aggregation.keys, PublicKeys):
        return ()
    return tuple(f"SELECT * EXCLUDE (id) FROM ({axis(key.axis)}) ORDER BY id" for key in aggregation.keys.keys)


def axis(node: Axis) -> str:
    """The rows `(id, k0, …)` of an axis, ids from 0 in key order."""
    names = [f"k{index}" for index in range(len(node.values) if isinstance(node, TableAxis) else 1)]
    order = ", ".join(f"{name} NULLS FIRST" for name in names)
    return f"SELECT row_number() OVER (ORDER BY {order}) - 1 AS id, {', '.join(names)} FROM ({_distinct(node)}) AS keys"


def axis_count(node: Axis) -> str:
    """The number of keys on an axis, as one row."""
    return f"SELECT count(*) FROM ({axis(node)}) AS axis"


def _public_groups(aggregation: Aggregation, keys: PublicKeys) -> Groups:
    """The groups of public keys. A series without gaps needs no table, and a public source no second join."""
    tables: list[tuple[str, str]] = []
    replaced: dict[int, str] = {}
    joins, parts, stride = "", [], "1"
    for index, key in reversed(list(enumerate(keys.keys))):  # the last axis has stride 1
        name, size = f"axis{index}", _known_size(key.axis)
        if size is not None and isinstance(key.axis, SeriesAxis):
            number = _series_id(key.expressions[0], key.axis)
            parts.append(number if stride == "1" else f"({number}) * ({stride})")
            stride = f"{stride} * {size}"
            continue
        tables.append((name, f"SELECT *, id * ({stride}) AS _part FROM ({axis(key.axis)}) AS a"))
        join = matching(name, key.expressions)
        source = _replaceable(aggregation.source, key)
        if source is None:
            joins += join
            parts.append(f"{name}._part")
        else:
            replaced[source] = f"lookup{source}"
            tables.append((f"lookup{source}", _lookup(aggregation, source, f"{name}._part", join)))
            parts.append(f"s{source}._part")
        stride = f"{stride} * (SELECT count(*) FROM {name})"
    return Groups(tuple(tables), replaced, joins, " + ".join(parts) if parts else "0")


def _replaceable(relation: Relation, key: Key) -> int | None:
    """The public table that the key is over, if that is one inner-joined source."""
    sources = {column.source for expression in key.expressions for column in columns_of(expression)}
    if len(sources) != 1 or not isinstance(key.axis, TableAxis):
        return None
    source = sources.pop()
    inner = source == 0 or not relation.joins[source - 1].left
    return source if inner and not relation.sources[source].private else None


def _lookup(aggregation: Aggregation, source: int, part: str, join: str) -> str:
    """The columns of a public source that the aggregation reads, for the rows that pass the source's own conditions."""
    relation = aggregation.source
    values = [m.value for block in aggregation.all_blocks for m in block.measures if m.value is not None]
    others = [on for each in relation.joins for on in each.on]
    expressions = (*relation.where, *others, *values, *aggregation.keys.expressions)
    names = sorted({c.name for e in expressions for c in columns_of(e) if c.source == source})
    columns = ", ".join([f"s{source}.{quoted(name)}" for name in names] + [f"{part} AS _part"])
    own = [sql_of(e) for e in relation.where if {c.source for c in columns_of(e)} == {source}]
    where = f" WHERE {' AND '.join(own)}" if own else ""
    return f"SELECT {columns} FROM {source_sql(relation.sources[source], source, None)}{join}{where}"


def _known_size(node: Axis) -> int | None:
    if isinstance(node, SeriesAxis) and _is_plain_series(node):
        return node.stop - node.start + 1 + node.with_null
    return None


def _is_plain_series(node: Axis) -> bool:
    return isinstance(node, SeriesAxis) and isinstance(node.function, Column) and not node.where


def _series_id(expression: Expression, node: SeriesAxis) -> str:
    """The id of a key in a series without gaps: NULL where it is off the axis; a NULL key comes first."""
    value = sql_of(expression)
    narrow = "INTEGER" if max(abs(node.start), abs(node.stop)) < 1 << 30 else "BIGINT"  # as most columns are stored
    number = f"({value} - {EPOCH})" if expression.type.kind is Kind.DATE else f"TRY_CAST({value} AS {narrow})"
    null_case = f"WHEN {value} IS NULL THEN 0 " if node.with_null else ""
    low, high = (_day(node.start), _day(node.stop)) if expression.type.kind is Kind.DATE else (node.start, node.stop)
    return f"CASE {null_case}WHEN {value} BETWEEN {low} AND {high} THEN {number} - {node.start - node.with_null} END"


def _day(number: int) -> str:
    return f"({EPOCH} + {number})"


def _distinct(node: Axis) -> str:
    if isinstance(node, TableAxis):
        columns = ", ".join(f"{sql_of(value)} AS k{index}" for index, value in enumerate(node.values))
        sql = f"SELECT DISTINCT {columns} FROM {from_sql(node.relation, None)}{where_sql(node.relation)}"
        nulls = ", ".join("NULL" for _ in node.values)
    else:
        where = f" WHERE {' AND '.join(sql_of(condition) for condition in node.where)}" if node.where else ""
        sql, nulls = (
            f"SELECT DISTINCT {sql_of(node.function)} AS k0 FROM {_members(node)} AS s0(v){where}",
            "NULL",
        )
    return f"{sql} UNION SELECT {nulls}" if node.with_null else sql


def _members(node: ValuesAxis | SeriesAxis) -> str:
    if isinstance(node, ValuesAxis):
        return f"(VALUES {', '.join(f'({sql_of(value)})' for value in node.values)})"
    column = next(columns_of(node.function), None)
    value = f"{EPOCH} + CAST(i AS INTEGER)" if column is not None and column.type.kind is Kind.DATE else "i"
    return f"(SELECT {value} FROM range({node.start}, {node.stop + 1}) AS r(i))"
