"""Made-up values of one column: a closed family of ways to draw them, each for many rows at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from service.simulation.shape import SPREAD

Numbers = NDArray[np.int64]
MOST_MINOR = 1 << 50  # minor units that a double still holds exactly
_NEGATIVE_SHARE = 0.02
_FAVOURED_SHARE = 0.5
_BASKETS_A_UNIT = 1_000_000


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows to make: for each the number of its unit and of its basket, among those of the rows."""

    unit: Numbers
    basket: Numbers
    first_unit: int  # how many units came before

    @property
    def baskets(self) -> int:
        return int(self.basket[-1]) + 1 if len(self.basket) else 0

    @property
    def units(self) -> int:
        return int(self.unit[-1]) + 1 if len(self.unit) else 0


class Values(Protocol):
    """Draws a value for each row."""

    def draw(self, rows: Rows, chance: np.random.Generator) -> pa.Array: ...


@dataclass(frozen=True, slots=True)
class Favoured:
    """Keys of a public table by Zipf's law; half of a unit's rows have one of its few favourites."""

    keys: pa.Array
    order: Numbers  # the keys' places by rank
    favourites: int

    def draw(self, rows: Rows, chance: np.random.Generator) -> pa.Array:
        favourites = self._ranks(rows.units * self.favourites, chance).reshape(-1, self.favourites)
        mine = favourites[rows.unit, chance.integers(self.favourites, size=len(rows.unit))]
        ranks = np.where(chance.random(len(mine)) < _FAVOURED_SHARE, mine, self._ranks(len(mine), chance))
        return self.keys.take(pa.array(self.order[ranks]))

    def _ranks(self, count: int, chance: np.random.Generator) -> Numbers:
        """Ranks from 0: that of the n-th key has a probability in proportion to 1/n, or nearly so."""
        last = len(self.keys) - 1
        ranks: Numbers = np.exp(chance.random(count) * np.log(last + 2)).astype(np.int64) - 1
        return np.minimum(ranks, last, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Values of a list, the first ones more often than the last."""

    values: pa.Array

    def draw(self, rows: Rows, chance: np.random.Generator) -> pa.Array:
        weights = 1 / np.sqrt(np.arange(1, len(self.values) + 1))
        places = np.searchsorted(np.cumsum(weights / weights.sum()), chance.random(len(rows.unit)))
        return self.values.take(pa.array(np.minimum(places, len(self.values) - 1)))


@dataclass(frozen=True, slots=True)
class Spread:
    """Whole numbers from `low` to `high`, all alike: one a basket."""

    low: int
    high: int
    type: pa.DataType

    def draw(self, rows: Rows, chance: np.random.Generator) -> pa.Array:
        found = chance.integers(self.low, self.high, size=rows.baskets, endpoint=True)[rows.basket]
        return pa.array(found, pa.int32()).cast(self.type) if pa.types.is_date(self.type) else pa.array(found)


@dataclass(frozen=True, slots=True)
class Amounts:
    """Numbers of a heavy tail (log-normal) between two limits; a few are negative where that is possible.

    All of it is in minor units; what is drawn is in the column's own.
    """

    mean: float
    low: int
    high: int
    minor_units: int

    def draw(self, rows: Rows, chance: np.random.Generator) -> pa.Array:
        count = len(rows.unit)
        sizes = self.mean * np.exp(SPREAD * chance.standard_normal(count) - SPREAD**2 / 2)
        signs = np.where(chance.random(count) < _NEGATIVE_SHARE, -1.0, 1.0)
        start = max(0, self.low)
        if self.high <= 0:
            signs, start = np.full(count, -1.0), self.high
        found = np.clip(np.rint(start + signs * sizes), self.low, self.high)
        return pa.array(found.astype(np.int64)) if self.minor_units == 1 else pa.array(found / self.minor_units)


@dataclass(frozen=True, slots=True)
class Numbered:
    """A number that no other basket has, such as that of a receipt."""

    type: pa.DataType

    def draw(self, rows: Rows, chance: np.random.Generator) -> pa.Array:
        del chance
        return pa.array((rows.first_unit + 1) * _BASKETS_A_UNIT + rows.basket).cast(self.type)


def with_nulls(values: pa.Array, share: float, chance: np.random.Generator) -> pa.Array:
    """The values, of which this share is NULL."""
    missing = pa.array(chance.random(len(values)) < share)
    return pc.if_else(missing, pa.scalar(None, values.type), values)
