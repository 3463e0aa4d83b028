"""The ledger's tables as lines of JSON, and back: whatever tables and columns there are."""

from __future__ import annotations

import base64
import json
import re
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from budgets.evidence.errors import ArchiveError
from budgets.ledger import canonical_json

_NOT_OF_THE_LEDGER: Final = frozenset({"alembic_version"})
_LOOKED_UP: Final = ("seq", "query_id", "account_id")
_NAME: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_BYTES: Final = "base64"


@dataclass(frozen=True, slots=True)
class TableShape:
    """A table's name and columns, and those that order its rows."""

    name: str
    columns: tuple[str, ...]
    order: tuple[str, ...]

    @property
    def file(self) -> str:
        return f"tables/{self.name}.jsonl"


def shapes(connection: Connection) -> tuple[TableShape, ...]:
    """All tables of the ledger, by name."""
    found = sa.inspect(connection)
    tables = []
    for name in sorted(set(found.get_table_names()) - _NOT_OF_THE_LEDGER):
        columns = tuple(column["name"] for column in found.get_columns(name))
        keys = tuple(found.get_pk_constraint(name)["constrained_columns"])
        tables.append(TableShape(name, columns, keys or columns))
    return tuple(tables)


def lines_of(connection: Connection, shape: TableShape) -> Iterator[str]:
    """The rows as canonical JSON, ordered by the table's key; bytes as {"base64": …}."""
    table = sa.table(shape.name, *map(sa.column, shape.columns))
    query = sa.select(table).order_by(*(table.c[name] for name in shape.order))
    for row in connection.execute(query, execution_options={"yield_per": 1_000}).mappings():
        yield canonical_json({name: _written(value) for name, value in row.items()})


def restore(database: sqlite3.Connection, shape: TableShape, lines: Iterable[str]) -> int:
    """Makes the table with the rows that the lines hold, and returns their number. Raises ArchiveError."""
    if not all(map(_NAME.fullmatch, (shape.name, *shape.columns))):
        raise ArchiveError("A table has a name that is none of a ledger's.")
    columns = ", ".join(f'"{name}"' for name in shape.columns)
    database.execute(f'CREATE TABLE "{shape.name}" ({columns})')
    places = ", ".join("?" * len(shape.columns))
    statement = f'INSERT INTO "{shape.name}" ({columns}) VALUES ({places})'  # noqa: S608 - names were checked
    try:
        counted = database.executemany(statement, (_row(line, shape) for line in lines)).rowcount
    except (ValueError, KeyError, TypeError, sqlite3.Error) as error:
        raise ArchiveError(f"A row of the table {shape.name} cannot be read.") from error
    for name in _LOOKED_UP:
        if name in shape.columns:
            database.execute(f'CREATE INDEX "{shape.name}_{name}" ON "{shape.name}" ("{name}")')
    return max(counted, 0)


def _row(line: str, shape: TableShape) -> list[object]:
    row: dict[str, Any] = json.loads(line)
    if canonical_json(row) != line or sorted(row) != sorted(shape.columns):
        raise ArchiveError(f"A row of the table {shape.name} is not as it is written.")
    return [_read(row[name]) for name in shape.columns]


def _written(value: object) -> object:
    return {_BYTES: base64.b64encode(value).decode()} if isinstance(value, bytes | memoryview) else value


def _read(value: object) -> object:
    return base64.b64decode(value[_BYTES], validate=True) if isinstance(value, dict) else value
