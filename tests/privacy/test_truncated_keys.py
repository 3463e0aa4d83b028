"""Keys that bounding took away from a unit must not be candidates.

A unit with far more keys than `max_groups` keeps that many. The keys that it lost have a count of zero on D and do not
exist on D′; were they compared with the threshold, each would pass with the tail of the noise alone, and δ was only
computed for `max_groups` keys.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from queries.mechanisms import build
from queries.plan import (
    INTEGER,
    WEIGHT_ONE,
    Aggregation,
    Block,
    Column,
    Measure,
    MeasureKind,
    Relation,
    Scan,
    ThresholdKeys,
)
from queries.release import release
from tests.queries.fixed_engine import FixedEngine

KEYS = 200_000
RELATION = Relation(Scan("lines", private=True, columns=(("ticket", INTEGER),)))
COUNT = Block((Measure(MeasureKind.ROWS, None, l2_bound=10),), rho_nano=10**7)
THRESHOLD = ThresholdKeys((Column(0, "ticket", INTEGER),), max_groups=2, rho_nano=10**7, delta_atto=10**15)
AGGREGATION = Aggregation(RELATION, THRESHOLD, (COUNT,), unit_capacity=1_000)


def _one_greedy_unit(kept: int) -> FixedEngine:
    """An engine whose only unit has KEYS tickets, of which bounding kept so many."""
    selection = np.zeros(KEYS, np.int64)
    selection[:kept] = WEIGHT_ONE // 2
    return FixedEngine([selection, np.zeros(KEYS, np.int64)], pa.table({"k0": pa.array(np.arange(KEYS))}))


def test_keys_that_bounding_took_away_never_appear() -> None:
    tail_of_zero = KEYS * 0.5e-3 / 2  # how many would pass if they were candidates: about delta/max_groups each
    assert tail_of_zero > 25
    found = release(AGGREGATION, AGGREGATION.loss, _one_greedy_unit(kept=2))
    assert set(found.column("k0").to_pylist()) <= {0, 1}


def test_the_test_would_see_them() -> None:
    noise = build(AGGREGATION).gaussians[0].add_noise(np.zeros(KEYS, np.int64))
    threshold = build(AGGREGATION).threshold
    assert threshold is not None
    assert threshold.passes(noise).sum() > 0
