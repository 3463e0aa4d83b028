"""The declared tables as plan nodes, and the declared facts about a plan's columns. Public: from the policy alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from queries.function_names import Function
from queries.plan import (
    BOOLEAN,
    DATE,
    INTEGER,
    VARCHAR,
    Call,
    Column,
    Dated,
    Derived,
    Expression,
    Listed,
    Literal,
    Relation,
    Scan,
    Type,
    Union,
)
from queries.policy import Column as DeclaredColumn
from queries.policy import Policy
from queries.scalars import exact_type

_TYPES: dict[str, Type] = {"integer": INTEGER, "string": VARCHAR, "date": DATE, "boolean": BOOLEAN}


@dataclass(frozen=True, slots=True)
class Fact:
    """What the policy declares of one column: its table, its name there, and the declaration."""

    table: str
    name: str
    declared: DeclaredColumn

    @property
    def path(self) -> str:
        return f"{self.table}.{self.name}"


@dataclass(frozen=True, slots=True)
class BaseTable:
    """A declared table as a relation, with the expression of each visible column; sensitive lines are dealt with."""

    relation: Relation
    columns: dict[str, Expression]
    unit_column: str | None


class Schema:
    """A policy's tables, seen for one purpose; `as_of` is the day of the load, after whose month no rows are read."""

    def __init__(self, policy: Policy, purpose: str | None = None, as_of: date | None = None) -> None:
        self.policy = policy
        self._purpose = purpose
        self._as_of = as_of
        self._sensitive = policy.sensitive_view(purpose)

    @property
    def without_bounds(self) -> Schema:
        """The same tables under a policy that declares no contribution bounds."""
        return Schema(self.policy.model_copy(update={"bounds": ()}), self._purpose, self._as_of)

    @property
    def unit_column(self) -> str:
        """What the statement calls the unit: the unit column of the first private table."""
        return next(str(table.unit_column) for table in self.policy.tables.values() if table.is_private)

    @property
    def day_column(self) -> str:
        """What the statement calls the day whose month is a block: the column of the first dated table."""
        blocks = self.policy.blocks
        return "day" if blocks is None else next(iter(blocks.columns.values()))

    def table(self, name: str) -> BaseTable | None:
        """The table of that name, or None; names are compared in lower case, as DuckDB does."""
        declared = self.policy.tables.get(name)
        if declared is None:
            return None
        types = {column: column_type(entry) for column, entry in declared.visible_columns().items()}
        reference = self.policy.sensitive_reference(name) if declared.is_private else None
        hidden: dict[str, Type] = {}
        if reference is not None:
            hidden = {reference.mark: INTEGER, reference.original: types[reference.column]}
        scan = self._scan(name, declared.is_private, tuple((types | hidden).items()))
        columns: dict[str, Expression] = {column: Column(0, column, type_) for column, type_ in types.items()}
        where: tuple[Expression, ...] = ()
        if reference is not None:
            mark = Column(0, reference.mark, INTEGER)
            if self._sensitive.restored:
                original = Column(0, reference.original, types[reference.column])
                shown = columns[reference.column]
                restored = Call(Function.CASE, (_any(mark, self._sensitive.restored), original, shown), shown.type)
                columns[reference.column] = restored
            if self._sensitive.denied:
                unmarked = Call(Function.IS_NULL, (mark,), BOOLEAN)
                kept = Call(Function.NOT, (_any(mark, self._sensitive.denied),), BOOLEAN)
                where = (Call(Function.OR, (unmarked, kept), BOOLEAN),)
        return BaseTable(Relation(scan, (), where), columns, declared.unit_column if declared.is_private else None)

    def _scan(self, name: str, private: bool, columns: tuple[tuple[str, Type], ...]) -> Scan:  # noqa: FBT001
        """The table itself: a dated one with the months that a load can have filled.

        A statement's conditions leave some of them (`months.py`). Months to come are not paid for before they are here.
        """
        calendar, day = self.policy.calendar, self.policy.day_of(name)
        if calendar is None or day is None:
            return Scan(name, private, columns)
        first, last = 0, calendar.count - 1
        if self._as_of is not None:
            last, retention = calendar.number(self._as_of), self.policy.retention
            if retention.column == f"{name}.{day}":
                first = min(last, calendar.number(self._as_of - timedelta(days=retention.days)))
        return Dated(name, private, columns, calendar.count, first, last)

    def most_units(self, relation: Relation) -> int:
        """More units than the relation will ever have: accounts, or an account's months."""
        return self.policy.max_units * max(1, relation.span)

    def fact(self, relation: Relation, column: Column) -> Fact | None:
        """What is declared of a column of the relation, seen through subqueries that pass it on unchanged."""
        source = relation.sources[column.source]
        if isinstance(source, Scan):
            declared = self.policy.tables[source.table].columns.get(column.name)
            return Fact(source.table, column.name, declared) if declared is not None else None
        if isinstance(source, Union):
            facts = {self.fact(Relation(part), column) for part in source.parts}
            return facts.pop() if len(facts) == 1 else None
        if isinstance(source, Listed):
            return None
        inner = source.values[int(column.name[1:])] if column.name.startswith("c") else None
        return self.fact(source.relation, inner) if isinstance(inner, Column) else None

    def nullable(self, relation: Relation, column: Column) -> bool:
        """Whether the column may be NULL: as declared, or because a left join may find nothing, here or further in."""
        if column.source > 0 and relation.joins[column.source - 1].left:
            return True
        source = relation.sources[column.source]
        if isinstance(source, Union):
            return any(self.nullable(Relation(part), column) for part in source.parts)
        if isinstance(source, Derived):
            inner = source.values[int(column.name[1:])] if column.name.startswith("c") else None
            return not isinstance(inner, Column) or self.nullable(source.relation, inner)
        fact = self.fact(relation, column)
        return fact is None or fact.declared.nullable


def column_type(declared: DeclaredColumn) -> Type:
    """The plan's type of a declared column."""
    return exact_type(declared.scale) if declared.type == "decimal" else _TYPES[declared.type]


def _any(mark: Column, numbers: tuple[int, ...]) -> Expression:
    return Call(Function.IN, (mark, *(Literal(number, INTEGER) for number in numbers)), BOOLEAN)
