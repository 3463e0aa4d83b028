"""The database under the ledger: opened so that a commit is durable, with its schema up to date.

What SQLite and PostgreSQL need differs, and stands in a module of each: one writer at a time, commits that survive a
power cut, and a refusal to start without either.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from budgets.errors import LedgerUnavailableError
from budgets.postgresql import open_postgresql
from budgets.sqlite import open_sqlite

SCHEMA_VERSION: Final = "0002"
WRITES: Final[Mapping[str, bool]] = {"kvitto_writes": True}  # execution option of a connection that will write


def open_database(url: str) -> Engine:
    """Returns an engine on the database at `url`, upgraded if need be.

    Raises LedgerUnavailableError if it cannot be made durable, or was written by a newer version.
    """
    with failing_closed(), ExitStack() as undo:
        parsed = sa.make_url(url)
        engine = open_postgresql(parsed) if parsed.get_backend_name() == "postgresql" else open_sqlite(parsed)
        undo.callback(engine.dispose)
        _bring_schema_up_to_date(engine)
        undo.pop_all()
    return engine


@contextmanager
def failing_closed() -> Iterator[None]:
    """Turns every failure of the database or of its files into LedgerUnavailableError."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error, OSError, UnicodeError) as error:  # a damaged file's errors may be no text
        raise LedgerUnavailableError("The ledger cannot be read or written.") from error


def _bring_schema_up_to_date(engine: Engine) -> None:
    with engine.begin() as connection:
        version = _schema_version(connection)
    if version is not None and version > SCHEMA_VERSION:
        raise LedgerUnavailableError("The ledger was written by a newer version of this program.")
    if version != SCHEMA_VERSION:
        from budgets.migrations import upgrade  # noqa: PLC0415 - importing Alembic takes longer than opening a ledger

        with engine.execution_options(**WRITES).begin() as connection:
            upgrade(connection)


def _schema_version(connection: Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    version = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one_or_none()
    return None if version is None else str(version)
