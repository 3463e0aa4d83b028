"""Grids, the nodes of a tree over them, and quantiles from noised counts."""

from __future__ import annotations

from fractions import Fraction

import duckdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from queries.answers import half_width
from queries.emit import sql_of
from queries.plan import INTEGER, Column, Listed, PublicKeys, Relation, Scan, Type
from queries.plan import Kind as PlanKind
from queries.planned import PlannedNode
from queries.quantiles import (
    FAN_OUT,
    MOST_LEVELS,
    Floats,
    Grid,
    Tree,
    Wanted,
    _consistent,
    _leaf,
    _levels,
    grid_of,
    quantiles,
    with_nodes,
)
from tests.queries.retailer import planned

LINES = Scan("lines", private=True, columns=(("v", Type(PlanKind.DECIMAL, 2)),))
VALUE = Column(0, "v", Type(PlanKind.DECIMAL, 2))
LIMIT = 2**31 - 1
RANGES = st.tuples(st.integers(-LIMIT, LIMIT), st.integers(-LIMIT, LIMIT)).map(sorted) | st.tuples(
    st.integers(-50, 50), st.integers(-900, 900)
).map(sorted)
MEDIAN = (Wanted(0, Fraction(1, 2)),)
Z = half_width(1.0)


def counts_of(grid: Grid, values: list[int]) -> Floats:
    """The exact counts of all nodes, for one group."""
    leaves = np.searchsorted(grid.edges, np.clip(values, grid.edges[0], grid.edges[-1] - 1), side="right") - 1
    counts = np.zeros((1, grid.nodes))
    for first, span in _levels(grid):
        np.add.at(counts[0], first + leaves // span, 1)
    return counts


@given(bounds=RANGES)
def test_a_grid_covers_its_range_with_narrow_leaves(bounds: tuple[int, int]) -> None:
    low, high = bounds
    grid = grid_of(low, high)
    edges = grid.edges
    widths = np.diff(edges)
    assert (widths > 0).all()
    assert edges[0] <= low
    assert high < edges[-1]
    assert grid.leaves == len(widths) <= FAN_OUT**MOST_LEVELS
    nearest = np.minimum(np.abs(edges[:-1]), np.abs(edges[1:]))
    assert (widths[1:-1] <= np.maximum(1, nearest[1:-1] / 10)).all()


def test_a_small_range_has_a_leaf_for_each_value() -> None:
    assert grid_of(-3, 20).edges.tolist() == list(range(-3, 22))
    assert grid_of(-3, 20).levels == 2


@given(bounds=RANGES, data=st.data())
def test_a_value_finds_the_leaf_in_whose_edges_it_lies(bounds: tuple[int, int], data: st.DataObject) -> None:
    grid = grid_of(*bounds)
    near = st.sampled_from(grid.edges.tolist()).flatmap(lambda edge: st.integers(edge - 2, edge + 2))
    values = data.draw(
        st.lists(near | st.integers(*bounds) | st.integers(-(2**63), 2**63 - 1) | st.none(), max_size=20)
    )
    listed = ", ".join(f"(CAST({'NULL' if value is None else value} AS BIGINT))" for value in [0, *values])
    found = duckdb.sql(f"SELECT {sql_of(_leaf(VALUE, grid))} FROM (VALUES {listed}) AS s0(v)").fetchall()
    edges = grid.edges.tolist()
    for value, (leaf,) in zip([0, *values], found, strict=True):
        if value is None:
            assert leaf is None
        else:
            inside = min(max(value, edges[0]), edges[-1] - 1)
            assert edges[leaf] <= inside < edges[leaf + 1]


@given(bounds=RANGES)
def test_each_row_is_in_one_node_of_each_level(bounds: tuple[int, int]) -> None:
    grid = grid_of(*bounds)
    relation, key = with_nodes(Relation(LINES), VALUE, grid)
    (listed,) = (source for source in relation.sources if isinstance(source, Listed))
    rows = np.array(listed.rows)
    assert len(set(rows[:, 1].tolist())) == grid.nodes == rows[:, 1].max() + 1
    assert np.bincount(rows[:, 0]).tolist() == [grid.levels] * grid.leaves
    for (first, _), (last, _) in zip(_levels(grid), [*_levels(grid)[1:], (grid.nodes, 0)], strict=True):
        own = rows[(rows[:, 1] >= first) & (rows[:, 1] < last)]
        assert sorted(own[:, 0]) == list(range(grid.leaves))
    assert key.expressions == (Column(1, "c1", INTEGER),)


@pytest.mark.parametrize("leaves", [1, 3, 5, 6, 27, 125, 131])
def test_consistent_leaves_are_the_least_squares_estimates(leaves: int) -> None:
    grid = grid_of(0, leaves - 1)
    design = np.zeros((grid.nodes, leaves))
    for leaf in range(leaves):
        for first, span in _levels(grid):
            design[first + leaf // span, leaf] = 1
    noised = np.random.default_rng(leaves).normal(10, 5, (4, grid.nodes))
    expected = np.linalg.lstsq(design, noised.T, rcond=None)[0].T
    np.testing.assert_allclose(_consistent(noised, grid), expected, atol=1e-9)


@given(
    values=st.lists(st.integers(-40, 60), min_size=1, max_size=40),
    fraction=st.fractions(min_value=Fraction(1, 50), max_value=Fraction(49, 50), max_denominator=50),
)
def test_without_noise_a_quantile_has_its_share_of_rows_on_each_side(values: list[int], fraction: Fraction) -> None:
    grid = grid_of(-40, 60)
    ((found, errors),) = quantiles(
        Tree(grid, 0, (Wanted(7, fraction),)), counts_of(grid, values), np.full(1, 1e-12), Z
    ).values()
    assert sum(value < found[0] for value in values) <= fraction * len(values) + 1e-6
    assert sum(value <= found[0] for value in values) >= fraction * len(values) - 1e-6
    assert errors[0] * Z <= 101


def test_values_are_shown_in_their_own_units() -> None:
    grid = grid_of(0, 500)
    found = quantiles(Tree(grid, 2, MEDIAN), counts_of(grid, [125] * 9), np.full(1, 1e-12), Z)
    assert found[0][0][0] == 1.25


def test_a_group_without_rows_has_no_quantile() -> None:
    grid = grid_of(0, 9)
    found = quantiles(
        Tree(grid, 0, MEDIAN),
        np.vstack([counts_of(grid, [3, 4, 4]), np.full((1, grid.nodes), -1.0)]),
        np.full(2, 0.1),
        Z,
    )
    assert found[0][0][0] == 4
    assert np.isnan(found[0][0][1])
    assert np.isnan(found[0][1][1])


@pytest.mark.parametrize("deviation", [3.0, 30.0, 300.0])
@pytest.mark.parametrize("fraction", [Fraction(1, 10), Fraction(1, 2), Fraction(9, 10)])
def test_intervals_cover_the_quantile(deviation: float, fraction: Fraction) -> None:
    """Seeded, 95% intervals, 400 draws: fewer than 92% are seen by chance once in 200 such tests at the most."""
    random = np.random.default_rng(17)
    values = np.minimum(random.lognormal(5.5, 1.0, 5_000).astype(int), 100_000)
    grid = grid_of(0, 100_000)
    exact = counts_of(grid, values.tolist())
    noised = exact + random.normal(0, deviation, (400, grid.nodes))
    ((found, errors),) = quantiles(Tree(grid, 0, (Wanted(0, fraction),)), noised, np.full(400, deviation), Z).values()
    truth = np.quantile(values, float(fraction))
    present = ~np.isnan(found)
    assert present.mean() > 0.9
    assert (np.abs(found - truth) <= Z * errors + 1e-9)[present].mean() >= 0.92


def _market(random: np.random.Generator) -> tuple[Grid, list[list[int]]]:
    """Twenty groups of different sizes and about the same values, the last but one quite different, the last tiny."""
    sizes = [3_000] * 8 + [300] * 10 + [3_000, 20]
    middles = [5.5] * 18 + [8.0, 5.5]
    pairs = zip(sizes, middles, strict=True)
    values = [np.minimum(random.lognormal(middle, 0.6, size).astype(int), 100_000).tolist() for size, middle in pairs]
    return grid_of(0, 100_000), values


def test_what_noise_drowns_is_taken_from_all_groups_and_what_stands_out_is_not() -> None:
    """Seeded: errors of single groups, with the same noise, when asked alone and when asked with the others."""
    random = np.random.default_rng(5)
    grid, values = _market(random)
    exact = np.vstack([counts_of(grid, each) for each in values])
    truth = np.array([np.median(each) for each in values])
    together, alone = [], []
    for _ in range(30):
        noised = exact + random.normal(0, 20, exact.shape)
        ((found, errors),) = quantiles(Tree(grid, 0, MEDIAN), noised, np.full(20, 20.0), Z).values()
        own = [quantiles(Tree(grid, 0, MEDIAN), row[None, :], np.full(1, 20.0), Z)[0][0][0] for row in noised]
        together.append(np.abs(found - truth) / truth)
        alone.append(np.abs(np.array(own) - truth) / truth)
        assert (np.abs(found - truth) <= Z * errors + 1e-9)[~np.isnan(found)].mean() >= 0.75
    of_all, of_one = np.nanmedian(together, axis=0), np.nanmedian(alone, axis=0)
    assert of_all[-1] < 0.4 * of_one[-1]
    assert of_all[8:18].mean() < 0.7 * of_one[8:18].mean()
    assert of_all[-2] < 0.05
    assert of_all[-2] < 1.3 * of_one[-2]


def _tree_of(sql: str) -> PlannedNode:
    (node,) = [node for node in planned(sql).nodes if node.tree is not None]
    return node


def test_quantiles_of_one_value_share_a_tree_and_other_quantiles_of_it_are_free() -> None:
    one = _tree_of("SELECT QUANTILE_CONT(pieces, 0.1) AS low, MEDIAN(pieces) AS mid FROM lines")
    assert one.tree is not None
    assert [wanted.fraction for wanted in one.tree.wanted] == [Fraction(1, 10), Fraction(1, 2)]
    other = _tree_of("SELECT COUNT(*) AS n, QUANTILE_CONT(pieces, 0.75) AS q FROM lines")
    assert other.aggregation.digest == one.aggregation.digest


def test_the_keys_of_a_tree_are_those_of_its_group_and_then_its_nodes() -> None:
    node = _tree_of("SELECT day, MEDIAN(pieces) AS m FROM lines GROUP BY day")
    assert isinstance(node.aggregation.keys, PublicKeys)
    assert len(node.aggregation.keys.keys) == 2
    assert node.key_numbers == (0,)
