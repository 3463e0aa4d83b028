"""Where the keys of a grouping are known without private rows, and what they are.

A key expression has a public domain if it is computed from columns of public tables, from one column with a declared
domain or range, or takes only values written in the statement. Conditions of the statement that concern the same public
columns alone narrow the domain, because no row that fails them is counted. Everything else is left to thresholding.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from queries.aggregates import Node
from queries.function_names import Function
from queries.plan import (
    BOOLEAN,
    GROUPS_LIMIT,
    Axis,
    Call,
    Column,
    Derived,
    Expression,
    Key,
    Kind,
    Literal,
    Relation,
    SeriesAxis,
    TableAxis,
    ValuesAxis,
    columns_of,
)
from queries.policy import Scalar
from queries.schema import Fact, Schema, column_type
from queries.views import renumbered

_COMPARISONS = frozenset(
    {
        *(Function.EQUAL, Function.NOT_EQUAL, Function.LESS, Function.LESS_EQUAL, Function.IN),
        *(Function.LIKE, Function.STARTS_WITH, Function.CONTAINS),
    }
)
_NOT_STRICT = frozenset(
    {
        *(Function.AND, Function.OR, Function.IS_NULL, Function.SAME, Function.IN, Function.CASE, Function.COALESCE),
        *(Function.NULL_IF, Function.LEAST, Function.GREATEST),
    }
)
_LISTED_LIMIT = 10_000  # values of a series that are written out one by one
EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Domain:
    """A key with its axis, and which of the node's keys (by number) its expressions are."""

    key: Key
    numbers: tuple[int, ...]


def public_keys(node: Node, schema: Schema) -> tuple[Domain, ...] | None:
    """The keys with their axes in canonical order, or None if any of them needs a threshold."""
    by_source: dict[int, list[tuple[int, Expression]]] = {}
    found: list[Domain] = []
    for number, expression in enumerate(node.keys):
        target = _through_reference(expression, node.relation, schema)
        sources = {column.source for column in columns_of(target)}
        if len(sources) == 1 and not node.relation.sources[source := next(iter(sources))].private:
            by_source.setdefault(source, []).append((number, target))
            continue
        axis = _referenced(target, node, schema) or _declared(target, node, schema) or _written(target)
        if axis is None:
            return None
        found.append(Domain(Key((target,), axis), (number,)))
    for source, group in by_source.items():
        values = tuple(target for _, target in group)
        if _is_outer(source, node.relation) and not all(map(keeps_null, values)):
            return None
        found.append(Domain(Key(values, _table_axis(source, values, node)), tuple(number for number, _ in group)))
    return tuple(sorted(found, key=lambda domain: (_rank(domain.key.axis), repr(domain.key))))


def _rank(axis: Axis) -> int:
    """Series come last: a group id is then plain arithmetic in them (`emit.py`)."""
    plain = isinstance(axis, SeriesAxis) and isinstance(axis.function, Column) and not axis.where
    return 2 if plain else 1


def _through_reference(expression: Expression, relation: Relation, schema: Schema) -> Expression:
    """The public key column that an inner join makes equal to this private one, if there is one."""
    if not isinstance(expression, Column) or not relation.sources[expression.source].private:
        return expression
    for part in relation.where:
        if isinstance(part, Call) and part.function is Function.EQUAL and expression in part.arguments:
            other = next((a for a in part.arguments if a != expression), None)
            if isinstance(other, Column) and not relation.sources[other.source].private:
                fact = schema.fact(relation, other)
                if fact is not None and schema.policy.tables[fact.table].key == fact.name:
                    return other
    return expression


def _is_outer(source: int, relation: Relation) -> bool:
    """Whether the source is on the right of a left join, which leaves NULLs where it finds nothing."""
    return source > 0 and relation.joins[source - 1].left


def _table_axis(source: int, values: tuple[Expression, ...], node: Node) -> TableAxis:
    """The distinct values over one public source, under the conditions that name it alone."""
    relation = node.relation
    scan = relation.sources[source]
    outer = _is_outer(source, relation)
    parts = relation.joins[source - 1].on if outer else relation.where
    own = tuple(renumbered(part, {source: 0}) for part in parts if {c.source for c in columns_of(part)} == {source})
    return TableAxis(Relation(scan, (), own), tuple(renumbered(v, {source: 0}) for v in values), with_null=outer)


