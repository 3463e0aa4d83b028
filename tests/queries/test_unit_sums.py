"""Walks over the units against slow and exact ones: bounds of single cells, norms, losses, groups left out."""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from queries.accumulator import Accumulator, Kept, Rows
from queries.engine import FIRST_NORM, NORMS, LostOf, NormsOf, Request, SumsOf, Vector
from queries.plan import (
    BOUND_ONE,
    INTEGER,
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
from queries.unit_sums import Layout, walk
from tests.queries.contribution_oracle import Row, sums_by_unit

GROUPS, UNITS = 6, 5
_LINES = Relation(Scan("lines", private=True, columns=(("n", INTEGER),)))
_SUM = Measure(MeasureKind.SUM, Column(0, "n", INTEGER), 50)
_ROWS = Measure(MeasureKind.ROWS, None, 3)
_CLAMPED = Measure(MeasureKind.ROWS, None, 3, group_bounds=(0, 2))
JOINT = Aggregation(_LINES, PublicKeys(), (Block((_SUM, _ROWS), 10**9), Block((_CLAMPED,), 10**9)), UNITS)
COLUMNS = (0, -1, -1)

_rows = st.lists(
    st.tuples(st.integers(0, UNITS - 1), st.integers(-1, GROUPS - 1), st.tuples(st.integers(-(2**31), 2**31))),
    max_size=40,
)
_cells = st.lists(st.integers(1, 10**7), min_size=GROUPS, max_size=GROUPS)
_released = st.none() | st.sets(st.integers(0, GROUPS - 1)).map(sorted)


def answered(rows: list[Row], request: Request, released: list[int] | None = None) -> tuple[Vector, ...]:
    layout = Layout.of(JOINT, COLUMNS, GROUPS, None)
    if released is not None:
        layout = replace(layout, released=np.array(released, np.int64))
    asked = walk(layout, request)
    accumulator = Accumulator(layout, [asked], Kept(1 << 20))
    held = Rows(1)
    held.reserve(len(rows))
    held.count = len(rows)
    for index, (unit, group, values) in enumerate(rows):
        held.units[index], held.groups[index], held.values[0, index] = unit, group, values[0]
    accumulator.add(held, 0, UNITS)
    accumulator.close()
    wanted = np.isin(np.arange(GROUPS), range(GROUPS) if released is None else released)
    narrow = replace(layout, left=released is not None)
    for kept in accumulator.kept:  # what was kept answers alike, and so does what is left of it
        for own, units in ((layout, kept), (narrow, kept.only(wanted))):
            again = walk(own, request)
            again.add(units)
            assert all((one == other).all() for one, other in zip(asked.found, again.found, strict=True))
    return asked.found


def squared_norm(sums: dict[int, list[int]], bounds: dict[int, list[Fraction]]) -> Fraction:
    """In units of the bounds, over the measures that these are of."""
    return sum(
        (Fraction(sums[group][place]) ** 2 / own[group] ** 2 for place, own in bounds.items() for group in sums),
        Fraction(0),
    )


def left(sums: dict[int, list[int]], released: list[int] | None) -> dict[int, list[int]]:
    return {group: cells for group, cells in sums.items() if released is None or group in released}


@settings(max_examples=200)
@given(rows=_rows, one=_cells, other=_cells, released=_released)
def test_a_unit_alone_stays_within_the_bounds_of_its_cells_and_as_near_as_a_weight_allows(
    rows: list[Row], one: list[int], other: list[int], released: list[int] | None
) -> None:
    mine = [(2, group, values) for _, group, values in rows]
    shown = list(range(GROUPS)) if released is None else released
    vectors = tuple(np.array([own[group] for group in shown], np.int64) for own in (one, other))
    found = answered(mine, SumsOf(0, vectors), released)
    assert [len(vector) for vector in found] == [len(shown)] * 2
    sums = left(next(iter(sums_by_unit(JOINT, COLUMNS, mine).values()), {}), released)
    bounds = {place: [Fraction(cell, BOUND_ONE) for cell in own] for place, own in ((0, one), (1, other))}
    norm = squared_norm(sums, bounds)
    weighted = {g: [int(found[place][shown.index(g)]) for place in (0, 1)] for g in sums}
    assert squared_norm(weighted, bounds) <= WEIGHT_ONE**2
    ideal = WEIGHT_ONE if norm <= 1 else WEIGHT_ONE / math.sqrt(norm)
    for group, cells in sums.items():
        for place in (0, 1):
            if cells[place]:
                weight = Fraction(weighted[group][place], cells[place])
                assert weight.denominator == 1
                assert ideal * (1 - 1e-8) - 1 <= weight <= ideal * (1 + 1e-12)


@settings(max_examples=200)
@given(rows=_rows, cells=st.none() | _cells, released=_released)
def test_each_unit_is_in_the_bin_of_its_norm(
    rows: list[Row], cells: list[int] | None, released: list[int] | None
) -> None:
    shown = list(range(GROUPS)) if released is None else released
    vector = None if cells is None else np.array([cells[group] for group in shown], np.int64)
    (bins,) = answered(rows, NormsOf(0, 0, vector), released)
    units = [left(sums, released) for sums in sums_by_unit(JOINT, COLUMNS, rows).values()]
    plain = {0: [Fraction(1)] * GROUPS if cells is None else [Fraction(cell, BOUND_ONE) for cell in cells]}
    norms = [norm for sums in units if (norm := squared_norm(sums, plain))]
    assert bins.sum() == len(norms)
    for place in range(NORMS - 1):
        limit = Fraction(2) ** (FIRST_NORM + place)  # the fourth power of the bin's upper end
        below = int(bins[: place + 1].sum())
        assert below <= sum(norm**2 <= limit * (1 + Fraction(1, 10**6)) for norm in norms)
        assert below >= sum(norm**2 <= limit * (1 - Fraction(1, 10**6)) for norm in norms) or place < 1


@settings(max_examples=200)
@given(rows=_rows, one=_cells, other=_cells, caps=st.tuples(st.integers(1, 2**33), st.integers(1, 50)))
def test_what_a_unit_loses_is_what_bounding_takes_up_to_the_cap(
    rows: list[Row], one: list[int], other: list[int], caps: tuple[int, int]
) -> None:
    bounds = tuple(np.array(own, np.int64) for own in (one, other))
    (lost,) = answered(rows, LostOf(0, bounds, caps))
    expected = [0, 0]
    for unit in range(UNITS):
        mine = [row for row in rows if row[0] == unit]
        sums = next(iter(sums_by_unit(JOINT, COLUMNS, mine).values()), {})
        kept = answered(mine, SumsOf(0, bounds))
        for place in (0, 1):
            whole = sum(abs(cells[place]) for cells in sums.values())
            share = sum(abs(int(cell)) for cell in kept[place])
            expected[place] += min(caps[place], whole - share // WEIGHT_ONE)
    assert lost.tolist() == expected


@settings(max_examples=100)
@given(rows=_rows)
def test_what_clamps_of_groups_take_is_lost_too(rows: list[Row]) -> None:
    (lost,) = answered(rows, LostOf(1, None, (10**6,)))
    ((kept,), units) = answered(rows, SumsOf(1)), sums_by_unit(JOINT, COLUMNS, rows).values()
    whole = sum(cells[2] for sums in units for cells in sums.values())
    assert 0 <= lost[0] - (whole - int(kept.sum()) / WEIGHT_ONE) < UNITS + 1
