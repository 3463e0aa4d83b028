"""The expected errors agree with what happens when the bounds are applied and the noise is drawn."""

import math

import numpy as np
import pytest

from benchmarks.accuracy import (
    Contributions,
    best_l2,
    best_truncations,
    geometric,
    l2_error,
    largest_error,
    measured_error,
    relative_error,
    truncation_error,
    whole_numbers,
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


def test_the_tuned_bounds_are_the_best_of_those_tried() -> None:
    rng = np.random.default_rng(1)
    units = np.repeat(np.arange(50), 10)
    data = Contributions(units, np.tile(np.arange(10), 50), rng.lognormal(2, 1, 500), 10)
    rho = 0.01
    best = best_l2(data, rho)
    assert best.error <= min(l2_error(data, bound, rho) for bound in (10, 30, 100, 300)) * 1.02
    drawn, largest = best_truncations(data, rho)
    assert drawn.error <= truncation_error(data, 5, 20, rho) * 1.05
    assert largest.error <= largest_error(data, 5, 20, rho) * 1.05


def test_grids_reach_both_ends() -> None:
    grid = geometric(1.0, 10.0, 1.5)
    assert grid[0] == 1.0
    assert grid[-1] >= 10.0 > grid[-2]
    assert whole_numbers(3) == [1, 2, 3]
    assert whole_numbers(500)[-1] == 500
    assert len(whole_numbers(500)) < 100


def test_drawn_errors_are_over_groups_and_draws() -> None:
    assert measured_error([[1.0, 2.0], [3.0, 2.0]], [1.0, 2.0]) == pytest.approx(1.0)
    assert relative_error([[1.0, 5.0, 9.0], [2.0, 5.0, 9.0]], [1.0, 4.0, 0.0]) == pytest.approx(0.25)
    assert math.isnan(measured_error([[]], []))
    assert math.isnan(relative_error([[]], []))
