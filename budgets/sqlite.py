"""A ledger in an SQLite file: durable settings that are read back, one writer at a time by the file's own lock."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy import URL, Connection, Engine

from budgets.errors import LedgerUnavailableError

BUSY_TIMEOUT_SECONDS: Final = 30

_PATIENCE_SECONDS = 5.0
_SETTINGS: Final[Mapping[str, tuple[str, object]]] = {  # PRAGMA name -> what to ask for, and what to read back
    "busy_timeout": (str(BUSY_TIMEOUT_SECONDS * 1000), BUSY_TIMEOUT_SECONDS * 1000),
    "journal_mode": ("WAL", "wal"),
    "synchronous": ("FULL", 2),
    "fullfsync": ("ON", 1),
    "foreign_keys": ("ON", 1),
    "recursive_triggers": ("ON", 1),
    "wal_autocheckpoint": ("8000", 8000),  # pages: the same few are written by every charge, and copied once then
}


def open_sqlite(url: URL) -> Engine:
    """Returns an engine on the file, created with mode 600. Raises LedgerUnavailableError if there can be none."""
    if url.database in (None, "", ":memory:") or url.query:
        raise LedgerUnavailableError("The ledger needs an SQLite file, or PostgreSQL.")
    file = Path(str(url.database))
    file.touch(mode=0o600)
    file.chmod(0o600)
    engine = sa.create_engine(url, poolclass=sa.QueuePool, max_overflow=-1)
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
