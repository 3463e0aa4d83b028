"""Made-up rows for any policy: the loader takes all of them, and their shape is that of purchases.

Units have log-normal numbers of rows, public keys follow Zipf's law with favourites for each unit, values have heavy
tails inside their declared ranges, and rows come in baskets of one day. Nothing but the policy is used, and public
tables where they are given: the same arguments make the same rows. Columns know nothing of each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from queries.domains import EPOCH
from queries.policy import Column, Policy, Table
from queries.vault import Snapshot
from service.simulation.public_tables import NULL_SHARE, key_values, write_public_tables
from service.simulation.shape import SPREAD, Shape, is_summed, mean_value
from service.simulation.values import (
    MOST_MINOR,
    Amounts,
    Chosen,
    Favoured,
    Numbered,
    Numbers,
    Rows,
    Spread,
    Values,
    with_nulls,
)

Deviates = NDArray[np.float64]
_BASKET_ROWS = 8
_PROFILE_SHARE = 0.6  # of the units have a row in a table with one row each
_MOST_ROWS = 200_000  # of one unit
_ROWS_AT_ONCE = 250_000
_FAVOURITES = 40
_MEAN_SHARE = 0.02  # of its range: a value on average, where no bound tells
_MEAN_WITHOUT_RANGE = 10.0
_TEXTS = 1_000
_LAST_DAY = date(2025, 12, 31)
_DAYS = 365


def write_rows(directory: Path, policy: Policy, shape: Shape, snapshot: Snapshot | None = None) -> dict[str, str]:
    """Writes every table that a load needs, as Parquet; returns table -> file, the sources of `load_snapshot`."""
    directory.mkdir(parents=True, exist_ok=True)
    public = write_public_tables(directory, policy, snapshot, shape.seed)
    written = dict(public)
    deviates = np.random.default_rng([shape.seed, shape.units]).standard_normal(shape.units)
    for name, table in policy.private_tables().items():
        written[name] = directory / f"{name}.parquet"
        values = {
            column_name: _values_of(policy, name, column_name, column, public)
            for column_name, column in table.visible_columns().items()
        }
        _write_table(written[name], name, table, values, _row_counts(name, table, policy, shape, deviates), shape.seed)
    return {name: str(path) for name, path in written.items()}


def last_day(policy: Policy) -> date:
    """The day up to which rows are made up, and from which a load should count retention back."""
    column = policy.column(policy.retention.column)
    _, high = (None, None) if column is None or column.range is None else column.range
    days = [day for day in (high, policy.retention.as_of) if isinstance(day, date)]
    return min(days, default=_LAST_DAY)


def _row_counts(name: str, table: Table, policy: Policy, shape: Shape, deviates: Deviates) -> Numbers:
    """How many rows each unit has: who has many in one table has many in all."""
    if table.unique_per_unit:
        alone = all(each.unique_per_unit for each in policy.private_tables().values())
        chance = np.random.default_rng([shape.seed, *name.encode()])
        return (chance.random(shape.units) < (1.0 if alone else _PROFILE_SHARE)).astype(np.int64)
    return np.clip(shape.median_rows * np.exp(SPREAD * deviates), 1, _MOST_ROWS).astype(np.int64)


def _write_table(path: Path, name: str, table: Table, values: dict[str, Values], counts: Numbers, seed: int) -> None:
    unit = table.unit_column or ""
    writer: pq.ParquetWriter | None = None
    for number, rows in enumerate(_pieces(counts)):
        columns = {unit: _units(rows, table.columns[unit])}
        for column_name, drawn in values.items():
            chance = np.random.default_rng([seed, number, *f"{name}.{column_name}".encode()])
            found = drawn.draw(rows, chance)
            nullable = table.columns[column_name].nullable
            columns[column_name] = with_nulls(found, NULL_SHARE, chance) if nullable else found
        made = pa.table(columns)
        writer = writer or pq.ParquetWriter(path, made.schema)
        writer.write_table(made)
    if writer is not None:
        writer.close()


def _pieces(counts: Numbers) -> Iterator[Rows]:
    """The rows of all units, some units at a time: at least one piece, with at least one row."""
    ends = np.cumsum(counts)
    first = 0
    while first < len(counts):
        before = int(ends[first - 1]) if first else 0
        stop = max(first + 1, int(np.searchsorted(ends, before + _ROWS_AT_ONCE)))
        own = counts[first:stop]
        if own.sum() or (stop == len(counts) and not ends[-1]):
            yield _rows(own, first)
        first = stop


def _rows(counts: Numbers, first_unit: int) -> Rows:
    baskets = -(-counts // _BASKET_ROWS)
    starts = np.cumsum(baskets) - baskets
    unit = np.repeat(np.arange(len(counts)), counts)
    place = np.arange(len(unit)) - np.repeat(np.cumsum(counts) - counts, counts)
    return Rows(unit, starts[unit] + place // _BASKET_ROWS, first_unit)


def _units(rows: Rows, column: Column) -> pa.Array:
    numbers = pa.array(rows.unit + rows.first_unit + 1)
    return numbers if column.type == "integer" else numbers.cast(pa.string())


def _values_of(policy: Policy, table: str, name: str, column: Column, public: dict[str, Path]) -> Values:
    """How the values of a column are drawn, by what is declared of it."""
    path = f"{table}.{name}"
    if column.references is not None:
        keys = key_values(policy, column.references.partition(".")[0], public)
        order = np.random.default_rng([len(keys), *path.encode()]).permutation(len(keys))
        return Favoured(keys, order, max(1, min(_FAVOURITES, len(keys) // 50)))
    if column.domain is not None or column.type == "boolean":
        return Chosen(pa.array(column.public_values))
    if column.type == "date":
        return _days(policy, path, column)
    if column.type == "string":
        return Chosen(pa.array([f"{name} {number}" for number in range(1, _TEXTS + 1)]))
    return _numbers(policy, path, column)


def _days(policy: Policy, path: str, column: Column) -> Values:
    """Days of the declared range; those that retention reads are not older than it allows."""
    low, high = column.range or (None, None)
    last = high if isinstance(high, date) else last_day(policy)
    first = low if isinstance(low, date) else last - timedelta(days=_DAYS)
    if path == policy.retention.column:
        last = min(last, last_day(policy))
        first = min(last, max(first, last - timedelta(days=policy.retention.days)))
    return Spread(first.toordinal() - EPOCH, last.toordinal() - EPOCH, pa.date32())


def _numbers(policy: Policy, path: str, column: Column) -> Values:
    summed, limits = is_summed(policy, path), column.stored_range
    if limits is None and not summed and column.type == "integer":
        return Numbered(pa.int64())
    if column.public_values is not None and not summed and limits is not None:
        return Spread(*limits, pa.int64())
    low, high = limits or (-MOST_MINOR if summed else 0, MOST_MINOR)
    mean = mean_value(policy, path)
    if mean is None:
        mean = _MEAN_WITHOUT_RANGE if limits is None else _MEAN_SHARE * (high - low) / column.minor_units
    return Amounts(mean * column.minor_units, max(low, -MOST_MINOR), min(high, MOST_MINOR), column.minor_units)
