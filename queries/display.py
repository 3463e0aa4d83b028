"""Cells as people should read them: shrunk where noise dominates, not below zero where that cannot be, and rounded.

It is post-processing of noised cells (Dwork and Roth 2014, Proposition 2.1), and keeps their total up to rounding.
What is shown is biased by it, so nothing else is computed from it: intervals are those of the noised values.

Values and deviations are in minor units. What comes out does not depend on the order of the cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

SHRINK_BELOW = 0.5  # the share of signal in the cells' variance: noise dominates where it has the larger part
_LEAST_CELLS = 4  # below, shrinking towards a mean does not pay (Efron and Morris 1973)
_HALVINGS = 100
_LEAST_COUNT = 1.0  # rows that a mean is taken to be of at the least

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Biased = tuple[str, frozenset[int]]  # a table, and the measures of a figure that was drawn together with others
T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Cleaned:
    """The cells of one measure in minor units, and whether they were shrunk towards each other."""

    values: Integers
    biased: bool


@dataclass(frozen=True, slots=True)
class Drawn:
    """Means of groups with their deviations, and whether some of them were drawn towards that of all by most of it."""

    values: Floats
    deviations: Floats
    biased: bool


def cleaned(values: Floats, deviations: Floats) -> Cleaned:
    """The cells of a measure that may be negative."""
    order = np.lexsort((deviations, values))
    cells, deviation, biased = _shrunk(values[order], deviations[order])
    return Cleaned(_in_order(rounded(cells, step_of(deviation)), order), biased)


def cleaned_above_zero(values: Floats, deviations: Floats) -> Cleaned:
    """The cells of a measure that is never negative."""
    order = np.lexsort((deviations, values))
    cells, deviation, biased = _shrunk(values[order], deviations[order])
    above = not_below_zero(cells, deviations[order] ** 2)
    return Cleaned(_in_order(rounded(above, step_of(deviation)), order), biased)


def drawn_means(sums: Floats, counts: Floats, sum_deviations: Floats, count_deviations: Floats, z: float) -> Drawn:
    """Means of groups as people should read them, and the deviations that are left of their noise.

    Each is drawn towards the mean of all, by the share of noise in what sets it apart: the estimate of Fay and Herriot
    (1979), with the total mean r as its anchor. What a group has beyond it, (sum - r·count) / count, has a noise that
    is known to first order, and a count counts as one deviation of its noise at the least. So a group of which nothing
    is known has the mean of all, and one with much data its own. NaN where the count is within `z` deviations of zero:
    that of all, or the group's where groups are too few to be drawn together.
    """
    whole = float(counts.sum())
    if whole <= z * np.sqrt((count_deviations**2).sum()):
        return Drawn(np.full(len(sums), np.nan), np.full(len(sums), np.nan), biased=False)
    ratio, sizes = float(sums.sum()) / whole, np.maximum(counts, np.maximum(count_deviations, _LEAST_COUNT))
    values = ratio + (sums - ratio * counts) / sizes
    variances = (sum_deviations**2 + ratio**2 * count_deviations**2) / sizes**2
    if len(values) < _LEAST_CELLS or not (variances > 0).all():
        known = counts > z * count_deviations
        return Drawn(np.where(known, values, np.nan), np.where(known, np.sqrt(variances), np.nan), biased=False)
    order = np.lexsort((variances, values))
    signal = signal_variance(values[order], variances[order])
    moved, left, shares = _towards_mean(values[order], variances[order], signal)
    return Drawn(_in_order(moved, order), _in_order(np.sqrt(left), order), bool((shares > SHRINK_BELOW).any()))


def _in_order(cells: NDArray[T], order: NDArray[np.intp]) -> NDArray[T]:
    found = np.empty_like(cells)
    found[order] = cells
    return found


def _shrunk(values: Floats, deviations: Floats) -> tuple[Floats, Floats, bool]:
    """The cells and their deviations, shrunk if noise dominates."""
    if len(values) < _LEAST_CELLS or not (deviations > 0).all():
        return values, deviations, False
    variances = deviations**2
    if _excess(values, variances, float(variances.mean()) * SHRINK_BELOW / (1 - SHRINK_BELOW)) >= 0:  # enough signal
        return values, deviations, False
    return *shrunk(values, variances, signal_variance(values, variances)), True


def signal_variance(values: Floats, variances: Floats) -> float:
    """How much the cells differ beyond their noise: the A for which Σ (y - μ)² / (A + v) is what it should be, k - 1.

    A method of moments for unequal variances (Paule and Mandel 1982; Fay and Herriot 1979); 0 if noise explains all.
    """
    low, high = 0.0, float(((values - values.mean()) ** 2).sum())
    if _excess(values, variances, low) <= 0:
        return 0.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _excess(values, variances, middle) > 0 else (low, middle)
    return high


def _excess(values: Floats, variances: Floats, signal: float) -> float:
    weights = 1 / (signal + variances)
    return float((weights * (values - _mean(values, weights)) ** 2).sum()) - (len(values) - 1)


def _mean(values: Floats, weights: Floats) -> float:
    return float((weights * values).sum() / weights.sum())


def shrunk(values: Floats, variances: Floats, signal: float) -> tuple[Floats, Floats]:
    """The cells moved towards their mean by the share of noise in each, and the deviations that are left.

    The empirical-Bayes estimate for unequal variances (Morris 1983); with equal ones it is the positive-part estimator
    of James and Stein (1961) towards the mean (Lindley 1962), whose squared error is below that of the cells as they
    are. What the total lacks then is shared out by the variances left (benchmarking: Wang, Fuller and Qu 2008).
    """
    moved, left, shares = _towards_mean(values, variances, signal)
    own = (1 - shares) * variances
    return moved + (values.sum() - moved.sum()) * own / own.sum(), np.sqrt(left)


def _towards_mean(values: Floats, variances: Floats, signal: float) -> tuple[Floats, Floats, Floats]:
    """The values moved towards their mean, the variances that are left, and the share of the way each one went."""
    count, weights = len(values), 1 / (signal + variances)
    shares = (count - 3) / (count - 1) * variances * weights
    moved = values - shares * (values - _mean(values, weights))
    return moved, (1 - shares) * variances + shares**2 / weights.sum(), shares


def not_below_zero(values: Floats, variances: Floats) -> Floats:
    """The nearest cells, in units of their deviations, that are at least 0 and have the same total, if it is above 0.

    The projection onto a simplex (Duchi, Shalev-Shwartz, Singer and Chandra 2008): max(0, y - τ·v), with the τ that
    keeps the total. Zeros where the total is not above 0.
    """
    total = float(values.sum())
    if total <= 0:
        return np.zeros_like(values)
    weights = variances if (variances > 0).all() else np.ones_like(values)
    order = np.argsort(-(values / weights), kind="stable")
    lines = (np.cumsum(values[order]) - total) / np.cumsum(weights[order])
    last = int(np.flatnonzero(values[order] / weights[order] > lines)[-1])
    above: Floats = np.maximum(0.0, values - lines[last] * weights)
    return above


def step_of(deviations: Floats) -> float:
    """The largest power of ten that is at most the least deviation, and at least a minor unit.

    To round to it adds at most 1/12 to the variance of a cell.
    """
    least = float(deviations.min(initial=np.inf))
    return 10.0 ** np.floor(np.log10(least)) if 1 <= least < np.inf else 1.0


def rounded(values: Floats, step: float) -> Integers:
    """The cells in multiples of the step, each moved by less than one, so that their total is nearest to what it was.

    The cells with the largest remainders go up, all from the same remainder on: controlled rounding (Cox and Ernst
    1982) in which equal cells stay equal. Where many are equal, the total is off by at most half of their number.
    """
    parts = values / step
    whole = np.floor(parts + 1e-9)
    remainders = np.maximum(0.0, parts - whole)
    wanted = remainders.sum()
    limits = np.unique(remainders[remainders > 0])
    above = len(remainders) - np.searchsorted(np.sort(remainders), limits)  # how many go up from each limit on
    choices, rises = np.append(limits, np.inf), np.append(above, 0)
    limit = choices[int(np.argmin(np.abs(rises - wanted)))]
    found: Integers = np.rint((whole + (remainders >= limit)) * step).astype(np.int64)
    return found


def one_digit(values: Floats, deviations: Floats) -> Floats:
    """Deviations to round to, none of which takes the first digit: 3 that may be off by 12 is no better shown as 0."""
    return np.minimum(deviations, np.abs(values))


def rounded_each(values: Floats, deviations: Floats, unit: float) -> Floats:
    """Each value by itself, in multiples of the largest power of ten that is at most its deviation, at least `unit`."""
    least = np.log10(np.maximum(deviations, unit), where=deviations > 0, out=np.full_like(values, np.log10(unit)))
    places = np.floor(least + 1e-9).astype(int)
    pairs = zip(values.tolist(), places.tolist(), strict=True)
    return np.array([round(value, -place) if np.isfinite(value) else value for value, place in pairs])
