"""The sums of one aggregation while rows stream in: plan and state as the arrays that the compiled kernel works on."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import Protocol, Self

import numpy as np

from queries import kernel
from queries.kernel import Integers, Numbers, Words
from queries.plan import VALUE_LIMIT, Aggregation, Measure, MeasureKind
from queries.unit_order import find_runs, order_by_unit

_RUN_ROWS = 16
_KINDS = {MeasureKind.SUM: kernel.SUM, MeasureKind.ROWS: kernel.ROWS, MeasureKind.UNITS: kernel.UNITS}


class BadContributionsError(Exception):
    """The engine delivered rows that cannot be contributions: a unit out of its range, or a group that is not there."""


class Rows:
    """Room for contributions `(unit, group, values…)` that is used again for each partition, so that no page is new."""

    def __init__(self, width: int) -> None:
        self.count = 0
        self.units: Numbers = np.empty(0, np.int32)
        self.groups: Numbers = np.empty(0, np.int32)
        self.values: Integers = np.empty((width, 0), np.int64)

    @property
    def width(self) -> int:
        """How many values a row has."""
        return len(self.values)

    def reserve(self, count: int) -> None:
        """Make room for `count` rows in all; the rows held so far stay."""
        room = len(self.units)
        if count <= room:
            return
        grown, held = Rows(self.width), self.count
        room = max(count, 2 * room)
        grown.units, grown.groups = np.empty(room, np.int32), np.empty(room, np.int32)
        grown.values = np.empty((self.width, room), np.int64)
        grown.units[:held], grown.groups[:held] = self.units[:held], self.groups[:held]
        grown.values[:, :held] = self.values[:, :held]
        self.units, self.groups, self.values = grown.units, grown.groups, grown.values


class Accumulates(Protocol):
    """Takes in the rows of one thread, partition by partition; `out` has a vector of all groups for each measure."""

    @property
    def out(self) -> Integers: ...

    def add(self, rows: Rows, low: int, high: int) -> None: ...

    def close(self) -> None: ...

    def merge(self, other: Self) -> None: ...


class Accumulator:
    """The weighted sums by measure and group of the units added so far: `out`, one vector a measure.

    Feeds one thread. Accumulators of one aggregation over disjoint units add up to that of all of them.
    """

    def __init__(
        self, aggregation: Aggregation, columns: tuple[int, ...], groups: int, priorities: Words | None
    ) -> None:
        measures = [measure for block in aggregation.all_blocks for measure in block.measures]
        rows = [_measure(measure, column) for measure, column in zip(measures, columns, strict=True)]
        edges = pairwise(accumulate((len(block.measures) for block in aggregation.all_blocks), initial=0))
        most = [-1 if block.max_groups is None else block.max_groups for block in aggregation.all_blocks]
        self._measures: Integers = np.array(rows, np.int64)
        self._blocks: Integers = np.array([(*edge, m) for edge, m in zip(edges, most, strict=True)], np.int64)
        self._priorities: Words = np.empty(0, np.uint64) if priorities is None else priorities
        self._slots: Numbers = np.full(groups, -1, np.int32)
        self._touched: Numbers = np.empty(0, np.int32)
        self._sums: Integers = np.empty((len(rows), 0), np.int64)
        self._opened: Integers = np.array([-1, 0, 0], np.int64)
        self._sorted = Rows(max(columns) + 1)
        self.out: Integers = np.zeros((len(rows), groups), np.int64)

    def add(self, rows: Rows, low: int, high: int) -> None:
        """Add rows of units in the half-open range, in any order; raises BadContributionsError. The rows are used up.

        The unit with the highest number may go on in a later call that has no other unit; `close` ends it.
        """
        if not rows.count:
            return
        runs = find_runs(rows.units, rows.groups, rows.count, low, high, len(self._slots))
        if not len(runs):
            raise BadContributionsError("a unit or a group out of its range")
        runs, ordered = _in_order(runs, rows.units)
        if not ordered:
            rows, runs = self._reordered(rows, low, high), np.array([(0, rows.count)], np.int64)
        status, self._touched, self._sums = kernel.add_runs(
            rows.units,
            rows.groups,
            rows.values,
            runs,
            self._measures,
            self._blocks,
            self._priorities,
            self._slots,
            self._touched,
            self._sums,
            self._opened,
            self.out,
        )
        if status != kernel.DONE:
            raise BadContributionsError("more rows of one unit than can be summed")

    def _reordered(self, rows: Rows, low: int, high: int) -> Rows:
        """The rows in order of their units."""
        order, result = order_by_unit(rows.units, rows.count, low, high), self._sorted
        result.reserve(rows.count)
        np.take(rows.units, order, out=result.units[: rows.count])
        np.take(rows.groups, order, out=result.groups[: rows.count])
        for target, values in zip(result.values, rows.values, strict=True):
            np.take(values, order, out=target[: rows.count])
        return result

    def merge(self, other: Self) -> None:
        """Take in the sums of another one, of other units."""
        self.out += other.out

    def close(self) -> None:
        """End the unit that is still open."""
        if self._opened[kernel.UNIT] >= 0:
            kernel.close_unit(
                self._measures,
                self._blocks,
                self._priorities,
                self._slots,
                self._touched,
                self._sums,
                self._opened,
                self.out,
            )


def _in_order(runs: Integers, units: Numbers) -> tuple[Integers, bool]:
    """The runs in order of their units, and whether no unit comes again after a later one.

    Joins deliver some thousand runs a partition, as threads finish; neighbours may share a unit, and that is order
    enough. Where runs are short, sorting them would take longer than sorting the rows.
    """
    if len(runs) == 1:
        return runs, True
    if len(runs) * _RUN_ROWS > runs[-1, 1]:
        return runs, False
    first, last = units[runs[:, 0]], units[runs[:, 1] - 1]
    order = np.lexsort((last, first))
    ordered = bool((first[order][1:] >= last[order][:-1]).all())
    return np.ascontiguousarray(runs[order]), ordered


def _measure(measure: Measure, column: int) -> list[int]:
    low, high = measure.row_bounds
    group_low, group_high = measure.group_bounds or (0, 0)
    low, high = max(low, -VALUE_LIMIT), min(high, VALUE_LIMIT)
    clamped = measure.group_bounds is not None
    return [_KINDS[measure.kind], column, low, high, clamped, group_low, group_high, measure.l2_bound]
