"""Display cells: totals are kept, nothing impossible is shown, and shrinking pays where noise dominates."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from queries.display import (
    SHRINK_BELOW,
    cleaned,
    cleaned_above_zero,
    drawn_means,
    not_below_zero,
    one_digit,
    rounded,
    rounded_each,
    shrunk,
    signal_variance,
    step_of,
)

Floats = NDArray[np.float64]
VALUES = st.integers(-(10**9), 10**9).map(float)
DEVIATIONS = st.integers(1, 10**6).map(lambda number: number / 64)
CELLS = st.lists(st.tuples(VALUES, DEVIATIONS), min_size=1, max_size=40)
SEED = 20_261_123


def _columns(cells: list[tuple[float, float]]) -> tuple[Floats, Floats]:
    values, deviations = zip(*cells, strict=True)
    return np.array(values), np.array(deviations)


@given(CELLS)
def test_cells_that_cannot_be_negative_are_not_and_keep_their_total(cells: list[tuple[float, float]]) -> None:
    values, deviations = _columns(cells)
    found = not_below_zero(values, deviations**2)
    assert (found >= 0).all()
    assert found.sum() == pytest.approx(max(0.0, values.sum()), rel=1e-9, abs=1e-3)
    assert found.sum() > 0 or values.sum() <= 0


@given(CELLS)
def test_what_is_not_below_zero_already_stays(cells: list[tuple[float, float]]) -> None:
    values, deviations = np.abs(_columns(cells)[0]), _columns(cells)[1]
    assert not_below_zero(values, deviations**2) == pytest.approx(values, rel=1e-12, abs=1e-3)


@given(CELLS)
def test_no_other_cells_of_that_total_are_nearer(cells: list[tuple[float, float]]) -> None:
    """The conditions of Karush, Kuhn and Tucker: what is above zero was moved by the same, in units of variance."""
    values, deviations = _columns(cells)
    assume(values.sum() > 0)
    found = not_below_zero(values, deviations**2)
    moved = (values - found) / deviations**2
    scale = np.abs(values).max() / (deviations**2).min()
    inside = moved[found > 0]
    assert np.ptp(inside) <= 1e-9 * scale
    assert (moved[found == 0] <= inside.max() + 1e-9 * scale).all()


@given(CELLS, st.randoms(use_true_random=False))
def test_the_order_of_the_groups_is_irrelevant(cells: list[tuple[float, float]], chance: object) -> None:
    order = list(range(len(cells)))
    chance.shuffle(order)  # type: ignore[attr-defined]  # A random.Random.
    values, deviations = _columns(cells)
    for clean in (cleaned, cleaned_above_zero):
        found, again = clean(values, deviations), clean(values[order], deviations[order])
        assert found.biased == again.biased
        assert (found.values[order] == again.values).all()


@given(CELLS)
def test_the_total_moves_by_less_than_rounding(cells: list[tuple[float, float]]) -> None:
    values, deviations = _columns(cells)
    found = cleaned(values, deviations)
    most = step_of(deviations) * max(1, len(values) / 2)
    assert abs(found.values.sum() - values.sum()) <= most
    above = cleaned_above_zero(values, deviations)
    assert (above.values >= 0).all()
    assert abs(above.values.sum() - max(0.0, values.sum())) <= most


@given(st.lists(VALUES, min_size=1, max_size=40, unique=True), st.sampled_from([1.0, 10.0, 1000.0]))
def test_cells_move_by_less_than_a_step_and_the_total_by_at_most_half_where_they_differ(
    numbers: list[float], step: float
) -> None:
    values = np.array(numbers) + np.arange(len(numbers)) / 1e4  # so that no two remainders are equal
    found = rounded(values, step)
    assert (np.abs(found - values) < step * (1 + 1e-9)).all()
    assert (found % int(step) == 0).all()
    if len(np.unique(np.mod(values, step))) == len(values):
        assert abs(found.sum() - values.sum()) <= step * (0.5 + 1e-6)


@given(st.lists(VALUES, min_size=1, max_size=40), st.sampled_from([1.0, 10.0, 1000.0]))
def test_rounding_twice_is_rounding_once_and_equal_cells_stay_equal(numbers: list[float], step: float) -> None:
    values = np.array([*numbers, numbers[0]])
    found = rounded(values, step)
    assert (rounded(found.astype(np.float64), step) == found).all()
    assert found[0] == found[-1]


@pytest.mark.parametrize(
    ("deviation", "step"), [(123.0, 100), (100.0, 100), (99.9, 10), (1.0, 1), (0.2, 1), (0.0, 1), (5e6, 1e6)]
)
def test_the_step_is_a_power_of_ten_of_at_most_the_error_and_at_least_a_minor_unit(
    deviation: float, step: float
) -> None:
    assert step_of(np.array([deviation, 10 * deviation + 1])) == step


@pytest.mark.parametrize(("value", "shown"), [(123.4, 120), (-5.0, 0), (4.0, 0), (0.0, 0)])
def test_one_single_cell_is_rounded_and_not_below_zero(value: float, shown: int) -> None:
    assert cleaned_above_zero(np.array([value]), np.array([12.0])).values.tolist() == [shown]


def test_nothing_to_clean_is_nothing() -> None:
    nothing = np.array([])
    assert cleaned(nothing, nothing).values.tolist() == cleaned_above_zero(nothing, nothing).values.tolist() == []


def test_cells_without_noise_stay_as_they_are() -> None:
    values, silent = np.array([5.0, 0.0, 17.0, 17.0, 2.0]), np.zeros(5)
    assert cleaned_above_zero(values, silent).values.tolist() == values.tolist()
    assert not cleaned_above_zero(values, silent).biased


@pytest.mark.parametrize("signal", [0.0, 30.0, 100.0, 1_000.0])
def test_the_signal_is_found_beneath_noise_of_unequal_variances(signal: float) -> None:
    generator = np.random.default_rng(SEED)
    deviations = generator.uniform(50, 150, 20_000)
    values = generator.normal(500, signal, 20_000) + generator.normal(0, deviations)
    assert signal_variance(values, deviations**2) == pytest.approx(signal**2, rel=0.1, abs=400)


@pytest.mark.parametrize("equal", [True, False])
def test_shrinking_keeps_the_total_and_lowers_the_squared_error(equal: bool) -> None:  # noqa: FBT001
    generator = np.random.default_rng(SEED)
    better = 0
    for _ in range(200):
        deviations = np.full(12, 100.0) if equal else generator.uniform(40, 160, 12)
        truth = generator.normal(300, 60, 12)
        values = truth + generator.normal(0, deviations)
        found, left = shrunk(values, deviations**2, signal_variance(values, deviations**2))
        assert found.sum() == pytest.approx(values.sum())
        assert (left < deviations).all()
        better += ((found - truth) ** 2).sum() < ((values - truth) ** 2).sum()
    assert better > 180  # of 200; without shrinking none would be


def test_with_equal_variances_it_is_the_estimator_of_james_and_stein() -> None:
    values, variance = np.array([10.0, -4.0, 3.0, 7.0, 25.0, 1.0]), 16.0
    spread = values - values.mean()
    factor = 1 - (len(values) - 3) * variance / (spread**2).sum()
    variances = np.full(6, variance)
    found, _ = shrunk(values, variances, signal_variance(values, variances))
    assert found == pytest.approx(values.mean() + factor * spread)


def test_cells_are_shrunk_only_where_noise_dominates_and_then_marked() -> None:
    generator = np.random.default_rng(SEED)
    noise, deviations = generator.normal(0, 100, 500), np.full(500, 100.0)
    for signal, expected in ((50, True), (80, True), (120, False), (500, False)):
        found = cleaned(generator.normal(1_000, signal, 500) + noise, deviations)
        assert found.biased is expected is (signal**2 / (signal**2 + 100**2) < SHRINK_BELOW)
    few = cleaned(np.array([1.0, 2.0, 3.0]), np.full(3, 100.0))
    assert not few.biased


def test_cells_of_noise_alone_are_shown_alike_and_not_as_differences() -> None:
    generator = np.random.default_rng(SEED)
    values = 37 + generator.normal(0, 100, 1_000)
    found = cleaned_above_zero(values, np.full(1_000, 100.0)).values
    assert np.ptp(found) < np.ptp(values) / 5
    assert found.sum() == pytest.approx(values.sum(), abs=500)  # not all rounded to zero, as steps of 100 would


def _noised_means(groups: int, most_rows: float, spread: float) -> tuple[Floats, Floats, Floats]:
    """Means, noised sums and noised counts (deviations 1.5 and 1 of the noise) of groups with up to `most_rows`."""
    generator = np.random.default_rng(SEED)
    means = generator.normal(3, spread, groups)
    counts = most_rows * generator.uniform(0, 1, groups) ** 4
    return means, means * counts + generator.normal(0, 1.5, groups), counts + generator.normal(0, 1, groups)


def test_means_that_are_drawn_together_are_nearer_to_the_truth() -> None:
    means, sums, counts = _noised_means(400, 100, 0.5)
    found = drawn_means(sums, counts, np.full(400, 1.5), np.ones(400), 1.96)
    few = counts < 10
    assert found.biased
    off = np.abs(found.values - means)
    plain = np.abs(sums / np.maximum(counts, 1) - means)
    assert np.sqrt((off[few] ** 2).mean()) < np.sqrt((plain[few] ** 2).mean()) / 2
    assert np.sqrt((off[~few] ** 2).mean()) <= np.sqrt((plain[~few] ** 2).mean())
    assert np.sqrt((off**2).mean()) < 0.6  # what is known of all groups is of use to each: 0.5 is how far they differ


def test_means_of_much_data_are_their_own_and_not_marked() -> None:
    means, sums, counts = _noised_means(50, 0, 0.5)
    counts, sums = counts + 100_000, sums + 100_000 * means
    found = drawn_means(sums, counts, np.full(50, 1.5), np.ones(50), 1.96)
    assert found.values == pytest.approx(sums / counts, abs=1e-4)
    assert not found.biased
    assert found.deviations == pytest.approx(np.full(50, np.hypot(1.5, means.mean()) / 100_000), rel=0.05)


def test_means_of_groups_without_data_are_the_mean_of_all() -> None:
    sums, counts = np.append([3_000.0] * 20, [10.0, -6.0]), np.append([1_000.0] * 20, [-3.0, 4.0])
    found = drawn_means(sums, counts, np.full(22, 30.0), np.full(22, 10.0), 1.96)
    assert found.values == pytest.approx(np.full(22, 3.0), abs=0.2)
    assert found.deviations[20:] == pytest.approx(np.sqrt(1_800 * 2 / 21) / 10, rel=0.01)  # of 4.2 before


@pytest.mark.parametrize("groups", [1, 3])
def test_few_means_stay_as_they_are_where_they_are_known(groups: int) -> None:
    sums, counts = np.linspace(300, 500, groups), np.full(groups, 100.0)
    counts[-1] = 100.0 if groups == 1 else 19.0  # within two deviations of zero
    found = drawn_means(sums, counts, np.full(groups, 10.0), np.full(groups, 10.0), 1.96)
    assert found.values[0] == pytest.approx(3.0)
    assert not found.biased
    assert np.isnan(found.values).tolist() == [False, False, True][:groups]


def test_there_are_no_means_of_what_may_be_nothing() -> None:
    found = drawn_means(np.full(9, 50.0), np.full(9, 5.0), np.full(9, 10.0), np.full(9, 10.0), 1.96)
    assert np.isnan(found.values).all()
    none = np.array([])
    assert drawn_means(none, none, none, none, 1.96).values.tolist() == []


@given(CELLS)
def test_means_do_not_depend_on_the_order_of_groups(cells: list[tuple[float, float]]) -> None:
    values, deviations = _columns(cells)
    counts = np.abs(values[::-1]) + 3 * deviations
    found = drawn_means(values, counts, deviations, deviations, 1.96)
    back = drawn_means(values[::-1], counts[::-1], deviations[::-1], deviations[::-1], 1.96)
    assert back.values[::-1] == pytest.approx(found.values, rel=1e-6, abs=1e-6, nan_ok=True)


@pytest.mark.parametrize(
    ("value", "deviation", "unit", "shown"),
    [(12.3456, 0.5, 0.01, 12.3), (12.3456, 123.0, 0.01, 0.0), (12.3456, 0.0, 0.01, 12.35), (1234.0, 99.0, 1.0, 1230.0)],
)
def test_a_value_by_itself_is_rounded_to_its_own_error(
    value: float, deviation: float, unit: float, shown: float
) -> None:
    assert rounded_each(np.array([value, np.nan]), np.array([deviation, 1.0]), unit)[0] == shown
    assert np.isnan(rounded_each(np.array([value, np.nan]), np.array([deviation, 1.0]), unit)[1])


@pytest.mark.parametrize(
    ("value", "deviation", "shown"), [(2.99, 12.0, 3.0), (0.42, 12.0, 0.4), (-37.0, 400.0, -40.0), (0.0, 5.0, 0.0)]
)
def test_what_has_a_size_of_its_own_keeps_its_first_digit(value: float, deviation: float, shown: float) -> None:
    values, deviations = np.array([value]), np.array([deviation])
    assert rounded_each(values, one_digit(values, deviations), 0.01)[0] == pytest.approx(shown)
