"""SQL for the engine, written anew from a plan: no text of an analyst's ever gets here.

Every expression is total: whatever the private rows hold, it gives a value or NULL and never an error, because an error
would be an output that depends on them. Integers are computed in HUGEINT, where no single operation on 64-bit
operands can overflow, and come back through TRY_CAST. There is no function here that can read, wait, or differ
between two runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from math import isfinite
from types import MappingProxyType

from queries.errors import IllegalPlanError
from queries.plan import (
    Aggregation,
    Axis,
    Call,
    Column,
    Derived,
    Expression,
    Fold,
    Folding,
    Function,
    Grouped,
    Key,
    Kind,
    Literal,
    MeasureKind,
    PublicKeys,
    Relation,
    Scan,
    SeriesAxis,
    Source,
    TableAxis,
    ThresholdKeys,
    Type,
    Union,
    ValuesAxis,
    Window,
    Windowed,
    columns_of,
)

Units = tuple[int, int] | None
_PLACES = frozenset({Folding.ROW_NUMBER, Folding.LAG, Folding.LEAD, Folding.FIRST_VALUE, Folding.LAST_VALUE})
_EPOCH = "DATE '1970-01-01'"
_MOST_DAYS = 1_000_000
_TEXT_LIMIT = 1_000  # characters that a concatenation keeps: texts that double would end a worker on some rows only


@dataclass(frozen=True, slots=True)
class _Groups:
    """How a group id is found: the tables to make first, the sources that they replace, the joins, and the id."""

    tables: tuple[tuple[str, str], ...]
    replaced: Mapping[int, str]
    joins: str
    id: str


def lookups(aggregation: Aggregation) -> tuple[tuple[str, str], ...]:
    """Name and SELECT of each small table that `contributions` reads, in the order in which they can be made.

    They depend on public tables only: the axes `(id, k0, …, _part)`, where `_part` is an id times its stride, and
    in place of a public source that an axis is over, its needed columns with their part.
    """
    keys = aggregation.keys
    return _public_groups(aggregation, keys).tables if isinstance(keys, PublicKeys) else ()


def contributions(aggregation: Aggregation, units: Units) -> str:
    """Rows `(u, g, v0, …)` of the contribution matrix, for the units in the half-open range: integers of 32 or 64 bits.

    `g` is the group id: mixed radix over the axes in order, the first one slowest. Rows whose key is on no axis are
    absent or have a NULL g. Reads the tables of `lookups`, or `candidates` where keys are thresholded.
    """
    relation = aggregation.source
    keys = aggregation.keys
    if isinstance(keys, PublicKeys):
        groups = _public_groups(aggregation, keys)
    else:
        groups = _Groups((), {}, _matching("candidates", keys.expressions), "candidates.id")
    columns = [f"{_unit(relation)} AS u", f"CAST({groups.id} AS INTEGER) AS g"]
    columns += [f"{value} AS v{index}" for index, value in enumerate(_values(aggregation))]
    rows = f"{_from(relation, units, groups.replaced)}{groups.joins}{_where(relation)}"
    return f"SELECT {', '.join(columns)} FROM {rows}"


def value_columns(aggregation: Aggregation) -> tuple[int, ...]:
    """For each measure of `all_blocks`, in order, the number of its v column, or -1 where every row counts one."""
    values = _values(aggregation)
    measures = [measure for block in aggregation.all_blocks for measure in block.measures]
    return tuple(-1 if m.value is None else values.index(_value(m.kind, m.value)) for m in measures)


def axes(aggregation: Aggregation) -> tuple[str, ...]:
    """One statement for each axis: its keys `k0, …` in the order of their ids."""
    if isinstance(aggregation.keys, ThresholdKeys):
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


def candidates(aggregation: Aggregation) -> str:
    """Rows `(id, k0, …, priority UBIGINT)`: the keys that occur, for thresholding.

    The priority of a key is a function of the key alone, and ids are in key order, so neither tells of other keys.
    """
    expressions = aggregation.keys.expressions
    names = [f"k{index}" for index in range(len(expressions))]
    columns = ", ".join(f"{_sql(e)} AS {name}" for e, name in zip(expressions, names, strict=True))
    order = ", ".join(f"{name} NULLS FIRST" for name in names)
    relation = aggregation.source
    listed = ", ".join(names)
    return (
        f"SELECT row_number() OVER (ORDER BY {order}) - 1 AS id, {listed}, hash({listed}) AS priority "
        f"FROM (SELECT DISTINCT {columns} FROM {_from(relation, None)}{_where(relation)}) AS keys"
    )


def _public_groups(aggregation: Aggregation, keys: PublicKeys) -> _Groups:
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
        join = _matching(name, key.expressions)
        source = _replaceable(aggregation.source, key)
        if source is None:
            joins += join
            parts.append(f"{name}._part")
        else:
            replaced[source] = f"lookup{source}"
            tables.append((f"lookup{source}", _lookup(aggregation, source, f"{name}._part", join)))
            parts.append(f"s{source}._part")
        stride = f"{stride} * (SELECT count(*) FROM {name})"
    return _Groups(tuple(tables), replaced, joins, " + ".join(parts) if parts else "0")


def _matching(table: str, keys: tuple[Expression, ...]) -> str:
    """The join with a table of keys k0, …: NULL is a key like any other."""
    same = [f"{table}.k{i} IS NOT DISTINCT FROM {_sql(key)}" for i, key in enumerate(keys)]
    return f" JOIN {table} ON {' AND '.join(same)}"


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
    columns = ", ".join([f"s{source}.{_name(name)}" for name in names] + [f"{part} AS _part"])
    own = [_sql(e) for e in relation.where if {c.source for c in columns_of(e)} == {source}]
    where = f" WHERE {' AND '.join(own)}" if own else ""
    return f"SELECT {columns} FROM {_source(relation.sources[source], source, None)}{join}{where}"


def _known_size(node: Axis) -> int | None:
    if isinstance(node, SeriesAxis) and _is_plain_series(node):
        return node.stop - node.start + 1 + node.with_null
    return None


def _is_plain_series(node: Axis) -> bool:
    return isinstance(node, SeriesAxis) and isinstance(node.function, Column) and not node.where


def _series_id(expression: Expression, node: SeriesAxis) -> str:
    """The id of a key in a series without gaps: NULL where it is off the axis; a NULL key comes first."""
    value = _sql(expression)
    narrow = "INTEGER" if max(abs(node.start), abs(node.stop)) < 1 << 30 else "BIGINT"  # as most columns are stored
    number = f"({value} - {_EPOCH})" if expression.type.kind is Kind.DATE else f"TRY_CAST({value} AS {narrow})"
    null_case = f"WHEN {value} IS NULL THEN 0 " if node.with_null else ""
    low, high = (_day(node.start), _day(node.stop)) if expression.type.kind is Kind.DATE else (node.start, node.stop)
    return f"CASE {null_case}WHEN {value} BETWEEN {low} AND {high} THEN {number} - {node.start - node.with_null} END"


def _day(number: int) -> str:
    return f"({_EPOCH} + {number})"


def _distinct(node: Axis) -> str:
    if isinstance(node, TableAxis):
        columns = ", ".join(f"{_sql(value)} AS k{index}" for index, value in enumerate(node.values))
        sql = f"SELECT DISTINCT {columns} FROM {_from(node.relation, None)}{_where(node.relation)}"
        nulls = ", ".join("NULL" for _ in node.values)
    else:
        where = f" WHERE {' AND '.join(_sql(condition) for condition in node.where)}" if node.where else ""
        sql, nulls = f"SELECT DISTINCT {_sql(node.function)} AS k0 FROM {_members(node)} AS s0(v){where}", "NULL"
    return f"{sql} UNION SELECT {nulls}" if node.with_null else sql


def _members(node: ValuesAxis | SeriesAxis) -> str:
    if isinstance(node, ValuesAxis):
        return f"(VALUES {', '.join(f'({_sql(value)})' for value in node.values)})"
    column = next(columns_of(node.function), None)
    value = f"{_EPOCH} + CAST(i AS INTEGER)" if column is not None and column.type.kind is Kind.DATE else "i"
    return f"(SELECT {value} FROM range({node.start}, {node.stop + 1}) AS r(i))"


def _values(aggregation: Aggregation) -> list[str]:
    """The distinct value columns that the measures need, in the order of their first use."""
    values: dict[str, None] = {}
    for block in aggregation.all_blocks:
        for measure in block.measures:
            if measure.value is not None:
                values[_value(measure.kind, measure.value)] = None
    return list(values)


def _value(kind: MeasureKind, value: Expression) -> str:
    if kind is MeasureKind.SUM:
        return f"coalesce({_sql(value)}, 0)"
    return f"CASE WHEN {_sql(value)} THEN 1 ELSE 0 END"


def _from(relation: Relation, units: Units, replaced: Mapping[int, str] = MappingProxyType({})) -> str:
    """The joined sources s0, s1, …: private ones on the unit, always; `replaced` ones are read from those tables."""
    text = _source(relation.first, 0, units, replaced.get(0))
    first_private = 0 if relation.first.private else None
    for index, join in enumerate(relation.joins, start=1):
        conditions = [_sql(condition) for condition in join.on]
        if join.source.private and first_private is not None:
            conditions.insert(0, f"s{index}._u = s{first_private}._u")
        if join.source.private and first_private is None:
            first_private = index
        kind = "LEFT JOIN" if join.left else "JOIN"
        text += (
            f" {kind} {_source(join.source, index, units, replaced.get(index))} ON {' AND '.join(conditions) or 'TRUE'}"
        )
    return text


def _source(source: Source, index: int, units: Units, replacement: str | None = None) -> str:
    if replacement is not None:
        return f"{replacement} AS s{index}"
    if not isinstance(source, Scan):
        return f"({_subquery(source, units)}) AS s{index}"
    table = f"{'private' if source.private else 'public'}.main.{_name(source.table)}"
    if source.private and units is not None:
        return f"(SELECT * FROM {table} WHERE _u >= {int(units[0])} AND _u < {int(units[1])}) AS s{index}"
    return f"{table} AS s{index}"


def _subquery(source: Derived | Union, units: Units) -> str:
    if isinstance(source, Union):
        return " UNION ALL ".join(_subquery(part, units) for part in source.parts)
    relation, values, tail = source.relation, [_sql(value) for value in source.values], ""
    if isinstance(source, Grouped):
        tail = f" GROUP BY {', '.join(str(place) for place in range(1, len(values) + source.private + 1))}"
        values += [_fold(fold, "") for fold in source.folds]
    elif isinstance(source, Windowed):
        values += [_window(window, relation) for window in source.windows]
    columns = [f"{value} AS {name}" for value, (name, _) in zip(values, source.columns, strict=True)]
    if source.private:
        columns.insert(0, f"{_unit(relation)} AS _u")
    return f"SELECT {', '.join(columns) or '1'} FROM {_from(relation, units)}{_where(relation)}{tail}"


def _fold(fold: Fold, over: str, *arguments: str) -> str:
    """Sums are of at most 2**31 rows, hence within HUGEINT, in which DuckDB computes them."""
    inner = "*" if fold.function is Folding.COUNT and fold.argument is None else ""
    inner = _sql(fold.argument) if fold.argument is not None else inner
    name, distinct = str(fold.function.value), fold.function is Folding.COUNT_DISTINCT
    call = f"count(DISTINCT {inner})" if distinct else f"{name}({', '.join(filter(None, (inner, *arguments)))})"
    call += "" if fold.where is None else f" FILTER (WHERE {_sql(fold.where)})"
    return f"TRY_CAST({call}{over} AS BIGINT)" if fold.function is Folding.SUM else call + over


def _window(window: Window, relation: Relation) -> str:
    """The order ends with the whole row wherever it matters which of two equal rows comes first."""
    function = window.fold.function
    order = [f"{_sql(expression)}{' DESC' if descending else ''} NULLS LAST" for expression, descending in window.order]
    if function in _PLACES or window.rows is not None:
        columns = [(i, *column) for i, source in enumerate(relation.sources) for column in source.columns]
        order += [_sql(Column(*column)) for column in columns]
    over = f"PARTITION BY {', '.join([_unit(relation), *map(_sql, window.partition)])}"
    over += f" ORDER BY {', '.join(order)}" if order else ""
    if window.rows is not None:
        before, after = ("UNBOUNDED" if n is None else str(n) for n in window.rows)
        over += f" ROWS BETWEEN {before} PRECEDING AND {after} FOLLOWING"
    shift = (str(window.offset),) if function in (Folding.LAG, Folding.LEAD) else ()
    return _fold(window.fold, f" OVER ({over})", *shift)


def _unit(relation: Relation) -> str:
    """The unit of a row: that of its first private source, which no join can turn into NULL."""
    return f"s{next(i for i, source in enumerate(relation.sources) if source.private)}._u"


def _where(relation: Relation) -> str:
    return f" WHERE {' AND '.join(_sql(condition) for condition in relation.where)}" if relation.where else ""


def _sql(expression: Expression) -> str:
    if isinstance(expression, Column):
        text = f"s{expression.source}.{_name(expression.name)}"
        return f"CAST({text} AS VARCHAR)" if expression.type.kind is Kind.VARCHAR else text  # it may be stored as ENUM
    if isinstance(expression, Literal):
        return _literal(expression)
    return _FORMS[expression.function](expression, [_sql(argument) for argument in expression.arguments])


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(literal: Literal) -> str:
    value, kind = literal.value, literal.type.kind
    if value is None:
        return "NULL" if kind is Kind.NULL else f"CAST(NULL AS {_type(literal.type)})"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int):
        return f"CAST({value} AS BIGINT)" if abs(value) >= 1 << 31 else str(value)
    if isinstance(value, float):
        if not isfinite(value):
            raise IllegalPlanError("a number that is not finite")
        return f"CAST('{value!r}' AS DOUBLE)"
    if "\0" in value:
        raise IllegalPlanError("a NUL character in a text")
    text = "'" + value.replace("'", "''") + "'"
    return f"DATE {text}" if kind is Kind.DATE else text


def _type(type_: Type) -> str:
    return "BIGINT" if type_.kind is Kind.DECIMAL else str(type_.kind.value)


Form = Callable[[Call, list[str]], str]


def _infix(operator: str) -> Form:
    return lambda _, a: "(" + f" {operator} ".join(a) + ")"


def _function(name: str, result: str | None = None) -> Form:
    if result is None:
        return lambda _, a: f"{name}({', '.join(a)})"
    return lambda _, a: f"CAST({name}({', '.join(a)}) AS {result})"


def _arithmetic(operator: str) -> Form:
    """Exact numbers through HUGEINT, where a product is 2**126 at the most; DOUBLE is IEEE: inf, no error."""

    def form(call: Call, a: list[str]) -> str:
        if not call.type.exact:
            return f"({a[0]} {operator} {a[1]})"
        return f"TRY_CAST(CAST({a[0]} AS HUGEINT) {operator} CAST({a[1]} AS HUGEINT) AS BIGINT)"

    return form


def _divided(operator: str) -> Form:
    return lambda _, a: f"TRY_CAST(CAST({a[0]} AS HUGEINT) {operator} NULLIF(CAST({a[1]} AS HUGEINT), 0) AS BIGINT)"


def _unary(form: str) -> Form:
    def emit(call: Call, a: list[str]) -> str:
        if not call.type.exact:
            return form.format(a[0])
        return f"TRY_CAST({form.format(f'CAST({a[0]} AS HUGEINT)')} AS BIGINT)"

    return emit


def _extreme(name: str) -> Form:
    """NULL if any argument is NULL: DuckDB's own form would skip it, so that LEAST(NULL, 100) were 100."""
    return lambda _, a: f"CASE WHEN {' OR '.join(f'{x} IS NULL' for x in a)} THEN NULL ELSE {name}({', '.join(a)}) END"


