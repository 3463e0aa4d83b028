"""Makes the next snapshot of a dataset from its current one: retention and opt-outs as of now, and nothing else new.

Sources are not needed, so what is to be erased can go although they are gone, or out of reach.
"""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import duckdb

from queries.errors import LoadError
from queries.policy import Policy, Table
from queries.sql_text import identifier, qualified
from queries.vault_columns import literal
from queries.vault_encryption import attach_encrypted
from queries.vault_exclusions import name_left_out, without_left_out
from queries.vault_keys import SecretKeys
from queries.vault_making import DEFAULT_MEMORY_MB, Making, Progress, new_snapshot
from queries.vault_public import create_enums
from queries.vault_snapshots import Snapshot, current_snapshot, manifest_of, private_key
from queries.vault_tables import number_of, span_of, store_partitions, store_table, store_units


def refresh_snapshot(
    vault_root: Path,
    dataset: str,
    keys: SecretKeys,
    *,
    as_of: date | None = None,
    memory_mb: int = DEFAULT_MEMORY_MB,
    progress: Progress | None = None,
) -> Snapshot:
    """The next snapshot, under the policy of the current one, durable when this returns. Raises LoadError.

    Days are read as they are stored, so one outside its column's range is judged by the end of the range.
    """
    old = current_snapshot(vault_root, dataset)
    if old is None:
        raise LoadError(f"there is no dataset '{dataset}' in the vault")
    facts = manifest_of(old.directory)
    if facts.get("pseudonym_key_fingerprint") != keys.pseudonym_key_fingerprint():
        raise LoadError("the pseudonym key has changed since the snapshot was made: load the dataset from its sources")
    return new_snapshot(
        vault_root,
        old.policy,
        (old.directory / "policy.yaml").read_text(encoding="utf-8"),
        keys,
        lambda making: _read_snapshot(making, old, keys),
        as_of=as_of,
        memory_mb=memory_mb,
        progress=progress,
    )


def _read_snapshot(making: Making, old: Snapshot, keys: SecretKeys) -> dict[str, int]:
    if current_snapshot(making.directory.parents[2], old.dataset) != old:
        raise LoadError("another load came between: refresh again")
    shutil.copyfile(old.public_file, making.public_file)
    with making.writing() as connection:
        attach_encrypted(connection, old.private_file, "old", private_key(old, keys), ", READ_ONLY")
        _copy_private_tables(connection, old.policy, making)
        connection.execute("DETACH old")
    rows: dict[str, int] = manifest_of(old.directory)["public_tables"]
    return rows


def _copy_private_tables(connection: duckdb.DuckDBPyConnection, policy: Policy, making: Making) -> None:
    tables = policy.private_tables()
    making.tell("units", 0.05)
    name_left_out(connection, making.private.left_out, "SELECT _u AS _unit, pseudonym FROM old._units")
    _number_units(connection, policy, making)
    for done, (name, table) in enumerate(tables.items()):
        making.tell(name, 0.2 + 0.7 * done / len(tables))
        _copy_table(connection, policy, name, table, making)
    making.tell("partitions", 0.92)
    store_partitions(connection, policy)


def _number_units(connection: duckdb.DuckDBPyConnection, policy: Policy, making: Making) -> None:
    """`unit_numbers(was, pseudonym, _u)` of those who still have a row, in the order they had; and `vault._units`."""
    still_there = " UNION ALL ".join(
        f"SELECT {_account(policy, name)} FROM {qualified('old', name)} AS kept "
        f"{_entering(policy, name, table, making)}"
        for name, table in policy.private_tables().items()
    )
    connection.execute(f"""
        CREATE TABLE unit_numbers AS
        SELECT _u AS was, pseudonym, CAST(row_number() OVER (ORDER BY pseudonym) - 1 AS INTEGER) AS _u
        FROM old._units WHERE _u IN ({still_there})
    """)
    store_units(connection)


def _copy_table(connection: duckdb.DuckDBPyConnection, policy: Policy, name: str, table: Table, making: Making) -> None:
    enums = create_enums(connection, "vault", name, table)
    described = connection.execute(f"DESCRIBE {qualified('old', name)}").fetchall()
    columns = [str(row[0]) for row in described if row[0] != "_u"]
    copied = (_copied(column, enums.get(column)) for column in columns)
    store_table(
        connection,
        name,
        table,
        f"""
        SELECT {number_of(policy, name)} AS _u, {", ".join(copied)}
        FROM (SELECT kept.* FROM {qualified("old", name)} AS kept {_entering(policy, name, table, making)}) AS kept
        JOIN unit_numbers ON {_account(policy, name)} = unit_numbers.was
        """,
        span_of(policy, name),
    )


def _account(policy: Policy, table: str) -> str:
    """The number of the account of a row `kept` of the old snapshot."""
    span = span_of(policy, table)
    return "kept._u" if span == 1 else f"kept._u // {span}"


def _copied(column: str, enum: str | None) -> str:
    name = identifier(column)
    return f"kept.{name}" if enum is None else f"CAST(kept.{name} AS {enum}) AS {name}"


def _entering(policy: Policy, name: str, table: Table, making: Making) -> str:
    """What stands behind the rows `kept` in FROM: without those that are left out, and those past their retention.

    A day at the low end of its range may have been any day before: for who is left out it counts as the earliest.
    """
    retained, _, column_name = policy.retention.column.partition(".")
    if retained != name:
        return without_left_out(table, _account(policy, name), None)
    column, day = table.columns[column_name], f"kept.{identifier(column_name)}"
    sure = day if column.range is None else f"CASE WHEN {day} > {literal(column.range[0], column)} THEN {day} END"
    since = f"DATE '{making.private.kept_from.isoformat()}'"
    return f"{without_left_out(table, _account(policy, name), sure)} WHERE {day} >= {since}"
