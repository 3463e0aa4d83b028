"""Rows in the order of their units: found where it is there, made where it is not. Compiled, as the kernel is."""

from __future__ import annotations

import numpy as np

from queries.kernel import Integers, Numbers, compiled


@compiled("i8[:, ::1](i4[::1], i4[::1], i8, i8, i8, i8)")
def find_runs(units: Numbers, groups: Numbers, rows: int, low: int, high: int, group_count: int) -> Integers:
    """The stretches (start, stop) of rows with non-decreasing units; none if a unit or a group is out of its range.

    One stretch if all rows are in order. Otherwise several threads delivered their pieces in turn, and a new stretch
    starts where units step back or leap ahead: then none holds pieces of two threads.
    """
    lowest, highest, highest_group, steps_back, leaps = units[0], units[0], groups[0], 0, 0
    for row in range(1, rows):
        lowest, highest = min(lowest, units[row]), max(highest, units[row])
        highest_group = max(highest_group, groups[row])
        steps_back += units[row] < units[row - 1]
        leaps += units[row] > units[row - 1] + 1
    if lowest < low or highest >= high or highest_group >= group_count:
        return np.empty((0, 2), np.int64)
    runs = np.empty((1 + leaps + steps_back if steps_back else 1, 2), np.int64)
    start, run = 0, 0
    if steps_back:
        for row in range(1, rows):
            if units[row] < units[row - 1] or units[row] > units[row - 1] + 1:
                runs[run, 0], runs[run, 1] = start, row
                start, run = row, run + 1
    runs[run, 0], runs[run, 1] = start, rows
    return runs


@compiled("i8[::1](i4[::1], i8, i8, i8)")
def order_by_unit(units: Numbers, rows: int, low: int, high: int) -> Integers:
    """The rows' numbers in order of their units, which are dense in the half-open range: a counting sort, stable."""
    starts, order = np.zeros(high - low + 1, np.int64), np.empty(rows, np.int64)
    for row in range(rows):
        starts[units[row] - low + 1] += 1
    starts = np.cumsum(starts)
    for row in range(rows):
        unit = units[row] - low
        order[starts[unit]] = row
        starts[unit] += 1
    return order
