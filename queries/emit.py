"""SQL for the engine, written anew from a plan: no text of an analyst's ever gets here.

What is here decides whose row a row is: private sources are joined, grouped and ordered by unit. What scalar functions
compute of one row is in `scalar_sql.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from types import MappingProxyType

from queries import plan
from queries.errors import IllegalPlanError
from queries.plan import Aggregation, Expression, Folding, Kind, MeasureKind, Relation, Source
from queries.scalar_sql import FORMS

Units = tuple[int, int] | None
_PLACES = frozenset({Folding.ROW_NUMBER, Folding.LAG, Folding.LEAD, Folding.FIRST_VALUE, Folding.LAST_VALUE})
EPOCH = "DATE '1970-01-01'"


@dataclass(frozen=True, slots=True)
class Groups:
    """How a group id is found (`axes.py`): tables to make first, the sources they replace, the joins, and the id."""

    tables: tuple[tuple[str, str], ...]
    replaced: Mapping[int, str]
    joins: str
    id: str


def contributions(aggregation: Aggregation, groups: Groups, units: Units) -> str:
    """Rows `(u, g, v0, …)` of the contribution matrix, for the units in the half-open range: integers of 32 or 64 bits.

    `g` is the group id that `groups` gives. Whatever that says, every row keeps its unit: the tables that it joins are
    made of keys. Rows whose key is on no axis are absent or have a NULL g.
    """
    relation = aggregation.source
    columns = [f"{_unit(relation)} AS u", f"CAST({groups.id} AS INTEGER) AS g"]
    columns += [f"{value} AS v{index}" for index, value in enumerate(_values(aggregation))]
    rows = f"{from_sql(relation, units, groups.replaced)}{groups.joins}{where_sql(relation)}"
    return f"SELECT {', '.join(columns)} FROM {rows}"


def value_columns(aggregation: Aggregation) -> tuple[int, ...]:
    """For each measure of `all_blocks`, in order, the number of its v column, or -1 where every row counts one."""
    values = _values(aggregation)
    measures = [measure for block in aggregation.all_blocks for measure in block.measures]
    return tuple(-1 if m.value is None else values.index(_value(m.kind, m.value)) for m in measures)


def candidates(aggregation: Aggregation) -> str:
    """Rows `(id, k0, …, priority UBIGINT)`: the keys that occur, for thresholding.

    The priority of a key is a function of the key alone, and ids are in key order, so neither tells of other keys.
    """
    relation, expressions = aggregation.source, aggregation.keys.expressions
    keys = [f"{sql_of(expression)} AS k{index}" for index, expression in enumerate(expressions)]
    names = [f"k{index}" for index in range(len(expressions))]
    order, listed = ", ".join(f"{name} NULLS FIRST" for name in names), ", ".join(names)
    return (
        f"SELECT row_number() OVER (ORDER BY {order}) - 1 AS id, {listed}, hash({listed}) AS priority "
        f"FROM (SELECT DISTINCT {', '.join(keys)} FROM {from_sql(relation, None)}{where_sql(relation)}) AS keys"
    )


def matching(table: str, keys: tuple[Expression, ...]) -> str:
    """The join with a table of keys k0, …: NULL is a key like any other."""
    same = [f"{table}.k{i} IS NOT DISTINCT FROM {sql_of(key)}" for i, key in enumerate(keys)]
    return f" JOIN {table} ON {' AND '.join(same)}"


def _values(aggregation: Aggregation) -> list[str]:
    """The distinct value columns that the measures need, in the order of their first use."""
    measures = [measure for block in aggregation.all_blocks for measure in block.measures]
    return list(dict.fromkeys(_value(each.kind, each.value) for each in measures if each.value is not None))


def _value(kind: MeasureKind, value: Expression) -> str:
    if kind is MeasureKind.SUM:
        return f"coalesce({sql_of(value)}, 0)"
    if kind is MeasureKind.VALUES:
        return f"CAST(hash({sql_of(value)}) >> 1 AS BIGINT)"
    return f"CASE WHEN {sql_of(value)} THEN 1 ELSE 0 END"


def from_sql(relation: Relation, units: Units, replaced: Mapping[int, str] = MappingProxyType({})) -> str:
    """The joined sources s0, s1, …: private ones on the unit, always; `replaced` ones are read from those tables.

    Each is joined to the first of the sources so far with the largest span, which no left join can have made NULL.
    """
    text, held = source_sql(relation.first, 0, _units_of(relation.first, relation, units), replaced.get(0)), 0
    for index, join in enumerate(relation.joins, start=1):
        source, before = join.source, relation.sources[held]
        conditions = [sql_of(condition) for condition in join.on]
        if source.private and before.private:
            common = min(source.span, before.span)
            conditions.insert(0, f"{_number(index, source, common)} = {_number(held, before, common)}")
        joined = source_sql(source, index, _units_of(source, relation, units), replaced.get(index))
        text += f" {'LEFT JOIN' if join.left else 'JOIN'} {joined} ON {' AND '.join(conditions) or 'TRUE'}"
        held = index if source.span > before.span else held
    return text


def _number(index: int, source: Source, span: int) -> str:
    """The number of a row's unit among those of which an account has `span`: its own, or its account's."""
    return f"s{index}._u" if source.span == span else f"s{index}._u // {source.span // span}"


def _units_of(source: Source, relation: Relation, units: Units) -> Units:
    """The range of the source's numbers that holds all those of the relation's in `units`."""
    if units is None or not source.private:
        return None
    each = relation.span // source.span
    return int(units[0]) // each, -(-int(units[1]) // each)


def source_sql(source: Source, index: int, units: Units, replacement: str | None = None) -> str:
    if replacement is not None:
        return f"{replacement} AS s{index}"
    if isinstance(source, plan.Listed):
        rows = ", ".join(f"({', '.join(map(str, row))})" for row in source.rows)
        return f"(VALUES {rows}) AS s{index}({', '.join(name for name, _ in source.columns)})"
    if not isinstance(source, plan.Scan):
        return f"({_subquery(source, units)}) AS s{index}"
    table = f"{'private' if source.private else 'public'}.main.{quoted(source.table)}"
    kept = [] if units is None else [f"_u >= {units[0]} AND _u < {units[1]}"]
    if isinstance(source, plan.Dated):
        kept.append(f"_u % {source.months} BETWEEN {source.first} AND {source.last}")
    return f"(SELECT * FROM {table} WHERE {' AND '.join(kept)}) AS s{index}" if kept else f"{table} AS s{index}"


def _subquery(source: plan.Derived | plan.Union, units: Units) -> str:
    if isinstance(source, plan.Union):
        return " UNION ALL ".join(_subquery(part, units) for part in source.parts)
    relation, values, tail = source.relation, [sql_of(value) for value in source.values], ""
    if isinstance(source, plan.Grouped):
        tail = f" GROUP BY {', '.join(str(place) for place in range(1, len(values) + source.private + 1))}"
        values += [_fold(fold, "") for fold in source.folds]
    elif isinstance(source, plan.Windowed):
        values += [_window(window, relation) for window in source.windows]
    columns = [f"{value} AS {name}" for value, (name, _) in zip(values, source.columns, strict=True)]
    if source.private:
        columns.insert(0, f"{_unit(relation)} AS _u")
    return f"SELECT {', '.join(columns) or '1'} FROM {from_sql(relation, units)}{where_sql(relation)}{tail}"


def _fold(fold: plan.Fold, over: str, *arguments: str) -> str:
    """Sums are of at most 2**31 rows, hence within HUGEINT, in which DuckDB computes them."""
    inner = "*" if fold.function is Folding.COUNT and fold.argument is None else ""
    inner = sql_of(fold.argument) if fold.argument is not None else inner
    name, distinct = str(fold.function.value), fold.function is Folding.COUNT_DISTINCT
    call = f"count(DISTINCT {inner})" if distinct else f"{name}({', '.join(filter(None, (inner, *arguments)))})"
    call += "" if fold.where is None else f" FILTER (WHERE {sql_of(fold.where)})"
    return f"TRY_CAST({call}{over} AS BIGINT)" if fold.function is Folding.SUM else call + over


def _window(window: plan.Window, relation: Relation) -> str:
    """The order ends with the whole row wherever it matters which of two equal rows comes first."""
    function = window.fold.function
    order = [f"{sql_of(each)}{' DESC' if descending else ''} NULLS LAST" for each, descending in window.order]
    if function in _PLACES or window.rows is not None:
        columns = [(i, *column) for i, source in enumerate(relation.sources) for column in source.columns]
        order += [sql_of(plan.Column(*column)) for column in columns]
    over = f"PARTITION BY {', '.join([_unit(relation), *map(sql_of, window.partition)])}"
    over += f" ORDER BY {', '.join(order)}" if order else ""
    if window.rows is not None:
        before, after = ("UNBOUNDED" if n is None else str(n) for n in window.rows)
        over += f" ROWS BETWEEN {before} PRECEDING AND {after} FOLLOWING"
    shift = (str(window.offset),) if function in (Folding.LAG, Folding.LEAD) else ()
    return _fold(window.fold, f" OVER ({over})", *shift)


def _unit(relation: Relation) -> str:
    """The unit of a row: that of the first source with the largest span, which no join can turn into NULL."""
    return f"s{next(i for i, source in enumerate(relation.sources) if source.span == relation.span)}._u"


def where_sql(relation: Relation) -> str:
    return f" WHERE {' AND '.join(sql_of(condition) for condition in relation.where)}" if relation.where else ""


def sql_of(expression: Expression) -> str:
    if isinstance(expression, plan.Column):
        text = f"s{expression.source}.{quoted(expression.name)}"
        return f"CAST({text} AS VARCHAR)" if expression.type.kind is Kind.VARCHAR else text  # it may be stored as ENUM
    if isinstance(expression, plan.Literal):
        return _literal(expression)
    return FORMS[expression.function](expression, [sql_of(argument) for argument in expression.arguments])


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(literal: plan.Literal) -> str:
    value, kind = literal.value, literal.type.kind
    if value is None:
        return "NULL" if kind is Kind.NULL else f"CAST(NULL AS {'BIGINT' if kind is Kind.DECIMAL else kind.value})"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int):
        return f"CAST({value} AS BIGINT)" if abs(value) >= 1 << 31 else str(value)
    if isinstance(value, float):
        if not isfinite(value):
            raise IllegalPlanError("a number that is not finite")
        return f"CAST('{value + 0.0!r}' AS DOUBLE)"  # never -0.0: see scalar_sql.py
    if "\0" in value:
        raise IllegalPlanError("a NUL character in a text")
    text = "'" + value.replace("'", "''") + "'"
    return f"DATE {text}" if kind is Kind.DATE else text
