"""What an engine owes to the release: exact, bounded sums, and the keys that they belong to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from queries.plan import Aggregation


@dataclass(frozen=True, slots=True)
class ExactSums:
    """The summed contributions of all units: exact, so they never leave the worker process.

    `sums` has a vector of G cells for each measure of `all_blocks`, in order, in minor units times WEIGHT_ONE. `keys`
    has G rows in group-id order; an aggregation without keys has one group and a table without columns.
    """

    sums: tuple[NDArray[np.int64], ...]
    keys: pa.Table


class Engine(Protocol):
    """Runs plans over one snapshot.

    Every implementation gives the same integers for the same plan and rows, whatever their order, and each unit's
    share of them depends on that unit's rows and on public tables only.
    """

    def exact_sums(self, aggregation: Aggregation) -> ExactSums: ...
