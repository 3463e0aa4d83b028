"""The error that is to be expected of sums under bounds that somebody fixed: exact but for floating point, not sampled.

A release of the group sums y with bounded contributions has expectation ŷ and, in each group, the variance v of its
noise and of what bounding draws. Its root-mean-square error over the groups is √(mean((ŷ − y)² + v)). The data may
stand for several copies of every unit: biases then add up, and so do variances of drawing; the noise stays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.search import Point, best_point, geometric, whole_numbers

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]
Variance = Callable[[float, float], float]
"""The variance of the noise in a group, from the number of groups that a unit counts in and the bound of each."""

_NOISE_DRAWS: Final = 40


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
    relative: float = math.nan  # the median relative error over groups that are not empty


@dataclass(frozen=True, slots=True)
class Moments:
    """What bounding takes from each group, and the variance of it where groups are drawn: of one copy of the units."""

    bias: Floats
    drawing: Floats

    def error(self, noise: float, copies: int = 1) -> float:
        """The root-mean-square error with a variance `noise` of the noise in each group."""
        return math.sqrt(float(np.mean((copies * self.bias) ** 2 + copies * self.drawing)) + noise)

    def relative(self, truth: Floats, noise: float, copies: int = 1) -> float:
        """The median of |error| / |truth| over groups that are not empty, and over draws from a fixed seed."""
        some = truth != 0
        deviation = np.sqrt(copies * self.drawing[some] + noise)
        drawn = np.random.default_rng(1).standard_normal((_NOISE_DRAWS, int(some.sum()))) * deviation
        shares = np.abs(copies * self.bias[some] + drawn) / np.abs(copies * truth[some])
        return float(np.median(shares)) if shares.size else math.nan


class Truncation:
    """Keeping some of each unit's groups, with each value clamped."""

    def __init__(self, data: Contributions, kept: Callable[[float], Floats]) -> None:
        self.data = data
        self.truth = data.truth()
        self.kept = lru_cache(maxsize=8)(kept)  # each is as large as the data

    @classmethod
    def of_random_groups(cls, data: Contributions) -> Truncation:
        """So many groups are drawn for each unit: each entry stays with the same probability."""
        degrees = data.by_unit(np.ones_like(data.values))
        return cls(data, lambda groups: np.minimum(1.0, groups / degrees))

    @classmethod
    def of_largest_groups(cls, data: Contributions) -> Truncation:
        """So many of each unit's largest values stay."""
        ranks = _ranks(data)
        return cls(data, lambda groups: (ranks < groups).astype(np.float64))

    def moments(self, groups: float, bound: float) -> Moments:
        """Of keeping that many groups a unit, each clamped to ±bound."""
        kept, values = self.kept(groups), np.clip(self.data.values, -bound, bound)
        drawing = self.data.by_group(values**2 * kept * (1 - kept))
        return Moments(self.data.by_group(values * kept) - self.truth, drawing)

    def best(self, variances: Sequence[Variance], copies: int = 1) -> list[Tuned]:
        """The best bounds (l0, linf) for each kind of noise, under which the same bounds are tried."""
        sizes = np.abs(self.data.values)
        bounds = geometric(max(float(np.quantile(sizes, 0.05)), 1e-9), float(sizes.max()), 1.1)
        axes = (whole_numbers(int(np.bincount(self.data.units).max())), bounds)
        without_noise = cache(lambda point: self.moments(*point).error(0.0, copies) ** 2)

        def tuned(variance: Variance) -> Tuned:
            point, error = best_point(axes, lambda at: math.sqrt(without_noise(at) + variance(at[0], at[1])))
            relative = self.moments(*point).relative(self.truth, variance(point[0], point[1]), copies)
            return Tuned(tuple(map(float, point)), error, relative)

        return [tuned(variance) for variance in variances]


def gaussian(rho: float) -> Variance:
    """The noise of a Gaussian mechanism at ρ: l0 groups of at most linf have an L2 norm of √l0·linf."""
    return lambda groups, bound: groups * bound**2 / (2 * rho)


def laplace(epsilon: float) -> Variance:
    """The noise of a Laplace mechanism at ε: l0 groups of at most linf have an L1 norm of l0·linf."""
    return lambda groups, bound: 2 * (groups * bound / epsilon) ** 2


def l2_moments(data: Contributions, bound: float) -> Moments:
    """Of scaling each unit's vector down to an L2 norm of at most `bound`."""
    norms = np.sqrt(data.by_unit(data.values**2))
    weights = np.minimum(1.0, bound / np.maximum(norms, 1e-300))
    return Moments(data.by_group(weights * data.values) - data.truth(), np.zeros(data.group_count))


def l2_error(data: Contributions, bound: float, rho: float) -> float:
    """The error when each unit's vector is scaled down to an L2 norm of at most `bound`."""
    return l2_moments(data, bound).error(bound**2 / (2 * rho))


def truncation_error(data: Contributions, groups: int, bound: float, rho: float) -> float:
    """The error when each unit keeps `groups` of its groups, drawn at random, each value clamped to ±bound."""
    return Truncation.of_random_groups(data).moments(groups, bound).error(gaussian(rho)(groups, bound))


def largest_error(data: Contributions, groups: int, bound: float, rho: float) -> float:
    """The error when each unit keeps the largest `groups` of its values, each clamped to ±bound."""
    return Truncation.of_largest_groups(data).moments(groups, bound).error(gaussian(rho)(groups, bound))


def best_l2(data: Contributions, rhos: Sequence[float], copies: int = 1) -> list[Tuned]:
    """The best L2 bound for each ρ, of a geometric grid in steps of 5%."""
    norms = np.sqrt(data.by_unit(data.values**2))
    axes = (geometric(float(norms.min()), float(norms.max()), 1.05),)
    without_noise = cache(lambda point: l2_moments(data, point[0]).error(0.0, copies) ** 2)

    def tuned(rho: float) -> Tuned:
        def error(point: Point) -> float:
            return math.sqrt(without_noise(point) + point[0] ** 2 / (2 * rho))

        (bound,), found = best_point(axes, error)
        return Tuned((bound,), found, l2_moments(data, bound).relative(data.truth(), bound**2 / (2 * rho), copies))

    return [tuned(rho) for rho in rhos]


def best_truncations(data: Contributions, rho: float) -> tuple[Tuned, Tuned]:
    """The best `l0 × linf` bounds with groups drawn at random, and with the largest kept: (l0, linf) each."""
    (random,) = Truncation.of_random_groups(data).best([gaussian(rho)])
    (largest,) = Truncation.of_largest_groups(data).best([gaussian(rho)])
    return random, largest


def _ranks(data: Contributions) -> Numbers:
    """The place of each entry among its unit's, the largest first."""
    order = np.lexsort((-np.abs(data.values), data.units))
    units = data.units[order]
    starts = np.flatnonzero(np.r_[True, units[1:] != units[:-1]])
    place = np.arange(len(units)) - np.repeat(starts, np.diff(np.r_[starts, len(units)]))
    ranks = np.empty(len(units), np.int64)
    ranks[order] = place
    return ranks
