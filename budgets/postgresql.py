"""A ledger in PostgreSQL, for several service processes: refused where a commit might be lost, one writer at a time.

Writers take one advisory lock first, which their transaction holds until it ends. Each statement of theirs then sees
all that was committed before (READ COMMITTED), so what is checked still holds at commit; no row lock is forgotten, and
the chain of entries has one end. Readers have one view for all they read (REPEATABLE READ, READ ONLY).
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import URL, Connection, Engine

from budgets.errors import LedgerUnavailableError

_DURABLE: Final = {"fsync": ("on",), "full_page_writes": ("on",), "synchronous_commit": ("on", "remote_apply")}
_LOCK: Final = 0x6B766974746F  # "kvitto"
_SETTINGS: Final = {
    "lock_timeout": "30s",
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "60s",
    "search_path": "kvitto",
}
_OPTIONS: Final = " ".join(f"-c {name}={value}" for name, value in _SETTINGS.items())


def open_postgresql(url: URL) -> Engine:
    """Returns an engine on the schema `kvitto` of the database.

    Raises LedgerUnavailableError if the server may lose what it says it committed.
    """
    if url.drivername not in ("postgresql", "postgresql+psycopg"):
        raise LedgerUnavailableError("PostgreSQL is reached by psycopg: postgresql+psycopg://…")
    engine = sa.create_engine(
        url.set(drivername="postgresql+psycopg"),
        connect_args={"options": _OPTIONS, "connect_timeout": 10, "application_name": "kvitto"},
        isolation_level="AUTOCOMMIT",  # transactions are begun by `_begin`
        pool_size=8,
        max_overflow=24,
        pool_pre_ping=True,
    )
    sa.event.listen(engine, "connect", _require_durable)
    sa.event.listen(engine, "begin", _begin)
    return engine


def _require_durable(connection: Any, _: object) -> None:  # noqa: ANN401  # psycopg's own, whose driver is optional
    with connection.cursor() as cursor:
        for name, allowed in _DURABLE.items():
            (value,) = cursor.execute(f"SHOW {name}").fetchone()
            if value not in allowed:
                raise LedgerUnavailableError(f"PostgreSQL runs with {name} = {value}: a commit could be lost.")
        cursor.execute("CREATE SCHEMA IF NOT EXISTS kvitto")


def _begin(connection: Connection) -> None:
    """Starts a view of the database, or becomes the one writer."""
    if connection.get_execution_options().get("kvitto_writes", False):
        connection.exec_driver_sql("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
    else:
        connection.exec_driver_sql("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
