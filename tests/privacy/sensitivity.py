"""What one customer changes in the exact integers, against what is charged for: the checker behind the grey-box tests.

It knows nothing of how sums are bounded. It takes the mechanism as built (the scales of the noise) and two vectors of
exact sums, and computes the loss in fractions: Σ_j ‖d_j‖² / (2·scale_j²) for a block of measures j.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import isqrt
from typing import Any

import numpy as np

from queries.engine import Contributions, ExactSums, LostOf, NormsOf, SumsOf
from queries.mechanisms import build
from queries.plan import (
    BOUND_ONE,
    GROUPS_LIMIT,
    NANO,
    WEIGHT_ONE,
    Aggregation,
    Block,
    Kind,
    Literal,
    ThresholdKeys,
    TopKeys,
)

Key = tuple[object, ...]
_ONCE = Fraction(1)
UNBOUNDED = isqrt(GROUPS_LIMIT) + 1  # the bound of the counts that keys are chosen by, which no unit reaches
_MEMBERS = {
    Kind.BOOLEAN: (True, None),
    Kind.INTEGER: (0, 1, 3, None),
    Kind.DECIMAL: (310, 999, None),
    Kind.VARCHAR: ("bread", "old", "a", None),
    Kind.DATE: ("2026-01-31", "2026-02-01", None),
}


@dataclass(frozen=True)
class Violation:
    """A change that is larger than what was charged for."""

    what: str
    found: Fraction
    allowed: Fraction


def steps(aggregation: Aggregation) -> tuple[Aggregation, ...]:
    """What an engine sums for a release: one aggregation, or counts to choose keys by, and then sums of some keys."""
    if not isinstance(aggregation.keys, TopKeys):
        return (aggregation,)
    type_ = aggregation.keys.expressions[0].type
    values: tuple[Any, ...] = _MEMBERS[type_.kind]
    return aggregation.counting, aggregation.among(tuple(Literal(value, type_) for value in values))


def violations(
    aggregation: Aggregation, whole: ExactSums, without: ExactSums, times: Fraction = _ONCE
) -> Iterator[Violation]:
    """Everything in which the two neighbours differ by more than so many times the plan's price allows."""
    with_unit, without_unit = _cells(whole), _cells(without)
    if aggregation.blocks[0].measures[0].l2_bound == UNBOUNDED:
        yield from _score_violations(with_unit, without_unit, times)
        return
    yield from _key_violations(aggregation, with_unit, without_unit)
    mechanism = build(aggregation)
    first, total = 0, Fraction(0)
    for number, block in enumerate(aggregation.all_blocks):
        share = loss = Fraction(0)
        for index, measure in enumerate(block.measures, start=first):
            squares = Fraction(_distance_squared(index, with_unit, without_unit))
            share += squares / (WEIGHT_ONE * measure.l2_bound) ** 2
            loss += squares / (2 * Fraction(mechanism.gaussians[index].scale) ** 2)
        first += len(block.measures)
        total += loss
        if share > times:
            yield Violation(f"block {number}: squared distance in units of the bounds", share, times)
        if loss > times * Fraction(block.rho_nano, NANO):
            yield Violation(f"block {number}: rho", loss, times * Fraction(block.rho_nano, NANO))
    paid = times * sum(block.rho_nano for block in aggregation.all_blocks) / NANO  # for sums; the rest is for searches
    if total > paid:
        yield Violation("all blocks: rho", total, paid)


@dataclass(frozen=True)
class Searched:
    """What a search for bounds asks of a block: bounded sums by key, norms of each measure, and what bounding takes."""

    block: Block
    bounds: Mapping[Key, tuple[int, ...]]
    sums: Mapping[Key, tuple[int, ...]]
    norms: tuple[tuple[int, ...], ...]
    lost: tuple[int, ...]
    caps: tuple[int, ...]


def searched(data: Contributions, aggregation: Aggregation, salt: int) -> list[Searched]:
    """All of it, under bounds and for keys that `salt` and the keys alone decide: neighbours are asked the same."""
    blocks = list(enumerate(aggregation.all_blocks))
    if isinstance(aggregation.keys, ThresholdKeys):
        data.only(np.array([i for i, key in enumerate(_keys(data)) if _drawn(salt, key) % 3], np.int64))
        blocks = blocks[1:]
    if aggregation.counts_values or aggregation.blocks[0].measures[0].l2_bound == UNBOUNDED:
        return []
    return [_searched(data, number, block, salt) for number, block in blocks]


def _searched(data: Contributions, number: int, block: Block, salt: int) -> Searched:
    keys, places = _keys(data), range(len(block.measures))
    by_place = [[1 + _drawn(salt, place, key) % 3_000_000 for key in keys] for place in places]
    bounds = tuple(np.array(each, np.int64) for each in by_place)
    caps = tuple(1 + _drawn(salt, place) % 40_000 for place in places)
    norms = [NormsOf(number, place, bounds[place]) for place in places]
    sums, lost, *found = data.exact(SumsOf(number, bounds), LostOf(number, bounds, caps), *norms)
    return Searched(
        block,
        dict(zip(keys, zip(*by_place, strict=True), strict=True)),
        {key: tuple(int(vector[i]) for vector in sums) for i, key in enumerate(keys)},
        tuple(tuple(bins.tolist()) for (bins,) in found),
        tuple(lost[0].tolist()),
        caps,
    )


