"""Drawn answers beside the true one, and what their errors are: for a column, over all groups and draws."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Row = Mapping[str, object]
Key = tuple[object, ...]
NARROW = (0.1, 0.3)
_PERCENTILE = 90
_LEAST_DRAWS = 2  # of a group, to tell its bias from its noise


@dataclass(frozen=True, slots=True)
class Shown:
    """The columns of an answer that tell a row from others, and those that are estimates."""

    dimensions: tuple[str, ...]
    estimates: tuple[str, ...]

    @classmethod
    def of(cls, described: Iterable[Mapping[str, object]]) -> Shown:
        """Of the columns as an answer describes them."""
        columns = list(described)
        estimates = [str(c["name"]) for c in columns if c["role"] == "estimate" and c["type"] not in _NOT_NUMBERS]
        return cls(tuple(str(c["name"]) for c in columns if c["role"] == "dimension"), tuple(estimates))

    def key(self, row: Row) -> Key:
        return tuple(row[name] for name in self.dimensions)


_NOT_NUMBERS = frozenset({"VARCHAR", "BOOLEAN", "DATE", "TIMESTAMP"})


@dataclass(frozen=True, slots=True)
class Errors:
    """What is to be expected of one column; NaN where nothing can be told."""

    rmse: float
    relative_median: float
    relative_high: float  # the 90th percentile
    coverage: float
    narrow: tuple[float, ...]  # the share of rows whose half width is within each share of NARROW
    clipping_share: float


@dataclass(frozen=True, slots=True)
class _Column:
    """One column of rows as arrays, `group` numbering the rows of the truth; NaN where there is no number."""

    group: NDArray[np.int32]
    true: Floats
    estimates: Floats
    low: Floats
    high: Floats

    @property
    def errors(self) -> Floats:
        return self.estimates - self.true

    @property
    def half_widths(self) -> Floats:
        """Infinite where there is no interval."""
        found: Floats = np.where(np.isnan(self.low + self.high), np.inf, (self.high - self.low) / 2)
        return found

    def known(self) -> _Column:
        """The rows with an estimate and a true value."""
        kept = ~(np.isnan(self.true) | np.isnan(self.estimates))
        return _Column(self.group[kept], self.true[kept], self.estimates[kept], self.low[kept], self.high[kept])


class Draws:
    """The answers at one price beside the truth; rows that the truth has twice, or not at all, are left out.

    What is kept of a row are numbers: there may be millions of them.
    """

    def __init__(self, shown: Shown, truth: Mapping[Key, Row]) -> None:
        self.shown = shown
        self.truth = truth
        self.counts: list[int] = []  # rows of each answer
        self._places = {key: place for place, key in enumerate(truth)}
        self._true = {name: _numbers(row[name] for row in truth.values()) for name in shown.estimates}
        self._drawn: dict[str, list[_Column]] = {name: [] for name in shown.estimates}
        self._matched = 0

    def add(self, answer: Sequence[Row]) -> None:
        """Take in one drawn answer."""
        rows = [row for row in answer if self.shown.key(row) in self._places]
        group = np.array([self._places[self.shown.key(row)] for row in rows], np.int32)
        for name in self.shown.estimates:
            estimates, *ends = (
                _numbers(row.get(each) for row in rows) for each in (name, f"{name}_lower", f"{name}_upper")
            )
            low, high = _open_ends(*ends)
            self._drawn[name].append(_Column(group, self._true[name][group], estimates, low, high))
        self.counts.append(len(answer))
        self._matched += len(rows)

    @property
    def matched(self) -> float:
        """The share of rows that have a true value beside them."""
        return self._matched / total if (total := sum(self.counts)) else math.nan

    @property
    def mean_rows(self) -> float:
        return sum(self.counts) / len(self.counts)

    def errors(self, name: str) -> Errors:
        """The errors of a column."""
        column = self.column(name)
        sizes, distances = np.abs(column.true), np.abs(column.errors)
        relative = distances[sizes > 0] / sizes[sizes > 0]
        return Errors(
            rmse=math.sqrt(_mean(column.errors**2)),
            relative_median=float(np.median(relative)) if len(relative) else math.nan,
            relative_high=float(np.percentile(relative, _PERCENTILE)) if len(relative) else math.nan,
            coverage=_mean((column.low <= column.true) & (column.true <= column.high), of=~np.isnan(column.low)),
            narrow=tuple(_mean(column.half_widths <= share * np.abs(column.estimates)) for share in NARROW),
            clipping_share=_bias_share(column),
        )

    def column(self, name: str) -> _Column:
        """All rows drawn of a column that have an estimate and a true value."""
        drawn = self._drawn[name]
        arrays = zip(*((each.group, each.true, each.estimates, each.low, each.high) for each in drawn), strict=True)
        return _Column(*(np.concatenate(parts) for parts in arrays)).known()


def truth_of(shown: Shown, rows: Sequence[Row]) -> dict[Key, Row]:
    """The true rows by key, without those that their key does not tell apart."""
    times = Counter(shown.key(row) for row in rows)
    return {key: row for row in rows if times[key := shown.key(row)] == 1}


def _open_ends(low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """The ends of intervals, infinite where only one is not told; where neither is, there is no interval."""
    none = np.isnan(low) & np.isnan(high)
    opened = (np.where(np.isnan(end) & ~none, far, end) for end, far in ((low, -np.inf), (high, np.inf)))
    lows, highs = opened
    return lows, highs


def _bias_share(column: _Column) -> float:
    """The part of the squared error that is bias: what stays when answers are averaged, group by group.

    A mean of n errors has a square that is too large by a part 1/n of their variance, which is taken off.
    """
    if not len(column.group):
        return math.nan
    counts = np.bincount(column.group)
    enough = counts >= _LEAST_DRAWS
    if not enough.any():
        return math.nan
    sums, squares = (np.bincount(column.group, weights=column.errors**power)[enough] for power in (1, 2))
    counts = counts[enough]
    means = sums / counts
    variances = np.maximum(0.0, squares / counts - means**2) * counts / (counts - 1)
    bias, whole = (counts * means**2 - variances).sum(), squares.sum()
    return float(np.clip(bias / whole, 0.0, 1.0)) if whole > 0 else math.nan


def _mean(values: NDArray[np.bool_] | Floats, of: NDArray[np.bool_] | None = None) -> float:
    counted = values if of is None else values[of]
    return float(np.mean(counted)) if len(counted) else math.nan


def _numbers(cells: Iterable[object]) -> Floats:
    return np.array([float(c) if isinstance(c, int | float) else math.nan for c in cells], np.float64)
