"""Errors of drawn answers: each figure on numbers whose errors are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from service.simulation.draws import Draws, Key, Row, Shown, truth_of

SHOWN = Shown(("g",), ("x",))
TRUTH: dict[Key, Row] = {(group,): {"g": group, "x": 100.0 * group} for group in range(1, 5)}


def drawn(answers: list[list[Row]]) -> Draws:
    draws = Draws(SHOWN, TRUTH)
    for answer in answers:
        draws.add(answer)
    return draws


def answer(error: float, width: float = 10.0) -> list[Row]:
    """Every group off by `error`."""
    values = {group: 100.0 * group + error for group in range(1, 5)}
    return [{"g": g, "x": x, "x_lower": x - width, "x_upper": x + width} for g, x in values.items()]


def test_errors_are_of_all_groups_and_draws() -> None:
    found = drawn([answer(3.0), answer(-4.0)]).errors("x")
    assert found.rmse == pytest.approx(math.sqrt(12.5))
    assert found.relative_median == pytest.approx(np.median([e / t for e in (3, 4) for t in (100, 200, 300, 400)]))
    assert found.relative_high == pytest.approx(
        np.percentile([e / t for e in (3, 4) for t in (100, 200, 300, 400)], 90)
    )


def test_coverage_counts_intervals_that_hold_the_truth() -> None:
    assert drawn([answer(3.0), answer(11.0), answer(-10.0), answer(-12.0)]).errors("x").coverage == 0.5


def test_narrow_intervals_are_told_by_the_estimate() -> None:
    assert drawn([answer(0.0, width=25.0)]).errors("x").narrow == (0.5, 1.0)
    assert drawn([answer(0.0, width=35.0)]).errors("x").narrow == (0.25, 0.75)


def test_a_constant_error_is_bias_and_a_random_one_is_noise() -> None:
    chance = np.random.default_rng(3)
    noise = [answer(float(error)) for error in chance.normal(0, 10, 200)]
    mixed = [answer(10 + float(error)) for error in chance.normal(0, 10, 200)]
    assert drawn([answer(7.0)] * 5).errors("x").clipping_share == 1.0
    assert drawn(noise).errors("x").clipping_share < 0.05
    assert drawn(mixed).errors("x").clipping_share == pytest.approx(0.5, abs=0.1)
    assert math.isnan(drawn([answer(7.0)]).errors("x").clipping_share)


def test_few_draws_of_noise_are_not_taken_for_bias() -> None:
    """The mean of three errors has a third of their variance: without a correction that would be the share."""
    chance = np.random.default_rng(4)
    truth: dict[Key, Row] = {(group,): {"g": group, "x": 0.0} for group in range(2_000)}
    draws = Draws(SHOWN, truth)
    for _ in range(3):
        draws.add([{"g": group, "x": float(chance.normal())} for group in range(2_000)])
    assert draws.errors("x").clipping_share < 0.05


def test_rows_without_a_true_value_count_for_nothing_but_their_share() -> None:
    draws = drawn([[*answer(3.0), {"g": 9, "x": 1e9, "x_lower": 0.0, "x_upper": 0.0}]])
    assert draws.matched == 0.8
    assert draws.errors("x").rmse == 3.0


def test_rows_that_their_key_does_not_tell_apart_are_left_out() -> None:
    rows: list[Row] = [{"g": 1, "x": 5.0}, {"g": 1, "x": 6.0}, {"g": 2, "x": 7.0}]
    assert truth_of(SHOWN, rows) == {(2,): rows[2]}


def test_nothing_is_told_of_nothing() -> None:
    found = drawn([[]]).errors("x")
    assert all(math.isnan(value) for value in (found.rmse, found.relative_median, found.coverage, *found.narrow))


def test_only_numbers_are_estimates() -> None:
    columns = [
        {"name": "g", "role": "dimension", "type": "VARCHAR"},
        {"name": "x", "role": "estimate", "type": "BIGINT"},
        {"name": "when", "role": "estimate", "type": "DATE"},
        {"name": "x_lower", "role": "lower", "type": "DOUBLE"},
    ]
    assert Shown.of(columns) == SHOWN
