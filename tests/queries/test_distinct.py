"""Units keep pairs of a group and a value within the bound; the different ones of all units are counted."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from queries.accumulator import BadContributionsError, Rows
from queries.distinct import DistinctAccumulator
from queries.kernel import mixed
from queries.plan import WEIGHT_ONE

GROUPS = 3
Row = tuple[int, int, int]  # unit, group or -1, value
ROWS = st.lists(st.tuples(st.integers(0, 4), st.integers(-1, GROUPS - 1), st.integers(0, 6)), max_size=60)


def rows_of(found: list[Row]) -> Rows:
    rows = Rows(1)
    rows.reserve(len(found))
    rows.count = len(found)
    for place, (unit, group, value) in enumerate(found):
        rows.units[place], rows.groups[place], rows.values[0, place] = unit, group, value
    return rows


def counted(found: list[Row], l2_bound: int, cuts: tuple[int, ...] = ()) -> list[int]:
    """The counts, from partitions of units that end at the cuts, in two accumulators by turns."""
    accumulators = [DistinctAccumulator(l2_bound, GROUPS) for _ in range(2)]
    edges = [0, *sorted(cuts), 5]
    for place, (low, high) in enumerate(itertools.pairwise(edges)):
        into = accumulators[place % 2]
        into.add(rows_of([row for row in found if low <= row[0] < high]), low, high)
        into.close()
    accumulators[0].merge(accumulators[1])
    return [int(count) // WEIGHT_ONE for count in accumulators[0].out[0]]


def different(found: list[Row]) -> list[int]:
    pairs = {(group, value) for _, group, value in found}
    return [sum(group == each for group, _ in pairs) for each in range(GROUPS)]


@given(found=ROWS)
def test_within_the_bound_all_different_values_count(found: list[Row]) -> None:
    assert counted(found, 100) == different(found)


@given(found=ROWS, l2_bound=st.integers(1, 6), unit=st.integers(0, 4))
def test_a_unit_changes_the_counts_by_at_most_the_bound(found: list[Row], l2_bound: int, unit: int) -> None:
    whole = np.array(counted(found, l2_bound))
    without = np.array(counted([row for row in found if row[0] != unit], l2_bound))
    assert ((whole - without) ** 2).sum() <= l2_bound**2
    assert (whole >= without).all()


@given(found=ROWS, l2_bound=st.integers(1, 6))
def test_one_unit_alone_is_cut_to_the_bound_and_no_further(found: list[Row], l2_bound: int) -> None:
    own = [(2, group, value) for _, group, value in found]
    kept, all_of_it = np.array(counted(own, l2_bound)), np.array(different(own))
    assert (kept**2).sum() <= l2_bound**2
    for group in range(GROUPS):  # one more pair of any group would be too many
        assert kept[group] == all_of_it[group] or (kept**2).sum() + 2 * kept[group] + 1 > l2_bound**2


@given(found=ROWS, l2_bound=st.integers(1, 6), data=st.data())
def test_neither_order_nor_partitions_nor_repeats_matter(found: list[Row], l2_bound: int, data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(found + found[:5]))
    cuts = tuple(data.draw(st.sets(st.integers(1, 4))))
    assert counted(shuffled, l2_bound, cuts) == counted(found, l2_bound)


def test_pairs_of_one_hash_do_not_let_the_order_matter() -> None:
    """Rows made for it: 5 in group 0 and another value in group 1 have one word, and each comes twice."""
    other = 5 ^ int(mixed(np.uint64(0))) ^ int(mixed(np.uint64(1)))
    assert int(mixed(mixed(np.uint64(1)) ^ np.uint64(other))) == int(mixed(mixed(np.uint64(0)) ^ np.uint64(5)))
    alike, rest = [(0, 0, 5), (0, 0, 5), (0, 1, other), (0, 1, other)], [(0, 0, value) for value in range(10, 20)]
    kept = {tuple(counted([*order, *rest], 3)) for order in itertools.permutations(alike)}
    assert len(kept) == 1


@given(found=ROWS, l2_bound=st.integers(1, 6))
def test_one_unit_may_come_in_pieces(found: list[Row], l2_bound: int) -> None:
    own = [(2, group, value) for _, group, value in found]
    pieces = DistinctAccumulator(l2_bound, GROUPS)
    for start in range(0, len(own), 7):
        pieces.add(rows_of(own[start : start + 7]), 2, 3)
    pieces.close()
    assert (pieces.out[0] // WEIGHT_ONE).tolist() == counted(own, l2_bound)


def test_units_of_like_size_keep_different_pairs() -> None:
    """Fifty units have the same hundred values, and may keep ten each: together they keep most of them."""
    found = [(unit, 0, value) for unit in range(50) for value in [*range(100), 1_000 + unit]]
    accumulator = DistinctAccumulator(10, 1)
    accumulator.add(rows_of(found), 0, 50)
    assert accumulator.out[0, 0] // WEIGHT_ONE > 80


@pytest.mark.parametrize("row", [(5, 0, 0), (-1, 0, 0), (0, GROUPS, 0)])
def test_rows_out_of_their_range_are_refused(row: Row) -> None:
    with pytest.raises(BadContributionsError):
        DistinctAccumulator(1, GROUPS).add(rows_of([row]), 0, 5)
