"""Means under bounds that nobody reaches are the true ones, and bounds are chosen for the noise."""

import numpy as np
import pytest

from benchmarks.accuracy.contributions import Lines
from benchmarks.accuracy.means import Means

RNG = np.random.default_rng(4)
LINES = Lines(np.repeat(np.arange(300), 4), RNG.integers(0, 5, 1200), RNG.lognormal(1, 0.5, 1200), group_count=5)


def test_without_noise_the_best_bounds_are_those_that_nobody_reaches() -> None:
    for found in (Means(LINES, 1).truncated(1e12), Means(LINES, 1).scaled(1e12)):
        assert found.error == pytest.approx(0.0, abs=1e-4)


def test_noise_costs_accuracy_and_copies_bring_it_back() -> None:
    strict, loose, many = (
        means.truncated(rho).error
        for means, rho in ((Means(LINES, 1), 0.001), (Means(LINES, 1), 0.1), (Means(LINES, 20), 0.001))
    )
    assert strict > loose
    assert strict > many


def test_the_same_bounds_have_the_same_error_twice() -> None:
    assert Means(LINES, 2).truncated(0.01) == Means(LINES, 2).truncated(0.01)


def test_noise_may_be_of_another_kind() -> None:
    quiet = Means(LINES, 1).truncated(0.001, lambda groups: 1e-9 * groups)
    assert quiet.error == pytest.approx(0.0, abs=1e-4)
