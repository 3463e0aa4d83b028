"""The noise: the discrete Gaussian mechanism, thresholds on noised counts, and choices, priced before they run.

`build` turns an aggregation into the one object that is both priced and run. Samplers come from OpenDP; what is
charged is the larger of our own rational formula and OpenDP's map, and a scale is raised until both fit the price.
"""

from __future__ import annotations

import math
import secrets
from bisect import bisect_right
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import accumulate, pairwise

import numpy as np
import opendp.prelude as dp
from numpy.typing import NDArray

from budgets.privacy_loss import PrivacyLoss
from queries.errors import IllegalPlanError
from queries.plan import NANO, WEIGHT_ONE, Aggregation, ThresholdKeys, TopKeys

Vector = NDArray[np.int64]

ATTO = 10**18
SCALE_LIMIT = 2.0**56  # OpenDP's sampler saturates 64-bit integers beyond; the plan's own limit is below
_CELLS_A_TASK = 2_000
_EXACT_DEGREES = 64
_REACH = 200  # scales below the highest score, where a choice has a probability of e**-200
_LEAST_SCALE = 2.0**-7  # a step of one is then within reach
_BITS = 400  # of weights, and of their digits below one: e**-200 takes 289 of them
_PRIOR_BITS = 800  # where a prior is multiplied in, of e**-250 at the least: e**-450 takes 650
_DIGITS = 40  # significant ones that weights are computed with: 2^-130 of each
_MOST_PRIOR = 250

dp.enable_features("contrib")


