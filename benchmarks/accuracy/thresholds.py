"""The error to be expected of counts by keys that nobody declared, under fixed `l0 × linf` bounds.

Half of the price is spent on the number of units of each key, which has to pass a threshold, and half on the counts. A
key that does not pass counts as an answer of zero. That a key's number of units and its count are drawn together is
left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from statistics import NormalDist
from typing import Protocol

import numpy as np

from benchmarks.accuracy.fixed_bounds import Floats, Moments, Truncation
from benchmarks.accuracy.questions import THRESHOLD_DELTA
from benchmarks.accuracy.search import Point, best_point, geometric, whole_numbers

_erf = np.vectorize(math.erf, otypes=[np.float64])


@dataclass(frozen=True, slots=True)
class Released:
    """The best bounds, the root-mean-square error over all keys, and how many keys are to be expected."""

    bounds: tuple[float, ...]
    error: float
    released: float


class KeyNoise(Protocol):
    """How keys are chosen, and what noise their counts get."""

    def passing(self, units: Floats, drawing: Floats, groups: float) -> Floats:
        """The probability that each key passes, from its number of units after bounding and the variance of that."""
        ...

    def variance(self, groups: float, bound: float) -> float:
        """Of the noise in a count."""
        ...


@dataclass(frozen=True, slots=True)
class GaussianKeys:
    """Half of ρ for each; at most δ that a key passes which a single unit has brought."""

    rho: float

    def passing(self, units: Floats, drawing: Floats, groups: float) -> Floats:
        deviation = math.sqrt(groups / self.rho)  # of a sum of norm √l0 at ρ/2
        threshold = 1 + deviation * NormalDist().inv_cdf(1 - float(THRESHOLD_DELTA) / groups)
        passes: Floats = (1 + _erf((units - threshold) / np.sqrt(2 * (deviation**2 + drawing)))) / 2
        return passes

    def variance(self, groups: float, bound: float) -> float:
        return groups * bound**2 / self.rho


@dataclass(frozen=True, slots=True)
class LaplaceKeys:
    """Half of ε for each, with the threshold of SmartNoise; drawing is left out of it."""

    epsilon: float
    delta: float

    def passing(self, units: Floats, drawing: Floats, groups: float) -> Floats:  # noqa: ARG002
        half = self.epsilon / 2
        margins = (units - groups * (1 - math.log(2 * self.delta / groups) / half)) / (groups / half)
        return np.where(margins < 0, np.exp(np.minimum(margins, 0)) / 2, 1 - np.exp(-np.maximum(margins, 0)) / 2)

    def variance(self, groups: float, bound: float) -> float:
        return 2 * (groups * bound / (self.epsilon / 2)) ** 2


class Thresholded:
    """One way to keep groups of each unit, on so many copies of the units."""

    def __init__(self, kept: Truncation, copies: int) -> None:
        self._kept = kept
        self._copies = copies
        self._units = cache(self._units_of)

    def best(self, noises: Sequence[KeyNoise]) -> list[Released]:
        """The bounds (l0, linf) with the least error for each kind of noise."""
        data = self._kept.data
        axes = (
            whole_numbers(int(np.bincount(data.units).max())),
            geometric(1.0, float(data.values.max()), 1.2),
        )

        @cache
        def errors(at: Point) -> list[float]:
            moments = self._kept.moments(*at)
            return [self._error(at, noise, moments) for noise in noises]

        found = []
        for place, noise in enumerate(noises):
            point, error = best_point(axes, partial(_of_place, errors, place))
            found.append(Released(tuple(map(float, point)), error, float(self._passes(point[0], noise).sum())))
        return found

    def error(self, groups: float, bound: float, noise: KeyNoise) -> float:
        """The root-mean-square error over all keys that some unit has."""
        return self._error((groups, bound), noise, self._kept.moments(groups, bound))

    def _error(self, at: Point, noise: KeyNoise, moments: Moments) -> float:
        passes, truth = self._passes(at[0], noise), self._copies * self._kept.truth
        spread = self._copies * moments.drawing + noise.variance(at[0], at[1])
        some = truth > 0
        released = (self._copies * moments.bias) ** 2 + spread
        return math.sqrt(float(np.mean((passes * released + (1 - passes) * truth**2)[some])))

    def _passes(self, groups: float, noise: KeyNoise) -> Floats:
        units, drawing = self._units(groups)
        return np.where(units > 0, noise.passing(self._copies * units, self._copies * drawing, groups), 0.0)

    def _units_of(self, groups: float) -> tuple[Floats, Floats]:
        """The number of units of each key after bounding, and its variance: of one copy."""
        kept = self._kept.kept(groups)
        return self._kept.data.by_group(kept), self._kept.data.by_group(kept * (1 - kept))


def _of_place(errors: Callable[[Point], list[float]], place: int, at: Point) -> float:
    return errors(at)[place]
