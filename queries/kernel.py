"""The contribution matrix, streamed: a unit's rows are summed by group, bounded, weighted and added up, in integers.

Compiled by numba. What a unit adds is a function of the multiset of its own rows (and of the candidates' priorities,
which depend on the keys' content alone); nothing here depends on the order of rows, the unit's number, or another
unit.

Why nothing overflows. A row's value is clamped to 2^31 - 1 at the most and a unit with 2^31 rows is refused, so a
group's sum p stays below 2^62; bounds by group are at most 2^46. The weight k (`_weight`) makes Σ (k·p)² ≤ (2^16·C)²,
hence |k·p| ≤ 2^16·C for each cell, and the plan guarantees 2^16·C·unit_capacity < 2^63: so k·p and its sums over
units fit.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from queries.plan import WEIGHT_ONE

Integers = NDArray[np.int64]
Numbers = NDArray[np.int32]
Words = NDArray[np.uint64]
_Code = TypeVar("_Code", bound=Callable[..., object])

# The columns of `measures`, one row a measure …
KIND, VALUE, ROW_LOW, ROW_HIGH, CLAMPED, GROUP_LOW, GROUP_HIGH, L2_BOUND = range(8)
SUM, ROWS, UNITS = range(3)
# … of `blocks`, one row a block: measures FIRST to LAST (exclusive), and MAX_GROUPS or -1 …
FIRST, LAST, MAX_GROUPS = range(3)
# … and the cells of `opened`, the unit whose rows are being summed: its number or -1, its rows, its groups so far.
UNIT, UNIT_ROWS, UNIT_GROUPS = range(3)

DONE, TOO_MANY_ROWS = range(2)

_MOST_ROWS = (1 << 31) - 1
_EXACT = float(1 << 53)
_ONE = float(WEIGHT_ONE)
_MARGIN = 1.0 - 1e-9


def compiled(signature: str) -> Callable[[_Code], _Code]:
    """One specialisation, compiled (or read from the cache) on import: no query waits for a compiler."""
    return cast("Callable[[_Code], _Code]", numba.njit(signature, nogil=True, cache=True))


@compiled("u8(u8)")
def mixed(word: np.uint64) -> np.uint64:
    """A bijection that spreads every bit: splitmix64 (Steele, Lea and Flood 2014)."""
    word += np.uint64(0x9E3779B97F4A7C15)
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


@compiled("i8(f8)")
def _weight(q: float) -> int:
    """The weight k of a unit whose squared norm in units of the bounds is q: k ≤ WEIGHT_ONE and k²·q ≤ WEIGHT_ONE².

    `q` is Σ_j S_j/C_j² in floating point; the guarantee is about the true value. Each S_j is a sum of at most 2·10^6
    squares of a p that was rounded once, so its relative error is below (2·10^6 + 4)·2^-53; C_j is below 2^47, hence
    exact; its square, the quotient and the sum over at most 25 measures add 27 roundings. All terms are non-negative,
    so the true q is below q·(1 + 2.3e-10). If q ≤ 1 - 1e-9, it is below 1. Otherwise k ≤ 2^16·(1 - 1e-9)/√q up to 3
    roundings, and k² times the true q is below 2^32·(1 - 1e-9)²·(1 + 2.3e-10)·(1 + 1e-15) < 2^32.
    """
    return WEIGHT_ONE if q <= _MARGIN else int(_ONE * _MARGIN / sqrt(q))


@compiled("u8(u8[::1], i4)")
def _priority(priorities: Words, group: np.int32) -> np.uint64:
    """What the group's key alone decides: its number where groups are public, else a hash of the key."""
    return priorities[group] if len(priorities) else np.uint64(group)


@compiled("u8(u8[::1], i4[::1], i8[:, ::1], i8)")
def _content(priorities: Words, touched: Numbers, sums: Integers, count: int) -> np.uint64:
    """A hash of the unit's sums by group: it adds up over the groups, so their order does not matter."""
    content = np.uint64(0)
    for slot in range(count):
        word = mixed(_priority(priorities, touched[slot]))
        for measure in range(sums.shape[0]):
            word = mixed(word ^ np.uint64(sums[measure, slot]))
        content += word
    return mixed(content)


