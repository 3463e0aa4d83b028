"""Keys pass as often as their noise lets them, and a key that does not pass counts as zero."""

import math

import numpy as np
import pytest

from benchmarks.accuracy.fixed_bounds import Contributions, Truncation
from benchmarks.accuracy.thresholds import GaussianKeys, LaplaceKeys, Thresholded

EXACT = GaussianKeys(1e12)
# Key 0 has 400 units with two lines each, key 1 has one of these units with one line.
DATA = Contributions(
    np.r_[np.arange(400), 0], np.r_[np.zeros(400, np.int64), 1], np.r_[np.full(400, 2.0), 1.0], group_count=3
)


def test_a_key_of_one_unit_never_passes_and_one_of_many_does() -> None:
    passing = EXACT.passing(np.array([1.0, 400.0]), np.zeros(2), 1)
    assert passing == pytest.approx([0.0, 1.0], abs=1e-6)


@pytest.mark.parametrize("noise", [GaussianKeys(0.05), LaplaceKeys(1.0, 1e-6)])
def test_more_units_pass_more_often_and_at_the_threshold_half_of_the_time(noise: GaussianKeys | LaplaceKeys) -> None:
    units = np.arange(1.0, 400.0)
    passing = noise.passing(units, np.zeros_like(units), 4)
    assert np.all(np.diff(passing) >= 0)
    assert passing[0] < 1e-6
    at_threshold = float(np.interp(0.5, passing, units))
    assert noise.passing(np.array([at_threshold]), np.zeros(1), 4) == pytest.approx([0.5], abs=0.02)


def test_the_threshold_of_laplace_noise_is_that_of_smartnoise() -> None:
    at = 3 * (1 - math.log(2 * 1e-6 / 3) / 0.5)
    assert LaplaceKeys(1.0, 1e-6).passing(np.array([at]), np.zeros(1), 3) == pytest.approx([0.5])


def test_what_does_not_pass_counts_as_zero() -> None:
    both = Thresholded(Truncation.of_random_groups(DATA), copies=1).error(2, 2.0, EXACT)
    assert both == pytest.approx(math.sqrt((0 + 1) / 2), rel=1e-3)


def test_copies_bring_keys_over_the_threshold() -> None:
    kept = Truncation.of_random_groups(DATA)
    once, often = (Thresholded(kept, copies).best([GaussianKeys(0.02)])[0] for copies in (1, 1000))
    assert once.released == pytest.approx(1.0, abs=0.05)
    assert often.released == pytest.approx(2.0, abs=0.05)
