"""The workers of each dataset, opened when first needed, and moved on when a load made another snapshot current."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock

import pyarrow as pa

from queries.plan import Aggregation, Axis
from queries.planned import PlannedNode
from queries.twin import twin_statements
from queries.vault import SecretKeys, Snapshot, private_key
from queries.worker_pool import SnapshotFiles, WorkerPool, WorkerSettings
from queries.worker_process import Deadlines, WorkerProcess
from service.arrow import from_stream, to_stream
from service.remembered import Remembered
from service.settings import Settings

_REMEMBERED = 1_024
_REMEMBERED_RESULTS = 128
_REMEMBERED_BYTES = 1 << 18  # larger results are worked out again
_MIB = 1 << 20
ROW_LIMIT = 1_000_000


class DatasetEngine:
    """One snapshot's workers, with what is known of public facts: they do not change within a snapshot."""

    def __init__(self, pool: WorkerPool) -> None:
        self._pool = pool
        self._sizes = Remembered[Axis, int](_REMEMBERED)
        self._prepared = Remembered[str, None](_REMEMBERED)
        self._tried = Remembered[tuple[object, ...], pa.Table](_REMEMBERED)
        self._results = Remembered[tuple[object, ...], bytes](
            _REMEMBERED_RESULTS, lambda stream: len(stream) <= _REMEMBERED_BYTES
        )

    @contextmanager
    def vault(self, snapshot_id: str | None = None) -> Iterator[WorkerProcess]:
        """A worker that can release; raises EngineUnavailableError if none gets free, or has another snapshot open."""
        with self._pool.vault(snapshot_id) as worker:
            yield worker

    def domain_size(self, axis: Axis) -> int:
        """The number of keys on an axis."""
        return self._sizes.get(axis, lambda: self._pool.domain_size(axis))

    def prepare(self, aggregation: Aggregation) -> None:
        """Run the aggregation on empty tables."""
        self._prepared.get(aggregation.digest, lambda: self._pool.prepare(aggregation))

    def try_out(self, sql: str, tables: Mapping[str, bytes]) -> pa.Table:
        """The rest of a statement, run on empty tables: its result without rows. Raises PostprocessError."""

        def shape() -> pa.Table:
            return from_stream(self._pool.postprocess(sql, tables, ROW_LIMIT)).schema.empty_table()

        return self._tried.get((sql, *tables.items()), shape)

    def postprocess(self, sql: str, tables: Mapping[str, bytes]) -> bytes:
        """The rows of the rest of a statement over released and public tables; raises PostprocessError."""
        if sum(len(table) for table in tables.values()) > _REMEMBERED_BYTES:
            return self._pool.postprocess(sql, tables, ROW_LIMIT)
        return self._results.get((sql, *tables.items()), lambda: self._pool.postprocess(sql, tables, ROW_LIMIT))

    def finish(self, sql: str, tables: Mapping[str, pa.Table]) -> pa.Table:
        """The rows of a statement, of which its released tables are known; raises PostprocessError."""
        return from_stream(self.postprocess(sql, {name: to_stream(table) for name, table in tables.items()}))


def bought_table(node: PlannedNode, worker: WorkerProcess) -> pa.Table:
    """A fresh release of a node, as it is stored; raises ReleaseFailedError."""
    return from_stream(worker.release(node.aggregation, node.loss))


class Engines:
    """The engines by dataset."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = Lock()
        self._pools: dict[str, WorkerPool] = {}
        self._open: dict[str, tuple[str, DatasetEngine]] = {}

    def of(self, snapshot: Snapshot) -> DatasetEngine:
        """The workers that have this snapshot open; or, where its files were deleted, those that serve in its place.

        A question that was planned on deleted rows can then still end on public tables; a release has to name the
        snapshot (`vault`), and is not begun on another.
        """
        known = self._open.get(snapshot.dataset)
        if known is not None and known[0] == snapshot.id:
            return known[1]
        with self._lock:
            known = self._open.get(snapshot.dataset)
            if known is None or (known[0] != snapshot.id and snapshot.private_file.exists()):
                known = (snapshot.id, DatasetEngine(self._serve(snapshot)))
                self._open[snapshot.dataset] = known
            return known[1]

    def move_on(self, snapshot_of: Callable[[str], Snapshot]) -> None:
        """Open what is current of each dataset that is open, so that no worker keeps rows of a snapshot that is not."""
        for dataset in tuple(self._open):
            self.of(snapshot_of(dataset))

    def close(self) -> None:
        """End all workers."""
        with self._lock:
            for pool in self._pools.values():
                pool.close()
            self._pools.clear()
            self._open.clear()

    def _serve(self, snapshot: Snapshot) -> WorkerPool:
        files = SnapshotFiles(
            snapshot.id,
            snapshot.directory / "private.duckdb",
            snapshot.directory / "public.duckdb",
            twin_statements(snapshot.policy),
            private_key(snapshot, SecretKeys.open(self._settings.keys_dir)),
        )
        pool = self._pools.get(snapshot.dataset)
        if pool is not None:
            pool.swap(files)
            return pool
        workers = worker_settings(self._settings, self._settings.workers, self._settings.query_timeout_seconds)
        pool = self._pools[snapshot.dataset] = WorkerPool(files, workers)
        return pool


def worker_settings(settings: Settings, vault_workers: int, release_seconds: float) -> WorkerSettings:
    """What workers may use: memory and time as the settings say."""
    return WorkerSettings(
        cache_directory=settings.data_dir.absolute() / "cache",
        vault_workers=vault_workers,
        memory_bytes=settings.worker_memory_mb * _MIB,
        statement_seconds=settings.public_timeout_seconds,
        deadlines=Deadlines(release_seconds=release_seconds),
    )
