"""The errors of medians under fixed bounds, drawn: one exponential mechanism a group over a grid of candidates.

A unit brings at most `rows` lines to each of `l0` groups, drawn at random: what is expected of the drawing is taken for
it. The score of a candidate is minus the difference between the lines below and above it, which one unit changes by
`rows` at the most; l0 mechanisms of ε each are l0·ε²/8-zCDP together.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Final

import numpy as np

from benchmarks.accuracy.contributions import Lines
from benchmarks.accuracy.fixed_bounds import Floats, Tuned
from benchmarks.accuracy.search import Point, best_point, geometric, whole_numbers

_DRAWS: Final = 16
_CANDIDATES: Final = (0.01, 1000.0, 1.02)  # from a cent to the largest amount that the policy declares, in steps of 2%


def candidates(scale: int) -> list[int]:
    """The candidates in stored units, each once: for systems that want a list of them."""
    return sorted({round(candidate * scale) for candidate in geometric(*_CANDIDATES)})


class Medians:
    """Lines of so many copies of the units."""

    def __init__(self, lines: Lines, copies: int) -> None:
        self._width, self._copies = lines.group_count, copies
        self._candidates = np.asarray(geometric(*_CANDIDATES))
        places = np.searchsorted(self._candidates, lines.amounts)
        self._cells = lines.groups * (len(self._candidates) + 1) + places
        pairs, entries = np.unique(lines.units * self._width + lines.groups, return_inverse=True)
        self._rows = np.bincount(entries)[entries]
        units = pairs // self._width
        self._degrees = np.bincount(units)[units][entries]
        self._most = int(self._degrees.max())
        self._truth = np.array([np.median(lines.amounts[lines.groups == g]) for g in range(self._width)])
        self._gumbel = np.random.default_rng(3).gumbel(size=(_DRAWS, self._width, len(self._candidates)))
        self._scores = cache(self._scores_of)

    def truncated(self, rho: float) -> Tuned:
        """The best (l0, lines in a group) by the median relative error."""
        axes = (whole_numbers(self._most), geometric(1.0, float(self._rows.max()), 1.3))
        some = self._truth != 0

        def relative(at: Point) -> float:
            return float(np.median(np.abs(self._drawn(at, rho) - self._truth)[:, some] / np.abs(self._truth[some])))

        point, error = best_point(axes, relative)
        rmse = math.sqrt(float(np.mean((self._drawn(point, rho) - self._truth) ** 2)))
        return Tuned(tuple(map(float, point)), rmse, error)

    def _drawn(self, at: Point, rho: float) -> Floats:
        epsilon = math.sqrt(8 * rho / at[0])
        chosen = np.argmax(epsilon / (2 * at[1]) * self._scores(at) + self._gumbel, axis=2)
        drawn: Floats = self._candidates[chosen]
        return drawn

    def _scores_of(self, at: Point) -> Floats:
        """Minus |lines below − lines from there on|, of each candidate in each group."""
        weights = np.minimum(1.0, at[0] / self._degrees) * np.minimum(1.0, at[1] / self._rows) * self._copies
        cells = self._width * (len(self._candidates) + 1)
        counts = np.bincount(self._cells, weights=weights, minlength=cells).reshape(self._width, -1)
        below = np.cumsum(counts, axis=1)[:, :-1]
        scores: Floats = -np.abs(2 * below - counts.sum(axis=1, keepdims=True))
        return scores
