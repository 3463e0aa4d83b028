"""How many rows one private row can become in a join: bounded by the statement and by public sizes.

A join in which one row meets millions takes long, or does not finish, only if that row is there. Whether a release
finishes is an answer that no noise covers, so such joins are refused before anything is charged. Between two private
tables a customer's rows meet all the others of the same customer, so there is less room for public ones.
"""

from __future__ import annotations

from collections.abc import Callable

from queries.bounds import is_unique_per_unit, joins_on_key
from queries.errors import QueryNotPrivateError
from queries.plan import Axis, Column, Derived, Grouped, Listed, Relation, Scan, TableAxis, Union
from queries.schema import Schema

ROWS_LIMITS = (1_000, 1_000, 10)  # that public tables may make of one row, by the private tables of many rows a unit


def check_fan_out(relation: Relation, schema: Schema, size_of: Callable[[Axis], int]) -> None:
    """Raise QueryNotPrivateError where one row can become too many."""
    _fan_out(relation, schema, size_of)


def _fan_out(relation: Relation, schema: Schema, size_of: Callable[[Axis], int]) -> tuple[int, int]:
    """The rows that public tables make of one private row, and the private tables with many rows a unit."""
    rows, tables = 1, 0
    for number, source in enumerate(relation.sources):
        more_rows, more_tables = 1, 0
        if isinstance(source, Listed):
            more_rows = len(source.rows)
        elif not isinstance(source, Scan):
            more_rows, more_tables = _of_subquery(source, schema, size_of)
        elif source.private:
            more_tables = int(not is_unique_per_unit(relation, number, schema))
        elif not joins_on_key(relation, number, schema):
            values = tuple(Column(0, name, type_) for name, type_ in source.columns)
            more_rows = size_of(TableAxis(Relation(source), values))
        rows, tables = rows * more_rows, tables + more_tables
    if tables >= len(ROWS_LIMITS) or rows > ROWS_LIMITS[tables]:
        raise QueryNotPrivateError(
            "wide-join",
            "One row could meet too many others in this join.",
            hint="Join public tables on their key, and each private table of many rows once.",
        )
    return rows, tables


def _of_subquery(source: Derived | Union, schema: Schema, size_of: Callable[[Axis], int]) -> tuple[int, int]:
    """Groups of a unit's rows count as one table, or none without other keys; public ones are looked up by theirs."""
    if isinstance(source, Grouped) and not source.private:
        return 1, 0
    relations = [part.relation for part in source.parts] if isinstance(source, Union) else [source.relation]
    inner = [_fan_out(each, schema, size_of) for each in relations]
    if isinstance(source, Grouped):
        return 1, int(bool(source.values))
    return max(rows for rows, _ in inner), max(tables for _, tables in inner)