@dataclass(frozen=True, slots=True)
class Gaussian:
    """Adds discrete Gaussian noise of `scale` to each cell: ρ-zCDP with ρ = sensitivity² / (2·scale²).

    Canonne, Kamath and Steinke 2020 (arXiv:2004.00010), Theorem 14 (multivariate). For the measures of one block,
    unit h moves measure j by a vector of norm Δ_j with Σ_j Δ_j²/sensitivity_j² ≤ 1; each cell's noise is
    independent, so the loss is Σ_j Δ_j²/(2·scale_j²) = ρ·Σ_j Δ_j²/sensitivity_j² ≤ ρ: one price for the whole block.

    >>> mechanism = Gaussian.of(sensitivity=65536, rho_nano=500_000_000)
    >>> round(mechanism.scale), mechanism.rho_nano
    (65536, 500000000)
    """

    sensitivity: int
    scale: float
    rho_nano: int

    @classmethod
    def of(cls, sensitivity: int, rho_nano: int) -> Gaussian:
        """The mechanism with the least noise whose loss is at most `rho_nano`, by our formula and by OpenDP's."""
        rho = Fraction(rho_nano, NANO)
        scale = math.sqrt(sensitivity * sensitivity / float(2 * rho))
        while Fraction(sensitivity) ** 2 / (2 * Fraction(scale) ** 2) > rho or _opendp_rho(scale, sensitivity) > rho:
            scale *= 1 + 2**-50
        if not 1 <= scale <= SCALE_LIMIT:
            raise IllegalPlanError("a noise scale out of range")
        return cls(sensitivity, scale, rho_nano)

    def add_noise(self, exact: Vector) -> Vector:
        """The vector with noise; large ones are sampled in parallel, as the sampler releases the interpreter's lock."""
        if _opendp_rho(self.scale, self.sensitivity) > Fraction(self.rho_nano, NANO):
            raise IllegalPlanError("a mechanism that loses more than it was charged for")
        if len(exact) == 0:
            return exact.copy()
        measurement = _measurement(self.scale)
        pieces = np.array_split(exact, max(1, len(exact) // _CELLS_A_TASK))
        with ThreadPoolExecutor(max_workers=2) as pool:
            return np.concatenate([np.asarray(noised, np.int64) for noised in pool.map(measurement, pieces)])


@dataclass(frozen=True, slots=True)
class Threshold:
    """Lets a key pass if its noised count is strictly above `value`.

    Candidates are the keys to which some unit's bounded contribution is above zero. A unit with m keys left after
    bounding, m ≤ max_groups, adds at most w = WEIGHT_ONE/√m to each; keys that bounding took from it are candidates
    through other units or not at all. On the neighbour without that unit a key that only it has is no candidate, so
    the outputs differ by such a key's passing: P[w + Z > value] each, at most m times that together. Z is discrete
    Gaussian, and P[Z ≥ x] ≤ P[N(0, scale²) ≥ x − 1] (arXiv:2004.00010, Proposition 25), so P[w + Z > value] =
    P[Z ≥ value − w + 1] ≤ P[N ≥ value − w]. `value` is the least integer for which the maximum over m of
    m·P[N ≥ value − w] is at most delta: (ρ, δ)-approximate zCDP with the Gaussian's ρ. Unless such a key passes, both
    releases are the Gaussian mechanism on the sums of all keys, of which some are dropped by the noised counts: so
    the measures may have bounds of their own, under which a unit adds to keys that the selection took from it.
    """

    value: int

    @classmethod
    def of(cls, scale: float, max_groups: int, delta_atto: int) -> Threshold:
        degrees = np.arange(1, max_groups + 1, dtype=np.float64)
        weights = WEIGHT_ONE / np.sqrt(degrees)
        target = delta_atto / ATTO * (1 - 1e-6)  # room for the rounding of erfc, which is below 1e-12 relative
        low, high = 0, WEIGHT_ONE + int(64 * scale) + 1
        while high - low > 1:
            middle = (low + high) // 2
            if _worst_tail(middle, scale, degrees, weights) <= target:
                high = middle
            else:
                low = middle
        return cls(high)

    def passes(self, noised: Vector) -> NDArray[np.bool_]:
        return noised > self.value


@dataclass(frozen=True, slots=True)
class Choice:
    """Chooses `count` indices one after the other, each with a probability in proportion to exp(score / scale).

    That is the exponential mechanism `count` times without replacement, which one draw of Gumbel noise for all scores
    equals (Durfee and Rogers 2019, arXiv:1905.04273, Section 4). Scores are numbers of units: one unit changes each by
    one at most, and all in one direction, so each step has a bounded range of ε = 1 / scale (Dong, Durfee and Rogers
    2020, arXiv:1909.13830, Section 2), hence is ε²/8-zCDP (Cesar and Rogers 2021, arXiv:2004.07223, Section 3): in all
    a ρ of count / (8·scale²).

    Scores are first raised to `_REACH` scales below the highest one. That moves with a unit as the scores do, so raised
    scores still change by one at most, and in that direction. Probabilities are in proportion to whole numbers, each
    within 2^-100 of its weight in relative terms, so that they add less than 2^-98 to ε, for which 2^-40 of ρ is paid.
    """

    count: int
    scale: float
    rho_nano: int

    @classmethod
    def of(cls, count: int, rho_nano: int) -> Choice:
        """The choice with the least noise whose loss is at most `rho_nano`, by our formula and by OpenDP's."""
        rho = Fraction(rho_nano, NANO)
        scale = max(_LEAST_SCALE, math.sqrt(count / float(8 * rho)))
        while _choice_rho(count, scale, monotonic=True) > rho:
            scale *= 1 + 2**-42
        if scale > SCALE_LIMIT:
            raise IllegalPlanError("a noise scale out of range")
        return cls(count, scale, rho_nano)

    def among(self, scores: Vector) -> NDArray[np.int64]:
        """The indices that were chosen, of scores in units of 1 / WEIGHT_ONE: all where there are no more."""
        if _choice_rho(self.count, self.scale, monotonic=True) > Fraction(self.rho_nano, NANO):
            raise IllegalPlanError("a choice that loses more than it was charged for")
        counts = scores // WEIGHT_ONE
        if len(counts) <= self.count:
            return np.arange(len(counts))
        counts = np.maximum(counts, counts.max() - int(_REACH * self.scale))
        values, of = np.unique(counts, return_inverse=True)
        members = [list(each) for each in np.split(np.argsort(of), np.cumsum(np.bincount(of))[:-1])]
        weights = [_weight_of(int(values[-1] - value), self.scale) for value in values]
        return np.array([_draw(members, weights) for _ in range(self.count)], np.int64)


@dataclass(frozen=True, slots=True)
class BoundChoice:
    """Chooses a bound with a probability in proportion to prior · exp(-s / scale): the exponential mechanism.

    With a units above a bound and N in all, s = |max(a - wanted, a - q·N/4)|: the bound is best that `wanted` units
    exceed, or q quarters of all if that is less. A unit changes a by one at the most, and a - q·N/4 too, for q from 0
    to 4, so s by one, upwards for some bounds and downwards for others: the logarithm of the probability of a bound
    relative to that of another changes by at most ε = 2 / scale, whatever the prior, which no row decides. So it has a
    bounded range of ε (Dong, Durfee and Rogers 2020, arXiv:1909.13830), hence is ε²/8-zCDP (Cesar and Rogers 2021,
    arXiv:2004.07223, Section 3): a ρ of 1 / (2·scale²). Weights are raised and rounded as `Choice` does.
    """

    scale: float
    rho_nano: int

    @classmethod
    def of(cls, rho_nano: int) -> BoundChoice:
        """The choice with the least noise whose loss is at most `rho_nano`, by our formula and by OpenDP's."""
        rho = Fraction(rho_nano, NANO)
        scale = max(_LEAST_SCALE, math.sqrt(1 / float(2 * rho)))
        while _choice_rho(1, scale, monotonic=False) > rho:
            scale *= 1 + 2**-42
        if scale > SCALE_LIMIT:
            raise IllegalPlanError("a noise scale out of range")
        return cls(scale, rho_nano)

    def among(self, norms: Vector, wanted: int, log_prior: NDArray[np.float64], quarters: int = 1) -> int:
        """The number of a bin of `norms`, whose upper end is the bound; bins without a prior are not chosen."""
        if _choice_rho(1, self.scale, monotonic=False) > Fraction(self.rho_nano, NANO) or quarters not in range(5):
            raise IllegalPlanError("a choice that loses more than it was charged for")
        units = int(norms.sum())
        above = (units - np.cumsum(norms))[: len(log_prior)]
        score = np.abs(np.maximum(4 * (above - wanted), 4 * above - quarters * units))  # in quarters
        score = np.minimum(score, score.min() + int(4 * _REACH * self.scale))
        log_prior = np.maximum(log_prior - log_prior.max(), -_MOST_PRIOR)
        pairs = zip((score - score.min()).tolist(), log_prior.tolist(), strict=True)
        weights = [_weight_of(below, 4 * self.scale, prior, _PRIOR_BITS) for below, prior in pairs]
        return _draw([[place] for place in range(len(weights))], weights)


def _weight_of(below: int, scale: float, log_prior: float = 0.0, bits: int = _BITS) -> int:
    """2**bits · exp(log_prior - below / scale), within 2^-100 of it in relative terms."""
    with localcontext(prec=_DIGITS):
        return int((Decimal(log_prior) - Decimal(below) / Decimal(scale)).exp() * 2**bits)


def _draw(members: list[list[int]], weights: list[int]) -> int:
    """One member, which is taken out: those of a list have its weight each."""
    sums = list(accumulate(len(each) * weight for each, weight in zip(members, weights, strict=True)))
    own = members[bisect_right(sums, secrets.randbelow(sums[-1]))]
    place = secrets.randbelow(len(own))
    own[place], own[-1] = own[-1], own[place]
    return own.pop()


@dataclass(frozen=True, slots=True)
class Mechanism:
    """All randomness of one aggregation: a Gaussian for each measure of `all_blocks`, and what selects keys."""

    gaussians: tuple[Gaussian, ...]
    threshold: Threshold | None
    loss: PrivacyLoss
    choice: Choice | None = None

    def scales(self) -> tuple[float, ...]:
        """The standard deviation of each released measure, in units of the measure's minor unit / WEIGHT_ONE."""
        return tuple(gaussian.scale for gaussian in self.gaussians[1 if self.threshold else 0 :])


def add_noise(exact: Vector, sensitivities: Vector, rho_nano: int) -> tuple[Vector, NDArray[np.float64]]:
    """The cells with noise in proportion to their sensitivities, and its scale in each.

    A unit that moves cell g by at most d_g, with Σ (d_g / sensitivity_g)² ≤ 1, costs Σ d_g² / (2·scale_g²) = ρ in all:
    each cell is a Gaussian mechanism of its own on a part of the vector, as in `Gaussian`.
    """
    noised, scales = np.empty_like(exact), np.empty(len(exact))
    for sensitivity in np.unique(sensitivities):
        cells = sensitivities == sensitivity
        gaussian = Gaussian.of(int(sensitivity), rho_nano)
        noised[cells], scales[cells] = gaussian.add_noise(exact[cells]), gaussian.scale
    return noised, scales


def build(aggregation: Aggregation) -> Mechanism:
    """The mechanism of an aggregation: a function of the plan alone, so what is priced is what runs.

    Of measures whose bounds are chosen it has the noise under the bound that the choice starts from.
    """
    gaussians = tuple(
        Gaussian.of(WEIGHT_ONE * measure.l2_bound, block.rho_nano)
        for block in aggregation.all_blocks
        for measure in block.measures
    )
    keys, threshold, choice = aggregation.keys, None, None
    if isinstance(keys, ThresholdKeys):
        threshold = Threshold.of(gaussians[0].scale, keys.max_groups, keys.delta_atto)
    if isinstance(keys, TopKeys):
        choice = Choice.of(keys.count, keys.rho_nano)
    return Mechanism(gaussians, threshold, aggregation.loss, choice)


def _worst_tail(value: int, scale: float, degrees: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """The maximum over m of m·P[N(0, scale²) ≥ value − w_m]; exactly on small degrees, from above on large ones."""
    best = 0.0
    for degree, weight in zip(degrees[:_EXACT_DEGREES], weights[:_EXACT_DEGREES], strict=True):
        best = max(best, degree * _tail((value - weight) / scale))
    if len(degrees) <= _EXACT_DEGREES:
        return best
    # beyond, weights change slowly: on a stretch [a, b] everything is at most b·P[N ≥ value − w_a]
    edges = np.unique(np.geomspace(_EXACT_DEGREES, len(degrees), 256).astype(int))
    for start, stop in pairwise(edges.tolist()):
        best = max(best, stop * _tail((value - weights[start - 1]) / scale))
    return best


def _tail(x: float) -> float:
    """P[N(0, 1) ≥ x]."""
    return 0.5 * math.erfc(x / math.sqrt(2))


def _measurement(scale: float) -> dp.Measurement:
    return dp.m.make_gaussian(dp.vector_domain(dp.atom_domain(T="i64")), dp.l2_distance(T="f64"), scale=scale)


def _choice_rho(count: int, scale: float, *, monotonic: bool) -> Fraction:
    """The loss by our formula, or by OpenDP's for the same noise, with room for rounding."""
    scores = dp.vector_domain(dp.atom_domain(T="i64")), dp.linf_distance(T="i64", monotonic=monotonic)
    theirs = dp.m.make_noisy_top_k(*scores, dp.zero_concentrated_divergence(), k=count, scale=scale).map(1)
    ours = count / ((8 if monotonic else 2) * Fraction(scale) ** 2)
    return max(ours, Fraction(theirs)) * (1 + Fraction(1, 1 << 40))


def _opendp_rho(scale: float, sensitivity: int) -> Fraction:
    return Fraction(_measurement(scale).map(float(sensitivity)))
