"""The database under the ledger: opened so that a commit is durable, with its schema up to date.

The only place that knows SQLite. Another database needs here: one writer at a time, commits that survive a power cut,
and a refusal to start without either.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from budgets.errors import LedgerUnavailableError

SCHEMA_VERSION: Final = "0001"
BUSY_TIMEOUT_SECONDS: Final = 30
WRITES: Final[Mapping[str, bool]] = {"kvitto_writes": True}  # execution option of a connection that will write

_PATIENCE_SECONDS = 5.0
_SETTINGS: Final[Mapping[str, tuple[str, object]]] = {  # PRAGMA name -> what to ask for, and what to read back
    "busy_timeout": (str(BUSY_TIMEOUT_SECONDS * 1000), BUSY_TIMEOUT_SECONDS * 1000),
    "journal_mode": ("WAL", "wal"),
    "synchronous": ("FULL", 2),
    "fullfsync": ("ON", 1),
    "foreign_keys": ("ON", 1),
    "recursive_triggers": ("ON", 1),
}


def open_database(url: str) -> Engine:
    """Returns an engine on the file at `url`, created with mode 600 and upgraded if need be.

    Raises LedgerUnavailableError if it cannot be made durable, or was written by a newer version.
    """
    with failing_closed(), ExitStack() as undo:
        engine = durable_engine(url)
        undo.callback(engine.dispose)
        _bring_schema_up_to_date(engine)
        undo.pop_all()
    return engine


@contextmanager
def failing_closed() -> Iterator[None]:
    """Turns every failure of the database or of its files into LedgerUnavailableError."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        raise LedgerUnavailableError("The ledger cannot be read or written.") from error


def durable_engine(url: str) -> Engine:
    """An engine on the SQLite file at `url`, made with mode 600 if absent; what it commits survives a power cut."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() != "sqlite" or parsed.database in (None, "", ":memory:") or parsed.query:
        raise LedgerUnavailableError("The ledger needs an SQLite file.")
    file = Path(str(parsed.database))
    file.touch(mode=0o600)
    file.chmod(0o600)
    engine = sa.create_engine(parsed, poolclass=sa.QueuePool, max_overflow=-1)
    sa.event.listen(engine, "connect", _make_durable)
    sa.event.listen(engine, "begin", _begin)
    return engine


def _make_durable(connection: sqlite3.Connection, _: object) -> None:
    """Raises LedgerUnavailableError if SQLite does not take a setting: an in-memory database has no WAL, for one."""
    connection.isolation_level = None  # transactions are begun by `_begin`, not by the driver
    for name, (wanted, expected) in _SETTINGS.items():
        _patiently(connection, f"PRAGMA {name} = {wanted}")
        if connection.execute(f"PRAGMA {name}").fetchone() != (expected,):
            raise LedgerUnavailableError(f"SQLite does not run with {name} = {wanted}.")


def _patiently(connection: sqlite3.Connection, statement: str) -> None:
    """Execute it, again if need be: who makes a new file a WAL one waits for nobody, whatever the busy timeout says."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            connection.execute(statement)
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(_PATIENCE_SECONDS / 100)


def _begin(connection: Connection) -> None:
    """Starts a view of the database, or takes the write lock at once, so that what is checked still holds at commit."""
    writes = connection.get_execution_options().get("kvitto_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


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
