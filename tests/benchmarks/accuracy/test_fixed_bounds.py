"""The expected errors agree with what happens when the bounds are applied and the noise is drawn."""

import math

import numpy as np
import pytest

from benchmarks.accuracy.fixed_bounds import (
    Contributions,
    Truncation,
    best_l2,
    best_truncations,
    gaussian,
    l2_error,
    l2_moments,
    laplace,
    largest_error,
    truncation_error,
)

# Two units: (3, 4) over groups 0 and 1, and (0, 5) where only group 1 occurs.
SMALL = Contributions(np.array([0, 0, 1]), np.array([0, 1, 1]), np.array([3.0, 4.0, 5.0]), 3)
EXACT = 1e12  # a ρ at which there is no noise to speak of


def test_bounds_that_nobody_reaches_leave_only_noise() -> None:
    rho = 0.5
    assert l2_error(SMALL, 5, rho) == pytest.approx(5)
    assert truncation_error(SMALL, 2, 5, rho) == pytest.approx(5 * math.sqrt(2))
    assert largest_error(SMALL, 2, 5, rho) == pytest.approx(5 * math.sqrt(2))


def test_an_l2_bound_scales_whole_units_down() -> None:
    # Half of each unit is lost: 1.5 of group 0 and 4.5 of group 1, of three groups.
    assert l2_error(SMALL, 2.5, EXACT) == pytest.approx(math.sqrt((1.5**2 + 4.5**2) / 3), rel=1e-6)


def test_the_largest_groups_are_kept_and_clamped() -> None:
    assert largest_error(SMALL, 1, 4.5, EXACT) == pytest.approx(math.sqrt((3**2 + 0.5**2) / 3), rel=1e-6)


def test_a_random_choice_of_groups_has_the_error_of_its_draws() -> None:
    # Unit 0 keeps either group: the errors are (0, -4) or (-3, 0), each half the time.
    mean_square = ((0 + 16) + (9 + 0)) / 2 / 3
    assert truncation_error(SMALL, 1, 5, EXACT) == pytest.approx(math.sqrt(mean_square), rel=1e-6)


def _many() -> Contributions:
    rng = np.random.default_rng(1)
    return Contributions(np.repeat(np.arange(50), 10), np.tile(np.arange(10), 50), rng.lognormal(2, 1, 500), 10)


def test_the_tuned_bounds_are_the_best_of_those_tried() -> None:
    data, rho = _many(), 0.01
    (best,) = best_l2(data, [rho])
    assert best.error <= min(l2_error(data, bound, rho) for bound in (10, 30, 100, 300)) * 1.02
    drawn, largest = best_truncations(data, rho)
    assert drawn.error <= min(truncation_error(data, l0, 20, rho) for l0 in (1, 5, 10)) * 1.05
    assert largest.error <= min(largest_error(data, l0, 20, rho) for l0 in (1, 5, 10)) * 1.05


def test_less_noise_allows_larger_bounds() -> None:
    strict, loose = best_l2(_many(), [0.001, 1.0])
    assert strict.bounds[0] < loose.bounds[0]
    assert strict.error > loose.error


@pytest.mark.parametrize("bound", [5.0, 20.0])
def test_copies_of_units_are_as_good_as_a_larger_dataset(bound: float) -> None:
    data = _many()
    tripled = Contributions(
        np.concatenate([data.units + 50 * copy for copy in range(3)]),
        np.tile(data.groups, 3),
        np.tile(data.values, 3),
        10,
    )
    for once, all_three in (
        (l2_moments(data, bound), l2_moments(tripled, bound)),
        (Truncation.of_random_groups(data).moments(4, bound), Truncation.of_random_groups(tripled).moments(4, bound)),
    ):
        assert once.error(7.0, 3) == pytest.approx(all_three.error(7.0))


def test_relative_errors_are_over_groups_that_somebody_is_in() -> None:
    # Half of each unit is lost, and there is no noise: 1.5 of 3 in group 0, 4.5 of 9 in group 1, nothing in group 2.
    assert l2_moments(SMALL, 2.5).relative(SMALL.truth(), 0.0) == pytest.approx(0.5)


def test_laplace_noise_grows_with_the_groups_themselves_and_gaussian_noise_with_their_root() -> None:
    assert gaussian(0.5)(4, 3) == pytest.approx(4 * 9)
    assert laplace(2.0)(4, 3) == pytest.approx(2 * 6**2)
