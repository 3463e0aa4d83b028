"""Statements run as the driver takes them: compiled once, without the work that SQLAlchemy does around each.

A charge is some thirty small statements in three transactions. With SQLite, which answers in the same process, nine
tenths of their time would be the way there. Over a network that share is small, and SQLAlchemy's care of lost
connections is wanted: other databases keep its way.
"""

from __future__ import annotations

import sqlite3
from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Protocol

import sqlalchemy as sa
from sqlalchemy import Row
from sqlalchemy.dialects import sqlite

_NAMED: Final = sqlite.dialect(paramstyle="named")


class Rows(Protocol):
    """What a statement gave: rows whose columns have names."""

    def __iter__(self) -> Iterator[Any]: ...

    def all(self) -> Sequence[Any]: ...

    def one_or_none(self) -> Row[*tuple[Any, ...]] | None: ...


class Connection(Protocol):
    """What can run a statement of constant text; SQLAlchemy's own connections can."""

    def execute(self, statement: sa.Executable, parameters: Any = None, /) -> Rows: ...  # noqa: ANN401  # names to values


def direct(connection: sa.Connection) -> Connection:
    """Returns the shortest way to the same transaction. Its statements must be constants: each is kept compiled."""
    driver = connection.connection.driver_connection
    return _Direct(driver) if isinstance(driver, sqlite3.Connection) else connection


class _Fetched(list[Any]):
    """All rows of a statement, read at once."""

    def all(self) -> Sequence[Any]:
        return self

    def one_or_none(self) -> Row[*tuple[Any, ...]] | None:
        if len(self) > 1:
            raise sqlite3.ProgrammingError("A statement for one row gave several.")
        row: Row[*tuple[Any, ...]] | None = (
            self[0] if self else None
        )  # it has columns by name and by place, as theirs have
        return row


class _Direct:
    """SQLite's own connection, which runs compiled statements."""

    def __init__(self, driver: sqlite3.Connection) -> None:
        self._driver = driver

    def execute(self, statement: sa.Executable, parameters: Any = None, /) -> Rows:  # noqa: ANN401  # as in `Connection`
        if isinstance(parameters, Sequence):
            text, _ = _compiled(statement, _shape(parameters[0]))
            self._driver.executemany(text, parameters)
            return _Fetched()
        given = parameters or {}
        text, constants = _compiled(statement, _shape(given))
        cursor = self._driver.execute(text, {**constants, **_spread(given)})
        if cursor.description is None:
            return _Fetched()
        return _Fetched(map(_row_type(tuple(column[0] for column in cursor.description)), cursor))


def _shape(parameters: Mapping[str, object]) -> tuple[tuple[str, int | None], ...]:
    """The names, and how many values are in a list: that is all of the parameters that the text depends on."""
    return tuple((name, len(value) if isinstance(value, list) else None) for name, value in parameters.items())


def _spread(parameters: Mapping[str, object]) -> dict[str, object]:
    """The parameters with one for each value of a list, called as the compiled text calls them."""
    spread: dict[str, object] = {}
    for name, value in parameters.items():
        if isinstance(value, list):
            spread |= {f"{name}_{number}": each for number, each in enumerate(value, 1)}
        else:
            spread[name] = value
    return spread


@lru_cache(maxsize=256)
def _compiled(statement: Any, shape: tuple[tuple[str, int | None], ...]) -> tuple[str, Mapping[str, object]]:  # noqa: ANN401  # as in `Connection`
    """Returns the text, and the values of its own, such as a LIMIT."""
    given = {name: 0 if size is None else [0] * size for name, size in shape}
    state = statement.compile(dialect=_NAMED, column_keys=list(given)).construct_expanded_state(given)
    names = _spread(given)
    return state.statement, {name: value for name, value in state.parameters.items() if name not in names}


@lru_cache(maxsize=256)
def _row_type(columns: tuple[str, ...]) -> Callable[[Sequence[object]], Any]:
    kind: Any = namedtuple("Row", columns)  # type: ignore[misc]  # noqa: PYI024  # the names are data
    make: Callable[[Sequence[object]], Any] = kind._make
    return make
