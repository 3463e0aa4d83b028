"""The error that is to be expected of bounded, noised sums: exact but for floating point, not sampled.

A release of the group sums y with bounded contributions has expectation ŷ and, in each cell, the variance v of its
noise. Its root-mean-square error over the groups is √(mean((ŷ − y)² + v)).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Contributions:
    """What each unit adds to each group, one entry a pair that occurs; group numbers are below `group_count`."""

    units: Numbers
    groups: Numbers
    values: Floats
    group_count: int

    def truth(self) -> Floats:
        """The sums by group without any bound."""
        return self.by_group(self.values)

    def by_group(self, values: Floats) -> Floats:
        return np.bincount(self.groups, weights=values, minlength=self.group_count).astype(np.float64)

    def by_unit(self, values: Floats) -> Floats:
        """The sum over the unit's groups, for each entry of the unit."""
        return np.bincount(self.units, weights=values).astype(np.float64)[self.units]


@dataclass(frozen=True, slots=True)
class Tuned:
    """The best bounds of a kind, and the error that they give."""

    bounds: tuple[float, ...]
    error: float


def l2_error(data: Contributions, bound: float, rho: float) -> float:
    """The error when each unit's vector is scaled down to an L2 norm of at most `bound`."""
    norms = np.sqrt(data.by_unit(data.values**2))
    weights = np.minimum(1.0, bound / np.maximum(norms, 1e-300))
    return _error(data.by_group(weights * data.values) - data.truth(), bound**2 / (2 * rho))


def truncation_error(data: Contributions, groups: int, bound: float, rho: float) -> float:
    """The error when each unit keeps `groups` of its groups, drawn at random, each value clamped to ±bound."""
    kept = np.minimum(1.0, groups / data.by_unit(np.ones_like(data.values)))
    values = np.clip(data.values, -bound, bound)
    drawing = data.by_group(values**2 * kept * (1 - kept))
    return _error(data.by_group(values * kept) - data.truth(), drawing + groups * bound**2 / (2 * rho))


def largest_error(data: Contributions, groups: int, bound: float, rho: float) -> float:
    """The error when each unit keeps the largest `groups` of its values, each clamped to ±bound."""
    values = np.where(_ranks(data) < groups, np.clip(data.values, -bound, bound), 0.0)
    return _error(data.by_group(values) - data.truth(), groups * bound**2 / (2 * rho))


def best_l2(data: Contributions, rho: float) -> Tuned:
    """The best L2 bound of a geometric grid in steps of 5%."""
    norms = np.sqrt(data.by_unit(data.values**2))
    tried = ((bound, l2_error(data, bound, rho)) for bound in geometric(float(norms.min()), float(norms.max()), 1.05))
    bound, error = min(tried, key=lambda pair: pair[1])
    return Tuned((bound,), error)


def best_truncations(data: Contributions, rho: float) -> tuple[Tuned, Tuned]:
    """The best `l0 × linf` bounds with groups drawn at random, and with the largest kept: (l0, linf) each."""
    sizes = np.abs(data.values)
    bounds = geometric(max(float(np.quantile(sizes, 0.05)), 1e-9), float(sizes.max()), 1.1)
    most = int(np.bincount(data.units).max())
    found = []
    for error_of in (truncation_error, largest_error):
        tried = (((l0, b), error_of(data, l0, b, rho)) for l0 in whole_numbers(most) for b in bounds)
        pair, error = min(tried, key=lambda one: one[1])
        found.append(Tuned(tuple(map(float, pair)), error))
    return found[0], found[1]


def geometric(low: float, high: float, factor: float) -> list[float]:
    """From `low` to at least `high` in steps of a factor."""
    steps = max(0, math.ceil(math.log(high / low) / math.log(factor)))
    return [low * factor**step for step in range(steps + 1)]


def whole_numbers(most: int) -> list[int]:
    """1 to `most`: all of the first 40, then in steps of a tenth."""
    return sorted({min(most, max(step, round(40 * 1.1 ** (step - 40)))) for step in range(1, most + 1)})


def measured_error(answers: Sequence[Sequence[float]], truth: Sequence[float]) -> float:
    """The root-mean-square error of answers that were drawn, over all groups and draws."""
    return math.sqrt(float(np.mean((np.asarray(answers) - np.asarray(truth)) ** 2))) if truth else math.nan


def relative_error(answers: Iterable[Sequence[float]], truth: Sequence[float]) -> float:
    """The median over groups (that are not empty) and draws of |answer − truth| / |truth|."""
    pairs = [pair for answer in answers for pair in zip(answer, truth, strict=True)]
    return median([abs(value - true) / abs(true) for value, true in pairs if true] or [math.nan])


def _ranks(data: Contributions) -> Numbers:
    """The place of each entry among its unit's, the largest first."""
    order = np.lexsort((-np.abs(data.values), data.units))
    units = data.units[order]
    starts = np.flatnonzero(np.r_[True, units[1:] != units[:-1]])
    place = np.arange(len(units)) - np.repeat(starts, np.diff(np.r_[starts, len(units)]))
    ranks = np.empty(len(units), np.int64)
    ranks[order] = place
    return ranks


def _error(bias: Floats, variance: Floats | float) -> float:
    return math.sqrt(float(np.mean(bias**2 + variance)))
