"""Notices of bounds that somebody gave and that do not fit, or of which nobody knows whether they do.

A bound that the policy declares, or the caller states, is used as it is: too low, and figures come out too low; too
high, and they are noisier than they need be. Whether it fits depends on private rows. But there are facts beside them
that are public, and of those the first that says anything is told:

1. what a unit can have at the most, by declared ranges and clamps;
2. a release of the same question whose bounds were chosen from the data (`evidence.py`);
3. a release under this very bound: its noise, and its estimate of what bounding took;
4. what a single row can have at the most.

All of it is computed of released tables, plans and the policy, and of nothing else: post-processing, which loses no
privacy (Bun and Steinke 2016, arXiv:1605.02065, Lemma 1.8), and costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction

from queries.clipping import Clipping, clippings
from queries.drafts import STATED
from queries.evidence import HALF_WIDTH, Earlier, Knowledge, Stored, Told, is_guess
from queries.plan import MeasureKind
from queries.planned import PlannedMeasure, PlannedNode
from queries.schema import Schema

# Beyond this factor from a chosen bound a bound is wrong. Choices are off by less themselves (`evidence.py`), and so is
# a bound that is ten times too high or too low by more.
FACTOR = 4.0
# The best bound rises with the price: with its fourth root where one unit in x² has more than x.
_TAIL = 0.25
# From here on noise is more of an answer than the figures are, and the first to be asked is the bound.
_DROWNED = 1 / 3


class Code(StrEnum):
    """What is said of a bound; the names never change."""

    TOO_LOW = "bound-too-low"
    TOO_HIGH = "bound-too-high"
    MAY_BE_LOW = "bound-may-be-low"
    MAY_BE_HIGH = "bound-may-be-high"
    BELOW_ROW = "bound-below-row"
    UNCHECKED = "bound-unchecked"


@dataclass(frozen=True, slots=True)
class Finding:
    """What is found of a bound, in words, and in figures where there are any.

    `expected` is the bound that fits as far as is known, in the column's units, and `factor` the bound over it.
    `clipped_share` is what bounding took at the least, over the figures, and `noise_share` the noise over the figures.
    `query` bought the release that tells.
    """

    code: Code
    text: str
    expected: float | None = None
    factor: float | None = None
    clipped_share: float | None = None
    noise_share: float | None = None
    query: str | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """A finding, the measure that it is of with its bound, and what to do instead.

    `choice_share` is the part of the measure's price that choosing the bound from the data takes, None where it would
    not be chosen. It is chosen where the option l2_bound says "auto" for the column `automatic`: None where the caller
    has to take a bound back first.
    """

    measure: PlannedMeasure
    l2_bound: float
    found: Finding
    choice_share: Fraction | None
    automatic: str | None

    @property
    def text(self) -> str:
        """The finding and the advice."""
        return f"{self.found.text}{self._advice}"

    @property
    def _advice(self) -> str:
        if self.choice_share is None:
            return ""
        return f' With "auto" in its place it is chosen from the data, at {_percent(self.choice_share)} of its price.'


def notices_before(node: PlannedNode, known: Knowledge, schema: Schema) -> tuple[Notice, ...]:
    """What is to be said of a node's bounds before it is released, one notice a measure at the most."""
    judged = list(_judged(node, known, schema))
    return tuple(each.noticed(found) for each in judged if (found := each.known() or each.unknown()) is not None)


def notices_after(node: PlannedNode, known: Knowledge, schema: Schema, released: Stored) -> tuple[Notice, ...]:
    """What is to be said of a node's bounds once it is released: what its table shows, or what was known before."""
    own = {
        (name, place): replace(earlier, own=Told(node.aggregation, place, released))
        for (name, place), earlier in known.items()
    }
    judged = list(_judged(node, own, schema))
    return tuple(each.noticed(found) for each in judged if (found := each.known()) is not None)


def _judged(node: PlannedNode, known: Knowledge, schema: Schema) -> Iterator[_Judged]:
    told = clippings(node.aggregation, node.groups, schema, node.tree)
    for place, clipping in enumerate(told):
        if is_guess(node, place):
            yield _Judged(node, place, clipping, known.get((node.name, place), Earlier()), schema)


