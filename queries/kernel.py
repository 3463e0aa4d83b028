"""The contribution matrix, streamed: a unit's rows are summed by group, bounded, weighted and added up, in integers.

Compiled by numba, in two steps. `add_runs` sums rows by unit and group, as `UnitSums` (`unit_sums.py`) keep them; the
functions that end in `_units` go over the units of such sums. What a unit adds is a function of the multiset of its own
rows (and of the candidates' priorities, which depend on the keys' content alone); nothing here depends on the order of
rows, the unit's number, or another unit. So squares are added up in fixed point, where any order gives the same sum.

Why nothing overflows. A row's value is clamped to 2^31 - 1 at the most and a unit with 2^31 rows is refused, so a
group's sum p stays below 2^62; bounds by group are at most 2^46. The weight k (`_weight`) makes Σ (k·p/B)² ≤ 2^32 for
the bounds B of the cells, hence |k·p| ≤ 2^16·B for each cell, and the plan, or the release, guarantees
2^16·B·unit_capacity < 2^63: so k·p and its sums over units fit.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, log2, sqrt
from typing import TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from queries.engine import FIRST_NORM, NORMS
from queries.plan import WEIGHT_ONE

Integers = NDArray[np.int64]
Numbers = NDArray[np.int32]
Words = NDArray[np.uint64]
Floats = NDArray[np.float64]
_Code = TypeVar("_Code", bound=Callable[..., object])

# The columns of `measures`, one row a measure …
KIND, VALUE, ROW_LOW, ROW_HIGH, CLAMPED, GROUP_LOW, GROUP_HIGH, L2_BOUND = range(8)
SUM, ROWS, UNITS = range(3)
# … of `block`, of measures FIRST to LAST (exclusive): MAX_GROUPS or -1, whether some groups are left out, and whether
# its only measure has the same bound in each …
FIRST, LAST, MAX_GROUPS, RESTRICTED, UNIFORM = range(5)
# … and the cells of `opened`, the unit whose rows are being summed: its number or -1, its rows, its groups so far.
UNIT, UNIT_ROWS, UNIT_GROUPS = range(3)
# The cells of `stored`: how many units and how many of their groups are stored.
ENDS, CELLS = range(2)

DONE, TOO_MANY_ROWS = range(2)

_MOST_ROWS = (1 << 31) - 1
_MOST_LOST = 1 << 46
_FINE = float(1 << 40)
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
    """The weight k ≤ WEIGHT_ONE of a unit whose squared norm in units of the bounds is q: k²·q ≤ WEIGHT_ONE².

    `q` comes from `_squared_norm`, which rounds up but for some thirty roundings by a factor of 1 - 2^-53 each: the
    true value is below q·(1 + 1e-14). If q ≤ 1 - 1e-9, it is below 1. Otherwise k ≤ 2^16·(1 - 1e-9)/√q up to 3
    roundings, and k² times the true value is below 2^32·(1 - 1e-9)²·(1 + 2e-14) < 2^32.
    """
    return WEIGHT_ONE if q <= _MARGIN else int(_ONE * _MARGIN / sqrt(q))


@compiled("f8(i8, f8[:, ::1], i4[::1], i8[:, ::1])")
def _squared_norm(measure: int, inverse: Floats, groups: Numbers, sums: Integers) -> float:
    """Σ (p·inverse)² over the groups, at least: in units of the largest term, in steps of 2^-40, each rounded up.

    So the order of the groups does not matter, and at most 2·10^6 steps are below 2^61.
    """
    largest = 0.0
    for slot in range(len(groups)):
        largest = max(largest, abs(float(sums[slot, measure])) * inverse[measure, np.uintp(groups[slot])])
    if largest == 0.0:
        return 0.0
    steps, unit = np.int64(0), 1.0 / largest
    for slot in range(len(groups)):
        part = abs(float(sums[slot, measure])) * inverse[measure, np.uintp(groups[slot])] * unit
        steps += np.int64(ceil(part * part * _FINE))
    return largest * largest * (float(steps) / _FINE)


@compiled("u8(u8[::1], i4)")
def _priority(priorities: Words, group: np.int32) -> np.uint64:
    """What the group's key alone decides: its number where groups are public, else a hash of the key."""
    return priorities[group] if len(priorities) else np.uint64(group)


