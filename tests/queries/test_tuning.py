"""Bounds follow from noised figures as they should: where contributions lie, how groups differ, what was lost."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from queries import tuning
from queries.engine import FIRST_NORM, NORMS

BIN = 4 * tuning.OCTAVES_A_BIN
exponents = st.integers(FIRST_NORM + BIN, FIRST_NORM + NORMS - 3 * BIN)


def _counts(exponent: int, units: int) -> tuning.Floats:
    """Counts by coarse bin of units whose norms are all 2**(exponent/4)."""
    counts = np.zeros(tuning.LOCATING)
    counts[(exponent - 1 - FIRST_NORM) // BIN] = units
    return counts


@settings(max_examples=100)
@given(exponent=exponents, units=st.integers(100, 10**6), wanted=st.integers(0, 10**6))
def test_contributions_are_located_within_a_bin(exponent: int, units: int, wanted: int) -> None:
    found = tuning.located(_counts(exponent, units), 1.0, wanted)
    assert found is not None
    assert abs(found - exponent) <= BIN


def test_the_fewer_units_a_bound_may_clip_the_higher_it_is_expected() -> None:
    counts = np.zeros(tuning.LOCATING)
    counts[10:12] = 600, 400
    few, more, most = (tuning.located(counts, 1.0, wanted) for wanted in (5, 50, 10_000))
    assert few is not None
    assert more is not None
    assert most is not None
    assert few > more > most > FIRST_NORM + BIN * 11


def test_no_bound_is_expected_above_the_last_bin_that_stands_out() -> None:
    """As where norms have a limit: those of counts of units, say, of which most are close to it."""
    limited, spread = np.zeros(tuning.LOCATING), np.zeros(tuning.LOCATING)
    limited[9:11] = 400, 600
    spread[10:12] = 1_000, 300
    assert tuning.located(limited, 5.0, 10) == FIRST_NORM + BIN * 11
    clear, in_noise = tuning.located(spread, 5.0, 10), tuning.located(spread, 200.0, 10)
    assert clear is not None
    assert clear > FIRST_NORM + BIN * 11
    assert in_noise == FIRST_NORM + BIN * 11


@settings(max_examples=50)
@given(seed=st.integers(0, 2**32 - 1))
def test_noise_alone_locates_nothing_as_a_rule(seed: int) -> None:
    noise = np.random.default_rng(seed)
    found = [tuning.located(noise.normal(0, 7.0, tuning.LOCATING), 7.0, 10) for _ in range(40)]
    assert sum(each is not None for each in found) <= 4


def test_the_prior_peaks_where_the_bound_is_expected_and_pays_for_noise_above() -> None:
    prior = tuning.log_prior(40.0, FIRST_NORM + NORMS)
    place = 40 - FIRST_NORM
    assert int(prior.argmax()) == place
    assert prior[place + 8] - prior[place] == pytest.approx(-6 * math.log(4))  # two octaves
    assert prior[place - 8] - prior[place] == pytest.approx(-2 * math.log(4))
    assert len(tuning.log_prior(40.0, 50)) == 50 - FIRST_NORM + 1


@settings(max_examples=100)
@given(groups=st.integers(1, 10**6), rho_nano=st.integers(1, 10**10))
def test_more_units_are_clipped_the_more_noise_there_is(groups: int, rho_nano: int) -> None:
    wanted = tuning.wanted_above(groups, rho_nano)
    assert wanted <= tuning.wanted_above(4 * groups, rho_nano) <= 2 * wanted + 1
    assert tuning.wanted_above(groups, 4 * rho_nano) <= wanted


def test_large_groups_get_larger_bounds_and_noise_gets_the_smallest() -> None:
    rough = np.array([-900.0, 0.5, 1.0, 256.0, 65_536.0, 1e30])
    steps = list(tuning.steps_of(tuning.sizes_of(rough, 1.0, 1), 1))
    assert steps[1] == steps[2] == 0
    assert steps[3:] == [12, 24, 24]  # the power 0.375 of 2**8 is 2**3: 12 quarters; then the most
    assert steps[0] == round(4 * 0.375 * math.log2(900))


def test_if_units_are_like_the_sums_the_expected_bound_lets_as_many_through() -> None:
    """Units that are all alike: the norm in scaled cells is to the plain one as it is for the sums."""
    sizes = np.array([1_000.0, 10.0, 300.0, 1.0])
    for within in (1, 7):
        steps = tuning.steps_of(sizes, within)
        scaled = np.linalg.norm(sizes / tuning.scales_of(steps)[::within]) / np.linalg.norm(sizes)
        assert tuning.expected_exponent(60, sizes, steps) == pytest.approx(60 + 4 * math.log2(1.2 * scaled))
    assert tuning.expected_exponent(60, np.zeros(4), bytes(4)) == 60


def test_parts_of_a_distribution_have_one_bound_in_proportion_to_its_size() -> None:
    rough = np.array([400.0, 112.0, 1.0, -1.0, 60.0, 4.0])
    sizes = tuning.sizes_of(rough, 2.0, 2)
    assert sizes == pytest.approx(np.array([256.0, 0.0, 32.0]) / math.sqrt(2))
    steps = tuning.scales_of(tuning.steps_of(sizes, 5)).reshape(3, 5)
    assert (steps == steps[:, :1]).all()
    assert steps[0, 0] == pytest.approx(8 * steps[2, 0])
    assert steps[1, 0] == 1


def test_a_cap_is_what_a_unit_at_the_bound_has_in_all() -> None:
    assert tuning.cap_of(np.array([30.0, 40.0]), np.array([10.0, 10.0])) == pytest.approx(14)  # (6, 8) has a norm of 10
    assert tuning.cap_of(np.zeros(3), np.array([1.0, 5.0, 2.0])) == 5


def test_what_was_lost_is_shared_out_three_times_at_its_upper_limit() -> None:
    sums = np.array([60.0, -30.0, 10.0])
    found = tuning.allowances(sums, lost=5.0, deviation=2.0)
    assert found == pytest.approx((3.5 * 5 + 1.96 * 2) / 100 * sums)
    assert tuning.allowances(sums, lost=-50.0, deviation=0.0) == pytest.approx(np.zeros(3))


def test_a_loss_as_large_as_the_sums_leaves_the_truth_open() -> None:
    assert tuning.allowances(np.array([5.0, -1.0]), lost=6.0, deviation=0.0).tolist() == [math.inf, -math.inf]