def search_violations(whole: Searched, without: Searched, times: Fraction = _ONCE) -> Iterator[Violation]:
    """Sums move by one at most in units of their bounds, norms by one unit in one bin, and losses by their caps.

    At n² times the price these are n units, of which some may have come instead of gone.
    """
    units = isqrt(int(times))
    width, zero, share = len(whole.caps), (0,) * len(whole.caps), Fraction(0)
    for key in whole.sums.keys() | without.sums.keys():
        bounds = whole.bounds[key] if key in whole.bounds else without.bounds[key]
        for place in range(width):
            change = whole.sums.get(key, zero)[place] - without.sums.get(key, zero)[place]
            share += Fraction(change * BOUND_ONE, bounds[place] * WEIGHT_ONE) ** 2
    if share > times:
        yield Violation("sums: squared distance in units of the bounds", share, times)
    for some, others in zip(whole.norms, without.norms, strict=True):
        changes = [one - other for one, other in zip(some, others, strict=True)]
        if sum(map(abs, changes)) > units or min(changes) < min(0, 1 - units):
            yield Violation("norms: a unit in more than one bin", Fraction(sum(map(abs, changes))), times)
    for lost, less, cap in zip(whole.lost, without.lost, whole.caps, strict=True):
        if not min(0, 1 - units) * cap <= lost - less <= units * cap:
            yield Violation("losses: more than the cap", Fraction(lost - less), Fraction(units * cap))


def _keys(data: Contributions) -> list[Key]:
    columns = [column.to_pylist() for column in data.keys.columns]
    return list(zip(*columns, strict=True)) if columns else [()]


def _drawn(*parts: object) -> int:
    return zlib.crc32(repr(parts).encode())


def _cells(exact: ExactSums) -> Mapping[Key, tuple[int, ...]]:
    """The exact sums by key: of every key, released or not, for what is dropped later is post-processing."""
    if not exact.keys.num_columns:
        return {(): tuple(int(vector[0]) for vector in exact.sums)}
    keys = zip(*(column.to_pylist() for column in exact.keys.columns), strict=True)
    cells = {key: tuple(int(vector[i]) for vector in exact.sums) for i, key in enumerate(keys)}
    if len(cells) != exact.keys.num_rows:
        raise ValueError("a key comes twice")
    return cells


def _score_violations(
    whole: Mapping[Key, tuple[int, ...]], without: Mapping[Key, tuple[int, ...]], times: Fraction
) -> Iterator[Violation]:
    """Scores that keys are chosen by change by at most WEIGHT_ONE each a unit, and never rise when one goes."""
    units = isqrt(int(times))
    if list(whole) != list(without):
        yield Violation("public keys", Fraction(len(whole.keys() ^ without.keys())), Fraction(0))
    for key in whole.keys() & without.keys():
        change = whole[key][0] - without[key][0]
        if not min(0, 1 - units) * WEIGHT_ONE <= change <= units * WEIGHT_ONE:
            yield Violation("a score", Fraction(change), Fraction(units * WEIGHT_ONE))


def _key_violations(
    aggregation: Aggregation, whole: Mapping[Key, tuple[int, ...]], without: Mapping[Key, tuple[int, ...]]
) -> Iterator[Violation]:
    """Public keys never change; of held ones a unit brings at most `max_groups`, each with at most 1/√m.

    Held are the keys that bounding left to some unit. That a unit's own key passes is what δ is for, whatever its
    measures are; all other changes of measures are the Gaussian's.
    """
    if not isinstance(aggregation.keys, ThresholdKeys):
        if list(whole) != list(without):
            yield Violation("public keys", Fraction(len(whole.keys() ^ without.keys())), Fraction(0))
        return
    held, held_without = ({key for key, values in each.items() if values[0]} for each in (whole, without))
    if held_without - held:
        yield Violation("keys that come when a unit goes", Fraction(len(held_without - held)), Fraction(0))
    own = held - held_without
    most = aggregation.keys.max_groups
    if len(own) > most:
        yield Violation("keys of one unit", Fraction(len(own)), Fraction(most))
    for key in own:
        if whole[key][0] ** 2 * len(own) > WEIGHT_ONE**2:
            yield Violation("weight of a unit's own key", Fraction(whole[key][0]), Fraction(WEIGHT_ONE))


def _distance_squared(index: int, whole: Mapping[Key, tuple[int, ...]], without: Mapping[Key, tuple[int, ...]]) -> int:
    zero = (0,) * (index + 1)
    keys = whole.keys() | without.keys()
    return sum((whole.get(key, zero)[index] - without.get(key, zero)[index]) ** 2 for key in keys)
