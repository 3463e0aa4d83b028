"""Quantiles of all groups from one release: noised counts of the nodes of a tree over a grid of the declared range.

The grid is public. Small ranges have a leaf for each value; on large ones leaves get wider with their distance from
zero, so that each spans at most some hundredths of its value. Each row counts in one node of each level, by a join with
a table of (leaf, node): the release is an `Aggregation` like any other, with the nodes for a further key.

What is estimated is the quantile of weighted rows: all rows of a customer have one weight, which is one where the
bounds leave room for that customer's counts. The bounds are chosen, one for all nodes of a group.

Noised counts of one group are made consistent by generalised least squares, level by level (Hay, Rastogi, Miklau and
Suciu 2010, Section 4, which this extends to nodes without children), and added up to a distribution function. Intervals
invert it at the target plus and minus the deviation of the noise there (Woodruff 1952): nothing is assumed of groups.

A group that noise drowns says little of its own quantile, and what all groups say together is a better guess than any
value of the range. So the functions of several groups are drawn towards the common one, edge by edge, by as much as
noise outweighs how groups differ (Efron and Morris 1973; Fay and Herriot 1979, for small areas).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

from queries.function_names import Function
from queries.plan import BOOLEAN, INTEGER, Call, Column, Expression, Join, Key, Listed, Literal, Relation, TableAxis

FAN_OUT = 5
MOST_LEVELS = 4
_LEAST = 1e-9
_MORE_PLACES = 2  # than the values have: what is interpolated beyond is no knowledge

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Leaves of the same width, in stored units: the first starts at `start`."""

    start: int
    width: int
    leaves: int

    @property
    def stop(self) -> int:
        """Where the next stretch starts."""
        return self.start + self.width * self.leaves


