"""The kernel against an exact oracle: sums, clamps, draws and weights, and the norm bound that privacy rests on."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from queries.accumulator import BadContributionsError, Rows
from queries.plan import (
    BOOLEAN,
    INTEGER,
    VALUE_LIMIT,
    WEIGHT_ONE,
    Aggregation,
    Block,
    Column,
    Measure,
    MeasureKind,
    PublicKeys,
    Relation,
    Scan,
)
from tests.queries.accumulation import summing, sums_of
from tests.queries.contribution_oracle import Row, norm, shares, sums_by_unit

GROUPS = 7
UNITS = 6
_RELATION = Relation(Scan("lines", private=True, columns=(("n", INTEGER), ("b", BOOLEAN))))
_NUMBER, _CONDITION = Column(0, "n", INTEGER), Column(0, "b", BOOLEAN)


@dataclass(frozen=True)
class Case:
    aggregation: Aggregation
    columns: tuple[int, ...]
    priorities: list[int] | None

    def sums(self, rows: list[Row], *, low: int = 0, high: int = UNITS) -> list[list[int]]:
        return self.summed([(low, high, rows)])

    def summed(self, partitions: list[tuple[int, int, list[Row]]]) -> list[list[int]]:
        priorities = None if self.priorities is None else np.array(self.priorities, np.uint64)
        accumulator = summing(self.aggregation, self.columns, GROUPS, priorities)
        for low, high, rows in partitions:
            accumulator.add(_held(rows, self.columns), low, high)
            accumulator.close()
        return [[int(cell) for cell in vector] for vector in sums_of(accumulator)]


def _held(rows: list[Row], columns: tuple[int, ...]) -> Rows:
    held = Rows(max(columns) + 1)
    held.reserve(len(rows))
    held.count = len(rows)
    for index, (unit, group, values) in enumerate(rows):
        held.units[index], held.groups[index] = unit, group
        held.values[:, index] = values[: len(held.values)]
    return held


def _ordered(pair: tuple[int, int]) -> tuple[int, int]:
    return min(pair), max(pair)


_small = st.integers(-5, 5)
_large = st.sampled_from([-(2**62), -(2**31), -VALUE_LIMIT, VALUE_LIMIT, 2**31, 2**62])
_values = st.tuples(_small | _large, st.integers(0, 1))
_rows = st.lists(st.tuples(st.integers(0, UNITS - 1), st.integers(-1, GROUPS - 1), _values), max_size=40)
_bounds = st.one_of(st.integers(1, 12), st.integers(1, 2**31), st.integers(2**37, 2**38))
_row_bounds = st.tuples(_small | st.just(-VALUE_LIMIT), _small | st.just(VALUE_LIMIT)).map(_ordered)
_group_bounds = st.none() | st.tuples(_small, _small).map(_ordered) | st.just((-(2**46), 2**46))


@st.composite
def _measures(draw: st.DrawFn) -> tuple[Measure, int]:
    kind = draw(st.sampled_from([MeasureKind.SUM, MeasureKind.ROWS, MeasureKind.UNITS]))
    bound, group_bounds = draw(_bounds), draw(_group_bounds)
    if kind is MeasureKind.SUM:
        return Measure(kind, _NUMBER, bound, 0, draw(_row_bounds), group_bounds), 0
    column = draw(st.sampled_from([-1, 1]))
    return Measure(kind, None if column < 0 else _CONDITION, bound, group_bounds=group_bounds), column


@st.composite
def _cases(draw: st.DrawFn) -> Case:
    blocks, columns = [], []
    for measures in draw(st.lists(st.lists(_measures(), min_size=1, max_size=3), min_size=1, max_size=3)):
        most = draw(st.none() | st.integers(1, GROUPS))
        blocks.append(Block(tuple(measure for measure, _ in measures), 10**9, most))
        columns += [column for _, column in measures]
    priorities = draw(st.none() | st.lists(st.integers(0, 2**64 - 1), min_size=GROUPS, max_size=GROUPS))
    return Case(Aggregation(_RELATION, PublicKeys(), tuple(blocks), UNITS), tuple(columns), priorities)


def _one(kind: MeasureKind, bound: int, **more: object) -> Case:
    value, column = (_NUMBER, 0) if kind is MeasureKind.SUM else (None, -1)
    measure = Measure(kind, value, bound, **more)  # type: ignore[arg-type]
    return Case(Aggregation(_RELATION, PublicKeys(), (Block((measure,), 10**9),), UNITS), (column,), None)


def _weights(
    case: Case, rows: list[Row]
) -> list[tuple[Block, dict[int, tuple[int, ...]], Fraction, dict[int, list[int]]]]:
    """For one unit and each block: the bounded sums, the ideal weight, and what the kernel added to the same cells."""
    sums = sums_by_unit(case.aggregation, case.columns, rows)
    assert len(sums) <= 1
    out, found, first = case.sums(rows), [], 0
    for block, share in zip(
        case.aggregation.all_blocks,
        shares(case.aggregation, next(iter(sums.values()), {}), case.priorities),
        strict=True,
    ):
        last = first + len(block.measures)
        added = {g: [out[m][g] for m in range(first, last)] for g in range(GROUPS)}
        found.append((block, dict(share.bounded), share.ideal_weight, added))
        first = last
    return found


@given(case=_cases(), rows=_rows)
@settings(max_examples=400)
def test_a_unit_adds_its_bounded_sums_times_one_weight_a_block(case: Case, rows: list[Row]) -> None:
    for _, bounded, ideal, added in _weights(case, [(3, group, values) for _, group, values in rows]):
        cells = [(p, k) for g, sums in bounded.items() for p, k in zip(sums, added[g], strict=True)]
        weights = {Fraction(k, p) for p, k in cells if p}
        assert len(weights) <= 1
        assert all(k == 0 for p, k in cells if not p)
        assert all(cell == 0 for g, row in added.items() if g not in bounded for cell in row)
        for weight in weights:
            assert weight.denominator == 1
            assert ideal * (1 - Fraction(1, 10**8)) - 1 <= weight <= ideal


@given(case=_cases(), rows=_rows)
@settings(max_examples=400)
def test_the_weighted_norm_of_a_unit_never_exceeds_the_bound(case: Case, rows: list[Row]) -> None:
    for block, _, _, added in _weights(case, [(0, group, values) for _, group, values in rows]):
        assert norm(block, {g: tuple(row) for g, row in added.items()}) <= WEIGHT_ONE**2


@given(case=_cases(), rows=_rows)
@settings(max_examples=200)
def test_the_sum_over_units_is_the_sum_of_what_each_adds_alone(case: Case, rows: list[Row]) -> None:
    together = np.array(case.sums(rows), dtype=object)
    alone = sum(np.array(case.sums([row for row in rows if row[0] == unit]), dtype=object) for unit in range(UNITS))
    assert (together == alone).all()


@given(case=_cases(), rows=_rows, data=st.data())
@settings(max_examples=200)
def test_the_order_of_rows_does_not_matter(case: Case, rows: list[Row], data: st.DataObject) -> None:
    assert case.sums(rows) == case.sums(data.draw(st.permutations(rows)))


@given(case=_cases(), rows=_rows, cut=st.integers(0, UNITS))
@settings(max_examples=200)
def test_the_borders_of_partitions_do_not_matter(case: Case, rows: list[Row], cut: int) -> None:
    parts = [(0, cut, [row for row in rows if row[0] < cut]), (cut, UNITS, [row for row in rows if row[0] >= cut])]
    assert case.summed(parts) == case.sums(rows)


@given(case=_cases(), rows=_rows, cut=st.integers(0, 40))
@settings(max_examples=100)
def test_one_unit_may_come_in_pieces(case: Case, rows: list[Row], cut: int) -> None:
    mine = [(2, group, values) for _, group, values in rows]
    accumulator = summing(
        case.aggregation,
        case.columns,
        GROUPS,
        None if case.priorities is None else np.array(case.priorities, np.uint64),
    )
    accumulator.add(_held(mine[:cut], case.columns), 2, 3)
    accumulator.add(_held(mine[cut:], case.columns), 2, 3)
    accumulator.close()
    assert sums_of(accumulator).tolist() == case.sums(mine)


@given(case=_cases(), rows=_rows, shift=st.integers(1, 3))
@settings(max_examples=100)
def test_the_number_of_a_unit_does_not_matter(case: Case, rows: list[Row], shift: int) -> None:
    moved = [(unit + shift, group, values) for unit, group, values in rows]
    assert case.sums(rows) == case.sums(moved, low=shift, high=UNITS + shift)


@given(case=_cases(), rows=_rows, data=st.data())
@settings(max_examples=100)
def test_with_priorities_the_numbers_of_groups_do_not_matter(case: Case, rows: list[Row], data: st.DataObject) -> None:
    assume(case.priorities is not None and len(set(case.priorities)) == GROUPS)
    assert case.priorities is not None
    new = data.draw(st.permutations(range(GROUPS)))
    priorities = [0] * GROUPS
    for old, number in enumerate(new):
        priorities[number] = case.priorities[old]
    renamed = [(unit, new[group] if group >= 0 else group, values) for unit, group, values in rows]
    there = Case(case.aggregation, case.columns, priorities).sums(renamed)
    assert [[vector[new[g]] for g in range(GROUPS)] for vector in there] == case.sums(rows)


@pytest.mark.parametrize("bound", [5, 50, 5 * 10**6, 94_906_265])
def test_a_norm_of_exactly_the_bound_is_not_scaled_down(bound: int) -> None:
    # 3² + 4² = 5², the largest just below 2^53
    unit = bound // 5
    rows: list[Row] = [(0, 0, (3 * unit, 0)), (0, 1, (-4 * unit, 0))]
    assert _one(MeasureKind.SUM, 5 * unit).sums(rows)[0][:2] == [3 * unit * WEIGHT_ONE, -4 * unit * WEIGHT_ONE]
    assert _one(MeasureKind.SUM, 5 * unit - 1).sums(rows)[0][0] < 3 * unit * WEIGHT_ONE


@pytest.mark.parametrize("bound", [5, 5 * 10**6, 94_906_260])
def test_a_norm_above_the_bound_by_the_least_is_scaled_down(bound: int) -> None:
    unit = bound // 5
    rows: list[Row] = [(0, 0, (3 * unit, 0)), (0, 1, (-4 * unit, 0)), (0, 2, (1, 0))]
    case = _one(MeasureKind.SUM, bound)
    vector = {g: (cell,) for g, cell in enumerate(case.sums(rows)[0])}
    assert vector[0][0] < 3 * unit * WEIGHT_ONE
    assert norm(case.aggregation.blocks[0], vector) <= WEIGHT_ONE**2


def test_ties_in_a_draw_go_to_the_smaller_groups() -> None:
    block = Block((Measure(MeasureKind.ROWS, None, 10),), 10**9, 3)
    case = Case(Aggregation(_RELATION, PublicKeys(), (block,), UNITS), (-1,), [7] * GROUPS)
    rows: list[Row] = [(0, g, (0, 0)) for g in (6, 2, 5, 3, 4)]
    assert np.flatnonzero(case.sums(rows)[0]).tolist() == [2, 3, 4]


def test_the_largest_sums_keep_the_bound() -> None:
    rows: list[Row] = [(0, g, (2**62, 0)) for g in range(GROUPS) for _ in range(500)]
    for bound in (1, 3, 2**31, 2**40):
        case = _one(MeasureKind.SUM, bound)
        vector = {g: (case.sums(rows)[0][g],) for g in range(GROUPS)}
        assert norm(case.aggregation.blocks[0], vector) <= WEIGHT_ONE**2


def test_bounds_by_group_apply_to_touched_groups_only() -> None:
    rows: list[Row] = [(0, 2, (1, 0))]
    sums = _one(MeasureKind.SUM, 100, group_bounds=(10, 20)).sums(rows)[0]
    assert sums == [0, 0, 10 * WEIGHT_ONE, 0, 0, 0, 0]


def test_a_group_whose_sum_is_zero_is_still_touched() -> None:
    rows: list[Row] = [(0, 2, (5, 0)), (0, 2, (-5, 0))]
    assert _one(MeasureKind.SUM, 100, group_bounds=(10, 20)).sums(rows)[0][2] == 10 * WEIGHT_ONE


def test_units_that_differ_in_content_draw_different_groups() -> None:
    block = Block((Measure(MeasureKind.ROWS, None, 1),), 10**9, 1)
    case = Case(Aggregation(_RELATION, PublicKeys(), (block,), UNITS), (-1,), None)
    drawn = set()
    for rows_in_first in range(1, 60):
        rows: list[Row] = [(0, max(g, 0), (0, 0)) for g in range(1 - rows_in_first, GROUPS)]
        drawn.add(int(np.flatnonzero(case.sums(rows)[0])[0]))
    assert len(drawn) == GROUPS


@pytest.mark.parametrize("row", [(-1, 0, (0, 0)), (UNITS, 0, (0, 0)), (0, GROUPS, (0, 0)), (0, 2**31 - 1, (0, 0))])
def test_rows_that_are_no_contributions_are_refused(row: Row) -> None:
    with pytest.raises(BadContributionsError):
        _one(MeasureKind.ROWS, 1).sums([(0, 0, (0, 0)), row])


def test_many_groups_of_one_unit_fit() -> None:
    groups = 300_000
    measure = Measure(MeasureKind.ROWS, None, 10**6)
    aggregation = Aggregation(_RELATION, PublicKeys(), (Block((measure,), 10**9),), 10)
    accumulator = summing(aggregation, (-1,), groups, None)
    for start in (0, 150_000):
        rows = Rows(0)
        rows.reserve(200_000)
        rows.count = 150_000
        rows.units[:] = 0
        rows.groups[:150_000] = np.arange(start, start + 150_000, dtype=np.int32)[::-1]
        accumulator.add(rows, 0, 1)
    accumulator.close()
    assert (sums_of(accumulator) == WEIGHT_ONE).all()
