"""The noise against independent computations: its price, its distribution, and the threshold's delta."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from fractions import Fraction

import numpy as np
import opendp.prelude as dp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from queries import mechanisms
from queries.errors import IllegalPlanError
from queries.mechanisms import ATTO, BoundChoice, Choice, Gaussian, Threshold, Vector, _opendp_rho, add_noise, build
from queries.plan import (
    INTEGER,
    NANO,
    WEIGHT_ONE,
    Aggregation,
    Block,
    Column,
    Key,
    Measure,
    MeasureKind,
    PublicKeys,
    Relation,
    Scan,
    SeriesAxis,
    ThresholdKeys,
    TopKeys,
)

SIGNIFICANCE = 1e-9
DRAWS = 50_000
_RELATION = Relation(Scan("lines", private=True, columns=(("k", INTEGER),)))
_ROWS = Measure(MeasureKind.ROWS, None, 3)


@settings(max_examples=60)
@given(st.integers(1, 2**50), st.integers(1, 10**12))
def test_the_price_covers_the_loss_by_both_formulas(sensitivity: int, rho_nano: int) -> None:
    try:
        mechanism = Gaussian.of(sensitivity, rho_nano)
    except IllegalPlanError:
        assert not 1 <= sensitivity / math.sqrt(2 * rho_nano / NANO) <= 2**56 * (1 + 1e-12)
        return
    rho = Fraction(rho_nano, NANO)
    assert Fraction(sensitivity) ** 2 / (2 * Fraction(mechanism.scale) ** 2) <= rho
    assert _opendp_rho(mechanism.scale, sensitivity) <= rho
    assert mechanism.scale <= sensitivity / math.sqrt(2 * rho_nano / NANO) * (1 + 1e-9)


@pytest.mark.parametrize(("sensitivity", "rho_nano"), [(2**60, 1), (1, 10**12)])
def test_a_scale_that_cannot_be_sampled_is_refused(sensitivity: int, rho_nano: int) -> None:
    with pytest.raises(IllegalPlanError):
        Gaussian.of(sensitivity, rho_nano)


def test_a_mechanism_with_less_noise_than_was_paid_for_does_not_run() -> None:
    mechanism = Gaussian.of(WEIGHT_ONE, NANO)
    for cheaper in (replace(mechanism, scale=mechanism.scale / 2), replace(mechanism, rho_nano=NANO - 1)):
        with pytest.raises(IllegalPlanError):
            cheaper.add_noise(np.zeros(3, np.int64))


def _pmf(scale: float, limit: int) -> NDArray[np.float64]:
    """The discrete Gaussian's probabilities of -limit … limit, by its definition."""
    numbers = np.arange(-limit, limit + 1, dtype=np.float64)
    weights = np.exp(-(numbers**2) / (2 * scale**2))
    return weights / math.fsum(weights)


def _chi_square_p(noise: NDArray[np.int64], scale: float) -> float:
    """The p-value of the noise against the discrete Gaussian, the tails beyond 3.5 scales put together."""
    edge, limit = math.ceil(3.5 * scale), math.ceil(40 * scale)
    pmf = _pmf(scale, limit)
    middle = pmf[limit - edge : limit + edge + 1]
    expected = np.concatenate(([pmf[: limit - edge].sum()], middle, [pmf[limit + edge + 1 :].sum()])) * len(noise)
    clipped = np.clip(noise, -edge - 1, edge + 1)
    observed = np.bincount(clipped + edge + 1, minlength=len(expected))
    return float(stats.chi2.sf(((observed - expected) ** 2 / expected).sum(), len(expected) - 1))


def _drawn(mechanism: Gaussian) -> NDArray[np.int64]:
    return mechanism.add_noise(np.full(DRAWS, 1_000_000, np.int64)) - 1_000_000


@pytest.mark.parametrize(("sensitivity", "rho_nano"), [(1, 125_000_000), (3, 2 * NANO), (8, NANO)])
def test_the_noise_is_the_discrete_gaussian(sensitivity: int, rho_nano: int) -> None:
    mechanism = Gaussian.of(sensitivity, rho_nano)
    assert _chi_square_p(_drawn(mechanism), mechanism.scale) > SIGNIFICANCE


