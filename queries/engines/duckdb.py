"""The embedded engine: DuckDB streams contributions partition by partition, the compiled kernel bounds and adds them.

A partition is a range of units, so a unit never spans two of them, and threads that work on different partitions need
not know each other: their integers are added at the end. DuckDB may deliver rows in any order.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TypeVar

import duckdb
import numpy as np
import pyarrow as pa

from queries import axes, emit
from queries.accumulator import Accumulates, Accumulator, Kept, Rows
from queries.distinct import DistinctAccumulator
from queries.engine import Contributions, Request, SumsOf, Vector
from queries.engines.dense_axes import Dense, dense, dense_candidates
from queries.errors import IllegalPlanError
from queries.kernel import Words
from queries.plan import GROUPS_LIMIT, Aggregation, Axis, Literal, ThresholdKeys, TopKeys
from queries.sql_text import text_literal
from queries.unit_sums import Layout, UnitSums, Walk, walk

_BATCH_ROWS = 250_000
_UNITS_AT_ONCE = 1 << 22  # numbers of units, which of months are far more than units that have rows
_BYTES_AT_ONCE = 192 << 20  # contributions held by one thread
_AXES = 64  # kept, of so many bytes at most
_AXIS_BYTES = 1 << 20
_KEPT_BYTES = 256 << 20  # of sums by unit, over which several walks go
Accumulating = TypeVar("Accumulating", bound=Accumulates)
_CELLS_A_THREAD = 1 << 24  # beyond 128 MiB of sums a second thread costs more memory than it saves time

_LIMITS: dict[str, str | bool | int | float | list[str]] = {
    "access_mode": "AUTOMATIC",  # of the empty in-memory database; every file is attached READ_ONLY
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "allow_unsigned_extensions": False,
    "allow_persistent_secrets": False,
    "temp_directory": "",
}
_LOCKS = (
    "SET enable_external_access = false",
    "SET python_enable_replacements = false",
    "SET python_scan_all_frames = false",
    "SET disabled_filesystems = 'LocalFileSystem'",
    "SET lock_configuration = true",
)


def connect(threads: int, memory_bytes: int) -> duckdb.DuckDBPyConnection:
    """An in-memory database that loads nothing and spills nothing; attach what it may read, then `lock` it."""
    limits = {**_LIMITS, "threads": threads, "memory_limit": f"{memory_bytes >> 20}MiB"}
    return duckdb.connect(":memory:", config=limits)


def attach(connection: duckdb.DuckDBPyConnection, path: Path, name: str, key: str | None = None) -> None:
    """Attach a database file under `name`, read-only; `key` is the encryption key of its blocks."""
    options = "READ_ONLY" if key is None else f"READ_ONLY, ENCRYPTION_KEY {text_literal(key)}"
    connection.execute(f"ATTACH {text_literal(str(path))} AS {name} ({options})")


def lock(connection: duckdb.DuckDBPyConnection) -> None:
    """Take the file system and the settings away: only what was attached can be read, and nothing written."""
    for statement in _LOCKS:
        connection.execute(statement)


class DuckDBEngine:
    """Runs aggregations on attached databases `private` and `public`, one at a time, with a number of threads."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, threads: int) -> None:
        self._connection = connection
        self._threads = threads
        self._lookups: tuple[tuple[str, str], ...] = ()  # the tables that stand now
        self._known_axes: dict[str, pa.Table] = {}  # by statement: public tables do not change under a connection
        self._rooms: list[Rows] = []  # of the last width: fresh memory costs as much time as the rows that fill it

    @contextmanager
    def contributions(self, aggregation: Aggregation) -> Iterator[Contributions]:
        with self._grouped(aggregation) as grouped:
            yield _Different(self, grouped) if aggregation.counts_values else _Streamed(self, grouped)

    @contextmanager
    def _grouped(self, aggregation: Aggregation) -> Iterator[_Grouped]:
        """The aggregation with its keys, while the tables stand that its rows are grouped with."""
        if not isinstance(aggregation.keys, ThresholdKeys):
            members = self._axes(aggregation)
            keys, instead = _product(members), dense(aggregation, members)
            self._make_lookups(instead.aggregation if instead else aggregation)
            yield _Grouped(aggregation, keys, instead, None)
            return
        self._connection.execute(f"CREATE OR REPLACE TABLE candidates AS {emit.candidates(aggregation)}")
        try:
            found = self._connection.sql("SELECT * FROM candidates ORDER BY id").to_arrow_table()
            priorities = found.column("priority").to_numpy().astype(np.uint64)
            keys = found.drop_columns(["id", "priority"])
            yield _Grouped(aggregation, keys, dense_candidates(aggregation, keys), priorities)
        finally:
            self._connection.execute("DROP TABLE candidates")

    def domain_size(self, axis: Axis) -> int:
        """The number of keys on an axis of public tables."""
        row = self._connection.execute(axes.axis_count(axis)).fetchone()
        return 0 if row is None else int(row[0])

    def prepare(self, aggregation: Aggregation) -> None:
        """Run every statement of the aggregation for its errors alone: meant for empty tables."""
        if isinstance(aggregation.keys, ThresholdKeys):
            self._connection.execute(f"CREATE OR REPLACE TABLE candidates AS {emit.candidates(aggregation)}")
        if isinstance(aggregation.keys, TopKeys):
            self.prepare(aggregation.counting)
            return self.prepare(aggregation.among((Literal(None, aggregation.keys.expressions[0].type),)))
        instead = dense(aggregation, self._axes(aggregation))
        for each in (aggregation, instead.aggregation) if instead else (aggregation,):
            self._make_lookups(each)
            self._connection.execute(emit.contributions(each, axes.groups_of(each), (0, 1))).fetchmany(1)
        return None

    def _make_lookups(self, aggregation: Aggregation) -> None:
        """Make the small public tables that the contributions read; those of the query before may do."""
        wanted = axes.groups_of(aggregation).tables
        if wanted == self._lookups:
            return
        self._lookups = ()
        for name, select in wanted:
            self._connection.execute(f"CREATE OR REPLACE TABLE {name} AS {select}")
        self._lookups = wanted

    def _axes(self, aggregation: Aggregation) -> list[pa.Table]:
        """The keys on each axis, in the order of their ids."""
        return [self._axis(statement) for statement in axes.axes(aggregation)]

    def _axis(self, statement: str) -> pa.Table:
        known = self._known_axes.pop(statement, None)
        found = self._connection.sql(statement).to_arrow_table() if known is None else known
        if found.nbytes <= _AXIS_BYTES:
            self._known_axes[statement] = found  # the last one now
        if len(self._known_axes) > _AXES:
            del self._known_axes[next(iter(self._known_axes))]
        return found

    def walked(self, grouped: _Grouped, accumulator: Callable[[], Accumulating]) -> list[Accumulating]:
        """What each thread accumulated of the rows: one thread where the cells of several would not fit in memory."""
        _check_groups(grouped.groups)
        width = max(grouped.columns) + 1
        partitions = self._partitions(width, grouped.aggregation)
        narrow = grouped.groups * len(grouped.columns) > _CELLS_A_THREAD
        threads = 1 if narrow else min(self._threads, max(1, partitions.qsize()))
        accumulators = [accumulator() for _ in range(threads)]
        rooms = [room for room in self._rooms if room.width == width][:threads]
        self._rooms = rooms + [Rows(width) for _ in range(threads - len(rooms))]
        readers = [_Reader(grouped, room) for room in self._rooms]
        with ThreadPoolExecutor(threads) as pool:
            work = zip(readers, accumulators, strict=True)
            for done in [pool.submit(self._drain, reader, partitions, into) for reader, into in work]:
                done.result()
        return accumulators

    def _partitions(self, width: int, aggregation: Aggregation) -> SimpleQueue[tuple[int, int]]:
        """The vault's ranges of accounts as ranges of units, finer where rows are wide or threads would be idle."""
        ranges = self._connection.execute("SELECT lo, hi FROM private.main._partitions ORDER BY lo").fetchall()
        found = [(low * aggregation.source.span, high * aggregation.source.span) for low, high in ranges]
        if found and found[-1][1] > aggregation.unit_capacity:
            raise IllegalPlanError("more units than the plan allows for")
        pieces = max(-(-self._threads // max(len(found), 1)), -(-_row_bytes(width) * 2_000_000 // _BYTES_AT_ONCE))
        pieces = max(pieces, *(-(-(high - low) // _UNITS_AT_ONCE) for low, high in found), 1)
        partitions: SimpleQueue[tuple[int, int]] = SimpleQueue()
        for low, high in found:
            edges = sorted({low + (high - low) * piece // pieces for piece in range(pieces + 1)})
            for edge in pairwise(edges):
                partitions.put(edge)
        return partitions

    def _drain(self, reader: _Reader, partitions: SimpleQueue[tuple[int, int]], into: Accumulates) -> None:
        """Add partitions until none is left, on a cursor of its own."""
        with self._connection.cursor() as cursor:
            while True:
                try:
                    low, high = partitions.get_nowait()
                except Empty:
                    return
                reader.add_units(cursor, low, high, into)


@dataclass(frozen=True, slots=True)
class _Grouped:
    """An aggregation whose rows can be grouped; `instead` is the one to run, `priorities` are those of candidates."""

    aggregation: Aggregation
    keys: pa.Table
    instead: Dense | None
    priorities: Words | None

    @property
    def groups(self) -> int:
        return int(self.keys.num_rows) if self.keys.num_columns else 1

    @property
    def columns(self) -> tuple[int, ...]:
        """The measures' columns of values."""
        return emit.value_columns(self.aggregation)

    @property
    def run(self) -> Aggregation:
        return self.instead.aggregation if self.instead else self.aggregation


class Repeatable(ABC):
    """Contributions that can be asked again after they were closed, if they are in memory."""

    @property
    @abstractmethod
    def nbytes(self) -> int | None:
        """How much memory they take; None where they are not in memory."""

    @abstractmethod
    def again(self, aggregation: Aggregation) -> Contributions:
        """The same for an equal question at another price, with all groups."""


class _Streamed(Repeatable):
    """The contributions to one aggregation: read anew for each walk, unless the sums by unit can be kept."""

    def __init__(self, engine: DuckDBEngine, grouped: _Grouped) -> None:
        self._engine = engine
        self._grouped = grouped
        self._layout = Layout.of(grouped.aggregation, grouped.columns, grouped.groups, grouped.priorities)
        self._kept: list[list[UnitSums]] | None = None  # by thread
        self._left: list[list[UnitSums]] | None = None  # of these, the groups that are not left out

    @property
    def keys(self) -> pa.Table:
        released, keys = self._layout.released, self._grouped.keys
        return keys if released is None else keys.take(pa.array(released))

    @property
    def nbytes(self) -> int | None:
        return None if self._kept is None else sum(units.nbytes for chunks in self._kept for units in chunks)

    def again(self, aggregation: Aggregation) -> Contributions:
        fresh = _Streamed(self._engine, replace(self._grouped, aggregation=aggregation))
        fresh._kept = self._kept
        return fresh

    def only(self, groups: Vector) -> None:
        self._layout = replace(self._layout, released=groups)
        if self._kept is None:
            return
        wanted = np.zeros(self._layout.groups, np.bool_)
        wanted[groups] = True
        with ThreadPoolExecutor(len(self._kept)) as pool:
            self._left = list(pool.map(lambda chunks: [units.only(wanted) for units in chunks], self._kept))
        self._layout = replace(self._layout, left=True)

    def exact(self, *requests: Request) -> list[tuple[Vector, ...]]:
        kept = self._kept if self._left is None else self._left
        walks = self._read(requests) if kept is None else self._replayed(kept, requests)
        first, *others = walks
        for other in others:
            for own, same in zip(first, other, strict=True):
                own.merge(same)
        return [own.found for own in first]

    def _read(self, requests: Sequence[Request]) -> list[list[Walk]]:
        """Walk over the rows, and keep the sums by unit if there is room for them."""
        kept = Kept(_KEPT_BYTES)
        found = self._engine.walked(
            self._grouped, lambda: Accumulator(self._layout, [walk(self._layout, r) for r in requests], kept)
        )
        self._kept = [accumulator.kept for accumulator in found] if kept.fits else None
        return [accumulator.walks for accumulator in found]

    def _replayed(self, kept: Sequence[Sequence[UnitSums]], requests: Sequence[Request]) -> list[list[Walk]]:
        """Walk over what was kept, each thread over its own."""

        def replay(chunks: Sequence[UnitSums]) -> list[Walk]:
            walks = [walk(self._layout, request) for request in requests]
            for units in chunks:
                for each in walks:
                    each.add(units)
            return walks

        with ThreadPoolExecutor(len(kept)) as pool:
            return list(pool.map(replay, kept))


class _Different(Repeatable):
    """The different values that units keep: counted once."""

    def __init__(self, engine: DuckDBEngine, grouped: _Grouped) -> None:
        self._engine = engine
        self._grouped = grouped
        self._counts: tuple[Vector, ...] | None = None
        self.keys = grouped.keys

    @property
    def nbytes(self) -> int | None:
        return None if self._counts is None else sum(vector.nbytes for vector in self._counts)

    def again(self, aggregation: Aggregation) -> Contributions:
        fresh = _Different(self._engine, replace(self._grouped, aggregation=aggregation))
        fresh._counts = self._counts
        return fresh

    def only(self, groups: Vector) -> None:
        raise IllegalPlanError(f"different values of {len(groups)} groups alone")

    def exact(self, *requests: Request) -> list[tuple[Vector, ...]]:
        if requests != (SumsOf(0),):
            raise IllegalPlanError("more than the number of different values")
        if self._counts is None:
            bound, groups = self._grouped.aggregation.measures[0].l2_bound, self._grouped.groups
            first, *others = self._engine.walked(self._grouped, lambda: DistinctAccumulator(bound, groups))
            for other in others:
                first.merge(other)
            self._counts = tuple(first.out)
        return [self._counts]


class _Reader:
    """Reads the contributions of an aggregation into one room."""

    def __init__(self, grouped: _Grouped, rows: Rows) -> None:
        self._aggregation = grouped.run
        self._groups = axes.groups_of(grouped.run)
        self._group = None if grouped.instead is None else grouped.instead.group
        self._rows = rows
        self._most = _BYTES_AT_ONCE // _row_bytes(rows.width)

    def add_units(self, cursor: duckdb.DuckDBPyConnection, low: int, high: int, into: Accumulates) -> None:
        """Add all rows of the units in the range; a range whose rows are too many to hold is cut in two and read anew.

        One unit alone needs no order, so it is added piece by piece, however many rows it has.
        """
        rows = self._rows
        rows.count = 0
        sql = emit.contributions(self._aggregation, self._groups, (low, high))
        for batch in cursor.sql(sql).to_arrow_reader(_BATCH_ROWS):
            if rows.count + batch.num_rows > self._most:
                if high - low > 1:
                    middle = (low + high) // 2
                    self.add_units(cursor, low, middle, into)
                    return self.add_units(cursor, middle, high, into)
                into.add(rows, low, high)
                rows.count = 0
            self._append(batch)
        into.add(rows, low, high)
        into.close()
        return None

    def _append(self, batch: pa.RecordBatch) -> None:
        rows = self._rows
        start, stop = rows.count, rows.count + batch.num_rows
        rows.reserve(stop)
        rows.units[start:stop] = batch.column(0).to_numpy()
        groups = batch.column(1).fill_null(-1).to_numpy()
        rows.groups[start:stop] = groups if self._group is None else self._group[groups]
        for column in range(rows.width):
            rows.values[column, start:stop] = batch.column(2 + column).to_numpy()
        rows.count = stop


def _product(axes: list[pa.Table]) -> pa.Table:
    """All combinations of the axes' keys, the first axis varying slowest."""
    sizes = [axis.num_rows for axis in axes]
    groups = int(np.prod(sizes, dtype=object))
    _check_groups(groups)
    columns: list[pa.ChunkedArray] = []
    stride = groups
    for axis, size in zip(axes, sizes, strict=True):
        stride //= max(size, 1)
        members = pa.array(np.arange(groups) // max(stride, 1) % max(size, 1))
        columns += [column.take(members) for column in axis.columns]
    return pa.table({f"k{index}": column for index, column in enumerate(columns)})


def _row_bytes(width: int) -> int:
    return 8 * (1 + width)


def _check_groups(groups: int) -> None:
    if groups > GROUPS_LIMIT:
        raise IllegalPlanError("too many groups")
