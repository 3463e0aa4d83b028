"""Reads the private tables of a snapshot from their sources: pseudonymised, bounded, without those who are left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date

import duckdb
import pyarrow as pa

from queries.exclusions import LeftOut
from queries.policy import Policy, Table
from queries.source_files import Source
from queries.sql_text import identifier
from queries.vault_exclusions import is_named, name_left_out, without_left_out
from queries.vault_keys import SecretKeys
from queries.vault_public import converted_rows, create_enums, key_stays_clear
from queries.vault_tables import number_of, reference_types, span_of, store_partitions, store_table, store_units

_BATCH_ROWS = 100_000


@dataclass(frozen=True, slots=True)
class PrivateLoad:
    """What decides which rows enter, and under which pseudonyms."""

    keys: SecretKeys = field(repr=False)
    kept_from: date
    left_out: tuple[LeftOut, ...] = field(repr=False)


def load_private_tables(
    connection: duckdb.DuckDBPyConnection,
    policy: Policy,
    sources: Mapping[str, Source],
    load: PrivateLoad,
    tell: Callable[[str, float], None],
) -> None:
    """Creates `vault.<table>` for each private table, `vault._units` and `vault._partitions`.

    A unit is whoever has a row that enters. Rows that are left out are dropped on the way from the source, before
    anything but their unit and their day was looked at: what else stands in them ends no load. Where the policy
    declares blocks, rows of dated tables carry the number of their unit and month together (`number_of`).
    """
    tables = policy.private_tables()
    tell("units", 0.05)
    _collect_units(connection, policy, sources, load)
    _make_pseudonyms(connection, load)
    name_left_out(connection, load.left_out, "SELECT value AS _unit, pseudonym FROM pseudonyms")
    _number_units(connection, policy, sources, load)
    for done, (name, table) in enumerate(tables.items()):
        tell(name, 0.2 + 0.7 * done / len(tables))
        _load_table(connection, policy, name, table, sources[name], load)
    tell("partitions", 0.92)
    store_partitions(connection, policy)


def _day(policy: Policy, name: str) -> str | None:
    """The column of the table that retention looks at, or None."""
    table, _, column = policy.retention.column.partition(".")
    return identifier(column) if table == name else None


def _kept(policy: Policy, name: str, load: PrivateLoad) -> str:
    """The condition of retention on the rows of a table."""
    day = _day(policy, name)
    return "TRUE" if day is None else f"({day} IS NULL OR {day} >= DATE '{load.kept_from.isoformat()}')"


def _entering(policy: Policy, name: str, table: Table, load: PrivateLoad) -> str:
    """What stands behind the rows in FROM: without those that are left out, and those past their retention."""
    left = without_left_out(table, identifier(table.unit_column or ""), _day(policy, name))
    return f"{left} WHERE {_kept(policy, name, load)}"


def _units_of(policy: Policy, sources: Mapping[str, Source], kept: Callable[[str, Table], str]) -> str:
    """A SELECT of `value`: the units that have a row that is kept, each once."""
    parts = []
    for name, table in policy.private_tables().items():
        unit = table.unit_column or ""
        read = {unit, policy.retention.column.partition(".")[2]} if _day(policy, name) else {unit}
        narrow = table.model_copy(update={"columns": {n: c for n, c in table.columns.items() if n in read}})
        rows = converted_rows(name, narrow, sources[name], {}, kept(name, table))
        parts.append(f"SELECT {identifier(unit)} AS value FROM ({rows})")
    return f"SELECT DISTINCT value FROM ({' UNION ALL '.join(parts)})"


def _collect_units(
    connection: duckdb.DuckDBPyConnection, policy: Policy, sources: Mapping[str, Source], load: PrivateLoad
) -> None:
    """`unit_values(value)`: every unit that has a row which retention keeps."""
    units = _units_of(policy, sources, lambda name, _: f"WHERE {_kept(policy, name, load)}")
    connection.execute(f"CREATE TABLE unit_values AS {units}")


def _make_pseudonyms(connection: duckdb.DuckDBPyConnection, load: PrivateLoad) -> None:
    """`pseudonyms(value, pseudonym)` of all values."""
    connection.execute("CREATE TABLE made(text VARCHAR, pseudonym BLOB)")
    reader = (
        connection.cursor()
        .execute("SELECT CAST(value AS VARCHAR) AS value FROM unit_values")
        .to_arrow_reader(_BATCH_ROWS)
    )
    for batch in reader:
        values = batch.column(0).to_pylist()
        made = [load.keys.pseudonym(value) for value in values]
        connection.register("pseudonym_batch", pa.table({"text": values, "pseudonym": pa.array(made, pa.binary())}))
        connection.execute("INSERT INTO made SELECT * FROM pseudonym_batch")
        connection.unregister("pseudonym_batch")
    connection.execute("""
        CREATE TABLE pseudonyms AS
        SELECT value, pseudonym FROM unit_values JOIN made ON CAST(value AS VARCHAR) = made.text
    """)
    connection.execute("DROP TABLE made")


def _number_units(
    connection: duckdb.DuckDBPyConnection, policy: Policy, sources: Mapping[str, Source], load: PrivateLoad
) -> None:
    """`unit_numbers(value, pseudonym, _u)`: dense numbers in the order of the pseudonyms; and `vault._units`.

    Of those of whom something is left out, only those who still have a row are numbered.
    """
    still_there = _units_of(
        policy,
        sources,
        lambda name, table: (
            f"{_entering(policy, name, table, load)} AND {is_named(identifier(table.unit_column or ''))}"
        ),
    )
    connection.execute(f"""
        CREATE TABLE unit_numbers AS
        SELECT value, pseudonym, CAST(row_number() OVER (ORDER BY pseudonym) - 1 AS INTEGER) AS _u
        FROM pseudonyms
        WHERE NOT ({is_named("value")}) OR value IN ({still_there})
    """)
    store_units(connection)
    connection.execute("DROP TABLE pseudonyms")


def _load_table(  # one call, private to this file
    connection: duckdb.DuckDBPyConnection, policy: Policy, name: str, table: Table, source: Source, load: PrivateLoad
) -> None:
    enums = create_enums(connection, "vault", name, table)
    types = enums | reference_types(policy, table)
    rows = converted_rows(name, table, source, types, _entering(policy, name, table, load))
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
    store_table(
        connection,
        name,
        table,
        f"""
        SELECT {number_of(policy, name)} AS _u, {projected}{hidden}
        FROM ({rows}) AS kept
        JOIN unit_numbers ON kept.{identifier(table.unit_column or "")} = unit_numbers.value
        {join}
        """,
        span_of(policy, name),
    )