def _referenced(expression: Expression, node: Node, schema: Schema) -> TableAxis | None:
    """A private column that refers to a public table's key takes that key's values."""
    if not isinstance(expression, Column):
        return None
    fact = schema.fact(node.relation, expression)
    if fact is None or fact.declared.references is None or fact.declared.domain is not None:
        return None
    table_name, _, column_name = fact.declared.references.partition(".")
    table = schema.table(table_name)
    if table is None:
        return None
    target = table.columns[column_name]
    own = [part for part in node.relation.where if set(columns_of(part)) == {expression}]
    narrowed = tuple(_over_v(part, expression, target) for part in own)
    relation = Relation(table.relation.first, (), (*table.relation.where, *narrowed))
    with_null = schema.nullable(node.relation, expression) and not _excludes_null(narrowed)
    return TableAxis(relation, (target,), with_null=with_null)


def _declared(expression: Expression, node: Node, schema: Schema) -> Axis | None:
    """A function of one column with a declared domain or range takes that function's values."""
    columns = set(columns_of(expression))
    if len(columns) != 1:
        return None
    column = next(iter(columns))
    inner, relation = _unfolded(column, node.relation)
    base = next(iter(columns_of(inner)), None)
    if base is None or set(columns_of(inner)) != {base}:
        return None
    fact = schema.fact(relation, base)
    if fact is None:
        return None
    variable = Column(0, "v", base.type)
    value = _over_v(inner, base, variable)
    own = tuple(_over_v(part, column, value) for part in node.relation.where if set(columns_of(part)) == {column})
    if relation is not node.relation:
        own += tuple(_over_v(part, base, variable) for part in relation.where if set(columns_of(part)) == {base})
    with_null = schema.nullable(relation, base) and not _excludes_null(own)
    if with_null and relation is not node.relation:
        return None
    return _axis(fact, variable, _over_v(expression, column, value), own, with_null=with_null)


def _unfolded(column: Column, relation: Relation) -> tuple[Expression, Relation]:
    """What a subquery computes as this column, where rows have a month: a key such as that is mostly made inside.

    Elsewhere, and where a left join may find nothing, the column itself.
    """
    source = relation.sources[column.source]
    if relation.span <= 1 or not isinstance(source, Derived) or _is_outer(column.source, relation):
        return column, relation
    if not column.name.startswith("c") or isinstance(value := source.values[int(column.name[1:])], Literal):
        return column, relation
    return _unfolded(value, source.relation) if isinstance(value, Column) else (value, source.relation)


def _axis(
    fact: Fact, variable: Column, function: Expression, where: tuple[Expression, ...], *, with_null: bool
) -> Axis | None:
    if fact.declared.domain is not None or variable.type == BOOLEAN:
        values = fact.declared.domain or (False, True)
        return _listed([_literal(value, fact) for value in values], function, where, with_null=with_null)
    bounds = _bounds(fact)
    if bounds is None or variable.type.kind is Kind.DECIMAL:
        return None
    start, stop, rest = _narrowed(*bounds, variable, where)
    if not 0 <= stop - start < GROUPS_LIMIT:
        return None
    if not with_null or keeps_null(function):
        return SeriesAxis(start, stop, function, rest, with_null=with_null)
    if stop - start >= _LISTED_LIMIT:
        return None
    members = [_member(number, variable) for number in range(start, stop + 1)]
    return _listed(members, function, where, with_null=True)


def _listed(
    values: list[Literal], function: Expression, where: tuple[Expression, ...], *, with_null: bool
) -> ValuesAxis:
    """The axis of these values; NULL is one of them where the function makes something else of it."""
    if not with_null or keeps_null(function):
        return ValuesAxis(tuple(values), function, where, with_null=with_null)
    return ValuesAxis((*values, Literal(None, values[0].type)), function, where)