@compiled("u8(u8[::1], i8)")
def _nth(words: Words, place: int) -> np.uint64:
    """The word that sorting would put at `place`: Hoare's selection, in place. Hashes need no clever pivot."""
    low, high = 0, len(words) - 1
    while low < high:
        pivot, left, right = words[(low + high) // 2], low, high
        while left <= right:
            while words[left] < pivot:
                left += 1
            while words[right] > pivot:
                right -= 1
            if left <= right:
                words[left], words[right] = words[right], words[left]
                left, right = left + 1, right - 1
        if place <= right:
            high = right
        elif place >= left:
            low = left
        else:
            break
    return np.uint64(words[place])


@compiled("i8[::1](u8[::1], i4[::1], i8, u8, i8)")
def _draw(priorities: Words, touched: Numbers, count: int, content: np.uint64, most: int) -> Integers:
    """The slots of the `most` smallest draws, ties by group; a draw mixes content and the group's priority."""
    draws, kept = np.empty(count, np.uint64), np.empty(most, np.int64)
    for slot in range(count):
        draws[slot] = mixed(_priority(priorities, touched[slot]) ^ content)
    last, size = _nth(draws.copy(), most - 1), 0
    for slot in range(count):
        if draws[slot] < last:
            kept[size] = slot
            size += 1
    previous = np.int32(-1)
    while size < most:  # those that equal the last draw, in order of group: one of them, but for a collision
        best = -1
        for slot in range(count):
            if draws[slot] == last and touched[slot] > previous and (best < 0 or touched[slot] < touched[best]):
                best = slot
        kept[size] = best
        previous = touched[best]
        size += 1
    return kept


@compiled("f8(i8[::1], i8[::1], i8)")
def _bounded(measure: Integers, sums: Integers, count: int) -> float:
    """Clamp the sums to the measure's bounds by group, in place, and return the sum of their squares."""
    if measure[CLAMPED]:
        for slot in range(count):
            sums[slot] = min(max(sums[slot], measure[GROUP_LOW]), measure[GROUP_HIGH])
    even, odd = 0.0, 0.0  # two chains of additions run at once
    for slot in range(0, count - 1, 2):
        even += float(sums[slot]) * float(sums[slot])
        odd += float(sums[slot + 1]) * float(sums[slot + 1])
    if count % 2:
        even += float(sums[count - 1]) * float(sums[count - 1])
    return even + odd


@compiled("void(i8[:, ::1], i8[:, ::1], u8[::1], i4[::1], i4[::1], i8[:, ::1], i8[::1], i8[:, ::1])")
def close_unit(
    measures: Integers,
    blocks: Integers,
    priorities: Words,
    slots: Numbers,
    touched: Numbers,
    sums: Integers,
    opened: Integers,
    out: Integers,
) -> None:
    """Bound and weight the open unit's sums, add them to `out`, and forget the unit."""
    total = opened[UNIT_GROUPS]
    content = np.uint64(0)
    for most in blocks[:, MAX_GROUPS]:
        if 0 <= most < total and not content:  # before any clamp, so that all blocks draw alike
            content = _content(priorities, touched, sums, total)
    for block in range(len(blocks)):
        first, last, most = blocks[block, FIRST], blocks[block, LAST], blocks[block, MAX_GROUPS]
        groups, bounded, count = touched, sums, total
        if 0 <= most < total:
            kept = _draw(priorities, touched, total, content, most)
            groups, bounded, count = touched[kept], np.empty((len(sums), most), np.int64), most
            for measure in range(first, last):
                for slot in range(count):
                    bounded[measure, slot] = sums[measure, kept[slot]]
        q, fits = 0.0, False
        for measure in range(first, last):
            squares = _bounded(measures[measure], bounded[measure], count)
            bound_squared = float(measures[measure, L2_BOUND]) ** 2
            q += squares / bound_squared
            # Below 2^53 all squares and partial sums are exact integers, and C² is one too or larger: q ≤ 1 is exact.
            fits = last - first == 1 and squares < _EXACT and squares <= bound_squared
        weight = WEIGHT_ONE if fits else _weight(q)
        for measure in range(first, last):
            for slot in range(count):
                out[measure, np.uintp(groups[slot])] += weight * bounded[measure, slot]
    for slot in range(total):
        slots[np.uintp(touched[slot])] = -1
    opened[UNIT], opened[UNIT_ROWS], opened[UNIT_GROUPS] = -1, 0, 0


@compiled("void(i8[::1], i4[::1], i8[:, ::1], i8, i8, i8[::1])")
def _add_measure(measure: Integers, places: Numbers, values: Integers, start: int, stop: int, sums: Integers) -> None:
    """Add the rows from `start` to `stop` to one measure of the open unit; a row with a negative place has no group."""
    kind, column = measure[KIND], measure[VALUE]
    low, high = measure[ROW_LOW], measure[ROW_HIGH]
    if kind == SUM:
        for row in range(start, stop):
            if places[row] >= 0:
                sums[np.uintp(places[row])] += min(max(values[column, row], low), high)
    elif kind == ROWS:
        for row in range(start, stop):
            if places[row] >= 0:
                sums[np.uintp(places[row])] += 1 if column < 0 else np.int64(values[column, row] != 0)
    elif column >= 0:
        for row in range(start, stop):
            if places[row] >= 0:
                sums[np.uintp(places[row])] |= values[column, row] != 0
    else:
        for row in range(start, stop):
            if places[row] >= 0:
                sums[np.uintp(places[row])] = 1


@compiled("Tuple((i4[::1], i8[:, ::1]))(i4[::1], i8[:, ::1], i8, i8)")
def _grown(touched: Numbers, sums: Integers, count: int, room: int) -> tuple[Numbers, Integers]:
    more_touched, more_sums = np.empty(room, np.int32), np.empty((len(sums), room), np.int64)
    for slot in range(count):
        more_touched[slot] = touched[slot]
        for measure in range(len(sums)):
            more_sums[measure, slot] = sums[measure, slot]
    return more_touched, more_sums


@compiled("i8(i4[::1], i8, i8, i4[::1], i4[::1], i8)")
def _place(groups: Numbers, start: int, stop: int, slots: Numbers, touched: Numbers, count: int) -> int:
    """Replace the groups of these rows by the open unit's slots; return how many slots there are now.

    Without a branch on whether a group is new, which no processor could foretell: `touched` has room for one more.
    """
    for row in range(start, stop):
        group = groups[row]
        if group >= 0:
            slot = slots[np.uintp(group)]
            touched[np.uintp(count)] = group
            slot = np.int32(count) if slot < 0 else slot
            slots[np.uintp(group)] = slot
            count += slot == count
            groups[row] = slot
    return count


@compiled(
    "Tuple((i8, i4[::1], i8[:, ::1]))(i4[::1], i4[::1], i8[:, ::1], i8[:, ::1], i8[:, ::1], i8[:, ::1], "
    "u8[::1], i4[::1], i4[::1], i8[:, ::1], i8[::1], i8[:, ::1])"
)
def add_runs(
    units: Numbers,
    groups: Numbers,
    values: Integers,
    runs: Integers,
    measures: Integers,
    blocks: Integers,
    priorities: Words,
    slots: Numbers,
    touched: Numbers,
    sums: Integers,
    opened: Integers,
    out: Integers,
) -> tuple[int, Numbers, Integers]:
    """Add the rows of `runs` (start, stop), in which units come in order; the last unit stays open.

    `slots` has the open unit's slot of each group, or -1: a list of what was touched, not a test for zero. `sums` and
    `touched` are indexed by slot and come back, because they may have grown. `groups` is used up: a row's group
    becomes its slot. A negative group is none; all are below len(slots).
    """
    for run in range(len(runs)):
        row, end = runs[run, 0], runs[run, 1]
        while row < end:
            unit, stop = units[row], row + 1
            while stop < end and units[stop] == unit:
                stop += 1
            if opened[UNIT] != unit:
                if opened[UNIT] >= 0:
                    close_unit(measures, blocks, priorities, slots, touched, sums, opened, out)
                opened[UNIT] = unit
            opened[UNIT_ROWS] += stop - row
            if opened[UNIT_ROWS] > _MOST_ROWS:
                return TOO_MANY_ROWS, touched, sums
            count = opened[UNIT_GROUPS]
            room = min(len(slots), count + stop - row) + 1
            if room > len(touched):
                touched, sums = _grown(touched, sums, count, min(len(slots) + 1, 2 * room))
            opened[UNIT_GROUPS] = _place(groups, row, stop, slots, touched, count)
            for measure in range(len(measures)):
                for slot in range(count, opened[UNIT_GROUPS]):
                    sums[measure, slot] = 0
                _add_measure(measures[measure], groups, values, row, stop, sums[measure])
            row = stop
    return DONE, touched, sums
