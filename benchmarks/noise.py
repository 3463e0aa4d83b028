"""The time that sampling the noise of a thresholded question takes, where the target leaves it out."""

from __future__ import annotations

import time
from fractions import Fraction
from typing import Final

import numpy as np

from benchmarks.datasets import Prepared
from benchmarks.questions import EPSILON, Question
from queries.engine import exact_sums
from queries.engines.duckdb import DuckDBEngine, attach, connect, lock
from queries.mechanisms import Gaussian
from queries.options import options_of
from queries.plan import ThresholdKeys
from queries.planner import plan, price
from queries.schema import Schema
from queries.vault import SecretKeys

_SAMPLED: Final = Gaussian.of(65_536 * 100, 10_000_000)  # the time hardly depends on the scale


def held_keys(prepared: Prepared, question: Question, threads: int) -> int:
    """How many keys bounding left to some unit: each gets noise, and those that pass get it once more a measure."""
    with connect(threads, 1 << 30) as connection:
        attach(connection, prepared.snapshot.public_file, "public")
        snapshot = prepared.snapshot
        key = SecretKeys.open(prepared.keys_dir).snapshot_key(snapshot.dataset, snapshot.id)
        attach(connection, snapshot.private_file, "private", key)
        lock(connection)
        engine, schema = DuckDBEngine(connection, threads), Schema(prepared.snapshot.policy)
        rho_nano = price(schema, Fraction(EPSILON), None, None)
        (node,) = plan(question.sql, {}, schema, rho_nano, options_of(question.options), engine.domain_size).nodes
        assert isinstance(node.aggregation.keys, ThresholdKeys)
        return int(np.count_nonzero(exact_sums(engine, node.aggregation).sums[0]))


def noise_seconds(cells: int) -> tuple[float, float]:
    """The time that the product's sampler takes, on the clock and of the processor."""
    exact = np.zeros(cells, np.int64)
    started = time.perf_counter(), time.process_time()
    _SAMPLED.add_noise(exact)
    return time.perf_counter() - started[0], time.process_time() - started[1]
