"""An axis of integers becomes a series, and ids of the series lead back to the places on the axis."""

from __future__ import annotations

from itertools import product

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from queries.engines.dense_axes import MOST_IDS, dense, dense_candidates
from queries.plan import (
    INTEGER,
    VARCHAR,
    Aggregation,
    Block,
    Column,
    Join,
    Key,
    Measure,
    MeasureKind,
    PublicKeys,
    Relation,
    Scan,
    SeriesAxis,
    TableAxis,
    ThresholdKeys,
    Type,
)

LINES = Scan("lines", private=True, columns=(("product_id", INTEGER), ("store_id", INTEGER), ("note", VARCHAR)))
PRODUCTS = Scan("products", private=False, columns=(("product_id", INTEGER), ("note", VARCHAR)))
ROWS = Block((Measure(MeasureKind.ROWS, None, 2),), 10**9)
RELATION = Relation(LINES, (Join(PRODUCTS, ()),))
MEMBERS = st.sets(st.none() | st.integers(-50, 50), min_size=1, max_size=8).filter(lambda found: found != {None})


def key(source: int, column: str, of: Type = INTEGER) -> Key:
    listed = "product_id" if of == INTEGER else "note"
    return Key((Column(source, column, of),), TableAxis(Relation(PRODUCTS), (Column(0, listed, of),)))


def axis(members: set[int | None]) -> pa.Table:
    """The keys in order, NULL first, as the engine lists them."""
    found = sorted(members, key=lambda member: (member is not None, member or 0))
    return pa.table({"k": pa.array(found, pa.int32())})


def aggregation(*keys: Key) -> Aggregation:
    return Aggregation(RELATION, PublicKeys(keys), (ROWS,), 100)


@given(first=MEMBERS, second=MEMBERS)
def test_each_combination_leads_to_its_place_in_the_product(first: set[int | None], second: set[int | None]) -> None:
    axes = [axis(first), axis(second)]
    found = dense(aggregation(key(0, "product_id"), key(0, "store_id")), axes)
    assert found is not None
    assert isinstance(found.aggregation.keys, PublicKeys)
    series = [_all_of(each.axis) for each in found.aggregation.keys.keys]
    places = {pair: place for place, pair in enumerate(product(*(each.column(0).to_pylist() for each in axes)))}
    expected = [places.get(pair, -1) for pair in product(*series)]
    assert (list(range(len(expected))) if found.group is None else found.group[:-1].tolist()) == expected
    assert found.group is None or found.group[-1] == -1


@given(rows=st.sets(st.tuples(st.none() | st.integers(-9, 9), st.integers(3, 9)), min_size=1))
def test_candidates_keep_their_numbers(rows: set[tuple[int | None, int]]) -> None:
    ordered = sorted(rows, key=lambda row: (row[0] is not None, row[0] or 0, row[1]))
    candidates = pa.table({f"k{i}": pa.array([row[i] for row in ordered], pa.int32()) for i in (0, 1)})
    found = dense_candidates(threshold("product_id", "store_id"), candidates)
    if {row[0] for row in rows} == {None}:
        assert found is None
        return
    assert found is not None
    assert isinstance(found.aggregation.keys, PublicKeys)
    groups = range(len(rows)) if found.group is None else found.group[:-1].tolist()
    numbers: dict[tuple[int | None, ...], int] = {row: number for number, row in enumerate(ordered)}
    series = [_all_of(each.axis) for each in found.aggregation.keys.keys]
    assert list(groups) == [numbers.get(pair, -1) for pair in product(*series)]


def threshold(*columns: str) -> Aggregation:
    expressions = tuple(Column(0, column, VARCHAR if column == "note" else INTEGER) for column in columns)
    return Aggregation(RELATION, ThresholdKeys(expressions, 5, 10**9, 10**12), (ROWS,), 100)


@pytest.mark.parametrize(
    ("asked", "candidates"),
    [
        (threshold("note"), pa.table({"k0": pa.array(["a"])})),
        (threshold("store_id", "note"), pa.table({"k0": pa.array([1], pa.int32()), "k1": pa.array(["a"])})),
        (threshold("store_id"), pa.table({"k0": pa.array([], pa.int32())})),
        (threshold("store_id"), pa.table({"k0": pa.array([0, 2**31 - 1], pa.int32())})),
    ],
    ids=["strings", "numbers and strings", "none", "too far apart"],
)
def test_other_candidates_are_joined(asked: Aggregation, candidates: pa.Table) -> None:
    assert dense_candidates(asked, candidates) is None


def _all_of(series: object) -> list[int | None]:
    assert isinstance(series, SeriesAxis)
    return [*([None] if series.with_null else []), *range(series.start, series.stop + 1)]


def test_members_without_gaps_need_no_second_look() -> None:
    found = dense(aggregation(key(0, "store_id")), [axis({1, 2, 3})])
    assert found is not None
    assert found.group is None


def test_what_else_is_asked_stays_as_it_is() -> None:
    asked = aggregation(key(0, "store_id"))
    found = dense(asked, [axis({1, 3})])
    assert found is not None
    assert (found.aggregation.source, found.aggregation.blocks, found.aggregation.unit_capacity) == (
        asked.source,
        asked.blocks,
        asked.unit_capacity,
    )


@pytest.mark.parametrize(
    ("keys", "members"),
    [
        ((), []),
        ((key(0, "note", VARCHAR),), [pa.table({"k": pa.array(["bread", "milk"])})]),
        ((key(1, "product_id"),), [axis({1, 2})]),  # a small public table is looked up anyway
        ((key(0, "store_id"),), [pa.table({"k": pa.array([None], pa.int32())})]),
        ((key(0, "store_id"),), [axis({0, MOST_IDS})]),
        ((key(0, "store_id"), key(0, "product_id")), [axis({0, MOST_IDS // 2}), axis({0, 2})]),
    ],
    ids=["no key", "strings", "a public column", "nothing but NULL", "too long", "too long together"],
)
def test_other_axes_are_joined(keys: tuple[Key, ...], members: list[pa.Table]) -> None:
    assert dense(aggregation(*keys), members) is None


@pytest.mark.parametrize("lowest", [-(1 << 63), -(1 << 63) + 1])
def test_the_lowest_integers_that_there_are_leave_no_place_for_null_before_them(lowest: int) -> None:
    found = dense_candidates(threshold("store_id"), pa.table({"k0": pa.array([None, lowest, lowest + 1], pa.int64())}))
    assert (found is None) == (lowest == -(1 << 63))
