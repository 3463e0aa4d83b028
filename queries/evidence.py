"""What stored releases tell of bounds that somebody gave: where to look for them, and how to read them.

Reads released tables and plans only: post-processing (Bun and Steinke 2016, arXiv:1605.02065, Lemma 1.8).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import pyarrow as pa

from queries.chosen import chosen_cells
from queries.plan import Aggregation, Block, MeasureKind
from queries.planned import PlannedNode
from queries.tuning import BEYOND_LOSS, SHARED_OUT, Floats, scales_of

HALF_WIDTH = 1.96  # deviations, of a 95% interval
_UPPER = 1.645  # the 95% quantile of the normal distribution
# Where its sums stand out of the noise so much, in all and a group, data decided about a choice, and else where it
# started from. Of 132 choices on purchases, at ε from 0.1 to 2, the 96 that did lay between 0.23 and 2.8 times the best
# bound for all groups, the others at up to 762 times.
_STANDS_OUT, _A_GROUP = 10.0, 0.25
_BEYOND_CHANCE = 3.0  # deviations of the squared strength of nothing but noise
# At the best bound clipping takes about as much as noise adds (`tuning.py`). Surely twice as much is too much, unless
# that is less than a tenth of the figures.
_TOO_MUCH, _MATERIAL = 2.0, 0.1
_DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Stored:
    """A stored release: its table, its price and the query that bought it."""

    table: pa.Table
    rho_nano: int
    query_id: str


@dataclass(frozen=True, slots=True)
class Told:
    """What a release says of one of its measures: sums, noise, and what bounding may have taken, group by group."""

    aggregation: Aggregation
    place: int
    stored: Stored

    @staticmethod
    def bound_of(aggregation: Aggregation, place: int) -> float:
        """The measure's own bound, in the column's units: without the widening for measures that share a weight."""
        measure, block = aggregation.measures[place], _block_of(aggregation, place)[0]
        return float(Fraction(measure.l2_bound, 10**measure.scale)) / math.sqrt(len(block.measures))

    @property
    def price(self) -> float:
        """About what the measure cost, in nano-ρ."""
        return self.stored.rho_nano / len(self.aggregation.measures)

    @property
    def query(self) -> str:
        """The query that bought the release."""
        return self.stored.query_id

    @property
    def is_usable(self) -> bool:
        """Whether there are groups, with noise."""
        return bool(self.stored.table.num_rows) and bool((self._noise > 0).all())

    @property
    def stands_out(self) -> bool:
        """Whether the sums of all groups together stand out of the noise so much that data decided about bounds."""
        return self._strength >= max(_STANDS_OUT, _A_GROUP * math.sqrt(len(self._sums)))

    @property
    def noise_share(self) -> float:
        """The noise over the figures, in roots of mean squares over groups; infinite where all may be noise."""
        return math.sqrt(len(self._sums)) / self._strength if self._strength else math.inf

    @property
    def least_clipped(self) -> float:
        """What bounding took at the least, at 95%, over the figures; 0 where nothing is known of it.

        An allowance is `SHARED_OUT` times what all groups lost, and `BEYOND_LOSS` deviations (`tuning.allowances`);
        infinite where these may make up all that is left. The deviation of the loss follows from that of the sums: it
        is cap/√(2ρ'), with the cap Σ|m| / ‖m / B‖ on what a unit can lose, where the noise of the sums is s = B/√(2ρ);
        hence Σ|m| / ‖m / s‖ · √(ρ/ρ').
        """
        paid, total = self._block, float(np.abs(self._sums).sum())
        if not paid.lost_nano or not total:
            return 0.0
        precision = math.sqrt(paid.rho_nano * len(paid.measures) / paid.lost_nano)
        deviation = precision / float(np.linalg.norm(self._sums / self._noise))
        beyond, allowed = BEYOND_LOSS * deviation, float(np.abs(self._allowed).sum()) / total
        taken = 1.0 - beyond if self.hides_clipping else (allowed - beyond) / SHARED_OUT
        return max(0.0, taken - _UPPER * deviation)

    @property
    def hides_clipping(self) -> bool:
        """Whether as much may have been taken as is left."""
        return not bool(np.isfinite(self._allowed).all())

    def is_clipped(self, less_noise: float) -> bool:
        """Whether bounding surely took much, and far more than noise adds where it is so many times as small."""
        least = self.least_clipped
        return least >= _MATERIAL and least * self._ratio * less_noise >= _TOO_MUCH

    @property
    def one_bound(self) -> float | None:
        """Of bounds that were chosen: the one for all groups that is reached where they are, if units are alike.

        A unit with the shares v of what all have together reaches the bounds B at a norm of ‖v‖ / ‖v / B‖. In the
        column's units; None where bounds were not chosen.
        """
        cells = chosen_cells(self.stored.table)[self.place : self.place + 1]
        if not cells or cells[0] is None:
            return None
        scales = scales_of(cells[0].steps) if cells[0].steps else np.ones(len(self._sums))
        bounds = 2.0 ** (cells[0].exponent / 4) * scales / 10 ** self.aggregation.measures[self.place].scale
        scaled = float(np.linalg.norm(self._sums / bounds))
        return float(np.linalg.norm(self._sums)) / scaled if scaled else None

    @property
    def _ratio(self) -> float:
        """The figures over the noise, in roots of mean squares over groups: 1 where all is noise."""
        return float(np.sqrt(np.mean((self._sums / self._noise) ** 2)))

    @property
    def _strength(self) -> float:
        """How far all groups together stand out of the noise, in its deviations; 0 where that may be chance."""
        groups = len(self._sums)
        squared = groups * (self._ratio**2 - 1)
        return math.sqrt(squared) if squared > _BEYOND_CHANCE * math.sqrt(2 * groups) else 0.0

    @property
    def _block(self) -> Block:
        return _block_of(self.aggregation, self.place)[0]

    @property
    def _sums(self) -> Floats:
        return self._column("m")

    @property
    def _noise(self) -> Floats:
        return self._column("s")

    @property
    def _allowed(self) -> Floats:
        return self._column("c")

    def _column(self, letter: str) -> Floats:
        return np.asarray(self.stored.table.column(f"{letter}{self.place}").to_numpy(), np.float64)


@dataclass(frozen=True, slots=True)
class Earlier:
    """What is known of a measure: releases under its own bound, and with one that was chosen from the data.

    `choice_share` is the part of its price that choosing the bound would take, None where it would not be chosen.
    """

    own: Told | None = None
    chosen: Told | None = None
    choice_share: Fraction | None = None


Find = Callable[[str], Stored | None]  # the latest release of a question, by its digest
Knowledge = Mapping[tuple[str, int], Earlier]  # by the node's name and the measure's place


def is_guess(node: PlannedNode, place: int) -> bool:
    """Whether somebody gave the measure's bound: it is neither chosen from the data nor a default of ours."""
    measure = node.measures[place]
    by_default = measure.kind is MeasureKind.VALUES and measure.source == _DEFAULT
    return node.tree is None and not by_default and not _block_of(node.aggregation, place)[0].free


def earlier_releases(nodes: Sequence[PlannedNode], free: Mapping[str, PlannedNode], find: Find) -> Knowledge:
    """What was released before of the measures whose bounds somebody gave.

    `free` are the same nodes, by name, of the statement without any bounds. A measure is looked for in the whole node,
    and by itself; one whose bound is chosen also beside the others as they are.
    """
    return {
        (node.name, place): _earlier(node, place, free.get(node.name), find)
        for node in nodes
        for place in range(len(node.measures))
        if is_guess(node, place)
    }


def _earlier(node: PlannedNode, place: int, free: PlannedNode | None, find: Find) -> Earlier:
    own = _first([(node.aggregation, place), _alone(node.aggregation, place)], find)
    number = node.measures[place].number
    there = None if free is None else next((n for n, m in enumerate(free.measures) if m.number == number), None)
    if free is None or there is None or not _block_of(free.aggregation, there)[0].free:
        return Earlier(own)
    chosen = _first(_with_choice(node.aggregation, place, free.aggregation, there), find)
    return Earlier(own, chosen, _choice_share(_block_of(free.aggregation, there)[0]))


def _with_choice(given: Aggregation, place: int, free: Aggregation, there: int) -> Iterator[tuple[Aggregation, int]]:
    """The questions in which the measure's bound is chosen, with its place in each."""
    yield free, there
    if free.keys == given.keys:
        (block, inside), number = _block_of(free, there), _number_of(given, place)
        first = sum(len(before.measures) for before in given.blocks[:number])
        yield replace(given, blocks=(*given.blocks[:number], block, *given.blocks[number + 1 :])), first + inside
    yield _alone(free, there)


def _alone(aggregation: Aggregation, place: int) -> tuple[Aggregation, int]:
    block, inside = _block_of(aggregation, place)
    return replace(aggregation, blocks=(block,)), inside


def _first(questions: Sequence[tuple[Aggregation, int]] | Iterator[tuple[Aggregation, int]], find: Find) -> Told | None:
    for aggregation, place in questions:
        found = find(aggregation.digest)
        if found is not None and f"m{place}" in found.table.column_names:
            return Told(aggregation, place, found)
    return None


def _choice_share(block: Block) -> Fraction | None:
    if block.tuning is None:
        return None
    share = Fraction(block.tuning.rho_nano * len(block.measures), block.loss_nano)
    return share.limit_denominator(1_000)


def _block_of(aggregation: Aggregation, place: int) -> tuple[Block, int]:
    """The block of a measure, and its place there."""
    for block in aggregation.blocks:
        if place < len(block.measures):
            return block, place
        place -= len(block.measures)
    raise IndexError(place)


def _number_of(aggregation: Aggregation, place: int) -> int:
    edges = [number for number, block in enumerate(aggregation.blocks) for _ in block.measures]
    return edges[place]
