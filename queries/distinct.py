"""How many different values occur in each group: of the pairs (group, value) that units keep, compiled.

A unit keeps pairs in an order drawn from its own content, and passes over each that would bring the L2 norm of its
numbers of pairs a group above the bound. So what it keeps depends on its own rows alone, and it changes the counts by
a vector of at most that norm (`plan.Aggregation`). Draws that differ between units make them keep different pairs, so
together they keep more of all that there are.

Pairs are told apart by themselves, not by their hashes: rows can be made such that two pairs have one hash, and what a
unit keeps must not depend on the order of its rows even then.
"""

from __future__ import annotations

from typing import Self

import numpy as np

from queries.accumulator import BadContributionsError, Rows
from queries.kernel import Integers, Numbers, compiled, mixed
from queries.plan import WEIGHT_ONE
from queries.unit_order import find_runs, order_by_unit

_MOST_PENDING = 1 << 22  # rows that wait before those that are alike are dropped
_MOST_ROWS = 1 << 31  # as many pairs as no unit has: its square is a 64-bit integer

Pairs = tuple[Numbers, Integers]  # groups and values


class DistinctAccumulator:
    """The pairs that the units added so far keep.

    `out` has one row: the number of different pairs of each group, times WEIGHT_ONE. Rows are `(unit, group, value)`.
    """

    def __init__(self, l2_bound: int, groups: int) -> None:
        self._squared_bound = min(l2_bound, _MOST_ROWS) ** 2
        self._counts: Numbers = np.zeros(groups, np.int32)  # of the open unit, all zero in between
        self._open: list[Pairs] = []  # rows of a unit that may go on
        self._kept: list[Pairs] = [(np.empty(0, np.int32), np.empty(0, np.int64))]
        self._room = _MOST_PENDING  # how many pairs may be kept before those that are alike are dropped

    def add(self, rows: Rows, low: int, high: int) -> None:
        """Add rows of units in the half-open range, in any order; raises BadContributionsError.

        Of a range of one unit more rows may follow in later calls; `close` ends it.
        """
        if not rows.count:
            return
        units, groups, values = rows.units[: rows.count], rows.groups[: rows.count], rows.values[0, : rows.count]
        if not len(find_runs(units, groups, rows.count, low, high, len(self._counts))):
            raise BadContributionsError("a unit or a group out of its range")
        if high - low == 1:
            self._open.append(_different(groups[groups >= 0], values[groups >= 0]))
            if sum(len(each) for each, _ in self._open) > _MOST_PENDING:
                self._open = [_all_of(self._open)]
            return
        order = order_by_unit(units, rows.count, low, high)
        order = order[groups[order] >= 0]
        self._keep(np.take(units, order), np.take(groups, order), np.take(values, order))

    def close(self) -> None:
        """End the unit that is still open."""
        if self._open:
            groups, values = _all_of(self._open)
            self._open = []
            self._keep(np.zeros(len(groups), np.int32), groups, values)

    def merge(self, other: Self) -> None:
        """Take in what the units of another accumulator keep."""
        self._kept += other._kept

    @property
    def out(self) -> Integers:
        self._kept = [_all_of(self._kept)]
        counts = np.bincount(self._kept[0][0], minlength=len(self._counts))
        return counts.astype(np.int64)[None, :] * WEIGHT_ONE

    def _keep(self, units: Numbers, groups: Numbers, values: Integers) -> None:
        kept = kept_pairs(units, groups, values, self._squared_bound, self._counts)
        self._kept.append((groups[kept], values[kept]))
        if sum(len(each) for each, _ in self._kept) > self._room:
            self._kept = [_all_of(self._kept)]
            self._room = _MOST_PENDING + 2 * len(self._kept[0][0])


@compiled("i8(i4[::1], i8[::1], i8, i4[::1], i8[::1])")
def _keep_unit(groups: Numbers, values: Integers, squared_bound: int, counts: Numbers, kept: Integers) -> int:
    """How many of one unit's rows it keeps, one for each pair; their places come into `kept`."""
    order = np.argsort(values)
    order = order[np.argsort(groups[order], kind="mergesort")]  # stable: pairs that are alike lie side by side
    words, content, pairs = np.empty(len(groups), np.uint64), np.uint64(0), 0
    for row in order:
        last = order[pairs - 1]
        if pairs == 0 or groups[row] != groups[last] or values[row] != values[last]:
            words[pairs] = mixed(mixed(np.uint64(groups[row])) ^ np.uint64(values[row]))
            content += mixed(words[pairs])
            order[pairs] = row
            pairs += 1
    content = mixed(content)
    draws = np.empty(pairs, np.uint64)
    for place in range(pairs):
        draws[place] = mixed(words[place] ^ content)
    squared, size = np.int64(0), 0
    for place in np.argsort(draws):  # what two pairs of one draw get is decided by their places alone
        group = np.uintp(groups[order[place]])
        more = 2 * np.int64(counts[group]) + 1  # (n + 1)² - n²
        if squared + more <= squared_bound:
            squared += more
            counts[group] += 1
            kept[size] = order[place]
            size += 1
    for place in range(size):
        counts[np.uintp(groups[kept[place]])] = 0
    return size


@compiled("i8[::1](i4[::1], i4[::1], i8[::1], i8, i4[::1])")
def kept_pairs(units: Numbers, groups: Numbers, values: Integers, squared_bound: int, counts: Numbers) -> Integers:
    """The rows, one for each pair, that units keep. Rows come in order of their units; `counts` stays zero.

    The squared norm is at most the square of 2^31: exact in 64 bits.
    """
    size, start = 0, 0
    kept = np.empty(len(units), np.int64)
    while start < len(units):
        stop = start + 1
        while stop < len(units) and units[stop] == units[start]:
            stop += 1
        own = _keep_unit(groups[start:stop], values[start:stop], squared_bound, counts, kept[size:])
        for place in range(size, size + own):
            kept[place] += start
        size += own
        start = stop
    return kept[:size].copy()


def _all_of(parts: list[Pairs]) -> Pairs:
    return _different(np.concatenate([groups for groups, _ in parts]), np.concatenate([values for _, values in parts]))


def _different(groups: Numbers, values: Integers) -> Pairs:
    """Each pair once."""
    order = np.lexsort((values, groups))
    groups, values = groups[order], values[order]
    new = np.ones(len(groups), np.bool_)
    new[1:] = (groups[1:] != groups[:-1]) | (values[1:] != values[:-1])
    return groups[new], values[new]
