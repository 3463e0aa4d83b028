"""What an engine owes to the release: exact, bounded sums, and the keys that they belong to."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from queries.plan import Aggregation

Vector = NDArray[np.int64]

# Norms are told in bins of a quarter of an octave: bin i has those up to 2**((FIRST_NORM + i)/4).
FIRST_NORM, NORMS = -32, 224


@dataclass(frozen=True, slots=True)
class ExactSums:
    """The summed contributions of all units: exact, so they never leave the worker process.

    `sums` has a vector of G cells for each measure of `all_blocks`, in order, in minor units times WEIGHT_ONE. `keys`
    has G rows in group-id order; an aggregation without keys has one group and a table without columns.
    """

    sums: tuple[NDArray[np.int64], ...]
    keys: pa.Table


@dataclass(frozen=True, slots=True)
class SumsOf:
    """The weighted sums of a block of `all_blocks`: a vector a measure, in minor units times WEIGHT_ONE.

    A unit's bounded cells p are multiplied by one weight k ≤ WEIGHT_ONE, such that Σ (k·p/B)² ≤ WEIGHT_ONE² over all
    groups and measures. `bounds` has B of each cell, in minor units / BOUND_ONE and above 0, a vector a measure;
    without it B is the measure's `l2_bound`. With `place` it is the block's measure of that number alone.
    """

    block: int
    bounds: tuple[Vector, ...] | None = None
    place: int | None = None


@dataclass(frozen=True, slots=True)
class NormsOf:
    """How many units have which norm √Σ (p/B)² of one measure, of those that have any: NORMS bins.

    Bin i has norms of up to 2**((FIRST_NORM + i)/4), in units of `bounds`, or in minor units without them.
    """

    block: int
    place: int
    bounds: Vector | None = None


@dataclass(frozen=True, slots=True)
class LostOf:
    """What bounding as in `SumsOf` takes from each measure, of each unit at most the cap.

    A unit loses Σ |p| - |k·p|/WEIGHT_ONE over all groups: one number a measure, in minor units rounded up.
    """

    block: int
    bounds: tuple[Vector, ...] | None
    caps: tuple[int, ...]


Request = SumsOf | NormsOf | LostOf


class Contributions(Protocol):
    """The contributions of all units to one aggregation, of which exact figures are asked, as often as is needed.

    What each unit adds to an answer depends on that unit's rows and on public tables only, whatever is asked before.
    """

    @property
    def keys(self) -> pa.Table:
        """The keys of the groups, in the order of the cells: G rows, or one group and no column."""

    def only(self, groups: Vector) -> None:
        """Leave all other groups out from now on: of keys, vectors, norms, and of what a unit can lose."""

    def exact(self, *requests: Request) -> list[tuple[Vector, ...]]:
        """The answer to each request, in one walk over the units."""


class Engine(Protocol):
    """Runs plans over one snapshot.

    Every implementation gives the same integers for the same plan and rows, whatever their order, and each unit's
    share of them depends on that unit's rows and on public tables only.
    """

    def contributions(self, aggregation: Aggregation) -> AbstractContextManager[Contributions]:
        """The contributions, until they are closed. A measure of the kind VALUES has no norms and loses nothing."""


def exact_sums(engine: Engine, aggregation: Aggregation) -> ExactSums:
    """The sums of all blocks, under the bounds that the plan states."""
    with engine.contributions(aggregation) as data:
        found = data.exact(*(SumsOf(block) for block in range(len(aggregation.all_blocks))))
        return ExactSums(tuple(vector for vectors in found for vector in vectors), data.keys)
