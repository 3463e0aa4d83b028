"""The public tables of a simulation: those of a snapshot as they are, others made up as the policy declares them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from queries.policy import Column, Policy, Scalar, Table
from queries.sql_text import identifier, text_literal
from queries.vault import Snapshot
from service.simulation.values import with_nulls

NULL_SHARE = 0.05
_ROWS = 1_000
_TEXTS = (25, 300, 2_000)  # how many different values the text columns of a table have, one after the other
_FIRST_DAY = date(2025, 1, 1)


def write_public_tables(directory: Path, policy: Policy, snapshot: Snapshot | None, seed: int) -> dict[str, Path]:
    """Writes each public table that the policy does not list; returns table -> Parquet file.

    A table is taken from the snapshot if that was loaded under the same declaration of it.
    """
    written: dict[str, Path] = {}
    for name, table in policy.public_tables().items():
        if table.values is not None:
            continue
        written[name] = directory / f"{name}.parquet"
        if snapshot is not None and snapshot.policy.tables.get(name) == table:
            _copy(snapshot, name, table, written[name])
        else:
            chance = np.random.default_rng([seed, *name.encode()])
            pq.write_table(_made_up(policy, name, table, chance), written[name])
    return written


def key_values(policy: Policy, name: str, written: dict[str, Path]) -> pa.Array:
    """All keys of a public table; of an empty one some that it does not have, as rows refer to something."""
    table = policy.tables[name]
    key = table.key or ""
    if table.values is None:
        return pq.read_table(written[name], columns=[key]).column(0).combine_chunks()
    place = list(table.columns).index(key)
    return pa.array([row[place] for row in table.values] or _keys(key, table.columns[key]))


def _copy(snapshot: Snapshot, name: str, table: Table, target: Path) -> None:
    """The table as it was loaded: decimals as such, and without the stand-ins of sensitive groups."""
    shown = ", ".join(_unstored(column_name, column) for column_name, column in table.columns.items())
    coarsened = any(group.table == name and group.is_coarsened for group in snapshot.policy.sensitive)
    where = f"{identifier(table.key or '')} >= 0" if coarsened else "TRUE"
    with duckdb.connect(":memory:") as connection:
        connection.execute(f"ATTACH {text_literal(str(snapshot.public_file))} AS public (READ_ONLY)")
        query = f"SELECT {shown} FROM public.main.{identifier(name)} WHERE {where}"  # noqa: S608  # declared names
        connection.execute(f"COPY ({query}) TO {text_literal(str(target))} (FORMAT parquet)")


def _unstored(name: str, column: Column) -> str:
    this = identifier(name)
    if column.type == "decimal":
        unit = f"{Decimal(1).scaleb(-column.scale):f}::DECIMAL({column.scale + 1}, {column.scale})"
        return f"{this}::DECIMAL(19, 0) * {unit} AS {this}"
    return f"CAST({this} AS VARCHAR) AS {this}" if column.type == "string" else this


def _made_up(policy: Policy, name: str, table: Table, chance: np.random.Generator) -> pa.Table:
    columns: dict[str, pa.Array] = {}
    count = _ROWS if table.key is None else len(_keys(table.key, table.columns[table.key]))
    texts = iter([*_TEXTS, *(_TEXTS[-1] for _ in table.columns)])
    for column_name, column in table.columns.items():
        if column_name == table.key:
            columns[column_name] = pa.array(_keys(column_name, column))
            continue
        different = min(next(texts), max(1, count // 2)) if column.type == "string" else _ROWS
        pool = _pool(column_name, column, different)
        if column.type == "string":
            pool = list(dict.fromkeys([*pool, *_sensitive(policy, name, column_name)]))
        found = pa.array(pool).take(pa.array(chance.integers(len(pool), size=count)))
        columns[column_name] = with_nulls(found, NULL_SHARE, chance) if column.nullable else found
    return pa.table(columns)


def _sensitive(policy: Policy, table: str, column: str) -> list[Scalar]:
    """Values that sensitive groups name: some rows should fall under them."""
    groups = [group for group in policy.sensitive if (group.table, group.column) == (table, column)]
    return [value for group in groups for value in group.values]


def _keys(name: str, column: Column) -> Sequence[Scalar]:
    """Different values of a key column, at most a thousand."""
    return _pool(name, column, _ROWS)


def _pool(name: str, column: Column, most: int) -> Sequence[Scalar]:
    """Different values that the column may hold."""
    if column.public_values is not None:
        return column.public_values[:most]
    if column.type == "string":
        return [f"{name} {number:04d}" for number in range(1, most + 1)]
    low = None if column.range is None else column.range[0]
    if column.type == "date":
        first = low if isinstance(low, date) else _FIRST_DAY
        return [first + timedelta(days=day) for day in range(most)]
    start, stop = column.stored_range or (column.minor_units, None)
    step = column.minor_units
    count = most if stop is None else min(most, (stop - start) // step + 1)
    found = [start + number * step for number in range(count)]
    return found if column.type == "integer" else [Decimal(minor).scaleb(-column.scale) for minor in found]
