"""The one place where noise meets exact sums: what leaves here is private, what comes in never leaves.

Runs in the worker process. Nothing here logs, and every exception is turned into a constant by the worker.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa

from budgets.privacy_loss import PrivacyLoss
from queries.engine import Engine
from queries.errors import IllegalPlanError
from queries.mechanisms import build
from queries.plan import Aggregation, Literal, Type


def release(aggregation: Aggregation, charged: PrivacyLoss, engine: Engine) -> pa.Table:
    """The noised table of an aggregation: its key columns k0, …, then one int64 column m0, … a measure.

    Measures are in minor units times WEIGHT_ONE, unbiased but for clipping, unclamped, possibly negative. Keys come
    in key order, which is public. The loss of the mechanism that runs is at most `charged`, or IllegalPlanError is
    raised before a private row is read.
    """
    mechanism = build(aggregation)
    if not mechanism.loss.fits_within(charged):
        raise IllegalPlanError("the mechanism would lose more than was charged")
    if mechanism.choice is not None:
        counts = engine.exact_sums(aggregation.counting)
        chosen = counts.keys.column(0).take(pa.array(mechanism.choice.among(counts.sums[0])))
        aggregation = aggregation.among(_literals(chosen, aggregation.keys.expressions[0].type))
    exact = engine.exact_sums(aggregation)
    if len(exact.sums) != len(mechanism.gaussians):
        raise IllegalPlanError("one exact vector for each mechanism")
    gaussians, sums, keys = mechanism.gaussians, exact.sums, exact.keys
    if mechanism.threshold is not None:
        held = np.flatnonzero(sums[0] > 0)  # keys that bounding left to some unit: the candidates of `Threshold`
        passing = held[mechanism.threshold.passes(gaussians[0].add_noise(sums[0][held]))]
        gaussians, sums = gaussians[1:], tuple(vector[passing] for vector in sums[1:])  # the rest is never drawn
        keys = keys.take(pa.array(passing))
    noised = [gaussian.add_noise(vector) for gaussian, vector in zip(gaussians, sums, strict=True)]
    columns = {name: keys.column(name) for name in keys.column_names}
    return pa.table(columns | {f"m{index}": pa.array(vector) for index, vector in enumerate(noised)})


def _literals(members: pa.ChunkedArray, type_: Type) -> tuple[Literal, ...]:
    """Keys that the engine gave, as a plan spells them."""
    values = members.to_pylist()
    return tuple(Literal(str(value) if isinstance(value, date) else value, type_) for value in values)
