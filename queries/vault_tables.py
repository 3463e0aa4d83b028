"""How private tables are stored: the rows of a unit together, in the order of all columns, checked and partitioned."""

from __future__ import annotations

import duckdb
import numpy as np

from queries.errors import LoadError
from queries.policy import Policy, Table
from queries.sql_text import identifier, qualified
from queries.vault_columns import storage_type

PARTITION_ROWS = 2_000_000


def number_of(policy: Policy, table: str) -> str:
    """The number that a row `kept` carries: its account's, or with blocks account · months + month, if it is dated.

    The month of the day as it is stored: not NULL, and within its declared range.
    """
    day, calendar = policy.day_of(table), policy.calendar
    if day is None or calendar is None:
        return "unit_numbers._u"
    stored = f"kept.{identifier(day)}"
    month = f"year({stored}) * 12 + month({stored}) - 1 - {calendar.first}"
    return f"CAST(unit_numbers._u * {calendar.count} + {month} AS INTEGER)"


def span_of(policy: Policy, table: str) -> int:
    """How many numbers of the table's rows are one account's."""
    calendar = policy.calendar
    return 1 if policy.day_of(table) is None or calendar is None else calendar.count


def store_table(connection: duckdb.DuckDBPyConnection, name: str, table: Table, rows: str, span: int) -> None:
    """Creates `vault.<name>` of `rows`, a SELECT of `_u` and the stored columns; raises LoadError if they are unfit.

    `span` is how many numbers an account has.
    """
    _cluster(connection, name, rows, span)
    _check_order(connection, name)
    _check_unique(connection, name, table)


def store_units(connection: duckdb.DuckDBPyConnection) -> None:
    """Creates `vault._units` of the temporary table `unit_numbers`."""
    connection.execute("CREATE TABLE vault._units AS SELECT _u, pseudonym FROM unit_numbers ORDER BY _u")


def store_partitions(connection: duckdb.DuckDBPyConnection, policy: Policy) -> None:
    """`vault._partitions(lo, hi)`: ranges of accounts, all of them, of about two million rows of the largest table."""
    names = policy.private_tables()
    counts = {name: _scalar(connection, f"SELECT count(*) FROM {qualified('vault', name)}") for name in names}
    largest = max(counts, key=lambda name: (counts[name], name))
    connection.execute("CREATE TABLE vault._partitions(lo INTEGER, hi INTEGER)")
    for low, high in _unit_ranges(connection, qualified("vault", largest), span_of(policy, largest)):
        connection.execute("INSERT INTO vault._partitions VALUES (?, ?)", [low, high])


def reference_types(policy: Policy, table: Table) -> dict[str, str]:
    """References are stored as the keys that they refer to, so that joins compare like with like."""
    keys = {name: policy.column(column.references) for name, column in table.columns.items() if column.references}
    return {name: storage_type(key) for name, key in keys.items() if key is not None}


def _cluster(connection: duckdb.DuckDBPyConnection, name: str, rows: str, span: int) -> None:
    """Creates `vault.<name>`: the rows in the order of all their columns, the unit first.

    The rows are first written as they come, then sorted by ranges of units that fit in memory: three times as fast as
    one sort that spills.
    """
    unsorted, target = qualified("scratch", name), qualified("vault", name)
    connection.execute("SET preserve_insertion_order = false")
    connection.execute(f"CREATE TABLE {unsorted} AS {rows}")
    connection.execute("SET preserve_insertion_order = true")
    connection.execute(f"CREATE TABLE {target} AS SELECT * FROM {unsorted} WHERE FALSE")
    connection.execute(f"ALTER TABLE {target} ALTER COLUMN _u SET NOT NULL")
    for low, high in _unit_ranges(connection, unsorted, span):
        within = f"_u >= {low * span} AND _u < {high * span}"
        connection.execute(f"INSERT INTO {target} SELECT * FROM {unsorted} WHERE {within} ORDER BY ALL")
    connection.execute(f"DROP TABLE {unsorted}")


def _check_order(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """The stored rows stand in the order of their units: checked, because the engine relies on it."""
    last = -1
    for batch in connection.execute(f"SELECT _u FROM {qualified('vault', name)}").to_arrow_reader(1_000_000):
        units = batch.column(0).to_numpy()
        if len(units) and (units[0] < last or bool(np.any(units[1:] < units[:-1]))):
            raise LoadError(f"{name} was not stored in the order of its units")
        last = int(units[-1]) if len(units) else last


def _check_unique(connection: duckdb.DuckDBPyConnection, name: str, table: Table) -> None:
    if not table.unique_per_unit:
        return
    row = connection.execute(f"SELECT count(*) = count(DISTINCT _u) FROM {qualified('vault', name)}").fetchone()
    if row is None or not row[0]:
        raise LoadError(f"{name} is declared unique per unit and a unit has two rows")


def _unit_ranges(connection: duckdb.DuckDBPyConnection, rows: str, span: int) -> list[tuple[int, int]]:
    """Half-open ranges of accounts that cover all in order, of about PARTITION_ROWS of these rows each."""
    starts = connection.execute(f"""
        WITH per_unit AS (
            SELECT _units._u, coalesce(held.lines, 0) AS lines FROM vault._units
            LEFT JOIN (SELECT _u // {span} AS _u, count(*) AS lines FROM {rows} GROUP BY ALL) AS held
            ON held._u = _units._u
        ), placed AS (
            SELECT _u, (sum(lines) OVER (ORDER BY _u) - lines) // {PARTITION_ROWS} AS part FROM per_unit
        )
        SELECT min(_u) FROM placed GROUP BY part ORDER BY ALL
    """).fetchall()
    lows = [int(row[0]) for row in starts]
    return list(zip(lows, [*lows[1:], _scalar(connection, "SELECT count(*) FROM vault._units")], strict=False))


def _scalar(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0