@dataclass(frozen=True, slots=True)
class Grid:
    """Leaves over a range of stored values; what lies beyond its ends falls into the first or the last leaf."""

    stretches: tuple[Stretch, ...]

    @property
    def leaves(self) -> int:
        return sum(stretch.leaves for stretch in self.stretches)

    @property
    def levels(self) -> int:
        return next(level for level in range(1, MOST_LEVELS + 1) if FAN_OUT**level >= self.leaves)

    @property
    def heads(self) -> int:
        """The nodes of the highest level, which have the lowest numbers."""
        span: int = FAN_OUT ** (self.levels - 1)
        return -(-self.leaves // span)

    @property
    def nodes(self) -> int:
        """Of all levels but the root."""
        return _levels(self)[-1][0] + self.leaves

    @property
    def edges(self) -> NDArray[np.int64]:
        """Where each leaf starts, and where the last one ends: leaves + 1 stored values."""
        starts = [np.arange(s.start, s.stop, s.width, dtype=np.int64) for s in self.stretches]
        return np.concatenate([*starts, np.array([self.stretches[-1].stop])])


@dataclass(frozen=True, slots=True)
class Wanted:
    """A quantile that a statement asks for: its number there, and the fraction of rows below."""

    number: int
    fraction: Fraction


@dataclass(frozen=True, slots=True)
class Tree:
    """What the released counts of one tree are for; values are stored integers of `scale` decimal places."""

    grid: Grid
    scale: int
    wanted: tuple[Wanted, ...]


def grid_of(low: int, high: int) -> Grid:
    """The finest grid of at most FAN_OUT**MOST_LEVELS leaves over the stored values from `low` to `high`."""
    most = FAN_OUT**MOST_LEVELS
    if high - low < most:
        return Grid((Stretch(low, 1, high - low + 1),))
    parts = 1
    while _leaves(_stretches(low, high, parts + 1)) <= most:
        parts += 1
    return Grid(_stretches(low, high, parts))


def _stretches(low: int, high: int, parts: int) -> tuple[Stretch, ...]:
    """Leaves of one unit up to 2·parts from zero, then of twice the width for each doubling: `parts` leaves each."""
    down = [Stretch(1 - s.stop, s.width, s.leaves) for s in reversed(_upwards(max(0, -low), parts)) if low < 0]
    up = _upwards(max(0, high), parts) if high >= 0 else []
    both = [*down, *up]
    if down and up:
        both[len(down)] = Stretch(1, 1, up[0].leaves - 1)  # zero is in the last leaf below it already
    return tuple(cut for stretch in both if (cut := _cut(stretch, low, high)) is not None)


def _upwards(largest: int, parts: int) -> list[Stretch]:
    found = [Stretch(0, 1, 2 * parts)]
    while found[-1].stop <= largest:
        found.append(Stretch(found[-1].stop, 2 * found[-1].width, parts))
    return found


def _cut(stretch: Stretch, low: int, high: int) -> Stretch | None:
    """The leaves of the stretch that reach into the range."""
    first = max(0, (low - stretch.start) // stretch.width)
    last = min(stretch.leaves, (high - stretch.start) // stretch.width + 1)
    return Stretch(stretch.start + first * stretch.width, stretch.width, last - first) if first < last else None


def _leaves(stretches: tuple[Stretch, ...]) -> int:
    return sum(stretch.leaves for stretch in stretches)


def with_nodes(relation: Relation, value: Expression, grid: Grid) -> tuple[Relation, Key]:
    """The relation with a row for each level of the tree, and the key that says which node a row is in.

    Rows without a value have no node. A row becomes at most MOST_LEVELS rows of the same unit, by a join with a public
    table.
    """
    number, listed = len(relation.sources), Listed(tuple(_rows_of_nodes(grid)))
    leaf, node = Column(number, "c0", INTEGER), Column(number, "c1", INTEGER)
    on = Call(Function.EQUAL, (_leaf(value, grid), leaf), BOOLEAN)
    joins = (*relation.joins, Join(listed, (on,)))
    axis = TableAxis(Relation(listed), (Column(0, "c1", INTEGER),))
    return Relation(relation.first, joins, relation.where), Key((node,), axis)


def _rows_of_nodes(grid: Grid) -> list[tuple[int, int]]:
    """Each leaf with each of its nodes: those of the highest level have the lowest numbers."""
    return [(leaf, first + leaf // span) for first, span in _levels(grid) for leaf in range(grid.leaves)]


def _levels(grid: Grid) -> list[tuple[int, int]]:
    """The number of the first node of each level, from the top, and how many leaves a node of it has."""
    spans = [FAN_OUT ** (grid.levels - level) for level in range(1, grid.levels + 1)]
    sizes = [-(-grid.leaves // span) for span in spans]
    return list(zip(accumulate(sizes[:-1], initial=0), spans, strict=True))


def _leaf(value: Expression, grid: Grid) -> Expression:
    """The number of the value's leaf; NULL of NULL."""
    first, arms = 0, []
    for stretch in grid.stretches:
        below = Literal(stretch.stop, value.type)
        place = _place(value, stretch, first)
        arms += [Call(Function.LESS, (value, below), BOOLEAN), place]
        first += stretch.leaves
    lowest = Call(Function.LESS, (value, Literal(grid.stretches[0].start, value.type)), BOOLEAN)
    empty = Call(Function.IS_NULL, (value,), BOOLEAN)
    none, last = Literal(None, INTEGER), Literal(first - 1, INTEGER)
    return Call(Function.CASE, (empty, none, lowest, Literal(0, INTEGER), *arms, last), INTEGER)


def _place(value: Expression, stretch: Stretch, first: int) -> Expression:
    distance = Call(Function.SUBTRACT, (value, Literal(stretch.start - first * stretch.width, value.type)), INTEGER)
    if stretch.width == 1:
        return distance
    return Call(Function.INTEGER_DIVIDE, (distance, Literal(stretch.width, INTEGER)), INTEGER)


def quantiles(tree: Tree, counts: Floats, deviations: Floats, z: float) -> dict[int, tuple[Floats, Floats]]:
    """By number: each group's quantile, and the standard error with which `z` of them on each side cover its interval.

    `counts` are the noised counts, groups × nodes, `deviations` those of a group's noise. NaN where a group has no rows
    by its noised counts.
    """
    prefixes = _prefixes(_consistent(counts, tree.grid), tree.grid)
    edges, unit = tree.grid.edges, 10**tree.scale
    found = {}
    for wanted in tree.wanted:
        fraction = float(wanted.fraction)
        spread = deviations[:, None] * _deviations(tree.grid, fraction)
        below = prefixes - fraction * prefixes[:, -1:]
        noise_of_all = spread[:, 0] + spread[:, -1]  # the first edge has -fraction of the whole, the last the rest
        totals = np.maximum(np.maximum(prefixes[:, -1], noise_of_all), _LEAST)
        rising = _rising(_drawn_together(below, spread, totals))
        rows = [
            _one(of_all, own, nearer, edges, z * noise)
            for of_all, own, nearer, noise in zip(prefixes[:, -1], below, rising, spread, strict=True)
        ]
        values, errors = np.array(rows, np.float64).reshape(-1, 2).T / unit
        found[wanted.number] = np.round(values, tree.scale + _MORE_PLACES), errors / z
    return found


def _one(of_all: float, below: Floats, rising: Floats, edges: NDArray[np.int64], margin: Floats) -> tuple[float, float]:
    """Where one group's `rising` crosses zero, and the distance to the farther end of the interval of `below`."""
    if of_all <= 0:
        return np.nan, np.nan
    leaf = int(np.clip(np.searchsorted(rising, 0.0) - 1, 0, len(edges) - 2))
    width, mass = int(edges[leaf + 1] - edges[leaf]) - 1, rising[leaf + 1] - rising[leaf]
    inside = -rising[leaf] / mass if mass > 0 else 0.5
    value = float(edges[leaf]) + float(np.clip(inside, 0, 1)) * width
    near = np.flatnonzero(np.abs(below) <= margin)
    first, last = (near[0], near[-1]) if len(near) else (leaf + 1, leaf)
    lowest, highest = edges[max(0, first - 1)], edges[min(len(edges) - 1, last + 1)] - 1
    return value, float(max(value - lowest, highest - value))


def _rising(rows: Floats) -> Floats:
    """Rows that rise, near these: the middle between the least row above and the largest one below."""
    middle: Floats = (np.maximum.accumulate(rows, 1) + np.minimum.accumulate(rows[:, ::-1], 1)[:, ::-1]) / 2
    return middle


def _drawn_together(below: Floats, spread: Floats, totals: Floats) -> Floats:
    """`below` of each group, drawn towards what it would be if the group were like all groups together.

    `spread` is the deviation of the noise. How far groups differ, in shares of their `totals`, is estimated from all of
    them, edge by edge: what their squared differences are above the noise, where this is small.
    """
    if len(below) <= 1:
        return below
    common = _rising(below.sum(axis=0, keepdims=True))[0] / totals.sum()
    shares, noise = below / totals[:, None] - common, np.maximum(spread / totals[:, None], _LEAST) ** 2
    weights = (noise.min(axis=0) / noise) ** 2
    differing = np.maximum((weights * (shares**2 - noise)).sum(axis=0) / weights.sum(axis=0), 0.0)
    drawn: Floats = totals[:, None] * (common + differing / (differing + noise) * shares)
    return drawn


def _prefixes(leaves: Floats, grid: Grid) -> Floats:
    """How many rows lie below each edge."""
    return np.concatenate([np.zeros((len(leaves), 1)), np.cumsum(leaves[:, : grid.leaves], axis=1)], axis=1)


@lru_cache(maxsize=64)
def _deviations(grid: Grid, fraction: float) -> Floats:
    """The exact deviation of (rows below an edge) - fraction · (all rows), if that of the noise is 1."""
    prefixes = _prefixes(_consistent(np.eye(grid.nodes), grid), grid)
    spread: Floats = np.sqrt(((prefixes - fraction * prefixes[:, -1:]) ** 2).sum(axis=0))
    return spread


def _consistent(counts: Floats, grid: Grid) -> Floats:
    """The best linear unbiased estimates of the leaves from counts of all nodes with noise of equal variance.

    Upwards, each node's own count and the sum of its children's estimates are weighted by the other's variance;
    downwards, what children lack of their parent is shared out by their variances.
    """
    edges = [*(first for first, _ in _levels(grid)), grid.nodes]
    levels = [counts[:, first:stop] for first, stop in pairwise(edges)]
    estimates, variances = [levels[-1]], [np.ones(levels[-1].shape[1])]  # from the leaves up
    for level in reversed(levels[:-1]):
        spread = _by_parent(variances[-1][None, :])[0]
        estimates.append((level * spread + _by_parent(estimates[-1])) / (spread + 1))
        variances.append(spread / (spread + 1))
    found = estimates.pop()
    for children, variance in zip(reversed(estimates), reversed(variances[:-1]), strict=True):
        lacking, spread = found - _by_parent(children), _by_parent(variance[None, :])[0]
        found = children + np.repeat(lacking / spread, FAN_OUT, axis=1)[:, : children.shape[1]] * variance
    return found


def _by_parent(level: Floats) -> Floats:
    """The sums over the children of each node of the level above."""
    return np.add.reduceat(level, np.arange(0, level.shape[1], FAN_OUT), axis=1)