@compiled("u8(u8[::1], i4[::1], i8[:, ::1])")
def _content(priorities: Words, groups: Numbers, sums: Integers) -> np.uint64:
    """A hash of the unit's sums by group: it adds up over the groups, so their order does not matter."""
    content = np.uint64(0)
    for slot in range(len(groups)):
        word = mixed(_priority(priorities, groups[slot]))
        for measure in range(sums.shape[1]):
            word = mixed(word ^ np.uint64(sums[slot, measure]))
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


@compiled("i8[::1](u8[::1], i4[::1], i8[:, ::1], i8)")
def _draw(priorities: Words, groups: Numbers, sums: Integers, most: int) -> Integers:
    """The slots of the `most` smallest draws, ties by group; a draw mixes content and the group's priority."""
    count, content = len(groups), _content(priorities, groups, sums)
    draws, kept = np.empty(count, np.uint64), np.empty(most, np.int64)
    for slot in range(count):
        draws[slot] = mixed(_priority(priorities, groups[slot]) ^ content)
    last, size = _nth(draws.copy(), most - 1), 0
    for slot in range(count):
        if draws[slot] < last:
            kept[size] = slot
            size += 1
    previous = np.int32(-1)
    while size < most:  # those that equal the last draw, in order of group: one of them, but for a collision
        best = -1
        for slot in range(count):
            if draws[slot] == last and groups[slot] > previous and (best < 0 or groups[slot] < groups[best]):
                best = slot
        kept[size] = best
        previous = groups[best]
        size += 1
    return kept


@compiled("i8[::1](i8[::1], f8[:, ::1], i4[::1])")
def _released(block: Integers, inverse: Floats, groups: Numbers) -> Integers:
    """The slots of the groups that are not left out."""
    slots, size = np.empty(len(groups), np.int64), 0
    for slot in range(len(groups)):
        if inverse[block[FIRST], np.uintp(groups[slot])] > 0.0:
            slots[size] = slot
            size += 1
    return slots[:size]


@compiled("Tuple((i8[::1], i4[::1], i8[:, ::1]))(i8[::1], i4[::1], i8[:, ::1], b1[::1])")
def only_groups(
    ends: Integers, groups: Numbers, sums: Integers, wanted: NDArray[np.bool_]
) -> tuple[Integers, Numbers, Integers]:
    """The cells of these units in the groups that are wanted."""
    size = 0
    for cell in range(len(groups)):
        size += wanted[np.uintp(groups[cell])]
    left, own, cells = (
        np.empty(len(ends), np.int64),
        np.empty(size, np.int32),
        np.empty((size, sums.shape[1]), np.int64),
    )
    start, place = 0, 0
    for unit in range(len(ends)):
        for cell in range(start, ends[unit]):
            if wanted[np.uintp(groups[cell])]:
                own[place] = groups[cell]
                for measure in range(sums.shape[1]):
                    cells[place, measure] = sums[cell, measure]
                place += 1
        start = ends[unit]
        left[unit] = place
    return left, own, cells


@compiled("void(i8[:, ::1], i8[::1], i8[:, ::1])")
def _clamp(measures: Integers, block: Integers, sums: Integers) -> None:
    """Clamp the sums to the bounds by group, in place."""
    for measure in range(block[FIRST], block[LAST]):
        if measures[measure, CLAMPED]:
            low, high = measures[measure, GROUP_LOW], measures[measure, GROUP_HIGH]
            for slot in range(len(sums)):
                sums[slot, measure] = min(max(sums[slot, measure], low), high)


