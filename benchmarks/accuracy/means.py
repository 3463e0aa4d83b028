"""The errors of means under fixed bounds, drawn: a ratio of two noised sums has no error in closed form.

The bounds are those with the least median relative error over the groups. Noise, and the groups that are kept, are
drawn from fixed seeds, so that the same bounds always have the same error.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Final

import numpy as np

from benchmarks.accuracy.contributions import Lines
from benchmarks.accuracy.fixed_bounds import Floats, Numbers, Tuned
from benchmarks.accuracy.search import Point, best_point, geometric, whole_numbers

_DRAWS: Final = 16


class Means:
    """Sums and counts of each unit in each group, for so many copies of the units."""

    def __init__(self, lines: Lines, copies: int) -> None:
        width = lines.group_count
        pairs, entries = np.unique(lines.units * width + lines.groups, return_inverse=True)
        sums = np.bincount(entries, weights=lines.amounts)
        numbers = np.bincount(entries).astype(np.float64)
        self._groups: Numbers = np.tile(pairs % width, copies)
        self._sums: Floats = np.tile(sums, copies)
        self._numbers: Floats = np.tile(numbers, copies)
        self._width = width
        self._truth = self._by_group(self._sums) / self._by_group(self._numbers)
        units = np.concatenate([pairs // width + copy * (int(lines.units.max()) + 1) for copy in range(copies)])
        self._units: Numbers = units
        self._ranks = _random_ranks(units)
        noise = np.random.default_rng(2).standard_normal((2, _DRAWS, width))
        self._sum_noise, self._number_noise = noise[0], noise[1]

    def truncated(self, rho: float, deviation: Callable[[float], float] | None = None) -> Tuned:
        """The best (l0, linf of the sum, linf of the count), with half of the price for each.

        `deviation` is that of the noise of a sum of at most 1 in each of so many groups: Gaussian at ρ/2 unless stated.
        """
        scale_of = deviation or (lambda groups: math.sqrt(groups / rho))
        axes = (whole_numbers(int(self._ranks.max()) + 1), _bounds(self._sums), _bounds(self._numbers))

        @cache
        def sums(groups: float, bound: float) -> Floats:
            return self._by_group(np.minimum(self._sums, bound) * (self._ranks < groups))

        @cache
        def numbers(groups: float, bound: float) -> Floats:
            return self._by_group(np.minimum(self._numbers, bound) * (self._ranks < groups))

        def drawn(at: Point) -> Floats:
            scale = scale_of(at[0])
            return self._means(sums(at[0], at[1]), numbers(at[0], at[2]), scale * at[1], scale * at[2])

        return self._tuned(axes, drawn)

    def scaled(self, rho: float) -> Tuned:
        """The best bounds (of sums, of counts): each unit's vector of both is scaled into their L2 ball."""
        return self._tuned((_bounds(self._sums), _bounds(self._numbers)), lambda at: self._in_ball(at, rho))

    def _in_ball(self, at: Point, rho: float) -> Floats:
        units = self._units
        size = np.bincount(units, weights=(self._sums / at[0]) ** 2 + (self._numbers / at[1]) ** 2)[units]
        weights = np.minimum(1.0, 1 / np.sqrt(np.maximum(size, 1e-300)))
        scale = 1 / math.sqrt(2 * rho)
        sums, numbers = self._by_group(weights * self._sums), self._by_group(weights * self._numbers)
        return self._means(sums, numbers, scale * at[0], scale * at[1])

    def _means(self, sums: Floats, numbers: Floats, sum_scale: float, number_scale: float) -> Floats:
        """Drawn means; a count below one counts as one."""
        noised = numbers + number_scale * self._number_noise
        means: Floats = (sums + sum_scale * self._sum_noise) / np.maximum(noised, 1.0)
        return means

    def _tuned(self, axes: tuple[list[float] | list[int], ...], drawn: Callable[[Point], Floats]) -> Tuned:
        some = self._truth != 0

        def relative(at: Point) -> float:
            return float(np.median(np.abs(drawn(at) - self._truth)[:, some] / np.abs(self._truth[some])))

        point, error = best_point(axes, relative)
        rmse = math.sqrt(float(np.mean((drawn(point) - self._truth) ** 2)))
        return Tuned(tuple(map(float, point)), rmse, error)

    def _by_group(self, values: Floats) -> Floats:
        return np.bincount(self._groups, weights=values, minlength=self._width).astype(np.float64)


def _bounds(values: Floats) -> list[float]:
    """Up to where nothing is clipped: of two measures in one ball, each may be as large as it comes."""
    sizes = values[values > 0]
    return geometric(float(np.quantile(sizes, 0.05)), 1.5 * float(sizes.max()), 1.3)


def _random_ranks(units: Numbers) -> Numbers:
    """The place of each entry among its unit's, in an order that is drawn."""
    order = np.lexsort((np.random.default_rng(1).random(len(units)), units))
    ordered = units[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    ranks = np.empty(len(units), np.int64)
    ranks[order] = np.arange(len(units)) - np.repeat(starts, np.diff(np.r_[starts, len(units)]))
    return ranks
