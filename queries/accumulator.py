"""The sums of one aggregation by unit and group, while rows stream in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from queries import kernel
from queries.kernel import Integers, Numbers
from queries.unit_order import find_runs, order_by_unit
from queries.unit_sums import Layout, Room, UnitSums, Walk

_RUN_ROWS = 16


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
    """Takes in the rows of one thread, partition by partition."""

    def add(self, rows: Rows, low: int, high: int) -> None: ...

    def close(self) -> None: ...


class Kept:
    """Whether sums by unit are kept: as long as there is room for those of all threads, in bytes.

    Once there is none it stays so: a thread has dropped its sums then, and the others' are not those of all units.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self.fits = True

    def take(self, size: int) -> bool:
        """Whether so many bytes more may be kept."""
        self._room -= size
        if self._room < 0:
            self.fits = False
        return self.fits


class Accumulator:
    """Sums rows by unit and group, has `walks` go over the units as partitions end, and keeps the sums while they fit.

    Feeds one thread. Walks of accumulators of one aggregation over disjoint units add up to that of all of them.
    """

    def __init__(self, layout: Layout, walks: Sequence[Walk], fits: Kept) -> None:
        self.walks = list(walks)
        self.kept: list[UnitSums] = []
        self._fits = fits
        self._layout = layout
        self._slots: Numbers = np.full(layout.groups, -1, np.int32)
        self._touched: Numbers = np.empty(0, np.int32)
        self._sums: Integers = np.empty((layout.width, 0), np.int64)
        self._opened: Integers = np.array([-1, 0, 0], np.int64)
        self._sorted = Rows(int(layout.measures[:, kernel.VALUE].max()) + 1)
        self._room = Room(layout.width)

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
            rows = self._reordered(rows, low, high)
            runs = np.array([(0, rows.count)], np.int64)
        self._room.reserve(high - low + 1, rows.count + int(self._opened[kernel.UNIT_GROUPS]))
        status, self._touched, self._sums = kernel.add_runs(
            rows.units,
            rows.groups,
            rows.values,
            runs,
            self._layout.measures,
            self._slots,
            self._touched,
            self._sums,
            self._opened,
            self._room.ends,
            self._room.groups,
            self._room.sums,
            self._room.stored,
        )
        if status != kernel.DONE:
            raise BadContributionsError("more rows of one unit than can be summed")

    def _reordered(self, rows: Rows, low: int, high: int) -> Rows:
        """The rows in order of their units."""
        order, result = order_by_unit(rows.units, rows.count, low, high), self._sorted
        result.count = 0  # nothing to keep while it grows
        result.reserve(rows.count)
        result.count = rows.count
        np.take(rows.units, order, out=result.units[: rows.count])
        np.take(rows.groups, order, out=result.groups[: rows.count])
        for target, values in zip(result.values, rows.values, strict=True):
            np.take(values, order, out=target[: rows.count])
        return result

    def close(self) -> None:
        """End the unit that is still open, and let the walks go over all that were closed."""
        room = self._room
        if self._opened[kernel.UNIT] >= 0:
            room.reserve(1, int(self._opened[kernel.UNIT_GROUPS]))
            kernel.close_unit(
                self._slots,
                self._touched,
                self._sums,
                self._opened,
                room.ends,
                room.groups,
                room.sums,
                room.stored,
            )
        units = room.taken()
        for walk in self.walks:
            walk.add(units)
        if self._fits.take(units.nbytes):
            self.kept.append(units.copy())
        else:
            self.kept.clear()


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
