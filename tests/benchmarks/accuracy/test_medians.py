"""Medians by the exponential mechanism are as near as the candidates and the noise allow."""

import numpy as np

from benchmarks.accuracy.contributions import Lines
from benchmarks.accuracy.medians import Medians, candidates

RNG = np.random.default_rng(5)
LINES = Lines(
    np.repeat(np.arange(500), 6), RNG.integers(0, 3, 3000), RNG.lognormal(1, 0.5, 3000).round(2), group_count=3
)


def test_without_noise_a_median_is_off_by_a_step_of_the_candidates() -> None:
    assert Medians(LINES, 1).truncated(1e9).error < 0.025


def test_noise_costs_accuracy_and_copies_bring_it_back() -> None:
    assert Medians(LINES, 1).truncated(1e-5).error > Medians(LINES, 50).truncated(1e-5).error
    assert Medians(LINES, 1).truncated(1e-5).error > Medians(LINES, 1).truncated(0.1).error


def test_candidates_for_others_are_stored_units_without_doubles() -> None:
    cents = candidates(100)
    assert cents[0] == 1
    assert cents[-1] >= 100_000
    assert cents == sorted(set(cents))