@dataclass(frozen=True, slots=True)
class _Judged:
    """A bound that somebody gave, with all that is known of it."""

    node: PlannedNode
    place: int
    clipping: Clipping
    earlier: Earlier
    schema: Schema

    def known(self) -> Finding | None:
        """What facts say against the bound; None where there are none, or they say nothing against it."""
        reach = self.clipping.reach
        if reach is not None and 0 < reach * FACTOR < 1:
            return self._unreached(reach)
        if not self.clipping.possible:
            return None
        return self._compared() or self._shown()

    def unknown(self) -> Finding | None:
        """What is to be said of a bound that no release tells of; None where one does, or nobody can be above it."""
        counted = self._measure.kind is not MeasureKind.VALUES
        if not self.clipping.possible or (counted and (self._reference is not None or self._own is not None)):
            return None
        row = self.clipping.row
        if row is None or row <= 1:
            return Finding(Code.UNCHECKED, f"Nothing that was released tells whether {self._called} fits.")
        largest = f"One row may have {_number(row * self._bound)}: {self._called} is lower."
        return Finding(Code.BELOW_ROW, f"{largest} Whether many have as much, nothing that was released tells.")

    def noticed(self, found: Finding) -> Notice:
        """The finding with what to do instead."""
        share = self.earlier.choice_share
        columns = () if share is None or self._measure.source == STATED else self._measure.columns
        return Notice(self._measure, self._bound, found, share, next(iter(columns), None))

    def _unreached(self, reach: float) -> Finding:
        most, higher = self._bound * reach, f"{_number(1 / reach)} times higher, and so is the noise"
        text = f"No {self.schema.policy.unit.name} can have a norm above {_number(most)}: {self._called} is {higher}."
        return Finding(Code.TOO_HIGH, text, expected=most, factor=1 / reach)

    def _compared(self) -> Finding | None:
        """What a bound that the data chose says."""
        reference = self._reference
        if reference is None or reference.one_bound is None:
            return None
        expected = reference.one_bound
        factor, tolerance = self._bound / expected, FACTOR * self._price_ratio(reference) ** _TAIL
        if factor > tolerance and not reference.is_clipped(1):
            code, wrong = Code.TOO_HIGH, f"{_number(factor)} times higher, and so is the noise"
        elif factor * tolerance < 1:
            code, wrong = Code.TOO_LOW, f"{_number(1 / factor)} times lower, and figures come out too low"
        else:
            return None
        chosen = f"An earlier release of this question chose about {_number(expected)} from the data"
        return Finding(code, f"{chosen}: {self._called} is {wrong}.", expected, factor, query=reference.query)

    def _shown(self) -> Finding | None:
        """What a release under the bound itself says; at another price its noise would be another."""
        own = self._own
        if own is None:
            return None
        less_noise = (self._price / own.price) ** 0.5
        clipped, noise = own.least_clipped, own.noise_share / less_noise
        if own.is_clipped(less_noise):
            size = f"at least {_percent(clipped)} of the figures, far more than noise adds"
            text = f"Bounding took {size}: {self._called} is too low."
            return Finding(Code.TOO_LOW, text, clipped_share=clipped, query=own.query)
        if self._reference is not None:
            return None
        size = f"{_percent(noise)} of the figures" if noise < 1 else "larger than the figures"
        if noise > _DROWNED:
            text = f"Noise is {size}: {self._called} may be far too high, or the price too low."
            return Finding(Code.MAY_BE_HIGH, text, noise_share=noise, query=own.query)
        if own.hides_clipping:
            text = f"Bounding may have taken as much as is left, or more: {self._called} may be far too low."
            return Finding(Code.MAY_BE_LOW, text, noise_share=noise, query=own.query)
        if noise * HALF_WIDTH > self.schema.policy.reliability.bands.fair:
            text = f"Noise is {size}. Nothing that was released tells whether {self._called} could be far lower."
            return Finding(Code.UNCHECKED, text, noise_share=noise, query=own.query)
        return None

    @property
    def _measure(self) -> PlannedMeasure:
        return self.node.measures[self.place]

    @property
    def _bound(self) -> float:
        return Told.bound_of(self.node.aggregation, self.place)

    @property
    def _price(self) -> float:
        return self.node.loss.rho_nano / len(self.node.measures)

    @property
    def _own(self) -> Told | None:
        own = self.earlier.own
        return own if own is not None and own.is_usable else None

    @property
    def _reference(self) -> Told | None:
        """The release whose bounds the data chose, where its figures stand out of the noise."""
        chosen = self.earlier.chosen
        return chosen if chosen is not None and chosen.is_usable and chosen.stands_out else None

    @property
    def _called(self) -> str:
        of = f" of {', '.join(self._measure.columns)}" if self._measure.columns else ""
        return f"the bound{of}, {_number(self._bound)} ({self._measure.source}),"

    def _price_ratio(self, other: Told) -> float:
        prices = (self._price, other.price)
        return max(prices) / min(prices)


def _number(value: float) -> str:
    return f"{value:,.3g}" if abs(value) < 1 else f"{float(f'{value:.3g}'):,.12g}"


def _percent(share: float | Fraction) -> str:
    return f"{float(share):.0%}"