def keeps_null(function: Expression) -> bool:
    """Whether the function of a column is NULL where the column is; False where that is not plain to see."""
    if not isinstance(function, Call):
        return isinstance(function, Column)
    return function.function not in _NOT_STRICT and any(keeps_null(argument) for argument in function.arguments)


def _member(number: int, variable: Column) -> Literal:
    value = date.fromordinal(EPOCH + number).isoformat() if variable.type.kind is Kind.DATE else number
    return Literal(value, variable.type)


def _written(expression: Expression) -> ValuesAxis | None:
    """A condition, a constant, or a CASE whose values are all written in the statement."""
    variable = Column(0, "v", expression.type)
    if expression.type == BOOLEAN:
        literals = tuple(Literal(value, BOOLEAN) for value in (False, True))
        return ValuesAxis(literals, variable, with_null=True)
    if isinstance(expression, Literal):
        return ValuesAxis((expression,), variable)
    if isinstance(expression, Call) and expression.function is Function.CASE:
        values = [*expression.arguments[1::2], expression.arguments[-1]]
        if all(isinstance(value, Literal) for value in values):
            given = dict.fromkeys(v for v in values if isinstance(v, Literal) and v.value is not None)
            if given:
                return ValuesAxis(tuple(given), variable, with_null=len(given) < len(set(values)))
    return None


def _bounds(fact: Fact) -> tuple[int, int] | None:
    if fact.declared.range is None:
        return None
    low, high = fact.declared.range
    if isinstance(low, date) and isinstance(high, date):
        return low.toordinal() - EPOCH, high.toordinal() - EPOCH
    return fact.declared.stored_range


def _narrowed(
    start: int, stop: int, variable: Column, where: tuple[Expression, ...]
) -> tuple[int, int, tuple[Expression, ...]]:
    """The range under comparisons of the column itself with constants, and the conditions that are left."""
    rest = []
    for part in where:
        limits = _limits(part, variable)
        if limits is None:
            rest.append(part)
        else:
            start = max(start, limits[0]) if limits[0] is not None else start
            stop = min(stop, limits[1]) if limits[1] is not None else stop
    return start, max(start, stop), tuple(rest) if start <= stop else where


def _limits(part: Expression, variable: Column) -> tuple[int | None, int | None] | None:
    if not isinstance(part, Call) or len(part.arguments) != 2 or variable not in part.arguments:  # noqa: PLR2004
        return None
    left, right = part.arguments
    constant = _ordinal(right if left == variable else left)
    if constant is None:
        return None
    strict = int(part.function is Function.LESS)
    if part.function is Function.EQUAL:
        return constant, constant
    if part.function in (Function.LESS, Function.LESS_EQUAL):
        return (None, constant - strict) if left == variable else (constant + strict, None)
    return None


def _ordinal(value: Expression) -> int | None:
    if not isinstance(value, Literal) or isinstance(value.value, bool):
        return None
    if value.type.kind is Kind.DATE and isinstance(value.value, str):
        return date.fromisoformat(value.value).toordinal() - EPOCH
    return value.value if isinstance(value.value, int) else None


def _excludes_null(where: tuple[Expression, ...]) -> bool:
    """Whether some condition is the column itself or a comparison of it, or NOT of one: no NULL passes."""
    plain = [part.arguments[0] if isinstance(part, Call) and part.function is Function.NOT else part for part in where]
    return any(
        isinstance(part, Column)
        or (
            isinstance(part, Call)
            and part.function in _COMPARISONS
            and any(isinstance(a, Column) for a in part.arguments)
        )
        for part in plain
    )


def _over_v(expression: Expression, column: Column, variable: Expression) -> Expression:
    if expression == column:
        return variable
    if isinstance(expression, Call):
        arguments = tuple(_over_v(argument, column, variable) for argument in expression.arguments)
        return Call(expression.function, arguments, expression.type)
    return expression


def _literal(value: Scalar, fact: Fact) -> Literal:
    type_ = column_type(fact.declared)
    if isinstance(value, bool | str):
        return Literal(value, type_)
    if isinstance(value, date):
        return Literal(value.isoformat(), type_)
    return Literal(fact.declared.stored(value), type_)