@compiled("Tuple((i4[::1], i8[:, ::1]))(i8[:, ::1], i8[::1], u8[::1], i4[::1], i8[:, ::1])")
def _bounded(
    measures: Integers, block: Integers, priorities: Words, groups: Numbers, sums: Integers
) -> tuple[Numbers, Integers]:
    """At most so many of the unit's groups, drawn before any clamp so that all blocks draw alike, and clamped sums."""
    if 0 <= block[MAX_GROUPS] < len(groups):
        kept = _draw(priorities, groups, sums, block[MAX_GROUPS])
        groups, sums = groups[kept], sums[kept]
    clamped = False
    for measure in range(block[FIRST], block[LAST]):
        clamped |= measures[measure, CLAMPED] != 0
    if clamped:
        sums = sums.copy()
        _clamp(measures, block, sums)
    return groups, sums


@compiled("i8(i8[:, ::1], i8[::1], f8[:, ::1], i4[::1], i8[:, ::1])")
def _weight_of(measures: Integers, block: Integers, inverse: Floats, groups: Numbers, sums: Integers) -> int:
    """The weight of a unit with these bounded sums."""
    if block[UNIFORM]:
        measure, squares = block[FIRST], 0.0
        for slot in range(len(groups)):
            squares += float(sums[slot, measure]) * float(sums[slot, measure])
        # Below 2^53 all squares and partial sums are exact integers, and C² is one too or larger: q ≤ 1 is exact.
        if squares < _EXACT and squares <= float(measures[measure, L2_BOUND]) ** 2:
            return WEIGHT_ONE
    q = 0.0
    for measure in range(block[FIRST], block[LAST]):
        q += _squared_norm(measure, inverse, groups, sums)
    return _weight(q)


@compiled("void(i8[::1], i4[::1], i8[:, ::1], i8[:, ::1], i8[::1], u8[::1], f8[:, ::1], i8[:, ::1])")
def weigh_units(
    ends: Integers,
    groups: Numbers,
    sums: Integers,
    measures: Integers,
    block: Integers,
    priorities: Words,
    inverse: Floats,
    out: Integers,
) -> None:
    """Add each unit's bounded sums, times its weight, to `out`."""
    start = 0
    for end in ends:
        own, cells = groups[start:end], sums[start:end]
        if block[RESTRICTED]:
            kept = _released(block, inverse, own)
            own, cells = own[kept], cells[kept]
        own, cells = _bounded(measures, block, priorities, own, cells)
        weight = _weight_of(measures, block, inverse, own, cells)
        for slot in range(len(own)):
            for measure in range(block[FIRST], block[LAST]):
                out[measure, np.uintp(own[slot])] += weight * cells[slot, measure]
        start = end


@compiled("void(i8[::1], i4[::1], i8[:, ::1], i8[:, ::1], i8[::1], u8[::1], f8[:, ::1], i8[::1])")
def measure_units(
    ends: Integers,
    groups: Numbers,
    sums: Integers,
    measures: Integers,
    block: Integers,
    priorities: Words,
    inverse: Floats,
    bins: Integers,
) -> None:
    """Count each unit in the bin of the norm of its bounded sums of the block's first measure, times `inverse`."""
    start = 0
    for end in ends:
        own, cells = groups[start:end], sums[start:end]
        if block[RESTRICTED]:
            kept = _released(block, inverse, own)
            own, cells = own[kept], cells[kept]
        own, cells = _bounded(measures, block, priorities, own, cells)
        q = _squared_norm(block[FIRST], inverse, own, cells)
        if q > 0.0:
            place = int(np.int64(ceil(2.0 * log2(q)))) - FIRST_NORM
            bins[min(max(place, 0), NORMS - 1)] += 1
        start = end