def test_the_test_of_the_distribution_sees_five_per_cent_less_noise() -> None:
    mechanism = Gaussian.of(1, 125_000_000)
    assert _chi_square_p(_drawn(mechanism), mechanism.scale / 0.95) < SIGNIFICANCE
    assert _chi_square_p(_drawn(mechanism), mechanism.scale * 2) < SIGNIFICANCE


def test_the_variance_is_the_square_of_the_scale() -> None:
    mechanism = Gaussian.of(WEIGHT_ONE, NANO // 2)
    noise = _drawn(mechanism) / mechanism.scale
    width = float(stats.norm.isf(SIGNIFICANCE)) * math.sqrt(2 / DRAWS)
    assert abs(noise.var() - 1) < width
    assert abs(noise.mean()) < float(stats.norm.isf(SIGNIFICANCE)) / math.sqrt(DRAWS)


def test_cells_are_drawn_independently() -> None:
    noise = _drawn(Gaussian.of(WEIGHT_ONE, NANO // 2)).astype(np.float64)
    for lag in (1, 2, 1999, 2000, 2001):
        correlation = np.corrcoef(noise[:-lag], noise[lag:])[0, 1]
        assert abs(correlation) < float(stats.norm.isf(SIGNIFICANCE)) / math.sqrt(DRAWS - lag)


def test_no_cells_need_no_noise() -> None:
    assert len(Gaussian.of(WEIGHT_ONE, NANO).add_noise(np.zeros(0, np.int64))) == 0


def _exact_delta(value: int, scale: float, max_groups: int) -> float:
    """The most, over m keys, of m·P[w + Z > value]: summed over the discrete Gaussian, with the kernel's integer w.

    For scales this large the pmf's normaliser is scale·√(2π), to one part in exp(scale²) (Poisson summation).
    """
    firsts = [(m, value - math.isqrt(WEIGHT_ONE**2 // m) + 1) for m in range(1, max_groups + 1)]
    start = firsts[0][1]
    numbers = np.arange(start, value + math.ceil(15 * scale), dtype=np.float64)
    upper = np.cumsum(np.exp(-(numbers**2) / (2 * scale**2))[::-1])[::-1] / (scale * math.sqrt(2 * math.pi))
    return max(m * float(upper[first - start]) for m, first in firsts)


THRESHOLDS = [
    (scale, groups, delta)
    for scale in (700.0, 20_000.0, 300_000.0)
    for groups in (1, 7, 300)
    for delta in (10**6, 10**9, 10**12)
]


@pytest.mark.parametrize(("scale", "groups", "delta_atto"), THRESHOLDS)
def test_a_threshold_costs_no_more_delta_than_was_paid_for(scale: float, groups: int, delta_atto: int) -> None:
    threshold = Threshold.of(scale, groups, delta_atto)
    assert _exact_delta(threshold.value, scale, groups) <= delta_atto / ATTO


@pytest.mark.parametrize(("scale", "groups", "delta_atto"), THRESHOLDS)
def test_a_threshold_is_not_needlessly_high(scale: float, groups: int, delta_atto: int) -> None:
    lower = math.floor(Threshold.of(scale, groups, delta_atto).value / 1.02)
    assert _exact_delta(lower, scale, groups) > delta_atto / ATTO


def test_a_count_at_the_threshold_does_not_pass() -> None:
    threshold = Threshold(100)
    assert threshold.passes(np.array([99, 100, 101])).tolist() == [False, False, True]


def test_more_groups_a_unit_or_less_delta_never_lower_the_threshold() -> None:
    values = [Threshold.of(5e4, groups, 10**10).value for groups in (1, 2, 50, 64, 65, 1000, 100_000)]
    assert values == sorted(values)
    values = [Threshold.of(5e4, 50, 10**places).value for places in (14, 12, 9, 6, 1)]
    assert values == sorted(values)


def test_a_mechanism_has_a_gaussian_for_each_measure_and_the_threshold_first() -> None:
    keys = ThresholdKeys((Column(0, "k", INTEGER),), 5, 7_000_000, 10**9)
    block = Block((_ROWS, replace(_ROWS, l2_bound=9)), 11_000_000)
    mechanism = build(Aggregation(_RELATION, keys, (block,), 100))
    assert [(g.sensitivity, g.rho_nano) for g in mechanism.gaussians] == [
        (WEIGHT_ONE, 7_000_000),
        (3 * WEIGHT_ONE, 11_000_000),
        (9 * WEIGHT_ONE, 11_000_000),
    ]
    assert mechanism.threshold == Threshold.of(mechanism.gaussians[0].scale, 5, 10**9)
    assert (mechanism.loss.rho_nano, mechanism.loss.delta_atto) == (18_000_000, 10**9)
    assert mechanism.scales() == tuple(g.scale for g in mechanism.gaussians[1:])


def test_public_keys_need_no_threshold_and_no_delta() -> None:
    mechanism = build(Aggregation(_RELATION, PublicKeys(), (Block((_ROWS,), 5),), 100))
    assert mechanism.threshold is None
    assert mechanism.loss.delta_atto == 0


@settings(max_examples=60)
@given(count=st.integers(1, 5_000), rho_nano=st.integers(1, 10**12))
def test_a_choice_costs_no_more_than_was_paid_for(count: int, rho_nano: int) -> None:
    choice = Choice.of(count, rho_nano)
    assert count / (8 * Fraction(choice.scale) ** 2) <= Fraction(rho_nano, NANO)
    least = math.sqrt(count * NANO / (8 * rho_nano))
    assert choice.scale <= max(2**-7, least * (1 + 2**-30)), "more noise than the price asks for"


def test_a_choice_with_less_noise_than_was_paid_for_does_not_run() -> None:
    choice = Choice.of(3, NANO)
    with pytest.raises(IllegalPlanError):
        replace(choice, scale=choice.scale * 0.999).among(np.arange(9) * WEIGHT_ONE)


def _first_choices(scores: list[int], scale: float, draws: int) -> NDArray[np.int64]:
    """How often each index is chosen first."""
    choice = Choice(1, scale, 10**15)
    found = [int(choice.among(np.array(scores, np.int64) * WEIGHT_ONE)[0]) for _ in range(draws)]
    return np.bincount(found, minlength=len(scores))


def _expected_shares(scores: list[int], scale: float) -> NDArray[np.float64]:
    weights = np.exp((np.array(scores) - max(scores)) / scale)
    shares: NDArray[np.float64] = weights / weights.sum()
    return shares


@pytest.mark.parametrize("scores", [[0, 0, 0], [5, 3, 3, 0, -2], [100, 101]])
def test_the_first_choice_is_that_of_the_exponential_mechanism(scores: list[int]) -> None:
    draws, scale = 20_000, 2.5
    found = _first_choices(scores, scale, draws)
    assert stats.chisquare(found, draws * _expected_shares(scores, scale)).pvalue > SIGNIFICANCE


def test_the_test_of_choices_sees_a_tenth_less_noise() -> None:
    found = _first_choices([5, 3, 3, 0, -2], 2.25, 20_000)
    assert stats.chisquare(found, 20_000 * _expected_shares([5, 3, 3, 0, -2], 2.5)).pvalue < SIGNIFICANCE


def test_choices_are_those_of_opendps_one_shot_mechanism() -> None:
    """Pairs in order, of four scores: both samplers draw from one distribution (a test of homogeneity)."""
    scores, scale, draws = np.array([4, 3, 3, 0], np.int64), 2.0, 20_000
    space = dp.vector_domain(dp.atom_domain(T="i64")), dp.linf_distance(T="i64", monotonic=True)
    theirs = dp.m.make_noisy_top_k(*space, dp.zero_concentrated_divergence(), k=2, scale=scale)
    ours = Choice(2, scale, 10**15)
    tables = [
        Counter(tuple(int(n) for n in sample()) for _ in range(draws))
        for sample in (lambda: ours.among(scores * WEIGHT_ONE), lambda: theirs(scores))
    ]
    pairs = sorted(set(tables[0]) | set(tables[1]))
    assert stats.chi2_contingency([[table[pair] for pair in pairs] for table in tables]).pvalue > SIGNIFICANCE


def test_each_index_is_chosen_once_and_all_where_there_are_no_more() -> None:
    scores = np.array([3, 3, 0, 9, 9, 1], np.int64) * WEIGHT_ONE
    for _ in range(50):
        assert len(set(Choice.of(4, NANO).among(scores).tolist())) == 4
    assert sorted(Choice.of(9, NANO).among(scores).tolist()) == list(range(6))


def test_scores_far_below_the_highest_are_drawn_alike() -> None:
    """Beyond the reach of the weights a score counts as one at its end: still above nothing, and the best are found."""
    scores = np.array([10**9, 10**9 - 1, 5, 0], np.int64) * 16
    assert sorted(Choice.of(2, 10**12).among(scores * (WEIGHT_ONE // 16)).tolist()) == [0, 1]
    assert len(set(Choice.of(3, 10**12).among(scores * (WEIGHT_ONE // 16)).tolist())) == 3


def test_a_choice_among_public_keys_is_priced_with_what_is_measured_of_them() -> None:
    column = Column(0, "k", INTEGER)
    key = Key((column,), SeriesAxis(0, 99, Column(0, "v", INTEGER)))
    aggregation = Aggregation(_RELATION, TopKeys(key, 5, 300), (Block((_ROWS,), 700),), 100)
    mechanism = build(aggregation)
    assert mechanism.choice == Choice.of(5, 300)
    assert mechanism.threshold is None
    assert (mechanism.loss.rho_nano, mechanism.loss.delta_atto) == (1_000, 0)
    assert len(mechanism.gaussians) == 1


NORMS = np.array([3, 0, 5, 9, 2, 1, 0, 0], np.int64)  # units by norm, in bins of which each is a bound
PRIOR = np.log([1, 2, 4, 3, 2, 1, 0.5, 0.25])


@settings(max_examples=60)
@given(rho_nano=st.integers(1, 10**12))
def test_a_choice_of_a_bound_costs_no_more_than_was_paid_for(rho_nano: int) -> None:
    choice = BoundChoice.of(rho_nano)
    assert 1 / (2 * Fraction(choice.scale) ** 2) <= Fraction(rho_nano, NANO)
    assert choice.scale <= max(2**-7, math.sqrt(NANO / (2 * rho_nano)) * (1 + 2**-30)), "more noise than is asked for"


def test_a_choice_of_a_bound_with_less_noise_than_was_paid_for_does_not_run() -> None:
    choice = BoundChoice.of(NANO)
    with pytest.raises(IllegalPlanError):
        replace(choice, scale=choice.scale * 0.999).among(NORMS, 2, PRIOR)


def _bound_shares(
    norms: Vector, wanted: int, log_prior: NDArray[np.float64], scale: float, quarters: int = 1
) -> NDArray[np.float64]:
    """The probabilities of the exponential mechanism, in floating point."""
    above = np.array([norms[place + 1 :].sum() for place in range(len(log_prior))])
    score = -np.abs(np.maximum(above - wanted, above - quarters * norms.sum() / 4))
    weights = np.exp(score / scale + log_prior)
    shares: NDArray[np.float64] = weights / weights.sum()
    return shares


def _bounds_chosen(wanted: int, scale: float, draws: int, quarters: int = 1) -> NDArray[np.int64]:
    choice = BoundChoice(scale, 10**15)
    return np.bincount([choice.among(NORMS, wanted, PRIOR, quarters) for _ in range(draws)], minlength=len(PRIOR))


@pytest.mark.parametrize(("wanted", "quarters"), [(0, 1), (2, 1), (4, 1), (100, 1), (4, 3), (100, 3)])
def test_a_bound_is_chosen_by_the_exponential_mechanism(wanted: int, quarters: int) -> None:
    draws, scale = 4_000, 2.5
    expected = draws * _bound_shares(NORMS, wanted, PRIOR, scale, quarters)
    assert stats.chisquare(_bounds_chosen(wanted, scale, draws, quarters), expected).pvalue > SIGNIFICANCE


def test_a_choice_that_no_proof_covers_does_not_run() -> None:
    for quarters in (-1, 5):
        with pytest.raises(IllegalPlanError):
            BoundChoice.of(NANO).among(NORMS, 2, PRIOR, quarters)


def test_the_test_of_bounds_sees_half_the_noise() -> None:
    expected = 4_000 * _bound_shares(NORMS, 2, PRIOR, 2.5)
    assert stats.chisquare(_bounds_chosen(2, 1.25, 4_000), expected).pvalue < SIGNIFICANCE


def _weights(norms: Vector, wanted: int, log_prior: NDArray[np.float64], scale: float, quarters: int) -> list[int]:
    """The whole numbers that a bound is drawn by."""
    seen: list[int] = []

    def draw(_members: list[list[int]], weights: list[int]) -> int:
        seen.extend(weights)
        return 0

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mechanisms, "_draw", draw)
        BoundChoice(scale, 10**15).among(norms, wanted, log_prior, quarters)
    return seen


_norms = st.lists(st.integers(0, 400), min_size=3, max_size=12)


@settings(max_examples=300)
@given(
    norms=_norms,
    unit=st.integers(0, 11),
    wanted=st.integers(0, 300),
    quarters=st.integers(0, 4),
    scale=st.floats(0.05, 500),
    prior=st.lists(st.floats(-300, 0), min_size=12, max_size=12),
)
def test_one_unit_moves_the_odds_of_any_two_bounds_by_at_most_epsilon(
    norms: list[int], unit: int, wanted: int, quarters: int, scale: float, prior: list[float]
) -> None:
    """The bounded range of Dong, Durfee and Rogers: what the price of a choice rests on, on the weights themselves."""
    whole, without = np.array(norms, np.int64), np.array(norms, np.int64)
    whole[unit % len(norms)] += 1
    log_prior = np.array(prior[: len(norms)])
    pairs = zip(*(_weights(each, wanted, log_prior, scale, quarters) for each in (whole, without)), strict=True)
    ratios = [math.log(Fraction(one, other)) for one, other in pairs]
    assert max(ratios) - min(ratios) <= 2 / scale * (1 + 1e-9) + 1e-9


def test_a_score_beyond_the_reach_counts_as_one_at_its_end() -> None:
    """The first of two bounds is 200 scales from the best one, or one unit more: its weight does not jump."""
    there, beyond = (_weights(np.array([0, units], np.int64), 0, np.zeros(2), 1.0, 1) for units in (200, 201))
    assert there[1] == beyond[1]
    assert math.log(Fraction(there[0], there[1])) == pytest.approx(-200)
    assert there[0] == beyond[0]


def test_a_bound_of_no_prior_is_never_chosen() -> None:
    """Bins beyond the last one of the prior stand for bounds that would not leave room for sums."""
    choice = BoundChoice.of(10**12)
    assert {choice.among(NORMS, 0, PRIOR[:3]) for _ in range(50)} <= {0, 1, 2}


def test_a_bound_in_each_cell_has_noise_in_proportion() -> None:
    sensitivities = np.repeat(np.array([1, 5, 40]), 20_000) * WEIGHT_ONE
    noised, scales = add_noise(np.zeros(60_000, np.int64), sensitivities, NANO // 2)
    assert np.allclose(scales, sensitivities, rtol=1e-9)
    width = float(stats.norm.isf(SIGNIFICANCE)) * math.sqrt(2 / 20_000)
    for sensitivity in (1, 5, 40):
        own = noised[sensitivities == sensitivity * WEIGHT_ONE] / (sensitivity * WEIGHT_ONE)
        assert abs(np.mean(own**2) - 1) < width