def _rescale(call: Call, a: list[str]) -> str:
    shift = call.type.scale - call.arguments[0].type.scale
    wide, factor = f"CAST({a[0]} AS HUGEINT)", 10 ** abs(shift)
    if shift >= 0:
        return f"TRY_CAST({wide} * {factor} AS BIGINT)"
    return f"TRY_CAST(sign({wide}) * ((abs({wide}) + {factor // 2}) // {factor}) AS BIGINT)"


def _case(_: Call, a: list[str]) -> str:
    arms = " ".join(f"WHEN {condition} THEN {value}" for condition, value in zip(a[:-1:2], a[1::2], strict=True))
    return f"CASE {arms} ELSE {a[-1]} END"


def _to_double(call: Call, a: list[str]) -> str:
    return f"(CAST({a[0]} AS DOUBLE) / {10 ** call.arguments[0].type.scale})"


def _truncated(unit: str) -> Form:
    return lambda _, a: f"CAST(date_trunc('{unit}', {a[0]}) AS DATE)"


def _add_days(call: Call, a: list[str]) -> str:
    """NULL where the sum is not of the years 1 to 9999, in which all dates are (`vault_columns.py`)."""
    days = call.arguments[1]
    if not isinstance(days, Literal) or not isinstance(days.value, int) or abs(days.value) > _MOST_DAYS:
        raise IllegalPlanError("days that are not written out")
    first, last = date.min.toordinal() - min(days.value, 0), date.max.toordinal() - max(days.value, 0)
    limits = [f"DATE '{date.fromordinal(day).isoformat()}'" for day in (first, last)]
    return f"CASE WHEN {a[0]} BETWEEN {limits[0]} AND {limits[1]} THEN CAST({a[0]} + {days.value} AS DATE) END"


