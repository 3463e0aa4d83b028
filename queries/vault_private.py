"""Writes the private tables of a snapshot: pseudonymised, bounded, clustered by unit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date

import duckdb
import numpy as np
import pyarrow as pa

from queries.errors import LoadError
from queries.policy import Policy, Table
from queries.source_files import Source
from queries.sql_text import identifier, qualified
from queries.vault_columns import storage_type
from queries.vault_keys import SecretKeys
from queries.vault_public import converted_rows, create_enums, key_stays_clear

PARTITION_ROWS = 2_000_000
_BATCH_ROWS = 100_000


@dataclass(frozen=True, slots=True)
class PrivateLoad:
    """What decides which rows enter, and under which pseudonyms."""

    keys: SecretKeys = field(repr=False)
    kept_from: date
    opt_outs: Mapping[bytes, str] = field(repr=False)  # pseudonym -> 'all' | 'line_items'


def load_private_tables(
    connection: duckdb.DuckDBPyConnection,
    policy: Policy,
    sources: Mapping[str, Source],
    load: PrivateLoad,
    tell: Callable[[str, float], None],
) -> None:
    """Creates `vault.<table>` for each private table, `vault._units` and `vault._partitions`.

    A unit is whoever has a row that enters. Tables that are not unique per unit are the line items. Where the policy
    declares blocks, rows of dated tables carry the number of their unit and month together (`_number`).
    """
    tables = policy.private_tables()
    tell("units", 0.05)
    _collect_units(connection, policy, sources, load)
    _number_units(connection, load)
    for done, (name, table) in enumerate(tables.items()):
        tell(name, 0.2 + 0.7 * done / len(tables))
        _load_table(connection, policy, name, table, sources[name], load)
        _check_order(connection, name)
        _check_unique(connection, name, table)
    tell("partitions", 0.92)
    _partition(connection, {name: _span(policy, name) for name in tables})


def _kept(policy: Policy, name: str, load: PrivateLoad) -> str:
    """The condition of retention on the rows of a table."""
    table, _, column = policy.retention.column.partition(".")
    day = identifier(column)
    return f"({day} IS NULL OR {day} >= DATE '{load.kept_from.isoformat()}')" if table == name else "TRUE"


def _collect_units(
    connection: duckdb.DuckDBPyConnection, policy: Policy, sources: Mapping[str, Source], load: PrivateLoad
) -> None:
    """`unit_values(value, in_profile)`: every unit that has a row, and whether one of them is no line item."""
    parts = []
    for name, table in policy.private_tables().items():
        unit = table.unit_column or ""
        retained = {unit, policy.retention.column.partition(".")[2]} if _kept(policy, name, load) != "TRUE" else {unit}
        columns = {n: column for n, column in table.columns.items() if n in retained}
        rows = converted_rows(
            name, table.model_copy(update={"columns": columns}), sources[name], {}, _kept(policy, name, load)
        )
        parts.append(
            f"SELECT DISTINCT {identifier(unit)} AS value, {table.unique_per_unit} AS in_profile FROM ({rows})"
        )
    connection.execute(f"""
        CREATE TABLE unit_values AS
        SELECT value, bool_or(in_profile) AS in_profile FROM ({" UNION ALL ".join(parts)}) GROUP BY value
    """)


def _number_units(connection: duckdb.DuckDBPyConnection, load: PrivateLoad) -> None:
    """`unit_numbers(value, _u, has_lines)`: dense numbers in the order of the pseudonyms; and `vault._units`."""
    connection.execute("CREATE TABLE pseudonyms(value VARCHAR, pseudonym BLOB, level VARCHAR)")
    reader = (
        connection.cursor()
        .execute("SELECT CAST(value AS VARCHAR) AS value FROM unit_values")
        .to_arrow_reader(_BATCH_ROWS)
    )
    for batch in reader:
        values = batch.column(0).to_pylist()
        made = [load.keys.pseudonym(value) for value in values]
        levels = [load.opt_outs.get(pseudonym) for pseudonym in made]
        rows = pa.table(
            {"value": values, "pseudonym": pa.array(made, pa.binary()), "level": pa.array(levels, pa.string())}
        )
        connection.register("pseudonym_batch", rows)
        connection.execute("INSERT INTO pseudonyms SELECT * FROM pseudonym_batch")
        connection.unregister("pseudonym_batch")
    connection.execute("""
        CREATE TABLE unit_numbers AS
        SELECT unit_values.value, pseudonym, level IS DISTINCT FROM 'line_items' AS has_lines,
               CAST(row_number() OVER (ORDER BY pseudonym) - 1 AS INTEGER) AS _u
        FROM unit_values JOIN pseudonyms ON CAST(unit_values.value AS VARCHAR) = pseudonyms.value
        WHERE level IS NULL OR (level = 'line_items' AND in_profile)
    """)
    connection.execute("CREATE TABLE vault._units AS SELECT _u, pseudonym FROM unit_numbers ORDER BY _u")
    connection.execute("DROP TABLE pseudonyms")


def _load_table(  # one call, private to this file
    connection: duckdb.DuckDBPyConnection, policy: Policy, name: str, table: Table, source: Source, load: PrivateLoad
) -> None:
    enums = create_enums(connection, "vault", name, table)
    types = enums | _reference_types(policy, table)
    rows = converted_rows(name, table, source, types, _kept(policy, name, load))
    columns = list(table.visible_columns())
    shown = {column: f"kept.{identifier(column)}" for column in columns}
    guarded, join, hidden = policy.sensitive_reference(name), "", ""
    if guarded is not None:
        reference = f"kept.{identifier(guarded.column)}"
        clear = key_stays_clear(f"{name}.{guarded.column}", reference)
        stored = types[guarded.column]
        shown[guarded.column] = f"CAST(coalesce(sensitive_rows.stand_in, {clear}) AS {stored})"
        join = f"LEFT JOIN sensitive_rows ON {reference} = sensitive_rows.key"
        original = f"CASE WHEN sensitive_rows.stand_in IS NOT NULL THEN {reference} END"
        hidden = f", sensitive_rows.mark AS {guarded.mark}, {original} AS {identifier(guarded.original)}"
    projected = ", ".join(f"{value} AS {identifier(column)}" for column, value in shown.items())
    has_lines = "TRUE" if table.unique_per_unit else "unit_numbers.has_lines"
    _cluster(
        connection,
        name,
        f"""
        SELECT {_number(policy, name)} AS _u, {projected}{hidden}
        FROM ({rows}) AS kept
        JOIN unit_numbers ON kept.{identifier(table.unit_column or "")} = unit_numbers.value AND {has_lines}
        {join}
        """,
        _span(policy, name),
    )


def _number(policy: Policy, table: str) -> str:
    """The number that a row carries: its account's, or with blocks account · months + month, if the table is dated.

    The month of the day as it is stored: not NULL, and within its declared range.
    """
    day, calendar = policy.day_of(table), policy.calendar
    if day is None or calendar is None:
        return "unit_numbers._u"
    stored = f"kept.{identifier(day)}"
    month = f"year({stored}) * 12 + month({stored}) - 1 - {calendar.first}"
    return f"CAST(unit_numbers._u * {calendar.count} + {month} AS INTEGER)"


def _span(policy: Policy, table: str) -> int:
    """How many numbers of the table's rows are one account's."""
    calendar = policy.calendar
    return 1 if policy.day_of(table) is None or calendar is None else calendar.count


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


def _reference_types(policy: Policy, table: Table) -> dict[str, str]:
    """References are stored as the keys that they refer to, so that joins compare like with like."""
    keys = {name: policy.column(column.references) for name, column in table.columns.items() if column.references}
    return {name: storage_type(key) for name, key in keys.items() if key is not None}


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


def _partition(connection: duckdb.DuckDBPyConnection, spans: Mapping[str, int]) -> None:
    """`vault._partitions(lo, hi)`: ranges of accounts, all of them, of about two million rows of the largest table."""
    counts = {name: _scalar(connection, f"SELECT count(*) FROM {qualified('vault', name)}") for name in spans}
    largest = max(counts, key=lambda name: (counts[name], name))
    connection.execute("CREATE TABLE vault._partitions(lo INTEGER, hi INTEGER)")
    for low, high in _unit_ranges(connection, qualified("vault", largest), spans[largest]):
        connection.execute("INSERT INTO vault._partitions VALUES (?, ?)", [low, high])


def _unit_ranges(connection: duckdb.DuckDBPyConnection, rows: str, span: int) -> list[tuple[int, int]]:
    """Half-open ranges of accounts that cover all in order, of about PARTITION_ROWS of these rows each."""
    starts = connection.execute(f"""
        WITH per_unit AS (
            SELECT _units._u, coalesce(held.lines, 0) AS lines FROM vault._units LEFT JOIN (
                SELECT _u // {span} AS _u, count(*) AS lines FROM {rows} GROUP BY ALL
            ) AS held ON held._u = _units._u
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
