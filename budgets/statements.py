"""Statements run as the driver takes them: compiled once, without the work that SQLAlchemy does around each.

A charge is some thirty small statements in three transactions. With SQLite, which answers in the same process, nine
tenths of their time would be the way there. Over a network that share is small, and SQLAlchemy's care of lost
connections is wanted: other databases keep its way.
"""

from __future__ import annotations

import sqlite3
from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
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
            self._driver.executemany(_compiled(statement, tuple(parameters[0])).text, parameters)
            return _Fetched()
        given = parameters or {}
        ready = _compiled(statement, tuple(given))
        if ready.lists:
            ready = _compiled(statement, tuple(given), tuple(len(given[name]) for name in ready.lists))
            given = _spread(given)
        cursor = self._driver.execute(ready.text, {**ready.constants, **given} if ready.constants else given)
        if cursor.description is None:
            return _Fetched()
        return _Fetched(map(_row_type(tuple([column[0] for column in cursor.description])), cursor))


@dataclass(frozen=True, slots=True)
class _Compiled:
    """The text, the values of its own, such as a LIMIT, and which of its parameters are lists."""

    text: str
    constants: Mapping[str, object]
    lists: tuple[str, ...]


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
def _compiled(statement: Any, names: tuple[str, ...], sizes: tuple[int, ...] = ()) -> _Compiled:  # noqa: ANN401  # as in `Connection`
    """Returns the statement for parameters of these names, whose lists are of these sizes."""
    compiled = statement.compile(dialect=_NAMED, column_keys=list(names))
    lists = tuple(name for name in names if name in compiled.binds and compiled.binds[name].expanding)
    given: dict[str, object] = dict.fromkeys(names, 0)
    given |= {name: [0] * size for name, size in zip(lists, sizes or (1,) * len(lists), strict=True)}
    state = compiled.construct_expanded_state(given)
    spread = _spread(given)
    return _Compiled(state.statement, {k: v for k, v in state.parameters.items() if k not in spread}, lists)


@lru_cache(maxsize=256)
def _row_type(columns: tuple[str, ...]) -> Callable[[Sequence[object]], Any]:
    kind: Any = namedtuple("Row", columns)  # type: ignore[misc]  # noqa: PYI024  # the names are data
    make: Callable[[Sequence[object]], Any] = kind._make
    return make