_FORMS: dict[Function, Form] = {
    Function.AND: _infix("AND"),
    Function.OR: _infix("OR"),
    Function.NOT: lambda _, a: f"(NOT {a[0]})",
    Function.IS_NULL: lambda _, a: f"({a[0]} IS NULL)",
    Function.EQUAL: _infix("="),
    Function.NOT_EQUAL: _infix("<>"),
    Function.LESS: _infix("<"),
    Function.LESS_EQUAL: _infix("<="),
    Function.SAME: _infix("IS NOT DISTINCT FROM"),
    Function.IN: lambda _, a: f"({a[0]} IN ({', '.join(a[1:])}))",
    Function.LIKE: _infix("LIKE"),
    Function.ILIKE: _infix("ILIKE"),
    Function.STARTS_WITH: _function("starts_with"),
    Function.CONTAINS: _function("contains"),
    Function.CASE: _case,
    Function.COALESCE: _function("coalesce"),
    Function.NULL_IF: _function("nullif"),
    Function.ADD: _arithmetic("+"),
    Function.SUBTRACT: _arithmetic("-"),
    Function.MULTIPLY: _arithmetic("*"),
    Function.NEGATE: _unary("(-{})"),
    Function.ABSOLUTE: _unary("abs({})"),
    Function.DIVIDE: lambda _, a: f"({a[0]} / NULLIF({a[1]}, 0))",
    Function.INTEGER_DIVIDE: _divided("//"),
    Function.MODULO: _divided("%"),
    Function.LEAST: _extreme("least"),
    Function.GREATEST: _extreme("greatest"),
    Function.RESCALE: _rescale,
    Function.TO_DOUBLE: _to_double,
    Function.FROM_DOUBLE: lambda call, a: f"TRY_CAST(round({a[0]} * {10**call.type.scale}) AS BIGINT)",
    Function.TO_VARCHAR: lambda _, a: f"CAST({a[0]} AS VARCHAR)",
    Function.TO_INTEGER: lambda _, a: f"TRY_CAST({a[0]} AS BIGINT)",
    Function.LOWER: _function("lower"),
    Function.UPPER: _function("upper"),
    Function.TRIM: _function("trim"),
    Function.LENGTH: _function("length", "BIGINT"),
    Function.CONCAT: lambda _, a: f"left({' || '.join(a)}, {_TEXT_LIMIT})",
    Function.SUBSTRING: _function("substring"),
    Function.YEAR: _function("year", "BIGINT"),
    Function.QUARTER: _function("quarter", "BIGINT"),
    Function.MONTH: _function("month", "BIGINT"),
    Function.WEEK: _function("week", "BIGINT"),
    Function.DAY: _function("day", "BIGINT"),
    Function.DAY_OF_WEEK: _function("dayofweek", "BIGINT"),
    Function.ISO_DAY_OF_WEEK: _function("isodow", "BIGINT"),
    Function.DAY_OF_YEAR: _function("dayofyear", "BIGINT"),
    Function.TRUNCATE_YEAR: _truncated("year"),
    Function.TRUNCATE_QUARTER: _truncated("quarter"),
    Function.TRUNCATE_MONTH: _truncated("month"),
    Function.TRUNCATE_WEEK: _truncated("week"),
    Function.ADD_DAYS: _add_days,
    Function.DAYS_BETWEEN: lambda _, a: f"TRY(CAST(({a[0]} - {a[1]}) AS BIGINT))",
}
