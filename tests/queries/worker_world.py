"""A small shop behind real worker processes, and questions to ask them."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from queries.plan import (
    INTEGER,
    VARCHAR,
    Aggregation,
    Block,
    Column,
    Key,
    Measure,
    MeasureKind,
    PublicKeys,
    Relation,
    Scan,
    TableAxis,
)
from queries.twin import twin_statements
from queries.vault import Snapshot
from queries.worker_pool import SnapshotFiles, WorkerPool, WorkerSettings
from queries.worker_process import Deadlines
from tests.queries.vault_world import Shop

CACHE = Path(__file__).resolve().parents[2] / ".numba_cache"  # compiled once for all runs

_LINES = Scan("lines", private=True, columns=(("product_id", INTEGER), ("pieces", INTEGER)))
_PRODUCTS = Scan("products", private=False, columns=(("product_id", INTEGER), ("department", VARCHAR)))
AXIS = TableAxis(Relation(_PRODUCTS), (Column(0, "product_id", INTEGER),))
# The bound is far above what 50 cards with 20 lines each can reach, and the noise far below one.
COUNT = Aggregation(
    Relation(_LINES),
    PublicKeys((Key((Column(0, "product_id", INTEGER),), AXIS),)),
    (Block((Measure(MeasureKind.ROWS, None, 100),), 10**15),),
    100,
)
UNKNOWN = Aggregation(
    Relation(Scan("lines", private=True, columns=(("secret", INTEGER),))),
    PublicKeys((Key((Column(0, "secret", INTEGER),), AXIS),)),
    COUNT.blocks,
    100,
)


def files(shop: Shop, snapshot: Snapshot) -> SnapshotFiles:
    key = shop.keys.snapshot_key(snapshot.dataset, snapshot.id)
    twin = twin_statements(snapshot.policy)
    return SnapshotFiles(snapshot.id, snapshot.private_file, snapshot.public_file, twin, key)


@contextmanager
def working(
    shop: Shop,
    snapshot: Snapshot,
    *,
    vault_workers: int = 1,
    public_workers: int = 0,
    wait_seconds: float = 20.0,
    statement_seconds: float = 10.0,
    deadlines: Deadlines | None = None,
    vault_key: str | None = None,
    simulation: bool = False,
) -> Iterator[WorkerPool]:
    settings = WorkerSettings(
        CACHE,
        vault_workers=vault_workers,
        public_workers=public_workers,
        memory_bytes=1 << 30,
        wait_seconds=wait_seconds,
        statement_seconds=statement_seconds,
        deadlines=deadlines or Deadlines(),
    )
    made = files(shop, snapshot)
    pool = WorkerPool(replace(made, simulation=simulation, vault_key=vault_key or made.vault_key), settings)
    try:
        yield pool
    finally:
        pool.close()


def rows(stream: bytes) -> list[dict[str, object]]:
    found: list[dict[str, object]] = pa.ipc.open_stream(stream).read_all().to_pylist()
    return found


def stream(name: str, values: Sequence[object]) -> bytes:
    table = pa.table({name: pa.array(values)})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()
