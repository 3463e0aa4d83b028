"""Drawn answers beside the true one, and what their errors are: for a column, over all groups and draws."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

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


@dataclass(slots=True)
class Draws:
    """The answers at one price, row by row beside the truth; rows that the truth has twice, or not, are left out."""

    shown: Shown
    truth: Mapping[Key, Row]
    rows: list[Row] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)  # rows of each answer

    def add(self, answer: Sequence[Row]) -> None:
        """Take in one drawn answer."""
        self.counts.append(len(answer))
        self.rows += [row for row in answer if self.shown.key(row) in self.truth]

    @property
    def matched(self) -> float:
        """The share of rows that have a true value beside them."""
        return len(self.rows) / total if (total := sum(self.counts)) else math.nan

    @property
    def mean_rows(self) -> float:
        return sum(self.counts) / len(self.counts)

    def errors(self, name: str) -> Errors:
        """The errors of a column."""
        column = _Column.of(name, self)
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


@dataclass(frozen=True, slots=True)
class _Column:
    """One column's rows as arrays; `group` numbers the groups. Rows without an estimate or a truth are left out."""

    group: NDArray[np.int64]
    true: Floats
    estimates: Floats
    low: Floats
    high: Floats

    @classmethod
    def of(cls, name: str, draws: Draws) -> _Column:
        places: dict[Key, int] = {}
        keys = [draws.shown.key(row) for row in draws.rows]
        group = np.array([places.setdefault(key, len(places)) for key in keys], np.int64)
        true = _numbers(draws.truth[key].get(name) for key in keys)
        estimates, low, high = (
            _numbers(row.get(column) for row in draws.rows) for column in (name, f"{name}_lower", f"{name}_upper")
        )
        known = ~(np.isnan(true) | np.isnan(estimates))
        return cls(group[known], true[known], estimates[known], low[known], high[known])

    @property
    def errors(self) -> Floats:
        return self.estimates - self.true

    @property
    def half_widths(self) -> Floats:
        """Infinite where there is no interval."""
        found: Floats = np.where(np.isnan(self.low + self.high), np.inf, (self.high - self.low) / 2)
        return found


def truth_of(shown: Shown, rows: Sequence[Row]) -> dict[Key, Row]:
    """The true rows by key, without those that their key does not tell apart."""
    times = Counter(shown.key(row) for row in rows)
    return {key: row for row in rows if times[key := shown.key(row)] == 1}


def _bias_share(column: _Column) -> float:
    """The part of the mean squared error that is bias: what stays when answers are averaged, group by group."""
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
    bias, whole = (means**2 - variances / counts).sum(), (squares / counts).sum()
    return float(np.clip(bias / whole, 0.0, 1.0)) if whole > 0 else math.nan


def _mean(values: NDArray[np.bool_] | Floats, of: NDArray[np.bool_] | None = None) -> float:
    counted = values if of is None else values[of]
    return float(np.mean(counted)) if len(counted) else math.nan


def _numbers(cells: Iterable[object]) -> Floats:
    return np.array([float(c) if isinstance(c, int | float) else math.nan for c in cells], np.float64)
