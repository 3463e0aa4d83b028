"""The one place where noise meets exact sums: what leaves here is private, what comes in never leaves.

Runs in the worker process. Nothing here logs, and every exception is turned into a constant by the worker.

Bounds that nobody states are chosen first (`_chosen`). Every step sees private rows through one mechanism only, whose
price is a part of the block's: where contributions lie, by noised counts of units by norm (a unit is in one bin, so
the L2 sensitivity is 1); a bound in all cells, by `BoundChoice`; rough sums under it; a bound in cells that are scaled
by what the rough sums were, by `BoundChoice` again; the sums; and what bounding took, one number a measure, to which a
unit adds at most the cap. What is asked in a step follows from the noised results before it and from the plan, and for
adaptively chosen mechanisms zCDP adds up (Bun and Steinke 2016, arXiv:1605.02065, Lemma 2.3).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from budgets.privacy_loss import PrivacyLoss
from queries import tuning
from queries.engine import FIRST_NORM, Contributions, Engine, LostOf, NormsOf, SumsOf, Vector
from queries.errors import IllegalPlanError
from queries.mechanisms import BoundChoice, Choice, Gaussian, Threshold, add_noise, build
from queries.plan import BOUND_ONE, NANO, WEIGHT_ONE, Aggregation, Cells, Literal, Measure

_CELL = WEIGHT_ONE // BOUND_ONE  # the sensitivity of a cell with a bound of 1 / BOUND_ONE
BOUNDS = b"bounds"  # the table's metadata: a JSON list of the exponents of the bounds that were chosen, null for others


@dataclass(frozen=True, slots=True)
class _Noised:
    """A measure: noised sums, the deviation of the noise, what clipping may have taken, and bounds that were chosen."""

    sums: Vector
    deviations: NDArray[np.float64]
    allowances: NDArray[np.float64]
    cells: Cells | None = None


def release(aggregation: Aggregation, charged: PrivacyLoss, engine: Engine) -> pa.Table:
    """The noised table of an aggregation: its key columns k0, …, and for each measure the columns m0, s0, c0, ….

    Measures m are in minor units times WEIGHT_ONE, unbiased but for clipping, unclamped, possibly negative; s is the
    standard deviation of their noise, and c how much more of the same sign there may have been before bounding. Where
    bounds were chosen, e has the steps of their `Cells`. Keys come in key order, which is public. The loss of what runs
    is at most `charged`, or IllegalPlanError is raised before a private row is read.
    """
    mechanism = build(aggregation)
    if not mechanism.loss.fits_within(charged):
        raise IllegalPlanError("the mechanism would lose more than was charged")
    if mechanism.choice is not None:
        aggregation = _chosen_keys(aggregation, mechanism.choice, engine)
    with engine.contributions(aggregation) as data:
        if mechanism.threshold is not None:
            _select(mechanism.threshold, mechanism.gaussians[0], data)
        numbers = range(len(aggregation.all_blocks) - len(aggregation.blocks), len(aggregation.all_blocks))
        return _table(data.keys, [each for number in numbers for each in _measured(number, data, aggregation)])


def cell_bounds(cells: Cells, groups: int, width: int) -> Vector:
    """The bounds in minor units / BOUND_ONE; √width times wider where so many measures share a weight, and ρ."""
    scales = tuning.scales_of(cells.steps) if cells.steps else np.ones(groups)
    if len(scales) != groups:
        raise IllegalPlanError("a bound for each group")
    bounds: Vector = np.ceil(BOUND_ONE * math.sqrt(width) * 2.0 ** (cells.exponent / 4) * scales).astype(np.int64)
    return bounds


def _chosen_keys(aggregation: Aggregation, choice: Choice, engine: Engine) -> Aggregation:
    """The aggregation over the keys that are chosen. What is measured of them is asked after that."""
    with engine.contributions(aggregation.counting) as data:
        ((counts,),) = data.exact(SumsOf(0))
        members = data.keys.column(0).take(pa.array(choice.among(counts))).to_pylist()
    type_ = aggregation.keys.expressions[0].type
    return aggregation.among(tuple(Literal(str(m) if isinstance(m, date) else m, type_) for m in members))


def _select(threshold: Threshold, gaussian: Gaussian, data: Contributions) -> None:
    """Leave out the keys that do not pass the threshold. What is measured of the others is asked after that."""
    ((counts,),) = data.exact(SumsOf(0))
    held = np.flatnonzero(counts > 0)  # keys that bounding left to some unit: the candidates of `Threshold`
    data.only(held[threshold.passes(gaussian.add_noise(counts[held]))])


def _measured(number: int, data: Contributions, aggregation: Aggregation) -> list[_Noised]:
    """The measures of a block: their bounds, sums under these, and what the bounds took."""
    block, groups = aggregation.all_blocks[number], _groups(data)
    width = len(block.measures)
    places = range(width if groups and block.tuning is not None else 0)
    chosen = [_chosen(number, place, data, aggregation) for place in places]
    cells = tuple(chosen or [each for measure in block.measures if (each := measure.cells) is not None])
    bounds = tuple(cell_bounds(each, groups, width) for each in cells) or None
    plain = [np.full(groups, BOUND_ONE * measure.l2_bound) for measure in block.measures]
    (sums,) = data.exact(SumsOf(number, bounds))
    noised = [add_noise(exact, _CELL * own, block.rho_nano) for exact, own in zip(sums, bounds or plain, strict=True)]
    lost = _lost(number, data, aggregation, [each for each, _ in noised], bounds or tuple(plain))
    found = zip(noised, lost, cells or (None,) * width, strict=True)
    return [_Noised(*pair, allowed, own) for pair, allowed, own in found]


def _chosen(number: int, place: int, data: Contributions, aggregation: Aggregation) -> Cells:
    """Bounds for one measure of a block, chosen at the price of its tuning."""
    block, groups = aggregation.all_blocks[number], _groups(data)
    paid = block.tuning
    if paid is None:
        raise IllegalPlanError("bounds that nobody pays for")
    part, choice = block.rho_nano // len(block.measures), BoundChoice.of(paid.choose_nano)
    first = paid.rough_nano or part
    ((norms,),) = data.exact(NormsOf(number, place))
    wanted, most = tuning.wanted_above(groups, first), tuning.quarters(paid.within)
    expected = _located(norms, paid.locate_nano, wanted, block.measures[place])
    prior = tuning.log_prior(expected, _most_exponent(aggregation, first, 0))
    exponent = FIRST_NORM + choice.among(norms, wanted, prior, most)
    if not paid.rough_nano:
        return Cells(exponent)
    bounds = cell_bounds(Cells(exponent), groups, 1)
    ((exact,),) = data.exact(SumsOf(number, (bounds,), place))
    heads = np.arange(groups) % paid.within < paid.heads
    rough, deviations = add_noise(exact[heads], _CELL * bounds[heads], paid.rough_nano)
    sizes = tuning.sizes_of(rough.astype(np.float64), float(deviations[0]), paid.heads)
    steps = tuning.steps_of(sizes, paid.within)
    ((norms,),) = data.exact(NormsOf(number, place, cell_bounds(Cells(0, steps), groups, 1)))
    expected = tuning.expected_exponent(exponent, sizes, steps)
    prior = tuning.log_prior(expected, _most_exponent(aggregation, block.rho_nano, max(steps)))
    return Cells(FIRST_NORM + choice.among(norms, tuning.wanted_above(groups, part), prior, most), steps)


def _located(norms: Vector, rho_nano: int, wanted: int, measure: Measure) -> float:
    """About which exponent is expected: from noised counts, or from where the plan says that a choice starts."""
    counts = norms.reshape(tuning.LOCATING, -1).sum(axis=1) * WEIGHT_ONE
    noised, deviations = add_noise(counts, np.full(len(counts), WEIGHT_ONE), rho_nano)
    found = tuning.located(noised / WEIGHT_ONE, float(deviations[0]) / WEIGHT_ONE, wanted)
    return tuning.exponent_of(measure.l2_bound) if found is None else found


def _lost(
    number: int, data: Contributions, aggregation: Aggregation, sums: list[Vector], bounds: tuple[Vector, ...]
) -> list[NDArray[np.float64]]:
    """What bounding may have taken from each cell of each measure; nothing where no estimate is paid for."""
    block = aggregation.all_blocks[number]
    if not block.lost_nano or not len(sums[0]):
        return [np.zeros(len(each)) for each in sums]
    most, part = 2 ** (_most_exponent(aggregation, block.lost_nano, 0) // 4), block.lost_nano // len(sums)
    caps = [tuning.cap_of(each / WEIGHT_ONE, own / BOUND_ONE) for each, own in zip(sums, bounds, strict=True)]
    whole = tuple(max(1, min(most, math.ceil(cap))) for cap in caps)
    ((lost,),) = data.exact(LostOf(number, bounds if block.free else None, whole))
    found = []
    for each, own, cap in zip(sums, lost, whole, strict=True):
        (noised,), (deviation,) = add_noise(np.array([own * WEIGHT_ONE]), np.array([cap * WEIGHT_ONE]), part)
        found.append(tuning.allowances(each.astype(np.float64), float(noised), float(deviation)))
    return found


def _groups(data: Contributions) -> int:
    return data.keys.num_rows if data.keys.num_columns else 1


def _most_exponent(aggregation: Aggregation, rho_nano: int, most_steps: int) -> int:
    """The largest exponent for which sums and noise stay within 64 bits, in every cell, as `Aggregation` wants it."""
    width = max(len(block.measures) for block in aggregation.blocks)
    noise = 2**7 * math.sqrt(NANO / (2 * rho_nano))
    room = 2.0**62 / (WEIGHT_ONE * math.sqrt(width) * (aggregation.unit_capacity + noise))
    return math.floor(4 * math.log2(room)) - most_steps


def _table(keys: pa.Table, measures: list[_Noised]) -> pa.Table:
    columns = {name: keys.column(name) for name in keys.column_names}
    for index, each in enumerate(measures):
        columns |= {f"m{index}": each.sums, f"s{index}": each.deviations, f"c{index}": each.allowances}
        if each.cells is not None and each.cells.steps:
            columns |= {f"e{index}": np.frombuffer(each.cells.steps, np.uint8)}
    exponents = [None if each.cells is None else each.cells.exponent for each in measures]
    return pa.table(columns).replace_schema_metadata({BOUNDS: json.dumps(exponents).encode()})