@compiled("i8(i8, i8[:, ::1])")
def _size(measure: int, sums: Integers) -> int:
    """The sum of absolute values, at most _MOST_LOST."""
    size = 0
    for slot in range(len(sums)):
        cell: int = abs(sums[slot, measure])
        size = min(size + min(cell, _MOST_LOST), _MOST_LOST)
    return size


@compiled("void(i8[::1], i4[::1], i8[:, ::1], i8[:, ::1], i8[::1], u8[::1], f8[:, ::1], i8[::1], i8[::1])")
def lose_units(
    ends: Integers,
    groups: Numbers,
    sums: Integers,
    measures: Integers,
    block: Integers,
    priorities: Words,
    inverse: Floats,
    caps: Integers,
    lost: Integers,
) -> None:
    """Add what bounding takes from each unit, all groups together and without signs, at most its measure's cap."""
    start = 0
    for end in ends:
        own, cells = groups[start:end], sums[start:end]
        if block[RESTRICTED]:
            kept = _released(block, inverse, own)
            own, cells = own[kept], cells[kept]
        held, left = _bounded(measures, block, priorities, own, cells)
        weight = _weight_of(measures, block, inverse, held, left)
        for measure in range(block[FIRST], block[LAST]):
            taken = _size(measure, cells) - ((weight * _size(measure, left)) >> 16)
            lost[measure] += min(max(taken, 0), caps[measure])
        start = end


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


@compiled("void(i4[::1], i4[::1], i8[:, ::1], i8[::1], i8[::1], i4[::1], i8[:, ::1], i8[::1])")
def close_unit(
    slots: Numbers,
    touched: Numbers,
    sums: Integers,
    opened: Integers,
    ends: Integers,
    stored_groups: Numbers,
    stored_sums: Integers,
    stored: Integers,
) -> None:
    """Append the open unit's sums to what is stored, for which there is room, and forget the unit."""
    place = stored[CELLS]
    for slot in range(opened[UNIT_GROUPS]):
        stored_groups[place + slot] = touched[slot]
        for measure in range(len(sums)):
            stored_sums[place + slot, measure] = sums[measure, slot]
        slots[np.uintp(touched[slot])] = -1
    stored[CELLS] += opened[UNIT_GROUPS]
    ends[stored[ENDS]] = stored[CELLS]
    stored[ENDS] += 1
    opened[UNIT], opened[UNIT_ROWS], opened[UNIT_GROUPS] = -1, 0, 0


@compiled(
    "Tuple((i8, i4[::1], i8[:, ::1]))(i4[::1], i4[::1], i8[:, ::1], i8[:, ::1], i8[:, ::1], "
    "i4[::1], i4[::1], i8[:, ::1], i8[::1], i8[::1], i4[::1], i8[:, ::1], i8[::1])"
)
def add_runs(
    units: Numbers,
    groups: Numbers,
    values: Integers,
    runs: Integers,
    measures: Integers,
    slots: Numbers,
    touched: Numbers,
    sums: Integers,
    opened: Integers,
    ends: Integers,
    stored_groups: Numbers,
    stored_sums: Integers,
    stored: Integers,
) -> tuple[int, Numbers, Integers]:
    """Add the rows of `runs` (start, stop), in which units come in order; the last unit stays open.

    `slots` has the open unit's slot of each group, or -1: a list of what was touched, not a test for zero. `sums` and
    `touched` are indexed by slot and come back, because they may have grown. `groups` is used up: a row's group
    becomes its slot. A negative group is none; all are below len(slots). Units that are closed are stored.
    """
    for run in range(len(runs)):
        row, end = runs[run, 0], runs[run, 1]
        while row < end:
            unit, stop = units[row], row + 1
            while stop < end and units[stop] == unit:
                stop += 1
            if opened[UNIT] != unit:
                if opened[UNIT] >= 0:
                    close_unit(slots, touched, sums, opened, ends, stored_groups, stored_sums, stored)
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
