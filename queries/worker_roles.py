"""The two things that a worker can be: the keeper of the vault, or the reader of public tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Event, Timer
from typing import Protocol

import duckdb
import numpy as np
import pyarrow as pa

from queries.complaints import complaint
from queries.engine import Engine, exact_sums
from queries.engines.duckdb import DuckDBEngine, attach, connect, lock
from queries.engines.remembered_sums import RememberedSums
from queries.errors import IllegalPlanError, PostprocessError
from queries.plan import Aggregation, ThresholdKeys
from queries.release import release
from queries.unclipped import unclipped
from queries.worker_wire import DomainSize, Exact, Postprocess, Prepare, Release, Request, Setup

ANSWER_LIMIT = 32 << 20  # bytes, before they are JSON: an answer is kept in the ledger, and nobody reads more
_TABLE_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


class Role(Protocol):
    """Answers requests, or explains why it could not: with nothing, where a private row is within reach of errors."""

    def answer(self, request: Request) -> bytes: ...

    def explain(self, request: Request, error: Exception) -> str: ...


def open_role(setup: Setup) -> Role:
    """Open the files of the setup, and lock everything else."""
    connection = connect(setup.threads, setup.memory_bytes)
    attach(connection, setup.public_file, "public")
    if setup.private_file is not None:
        attach(connection, setup.private_file, "private", setup.vault_key)
        lock(connection)
        engine = DuckDBEngine(connection, setup.threads)
        return SimulationRole(engine, _units(connection)) if setup.simulation else VaultRole(engine)
    connection.execute("ATTACH ':memory:' AS private")
    for statement in setup.twin:
        connection.execute(statement)
    lock(connection)
    return PublicRole(connection, DuckDBEngine(connection, setup.threads), setup.statement_seconds)


def _units(connection: duckdb.DuckDBPyConnection) -> int:
    """How many units the vault has."""
    row = connection.execute("SELECT coalesce(max(hi), 0) FROM private.main._partitions").fetchone()
    return 0 if row is None else int(row[0])


class VaultRole:
    """Has the private tables; what leaves it is noised."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def answer(self, request: Request) -> bytes:
        if not isinstance(request, Release):
            raise IllegalPlanError("the vault only releases")
        return _stream(release(request.aggregation, request.charged, self._engine))

    def explain(self, request: Request, error: Exception) -> str:  # noqa: ARG002  # neither is told
        return ""


class SimulationRole:
    """Has rows that are made up, or declared public: it releases as the vault does, and tells exact sums beside."""

    def __init__(self, engine: DuckDBEngine, units: int) -> None:
        self._engine = RememberedSums(engine)
        self._units = units

    def answer(self, request: Request) -> bytes:
        if isinstance(request, Exact):
            return _stream(self._exact(request.aggregation))
        return VaultRole(self._engine).answer(request)

    def explain(self, request: Request, error: Exception) -> str:  # noqa: ARG002  # plans are ours, whatever they ask
        return str(error)

    def _exact(self, aggregation: Aggregation) -> pa.Table:
        """The table that a release without bounds and noise would be, its deviations s0, … all zero."""
        exact = exact_sums(self._engine, unclipped(aggregation, self._units))
        keys, sums = exact.keys, exact.sums
        if isinstance(aggregation.keys, ThresholdKeys):
            held = np.flatnonzero(sums[0] > 0)
            keys, sums = keys.take(pa.array(held)), tuple(vector[held] for vector in sums[1:])
        columns = {name: keys.column(name) for name in keys.column_names}
        columns |= {f"m{place}": pa.array(vector) for place, vector in enumerate(sums)}
        return pa.table(columns | {f"s{place}": pa.array(np.zeros(len(vector))) for place, vector in enumerate(sums)})


class PublicRole:
    """Has the public tables and empty twins of the private ones."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, engine: DuckDBEngine, statement_seconds: float = 10.0
    ) -> None:
        self._connection = connection
        self._engine = engine
        self._statement_seconds = statement_seconds

    def answer(self, request: Request) -> bytes:
        if isinstance(request, DomainSize):
            return str(self._engine.domain_size(request.axis)).encode()
        if isinstance(request, Prepare):
            self._engine.prepare(request.aggregation)
            return b""
        if isinstance(request, Postprocess):
            return self._postprocess(request.sql, request.tables, request.row_limit)
        raise IllegalPlanError("nothing private here")

    def explain(self, request: Request, error: Exception) -> str:
        """Of an analyst's statement in words of ours; of a plan of ours, for whoever wrote it, as the engine says."""
        return complaint(error) if isinstance(request, Postprocess) else str(error)

    def _postprocess(self, sql: str, tables: Mapping[str, bytes], row_limit: int) -> bytes:
        """Run one SELECT; the tables are temporary ones of a cursor of its own, so nothing stays behind."""
        statements = self._connection.extract_statements(sql)
        if [statement.type for statement in statements] != [duckdb.StatementType.SELECT]:
            raise IllegalPlanError("one SELECT statement was expected")
        with self._connection.cursor() as cursor:
            for name, stream in tables.items():
                if not _TABLE_NAME.fullmatch(name):
                    raise IllegalPlanError("a table name out of the ordinary")
                cursor.register("incoming", pa.ipc.open_stream(stream).read_all())
                cursor.execute(f"CREATE TEMP TABLE {name} AS FROM incoming")
                cursor.unregister("incoming")
            with self._in_time(cursor):
                return _stream(_rows(cursor, statements[0], row_limit))

    @contextmanager
    def _in_time(self, cursor: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """Interrupt what takes too long: others wait for this worker, and killing it would take longer still."""
        seconds, over = self._statement_seconds, Event()

        def end() -> None:
            over.set()
            cursor.interrupt()

        clock = Timer(seconds, end)
        clock.start()
        try:
            yield
        except (duckdb.Error, OSError):  # the latter from rows that were being fetched
            if not over.is_set():
                raise
            raise PostprocessError(f"It takes longer than {seconds:g} seconds on public and released tables.") from None
        finally:
            clock.cancel()
            clock.join()


def _rows(cursor: duckdb.DuckDBPyConnection, statement: duckdb.Statement, row_limit: int) -> pa.Table:
    rows = cursor.execute(statement).to_arrow_reader(10_000)
    batches, count, size = [], 0, 0
    for batch in rows:
        batches.append(batch)
        count, size = count + batch.num_rows, size + batch.nbytes
        if size > ANSWER_LIMIT:
            raise PostprocessError(f"The answer has more than {ANSWER_LIMIT >> 20} MiB: add a LIMIT, or fewer columns.")
        if count > row_limit:
            raise PostprocessError(f"The answer has more than {row_limit:,} rows: add a LIMIT.")
    return pa.Table.from_batches(batches, rows.schema)


def _stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())
